//! A function as its callers see it: invocations go to a process that is free, to a new one while there are fewer than
//! allowed, or wait for a while and are then refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::console::Console;
use crate::lambda::execution_environment::{
    ExecutionEnvironment, InitFailure, InitFailureReason, InvocationEnd, describe_exit,
};
use crate::lambda::function_config::FunctionConfig;
use crate::lambda::process_tree::ProcessTree;
use crate::lambda::runtime_api::MAX_PAYLOAD;

/// Processes of one function at a time; what Lambda calls its reserved concurrency.
pub const MAX_PROCESSES: usize = 8;

/// How long an invocation waits for a process to be free before it is refused.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// How long the answer to a caller is held back for the process to ask for its next invocation. It does so within
/// microseconds; without this, a caller that calls again at once would find it not yet free and start another process.
const HANDOVER: Duration = Duration::from_millis(20);

/// Refused requests are added up for this long, so that a burst of them does not flood the console.
const PAUSE: Duration = Duration::from_secs(1);

/// The answer to an invocation: the function ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Unique to this invocation.
    pub request_id: String,
    /// What came of it.
    pub result: FunctionResult,
}

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionResult {
    /// The function's response.
    Response(Bytes),
    /// The function failed: reported an error, crashed or could not start. Lambda answers such an invocation with status
    /// 200, `FunctionError: Unhandled` and this payload (`errorType`, `errorMessage`).
    Unhandled(Bytes),
    /// The function took too long. To a caller of Lambda this is `Unhandled` too.
    TimedOut(Bytes),
}

/// Why an invocation was refused. The function never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// All processes were busy for [`MAX_WAIT`]. Lambda: 429, `TooManyRequestsException`.
    #[error("all {MAX_PROCESSES} processes were busy for {} s", MAX_WAIT.as_secs())]
    Throttled,
    /// The event is larger than [`MAX_PAYLOAD`]. Lambda: 413, `RequestTooLargeException`.
    #[error("the event is larger than {MAX_PAYLOAD} bytes")]
    EventTooLarge,
    /// The stack is stopping.
    #[error("the stack is stopping")]
    Stopping,
}

/// What can be done to the processes of a function to see what becomes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disturbance {
    /// They end at once, without a chance to clean up: `kill -9`.
    Kill,
    /// They stop in the middle of what they do, and go on when they are thawed, or idle and invoked again. An invocation
    /// that is frozen for longer than it may take times out.
    Freeze,
    /// They go on.
    Thaw,
}

/// A function and its processes. Dropping it kills them.
#[derive(Debug)]
pub struct Function {
    host: Arc<Host>,
    /// Invocations under way. They go on when their caller gives up, as on Lambda.
    invocations: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Host {
    config: Arc<FunctionConfig>,
    console: Console,
    slots: Arc<Semaphore>,
    /// Processes that wait for an invocation, the one used last on top.
    idle: Mutex<Vec<Process>>,
    ledger: Arc<Mutex<Ledger>>,
    /// Refused requests that are not shown yet; `None` if none was shown within the last [`PAUSE`].
    refused: Mutex<Option<u64>>,
}

/// What is known about a function, for `/_local/state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionState {
    /// Processes that live, by process id.
    pub processes: Vec<ProcessState>,
    /// Since the start.
    pub counters: FunctionCounters,
}

/// One process of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessState {
    /// Its process id.
    pub pid: u32,
    /// Whether it works on an invocation.
    pub busy: bool,
    /// Invocations that it was given.
    pub invocations: u64,
}

/// What happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionCounters {
    /// Invocations given to a process.
    pub invocations: u64,
    /// Of these, the ones that the function answered with an error.
    pub errors: u64,
    /// Of these, the ones that took too long.
    pub timeouts: u64,
    /// Of these, the ones during which the process ended.
    pub crashes: u64,
    /// Invocations refused because all processes were busy.
    pub throttles: u64,
    /// Processes started.
    pub starts: u64,
    /// Processes that failed before they asked for an invocation.
    pub failed_starts: u64,
}

#[derive(Debug, Default)]
struct Ledger {
    processes: BTreeMap<u32, (ProcessState, Arc<ProcessTree>)>,
    counters: FunctionCounters,
}

impl Function {
    /// A function without a process yet.
    #[must_use]
    pub fn new(config: FunctionConfig, console: Console) -> Self {
        let host = Host {
            config: Arc::new(config),
            console,
            slots: Arc::new(Semaphore::new(MAX_PROCESSES)),
            idle: Mutex::default(),
            ledger: Arc::default(),
            refused: Mutex::default(),
        };
        Self {
            host: Arc::new(host),
            invocations: Mutex::default(),
        }
    }

