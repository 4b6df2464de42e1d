//! Lambda's poller on this machine. It carries out what the event source mapping wants done. It
//! reads the stream, invokes the function, and tells the on-failure queue.
//!
//! Faults that are injected into Kinesis do not hit the poller ([`ShardReader`]). Discards do go
//! through SQS, as any client's messages do, so that an outage of the queue can be tried out.
//! There is a poller for each event source mapping.
//!
//! Two things are faster than on AWS, for the sake of the person who waits.
//!
//! - A shard is polled every 20 ms. On AWS it is polled about once a second.
//! - The first retry comes after 250 ms. AWS does not publish its own pause.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_model::Aws;
use aws_model::event_source::{
    ChangeStreamReader, DiscardQueue, NoChangeStream, NotListed, ShardReader,
};
use bytes::Bytes;
use event_source_mapping::{
    Action, Completion, Event, Fetch, Invocation, Mapping, Occurrence, Status, Timestamp,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::console::Console;
use crate::lambda::function::Function;
use crate::lambda::invocation::FunctionResult;
use crate::mapping::mapping_log::MappingLog;

/// The parts that the poller works with.
#[derive(Debug)]
pub struct Poller {
    /// The services.
    pub aws: Aws,
    /// The stream.
    pub source: Source,
    /// The on-failure queue.
    pub queue: DiscardQueue,
    /// The function that gets the records.
    pub function: Arc<Function>,
    /// The mapping, which decides what is done. It is shared with those who show its status.
    pub mapping: SharedMapping,
    /// The console that the lines go to.
    pub console: Console,
}

/// The stream of an event source mapping.
#[derive(Clone, Debug)]
pub enum Source {
    /// A Kinesis stream.
    Kinesis(ShardReader),
    /// A table's change stream.
    ChangeStream(ChangeStreamReader),
}

impl Source {
    fn list(&self) -> Result<Event, PollerError> {
        Ok(match self {
            Self::Kinesis(stream) => stream.list()?,
            Self::ChangeStream(stream) => stream.list()?,
        })
    }

    fn read(&self, fetch: Fetch) -> Event {
        match self {
            Self::Kinesis(stream) => stream.read(fetch),
            Self::ChangeStream(stream) => stream.read(fetch),
        }
    }
}

/// A mapping that one task drives, and that others look at, stop and start.
#[derive(Clone, Debug)]
pub struct SharedMapping {
    mapping: Arc<Mutex<Mapping>>,
    enabled: Arc<watch::Sender<bool>>,
}

/// The reason why the poller cannot go on. The stack is of no use without the poller.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// The stream was gone before it could be read.
    #[error(transparent)]
    Stream(#[from] NotListed),
    /// The change stream was gone before it could be read.
    #[error(transparent)]
    ChangeStream(#[from] NoChangeStream),
    /// A part of the poller panicked.
    #[error("the poller broke down: {0}")]
    Panicked(String),
}

impl SharedMapping {
    /// Shares `mapping`.
    #[must_use]
    pub fn new(mapping: Mapping) -> Self {
        Self {
            enabled: Arc::new(watch::Sender::new(mapping.options().enabled)),
            mapping: Arc::new(Mutex::new(mapping)),
        }
    }

    /// Works the stop switch, as `UpdateEventSourceMapping` with `Enabled` does on AWS.
    ///
    /// While the mapping is disabled, nothing is read or delivered, and the stream keeps what
    /// comes. A batch that is at the function may finish. When the mapping is enabled again, it
    /// goes on behind its checkpoints, with all attempts still to come.
    pub fn enable(&self, enabled: bool) {
        self.enabled.send_replace(enabled);
    }

    /// The checkpoints, the batches in flight, and the counters.
    #[must_use]
    pub fn status(&self) -> Status {
        self.lock().status()
    }

    fn lock(&self) -> MutexGuard<'_, Mapping> {
        self.mapping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Poller {
    /// Polls until the future is dropped.
    ///
    /// # Errors
    /// If the poller cannot go on. Failures of the function, of the queue or of single reads do not
    /// count.
    pub async fn run(self) -> Result<std::convert::Infallible, PollerError> {
        let mut log = MappingLog::new(self.function.name(), self.console.clone());
        let mut event = self.source.list()?;
        // Some answers are there at once, and others take their time.
        let mut answered = Vec::new();
        let mut under_way = JoinSet::new();
        let mut switch = self.mapping.enabled.subscribe();
        loop {
            let now = self.now();
            let step = self.mapping.lock().handle(now, event);
            log.step(now, &step.occurrences);
            let is_shard_finished =
                |happened: &Occurrence| matches!(happened, Occurrence::ShardFinished { .. });
            if step.occurrences.iter().any(is_shard_finished) {
                // A finished shard has children if the stream was resharded.
                answered.push(self.source.list()?);
            }
            for action in step.actions {
                match action {
                    Action::Fetch(fetch) => answered.push(self.source.read(fetch)),
                    Action::Invoke(invocation) => {
                        under_way.spawn(invoke(Arc::clone(&self.function), invocation));
                    }
                    Action::Discard(discard) => {
                        let queue = self.queue.clone();
                        under_way.spawn(async move { queue.deliver(discard).await });
                    }
                }
            }
            event = match answered.pop() {
                Some(answer) => {
                    // A read is answered at once, so a long backlog would otherwise keep this
                    // thread to itself.
                    tokio::task::yield_now().await;
                    answer
                }
                None => {
                    let wake_at = step.wake_at;
                    tokio::select! {
                        Some(answer) = under_way.join_next() => {
                            answer.map_err(|error| PollerError::Panicked(error.to_string()))?
                        }
                        Ok(()) = switch.changed() => match *switch.borrow_and_update() {
                            true => Event::Enable,
                            false => Event::Disable,
                        },
                        () = self.sleep_until(wake_at) => Event::Wake,
                    }
                }
            };
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.aws.clock().now_millis())
    }

    async fn sleep_until(&self, time: Option<Timestamp>) {
        match time {
            Some(time) => tokio::time::sleep(time.since(self.now())).await,
            None => std::future::pending().await,
        }
    }
}

async fn invoke(function: Arc<Function>, invocation: Invocation) -> Event {
    match function.invoke(Bytes::from(invocation.payload())).await {
        Ok(answer) => {
            let completion = match answer.result {
                FunctionResult::Response(payload) => Completion::Returned(payload.to_vec()),
                FunctionResult::Unhandled(_) => Completion::FunctionError,
                FunctionResult::TimedOut(_) => Completion::TimedOut,
            };
            invocation.finished(answer.request_id, completion)
        }
        Err(_) => invocation.finished(uuid::Uuid::new_v4().to_string(), Completion::NotInvoked),
    }
}
