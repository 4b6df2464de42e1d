//! How long a call waits before it is tried again: exponential, capped, with full jitter.
//!
//! The same as in `kinesis-batch`, which this crate does not need for anything else: each is to be usable alone.

use std::time::Duration;

use fastrand::Rng;

use crate::LeaseOptions;

/// Draws the back-offs of one call.
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    random: Rng,
}

impl Backoff {
    pub(crate) fn new(settings: &LeaseOptions) -> Self {
        Self {
            base: settings.backoff_base,
            cap: settings.backoff_cap,
            random: settings.jitter_seed.map_or_else(Rng::new, Rng::with_seed),
        }
    }

    /// The wait before retry number `retry`, counted from 0.
    pub(crate) fn draw(&mut self, retry: u32) -> Duration {
        let ceiling = u64::try_from(self.ceiling(retry).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.u64(0..=ceiling))
    }

    /// min(cap, base · 2^retry), without overflow.
    fn ceiling(&self, retry: u32) -> Duration {
        let factor = 1_u32.checked_shl(retry).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn backoff(base_ms: u64, cap_ms: u64, seed: u64) -> Backoff {
        let settings = LeaseOptions::default()
            .backoff(
                Duration::from_millis(base_ms),
                Duration::from_millis(cap_ms),
            )
            .jitter_seed(Some(seed));
        Backoff::new(&settings)
    }

    #[test]
    fn the_ceiling_doubles_with_each_retry_up_to_the_cap() {
        let backoff = backoff(50, 1_000, 0);
        let millis =
            [0, 1, 2, 3, 4, 5, 31, 32, u32::MAX].map(|retry| backoff.ceiling(retry).as_millis());
        assert_eq!(millis, [50, 100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn jitter_reaches_from_zero_to_the_ceiling_and_no_further() {
        let mut backoff = backoff(1, 1, 7);
        let drawn: BTreeSet<_> = (0..20_000).map(|_| backoff.draw(0).as_micros()).collect();
        assert_eq!(drawn, (0..=1_000).collect());
    }

    #[test]
    fn the_longest_back_off_is_drawn_without_overflow() {
        let settings = LeaseOptions::default().backoff(Duration::MAX, Duration::MAX);
        Backoff::new(&settings).draw(u32::MAX);
    }

    #[test]
    fn draws_are_spread_evenly_below_the_ceiling() {
        let mut backoff = backoff(800, 800, 7);
        let mut octants = [0_u32; 8];
        for _ in 0..8_000 {
            let micros = backoff.draw(0).as_micros();
            octants[usize::try_from(micros.min(799_999) / 100_000).unwrap()] += 1;
        }
        assert!(
            octants.iter().all(|count| (850..1_150).contains(count)),
            "{octants:?}"
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let draws = |seed| {
            let mut backoff = backoff(50, 2_000, seed);
            (0..16).map(|retry| backoff.draw(retry)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn without_a_seed_two_calls_draw_differently() {
        let draws = || {
            let mut backoff = Backoff::new(&LeaseOptions::default());
            (0..16).map(|retry| backoff.draw(retry)).collect::<Vec<_>>()
        };
        assert_ne!(draws(), draws());
    }
}
