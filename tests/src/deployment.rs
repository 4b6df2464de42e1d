//! The service as the AWS APIs deploy it. `tests/localstack/deployment.py` makes a deployment for
//! one test, and removes it after the test.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Weak};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::binaries::repository;

/// A deployment under its own name. It is removed when it is dropped.
pub(crate) struct Deployment {
    name: String,
    /// The URL of the HTTP API, or nothing without functions.
    pub(crate) url: String,
    /// The host by which LocalStack finds the function.
    pub(crate) host: String,
    pub(crate) stream: String,
    pub(crate) stream_arn: String,
    pub(crate) table: String,
    pub(crate) queue_url: String,
    pub(crate) facts_stream: String,
    pub(crate) announcements_table: String,
    pub(crate) shipments_table: String,
}

/// The parts of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Stream, table and queue alone.
    WithoutFunctions,
    /// The functions up to the row of an order, too.
    WithFunctions,
    /// All that follows from the row, too.
    WithFacts,
}

/// The stream, table and queue that tests share while they run at the same time.
static SHARED: Mutex<Weak<Deployment>> = Mutex::const_new(Weak::new());

impl Deployment {
    /// Stream, table and queue with these settings, and nothing that reads or writes them. Tests
    /// that run at the same time share them. The last test removes them.
    pub(crate) async fn shared(settings: &Value) -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let created = Arc::new(Self::create(settings, "info", Parts::WithoutFunctions).await);
        *shared = Arc::downgrade(&created);
        created
    }

    /// Deploys these parts with these settings.
    pub(crate) async fn create(settings: &Value, log_level: &str, parts: Parts) -> Self {
        let prefix = std::env::var("E2E_PREFIX").unwrap_or_else(|_| "e2e".to_owned());
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{prefix}-{}", &random[..8]);
        let folder = TempDir::new().unwrap();
        let settings_file = folder.path().join("settings.json");
        std::fs::write(&settings_file, settings.to_string()).unwrap();
        let mut command = command();
        command.args(["create", &name, "--log-level", log_level, "--settings"]);
        command.arg(&settings_file);
        match parts {
            Parts::WithoutFunctions => command.arg("--without-functions"),
            Parts::WithFunctions => &mut command,
            Parts::WithFacts => command.arg("--with-facts"),
        };
        let made = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{name} was not deployed:\n{said}");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
        Self {
            url: text("url"),
            host: text("host"),
            stream: text("stream"),
            stream_arn: text("stream_arn"),
            table: text("table"),
            queue_url: text("queue_url"),
            facts_stream: text("facts_stream"),
            announcements_table: text("announcements_table"),
            shipments_table: text("shipments_table"),
            name,
        }
    }

    /// The functions' log so far, as far as it has arrived.
    pub(crate) fn log(&self) -> String {
        let output = command().args(["log", &self.name]).output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let removed = command().args(["remove", &self.name]).status();
        if !removed.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            panic!("{} was not removed", self.name);
        }
    }
}

fn command() -> Command {
    let folder = repository().join("tests/localstack");
    let python = std::env::var("E2E_PYTHON").expect("`make test-localstack` sets E2E_PYTHON");
    let mut command = Command::new(Path::new(&python));
    command.arg(folder.join("deployment.py"));
    command.stdin(Stdio::null());
    command
}
