//! The records that move through the machine, and batches as slices of the records that were taken
//! from a shard together.

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

/// A record of the stream, as GetRecords answers it. [`Record::from_change`] makes a record of a
/// DynamoDB stream.
///
/// Its `Debug` shows neither the data nor the partition key. Both may be personal data, and `Debug`
/// ends in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The number of the record, unique in its shard. It is greater than that of every record
    /// before it in the shard.
    pub sequence_number: SequenceNumber,
    /// The key, whose records stay in sequence. It has 1–256 characters (Kinesis API reference,
    /// `PutRecord`). For a DynamoDB stream it is the item's key.
    pub partition_key: String,
    /// The bytes that the producer wrote, not base64. For a DynamoDB stream they are the record's
    /// JSON.
    pub data: Vec<u8>,
    /// The time at which the stream accepted the record. The record's age counts from then.
    pub approximate_arrival: Timestamp,
}

/// The JSON is not a record of a DynamoDB stream. The named member is missing or of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of a DynamoDB stream: {0} is missing or is not what it should be")]
pub struct NotAChange(&'static str);

impl Record {
    /// A record of a DynamoDB stream, made of an element of `Records` as GetRecords of DynamoDB
    /// Streams answers it (DynamoDB API reference, `Record` and `StreamRecord`).
    ///
    /// Its sequence number, creation time (seconds) and key are read. The function gets the whole
    /// record as it is. Records of one item stay in sequence, by the item's key. AWS says that
    /// "Lambda still ensures in-order processing at the item (partition and sort key) level"
    /// (Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB").
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
        // The keys are sorted by name, so that their sequence in the JSON does not matter.
        let keys: BTreeMap<_, _> = stream_record["Keys"]
            .as_object()
            .ok_or(NotAChange("Keys"))?
            .iter()
            .collect();
        Ok(Self {
            sequence_number,
            partition_key: serde_json::json!(keys).to_string(),
            data: change.to_string().into_bytes(),
            // Rounded to the nearest millisecond, since a fraction has no exact float.
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

/// One or more consecutive records of one shard that are delivered together. With a
/// ParallelizationFactor above 1, they are consecutive within one part of the shard.
///
/// Cloning and splitting share the records and copy nothing.
#[derive(Clone)]
pub struct Batch {
    shard_id: ShardId,
    taken: Arc<[Record]>,
    range: ops::Range<usize>,
}

impl Batch {
    /// The batch of all `records`. `None` if there are none.
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

    /// The records, in the sequence of their sequence numbers. There is at least one.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.taken[self.range.clone()]
    }

    /// The record with the lowest sequence number.
    pub(crate) fn first(&self) -> &Record {
        &self.taken[self.range.start]
    }

    /// The record with the highest sequence number.
    pub(crate) fn last(&self) -> &Record {
        &self.taken[self.range.end - 1]
    }

    /// The first and last sequence number, and the number of records.
    #[must_use]
    pub fn range(&self) -> Range {
        Range {
            shard_id: self.shard_id.clone(),
            first: self.first().sequence_number.clone(),
            last: self.last().sequence_number.clone(),
            records: self.range.len(),
        }
    }

    /// This batch and the batch that directly follows it among the records that were taken
    /// together. `None` if `next` does not follow.
    pub(crate) fn joined(&self, next: &Self) -> Option<Self> {
        let follows = Arc::ptr_eq(&self.taken, &next.taken) && self.range.end == next.range.start;
        follows.then(|| Self {
            range: self.range.start..next.range.end,
            ..self.clone()
        })
    }

    /// The first `count` records and the others.
    ///
    /// # Errors
    /// The whole batch if a part would be empty.
    pub(crate) fn split_at(self, count: usize) -> Result<(Self, Self), Self> {
        if !(1..self.range.len()).contains(&count) {
            return Err(self);
        }
        let middle = self.range.start + count;
        let first = Self {
            range: self.range.start..middle,
            ..self.clone()
        };
        let others = Self {
            range: middle..self.range.end,
            ..self
        };
        Ok((first, others))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.range(), f)
    }
}

/// The description of a batch for places where its content must not appear.
///
/// With a ParallelizationFactor above 1, records of other parts of the shard may lie between first
/// and last. So `records` is the number of records in the batch, and not of all records between
/// first and last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The shard that the records are from.
    pub shard_id: ShardId,
    /// The lowest sequence number.
    pub first: SequenceNumber,
    /// The highest sequence number.
    pub last: SequenceNumber,
    /// The number of records, at least 1.
    pub records: usize,
}
