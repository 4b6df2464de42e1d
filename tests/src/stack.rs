//! The running service that a test talks to: started as `make run` does, on free ports, or deployed by the AWS APIs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::primitives::Blob;
use orders::OrderId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::deployment::Deployment;
use crate::http::{self, Answer, HttpClient};
use crate::{ORDER, Target, eventually, eventually_within, submit_intent};

/// The name of the embedded stack's stream.
pub const STREAM: &str = "order-intents";
/// The name of the embedded stack's table.
pub const TABLE: &str = "orders";
/// The name of the embedded stack's on-failure queue.
pub const QUEUE: &str = "order-intents-discarded";

/// What a stack is started with, besides the shipped settings.
#[derive(Clone, Debug, Default)]
pub struct StackOptions {
    /// `CALLER`; `none` if not given, and wherever the front door knows no callers ([`Stack::knows_callers`]).
    pub caller: Option<&'static str>,
    /// `LOG_LEVEL`; `info` if not given. All of the functions' log lines are in [`Stack::log`].
    pub log_level: Option<&'static str>,
    /// Keys of the settings file with other values.
    pub settings: Vec<(&'static str, Value)>,
    /// A binary of this package to run in the consumer's place.
    pub consumer: Option<&'static str>,
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

/// A stack that was started here. It ends, with every process of its own, when it is dropped.
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
    /// If it does not get ready; with what it printed.
    pub async fn start_with(options: StackOptions) -> Self {
        match Target::chosen() {
            Target::Embedded => Self::embedded(options).await,
            Target::LocalStack | Target::Aws => {
                assert_eq!(options.consumer, None, "only the embedded stack swaps it");
                let log_level = options.log_level.unwrap_or("info");
                let deployment = Deployment::create(&settings(&options), log_level, true).await;
                Self::of(Arc::new(deployment)).await
            }
        }
    }

    /// Starts what a test of AWS's own APIs needs: stream, table and queue, and nothing that reads or writes them. Where
    /// they are deployed, other tests use them at the same time.
    ///
    /// # Panics
    /// If it does not get ready; with what it printed.
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
        stack.enable_mapping(false).await;
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
        let consumer = options.consumer.unwrap_or("consumer");
        let [local, api, consumer] = ["local", "api", consumer].map(function);
        let local = install(folder.path(), [&local, &api, &consumer]);
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

    /// A stack that runs already, with its HTTP API and its AWS APIs on these ports of this machine.
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

    /// Whether the front door tells callers apart, by the header `X-Local-Caller`. That of LocalStack does not: what a
    /// caller would have put into the stream, a test puts there itself.
    #[must_use]
    pub fn knows_callers(&self) -> bool {
        self.knows_callers
    }

    /// The version of the consumer that the mapping invokes: a local function has none, a deployed one is invoked by an
    /// alias that names its first.
    #[must_use]
    pub fn consumer_version(&self) -> &'static str {
        if self.deployment.is_some() {
            "1"
        } else {
            "$LATEST"
        }
    }

