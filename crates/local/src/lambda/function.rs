//! A function as its callers see it. An invocation goes to a free process, or to a new process
//! while fewer than allowed exist. Otherwise the invocation waits for a while and is then refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::console::Console;
use crate::lambda::activity::Activity;
use crate::lambda::execution_environment::{
    ExecutionEnvironment, InitFailure, InvocationEnd, describe_exit,
};
use crate::lambda::function_config::{FunctionConfig, MAX_PROCESSES, MAX_WAIT};
use crate::lambda::function_state::{FunctionState, Ledger, Registration};
use crate::lambda::invocation::{FunctionResult, Invocation, InvokeError};
use crate::lambda::runtime_api::MAX_PAYLOAD;

/// How long the answer to a caller is held back until the process asks for its next invocation. The
/// process does so within microseconds. Without this wait, a caller that calls again at once would
/// find the process not free yet, and would start another one.
const HANDOVER: Duration = Duration::from_millis(20);

/// How long refused requests are added up, so that a burst of them does not flood the console.
const PAUSE: Duration = Duration::from_secs(1);

/// A disturbance of a function's processes, which shows what becomes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disturbance {
    /// The processes end at once, without a chance to clean up, as after `kill -9`.
    Kill,
    /// The processes stop in the middle of their work. They go on when they are thawed. An idle
    /// process also goes on when it is invoked again. An invocation that is frozen for longer than
    /// it may take times out.
    Freeze,
    /// The processes go on.
    Thaw,
}

/// A function and its processes. Dropping the function kills the processes.
#[derive(Debug)]
pub struct Function {
    host: Arc<Host>,
    /// The invocations under way. An invocation goes on when its caller gives up, as on Lambda.
    invocations: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Host {
    config: Arc<FunctionConfig>,
    console: Console,
    activity: Arc<Activity>,
    slots: Arc<Semaphore>,
    /// The processes that wait for an invocation. The process used last is on top.
    idle: Mutex<Vec<Process>>,
    ledger: Ledger,
    /// How many refused requests are not shown yet. `None` means that none was shown within the
    /// last [`PAUSE`].
    refused: Mutex<Option<u64>>,
}

impl Function {
    /// Makes a function without a process yet.
    #[must_use]
    pub fn new(config: FunctionConfig, console: Console) -> Self {
        let host = Host {
            activity: Arc::new(Activity::new(&config.name, console.clone())),
            config: Arc::new(config),
            console,
            slots: Arc::new(Semaphore::new(MAX_PROCESSES)),
            idle: Mutex::default(),
            ledger: Ledger::default(),
            refused: Mutex::default(),
        };
        Self {
            host: Arc::new(host),
            invocations: Mutex::default(),
        }
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.host.config.name
    }

    /// The function's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.host.config.arn()
    }

    /// Starts one process ahead of the first invocation. If the function cannot start at all, this
    /// shows it.
    ///
    /// # Errors
    /// If the process fails before it asks for an invocation.
    pub async fn warm_up(&self) -> Result<(), InitFailure> {
        let process = self.host.start().await?;
        self.host.keep(process);
        Ok(())
    }

    /// Invokes the function and waits for the result. An invocation that has begun goes on when the
    /// returned future is dropped.
    ///
    /// # Errors
    /// If the function did not run, because no process was free in time, the event is too large, or
    /// the stack is stopping.
    pub async fn invoke(&self, payload: Bytes) -> Result<Invocation, InvokeError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(InvokeError::EventTooLarge);
        }
        let slot = Arc::clone(&self.host.slots).acquire_owned();
        let Ok(slot) = tokio::time::timeout(MAX_WAIT, slot).await else {
            self.host.ledger.count(|counters| counters.throttles += 1);
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

    /// Carries out `disturbance` on every process of the function that lives, and on all that the
    /// process has started. Returns the ids of the function's processes that lived.
    pub fn disturb(&self, disturbance: Disturbance) -> Vec<u32> {
        self.host.ledger.signal_each(|tree| match disturbance {
            Disturbance::Kill => tree.kill(),
            Disturbance::Freeze => tree.signal(Signal::STOP),
            Disturbance::Thaw => tree.signal(Signal::CONT),
        })
    }

    /// Ends the processes that wait for an invocation. A process with an extension gets a `SIGTERM`
    /// first. Processes that work end when the function is dropped.
    pub async fn shut_down(&self) {
        let idle = std::mem::take(&mut *lock(&self.host.idle));
        let mut ending = JoinSet::new();
        for process in idle {
            ending.spawn(process.environment.end());
        }
        while ending.join_next().await.is_some() {}
    }

    /// The state of the function now.
    #[must_use]
    pub fn state(&self) -> FunctionState {
        self.host.ledger.state()
    }
}

/// A process and its entry in the ledger.
#[derive(Debug)]
struct Process {
    environment: ExecutionEnvironment,
    registration: Registration,
}

impl Host {
    fn say_refused(&self, what: &str) {
        let text = format!("refused {what}: {}", InvokeError::Throttled);
        self.console.warn(&self.config.name, text);
    }

    /// Shows how many requests were refused meanwhile, until a pause passes without a refusal.
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
        // The invocation does not stop if its caller gave up meanwhile. It runs on, as on Lambda.
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
                return answer(FunctionResult::not_initialized(&failure));
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
        let result = FunctionResult::of(end, &request_id, self.config.timeout);
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

    /// Takes a process that is idle, or else starts a new one.
    async fn process(&self) -> Result<Process, InitFailure> {
        loop {
            let idle = lock(&self.idle).pop();
            match idle {
                Some(process) if process.environment.tree().lives() => return Ok(process),
                // The process ended while it was idle, and the console said so when it happened.
                Some(_) => continue,
                None => return self.start().await,
            }
        }
    }

    async fn start(&self) -> Result<Process, InitFailure> {
        let begun = Instant::now();
        self.ledger.count(|counters| counters.starts += 1);
        let started = ExecutionEnvironment::start(
            Arc::clone(&self.config),
            self.console.clone(),
            Arc::clone(&self.activity),
        )
        .await;
        let environment = match started {
            Ok(environment) => environment,
            Err(failure) => {
                self.ledger.count(|counters| counters.failed_starts += 1);
                return Err(failure);
            }
        };
        let pid = environment.pid();
        let ready = begun.elapsed().as_millis();
        self.console.note(
            &self.config.name,
            format!("process {pid} started, ready after {ready} ms"),
        );
        let registration = self.ledger.register(environment.tree());
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
        self.ledger.count(|counters| counters.invocations += 1);
        match end {
            InvocationEnd::Response(_) => {}
            InvocationEnd::Error(payload) => {
                self.ledger.count(|counters| counters.errors += 1);
                self.console.fail(
                    name,
                    format!("answered with an error: {}", short_error(payload)),
                );
            }
            InvocationEnd::ResponseTooLarge => {
                self.ledger.count(|counters| counters.errors += 1);
                self.console
                    .fail(name, format!("answered with more than {MAX_PAYLOAD} bytes"));
            }
            InvocationEnd::TimedOut => {
                self.ledger.count(|counters| counters.timeouts += 1);
                let seconds = self.config.timeout.as_secs();
                self.console.fail(
                    name,
                    format!("timed out after {seconds} s, process {pid} killed"),
                );
            }
            InvocationEnd::Exited(status) => {
                self.ledger.count(|counters| counters.crashes += 1);
                let status = describe_exit(*status);
                self.console.fail(
                    name,
                    format!("crashed during an invocation, process {pid}: {status}"),
                );
            }
        }
    }
}

/// The type and the message of an error, as the function describes it, for a person.
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
