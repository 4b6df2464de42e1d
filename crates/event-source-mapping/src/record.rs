//! What moves through the machine: records, and batches as slices of what was taken from a shard
//! together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{SequenceNumber, Timestamp};

/// The name of a shard, such as `shardId-000000000000`. Cloning does not copy the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ShardId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for ShardId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ShardId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A record of the stream, as GetRecords answers it; one of a DynamoDB stream is made by
/// [`Record::from_change`].
///
/// Its `Debug` shows neither the data nor the partition key: both may be personal data, and `Debug`
/// ends in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Unique in its shard, and greater than that of every record before it there.
    pub sequence_number: SequenceNumber,
    /// What keeps records in order: 1–256 characters (Kinesis API reference, `PutRecord`), for a
    /// DynamoDB stream the item's key.
    pub partition_key: String,
    /// The bytes that the producer wrote, not base64; for a DynamoDB stream the record's JSON.
    pub data: Vec<u8>,
    /// When the stream accepted the record; the record's age counts from here.
    pub approximate_arrival: Timestamp,
}

/// The JSON is not a record of a DynamoDB stream: the named member is missing or of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of a DynamoDB stream: {0} is missing or is not what it should be")]
pub struct NotAChange(&'static str);

impl Record {
    /// A record of a DynamoDB stream: an element of `Records` as GetRecords of DynamoDB Streams
    /// answers (DynamoDB API reference, `Record` and `StreamRecord`).
    ///
    /// Its sequence number, creation time (seconds) and key are read off; the rest is handed to the
    /// function as it is. The item's key is what keeps records in order: "Lambda still ensures
    /// in-order processing at the item (partition and sort key) level" (Lambda developer guide,
    /// "Using AWS Lambda with Amazon DynamoDB").
    ///
    /// # Errors
    /// [`NotAChange`] without `dynamodb`, `SequenceNumber`, `ApproximateCreationDateTime` or
    /// `Keys`.
    pub fn from_change(change: &Value) -> Result<Self, NotAChange> {
        let stream_record = &change["dynamodb"];
        let sequence_number = stream_record["SequenceNumber"]
            .as_str()
            .and_then(|number| SequenceNumber::parse(number).ok())
            .ok_or(NotAChange("SequenceNumber"))?;
        let seconds = stream_record["ApproximateCreationDateTime"]
            .as_f64()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or(NotAChange("ApproximateCreationDateTime"))?;
        // In the order of their names, whatever order they were in.
        let keys: BTreeMap<_, _> = stream_record["Keys"]
            .as_object()
            .ok_or(NotAChange("Keys"))?
            .iter()
            .collect();
        Ok(Self {
            sequence_number,
            partition_key: serde_json::to_string(&keys).unwrap_or_default(),
            data: change.to_string().into_bytes(),
            // To the nearest millisecond: a fraction has no exact float.
            approximate_arrival: Timestamp::default()
                .saturating_add(seconds + Duration::from_micros(500)),
        })
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("sequence_number", &self.sequence_number)
            .field("approximate_arrival", &self.approximate_arrival)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish_non_exhaustive()
    }
}

/// Consecutive records of one shard (of one sub-batch, with a ParallelizationFactor above 1) that
/// travel together. Never empty.
///
/// Cloning and splitting share the records and copy nothing.
#[derive(Clone)]
pub struct Batch {
    shard_id: ShardId,
    taken: Arc<[Record]>,
    range: ops::Range<usize>,
}

impl Batch {
    /// The batch of all `records`, or none if there are none.
    pub(crate) fn new(shard_id: ShardId, records: Vec<Record>) -> Option<Self> {
        let range = 0..records.len();
        (!records.is_empty()).then(|| Self {
            shard_id,
            taken: records.into(),
            range,
        })
    }

    /// The shard that the records are from.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.shard_id
    }

    /// The records, in the order of their sequence numbers; at least one.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.taken[self.range.clone()]
    }

    /// The first and last sequence number and how many records there are.
    #[must_use]
    pub fn range(&self) -> Range {
        Range {
            shard_id: self.shard_id.clone(),
            first: self.taken[self.range.start].sequence_number.clone(),
            last: self.taken[self.range.end - 1].sequence_number.clone(),
            records: self.range.len(),
        }
    }

    /// This batch and the one that directly follows it among the records that were taken together;
    /// none if `next` does not.
    pub(crate) fn joined(&self, next: &Self) -> Option<Self> {
        let follows = Arc::ptr_eq(&self.taken, &next.taken) && self.range.end == next.range.start;
        follows.then(|| Self {
            range: self.range.start..next.range.end,
            ..self.clone()
        })
    }

    /// The first `count` records and the others; a part that would be empty is none.
    pub(crate) fn split_at(self, count: usize) -> (Option<Self>, Option<Self>) {
        let middle = (self.range.start + count).min(self.range.end);
        let part = |range: ops::Range<usize>| {
            (!range.is_empty()).then(|| Self {
                shard_id: self.shard_id.clone(),
                taken: Arc::clone(&self.taken),
                range,
            })
        };
        (part(self.range.start..middle), part(middle..self.range.end))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.range(), f)
    }
}

/// What is said about a batch where its content must not appear.
///
/// With a ParallelizationFactor above 1 records of other sub-batches may lie between first and
/// last, so `records` is the number of those meant, not of those in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The shard that the records are from.
    pub shard_id: ShardId,
    /// The lowest sequence number.
    pub first: SequenceNumber,
    /// The highest sequence number.
    pub last: SequenceNumber,
    /// How many records; at least 1.
    pub records: usize,
}
