#![doc = include_str!("../README.md")]
//!
//! # Why it is own code
//! `backon` is the well-kept crate for this purpose. Version 1.6 lacks three things that are needed
//! here.
//!
//! - Full jitter. Its jitter lies on top of the delay, so a wait is at least the delay and may be
//!   twice the cap.
//! - A wait by the number of failures. Its delays are an iterator with one count inside, and a
//!   batch has a count for each record and one generator for all of them.
//! - Exact delays. It multiplies seconds as `f32`, which has seven digits.

use std::time::Duration;

use fastrand::Rng;

/// An exponential back-off with a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait. A `base` above it counts as `cap`.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row. It is `min(cap, base · 2^(failures - 1))`, and
    /// zero after none.
    ///
    /// The result is exact. No number of failures and no duration overflows.
    #[must_use]
    pub const fn after(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 2_u128.saturating_pow(doublings);
        let nanos = self.base.as_nanos().saturating_mul(factor);
        if nanos < self.cap.as_nanos() {
            Duration::from_nanos_u128(nanos)
        } else {
            self.cap
        }
    }

    /// The same back-off with full jitter, which [`FullJitter`] explains.
    ///
    /// With a seed, each run draws the same waits. Without one, the generator is seeded anew, from
    /// the randomness that std's `HashMap` uses.
    #[must_use]
    pub fn full_jitter(self, seed: Option<u64>) -> FullJitter {
        FullJitter {
            backoff: self,
            random: seed.map_or_else(Rng::new, Rng::with_seed),
        }
    }
}

/// Draws each wait evenly between zero and the wait that the [`Backoff`] gives.
///
/// This is "full jitter". Of the usual schemes it puts the least load on a service that struggles
/// (AWS Architecture Blog, "Exponential Backoff And Jitter").
#[derive(Clone, Debug)]
pub struct FullJitter {
    backoff: Backoff,
    random: Rng,
}

impl FullJitter {
    /// A wait after `failures` failures in a row. It is from zero to
    /// [`Backoff::after`]`(failures)`, both included, in whole microseconds.
    ///
    /// Each call draws, whatever the number of failures is. One generator therefore serves several
    /// retries side by side.
    pub fn draw_after(&mut self, failures: u32) -> Duration {
        let ceiling = self.backoff.after(failures).as_micros();
        // 2⁶⁴ µs are more than half a million years.
        let ceiling = u64::try_from(ceiling).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.u64(0..=ceiling))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn backoff(base_millis: u64, cap_millis: u64) -> Backoff {
        Backoff {
            base: Duration::from_millis(base_millis),
            cap: Duration::from_millis(cap_millis),
        }
    }

    #[test]
    fn the_wait_doubles_with_each_failure_up_to_the_cap() {
        let waits = [1, 2, 3, 4, 5, 6, 7, 32, 33, u32::MAX]
            .map(|failures| backoff(50, 1_000).after(failures).as_millis());
        let capped = 1_000;
        assert_eq!(
            waits,
            [
                50, 100, 200, 400, 800, capped, capped, capped, capped, capped
            ]
        );
    }

    #[test]
    fn there_is_no_wait_after_no_failure() {
        assert_eq!(backoff(1_000, 60_000).after(0), Duration::ZERO);
    }

    #[test]
    fn a_base_of_zero_never_waits() {
        for failures in [0, 1, 33, u32::MAX] {
            assert_eq!(backoff(0, 60_000).after(failures), Duration::ZERO);
        }
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            (0..10_u64).prop_map(Duration::from_nanos),
            any::<u64>().prop_map(Duration::from_nanos),
            (any::<u64>(), 0..1_000_000_000_u32)
                .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_base_and_cap_are_each_wait_is_twice_the_one_before_or_the_cap(
            base in any_duration(),
            cap in any_duration(),
        ) {
            let backoff = Backoff { base, cap };
            prop_assert_eq!(backoff.after(1), base.min(cap));
            for failures in 1..150 {
                let twice = backoff.after(failures).saturating_mul(2);
                prop_assert_eq!(backoff.after(failures + 1), twice.min(cap));
            }
        }
    }

    #[test]
    fn jitter_reaches_from_zero_to_the_wait_and_no_further() {
        let mut jitter = backoff(1, 1).full_jitter(Some(7));
        let drawn: BTreeSet<_> = (0..20_000)
            .map(|_| jitter.draw_after(1).as_micros())
            .collect();
        assert_eq!(drawn, (0..=1_000).collect());
    }

    #[test]
    fn draws_are_spread_evenly_below_the_wait() {
        let mut jitter = backoff(800, 800).full_jitter(Some(7));
        let mut octants = [0_u32; 8];
        for _ in 0..8_000 {
            let micros = jitter.draw_after(1).as_micros();
            octants[usize::try_from(micros.min(799_999) / 100_000).unwrap()] += 1;
        }
        assert!(
            octants.iter().all(|count| (850..1_150).contains(count)),
            "{octants:?}"
        );
    }

    #[test]
    fn the_longest_wait_is_drawn_without_overflow() {
        let longest = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
        };
        longest.full_jitter(Some(0)).draw_after(u32::MAX);
    }

    fn draws(seed: Option<u64>) -> Vec<Duration> {
        let mut jitter = backoff(50, 2_000).full_jitter(seed);
        (1..=8)
            .map(|failures| jitter.draw_after(failures))
            .collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        assert_eq!(draws(Some(1)), draws(Some(1)));
        assert_ne!(draws(Some(1)), draws(Some(2)));
    }

    #[test]
    fn without_a_seed_two_generators_draw_differently() {
        assert_ne!(draws(None), draws(None));
    }

    /// The simulation's figures are given by seed, and a new generator would change them all.
    #[test]
    fn what_a_seed_draws_is_the_same_in_every_version() {
        let micros = [
            39_540, 49_359, 160_892, 15_967, 433_602, 729_313, 1_791_001, 776_923,
        ];
        assert_eq!(draws(Some(42)), micros.map(Duration::from_micros));
    }
}
