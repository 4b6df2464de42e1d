//! What machine and caller say to each other: events in, actions out, and the answers that actions
//! turn into.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::{
    Batch, Checkpoint, Destination, DiscardMessage, EventSource, Occurrence, Record,
    SequenceNumber, ShardId, StartingPosition, Timestamp, payload,
};

/// What the caller tells the machine.
#[derive(Debug)]
pub enum Event {
    /// Time has passed: [`Step::wake_at`] has come. Harmless at any other time.
    Wake,
    /// What ListShards says, all pages of it. The first listing begins the work. In later ones a
    /// shard that is new (resharding) is added, and one that is no longer named is gone: what was
    /// read of it is delivered, then it is finished. A shard whose parent is neither named nor
    /// known waits for that too, since one that is gone may be its ancestor. A listing may be
    /// repeated at any time, best after [`Occurrence::ShardFinished`] and
    /// [`Occurrence::ReadFailed`].
    ShardsListed(Vec<ShardListing>),
    /// The child shards that the last read of a closed shard named (`ChildShards` of GetRecords).
    /// They are added like those of a listing, but nothing is taken for gone: a child of a parent
    /// that is not known, as the other one of a merge can be, waits for it until a listing has
    /// named it or is without it.
    ShardsFound(Vec<ShardListing>),
    /// Begin, or go on from the checkpoints. Nothing changes if the mapping is enabled.
    Enable,
    /// The stop switch. What is in flight may finish and moves its checkpoint; what was read but
    /// not sent is dropped, to be read again from the checkpoint, with its retries counted anew.
    /// Nothing changes if the mapping is disabled.
    Disable,
    /// The answer to an action.
    ActionResult(ActionResult),
}

/// A shard as ListShards names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardListing {
    /// The shard.
    pub shard_id: ShardId,
    /// The shards that it was split or merged from (`ParentShardId`, `AdjacentParentShardId`): read
    /// before it, if they are still there.
    pub parents: Vec<ShardId>,
}

impl ShardListing {
    /// A shard without parents.
    pub fn new(shard_id: impl Into<ShardId>) -> Self {
        Self {
            shard_id: shard_id.into(),
            parents: Vec::new(),
        }
    }
}

/// What came of an event.
#[derive(Debug)]
#[must_use = "an action that is dropped blocks its shard"]
pub struct Step {
    /// To be carried out, each once, in any order, concurrently. Each is answered by consuming it.
    pub actions: Vec<Action>,
    /// What happened, in order.
    pub occurrences: Vec<Occurrence>,
    /// When the machine wants [`Event::Wake`], if no other event comes before; always after the
    /// time of this step. None: it waits for answers, a listing or [`Event::Enable`] only.
    pub wake_at: Option<Timestamp>,
}

/// What the machine wants done.
#[derive(Debug)]
pub enum Action {
    /// Read from a shard: GetRecords.
    Fetch(Fetch),
    /// Invoke the function with a batch.
    Invoke(Invocation),
    /// Send a message to the on-failure destination.
    Discard(Discard),
}

/// Read from a shard. At most one at a time for each shard: one that a stop overtook is waited for
/// too, before the shard is read again.
#[derive(Debug)]
pub struct Fetch {
    pub(crate) id: u64,
    pub(crate) shard_id: ShardId,
    pub(crate) from: ReadFrom,
    pub(crate) limit: u32,
}

impl Fetch {
    /// The shard to read from.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.shard_id
    }

    /// Where to read: an iterator of an earlier answer, or the argument for GetShardIterator.
    #[must_use]
    pub fn from(&self) -> &ReadFrom {
        &self.from
    }

    /// The most records to read (`Limit`), 1–10,000, of a DynamoDB stream 1–1,000. More are
    /// accepted all the same.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// What was read.
    #[must_use]
    pub fn succeeded(self, read: Read) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Read(Ok(read)),
        })
    }

    /// The stream does not have this shard: GetShardIterator or GetRecords answered
    /// ResourceNotFoundException, and the stream itself is there. A shard is gone when it was
    /// closed for longer than the retention period. The machine delivers what it has of the shard
    /// and reads it no more.
    #[must_use]
    pub fn gone(self) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Read(Err(NotRead::Gone)),
        })
    }

    /// Nothing was read, for whatever other reason, an expired iterator included: the machine tries
    /// again after a pause, with a new iterator from the last record it read.
    #[must_use]
    pub fn failed(self) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Read(Err(NotRead::Failed)),
        })
    }
}

/// Where in a shard to read. All but the first are the types that GetShardIterator knows; of a
/// DynamoDB stream, which has no `AT_TIMESTAMP`, that one is never asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The iterator that the previous read returned; no GetShardIterator is needed.
    Iterator(String),
    /// `TRIM_HORIZON`.
    TrimHorizon,
    /// `LATEST`.
    Latest,
    /// `AT_TIMESTAMP`.
    AtTimestamp(Timestamp),
    /// `AFTER_SEQUENCE_NUMBER`.
    AfterSequenceNumber(SequenceNumber),
}

