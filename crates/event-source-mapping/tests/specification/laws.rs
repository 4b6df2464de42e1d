//! Laws that always hold. They are checked over random histories, and over every place that a bad
//! record may have in a batch.

use std::collections::BTreeSet;

use event_source_mapping::{Assumptions, Completion, FirstRecordFailed, MappingOptions};
use proptest::prelude::*;

use crate::driver::{Driver, failures, numbers, options, reporting, success};
use crate::history::{History, any_scenario};

proptest! {
    // A failing scenario is replayed at each step of its shrinking, so the number of steps has a
    // limit.
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// The checks are made at every step.
    ///
    /// - A shard is read once at a time.
    /// - Never more batches of a shard are in flight than the ParallelizationFactor.
    /// - Never two batches of a key are in flight, even if the key was in several shards.
    /// - No record behind the starting position is skipped.
    /// - No record before the starting position is sent. Under LATEST this is not checked.
    /// - A child comes after its parents.
    /// - A processed record never comes again, unless the mapping was stopped, updated or lost.
    /// - The checkpoint never moves back.
    /// - The checkpoint never passes a record that is neither processed nor discarded.
    ///
    /// The run always ends. Then every record behind the starting position is processed or inside a
    /// discarded range.
    #[test]
    fn every_record_is_processed_or_discarded_in_order_and_the_checkpoint_follows(scenario in any_scenario()) {
        let history = History::play(&scenario);
        prop_assert_eq!(history.left_over(), Vec::<u64>::new());
    }

    /// Without a clock and without randomness inside the mapping, a scenario can be repeated
    /// exactly.
    #[test]
    fn the_same_events_at_the_same_times_have_the_same_consequences(scenario in any_scenario()) {
        let (once, again) = (History::play(&scenario), History::play(&scenario));
        prop_assert_eq!(once.driver.occurrences, again.driver.occurrences);
        prop_assert_eq!(once.driver.mapping.status(), again.driver.mapping.status());
    }

    /// [D] "Retain discarded batch records for a Kinesis Data Streams event source in Lambda".
    /// Bisecting isolates bad records.
    #[test]
    fn with_bisect_one_bad_record_among_n_is_isolated_within_log2_n_splits_and_every_other_is_processed(
        (n, bad) in (1_u64..=64).prop_flat_map(|n| (Just(n), 0..n)),
        retries in 0_u32..=3,
        reports: bool,
    ) {
        let bad = 8 + bad;
        let options = MappingOptions {
            batch_size: u32::try_from(n).unwrap(),
            bisect_batch_on_function_error: true,
            maximum_retry_attempts: retries.into(),
            ..if reports { reporting() } else { options() }
        };
        let mut stream = Driver::with_records(options, usize::try_from(n).unwrap());
        let mut processed = BTreeSet::new();
        stream.run(|invocation| {
            let batch = numbers(invocation);
            if batch.contains(&bad) {
                return if reports { Completion::Returned(b"not JSON".to_vec()) } else { Completion::FunctionError };
            }
            processed.extend(batch);
            success()
        });
        let splits = n.next_power_of_two().trailing_zeros();
        let deliveries = u32::try_from(stream.times_delivered(bad)).unwrap();
        prop_assert!(deliveries <= splits + 1 + retries, "{} deliveries", deliveries);
        prop_assert_eq!(stream.discarded(), [(bad, bad, 1, u64::from(retries) + 1)]);
        prop_assert_eq!(processed, (8..8 + n).filter(|number| *number != bad).collect::<BTreeSet<_>>());
    }

    /// [I] AWS does not say what follows if the first record of a batch failed. Two of the three
    /// assumptions separate that record from the others, and one does not.
    #[test]
    fn with_partial_responses_and_bisect_only_what_lies_behind_a_bad_record_is_discarded_with_it(
        poison in prop::collection::vec(any::<bool>(), 1..40),
        batch_size in 1_u32..=12,
        retries in 0_i64..=2,
        first_record_failed in prop::sample::select(vec![
            FirstRecordFailed::RetryWhole, FirstRecordFailed::Halve, FirstRecordFailed::Isolate,
        ]),
    ) {
        let options = MappingOptions {
            batch_size,
            bisect_batch_on_function_error: true,
            maximum_retry_attempts: retries,
            assumptions: Assumptions { first_record_failed, ..Assumptions::default() },
            ..reporting()
        };
        let bad: BTreeSet<_> = (8_u64..).zip(&poison).filter(|(_, poison)| **poison).map(|(number, _)| number).collect();
        let mut stream = Driver::with_records(options, poison.len());
        stream.run(|invocation| {
            let reported: Vec<_> = numbers(invocation).into_iter().filter(|number| bad.contains(number)).collect();
            failures(&reported)
        });
        let discarded = stream.discarded();
        let covered: BTreeSet<_> = discarded.iter().flat_map(|(first, last, _, _)| *first..=*last).collect();
        prop_assert!(bad.is_subset(&covered));
        prop_assert!(discarded.iter().all(|(first, _, _, _)| bad.contains(first)));
        if first_record_failed != FirstRecordFailed::RetryWhole {
            prop_assert_eq!(covered, bad);
        }
    }
}
