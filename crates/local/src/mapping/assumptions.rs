//! The values of the mapping that AWS does not publish, or that are faster here than on AWS.

use std::time::Duration;

use event_source_mapping::Backoff;

/// From one read of a shard to the next when there was nothing more to read.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The pauses between retries begin with 250 ms and double, up to a minute.
pub const RETRY_BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(250),
    cap: Duration::from_secs(60),
};

/// How often the queue is offered a discard before it is given up. With the pauses above that is
/// half a minute.
pub const DISCARD_ATTEMPTS: u32 = 8;
