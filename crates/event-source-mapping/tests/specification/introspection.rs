//! The facts that can be seen from outside, and the facts that must not be. These rules are those
//! of this model and not of AWS.

use event_source_mapping::{
    Completion, DiscardCondition, Event, Failure, MappingOptions, Occurrence, Range, ShardListing,
    Timestamp,
};
use serde_json::json;

use crate::driver::{BEGINNING, Driver, SHARD, failures, number, options, reporting, success};

#[test]
fn the_status_shows_checkpoint_batch_in_flight_and_iterator_age() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 2,
            ..options()
        },
        3,
    );
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, success());
    let _second = stream.invocation().unwrap();
    assert_eq!(
        serde_json::to_value(&stream.mapping.status().shards).unwrap(),
        json!([{
            "shard_id": SHARD,
            "state": "Open",
            "checkpoint": "9",
            "in_flight": [{
                "id": 3,
                "range": {"shard_id": SHARD, "first": "10", "last": "10", "records": 1},
                "attempt": 1,
                "since": "2025-11-25T19:03:18.000Z"
            }],
            "unfinished_records": 1,
            "millis_behind_latest": 0,
            "iterator_age_millis": 0,
            "oldest_unfinished_age_millis": 0
        }])
    );
}

#[test]
fn in_what_way_a_batch_failed_is_told_in_words() {
    let words = [
        (Failure::FunctionError, "the function failed"),
        (Failure::TimedOut, "the function timed out"),
        (Failure::UnusableResponse, "the response cannot be used"),
    ];
    for (failure, told) in words {
        assert_eq!(failure.to_string(), told);
    }
}

#[test]
fn the_counters_count_what_happened() {
    let options = MappingOptions {
        batch_size: 4,
        maximum_retry_attempts: 1,
        bisect_batch_on_function_error: true,
        ..reporting()
    };
    let mut stream = Driver::with_records(options, 8);
    stream.run(|invocation| {
        let numbers = crate::driver::numbers(invocation);
        if numbers.contains(&9) {
            Completion::FunctionError
        } else if numbers.contains(&15) {
            failures(&[15])
        } else {
            success()
        }
    });
    let counters = stream.mapping.counters();
    assert_eq!(counters.records_read, 8);
    assert_eq!(
        (counters.records_delivered, counters.records_discarded),
        (6, 2)
    );
    // The batches 8…11, 8 9, 9, 9 failed, and 8, 10 11 succeeded. 12…15, 15, 15 failed in part.
    assert_eq!(
        (
            counters.invocations,
            counters.batches_failed,
            counters.batches_partially_failed
        ),
        (9, 4, 3)
    );
    assert_eq!(
        (
            counters.batches_delivered,
            counters.batches_split,
            counters.batches_discarded
        ),
        (2, 2, 2)
    );
    assert_eq!(counters.batches_retried, 3);
}

#[test]
fn what_becomes_of_a_batch_is_told_in_order() {
    let options = MappingOptions {
        maximum_retry_attempts: 0,
        bisect_batch_on_function_error: true,
        ..reporting()
    };
    let mut stream = Driver::with_records(options, 3);
    let mut invocations = 0;
    stream.run(|_| {
        invocations += 1;
        match invocations {
            1 => Completion::FunctionError,
            2 => success(),
            3 => failures(&[10]),
            _ => Completion::TimedOut,
        }
    });
    let range = |first, last| Range {
        shard_id: SHARD.into(),
        first: number(first),
        last: number(last),
        records: usize::try_from(last - first + 1).unwrap(),
    };
    assert_eq!(
        stream.occurrences,
        [
            Occurrence::Failed {
                range: range(8, 10),
                attempt: 1,
                failure: Failure::FunctionError
            },
            Occurrence::Split {
                left: range(8, 8),
                right: range(9, 10)
            },
            Occurrence::Delivered {
                range: range(8, 8),
                attempt: 1
            },
            Occurrence::PartiallyFailed {
                range: range(9, 10),
                lowest: number(10),
                done: 1
            },
            Occurrence::Retried {
                range: range(10, 10),
                attempt: 1,
                at: Timestamp::from_millis(BEGINNING.as_millis() + 2_000)
            },
            Occurrence::Failed {
                range: range(10, 10),
                attempt: 1,
                failure: Failure::TimedOut
            },
            Occurrence::Discarded {
                range: range(10, 10),
                condition: DiscardCondition::RetryAttemptsExhausted,
                invoke_count: 1,
                reported: None
            },
            Occurrence::DiscardDelivered {
                range: range(10, 10)
            },
        ]
    );
}

#[test]
fn no_debug_output_shows_data_partition_keys_or_responses() {
    let mut stream = Driver::new(options());
    stream.add_shard(SHARD);
    stream.put(SHARD, "jane@example.com", b"secret data");
    stream.list(&[ShardListing::new(SHARD)]);
    stream.read_on();
    let seen = format!(
        "{:?} {:?} {:?}",
        stream.mapping,
        stream.actions,
        stream.mapping.status()
    );
    let invocation = stream.invocation().unwrap();
    let answer: Event =
        invocation.finished("request", Completion::Returned(b"secret response".to_vec()));
    let seen = format!(
        "{seen} {answer:?} {:?}",
        stream.shards[&SHARD.into()].records
    );

    assert!(
        seen.contains("11 bytes") && seen.contains("15 bytes"),
        "{seen}"
    );
    for secret in ["jane", "secret", "[115, 101, 99", "c2VjcmV0"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}

#[test]
fn the_debug_output_of_a_batch_says_which_records_it_is_of() {
    let mut stream = Driver::with_records(options(), 2);
    let invocation = stream.invocation().unwrap();
    let seen = format!("{:?}", invocation.batch());
    assert!(
        seen.contains(&format!("shard_id: {SHARD}"))
            && seen.contains("first: 8")
            && seen.contains("last: 9")
            && seen.contains("records: 2"),
        "{seen}"
    );
}
