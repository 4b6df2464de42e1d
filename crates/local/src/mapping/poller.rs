//! Lambda's poller on this machine: carries out what the event source mapping wants done. Reads the stream, invokes the
//! function, tells the on-failure queue.
//!
//! Faults that are injected into Kinesis are the service's, not the poller's: it reads the stream directly, as AWS's own
//! poller is not the service's client. Discards do go through SQS as any client's messages do, so that an outage of the
//! queue can be tried out; the mapping offers them again.
//!
//! Two things are faster than on AWS, for the sake of the person who waits: a shard is polled every 20 ms (AWS: about once
//! a second), and the first retry comes after 250 ms (AWS: not published).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_model::kinesis::{Position, SequenceNumber as StoredSequenceNumber};
use aws_model::{Aws, Reply};
use bytes::Bytes;
use event_source_mapping::{
    Action, Discard, Event, Fetch, Happened, Invocation, Mapping, Outcome, Read, ReadFrom, Record,
    SequenceNumber, ShardId, ShardListing, Status, Timestamp,
};
use http::Request;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::console::Console;
use crate::lambda::function::Function;
use crate::lambda::invocation::FunctionResult;
use crate::mapping::mapping_log::MappingLog;

/// How long the queue may take to answer.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

/// What the poller works on.
#[derive(Debug)]
pub struct Poller {
    /// The services.
    pub aws: Aws,
    /// The stream's name.
    pub stream: String,
    /// The on-failure queue's URL.
    pub queue_url: String,
    /// The function that gets the records.
    pub consumer: Arc<Function>,
    /// What decides. Shared with whoever shows its status.
    pub mapping: SharedMapping,
    /// Where its lines go.
    pub console: Console,
}

/// A mapping that one task drives and others look at, and stop or start.
#[derive(Clone, Debug)]
pub struct SharedMapping {
    mapping: Arc<Mutex<Mapping>>,
    enabled: Arc<watch::Sender<bool>>,
}

/// Why the poller cannot go on. The stack is of no use without it.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// The stream is gone before it could be read.
    #[error("the stream cannot be read: {0}")]
    Stream(String),
    /// Part of the poller panicked.
    #[error("the poller broke down: {0}")]
    Panicked(String),
}

impl SharedMapping {
    /// Shares `mapping`.
    #[must_use]
    pub fn new(mapping: Mapping) -> Self {
        Self {
            enabled: Arc::new(watch::Sender::new(mapping.settings().enabled)),
            mapping: Arc::new(Mutex::new(mapping)),
        }
    }

    /// The stop switch, as `UpdateEventSourceMapping` with `Enabled` is on AWS. Stopped, nothing is read or delivered, and the
    /// stream keeps what comes; a batch that is at the function may finish. Enabled again, it goes on behind the checkpoints,
    /// with all attempts still to come.
    pub fn enable(&self, enabled: bool) {
        self.enabled.send_replace(enabled);
    }

