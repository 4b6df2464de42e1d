//! The records that are sent again after a failure, the number of times, and the pause before each.

use std::time::Duration;

use event_source_mapping::{
    Assumptions, Backoff, Completion, FirstRecordFailed, MappingOptions, Occurrence,
};

use crate::driver::{Driver, failures, numbers, options, reporting, success};

fn bisecting(options: MappingOptions) -> MappingOptions {
    MappingOptions {
        bisect_batch_on_function_error: true,
        ..options
    }
}

/// [D] services-kinesis-parameters. MaximumRetryAttempts counts retries, not deliveries.
#[test]
fn a_failed_batch_is_sent_again_as_often_as_it_may_be_retried_and_then_discarded() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 2,
            ..options()
        },
        3,
    );
    let mut attempts = Vec::new();
    stream.run(|invocation| {
        attempts.push(invocation.attempt());
        Completion::FunctionError
    });
    assert_eq!(stream.batches(), [[8, 9, 10]; 3]);
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(stream.discarded(), [(8, 10, 3, 3)]);
}

/// [D] services-kinesis-parameters. The value 0 is allowed.
#[test]
fn without_retries_a_failed_batch_is_discarded_after_one_delivery() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 0,
            ..options()
        },
        1,
    );
    stream.run(|_| Completion::FunctionError);
    assert_eq!(stream.discarded(), [(8, 8, 1, 1)]);
}

/// [D] Lambda developer guide, "Understanding retry behavior in Lambda". A timeout is a function
/// error.
#[test]
fn a_timeout_is_a_failure_of_the_whole_batch() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..options()
        },
        2,
    );
    stream.run(|_| Completion::TimedOut);
    assert_eq!(stream.discarded(), [(8, 9, 2, 2)]);
    assert_eq!(
        stream.discards[0]["responseContext"]["functionError"],
        "Unhandled"
    );
}

/// [D] services-kinesis-parameters. −1 retries until the record expires. [I] An expired record is
/// discarded like a record that is too old.
#[test]
fn infinite_retries_end_when_the_stream_no_longer_has_the_record() {
    let mut stream = Driver::with_records(options(), 1);
    stream.run(|_| Completion::FunctionError);
    assert!(stream.times_delivered(8) > 1_000);
    assert_eq!(
        stream.discards[0]["requestContext"]["condition"],
        "RecordAgeExceeded"
    );
    let day = Duration::from_secs(24 * 3_600);
    let age = stream.now.since(crate::driver::BEGINNING);
    assert!(age > day && age <= day + Duration::from_secs(60), "{age:?}");
}

/// [D] services-kinesis-parameters, MaximumRecordAgeInSeconds with MaximumRetryAttempts −1.
#[test]
fn a_record_age_ends_infinite_retries_for_the_old_records_of_a_batch_only() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            maximum_batching_window_in_seconds: 30,
            ..options()
        },
        1,
    );
    stream.wake_after(25_000);
    stream.put(crate::driver::SHARD, "young", b"{}");
    stream.wake_after(5_000);
    let began = crate::driver::BEGINNING;
    let mut now = began;
    let mut given = 0;
    while stream.discards.is_empty() && given < 1_000 {
        given += 1;
        match stream.invocation() {
            Some(invocation) => stream.finish(invocation, Completion::FunctionError),
            None if stream.actions.is_empty() => stream.wake_after(1_000),
            None => stream.answer(&mut |_| Completion::FunctionError),
        }
        now = stream.now;
    }
    assert_eq!(stream.batches()[0], [8, 9]);
    assert!(now.since(began) > Duration::from_secs(60));
    let [(8, 8, 1, attempts)] = stream.discarded()[..] else {
        panic!("{:?}", stream.discarded())
    };
    assert_eq!(attempts, stream.times_delivered(8) as u64);
    stream.run(|_| success());
    assert_eq!(stream.batches().last(), Some(&vec![9]));
}

/// [D] services-kinesis-parameters, MaximumRecordAgeInSeconds. [R] Its approximateInvokeCount is 1
/// nevertheless.
#[test]
fn a_record_that_is_too_old_when_it_is_read_is_never_delivered() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..options()
        },
        2,
    );
    stream.wake_after(60_001);
    stream.put(crate::driver::SHARD, "young", b"{}");
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[10]]);
    assert_eq!(stream.discarded(), [(8, 9, 2, 1)]);
    let invoke_counts = stream
        .occurrences
        .iter()
        .filter_map(|occurrence| match occurrence {
            Occurrence::Discarded { invoke_count, .. } => Some(*invoke_count),
            _ => None,
        });
    assert_eq!(
        invoke_counts.collect::<Vec<_>>(),
        [0],
        "a person is told what happened, not what the message says"
    );
    let id = stream.discards[0]["requestContext"]["requestId"]
        .as_str()
        .unwrap();
    assert_eq!(
        (id.len(), &id[14..15]),
        (36, "8"),
        "a UUIDv8, since there was no invocation: {id}"
    );
}

