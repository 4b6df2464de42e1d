//! The limits of Kinesis, and the limits that a test may set.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The largest record in bytes, data and partition key together. 1 MiB is Kinesis's default for a
/// stream.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// The longest partition key, in characters.
pub const MAX_PARTITION_KEY_CHARS: usize = 256;
/// The most records that one PutRecords takes.
pub const MAX_PUT_RECORDS: usize = 500;
/// The largest PutRecords in bytes, data and partition keys together (10 MiB).
pub const MAX_PUT_RECORDS_BYTES: usize = 10 << 20;
/// The most records that one GetRecords returns.
pub const MAX_GET_RECORDS: usize = 10_000;
/// The most data that one GetRecords returns, in bytes (10 MiB).
pub const MAX_GET_RECORDS_BYTES: usize = 10 << 20;
/// How long a shard iterator can be used.
pub const ITERATOR_LIFETIME: Duration = Duration::from_secs(300);
/// The most shards of a stream here, for the sake of the machine's memory. AWS has a quota for the
/// account instead.
pub const MAX_SHARDS: u32 = 500;
/// A stream's retention in hours if none is given.
pub(super) const DEFAULT_RETENTION_HOURS: u32 = 24;
/// The hours that a stream's retention can be set to.
pub(super) const RETENTION_HOURS: RangeInclusive<u32> = 24..=8_760;

/// The limits of Kinesis that the model keeps, and how much it stores.
#[derive(Debug, Clone)]
pub struct KinesisOptions {
    /// True if a shard refuses more than 1 MiB or 1,000 records in one second of the clock
    /// (ProvisionedThroughputExceededException). On by default.
    ///
    /// AWS does not say over which window it measures. The model measures over the calendar second.
    pub write_limits: bool,
    /// How many bytes a shard stores at most, 256 MiB by default. AWS has no such limit, but a
    /// machine's memory has.
    ///
    /// A write that does not fit is refused as throttled
    /// ([`ShardFull`](super::KinesisError::ShardFull)) until the retention of older records ends.
    /// No accepted record is dropped before that.
    pub shard_capacity_bytes: usize,
}

impl Default for KinesisOptions {
    fn default() -> Self {
        Self {
            write_limits: true,
            shard_capacity_bytes: 256 << 20,
        }
    }
}
