//! The behaviours of AWS's poller that AWS does not publish. Each behaviour has its own option, so
//! that code can be tested with the model under every alternative.

use std::time::Duration;

use backoff::Backoff;

/// The behaviours that AWS does not publish. Every field is inferred, not documented, unless it
/// says otherwise. Code that is tested with this model should hold under every value of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// The pause before a retry. AWS documents that it grows exponentially, but not its curve. The
    /// default is 1 s, doubling, at most 60 s. The pause also applies to reads that failed, invokes
    /// that did not reach the function, and discards that were not delivered.
    pub retry_backoff: Backoff,
    /// The treatment of a batch whose first record a partial response named, where
    /// BisectBatchOnFunctionError is on.
    pub first_record_failed: FirstRecordFailed,
    /// How records that are given up one after the other in a bisected batch are reported.
    pub neighbouring_discards: NeighbouringDiscards,
    /// The time from one read of a shard to the next when there was nothing more to read. The
    /// defaults are documented. They are once a second for Kinesis (Lambda developer guide, "Using
    /// Lambda to process records from Amazon Kinesis Data Streams") and four times a second for
    /// DynamoDB ("Using AWS Lambda with Amazon DynamoDB").
    pub poll_interval: Duration,
    /// The most records asked for in one read, at least 1. The default is the most that GetRecords
    /// gives, which is 10,000 of Kinesis and 1,000 of DynamoDB Streams.
    pub read_limit: u32,
    /// How often a discard's message is offered to the destination before the mapping gives up on
    /// it. Then the mapping counts the message as lost and goes on. Default 3, at least 1.
    pub discard_delivery_attempts: u32,
    /// How exactly an event of Kinesis gives the time at which a record arrived.
    pub arrival_decimals: ArrivalDecimals,
}

impl Default for Assumptions {
    /// The defaults for a Kinesis stream. [`MappingOptions::new`](crate::MappingOptions::new) sets
    /// the values that differ for a DynamoDB stream.
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

/// The treatment of a batch of two or more records when a partial response names its first record
/// and BisectBatchOnFunctionError is on.
///
/// AWS documents that "the batch is bisected at the returned sequence number, and Lambda retries
/// only the remaining records" (Lambda developer guide, "Configuring partial batch response with
/// Kinesis Data Streams and Lambda"). At the first record nothing lies below, and every record
/// remains. AWS never published this case, and nobody recorded it. All three variants are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirstRecordFailed {
    /// The whole batch is retried as it is, and counts as an attempt. This is the default, because
    /// it takes AWS's sentence literally and is the worst case for a consumer. Sound records behind
    /// the bad one are discarded with it. A consumer that survives this variant survives the
    /// others.
    #[default]
    RetryWhole,
    /// The batch is split in the middle, as after a function error.
    Halve,
    /// The first record becomes its own batch, and the others become another batch behind it.
    Isolate,
}

/// The decimals of `approximateArrivalTimestamp`, which is in seconds.
///
/// AWS's example event has three (Lambda developer guide, "Using Lambda to process records from
/// Amazon Kinesis Data Streams"), and every event that was recorded has at most three. It is
/// inferred that there are never more, because the type is a floating-point number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ArrivalDecimals {
    /// At most three, which are milliseconds. This is the default, since some known readers of the
    /// event refuse more.
    #[default]
    Three,
    /// Six, which are microseconds. The model makes up the part below a millisecond.
    Six,
}

/// How the on-failure destination is told of records that are given up one directly after the
/// other, when BisectBatchOnFunctionError is on.
///
/// AWS documents that the message's `batchSize` may then be greater than 1, "since Lambda
/// consolidates failed messages metadata when writing to the OnFailure destination" (Lambda API
/// reference, `CreateEventSourceMapping`, BisectBatchOnFunctionError). AWS never published which
/// messages are consolidated, and what the message then says of the invocations. Nobody recorded
/// either. So both are inferred. A message's range is a superset of the failed records under either
/// variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NeighbouringDiscards {
    /// Each part that is given up has its own message. This is the default.
    #[default]
    Separate,
    /// Parts of one bisected batch share one message if they are given up for the same reason, with
    /// nothing between them. The message is sent when a part between them succeeds or when no part
    /// is left. The checkpoint waits for the message. Request, response and
    /// `approximateInvokeCount` are those of the last part.
    Merged,
}