    /// The name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.deployment.as_ref().map_or(STREAM, |of| &of.stream)
    }

    /// The ARN of the stream.
    #[must_use]
    pub fn stream_arn(&self) -> String {
        self.deployment.as_ref().map_or_else(
            || format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"),
            |of| of.stream_arn.clone(),
        )
    }

    /// The name of the table.
    #[must_use]
    pub fn table(&self) -> &str {
        self.deployment.as_ref().map_or(TABLE, |of| &of.table)
    }

    /// Whether a local stack answers at its AWS port.
    pub async fn answers(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/_local/health", self.aws_port);
        let answer = http::try_send(&self.http, "GET", &url, &[], vec![]).await;
        answer.is_ok_and(|answer| answer.body["status"] == "ready")
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

    /// Sends a request to the HTTP API.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let Some(deployment) = &self.deployment else {
            let url = format!("http://127.0.0.1:{}{path}", self.port);
            return http::send(&self.http, method, &url, headers, body.into()).await;
        };
        let url = format!("{}{path}", deployment.url);
        let mut all = vec![("host", deployment.host.as_str())];
        all.extend_from_slice(headers);
        http::send(&self.http, method, &url, &all, body.into()).await
    }

    /// Submits this body as JSON.
    pub async fn submit(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", "/orders", &all, body).await
    }

    /// Submits [`ORDER`]; gives the order's id.
    ///
    /// # Panics
    /// If it is not accepted.
    pub async fn accepted(&self) -> String {
        let answer = self.submit(&[], ORDER).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.text("order_id").to_owned()
    }

    /// Cancels an order.
    pub async fn cancel(&self, order_id: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("POST", &format!("/orders/{order_id}/cancel"), headers, "")
            .await
    }

    /// Reads an order.
    pub async fn read(&self, order_id: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", &format!("/orders/{order_id}"), headers, "")
            .await
    }

    /// Reads an order again and again until it is there.
    pub async fn persisted(&self, order_id: &str, headers: &[(&str, &str)]) -> Answer {
        eventually("the order being persisted", || async {
            Some(self.read(order_id, headers).await).filter(|answer| answer.status == 200)
        })
        .await
    }

    /// The row of an order, if there is one.
    ///
    /// # Panics
    /// If the table cannot be read.
    pub async fn row(
        &self,
        order_id: &str,
    ) -> Option<std::collections::HashMap<String, AttributeValue>> {
        let key = AttributeValue::S(order_id.to_owned());
        let request = self
            .dynamodb()
            .get_item()
            .table_name(self.table())
            .key("order_id", key);
        request.consistent_read(true).send().await.unwrap().item
    }

    /// Puts data straight into the stream; gives the sequence number.
    ///
    /// # Panics
    /// If the stream does not take it.
    pub async fn put(&self, partition_key: &str, data: impl Into<Vec<u8>>) -> String {
        let request = self
            .kinesis()
            .put_record()
            .stream_name(self.stream())
            .partition_key(partition_key);
        request
            .data(Blob::new(data.into()))
            .send()
            .await
            .unwrap()
            .sequence_number
    }

    /// Waits for the next message of the on-failure queue, and takes it.
    ///
    /// # Panics
    /// If none comes within a minute.
    pub async fn discarded(&self) -> Value {
        let url = self.queue_url();
        eventually("a discard", || async {
            let request = self.sqs().receive_message().queue_url(&url);
            let message = request.send().await.unwrap().messages?.pop()?;
            let request = self.sqs().delete_message().queue_url(&url);
            let handle = message.receipt_handle.unwrap();
            request.receipt_handle(handle).send().await.unwrap();
            serde_json::from_str(message.body.as_deref()?).ok()
        })
        .await
    }

    /// The URL of the on-failure queue.
    #[must_use]
    pub fn queue_url(&self) -> String {
        self.deployment.as_ref().map_or_else(
            || format!("http://127.0.0.1:{}/000000000000/{QUEUE}", self.aws_port),
            |of| of.queue_url.clone(),
        )
    }

    /// `GET /_local/state`.
    pub async fn state(&self) -> Value {
        self.control("GET", "state", &json!(null)).await
    }

    /// Waits until the mapping has read all that is in the stream and has nothing unfinished.
    pub async fn drained(&self) {
        self.drained_within(Duration::from_secs(60)).await;
    }

    /// Waits for at most this long until the mapping has read all that is in the stream and has nothing unfinished.
    ///
    /// A deployed mapping shows no such state. There an order is put behind all others into every shard, and awaited, and
    /// then another one. The first may be of one batch with what is before it, and keys of a batch are worked off
    /// concurrently; the second is of a later batch, and the batches of a shard follow each other. So what was there before
    /// has been worked off by then, though a record that failed may be tried again later.
    ///
    /// # Panics
    /// If it is not so then.
    pub async fn drained_within(&self, patience: Duration) {
        if self.deployment.is_some() {
            return self.probed_within(patience).await;
        }
        eventually_within(patience, "the stream being worked off", || async {
            let state = self.state().await;
            let mapping = &state["mapping"];
            let idle = mapping["shards"]
                .as_array()?
                .iter()
                .all(|shard| shard["in_flight"] == json!([]) && shard["unfinished_records"] == 0);
            let shards = state["stream"]["shards"].as_array()?;
            let put: u64 = shards
                .iter()
                .filter_map(|shard| shard["records"].as_u64())
                .sum();
            (mapping["counters"]["records_read"].as_u64()? >= put && idle).then_some(())
        })
        .await;
    }

    async fn probed_within(&self, patience: Duration) {
        let give_up = Instant::now() + patience;
        for _ in 0..2 {
            for probe in self.probe().await {
                let left = give_up.saturating_duration_since(Instant::now());
                eventually_within(left, "the stream being worked off", || self.row(&probe)).await;
            }
        }
    }

    /// Puts at least one order into every shard; gives their ids.
    async fn probe(&self) -> Vec<String> {
        let kinesis = self.kinesis();
        let shards = kinesis.list_shards().stream_name(self.stream()).send();
        let shards = shards.await.unwrap().shards.unwrap_or_default();
        let mut ahead: BTreeSet<String> = shards.into_iter().map(|shard| shard.shard_id).collect();
        let mut probes = Vec::new();
        // Each has an id of its own, whose hash decides on the shard.
        while !ahead.is_empty() {
            let probe = submit_intent(ORDER);
            self.probes().insert(probe.order_id);
            let request = kinesis.put_record().stream_name(self.stream());
            let request = request.partition_key(probe.order_id.to_string());
            let request = request.data(Blob::new(probe.encode()));
            ahead.remove(&request.send().await.unwrap().shard_id);
            probes.push(probe.order_id.to_string());
        }
        probes
    }

    /// The orders that no client has sent, but [`drained_within`](Self::drained_within) has put behind theirs.
    pub(crate) fn probes(&self) -> std::sync::MutexGuard<'_, BTreeSet<OrderId>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Injects a fault into every call of a service.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn fault(&self, service: &str, error: &str, seconds: u64) {
        let fault = json!({"service": service, "error": error, "rate": 1, "seconds": seconds});
        self.inject(&fault).await;
    }

    /// Lets every call of a service take effect and be answered this much later.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn slow(&self, service: &str, milliseconds: u64, seconds: u64) {
        let fault = json!({
            "service": service, "error": "slow", "milliseconds": milliseconds, "rate": 1, "seconds": seconds,
        });
        self.inject(&fault).await;
    }

    /// Injects a fault as the stack's user would.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn inject(&self, fault: &Value) {
        self.control("POST", "faults", fault).await;
    }

    /// Ends all faults.
    pub async fn no_faults(&self) {
        self.control("DELETE", "faults", &json!(null)).await;
    }

    /// Kills, freezes or thaws every process of a function; says how many there were.
    ///
    /// # Panics
    /// If there is no such function or action.
    pub async fn disturb(&self, function: &str, action: &str) -> usize {
        let request = json!({"function": function, "action": action});
        let answer = self.control("POST", "functions", &request).await;
        answer["pids"].as_array().unwrap().len()
    }

    /// Turns the stop switch of the mapping, and waits until it has come into force.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub async fn enable_mapping(&self, enabled: bool) {
        self.control("POST", "mapping", &json!({"enabled": enabled}))
            .await;
        let state = if enabled { "Enabled" } else { "Disabled" };
        eventually(state, || async {
            (self.state().await["mapping"]["state"] == state).then_some(())
        })
        .await;
    }

    async fn control(&self, method: &str, route: &str, body: &Value) -> Value {
        assert!(
            self.deployment.is_none(),
            "only the embedded stack has this"
        );
        let url = format!("http://127.0.0.1:{}/_local/{route}", self.aws_port);
        let body = body.to_string().into_bytes();
        let answer = http::send(&self.http, method, &url, &[], body).await;
        assert!(answer.status < 300, "{method} {route}: {}", answer.body);
        answer.body
    }

    /// An SDK client of the stack's Kinesis.
    #[must_use]
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.config)
    }

    /// An SDK client of the stack's DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// An SDK client of the stack's SQS.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// The SDK's settings for clients of the stack's AWS APIs.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// What it has printed, if it was started here.
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
            eprintln!("--- what the stack printed ---\n{}", self.log());
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Its watchdog ends its functions when it is gone, however it went.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Puts the three binaries into a folder, each under the name that it has to have; gives the stack's own path there.
fn install(folder: &Path, binaries: [&Path; 3]) -> PathBuf {
    for (binary, name) in binaries.into_iter().zip(["local", "api", "consumer"]) {
        let to = folder.join(name);
        if std::fs::hard_link(binary, &to).is_err() {
            std::fs::copy(binary, &to).unwrap();
        }
    }
    folder.join("local")
}

