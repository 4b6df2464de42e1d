//! How long a call waits before it is tried again: exponential, capped, with full jitter.
//!
//! The same as in `kinesis-batch`, which this crate does not need for anything else: each is to be usable alone.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::Settings;

/// Draws the back-offs of one call.
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    /// SplitMix64's state. Jitter needs to be spread evenly, not to be unguessable.
    state: u64,
}

impl Backoff {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            base: settings.backoff_base,
            cap: settings.backoff_cap,
            state: settings
                .jitter_seed
                .unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
        }
    }

    /// The wait before retry number `retry`, counted from 0.
    pub(crate) fn draw(&mut self, retry: u32) -> Duration {
        let random = self.next_random();
        full_jitter(self.ceiling(retry), random)
    }

    /// min(cap, base · 2^retry), without overflow.
    fn ceiling(&self, retry: u32) -> Duration {
        let factor = 1_u32.checked_shl(retry).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
    fn next_random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Scales `random` (even over all of `u64`) to a duration between zero and `ceiling`, both included, in whole
/// microseconds.
fn full_jitter(ceiling: Duration, random: u64) -> Duration {
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
    let drawn = (u128::from(random) * (u128::from(micros) + 1)) >> 64;
    Duration::from_micros(u64::try_from(drawn).unwrap_or(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(base_ms: u64, cap_ms: u64, seed: u64) -> Backoff {
        let settings = Settings::default()
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
        let ceiling = Duration::from_millis(200);
        assert_eq!(full_jitter(ceiling, 0), Duration::ZERO);
        assert_eq!(
            full_jitter(ceiling, u64::MAX / 2),
            Duration::from_millis(100)
        );
        assert_eq!(full_jitter(ceiling, u64::MAX), ceiling);
        assert!(full_jitter(Duration::MAX, u64::MAX) <= Duration::MAX);
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
            let mut backoff = Backoff::new(&Settings::default());
            (0..16).map(|retry| backoff.draw(retry)).collect::<Vec<_>>()
        };
        assert_ne!(draws(), draws());
    }
}
