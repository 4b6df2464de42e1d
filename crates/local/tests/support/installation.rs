//! `local` as a user has it. It is installed in its own directory, started and called. At the end
//! the tests look for its processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::{echo_function, eventually, is_running};

/// How long the stack may take to be gone.
pub const GONE: Duration = Duration::from_secs(5);

/// The functions of the stack.
pub const FUNCTIONS: [&str; 5] = ["api", "reader", "consumer", "notifier", "shipping"];

/// The functions' binaries. The functions `api` and `reader` run one.
pub const BINARIES: [&str; 4] = ["api", "consumer", "notifier", "shipping"];

/// The test's own directory with `local` and the functions side by side, as a build leaves them.
pub struct Installation {
    pub directory: PathBuf,
}

impl Installation {
    pub fn new(test: &str) -> Self {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let installation = Self { directory };
        installation.install("local", Path::new(env!("CARGO_BIN_EXE_local")));
        for name in BINARIES {
            installation.install(name, &echo_function());
        }
        installation.set("batch_size", 10.into());
        installation
    }

    pub fn install(&self, name: &str, binary: &Path) {
        let to = self.directory.join(name);
        if std::fs::hard_link(binary, &to).is_err() {
            std::fs::copy(binary, &to).unwrap();
        }
    }

    /// Writes the repository's settings with one value changed.
    pub fn set(&self, key: &str, value: Value) {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/pipeline.auto.tfvars.json");
        let mut settings: Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        settings[key] = value;
        std::fs::write(self.settings(), settings.to_string()).unwrap();
    }

    pub fn settings(&self) -> PathBuf {
        self.directory.join("settings.json")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.directory.join("local"));
        command
            .arg("--settings")
            .arg(self.settings())
            .env("PORT", "0")
            .env("AWS_PORT", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs `local`, which is expected to fail and end by itself.
    pub fn fail(&self, command: &mut Command) -> Output {
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        output
    }

    pub async fn start(&self) -> Running {
        self.start_with(&[]).await
    }

    pub async fn start_with(&self, variables: &[(&str, &str)]) -> Running {
        let ready = self.directory.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = self.directory.join("log");
        let mut process = self
            .command()
            .arg("--ready-file")
            .arg(&ready)
            .envs(variables.iter().copied())
            .stdout(std::fs::File::create(&log).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let ready = eventually("the ready file", async || {
            assert_eq!(
                process.try_wait().unwrap(),
                None,
                "local ended: {}",
                std::fs::read_to_string(&log).unwrap()
            );
            Some(serde_json::from_str::<Value>(&std::fs::read_to_string(&ready).ok()?).unwrap())
        })
        .await;
        assert_eq!(ready["pid"], process.id());
        Running {
            process,
            ready,
            log,
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A `local` that is ready. Dropping it kills the process.
pub struct Running {
    pub process: Child,
    pub ready: Value,
    pub log: PathBuf,
}

impl Running {
    pub async fn http(&self, method: Method, path: &str, body: &str) -> Response<Bytes> {
        send(
            method,
            &format!("http://127.0.0.1:{}{path}", self.ready["port"]),
            None,
            body,
        )
        .await
        .unwrap()
    }

    pub async fn control(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let uri = format!("http://127.0.0.1:{}{path}", self.ready["aws_port"]);
        let response = send(method, &uri, None, body).await.unwrap();
        (
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap_or_default(),
        )
    }

    /// Makes an AWS call. Returns `None` if there is no answer.
    pub async fn aws(&self, target: &str, input: Value) -> Option<(u16, Value)> {
        let uri = format!("http://127.0.0.1:{}/", self.ready["aws_port"]);
        let response = send(Method::POST, &uri, Some(target), &input.to_string()).await?;
        Some((
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap_or_default(),
        ))
    }

    pub async fn put_records(&self, data: &[&str]) {
        let records: Vec<_> = data
            .iter()
            .map(|data| json!({ "PartitionKey": "order-1", "Data": BASE64_STANDARD.encode(data) }))
            .collect();
        let input = json!({ "StreamName": "order-intents", "Records": records });
        let (status, output) = self
            .aws("Kinesis_20131202.PutRecords", input)
            .await
            .unwrap();
        assert_eq!(
            (status, &output["FailedRecordCount"]),
            (200, &json!(0)),
            "{output}"
        );
    }

    pub async fn receive_discard(&self) -> Option<Value> {
        let queue = format!(
            "http://127.0.0.1:{}/000000000000/order-intents-discarded",
            self.ready["aws_port"]
        );
        let (_, output) = self
            .aws("AmazonSQS.ReceiveMessage", json!({ "QueueUrl": queue }))
            .await?;
        let message = output["Messages"][0]["Body"].as_str()?;
        Some(serde_json::from_str(message).unwrap())
    }

    pub async fn state(&self) -> Value {
        let (status, state) = self.control(Method::GET, "/_local/state", "").await;
        assert_eq!(status, 200);
        state
    }

    /// The process ids of all functions.
    pub async fn functions(&self) -> Vec<u32> {
        let state = self.state().await;
        let functions = state["functions"].as_object().unwrap().values();
        let processes = functions.flat_map(|function| function["processes"].as_array().unwrap());
        processes
            .map(|process| u32::try_from(process["pid"].as_u64().unwrap()).unwrap())
            .collect()
    }

    /// The shell that guards the functions. It is the child of `local` that leads their process
    /// group.
    pub async fn guard(&self) -> u32 {
        let function = self.functions().await[0];
        let output = Command::new("ps")
            .args(["-o", "pgid=", "-p", &function.to_string()])
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let process = &mut self.process;
        eventually("the end of local", async || process.try_wait().unwrap()).await
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub async fn send(
    method: Method,
    uri: &str,
    target: Option<&str>,
    body: &str,
) -> Option<Response<Bytes>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let (head, body) = client.request(request).await.ok()?.into_parts();
    Some(Response::from_parts(
        head,
        body.collect().await.ok()?.to_bytes(),
    ))
}

pub async fn all_gone(pids: &[u32], since: Instant) {
    for pid in pids {
        eventually("the end of a process", async || {
            (!is_running(*pid)).then_some(())
        })
        .await;
    }
    assert!(
        since.elapsed() < GONE,
        "the processes were gone only after {:?}",
        since.elapsed()
    );
}