impl From<Checkpoint> for ReadFrom {
    fn from(checkpoint: Checkpoint) -> Self {
        match checkpoint {
            Checkpoint::Start(StartingPosition::TrimHorizon) => Self::TrimHorizon,
            Checkpoint::Start(StartingPosition::Latest) => Self::Latest,
            Checkpoint::Start(StartingPosition::AtTimestamp(time)) => Self::AtTimestamp(time),
            Checkpoint::After(number) => Self::AfterSequenceNumber(number),
        }
    }
}

/// What GetRecords answered.
#[derive(Clone, Debug)]
pub struct Read {
    /// The records, in the order of the shard. One that is not greater than its predecessors was
    /// read before and is ignored.
    pub records: Vec<Record>,
    /// `NextShardIterator`; none at the end of a closed shard.
    pub next_iterator: Option<String>,
    /// `MillisBehindLatest`; 0 when there is nothing more to read.
    pub millis_behind_latest: u64,
}

/// Invoke the function with a batch, synchronously (`RequestResponse`).
#[derive(Debug)]
pub struct Invocation {
    pub(crate) id: u64,
    pub(crate) batch: Batch,
    pub(crate) attempt: u32,
    pub(crate) source: Arc<EventSource>,
}

impl Invocation {
    /// The number of this invocation, unique in its mapping.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The records to deliver.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// 1 for the first delivery of exactly these records.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The JSON to invoke the function with: [`payload`](crate::payload()) of the batch, written
    /// anew at each call.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        payload(self.batch.shard_id(), self.batch.records(), &self.source)
    }

    /// The invocation is over. `request_id` (the invocation's, `x-amzn-RequestId`) goes into the
    /// message if the batch is discarded.
    #[must_use]
    pub fn finished(self, request_id: impl Into<String>, completion: Completion) -> Event {
        let content = Content::Invoked {
            request_id: request_id.into(),
            completion,
        };
        Event::ActionResult(ActionResult {
            shard_id: self.batch.shard_id().clone(),
            id: self.id,
            content,
        })
    }
}

/// How an invocation ended. `Debug` does not show the response.
#[derive(Clone, PartialEq, Eq)]
pub enum Completion {
    /// The function returned this payload. What it means: [`interpret`](crate::interpret).
    Returned(Vec<u8>),
    /// The function ran and failed: an error, a crash (`X-Amz-Function-Error`).
    FunctionError,
    /// The function ran into its timeout. Lambda treats it as a function error.
    TimedOut,
    /// The function never ran: throttled, or the invoke itself failed. Retried until the records'
    /// age ends it, and no attempt (Lambda developer guide, "Retain discarded batch records for a
    /// Kinesis Data Streams event source in Lambda").
    NotInvoked,
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(payload) => write!(f, "Returned({} bytes)", payload.len()),
            Self::FunctionError => f.write_str("FunctionError"),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::NotInvoked => f.write_str("NotInvoked"),
        }
    }
}

/// Send a message to the on-failure destination. The shard (with a ParallelizationFactor above 1:
/// its part of the shard) waits for it.
#[derive(Debug)]
pub struct Discard {
    pub(crate) id: u64,
    pub(crate) shard_id: ShardId,
    pub(crate) destination: String,
    pub(crate) message: Box<DiscardMessage>,
    pub(crate) object_key: String,
    pub(crate) batch: Batch,
    pub(crate) source: Arc<EventSource>,
}

impl Discard {
    /// The ARN of the queue, topic or bucket.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// The call to make, and with which name.
    #[must_use]
    pub fn call(&self) -> Destination<'_> {
        Destination::new(&self.destination, &self.object_key)
    }

    /// What the message says.
    #[must_use]
    pub fn message(&self) -> &DiscardMessage {
        &self.message
    }

    /// The JSON to deliver: the message, and for a bucket also `payload`, the event of exactly
    /// these records as an escaped string (Lambda developer guide, "Retain discarded batch records
    /// for a Kinesis Data Streams event source in Lambda", "Example Amazon S3 invocation record").
    /// Written anew at each call.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "an empty message would tell nobody which records were given up"
    )]
    pub fn body(&self) -> Vec<u8> {
        let payload = match self.call() {
            Destination::Queue { .. } | Destination::Topic { .. } => None,
            Destination::Bucket { .. } => {
                let event = payload(self.batch.shard_id(), self.batch.records(), &self.source);
                Some(String::from_utf8(event).expect("JSON is UTF-8"))
            }
        };
        serde_json::to_vec(&Body {
            message: &self.message,
            payload,
        })
        .expect("strings and numbers only: JSON can express all of it")
    }

    /// The destination has the message.
    #[must_use]
    pub fn delivered(self) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Discarded { delivered: true },
        })
    }

    /// The destination may not have the message. It is offered again, as often as
    /// [`Assumptions::discard_delivery_attempts`](crate::Assumptions::discard_delivery_attempts)
    /// says.
    #[must_use]
    pub fn failed(self) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Discarded { delivered: false },
        })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    message: &'a DiscardMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

/// The answer to an action. Only an action can make one; it means something only to the mapping
/// that the action is from.
#[derive(Debug)]
pub struct ActionResult {
    pub(crate) shard_id: ShardId,
    pub(crate) id: u64,
    pub(crate) content: Content,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    Failed,
    Gone,
}

#[derive(Debug)]
pub(crate) enum Content {
    Read(Result<Read, NotRead>),
    Invoked {
        request_id: String,
        completion: Completion,
    },
    Discarded {
        delivered: bool,
    },
}
