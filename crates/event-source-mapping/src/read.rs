//! A read of a shard, with the place to read from and the answer.

use crate::{Checkpoint, Record, SequenceNumber, StartingPosition, Timestamp};

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

/// The reason why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    Failed,
    Gone,
}
