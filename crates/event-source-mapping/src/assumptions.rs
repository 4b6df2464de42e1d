//! What AWS does not publish about its poller: each such behaviour is a option of its own, so that
//! what is tested with the model can be tested under every alternative.

use std::time::Duration;

use backoff::Backoff;

/// What AWS does not publish. Every field is inferred, not documented, unless it says otherwise;
/// code that is tested with this model should hold whatever they are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// The pause before a retry. AWS documents that it grows exponentially, not its curve. Default:
    /// 1 s, doubling, at most 60 s. Also used for reads that failed, invokes that did not reach the
    /// function and discards that were not delivered.
    pub retry_backoff: Backoff,
    /// A partial response named the batch's first record, and BisectBatchOnFunctionError is on.
    pub first_record_failed: FirstRecordFailed,
    /// What is said of records that are given up one after the other in a batch that was bisected.
    pub neighbouring_discards: NeighbouringDiscards,
    /// The time from one read of a shard to the next when there was nothing more to read.
    /// Documented as once a second for Kinesis (Lambda developer guide, "Using Lambda to process
    /// records from Amazon Kinesis Data Streams") and four times a second for DynamoDB ("Using AWS
    /// Lambda with Amazon DynamoDB"), the defaults.
    pub poll_interval: Duration,
    /// The most records asked for in one read. Default: the most that GetRecords gives, 10,000 of
    /// Kinesis and 1,000 of DynamoDB Streams. At least 1.
    pub read_limit: u32,
    /// How often a discard's message is offered to the destination before the mapping gives up on
    /// it, counts it as lost and goes on. Default 3; at least 1.
    pub discard_delivery_attempts: u32,
    /// How exactly an event of Kinesis gives the time at which a record arrived.
    pub arrival_decimals: ArrivalDecimals,
}

impl Default for Assumptions {
    /// The defaults for a Kinesis stream; [`MappingOptions::new`](crate::MappingOptions::new) sets
    /// those that differ for a DynamoDB stream.
    fn default() -> Self {
        Self {
            retry_backoff: Backoff {
                base: Duration::from_secs(1),
                cap: Duration::from_secs(60),
            },
            first_record_failed: FirstRecordFailed::RetryWhole,
            neighbouring_discards: NeighbouringDiscards::Separate,
            poll_interval: Duration::from_secs(1),
            read_limit: 10_000,
            discard_delivery_attempts: 3,
            arrival_decimals: ArrivalDecimals::Three,
        }
    }
}

/// What happens to a batch of two or more records when a partial response names its first record
/// and BisectBatchOnFunctionError is on.
///
/// AWS documents that "the batch is bisected at the returned sequence number, and Lambda retries
/// only the remaining records" (Lambda developer guide, "Configuring partial batch response with
/// Kinesis Data Streams and Lambda"); at the first record nothing lies below and everything
/// remains. What then happens was never published or recorded: all three are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirstRecordFailed {
    /// The whole batch is retried as it is, and counts as an attempt. The default: it is the
    /// sentence taken literally, and the worst case for a consumer, since sound records behind the
    /// bad one are discarded with it; what survives this survives the others.
    #[default]
    RetryWhole,
    /// The batch is split in the middle, as after a function error.
    Halve,
    /// The first record becomes a batch of its own, the others another one behind it.
    Isolate,
}

/// The decimals of `approximateArrivalTimestamp`, which is in seconds.
///
/// AWS's example event has three (Lambda developer guide, "Using Lambda to process records from
/// Amazon Kinesis Data Streams"), and every event that was recorded has at most three. That there
/// are never more is inferred: the type is a floating-point number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ArrivalDecimals {
    /// At most three: milliseconds. The default, since readers of the event are known that refuse
    /// more.
    #[default]
    Three,
    /// Six: microseconds, of which the model makes up those below a millisecond.
    Six,
}

/// What the on-failure destination is told of records that are given up one directly after the
/// other, when BisectBatchOnFunctionError is on.
///
/// AWS documents that the message's `batchSize` may then be greater than 1, "since Lambda
/// consolidates failed messages metadata when writing to the OnFailure destination" (Lambda API
/// reference, `CreateEventSourceMapping`, BisectBatchOnFunctionError). Which of them are
/// consolidated, and what the message then says of the invocations, was never published or
/// recorded: both are inferred. A message's range is a superset of what failed under either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NeighbouringDiscards {
    /// Each part that is given up has a message of its own. The default.
    #[default]
    Separate,
    /// Parts of one bisected batch that are given up for the same reason, with nothing between
    /// them, share one message. It is sent when a part between succeeds or none is left, so that
    /// the checkpoint waits for that; request, response and `approximateInvokeCount` are those of
    /// the last part.
    Merged,
}
