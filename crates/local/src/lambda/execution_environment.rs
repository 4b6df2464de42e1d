//! One process of a function with its own Runtime API. Lambda calls it an execution environment.
//!
//! The process is started, given one invocation at a time, frozen in between, and killed when its
//! time is up.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::console::Console;
use crate::lambda::activity::Activity;
use crate::lambda::function_config::FunctionConfig;
use crate::lambda::function_log::FunctionLog;
use crate::lambda::process_tree::ProcessTree;
use crate::lambda::runtime_api::{Answer, Delivery, RuntimeApi, Stage};

/// How long a process may take from its start to its first `/next`. Lambda's init phase has the
/// same limit.
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the host waits for the last output of a process that has ended, which is its answer and
/// its last lines.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// How long a process with an extension has between `SIGTERM` and `SIGKILL`. The source says "500
/// ms – A function with a registered internal extension" ("Understanding the Lambda execution
/// environment lifecycle", Lambda developer guide).
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// A running process of a function, and all processes that it has started. Dropping the environment
/// kills them.
#[derive(Debug)]
pub struct ExecutionEnvironment {
    config: Arc<FunctionConfig>,
    runtime_api: RuntimeApi,
    tree: Arc<ProcessTree>,
    /// The exit status, once the process has ended.
    exit: watch::Receiver<Option<ExitStatus>>,
    /// Asks the task that holds the process to kill it.
    kill: watch::Sender<bool>,
    /// The server of the Runtime API and the task that holds the process.
    _tasks: JoinSet<()>,
    /// The readers of the process's standard output and error.
    readers: JoinSet<()>,
}

/// The failure of a process that never asked for an invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function} {reason}{}", last_line.as_ref().map(|line| format!(": {line}")).unwrap_or_default())]
pub struct InitFailure {
    /// The function's name.
    pub function: String,
    /// The reason of the failure.
    pub reason: InitFailureReason,
    /// The last line that the process wrote.
    pub last_line: Option<String>,
}

/// The reason why a process never asked for an invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitFailureReason {
    /// The process could not be started at all.
    #[error("could not be started ({0})")]
    Spawn(String),
    /// The process ended.
    #[error("died at start ({})", describe_exit(*.0))]
    Exited(ExitStatus),
    /// The process reported an error to `/init/error`.
    #[error("failed at start ({0})")]
    Reported(String),
    /// The process did not ask for an invocation within [`INIT_TIMEOUT`].
    #[error("was not ready after {} s", INIT_TIMEOUT.as_secs())]
    TimedOut,
}

/// The end of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvocationEnd {
    /// The function's answer.
    Response(Bytes),
    /// The function reported an error. The payload is the function's description of the error.
    Error(Bytes),
    /// The answer was larger than Lambda allows.
    ResponseTooLarge,
    /// The deadline passed.
    TimedOut,
    /// The process ended before it answered.
    Exited(ExitStatus),
}

