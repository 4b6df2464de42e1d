//! What is worth telling a person: one value for each thing that happened to a batch, a shard or
//! the mapping.

use std::fmt;

use crate::{DiscardCondition, Range, SequenceNumber, ShardId, Timestamp};

/// Something that happened. It holds no data and no partition keys, so that it may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// The function processed the whole batch.
    Delivered {
        /// The batch.
        range: Range,
        /// 1 for the first delivery of exactly these records.
        attempt: u32,
    },
    /// The function reported failures: what is below the lowest of them is done, the rest is sent
    /// again.
    PartiallyFailed {
        /// The batch.
        range: Range,
        /// The lowest sequence number reported.
        lowest: SequenceNumber,
        /// How many records of the batch are done; 0 if it was the first that failed.
        done: usize,
    },
    /// The whole batch failed.
    Failed {
        /// The batch.
        range: Range,
        /// 1 for the first delivery of exactly these records.
        attempt: u32,
        /// In what way.
        failure: Failure,
    },
    /// The function never ran; no attempt.
    NotInvoked {
        /// The batch.
        range: Range,
    },
    /// A failed batch was split; the parts are sent in order.
    Split {
        /// The part that is sent first.
        left: Range,
        /// The part that follows.
        right: Range,
    },
    /// Records will be sent again.
    Retried {
        /// The records.
        range: Range,
        /// The number of the coming delivery of exactly these records: 1 where they are what
        /// remained of a larger batch.
        attempt: u32,
        /// Not before this time.
        at: Timestamp,
    },
    /// Records were given up. They are sent again if the mapping is stopped before the destination
    /// has the message.
    Discarded {
        /// The records.
        range: Range,
        /// Why.
        condition: DiscardCondition,
        /// How often the function ran with exactly these records.
        invoke_count: u32,
    },
    /// The on-failure destination has the discard's message.
    DiscardDelivered {
        /// The discarded records.
        range: Range,
    },
    /// The on-failure destination did not take the discard's message; it is offered again.
    DiscardDeliveryFailed {
        /// The discarded records.
        range: Range,
        /// Not before this time.
        retry_at: Timestamp,
    },
    /// The on-failure destination never took the discard's message: nothing but this says that the
    /// records were given up.
    DiscardLost {
        /// The discarded records.
        range: Range,
    },
    /// A shard could not be read; it is tried again.
    ReadFailed {
        /// The shard.
        shard_id: ShardId,
        /// Not before this time.
        retry_at: Timestamp,
    },
    /// A closed shard was read to its end, or the stream no longer has it, and all that was read is
    /// done: now its children are read.
    ShardFinished {
        /// The shard.
        shard_id: ShardId,
    },
    /// The mapping was enabled.
    Enabled,
    /// The mapping was disabled.
    Disabled,
}

/// In what way a whole batch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The function ran and failed.
    FunctionError,
    /// The function ran into its timeout.
    TimedOut,
    /// The function answered, but with a response that is not one, or that names no record of the
    /// batch.
    UnusableResponse,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FunctionError => "the function failed",
            Self::TimedOut => "the function timed out",
            Self::UnusableResponse => "the response cannot be used",
        })
    }
}
