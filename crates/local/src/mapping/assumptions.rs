//! The values of the mapping that AWS does not publish, or that are faster here than on AWS.

use std::time::Duration;

use event_source_mapping::Backoff;

/// The pause from one read of a shard to the next, if there was nothing more to read.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The pauses between retries. They begin with 250 ms and double, up to a minute.
pub const RETRY_BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(250),
    cap: Duration::from_secs(60),
};

/// How many times a discard is offered to the queue before it is given up. With the pauses above,
/// this takes half a minute.
pub const DISCARD_ATTEMPTS: u32 = 8;
