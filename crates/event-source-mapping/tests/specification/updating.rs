//! New parameters for a mapping at work. [D] Lambda API reference, UpdateEventSourceMapping, says
//! which can change. [I] AWS does not say when a change takes effect on work that is under way.

use event_source_mapping::{
    Action, Completion, FunctionResponseType, MappingOptions, MappingOptionsError, MetricGroup,
    Occurrence, StartingPosition, State,
};

use crate::driver::{Driver, SHARD, TABLE_STREAM, failures, numbers, options, reporting, success};

fn update(stream: &mut Driver, change: impl FnOnce(&mut MappingOptions)) {
    let mut options = stream.mapping.options().clone();
    change(&mut options);
    stream.update(options).unwrap();
}

/// [D] UpdateEventSourceMapping has no EventSourceArn and no StartingPosition. The UUID names the
/// mapping.
#[test]
fn what_was_chosen_at_the_creation_cannot_be_changed() {
    let mut stream = Driver::with_records(options(), 1);
    let mut refused = |change: fn(&mut MappingOptions)| {
        let mut options = stream.mapping.options().clone();
        change(&mut options);
        stream.update(options).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|options| options.event_source_arn = TABLE_STREAM.into()),
        "EventSourceArn cannot be changed; create another mapping"
    );
    assert_eq!(
        refused(|options| options.starting_position = StartingPosition::Latest),
        "StartingPosition cannot be changed; create another mapping"
    );
    assert_eq!(
        refused(|options| options.uuid = Some("another".into())),
        "UUID cannot be changed; create another mapping"
    );
}

#[test]
fn a_parameter_that_is_out_of_range_changes_nothing() {
    let mut stream = Driver::with_records(options(), 1);
    let wrong = MappingOptions {
        batch_size: 0,
        maximum_retry_attempts: 3,
        ..options()
    };
    assert!(matches!(
        stream.update(wrong),
        Err(MappingOptionsError::OutOfRange { .. })
    ));
    assert_eq!(*stream.mapping.options(), options());
}

#[test]
fn a_new_batch_size_counts_for_the_next_batch_and_not_for_the_one_in_flight() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 3,
            ..options()
        },
        6,
    );
    let first = stream.invocation().unwrap();
    update(&mut stream, |options| options.batch_size = 2);
    stream.finish(first, Completion::FunctionError);
    stream.run(|_| success());
    assert_eq!(
        stream.batches(),
        [vec![8, 9, 10], vec![8, 9, 10], vec![11, 12], vec![13]]
    );
}

#[test]
fn fewer_retries_count_for_a_batch_that_is_being_retried() {
    let mut stream = Driver::with_records(options(), 1);
    for _ in 0..3 {
        let invocation = stream.invocation().unwrap();
        stream.finish(invocation, Completion::FunctionError);
        stream.wake_after(60_000);
    }
    let fourth = stream.invocation().unwrap();
    update(&mut stream, |options| options.maximum_retry_attempts = 1);
    stream.finish(fourth, Completion::FunctionError);
    stream.run(|_| unreachable!("it is given up"));
    assert_eq!(stream.discarded(), [(8, 8, 1, 4)]);
}

#[test]
fn a_shorter_record_age_counts_for_what_waits() {
    let mut stream = Driver::with_records(options(), 1);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Completion::NotInvoked);
    update(&mut stream, |options| {
        options.maximum_record_age_in_seconds = 60;
    });
    stream.wake_after(60_001);
    stream.run(|_| unreachable!("it is too old"));
    assert_eq!(
        stream.discards[0]["requestContext"]["condition"],
        "RecordAgeExceeded"
    );
}

#[test]
fn bisect_can_be_switched_on_for_a_batch_that_is_stuck() {
    let mut stream = Driver::with_records(options(), 2);
    for _ in 0..2 {
        let invocation = stream.invocation().unwrap();
        stream.finish(invocation, Completion::FunctionError);
        stream.wake_after(60_000);
    }
    update(&mut stream, |options| {
        options.bisect_batch_on_function_error = true;
        options.maximum_retry_attempts = 0;
    });
    stream.run(|invocation| {
        if numbers(invocation).contains(&9) {
            Completion::FunctionError
        } else {
            success()
        }
    });
    assert_eq!(stream.times_delivered(8), 4, "whole thrice, then alone");
    assert_eq!(stream.discarded(), [(9, 9, 1, 1)]);
}

#[test]
fn batch_item_failures_can_be_switched_on() {
    let mut stream = Driver::with_records(options(), 2);
    update(&mut stream, |options| {
        options.function_response_types = vec![FunctionResponseType::ReportBatchItemFailures];
    });
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, failures(&[9]));
    assert_eq!(stream.checkpoint(), Some(8));
}