/// [D] Lambda developer guide, "Configuring partial batch response with Kinesis Data Streams and
/// Lambda". "Lambda retries all records starting from the lowest sequence number".
#[test]
fn after_a_partial_failure_everything_from_the_lowest_failure_on_comes_again_and_nothing_below() {
    let mut stream = Driver::with_records(reporting(), 5);
    let mut first = true;
    stream.run(|_| {
        if std::mem::take(&mut first) {
            failures(&[12, 10])
        } else {
            success()
        }
    });
    assert_eq!(stream.batches(), [vec![8, 9, 10, 11, 12], vec![10, 11, 12]]);
}

/// [D] Same page. The lowest failure is the checkpoint.
#[test]
fn a_partial_failure_moves_the_checkpoint_below_the_lowest_failure() {
    let mut stream = Driver::with_records(reporting(), 3);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, failures(&[10]));
    assert_eq!(stream.checkpoint(), Some(9));
}

/// [D] Same page. It is so only with ReportBatchItemFailures in FunctionResponseTypes.
#[test]
fn failures_are_ignored_unless_the_mapping_asks_for_them() {
    let mut stream = Driver::with_records(options(), 3);
    stream.run(|_| failures(&[8]));
    assert_eq!(stream.batches(), [[8, 9, 10]]);
    assert!(stream.discards.is_empty());
}

/// [D, R] Same page. "Lambda treats a batch as a complete failure".
#[test]
fn a_response_with_a_null_identifier_fails_the_whole_batch() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..reporting()
        },
        2,
    );
    stream.run(|_| {
        Completion::Returned(br#"{"batchItemFailures": [{"itemIdentifier": null}]}"#.to_vec())
    });
    assert_eq!(stream.batches(), [[8, 9], [8, 9]]);
    assert!(stream.discards[0]["responseContext"]["functionError"].is_null());
}

/// [D] Lambda developer guide, "Retain discarded batch records …". BisectBatchOnFunctionError
/// splits a failed batch into two.
#[test]
fn with_bisect_a_failed_batch_is_split_and_its_halves_are_sent_in_order() {
    let mut stream = Driver::with_records(bisecting(options()), 4);
    let mut first = true;
    stream.run(|_| {
        if std::mem::take(&mut first) {
            Completion::FunctionError
        } else {
            success()
        }
    });
    assert_eq!(
        stream.batches(),
        [vec![8, 9, 10, 11], vec![8, 9], vec![10, 11]]
    );
}

/// [D] Same page. "Splitting batches doesn't consume the retry quota."
#[test]
fn splitting_does_not_use_up_retries() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..bisecting(options())
        },
        4,
    );
    stream.run(|invocation| {
        if numbers(invocation).contains(&10) {
            Completion::FunctionError
        } else {
            success()
        }
    });
    assert_eq!(
        stream.batches(),
        [
            vec![8, 9, 10, 11],
            vec![8, 9],
            vec![10, 11],
            vec![10],
            vec![10],
            vec![11]
        ]
    );
    assert_eq!(stream.discarded(), [(10, 10, 1, 2)]);
}

/// [D] "Configuring partial batch response …". With bisect "the batch is bisected at the returned
/// sequence number, and Lambda retries only the remaining records".
#[test]
fn with_bisect_a_partial_failure_splits_at_the_returned_number() {
    let mut stream = Driver::with_records(bisecting(reporting()), 5);
    let mut first = true;
    stream.run(|_| {
        if std::mem::take(&mut first) {
            failures(&[11])
        } else {
            success()
        }
    });
    assert_eq!(stream.batches(), [vec![8, 9, 10, 11, 12], vec![11, 12]]);
}

fn first_of_four_always_fails(first_record_failed: FirstRecordFailed) -> Driver {
    let assumptions = Assumptions {
        first_record_failed,
        ..Assumptions::default()
    };
    let options = MappingOptions {
        maximum_retry_attempts: 1,
        assumptions,
        ..bisecting(reporting())
    };
    let mut stream = Driver::with_records(options, 4);
    stream.run(|invocation| {
        if numbers(invocation)[0] == 8 {
            failures(&[8])
        } else {
            success()
        }
    });
    stream
}

/// [I] All three are inferred. This one takes the documented sentence literally, and is the
/// default.
#[test]
fn the_first_record_failed_retry_whole_discards_the_good_records_behind_it() {
    assert_eq!(
        Assumptions::default().first_record_failed,
        FirstRecordFailed::RetryWhole
    );
    let stream = first_of_four_always_fails(FirstRecordFailed::RetryWhole);
    assert_eq!(stream.batches(), [[8, 9, 10, 11]; 2]);
    assert_eq!(stream.discarded(), [(8, 11, 4, 2)]);
}

/// [I]
#[test]
fn the_first_record_failed_halve_splits_in_the_middle() {
    let stream = first_of_four_always_fails(FirstRecordFailed::Halve);
    assert_eq!(
        stream.batches(),
        [
            vec![8, 9, 10, 11],
            vec![8, 9],
            vec![8],
            vec![8],
            vec![9],
            vec![10, 11]
        ]
    );
    assert_eq!(stream.discarded(), [(8, 8, 1, 2)]);
}