    /// The function's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.host.config.arn()
    }

    /// Starts one process ahead of the first invocation, to know that the function can start at all.
    ///
    /// # Errors
    /// When the process fails before it asks for an invocation.
    pub async fn warm_up(&self) -> Result<(), InitFailure> {
        let process = self.host.start().await?;
        self.host.keep(process);
        Ok(())
    }

    /// Invokes the function and waits for the result. The invocation goes on when the returned future is dropped.
    ///
    /// # Errors
    /// When the function did not run: no process was free in time, or the event is too large.
    pub async fn invoke(&self, payload: Bytes) -> Result<Invocation, InvokeError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(InvokeError::EventTooLarge);
        }
        let slot = Arc::clone(&self.host.slots).acquire_owned();
        let Ok(slot) = tokio::time::timeout(MAX_WAIT, slot).await else {
            lock(&self.host.ledger).counters.throttles += 1;
            self.show_refused();
            return Err(InvokeError::Throttled);
        };
        let slot = slot.map_err(|_| InvokeError::Stopping)?;
        let (reply, result) = oneshot::channel();
        {
            let mut invocations = lock(&self.invocations);
            while invocations.try_join_next().is_some() {}
            invocations.spawn(Arc::clone(&self.host).run(payload, slot, reply));
        }
        result.await.map_err(|_| InvokeError::Stopping)
    }

    fn show_refused(&self) {
        let mut refused = lock(&self.host.refused);
        if let Some(held_back) = &mut *refused {
            *held_back += 1;
            return;
        }
        *refused = Some(0);
        self.host.say_refused("a request");
        lock(&self.invocations).spawn(Arc::clone(&self.host).show_held_back());
    }

    /// Does this to every process of the function that lives, with whatever it has started, and
    /// says which they were.
    pub fn disturb(&self, disturbance: Disturbance) -> Vec<u32> {
        let ledger = lock(&self.host.ledger);
        let trees = ledger.processes.values().map(|(_, tree)| tree);
        trees
            .filter(|tree| match disturbance {
                Disturbance::Kill => tree.kill(),
                Disturbance::Freeze => tree.signal(Signal::STOP),
                Disturbance::Thaw => tree.signal(Signal::CONT),
            })
            .map(|tree| tree.pid())
            .collect()
    }

    /// Ends the processes that wait for an invocation, those with an extension with a `SIGTERM`
    /// first. Those that work are left to whoever drops the function.
    pub async fn shut_down(&self) {
        let idle = std::mem::take(&mut *lock(&self.host.idle));
        let mut ending = JoinSet::new();
        for process in idle {
            ending.spawn(process.environment.end());
        }
        while ending.join_next().await.is_some() {}
    }

    /// What is known about the function now.
    #[must_use]
    pub fn state(&self) -> FunctionState {
        let ledger = lock(&self.host.ledger);
        FunctionState {
            processes: ledger
                .processes
                .values()
                .filter(|(_, tree)| tree.lives())
                .map(|(state, _)| state.clone())
                .collect(),
            counters: ledger.counters.clone(),
        }
    }
}

/// A process and its line in the ledger.
#[derive(Debug)]
struct Process {
    environment: ExecutionEnvironment,
    registration: Registration,
}

/// Takes the process off the ledger when it is dropped.
#[derive(Debug)]
struct Registration {
    ledger: Arc<Mutex<Ledger>>,
    pid: u32,
}

impl Host {
    fn say_refused(&self, what: &str) {
        let text = format!("refused {what}: {}", InvokeError::Throttled);
        self.console.warn(&self.config.name, text);
    }

