//! The exchange between machine and caller, which is events in, actions out, and the answers that
//! actions turn into.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::{
    Batch, Checkpoint, Destination, DiscardMessage, EventSource, Occurrence, Record,
    SequenceNumber, ShardId, StartingPosition, Timestamp, payload,
};

/// Something that the caller tells the machine.
#[derive(Debug)]
pub enum Event {
    /// Time has passed, and [`Step::wake_at`] has come. The event is harmless at any other time.
    Wake,
    /// The answer of ListShards, with all its pages. The first listing begins the work.
    ///
    /// - A shard that a later listing names for the first time (after resharding) is added.
    /// - A shard that a later listing no longer names is gone. The records read from it are
    ///   delivered, then the shard is finished.
    /// - A shard whose parent is neither named nor known waits for the gone shards too, since a
    ///   gone shard may be its ancestor.
    ///
    /// A listing may be repeated at any time, best after [`Occurrence::ShardFinished`] and
    /// [`Occurrence::ReadFailed`].
    ShardsListed(Vec<ShardListing>),
    /// The child shards that the last read of a closed shard named (`ChildShards` of GetRecords).
    ///
    /// They are added like the shards of a listing, but no shard counts as gone. The child of a
    /// merge may have another parent that is not known. The child waits for that parent until a
    /// listing has named the parent or is without it.
    ShardsFound(Vec<ShardListing>),
    /// Begin, or go on from the checkpoints. Nothing changes if the mapping is enabled.
    Enable,
    /// The stop switch. An invocation or discard in flight may finish, and it moves the checkpoint.
    /// Records that were read but not sent are dropped. They are read again from the checkpoint,
    /// with their retries counted anew. Nothing changes if the mapping is disabled.
    Disable,
    /// The answer to an action.
    ActionResult(ActionResult),
}

/// A shard as ListShards names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardListing {
    /// The shard.
    pub shard_id: ShardId,
    /// The shards that it was split or merged from (`ParentShardId`, `AdjacentParentShardId`). They
    /// are read before it, if they are still there.
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

/// The result of an event.
#[derive(Debug)]
#[must_use = "an action that is dropped blocks its shard"]
pub struct Step {
    /// The actions to be carried out, each once, in any sequence, concurrently. The caller answers
    /// each action by consuming it.
    pub actions: Vec<Action>,
    /// The things that happened, in their sequence.
    pub occurrences: Vec<Occurrence>,
    /// The time at which the machine wants [`Event::Wake`], if no other event comes before. It is
    /// always after the time of this step. `None` if the machine waits only for answers, a listing
    /// or [`Event::Enable`].
    pub wake_at: Option<Timestamp>,
}

/// Something that the machine wants done.
#[derive(Debug)]
pub enum Action {
    /// Read from a shard with GetRecords.
    Fetch(Fetch),
    /// Invoke the function with a batch.
    Invoke(Invocation),
    /// Send a message to the on-failure destination.
    Discard(Discard),
}

/// A read from a shard. There is at most one at a time for each shard. A read that a stop overtook
/// is waited for too, before the shard is read again.
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

    /// The place to read from, which is an iterator of an earlier answer or the argument for
    /// GetShardIterator.
    #[must_use]
    pub fn from(&self) -> &ReadFrom {
        &self.from
    }

    /// The most records to read (`Limit`). It is 1–10,000, or 1–1,000 of a DynamoDB stream. An
    /// answer with more records is accepted all the same.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Records were read, or there were none to read.
    #[must_use]
    pub fn succeeded(self, read: Read) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Read(Ok(read)),
        })
    }

    /// The stream does not have this shard. GetShardIterator or GetRecords answered
    /// ResourceNotFoundException, and the stream itself is there.
    ///
    /// A shard is gone when it was closed for longer than the retention period. The machine
    /// delivers the records that it has of the shard, and reads the shard no more.
    #[must_use]
    pub fn gone(self) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Read(Err(NotRead::Gone)),
        })
    }

    /// Nothing was read, for any other reason, such as an expired iterator. The machine tries again
    /// after a pause, with a new iterator from the last record that it read.
    #[must_use]
    pub fn failed(self) -> Event {
        Event::ActionResult(ActionResult {
            shard_id: self.shard_id,
            id: self.id,
            content: Content::Read(Err(NotRead::Failed)),
        })
    }
}

/// The place in a shard to read from. All but the first are types of GetShardIterator. A DynamoDB
/// stream has no `AT_TIMESTAMP`, so the machine never asks for it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The iterator that the previous read returned. The caller needs no GetShardIterator.
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

/// The answer of GetRecords.
#[derive(Clone, Debug)]
pub struct Read {
    /// The records, in the sequence of the shard. A record that is not greater than its
    /// predecessors was read before and is ignored.
    pub records: Vec<Record>,
    /// `NextShardIterator`. `None` at the end of a closed shard.
    pub next_iterator: Option<String>,
    /// `MillisBehindLatest`. It is 0 when there is nothing more to read.
    pub millis_behind_latest: u64,
}

/// A call of the function with a batch, synchronously (`RequestResponse`).
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

    /// The JSON to invoke the function with, which is [`payload`](crate::payload()) of the batch.
    /// It is written anew at each call.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        payload(self.batch.shard_id(), self.batch.records(), &self.source)
    }

    /// The invocation is done. `request_id` is the invocation's `x-amzn-RequestId`. It goes into
    /// the message if the batch is discarded.
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

/// The way in which an invocation ended. `Debug` does not show the response.
#[derive(Clone, PartialEq, Eq)]
pub enum Completion {
    /// The function returned this payload. [`interpret`](crate::interpret) says what the payload
    /// means.
    Returned(Vec<u8>),
    /// The function ran and failed, by an error or a crash (`X-Amz-Function-Error`).
    FunctionError,
    /// The function ran into its timeout. Lambda treats it as a function error.
    TimedOut,
    /// The function never ran, because it was throttled or the invoke itself failed. The invoke is
    /// retried until the age of the records ends that. It does not count as an attempt (Lambda
    /// developer guide, "Retain discarded batch records for a Kinesis Data Streams event source in
    /// Lambda").
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

/// A message to the on-failure destination. The shard waits until the message is delivered. With a
/// ParallelizationFactor above 1, only the discard's part of the shard waits.
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

    /// The call to make, with the name that it needs.
    #[must_use]
    pub fn call(&self) -> Destination<'_> {
        Destination::new(&self.destination, &self.object_key)
    }

    /// The content of the message.
    #[must_use]
    pub fn message(&self) -> &DiscardMessage {
        &self.message
    }

    /// The JSON to deliver, which is the message. It is written anew at each call.
    ///
    /// For a bucket it also has `payload`, which is the event of exactly these records as an
    /// escaped string. The source is the Lambda developer guide, "Retain discarded batch records
    /// for a Kinesis Data Streams event source in Lambda", "Example Amazon S3 invocation record".
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
        .expect("JSON can express strings and numbers")
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

    /// The destination may not have the message. The machine offers it again, as often as
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

/// The answer to an action. Only an action can make one. It means something only to the mapping
/// that the action is from.
#[derive(Debug)]
pub struct ActionResult {
    pub(crate) shard_id: ShardId,
    pub(crate) id: u64,
    pub(crate) content: Content,
}

/// The reason why nothing was read.
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