/// Where cargo puts binaries. A command is there itself; a test is in the folder `deps` below.
fn build_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    if folder.ends_with("deps") {
        folder.parent().unwrap().to_owned()
    } else {
        folder.to_owned()
    }
}

/// The shipped settings, with some changed.
fn settings(options: &StackOptions) -> Value {
    let path = repository().join("infra/pipeline.auto.tfvars.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (key, value) in &options.settings {
        assert!(settings.get(*key).is_some(), "{key} is no setting");
        settings[*key] = value.clone();
    }
    settings
}

/// The folder of the repository.
///
/// # Panics
/// Never: the tests have a folder of their own in it.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests have a folder of their own")
}

/// A binary of the service, built from the sources as they are.
///
/// # Panics
/// If it is missing, or older than one of its sources: a test of it would then test something else.
#[must_use]
pub fn function(name: &str) -> PathBuf {
    let folder = build_folder();
    let binary = folder.join(name);
    let advice = "run `make build`, or all tests by `make test`";
    assert!(binary.exists(), "{} is missing: {advice}", binary.display());
    // Beside a binary that it builds by name, cargo writes what it was made from: `binary: source source …`, spaces
    // escaped. When it builds all tests it does not, and the binary is as new as they are.
    let Ok(made_from) = std::fs::read_to_string(folder.join(format!("{name}.d"))) else {
        return binary;
    };
    let (_, sources) = made_from.split_once(": ").unwrap();
    let sources = sources.trim().replace("\\ ", "\0");
    let changed = |path: &Path| path.metadata().unwrap().modified().unwrap();
    for source in sources.split(' ') {
        let source = PathBuf::from(source.replace('\0', " "));
        let is_older = source.exists() && changed(&binary) < changed(&source);
        assert!(
            !is_older,
            "{name} is older than {}: {advice}",
            source.display()
        );
    }
    binary
}
