//! Turns the deadline that Lambda gives, a wall-clock time, into an instant of the clock that
//! timers run on.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A day. It is far beyond Lambda's longest timeout, and a sum with it is far below what any clock
/// can represent.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

/// The instant of the invocation's deadline.
///
/// `epoch_millis` is the deadline in milliseconds since the Unix epoch, as the Runtime API's header
/// `Lambda-Runtime-Deadline-Ms` and `lambda_runtime::Context::deadline` have it. `now` is the wall
/// clock's time at this moment.
///
/// A deadline that has passed becomes the present instant. A deadline more than a day ahead becomes
/// a day.
///
/// The source is "Using the Lambda runtime API for custom runtimes", section "Next invocation"
/// (Lambda developer guide).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::{Duration, SystemTime};
/// use tokio::time::Instant;
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
/// let deadline = keyed_batch::deadline(1_030_000, now);
/// assert!(deadline > Instant::now() + Duration::from_secs(29));
/// # }
/// ```
#[must_use]
pub fn deadline(epoch_millis: u64, now: SystemTime) -> Instant {
    let since_epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let left = Duration::from_millis(epoch_millis).saturating_sub(since_epoch);
    Instant::now() + left.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1_795_323_600_250);

    fn left(epoch_millis: u64) -> Duration {
        deadline(epoch_millis, SystemTime::UNIX_EPOCH + NOW) - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_left_is_the_same_on_both_clocks() {
        assert_eq!(left(1_795_323_630_000), Duration::from_millis(29_750));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_in_the_past_is_now() {
        assert_eq!(left(1_795_323_600_249), Duration::ZERO);
        assert_eq!(left(0), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_more_than_a_day_ahead_is_a_day_ahead() {
        assert_eq!(left(u64::MAX), Duration::from_secs(86_400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_before_the_epoch_does_not_underflow() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(
            deadline(5_000, before) - Instant::now(),
            Duration::from_secs(5)
        );
    }
}
