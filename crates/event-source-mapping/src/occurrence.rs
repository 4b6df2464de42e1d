//! The occurrences that are worth telling a person. There is one value for each thing that happened
//! to a batch, a shard or the mapping.

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
    /// The function reported failures. The records below the lowest of them are done, and the rest
    /// is sent again.
    PartiallyFailed {
        /// The batch.
        range: Range,
        /// The lowest sequence number reported.
        lowest: SequenceNumber,
        /// How many records of the batch are done. It is 0 if the first record failed.
        done: usize,
    },
    /// The whole batch failed.
    Failed {
        /// The batch.
        range: Range,
        /// 1 for the first delivery of exactly these records.
        attempt: u32,
        /// The way in which it failed.
        failure: Failure,
    },
    /// The function never ran, so this is not an attempt.
    NotInvoked {
        /// The batch.
        range: Range,
    },
    /// A failed batch was split. The parts are sent in sequence.
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
        /// The number of the coming delivery of exactly these records. It is 1 if they remained of
        /// a larger batch.
        attempt: u32,
        /// The time before which they are not sent.
        at: Timestamp,
    },
    /// Records were given up. They are sent again if the mapping is stopped before the destination
    /// has the message.
    Discarded {
        /// The records.
        range: Range,
        /// The reason.
        condition: DiscardCondition,
        /// How often the function ran with exactly these records.
        invoke_count: u32,
        /// How many of the records the last response reported. The function processed the others.
        /// `None` if the function failed as a whole, or never ran with exactly these records.
        reported: Option<usize>,
    },
    /// The on-failure destination has the discard's message.
    DiscardDelivered {
        /// The discarded records.
        range: Range,
    },
    /// The on-failure destination did not take the discard's message. The message is offered again.
    DiscardDeliveryFailed {
        /// The discarded records.
        range: Range,
        /// The time before which it is not offered.
        retry_at: Timestamp,
    },
    /// The on-failure destination never took the discard's message. So only the occurrences say
    /// that the records were given up.
    DiscardLost {
        /// The discarded records.
        range: Range,
    },
    /// A shard could not be read. The read is tried again.
    ReadFailed {
        /// The shard.
        shard_id: ShardId,
        /// The time before which the shard is not read.
        retry_at: Timestamp,
    },
    /// A shard is finished, and its children are read now. It was closed and read to its end, or
    /// the stream no longer has it. Every record that was read from it is done.
    ShardFinished {
        /// The shard.
        shard_id: ShardId,
    },
    /// The mapping was enabled.
    Enabled,
    /// The mapping was disabled.
    Disabled,
}

/// The way in which a whole batch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The function ran and failed.
    FunctionError,
    /// The function ran into its timeout.
    TimedOut,
    /// The function answered, but the response is not a valid one or names no record of the batch.
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
