//! The fate of records that are given up, and of the message about them.

use event_source_mapping::{
    Action, Completion, Discard, Event, Invocation, MappingOptions, NeighbouringDiscards,
    Occurrence, ShardListing,
};

use crate::driver::{Driver, QUEUE, SHARD, failures, numbers, options, reporting, success};

/// One record that failed for the last time, and another one behind it.
fn given_up(options: MappingOptions) -> Driver {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 1,
            maximum_retry_attempts: 0,
            ..options
        },
        2,
    );
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Completion::FunctionError);
    stream
}

fn discard(stream: &mut Driver) -> Discard {
    match stream.actions.pop_front() {
        Some(Action::Discard(discard)) => discard,
        other => panic!("{other:?}"),
    }
}

/// The counted discards, and the records in them.
fn discarded(stream: &Driver) -> (u64, u64) {
    let counters = stream.mapping.counters();
    (counters.batches_discarded, counters.records_discarded)
}

/// [D] Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event
/// source in Lambda".
#[test]
fn the_message_goes_to_the_on_failure_destination() {
    let mut stream = given_up(options());
    assert_eq!(discard(&mut stream).destination(), QUEUE);
}

/// [I] A poller that is lost between the two repeats the discard. If it moved the checkpoint first,
/// the discard would be lost.
#[test]
fn the_checkpoint_moves_when_the_message_is_delivered_not_before() {
    let mut stream = given_up(options());
    assert_eq!(stream.checkpoint(), None);
    assert!(stream.invocation().is_none());
    let discard = discard(&mut stream);
    stream.send(discard.delivered());
    assert_eq!(stream.checkpoint(), Some(8));
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(9), 1);
}

/// [I] AWS publishes how it counts messages that could not be delivered, but not how often it
/// tries.
#[test]
fn a_message_that_is_not_delivered_is_offered_again_after_a_pause() {
    let mut stream = given_up(options());
    let first = discard(&mut stream);
    let message = first.message().clone();
    stream.send(first.failed());
    assert!(stream.actions.is_empty());
    assert_eq!(
        stream.wake_at.unwrap().as_millis(),
        stream.now.as_millis() + 1_000
    );
    stream.wake_after(1_000);
    let second = discard(&mut stream);
    assert_eq!(*second.message(), message);
    stream.send(second.delivered());
    assert_eq!(stream.checkpoint(), Some(8));
    assert_eq!(stream.mapping.counters().discards_lost, 0);
}

/// [I]
#[test]
fn a_message_that_is_never_delivered_is_counted_as_lost_and_the_shard_goes_on() {
    let mut stream = given_up(options());
    for _ in 0..3 {
        let discard = discard(&mut stream);
        stream.send(discard.failed());
        stream.wake_after(60_000);
    }
    assert_eq!(stream.mapping.counters().discards_lost, 1);
    assert_eq!(discarded(&stream), (1, 1));
    assert!(matches!(
        stream.occurrences[..],
        [.., Occurrence::DiscardLost { .. }]
    ));
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(9), 1);
}

/// A rule of this model and not of AWS. A discard counts when it is finished.
#[test]
fn a_discard_is_counted_when_its_message_is_delivered() {
    let mut stream = given_up(options());
    assert_eq!(discarded(&stream), (0, 0));
    let discard = discard(&mut stream);
    stream.send(discard.delivered());
    assert_eq!(discarded(&stream), (1, 1));
}

/// A rule of this model and not of AWS. A record whose discard a stop dropped comes again, and may
/// then be processed.
#[test]
fn a_discard_that_a_stop_dropped_is_not_counted_until_it_comes_again() {
    let mut stream = given_up(options());
    let refused = discard(&mut stream);
    stream.send(refused.failed());
    stream.send(Event::Disable);
    assert_eq!(discarded(&stream), (0, 0));

    stream.send(Event::Enable);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Completion::FunctionError);
    let taken = discard(&mut stream);
    stream.send(taken.delivered());
    assert_eq!(discarded(&stream), (1, 1));
}