impl ExecutionEnvironment {
    /// Starts a process and waits until it asks for its first invocation.
    ///
    /// # Errors
    /// If the process cannot be started, ends, reports an error, or takes longer than
    /// [`INIT_TIMEOUT`].
    pub async fn start(
        config: Arc<FunctionConfig>,
        console: Console,
        activity: Arc<Activity>,
    ) -> Result<Self, InitFailure> {
        let spawn_failure = |error: std::io::Error| InitFailure {
            function: config.name.clone(),
            reason: InitFailureReason::Spawn(error.to_string()),
            last_line: None,
        };
        let (runtime_api, server) = RuntimeApi::open(&config.name)
            .await
            .map_err(spawn_failure)?;
        let log_stream = log_stream();
        let mut child = command(&config, runtime_api.address(), &log_stream)
            .spawn()
            .map_err(spawn_failure)?;
        // Of the variables that Lambda sets, this one has a value that no other execution
        // environment has, now or later.
        let tree = ProcessTree::of(&child, format!("AWS_LAMBDA_LOG_STREAM_NAME={log_stream}"));
        let tree = Arc::new(tree);

        let log = Arc::new(FunctionLog::new(
            &config.name,
            config.show_logs,
            console.clone(),
            activity,
        ));
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(Arc::clone(&log).follow(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(Arc::clone(&log).follow(stderr));
        }
        let (kill, kill_asked) = watch::channel(false);
        let (exit_sender, exit) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(server);
        let stage = runtime_api.stage();
        let name = config.name.clone();
        let held = Arc::clone(&tree);
        tasks.spawn(async move {
            let pid = held.pid();
            let (status, asked) = hold(child, &held, kill_asked).await;
            // If a process ends while it starts or works, its caller fails, and the end is reported
            // there.
            if !asked && matches!(*stage.borrow(), Stage::Waiting | Stage::Answered) {
                console.warn(
                    &name,
                    format!("process {pid} ended while idle: {}", describe_exit(status)),
                );
            }
            exit_sender.send_replace(Some(status));
        });

        let mut environment = Self {
            config,
            runtime_api,
            tree,
            exit,
            kill,
            _tasks: tasks,
            readers,
        };
        match environment.initialized().await {
            Ok(()) => {
                log.started();
                Ok(environment)
            }
            Err(reason) => {
                let function = environment.config.name.clone();
                environment.end().await;
                Err(InitFailure {
                    function,
                    reason,
                    last_line: log.gave_up(),
                })
            }
        }
    }

    async fn initialized(&mut self) -> Result<(), InitFailureReason> {
        let mut stage = self.runtime_api.stage();
        let ready = async {
            match stage
                .wait_for(|stage| *stage != Stage::Initializing)
                .await
                .as_deref()
            {
                Ok(Stage::InitFailed(message)) => Err(InitFailureReason::Reported(message.clone())),
                _ => Ok(()),
            }
        };
        tokio::select! {
            biased;
            ready = ready => ready,
            status = exited(&mut self.exit) => Err(InitFailureReason::Exited(status)),
            () = tokio::time::sleep(INIT_TIMEOUT) => Err(InitFailureReason::TimedOut),
        }
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.tree.pid()
    }

    /// The process, and all processes that it has started.
    pub(crate) fn tree(&self) -> Arc<ProcessTree> {
        Arc::clone(&self.tree)
    }

    /// The exit status of the process, if it has ended.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Returns a watch on the process's end.
    #[must_use]
    pub fn exit(&self) -> watch::Receiver<Option<ExitStatus>> {
        self.exit.clone()
    }

    /// Gives the process one invocation and waits for its answer until `deadline`. A process that
    /// did not answer is of no more use, so [`end`](ExecutionEnvironment::end) it.
    pub async fn invoke(
        &mut self,
        request_id: &str,
        payload: Bytes,
        deadline: Instant,
    ) -> InvocationEnd {
        let (answer_sender, mut answer) = oneshot::channel();
        // The time left is taken first, and the wall clock is read after it. So the deadline that
        // the process is told is never before the host's own.
        let left = deadline.saturating_duration_since(Instant::now());
        let told = milliseconds_since_1970(SystemTime::now() + left);
        self.tree.signal(Signal::CONT);
        self.runtime_api.deliver(Delivery {
            request_id: request_id.to_owned(),
            payload,
            deadline_ms: told,
            function_arn: self.config.arn(),
            trace_id: trace_id(),
            answer: answer_sender,
        });
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            status = exited(&mut self.exit) => {
                // The process may have answered and ended at once. Then its answer is still on its
                // way through the socket.
                match tokio::time::timeout(EXIT_GRACE, &mut answer).await {
                    Ok(Ok(answered)) => Ok(answered),
                    _ => return InvocationEnd::Exited(status),
                }
            }
            () = tokio::time::sleep_until(deadline) => return InvocationEnd::TimedOut,
        };
        match answered {
            Ok(Answer::Response(payload)) => InvocationEnd::Response(payload),
            Ok(Answer::Error(payload)) => InvocationEnd::Error(payload),
            Ok(Answer::ResponseTooLarge) => InvocationEnd::ResponseTooLarge,
            // The Runtime API's server is gone. It ends only with the environment.
            Err(_) => InvocationEnd::TimedOut,
        }
    }

    /// Waits for the process to ask for its next invocation, at most until `deadline`. Returns true
    /// if the process did. The call is safe to cancel.
    pub async fn idle(&mut self, deadline: Instant) -> bool {
        let mut stage = self.runtime_api.stage();
        tokio::select! {
            biased;
            waiting = stage.wait_for(|stage| *stage == Stage::Waiting) => waiting.is_ok(),
            _ = exited(&mut self.exit) => false,
            () = tokio::time::sleep_until(deadline) => false,
        }
    }

