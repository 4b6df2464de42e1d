//! The source of the model's time. Everything that depends on time (arrival stamps, retention,
//! iterator expiry, visibility timeouts, throughput windows, the end of a fault) reads one injected
//! clock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_millis(&self) -> u64;
}

/// A clock that moves only when it is told to, for tests and simulations.
///
/// Share it with the model through an `Arc` and keep the other handle.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `epoch_millis` milliseconds since the Unix epoch.
    #[must_use]
    pub fn at(epoch_millis: u64) -> Self {
        Self {
            now: AtomicU64::new(epoch_millis),
        }
    }

    /// Moves the clock forward by `step`, in whole milliseconds.
    pub fn advance(&self, step: Duration) {
        self.now.fetch_add(millis(step), Ordering::SeqCst);
    }

    /// Sets the clock to `epoch_millis`. The time may also go backwards, as a machine's clock may
    /// step back.
    pub fn set(&self, epoch_millis: u64) {
        self.now.store(epoch_millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_millis(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }
}

/// A clock that moves with tokio's clock. That is real time normally, and virtual time while
/// tokio's clock is paused.
///
/// The clock never steps back, although a machine's wall clock may. After a step back everything
/// that waits for a time (a poller, a visibility timeout) would wait longer by that step.
///
/// With this clock the model's time and the SDK's timers agree in a test that runs under
/// `#[tokio::test(start_paused = true)]`.
#[derive(Debug)]
pub struct TokioClock {
    start: tokio::time::Instant,
    start_millis: u64,
}

impl TokioClock {
    /// A clock that shows the machine's wall time now and moves with tokio's clock from here.
    #[must_use]
    pub fn starting_now() -> Self {
        Self::starting_at(wall_millis())
    }

    /// A clock that shows `epoch_millis` now and moves with tokio's clock from here.
    #[must_use]
    pub fn starting_at(epoch_millis: u64) -> Self {
        Self {
            start: tokio::time::Instant::now(),
            start_millis: epoch_millis,
        }
    }
}

impl Clock for TokioClock {
    fn now_millis(&self) -> u64 {
        self.start_millis
            .saturating_add(millis(self.start.elapsed()))
    }
}

fn wall_millis() -> u64 {
    millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// The whole milliseconds of a duration. A duration beyond `u64` (584 million years) is clamped.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the epoch with three decimals, as AWS's JSON writes a time.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "the wire format is a JSON number with decimals"
)]
pub(crate) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn unless_told_otherwise_time_goes_on_from_the_wall_clocks_whatever_that_does_later() {
        let wall = wall_millis();
        let clock = crate::ModelOptions::default().clock;
        let start = clock.now_millis();
        assert!(start.abs_diff(wall) < 60_000, "{start} {wall}");
        // Not a second passes on the wall clock. Only the time that elapses for the program counts.
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now_millis(), start + 3_600_000);
    }
}