/// [I]
#[test]
fn the_first_record_failed_isolate_splits_behind_it() {
    let stream = first_of_four_always_fails(FirstRecordFailed::Isolate);
    assert_eq!(
        stream.batches(),
        [vec![8, 9, 10, 11], vec![8], vec![8], vec![9, 10, 11]]
    );
    assert_eq!(stream.discarded(), [(8, 8, 1, 2)]);
}

/// [D] With bisect off the batch is retried as it is.
#[test]
fn without_bisect_a_first_record_that_failed_takes_the_whole_batch_with_it() {
    for first_record_failed in [
        FirstRecordFailed::RetryWhole,
        FirstRecordFailed::Halve,
        FirstRecordFailed::Isolate,
    ] {
        let assumptions = Assumptions {
            first_record_failed,
            ..Assumptions::default()
        };
        let mut stream = Driver::with_records(
            MappingOptions {
                maximum_retry_attempts: 1,
                assumptions,
                ..reporting()
            },
            3,
        );
        stream.run(|_| failures(&[8]));
        assert_eq!(stream.batches(), [[8, 9, 10]; 2], "{first_record_failed:?}");
        assert_eq!(stream.discarded(), [(8, 10, 3, 2)]);
    }
}

/// [I] The records have been at the function. The message names that invocation, because it is the
/// invocation to look for.
#[test]
fn what_is_too_old_after_a_split_or_a_partial_failure_is_told_with_the_invocation_that_failed() {
    for completion in [Completion::FunctionError, failures(&[9])] {
        let mut stream = Driver::with_records(
            MappingOptions {
                maximum_record_age_in_seconds: 60,
                ..bisecting(reporting())
            },
            3,
        );
        let invocation = stream.invocation().unwrap();
        stream.finish(invocation, completion);
        stream.wake_after(61_000);
        stream.run(|_| success());
        assert!(!stream.discards.is_empty());
        for message in &stream.discards {
            assert_eq!(
                message["requestContext"]["requestId"],
                "c9b8fa9f-5a7f-4af9-9c0c-0c604cde93a5"
            );
            assert_eq!(message["requestContext"]["approximateInvokeCount"], 1);
        }
    }
}

/// [D] "Using Lambda to process records from Amazon Kinesis Data Streams". The back-off is
/// exponential. [I] The curve is an option.
#[test]
fn the_pause_between_retries_doubles_up_to_its_cap() {
    let retry_backoff = Backoff {
        base: Duration::from_millis(100),
        cap: Duration::from_millis(1_000),
    };
    let assumptions = Assumptions {
        retry_backoff,
        ..Assumptions::default()
    };
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 6,
            assumptions,
            ..options()
        },
        1,
    );
    stream.run(|_| Completion::FunctionError);
    let times: Vec<_> = stream
        .deliveries
        .iter()
        .map(|(time, _)| time.as_millis())
        .collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
}

/// [D] "Retain discarded batch records …". An invoke that is throttled "retries until the records
/// expire or exceed the maximum age".
#[test]
fn a_throttled_invoke_is_retried_beyond_the_retry_attempts() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 0,
            ..options()
        },
        1,
    );
    let mut throttled = 0;
    stream.run(|_| {
        throttled += 1;
        if throttled <= 20 {
            Completion::NotInvoked
        } else {
            success()
        }
    });
    assert!(stream.discards.is_empty());
    assert_eq!(stream.mapping.counters().invokes_throttled, 20);
    assert_eq!(stream.mapping.counters().invocations, 1);
}

/// [D] Same page.
#[test]
fn a_throttled_invoke_does_not_count_as_an_attempt() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..options()
        },
        1,
    );
    let mut invokes = 0;
    stream.run(|_| {
        invokes += 1;
        if invokes % 2 == 1 {
            Completion::NotInvoked
        } else {
            Completion::FunctionError
        }
    });
    assert_eq!(stream.discarded(), [(8, 8, 1, 2)]);
}

/// [D] Same page. [I] The count is the same as for any record that was too old before its first
/// delivery.
#[test]
fn a_throttled_invoke_is_retried_until_the_records_age_and_then_discarded() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..options()
        },
        2,
    );
    stream.run(|_| Completion::NotInvoked);
    assert_eq!(stream.discarded(), [(8, 9, 2, 1)]);
    assert_eq!(
        stream.discards[0]["requestContext"]["condition"],
        "RecordAgeExceeded"
    );
}

/// [I] A throttled invoke splits nothing, because the function has not seen the batch.
#[test]
fn a_throttled_invoke_does_not_split_a_batch() {
    let mut stream = Driver::with_records(bisecting(options()), 4);
    let mut first = true;
    stream.run(|_| {
        if std::mem::take(&mut first) {
            Completion::NotInvoked
        } else {
            success()
        }
    });
    assert_eq!(stream.batches(), [[8, 9, 10, 11]; 2]);
    assert!(
        !stream
            .occurrences
            .iter()
            .any(|occurrence| matches!(occurrence, Occurrence::Split { .. }))
    );
}