    /// Stops the process until its next invocation, as Lambda does. Nothing that the process left
    /// running goes on, and its clocks jump (Lambda developer guide, "Lambda execution environment
    /// lifecycle").
    pub fn freeze(&self) {
        self.tree.signal(Signal::STOP);
    }

    /// Kills the process and all processes that it has started. Waits, for at most 500 ms, until
    /// the process is gone and its output is read. A process that has registered an extension is
    /// asked to end before, and has 500 ms to do so.
    pub async fn end(mut self) {
        if self.runtime_api.has_extension() && self.tree.signal(Signal::TERM) {
            // A frozen process gets the signal when it goes on.
            self.tree.signal(Signal::CONT);
            let _ = tokio::time::timeout(SHUTDOWN_GRACE, exited(&mut self.exit)).await;
        }
        self.kill.send_replace(true);
        let read_all = async {
            exited(&mut self.exit).await;
            while self.readers.join_next().await.is_some() {}
        };
        // The wait is bounded, because a grandchild may hold the pipe open.
        let _ = tokio::time::timeout(EXIT_GRACE, read_all).await;
    }
}

/// Describes an exit status in the words of Lambda's `Runtime.ExitError`.
#[must_use]
pub fn describe_exit(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

async fn exited(exit: &mut watch::Receiver<Option<ExitStatus>>) -> ExitStatus {
    let status = exit
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|status| *status);
    match status {
        Some(status) => status,
        // The task that holds the process ends only with the environment. The environment is the
        // one that waits here, so this wait is dropped too.
        None => std::future::pending().await,
    }
}

/// Waits for the process to end or to be killed on demand. Returns true if the kill was asked for.
/// All that the process has started ends with it, because in Lambda the end of the runtime is the
/// end of the sandbox.
async fn hold(
    mut child: Child,
    tree: &ProcessTree,
    mut kill: watch::Receiver<bool>,
) -> (ExitStatus, bool) {
    let ended = tokio::select! {
        status = tree.wait(&mut child) => Some(status),
        _ = kill.wait_for(|kill| *kill) => None,
    };
    tree.kill();
    let (status, asked) = match ended {
        Some(status) => (status, false),
        None => (tree.wait(&mut child).await, true),
    };
    (status.unwrap_or_default(), asked)
}

/// The name of a log stream in Lambda's form, unique to an execution environment.
fn log_stream() -> String {
    let now = chrono::DateTime::<chrono::Utc>::from(SystemTime::now());
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("{}[$LATEST]{unique}", now.format("%Y/%m/%d/"))
}

/// The command that starts the process. Its environment has the variables that Lambda sets for an
/// OS-only runtime, the function's own variables, and nothing of the user's environment.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
fn command(config: &FunctionConfig, runtime_api: &str, log_stream: &str) -> Command {
    let task_root = config
        .executable
        .parent()
        .unwrap_or(std::path::Path::new("/"));
    let mut command = Command::new(&config.executable);
    command
        .env_clear()
        .env("_HANDLER", "bootstrap")
        .env("AWS_REGION", &config.region)
        .env("AWS_DEFAULT_REGION", &config.region)
        .env("AWS_LAMBDA_FUNCTION_NAME", &config.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            config.memory_mb.to_string(),
        )
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env(
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{}", config.name),
        )
        .env("AWS_LAMBDA_LOG_STREAM_NAME", log_stream)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("LAMBDA_TASK_ROOT", task_root)
        .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
        .env("LANG", "en_US.UTF-8")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("TZ", ":UTC")
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(task_root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(config.process_group)
        .kill_on_drop(true);
    command
}

/// An X-Ray header that asks for no sampling. It has epoch seconds in hex, 96 random bits, and 64
/// random bits for the parent.
///
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn trace_id() -> String {
    let seconds = milliseconds_since_1970(SystemTime::now()) / 1_000;
    let root = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0",
        &root[..24],
        &parent[..16]
    )
}

fn milliseconds_since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_header_has_the_shape_that_x_ray_documents() {
        let header = trace_id();
        let mut parts = header.split(';');
        let root: Vec<&str> = parts
            .next()
            .unwrap()
            .strip_prefix("Root=")
            .unwrap()
            .split('-')
            .collect();
        assert_eq!((root[0], root[1].len(), root[2].len()), ("1", 8, 24));
        assert_eq!(
            parts.next().unwrap().strip_prefix("Parent=").unwrap().len(),
            16
        );
        assert_eq!(parts.next(), Some("Sampled=0"));
    }
}