/// [D] services-kinesis-parameters. The destination is optional.
#[test]
fn without_a_destination_a_discard_is_only_reported() {
    let mut stream = given_up(MappingOptions {
        on_failure: None,
        ..options()
    });
    assert!(stream.occurrences.iter().any(|occurrence| matches!(
        occurrence,
        Occurrence::Discarded {
            invoke_count: 1,
            ..
        }
    )));
    assert_eq!(stream.checkpoint(), Some(8));
    stream.run(|_| success());
    assert_eq!(discarded(&stream), (1, 1));
}

/// How many of the discarded records the last response reported, of the only discard.
fn reported(options: MappingOptions, completion: impl Fn() -> Completion) -> Option<usize> {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..options
        },
        5,
    );
    stream.run(|_| completion());
    let mut discards = stream.occurrences.iter().filter_map(|occurrence| {
        let Occurrence::Discarded { reported, .. } = occurrence else {
            return None;
        };
        Some(*reported)
    });
    let reported = discards.next().unwrap();
    assert_eq!(discards.next(), None);
    reported
}

/// A batch is discarded as a whole, also the records that the function processed.
#[test]
fn a_discard_says_how_many_of_its_records_the_function_reported() {
    assert_eq!(reported(reporting(), || failures(&[8, 11])), Some(2));
    let several_times = || failures(&[8, 8, 12, 8]);
    assert_eq!(reported(reporting(), several_times), Some(2));
}

#[test]
fn a_discard_of_records_that_failed_as_a_whole_says_nothing_about_each() {
    assert_eq!(reported(options(), || Completion::FunctionError), None);
    assert_eq!(reported(reporting(), || Completion::TimedOut), None);
    assert_eq!(reported(reporting(), || failures(&[7])), None);
}

#[test]
fn a_part_that_is_too_old_before_its_own_delivery_says_nothing_about_each() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..reporting()
        },
        1,
    );
    let first = stream.invocation().unwrap();
    stream.finish(first, success());
    stream.put(SHARD, "older", b"{}");
    stream.wake_after(40_000);
    stream.put(SHARD, "newer", b"{}");
    stream.wake_after(1_000);
    let both = stream.invocation().unwrap();
    assert_eq!(numbers(&both), [9, 10]);
    stream.finish(both, failures(&[9]));
    stream.wake_after(30_000);
    assert!(stream.occurrences.iter().any(|occurrence| matches!(
        occurrence,
        Occurrence::Discarded { range, reported: None, .. } if range.records == 1
    )));
}

/// Six records in one batch that is bisected, with one try each. The records in `bad` fail.
fn bisected(neighbours: NeighbouringDiscards, bad: &[u64]) -> Driver {
    let mut options = MappingOptions {
        maximum_retry_attempts: 0,
        bisect_batch_on_function_error: true,
        ..options()
    };
    options.assumptions.neighbouring_discards = neighbours;
    let mut stream = Driver::with_records(options, 6);
    stream.run(|invocation| {
        if numbers(invocation)
            .iter()
            .any(|number| bad.contains(number))
        {
            Completion::FunctionError
        } else {
            success()
        }
    });
    stream
}

/// [I] This is the default.
#[test]
fn by_default_each_part_of_a_bisected_batch_has_a_message_of_its_own() {
    let stream = bisected(NeighbouringDiscards::Separate, &[9, 10, 12]);
    assert_eq!(
        stream.discarded(),
        [(9, 9, 1, 1), (10, 10, 1, 1), (12, 12, 1, 1)]
    );
}

/// [D] Lambda API reference, CreateEventSourceMapping, BisectBatchOnFunctionError. "The BatchSize
/// could be greater than 1 since Lambda consolidates failed messages metadata when writing to the
/// OnFailure destination". [I] Neighbours are consolidated.
#[test]
fn merged_neighbours_of_a_bisected_batch_share_a_message() {
    let stream = bisected(NeighbouringDiscards::Merged, &[9, 10, 12]);
    assert_eq!(stream.discarded(), [(9, 10, 2, 1), (12, 12, 1, 1)]);
    assert_eq!(discarded(&stream), (2, 3));
}

/// [I] At the end of the batch nothing can be added.
#[test]
fn merged_neighbours_at_the_end_of_a_batch_are_told_without_a_success_behind_them() {
    let stream = bisected(NeighbouringDiscards::Merged, &[11, 12, 13]);
    assert_eq!(stream.discarded(), [(11, 13, 3, 1)]);
}

