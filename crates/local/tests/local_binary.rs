//! The program `local` as a user runs it: what it says, how it ends, and that nothing is left behind.
//!
//! The example function stands in for both `api` and `consumer`, so these tests are about `local` alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use support::{echo_function, eventually, is_running, signal};
use tokio::task::JoinSet;

/// How long the stack may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// A directory of the test's own with `local`, `api` and `consumer`, as a build leaves them side by side.
struct Installation {
    directory: PathBuf,
}

impl Installation {
    fn new(test: &str) -> Self {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let installation = Self { directory };
        installation.install("local", Path::new(env!("CARGO_BIN_EXE_local")));
        installation.install("api", &echo_function());
        installation.install("consumer", &echo_function());
        installation.set("batch_size", 10.into());
        installation
    }

    fn install(&self, name: &str, binary: &Path) {
        let to = self.directory.join(name);
        if std::fs::hard_link(binary, &to).is_err() {
            std::fs::copy(binary, &to).unwrap();
        }
    }

    /// Writes the repository's settings with one of them changed.
    fn set(&self, key: &str, value: Value) {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/pipeline.auto.tfvars.json");
        let mut settings: Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        settings[key] = value;
        std::fs::write(self.settings(), settings.to_string()).unwrap();
    }

    fn settings(&self) -> PathBuf {
        self.directory.join("settings.json")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.directory.join("local"));
        command
            .arg("--settings")
            .arg(self.settings())
            .env("PORT", "0")
            .env("AWS_PORT", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs `local` in the expectation that it ends by itself.
    fn fail(&self, command: &mut Command) -> Output {
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        output
    }

    async fn start(&self) -> Running {
        self.start_with(&[]).await
    }

    async fn start_with(&self, variables: &[(&str, &str)]) -> Running {
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

/// A `local` that is ready. Killed when dropped.
struct Running {
    process: Child,
    ready: Value,
    log: PathBuf,
}

impl Running {
    async fn http(&self, method: Method, path: &str, body: &str) -> Response<Bytes> {
        send(
            method,
            &format!("http://127.0.0.1:{}{path}", self.ready["port"]),
            None,
            body,
        )
        .await
        .unwrap()
    }

    async fn control(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let uri = format!("http://127.0.0.1:{}{path}", self.ready["aws_port"]);
        let response = send(method, &uri, None, body).await.unwrap();
        (
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap_or_default(),
        )
    }

    /// An AWS call; `None` if there is no answer.
    async fn aws(&self, target: &str, input: Value) -> Option<(u16, Value)> {
        let uri = format!("http://127.0.0.1:{}/", self.ready["aws_port"]);
        let response = send(Method::POST, &uri, Some(target), &input.to_string()).await?;
        Some((
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap_or_default(),
        ))
    }

    async fn put_records(&self, data: &[&str]) {
        // Base64 of `good` and `fail`, which the example function tells apart.
        let encoded = |data: &str| {
            if data == "fail" {
                "ZmFpbA=="
            } else {
                "Z29vZA=="
            }
        };
        let records: Vec<_> = data
            .iter()
            .map(|data| json!({ "PartitionKey": "order-1", "Data": encoded(data) }))
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

    async fn receive_discard(&self) -> Option<Value> {
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

    async fn state(&self) -> Value {
        let (status, state) = self.control(Method::GET, "/_local/state", "").await;
        assert_eq!(status, 200);
        state
    }

    /// The process ids of all functions.
    async fn functions(&self) -> Vec<u32> {
        let state = self.state().await;
        let functions = state["functions"].as_object().unwrap().values();
        let processes = functions.flat_map(|function| function["processes"].as_array().unwrap());
        processes
            .map(|process| u32::try_from(process["pid"].as_u64().unwrap()).unwrap())
            .collect()
    }

    /// The shell that guards the functions: the child of `local` that leads their process group.
    async fn guard(&self) -> u32 {
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

    async fn ended(&mut self) -> ExitStatus {
        let process = &mut self.process;
        eventually("the end of local", async || process.try_wait().unwrap()).await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn send(
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

async fn all_gone(pids: &[u32], since: Instant) {
    for pid in pids {
        eventually("the end of a process", async || {
            (!is_running(*pid)).then_some(())
        })
        .await;
    }
    assert!(
        since.elapsed() < GONE,
        "gone only after {:?}",
        since.elapsed()
    );
}

/// The only line on standard error.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

#[tokio::test]
async fn when_ready_both_ports_serve_and_the_banner_names_them() {
    let installation = Installation::new("ready");
    let running = installation.start().await;
    let response = running.http(Method::GET, "/orders/1", "").await;
    assert_eq!(response.status(), 200);
    let event: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(event["rawPath"], "/orders/1");
    assert_eq!(
        running.control(Method::GET, "/_local/health", "").await,
        (200, json!({ "status": "ready" }))
    );
    let log = running.log();
    for port in [&running.ready["port"], &running.ready["aws_port"]] {
        assert!(log.contains(&format!("http://127.0.0.1:{port}")), "{log}");
    }
    assert!(
        !log.contains('\x1b'),
        "no colours where there is no terminal"
    );
}

#[tokio::test]
async fn stream_table_and_queue_are_there_when_it_is_ready() {
    let installation = Installation::new("resources");
    let running = installation.start().await;
    let (_, stream) = running
        .aws(
            "Kinesis_20131202.DescribeStreamSummary",
            json!({ "StreamName": "order-intents" }),
        )
        .await
        .unwrap();
    assert_eq!(stream["StreamDescriptionSummary"]["OpenShardCount"], 2);
    assert_eq!(
        stream["StreamDescriptionSummary"]["RetentionPeriodHours"],
        24
    );
    let (_, table) = running
        .aws(
            "DynamoDB_20120810.DescribeTable",
            json!({ "TableName": "orders" }),
        )
        .await
        .unwrap();
    assert_eq!(
        table["Table"]["KeySchema"],
        json!([{ "AttributeName": "order_id", "KeyType": "HASH" }])
    );
    let (status, _) = running
        .aws(
            "AmazonSQS.GetQueueUrl",
            json!({ "QueueName": "order-intents-discarded" }),
        )
        .await
        .unwrap();
    assert_eq!(status, 200);
}

#[tokio::test]
async fn records_reach_the_consumer_and_move_the_checkpoint() {
    let installation = Installation::new("records");
    let running = installation.start().await;
    running.put_records(&["good"; 25]).await;
    let state = eventually("25 delivered records", async || {
        let state = running.state().await;
        (state["mapping"]["counters"]["records_delivered"] == 25).then_some(state)
    })
    .await;
    assert!(
        state["mapping"]["counters"]["batches_delivered"].as_u64() >= Some(3),
        "10 a batch: {state}"
    );
    let shards = state["mapping"]["shards"].as_array().unwrap();
    assert!(
        shards.iter().any(|shard| shard["checkpoint"].is_string()),
        "{state}"
    );
    eventually("a line about it", async || {
        running.log().contains("delivered").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_record_that_keeps_failing_is_retried_then_discarded_to_the_queue() {
    let installation = Installation::new("discard");
    installation.set("maximum_retry_attempts", 1.into());
    let running = installation.start().await;
    running.put_records(&["good", "good", "fail"]).await;
    let discard = eventually("the discard's message", async || {
        running.receive_discard().await
    })
    .await;
    assert_eq!(
        discard["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(
        discard["requestContext"]["approximateInvokeCount"], 2,
        "first try and one retry"
    );
    assert_eq!(
        discard["requestContext"]["functionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:consumer"
    );
    assert_eq!(discard["KinesisBatchInfo"]["batchSize"], 1);
    assert_eq!(
        discard["KinesisBatchInfo"]["streamArn"],
        "arn:aws:kinesis:us-east-1:000000000000:stream/order-intents"
    );
    let log = running.log();
    assert!(
        log.contains("retried in") && log.contains("discarded"),
        "{log}"
    );
}

#[tokio::test]
async fn a_discard_that_the_queue_refuses_is_offered_again() {
    let installation = Installation::new("queue-outage");
    installation.set("maximum_retry_attempts", 0.into());
    let running = installation.start().await;
    let fault = r#"{"service": "sqs", "error": "RequestThrottled", "rate": 1, "seconds": 600}"#;
    assert_eq!(
        running
            .control(Method::POST, "/_local/faults", fault)
            .await
            .0,
        200
    );
    running.put_records(&["fail"]).await;
    eventually("a refused discard", async || {
        running.log().contains("could not be told").then_some(())
    })
    .await;
    assert_eq!(
        running
            .control(Method::DELETE, "/_local/faults", "")
            .await
            .0,
        204
    );
    eventually("the discard's message", async || {
        running.receive_discard().await
    })
    .await;
}

#[tokio::test]
async fn faults_are_set_seen_and_cleared_and_bad_ones_refused_with_the_field() {
    let installation = Installation::new("faults");
    let running = installation.start().await;
    let put = || {
        let record =
            json!({ "StreamName": "order-intents", "PartitionKey": "a", "Data": "Z29vZA==" });
        running.aws("Kinesis_20131202.PutRecord", record)
    };
    let fault = r#"{"service": "kinesis", "error": "ProvisionedThroughputExceededException", "rate": 1, "seconds": 600}"#;
    assert_eq!(
        running
            .control(Method::POST, "/_local/faults", fault)
            .await
            .0,
        200
    );
    let (status, error) = put().await.unwrap();
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("ProvisionedThroughputExceededException"))
    );
    let state = running.state().await;
    assert_eq!(state["faults"]["active"][0]["service"], "kinesis");
    assert_eq!(state["faults"]["hits"][0]["calls"], 1);
    assert_eq!(
        running
            .control(Method::DELETE, "/_local/faults", "")
            .await
            .0,
        204
    );
    assert_eq!(put().await.unwrap().0, 200);

    let fault = r#"{"service": "kinesis", "error": "lost-answer", "rate": 1, "seconds": 600}"#;
    assert_eq!(
        running
            .control(Method::POST, "/_local/faults", fault)
            .await
            .0,
        200
    );
    assert_eq!(
        put().await,
        None,
        "the connection is closed without an answer"
    );
    eventually(
        "both records, the one whose answer was lost too",
        async || {
            (running.state().await["mapping"]["counters"]["records_delivered"] == 2).then_some(())
        },
    )
    .await;

    for (body, field) in [
        ("no json", "body"),
        (
            r#"{"service": "s3", "error": "timeout", "rate": 1, "seconds": 1}"#,
            "service",
        ),
        (
            r#"{"service": "sqs", "error": "Nonsense", "rate": 1, "seconds": 1}"#,
            "error",
        ),
        (
            r#"{"service": "sqs", "error": "timeout", "rate": 2, "seconds": 1}"#,
            "rate",
        ),
        (
            r#"{"service": "sqs", "error": "timeout", "rate": 1}"#,
            "seconds",
        ),
    ] {
        let (status, answer) = running.control(Method::POST, "/_local/faults", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["error"].as_str().unwrap().starts_with(field),
            "{body}: {answer}"
        );
    }
    assert_eq!(
        running.control(Method::PUT, "/_local/faults", "").await.0,
        405
    );
    assert_eq!(
        running.control(Method::GET, "/_local/else", "").await.0,
        404
    );
}

#[tokio::test]
async fn a_consumer_that_is_killed_in_mid_batch_gets_the_batch_again() {
    let installation = Installation::new("killed-consumer");
    let running = installation.start().await;
    // Stopped, it holds its batch until it is killed.
    let consumer = running.state().await["functions"]["consumer"]["processes"][0]["pid"]
        .as_u64()
        .unwrap();
    let consumer = u32::try_from(consumer).unwrap();
    signal(consumer, "STOP");
    running.put_records(&["good"]).await;
    eventually("the batch in flight", async || {
        let state = running.state().await;
        let shards = state["mapping"]["shards"].as_array().unwrap();
        shards
            .iter()
            .any(|shard| shard["in_flight"][0]["attempt"] == 1)
            .then_some(())
    })
    .await;
    signal(consumer, "KILL");
    let state = eventually("the record", async || {
        let state = running.state().await;
        (state["mapping"]["counters"]["records_delivered"] == 1).then_some(state)
    })
    .await;
    assert_eq!(state["functions"]["consumer"]["counters"]["crashes"], 1);
    assert_ne!(
        state["functions"]["consumer"]["processes"][0]["pid"],
        consumer
    );
}

#[tokio::test]
async fn sigterm_and_ctrl_c_end_everything_with_exit_code_0() {
    for (name, why) in [("TERM", "SIGTERM"), ("INT", "Ctrl-C")] {
        let installation = Installation::new(&format!("stop-{name}"));
        let mut running = installation.start().await;
        let mut pids = running.functions().await;
        pids.push(running.guard().await);
        assert_eq!(pids.len(), 3);
        let asked = Instant::now();
        signal(running.process.id(), name);
        assert_eq!(running.ended().await.code(), Some(0));
        all_gone(&pids, asked).await;
        assert!(
            running
                .log()
                .trim_end()
                .ends_with(&format!("stopping: {why}")),
            "{}",
            running.log()
        );
    }
}

#[tokio::test]
async fn sigterm_ends_everything_also_in_mid_invocation() {
    let installation = Installation::new("stop-busy");
    let mut running = installation.start().await;
    let uri = format!("http://127.0.0.1:{}/spin", running.ready["port"]);
    let mut request = JoinSet::new();
    request.spawn(async move { send(Method::GET, &uri, None, "").await });
    eventually("a busy process", async || {
        (running.state().await["functions"]["api"]["processes"][0]["busy"] == true).then_some(())
    })
    .await;
    let pids = running.functions().await;
    let asked = Instant::now();
    signal(running.process.id(), "TERM");
    assert_eq!(running.ended().await.code(), Some(0));
    all_gone(&pids, asked).await;
}

#[tokio::test]
async fn nothing_is_left_behind_after_kill_9_not_even_what_is_busy_or_stopped() {
    let installation = Installation::new("kill-9");
    let mut running = installation.start().await;
    let uri = format!("http://127.0.0.1:{}/spin", running.ready["port"]);
    let mut request = JoinSet::new();
    request.spawn(async move { send(Method::GET, &uri, None, "").await });
    eventually("a busy process", async || {
        (running.state().await["functions"]["api"]["processes"][0]["busy"] == true).then_some(())
    })
    .await;
    let mut pids = running.functions().await;
    let consumer = running.state().await["functions"]["consumer"]["processes"][0]["pid"]
        .as_u64()
        .unwrap();
    signal(u32::try_from(consumer).unwrap(), "STOP");
    pids.push(running.guard().await);
    let killed = Instant::now();
    signal(running.process.id(), "KILL");
    running.ended().await;
    all_gone(&pids, killed).await;
}

#[tokio::test]
async fn without_its_guard_local_stops_rather_than_risk_orphans() {
    let installation = Installation::new("guard");
    let mut running = installation.start().await;
    let pids = running.functions().await;
    let guard = running.guard().await;
    let killed = Instant::now();
    signal(guard, "KILL");
    assert_eq!(running.ended().await.code(), Some(1));
    all_gone(&pids, killed).await;
}

#[tokio::test]
async fn a_port_in_use_is_one_line_that_names_it_and_exit_code_1() {
    let installation = Installation::new("port");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for variable in ["PORT", "AWS_PORT"] {
        let output = installation.fail(installation.command().env(variable, port.to_string()));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            complaint(&output),
            format!(
                "local: {variable}: port {port} on 127.0.0.1 cannot be opened: another program uses it"
            )
        );
    }
}

#[tokio::test]
async fn a_missing_binary_is_one_line_that_says_what_to_do_and_exit_code_1() {
    for name in ["api", "consumer"] {
        let installation = Installation::new(&format!("missing-{name}"));
        std::fs::remove_file(installation.directory.join(name)).unwrap();
        let output = installation.fail(&mut installation.command());
        assert_eq!(output.status.code(), Some(1));
        let complaint = complaint(&output);
        assert!(
            complaint.ends_with(&format!("/{name} is missing; run `make build`")),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn a_function_that_dies_at_start_is_one_line_with_its_last_words_and_exit_code_1() {
    let installation = Installation::new("dies");
    let output = installation.fail(installation.command().env("CALLER", "die"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        complaint(&output),
        "local: api died at start (exit status 3): TABLE_NAME is not set"
    );
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("TABLE_NAME"),
        "said once"
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_one_line_with_file_and_key_and_exit_code_1() {
    let installation = Installation::new("settings");
    installation.set("batch_size", 0.into());
    let output = installation.fail(&mut installation.command());
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    assert!(
        complaint.contains("settings.json: batch_size: is 0"),
        "{complaint}"
    );
}

#[tokio::test]
async fn wrong_usage_is_one_line_and_exit_code_2() {
    let installation = Installation::new("usage");
    let output = installation.fail(installation.command().arg("--prot"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        complaint(&output),
        "local: unknown argument \"--prot\"; see local --help"
    );
    let output = installation.fail(installation.command().env("PORT", "many"));
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn help_is_given_with_exit_code_0() {
    let installation = Installation::new("help");
    let output = installation.command().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("--ready-file")
    );
}

#[tokio::test]
async fn an_output_that_nobody_reads_does_not_hold_up_the_service() {
    let installation = Installation::new("unread");
    let ready = installation.directory.join("ready.json");
    let mut process = installation
        .command()
        .args(["--logs", "--ready-file"])
        .arg(&ready)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = eventually("the ready file", async || {
        Some(serde_json::from_str::<Value>(&std::fs::read_to_string(&ready).ok()?).unwrap())
    })
    .await;
    let unread = process.stdout.take();
    let running = Running {
        process,
        ready,
        log: installation.directory.join("log"),
    };
    // Each crash is a line or more; together far beyond what a pipe holds.
    for _ in 0..1_500 {
        running.http(Method::GET, "/fail", "").await;
    }
    assert_eq!(running.http(Method::GET, "/", "").await.status(), 200);
    drop(unread);
}