    /// Shows the sum of what was refused, until a pause passes in which nothing was.
    async fn show_held_back(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let mut refused = lock(&self.refused);
            match refused.take() {
                None | Some(0) => return,
                Some(held_back) => {
                    *refused = Some(0);
                    drop(refused);
                    self.say_refused(&match held_back {
                        1 => "a request".to_owned(),
                        several => format!("{several} requests"),
                    });
                }
            }
        }
    }

    async fn run(
        self: Arc<Self>,
        payload: Bytes,
        slot: OwnedSemaphorePermit,
        reply: oneshot::Sender<Invocation>,
    ) {
        let request_id = uuid::Uuid::new_v4().to_string();
        // A caller that gave up meanwhile is no reason to stop: the invocation runs on, as on Lambda.
        let answer = |result| {
            let _ = reply.send(Invocation {
                request_id: request_id.clone(),
                result,
            });
        };
        let mut process = match self.process().await {
            Ok(process) => process,
            Err(failure) => {
                self.console.fail(&self.config.name, &failure);
                return answer(FunctionResult::Unhandled(init_error_payload(&failure)));
            }
        };
        process.registration.given_an_invocation();
        let deadline = Instant::now() + self.config.timeout;
        let end = process
            .environment
            .invoke(&request_id, payload, deadline)
            .await;
        self.account_for(&end, process.environment.pid());
        let of_no_use = matches!(end, InvocationEnd::TimedOut | InvocationEnd::Exited(_));
        let result = self.result(end, &request_id);
        if of_no_use {
            process.environment.end().await;
            return answer(result);
        }
        if process
            .environment
            .idle(deadline.min(Instant::now() + HANDOVER))
            .await
        {
            self.keep(process);
            drop(slot);
            return answer(result);
        }
        answer(result);
        // The invocation ends when the process asks for the next one, not with its answer.
        if process.environment.idle(deadline).await {
            self.keep(process);
        } else {
            process.environment.end().await;
        }
    }

    /// The answer to the caller, with Lambda's own error payloads where the function gave none.
    fn result(&self, end: InvocationEnd, request_id: &str) -> FunctionResult {
        match end {
            InvocationEnd::Response(payload) => FunctionResult::Response(payload),
            InvocationEnd::Error(payload) => FunctionResult::Unhandled(payload),
            InvocationEnd::ResponseTooLarge => FunctionResult::Unhandled(error_payload(
                "Function.ResponseSizeTooLarge",
                &format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."
                ),
            )),
            InvocationEnd::TimedOut => FunctionResult::TimedOut(error_payload(
                "Sandbox.Timedout",
                &format!(
                    "RequestId: {request_id} Error: Task timed out after {}.00 seconds",
                    self.config.timeout.as_secs()
                ),
            )),
            InvocationEnd::Exited(status) => FunctionResult::Unhandled(error_payload(
                "Runtime.ExitError",
                &format!(
                    "RequestId: {request_id} Error: Runtime exited with error: {}",
                    describe_exit(status)
                ),
            )),
        }
    }

    /// A process that is idle, else a new one.
    async fn process(&self) -> Result<Process, InitFailure> {
        loop {
            let idle = lock(&self.idle).pop();
            match idle {
                Some(process) if process.environment.tree().lives() => return Ok(process),
                // It died while it was idle, which was said when it happened.
                Some(_) => continue,
                None => return self.start().await,
            }
        }
    }

    async fn start(&self) -> Result<Process, InitFailure> {
        let begun = Instant::now();
        lock(&self.ledger).counters.starts += 1;
        let started =
            ExecutionEnvironment::start(Arc::clone(&self.config), self.console.clone()).await;
        let environment = match started {
            Ok(environment) => environment,
            Err(failure) => {
                lock(&self.ledger).counters.failed_starts += 1;
                return Err(failure);
            }
        };
        let pid = environment.pid();
        let ready = begun.elapsed().as_millis();
        self.console.note(
            &self.config.name,
            format!("process {pid} started, ready after {ready} ms"),
        );
        let state = ProcessState {
            pid,
            busy: false,
            invocations: 0,
        };
        let line = (state, environment.tree());
        lock(&self.ledger).processes.insert(pid, line);
        let registration = Registration {
            ledger: Arc::clone(&self.ledger),
            pid,
        };
        Ok(Process {
            environment,
            registration,
        })
    }

    fn keep(&self, process: Process) {
        process.registration.idle();
        process.environment.freeze();
        lock(&self.idle).push(process);
    }

    fn account_for(&self, end: &InvocationEnd, pid: u32) {
        let name = &self.config.name;
        let counters = &mut lock(&self.ledger).counters;
        counters.invocations += 1;
        match end {
            InvocationEnd::Response(_) => {}
            InvocationEnd::Error(payload) => {
                counters.errors += 1;
                self.console.fail(
                    name,
                    format!("answered with an error: {}", short_error(payload)),
                );
            }
            InvocationEnd::ResponseTooLarge => {
                counters.errors += 1;
                self.console
                    .fail(name, format!("answered with more than {MAX_PAYLOAD} bytes"));
            }
            InvocationEnd::TimedOut => {
                counters.timeouts += 1;
                let seconds = self.config.timeout.as_secs();
                self.console.fail(
                    name,
                    format!("timed out after {seconds} s, process {pid} killed"),
                );
            }
            InvocationEnd::Exited(status) => {
                counters.crashes += 1;
                let status = describe_exit(*status);
                self.console.fail(
                    name,
                    format!("crashed during an invocation, process {pid}: {status}"),
                );
            }
        }
    }
}

impl Registration {
    fn given_an_invocation(&self) {
        if let Some((state, _)) = lock(&self.ledger).processes.get_mut(&self.pid) {
            state.busy = true;
            state.invocations += 1;
        }
    }

    fn idle(&self) {
        if let Some((state, _)) = lock(&self.ledger).processes.get_mut(&self.pid) {
            state.busy = false;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.ledger).processes.remove(&self.pid);
    }
}

/// What Lambda answers when a function could not be initialized.
fn init_error_payload(failure: &InitFailure) -> Bytes {
    let kind = match failure.reason {
        InitFailureReason::Spawn(_) => "Runtime.InvalidEntrypoint",
        InitFailureReason::Exited(_) => "Runtime.ExitError",
        InitFailureReason::Reported(_) => "Runtime.InitError",
        InitFailureReason::TimedOut => "Sandbox.Timedout",
    };
    error_payload(kind, &failure.to_string())
}

fn error_payload(kind: &str, message: &str) -> Bytes {
    Bytes::from(json!({ "errorType": kind, "errorMessage": message }).to_string())
}

/// Type and message of an error as a function describes it, for a person.
fn short_error(payload: &[u8]) -> String {
    let error: Value = serde_json::from_slice(payload).unwrap_or_default();
    match (error["errorType"].as_str(), error["errorMessage"].as_str()) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => "no description".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
