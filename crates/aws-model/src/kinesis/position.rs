//! A place in a shard, and the records that a read from there finds.

use super::error::KinesisError;
use super::sequence_number::SequenceNumber;
use super::shard::{Record, Shard};
use crate::service::ACCOUNT;

/// The place where a read begins. GetShardIterator has the same five choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the oldest record still kept.
    TrimHorizon,
    /// After the newest record at the moment of the call.
    Latest,
    /// At this record.
    At(SequenceNumber),
    /// After this record.
    After(SequenceNumber),
    /// At the first record that arrived at this time or later, in milliseconds since the Unix
    /// epoch.
    AtTimestamp(u64),
}

impl Position {
    /// The counter of the last number that a read from here passes over. `stream` is the shard's
    /// stream, for messages.
    pub(super) fn counter_before(self, shard: &Shard, stream: &str) -> Result<u64, KinesisError> {
        let own = |number: SequenceNumber| {
            if shard.issued(number) {
                return Ok(number.counter());
            }
            let shard_id = shard.id();
            Err(KinesisError::InvalidArgument(
                if number.shard() == shard.number() {
                    format!(
                        "StartingSequenceNumber {number} used in GetShardIterator on shard {shard_id} in stream {stream} \
                 under account {ACCOUNT} is invalid because it did not come from this stream."
                    )
                } else {
                    format!(
                        "Invalid StartingSequenceNumber. It encodes shardId-{:012}, while it was used in a call to a shard \
                 with {shard_id}",
                        number.shard()
                    )
                },
            ))
        };
        match self {
            Self::TrimHorizon => Ok(0),
            Self::Latest => Ok(shard.latest()),
            Self::At(number) => own(number).map(|counter| counter.saturating_sub(1)),
            Self::After(number) => own(number),
            Self::AtTimestamp(millis) => Ok(shard.before_timestamp(millis)),
        }
    }
}

/// The records that one read of a shard found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecords {
    /// Sorted by sequence number.
    pub records: Vec<Record>,
    /// The number after which to read on, so that nothing is read twice or missed. It belongs to
    /// the shard also if the read began at `Latest` and found nothing.
    pub after: SequenceNumber,
    /// True if the shard was split or merged and nothing is left of it. Then its children are to be
    /// read.
    pub ended: bool,
    /// How far the last record read is behind the tip of the shard, in milliseconds. 0 if nothing
    /// is left.
    pub millis_behind_latest: u64,
}
