//! The running service that a test talks to. It is started as `make run` does, on free ports, or
//! deployed by the AWS APIs.

mod aws;
mod control;
mod drained;
mod http_api;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use orders::OrderId;
use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::{install, repository};
use crate::deployment::{Deployment, Parts};
use crate::http::{self, HttpClient};
use crate::{Target, eventually};

pub use aws::{QUEUE, STREAM, TABLE};

/// The options of a stack, besides the shipped settings.
#[derive(Clone, Debug, Default)]
pub struct StackOptions {
    /// The value of `CALLER`. It is `none` if not given, and wherever the front door knows no
    /// callers ([`Stack::knows_callers`]).
    pub caller: Option<&'static str>,
    /// The value of `LOG_LEVEL`, which is `info` if not given. All of the functions' log lines are
    /// in [`Stack::log`].
    pub log_level: Option<&'static str>,
    /// The keys of the settings file that get other values.
    pub settings: Vec<(&'static str, Value)>,
    /// A binary of this package to run in the consumer's place.
    pub consumer: Option<&'static str>,
    /// True if a deployed stack gets the path of the facts too. The embedded stack always has it.
    pub facts: bool,
}

/// A running stack.
pub struct Stack {
    own: Option<Own>,
    deployment: Option<Arc<Deployment>>,
    knows_callers: bool,
    port: u16,
    aws_port: u16,
    http: HttpClient,
    config: SdkConfig,
    probes: Mutex<BTreeSet<OrderId>>,
}

/// A stack that was started here. The stack and all its processes end when it is dropped.
struct Own {
    process: Child,
    folder: TempDir,
}

impl Stack {
    /// Starts a stack with the shipped settings.
    pub async fn start() -> Self {
        Self::start_with(StackOptions::default()).await
    }

    /// Starts a stack on the target of this run, and waits until it is ready.
    ///
    /// # Panics
    /// If the stack does not get ready. The message has the stack's output.
    pub async fn start_with(options: StackOptions) -> Self {
        match Target::chosen() {
            Target::Embedded => Self::embedded(options).await,
            Target::LocalStack | Target::Aws => {
                assert_eq!(
                    options.consumer, None,
                    "only the embedded stack runs another consumer"
                );
                let log_level = options.log_level.unwrap_or("info");
                let parts = if options.facts {
                    Parts::WithFacts
                } else {
                    Parts::WithFunctions
                };
                let deployment = Deployment::create(&settings(&options), log_level, parts).await;
                Self::of(Arc::new(deployment)).await
            }
        }
    }

    /// Starts the resources for a test of AWS's own APIs. They are stream, table and queue, and
    /// nothing that reads or writes them. Where they are deployed, other tests use them at the same
    /// time.
    ///
    /// # Panics
    /// If the stack does not get ready. The message has the stack's output.
    pub async fn start_without_functions() -> Self {
        match Target::chosen() {
            Target::Embedded => Self::embedded_without_functions().await,
            Target::LocalStack | Target::Aws => {
                Self::of(Deployment::shared(&settings(&StackOptions::default())).await).await
            }
        }
    }

    async fn embedded_without_functions() -> Self {
        let stack = Self::embedded(StackOptions::default()).await;
        for function in ["consumer", "notifier", "shipping"] {
            stack.enable_mapping_of(function, false).await;
        }
        stack
    }

    async fn of(deployment: Arc<Deployment>) -> Self {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Self {
            own: None,
            deployment: Some(deployment),
            knows_callers: false,
            port: 0,
            aws_port: 0,
            http: http::client(),
            config,
            probes: Mutex::default(),
        }
    }

    async fn embedded(options: StackOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let (ready_file, log) = (folder.path().join("ready.json"), folder.path().join("log"));
        let settings_file = folder.path().join("settings.json");
        std::fs::write(&settings_file, settings(&options).to_string()).unwrap();
        let output = std::fs::File::create(&log).unwrap();
        let local = install(folder.path(), options.consumer.unwrap_or("consumer"));
        let mut process = Command::new(local)
            .arg("--settings")
            .arg(&settings_file)
            .arg("--ready-file")
            .arg(&ready_file)
            .env("PORT", "0")
            .env("AWS_PORT", "0")
            .env("CALLER", options.caller.unwrap_or("none"))
            .env("LOG_LEVEL", options.log_level.unwrap_or("info"))
            .env("LOGS", "1")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let ready: Value = eventually("the stack being ready", || {
            if let Some(status) = process.try_wait().unwrap() {
                panic!(
                    "local ended with {status}:\n{}",
                    std::fs::read_to_string(&log).unwrap()
                );
            }
            let ready = std::fs::read(&ready_file).ok();
            async move { serde_json::from_slice(&ready?).ok() }
        })
        .await;
        let port = |name: &str| u16::try_from(ready[name].as_u64().unwrap()).unwrap();
        let mut stack = Self::running(port("port"), port("aws_port"));
        stack.knows_callers = options.caller.is_some();
        stack.own = Some(Own { process, folder });
        stack
    }

    /// A stack that runs already, with its HTTP API and its AWS APIs on these ports of this
    /// machine.
    #[must_use]
    pub fn running(port: u16, aws_port: u16) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://127.0.0.1:{aws_port}"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .build();
        Self {
            own: None,
            deployment: None,
            knows_callers: false,
            port,
            aws_port,
            http: http::client(),
            config,
            probes: Mutex::default(),
        }
    }

    /// True if the front door tells callers apart, by the header `X-Local-Caller`. LocalStack's
    /// front door does not. There a test itself puts a caller's intent into the stream.
    #[must_use]
    pub fn knows_callers(&self) -> bool {
        self.knows_callers
    }

    /// True if the stack is deployed by AWS's APIs, and false if it is the embedded stack.
    #[must_use]
    pub fn is_deployed(&self) -> bool {
        self.deployment.is_some()
    }

    /// The port of the embedded stack's HTTP API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the embedded stack's AWS APIs.
    #[must_use]
    pub fn aws_port(&self) -> u16 {
        self.aws_port
    }

    /// The stack's output, if the stack was started here, or the log of the deployed functions.
    #[must_use]
    pub fn log(&self) -> String {
        if let Some(deployment) = &self.deployment {
            return deployment.log();
        }
        let log = self.own.as_ref().map(|own| own.folder.path().join("log"));
        log.and_then(|log| std::fs::read_to_string(log).ok())
            .unwrap_or_default()
    }

    /// The process id of the stack itself, if it was started here.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.process.id())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the stack's output ---\n{}", self.log());
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The stack's watchdog ends the stack's functions, however the stack ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The shipped settings, with some changed.
fn settings(options: &StackOptions) -> Value {
    let path = repository().join("infra/pipeline.auto.tfvars.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (key, value) in &options.settings {
        assert!(settings.get(*key).is_some(), "{key} is not a setting");
        settings[*key] = value.clone();
    }
    settings
}