#[test]
fn a_shorter_window_closes_the_batch_that_is_being_gathered() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_batching_window_in_seconds: 300,
            ..options()
        },
        1,
    );
    assert!(stream.invocation().is_none());
    update(&mut stream, |options| {
        options.maximum_batching_window_in_seconds = 0;
    });
    assert_eq!(numbers(&stream.invocation().unwrap()), [8]);
}

/// [D] FunctionName is among the parameters.
#[test]
fn the_function_can_be_changed() {
    let other = "arn:aws:lambda:eu-west-1:123456789012:function:other";
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 0,
            ..options()
        },
        1,
    );
    update(&mut stream, |options| options.function_arn = other.into());
    stream.run(|_| Completion::FunctionError);
    assert_eq!(stream.discards[0]["requestContext"]["functionArn"], other);
}

#[test]
fn a_message_that_waits_to_be_offered_again_goes_to_a_new_destination() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:topic";
    let mut stream = given_up();
    update(&mut stream, |options| {
        options.on_failure = Some(topic.into());
    });
    stream.wake_after(1_000);
    let Some(Action::Discard(discard)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    assert_eq!(discard.destination(), topic);
}

#[test]
fn without_its_destination_a_discard_that_waits_is_over() {
    let mut stream = given_up();
    update(&mut stream, |options| {
        options.on_failure = None;
        options.metrics_config = vec![MetricGroup::EventCount];
    });
    assert_eq!(stream.checkpoint(), Some(8));
    let counts = stream.mapping.status().event_counts.unwrap();
    assert_eq!(counts.dropped_event_count, 1);
}

/// A record that was given up, whose message was refused once.
fn given_up() -> Driver {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 0,
            ..options()
        },
        1,
    );
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Completion::FunctionError);
    let Some(Action::Discard(discard)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    stream.send(discard.failed());
    stream
}

/// [D] ParallelizationFactor can change, and a key's records never run concurrently. So batches in
/// flight are waited for.
#[test]
fn a_new_parallelization_factor_waits_for_what_is_in_flight() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 1,
        parallelization_factor: 2,
        ..reporting()
    });
    stream.add_shard(SHARD);
    for key in 0..20 {
        stream.put(SHARD, &format!("key {}", key % 10), b"{}");
    }
    stream.list(&[event_source_mapping::ShardListing::new(SHARD)]);
    let in_flight = [stream.invocation().unwrap(), stream.invocation().unwrap()];
    assert_eq!(stream.mapping.status().state, State::Enabled);
    update(&mut stream, |options| options.parallelization_factor = 10);
    assert_eq!(stream.mapping.status().state, State::Updating);
    let [first, second] = in_flight;
    stream.finish(first, success());
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    stream.finish(second, success());
    assert_eq!(stream.mapping.status().state, State::Enabled);
    let now_in_flight: Vec<_> = std::iter::from_fn(|| stream.invocation()).collect();
    assert!(now_in_flight.len() > 2, "{now_in_flight:?}");
    assert!(
        stream
            .occurrences
            .iter()
            .all(|occurrence| !matches!(occurrence, Occurrence::Disabled | Occurrence::Enabled)),
        "it was never disabled"
    );
}

/// [D] Enabled is among the parameters.
#[test]
fn an_update_can_stop_and_start_the_mapping() {
    let mut stream = Driver::with_records(options(), 1);
    update(&mut stream, |options| options.enabled = false);
    assert_eq!(stream.occurrences, [Occurrence::Disabled]);
    stream.read_on();
    assert!(stream.invocation().is_none());
    update(&mut stream, |options| options.enabled = true);
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(8), 1);
}

#[test]
fn an_update_of_something_else_leaves_a_stopped_mapping_stopped() {
    let mut stream = Driver::with_records(options(), 1);
    stream.send(event_source_mapping::Event::Disable);
    update(&mut stream, |options| options.batch_size = 1);
    assert_eq!(stream.mapping.status().state, State::Disabled);
    update(&mut stream, |options| options.parallelization_factor = 3);
    assert_eq!(stream.mapping.status().state, State::Disabled);
    stream.send(event_source_mapping::Event::Enable);
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(8), 1);
}

#[test]
fn an_update_that_is_over_is_not_shown_when_the_mapping_is_stopped_and_started_later() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 1,
            ..options()
        },
        2,
    );
    let first = stream.invocation().unwrap();
    update(&mut stream, |options| options.parallelization_factor = 2);
    stream.finish(first, success());
    let _in_flight = stream.invocation().unwrap();
    stream.send(event_source_mapping::Event::Disable);
    stream.send(event_source_mapping::Event::Enable);
    assert_eq!(stream.mapping.status().state, State::Enabling);
}
