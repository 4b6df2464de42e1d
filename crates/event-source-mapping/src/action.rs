//! The actions that the machine wants done. Each action turns into the event that answers it.

use std::sync::Arc;

use serde::Serialize;

use crate::event::Content;
use crate::read::NotRead;
use crate::{
    ActionResult, Batch, Completion, Destination, DiscardMessage, Event, EventSource, Occurrence,
    Read, ReadFrom, ShardId, Timestamp, payload,
};

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

    /// 1 for the first delivery of exactly these records. Records that remain after the oldest
    /// records of their batch were too old keep the batch's count.
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
    pub fn body(&self) -> String {
        let payload = match self.call() {
            Destination::Queue { .. } | Destination::Topic { .. } => None,
            Destination::Bucket { .. } => {
                let event = payload(self.batch.shard_id(), self.batch.records(), &self.source);
                Some(String::from_utf8(event).expect("JSON is UTF-8"))
            }
        };
        serde_json::to_string(&Body {
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