    /// Checkpoints, batches in flight, counters.
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
    /// When it cannot go on. Failures of the function, the queue or single reads are not among them.
    pub async fn run(self) -> Result<std::convert::Infallible, PollerError> {
        let mut log = MappingLog::new(self.console.clone());
        let mut event = self.list_shards()?;
        // Answers that are there at once, and those that take their time.
        let mut answered = Vec::new();
        let mut under_way = JoinSet::new();
        let mut switch = self.mapping.enabled.subscribe();
        loop {
            let now = self.now();
            let step = self.mapping.lock().handle(now, event);
            log.step(now, &step.happened);
            let is_shard_finished =
                |happened: &Happened| matches!(happened, Happened::ShardFinished { .. });
            if step.happened.iter().any(is_shard_finished) {
                // Its children, if the stream was resharded.
                answered.push(self.list_shards()?);
            }
            for action in step.actions {
                match action {
                    Action::Fetch(fetch) => answered.push(self.fetch(fetch)),
                    Action::Invoke(invocation) => {
                        under_way.spawn(invoke(Arc::clone(&self.consumer), invocation));
                    }
                    Action::Discard(discard) => {
                        under_way.spawn(deliver(self.aws.clone(), self.queue_url.clone(), discard));
                    }
                }
            }
            event = match answered.pop() {
                Some(answer) => {
                    // Reads answer at once, so a long backlog would otherwise keep this thread to itself.
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

    fn list_shards(&self) -> Result<Event, PollerError> {
        let shards = self.aws.kinesis().shards(&self.stream);
        let shards = shards.map_err(|error| PollerError::Stream(error.to_string()))?;
        let listing = shards.into_iter().map(|shard| {
            let parents = [shard.parent, shard.adjacent_parent];
            ShardListing {
                parents: parents.into_iter().flatten().map(ShardId::from).collect(),
                ..ShardListing::new(shard.id)
            }
        });
        Ok(Event::ShardsListed(listing.collect()))
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

    fn fetch(&self, fetch: Fetch) -> Event {
        let position = match fetch.from() {
            // The iterators of this poller are the sequence numbers after which it reads on.
            ReadFrom::Iterator(number) => number.parse().ok().map(Position::After),
            ReadFrom::TrimHorizon => Some(Position::TrimHorizon),
            ReadFrom::Latest => Some(Position::Latest),
            ReadFrom::AtTimestamp(time) => Some(Position::AtTimestamp(time.as_millis())),
            ReadFrom::AfterSequenceNumber(number) => number
                .to_string()
                .parse::<StoredSequenceNumber>()
                .ok()
                .map(Position::After),
        };
        let Some(position) = position else {
            return fetch.failed();
        };
        let limit = usize::try_from(fetch.limit()).unwrap_or(usize::MAX);
        let Ok(found) =
            self.aws
                .kinesis()
                .read(&self.stream, fetch.shard_id().as_str(), position, limit)
        else {
            return fetch.failed();
        };
        let mut records = Vec::with_capacity(found.records.len());
        for record in found.records {
            let Ok(sequence_number) = SequenceNumber::parse(&record.sequence_number.to_string())
            else {
                return fetch.failed();
            };
            records.push(Record {
                sequence_number,
                partition_key: record.partition_key,
                data: record.data.to_vec(),
                approximate_arrival: Timestamp::from_millis(record.arrival_millis),
            });
        }
        let next_iterator = match found.next {
            // A shard that was split or merged ends.
            Position::After(_) if found.ended => None,
            Position::After(number) => Some(number.to_string()),
            _ => return fetch.failed(),
        };
        fetch.succeeded(Read {
            records,
            next_iterator,
            millis_behind_latest: found.millis_behind_latest,
        })
    }
}

async fn invoke(consumer: Arc<Function>, invocation: Invocation) -> Event {
    match consumer.invoke(Bytes::from(invocation.payload())).await {
        Ok(answer) => {
            let outcome = match answer.result {
                FunctionResult::Response(payload) => Outcome::Returned(payload.to_vec()),
                FunctionResult::Unhandled(_) => Outcome::FunctionError,
                FunctionResult::TimedOut(_) => Outcome::TimedOut,
            };
            invocation.finished(answer.request_id, outcome)
        }
        Err(_) => invocation.finished(uuid::Uuid::new_v4().to_string(), Outcome::NotInvoked),
    }
}

/// SendMessage, as a client would.
async fn deliver(aws: Aws, queue_url: String, discard: Discard) -> Event {
    let Ok(message) = serde_json::to_string(discard.message()) else {
        return discard.failed();
    };
    let body = json!({ "QueueUrl": queue_url, "MessageBody": message }).to_string();
    let request = Request::post("/")
        .header("x-amz-target", "AmazonSQS.SendMessage")
        .body(Bytes::from(body));
    let Ok(request) = request else {
        return discard.failed();
    };
    match aws.call(&request) {
        Reply::Answer(response) if response.status().is_success() => discard.delivered(),
        Reply::Silent(_) => {
            tokio::time::sleep(QUEUE_PATIENCE).await;
            discard.failed()
        }
        Reply::Late(late) => {
            let now = aws.clock().now_millis();
            tokio::time::sleep(Duration::from_millis(late.at_millis.saturating_sub(now))).await;
            if late.response.status().is_success() {
                discard.delivered()
            } else {
                discard.failed()
            }
        }
        Reply::Answer(_) | Reply::Lost | Reply::Wait(_) => discard.failed(),
    }
}