/// [I] A message names one condition.
#[test]
fn neighbours_that_were_given_up_for_different_reasons_are_not_merged() {
    let mut options = MappingOptions {
        maximum_retry_attempts: 0,
        bisect_batch_on_function_error: true,
        maximum_record_age_in_seconds: 60,
        ..options()
    };
    options.assumptions.neighbouring_discards = NeighbouringDiscards::Merged;
    let mut stream = Driver::with_records(options, 2);
    let whole = stream.invocation().unwrap();
    stream.finish(whole, Completion::FunctionError);
    stream.wake_after(1_000);
    let first = stream.invocation().unwrap();
    stream.finish(first, Completion::FunctionError);
    let second = stream.invocation().unwrap();
    assert!(stream.actions.is_empty(), "it waits for its neighbour");
    stream.finish(second, Completion::NotInvoked);
    stream.wake_after(60_000);
    stream.run(|_| unreachable!("the other one is too old"));
    let conditions: Vec<_> = stream
        .discards
        .iter()
        .map(|message| message["requestContext"]["condition"].as_str().unwrap())
        .collect();
    assert_eq!(conditions, ["RetryAttemptsExhausted", "RecordAgeExceeded"]);
}

/// Two records, of which the first is given up and waits for the second. The second is in flight
/// when the mapping is stopped.
fn stopped_while_a_discard_waits() -> (Driver, Invocation) {
    let mut options = MappingOptions {
        maximum_retry_attempts: 0,
        bisect_batch_on_function_error: true,
        ..options()
    };
    options.assumptions.neighbouring_discards = NeighbouringDiscards::Merged;
    let mut stream = Driver::with_records(options, 2);
    for _ in 0..2 {
        let invocation = stream.invocation().unwrap();
        stream.finish(invocation, Completion::FunctionError);
        stream.wake_after(1_000);
    }
    let second = stream.invocation().unwrap();
    stream.send(Event::Disable);
    (stream, second)
}

/// [I] A discard is not finished until its message is sent. A stop drops such a discard, and its
/// records come again.
#[test]
fn a_discard_that_waits_for_its_neighbour_is_dropped_by_a_stop() {
    let (mut stream, second) = stopped_while_a_discard_waits();
    stream.finish(second, success());
    assert_eq!(stream.checkpoint(), None);
    assert_eq!(discarded(&stream), (0, 0));
    stream.send(Event::Enable);
    assert_eq!(numbers(&stream.invocation().unwrap()), [8, 9]);
}

/// [I] A batch that is in flight at a stop may finish. A discard that waited for it is then sent
/// with it.
#[test]
fn a_discard_that_waits_for_its_neighbour_is_told_with_it_if_that_fails_during_a_stop() {
    let (mut stream, second) = stopped_while_a_discard_waits();
    stream.finish(second, Completion::FunctionError);
    let told = discard(&mut stream);
    assert_eq!(told.message().batch_info.records().batch_size, 2);
    stream.send(told.delivered());
    assert_eq!(stream.checkpoint(), Some(9));
}

/// [I] The range of a message may span records of other parts of the shard. AWS says to "treat the
/// range as a superset of what failed".
#[test]
fn with_a_parallelization_factor_a_discarded_range_may_span_records_that_were_processed() {
    let mut stream = Driver::new(MappingOptions {
        maximum_retry_attempts: 0,
        parallelization_factor: 2,
        ..options()
    });
    stream.add_shard(SHARD);
    for key in 0..10 {
        stream.put(SHARD, &format!("key {key}"), b"{}");
    }
    stream.list(&[ShardListing::new(SHARD)]);
    let mut failed = None;
    stream.run(|invocation| {
        let first = failed.get_or_insert(invocation.id());
        if *first == invocation.id() {
            Completion::FunctionError
        } else {
            success()
        }
    });
    let [(first, last, size, _)] = stream.discarded()[..] else {
        panic!("{:?}", stream.discarded())
    };
    assert!(size < last - first + 1, "{size} records in {first}–{last}");
    assert_eq!(stream.mapping.counters().records_delivered + size, 10);
}
