//! AWS's metrics of a mapping. [D] Lambda developer guide, "Types of metrics for Lambda functions".

use event_source_mapping::{Completion, EventCounts, MappingOptions, MetricGroup};
use serde_json::json;

use crate::driver::{Driver, SHARD, failures, numbers, options, reporting, success};

fn counting(options: MappingOptions) -> MappingOptions {
    MappingOptions {
        metrics_config: vec![MetricGroup::EventCount],
        ..options
    }
}

fn counts(stream: &Driver) -> EventCounts {
    stream.mapping.status().event_counts.unwrap()
}

/// [D] "You must opt-in the metric group".
#[test]
fn event_counts_are_shown_only_if_the_mapping_asks_for_them() {
    let stream = Driver::with_records(options(), 1);
    let status = serde_json::to_value(stream.mapping.status()).unwrap();
    assert!(status.get("event_counts").is_none());

    let mut stream = Driver::with_records(counting(options()), 1);
    stream.run(|_| success());
    assert_eq!(
        serde_json::to_value(stream.mapping.status()).unwrap()["event_counts"],
        json!({
            "PolledEventCount": 1,
            "FilteredOutEventCount": 0,
            "InvokedEventCount": 1,
            "FailedInvokeEventCount": 0,
            "DroppedEventCount": 0,
            "OnFailureDestinationDeliveredEventCount": 0,
        })
    );
}

/// [D] "If an event results in a function error or throttling, InvokedEventCount may count multiple
/// times for the same polled event".
#[test]
fn a_record_counts_as_invoked_and_failed_at_each_attempt_and_as_polled_once() {
    let mut stream = Driver::with_records(counting(options()), 3);
    let mut attempts = [Completion::NotInvoked, Completion::FunctionError, success()].into_iter();
    stream.run(|_| attempts.next().unwrap());
    let counts = counts(&stream);
    assert_eq!(counts.polled_event_count, 3);
    assert_eq!(counts.invoked_event_count, 9);
    assert_eq!(counts.failed_invoke_event_count, 6);
}

/// [D] "FailedInvokeEventCount includes any event with a non-empty BatchItemFailures". [I] The
/// records that are sent again with them count too.
#[test]
fn after_a_partial_response_what_comes_again_counts_as_failed() {
    let mut stream = Driver::with_records(counting(reporting()), 5);
    let mut first = true;
    stream.run(|_| {
        if std::mem::take(&mut first) {
            failures(&[11])
        } else {
            success()
        }
    });
    assert_eq!(counts(&stream).failed_invoke_event_count, 2);
    assert_eq!(counts(&stream).invoked_event_count, 7);
}

/// [D] OnFailureDestinationDeliveredEventCount. [D] "Dropped events also excludes events that you
/// send to an on-failure destination".
#[test]
fn a_discard_that_reaches_its_destination_counts_as_delivered_and_not_as_dropped() {
    let mut stream = Driver::with_records(
        counting(MappingOptions {
            maximum_retry_attempts: 0,
            ..options()
        }),
        3,
    );
    stream.run(|_| Completion::FunctionError);
    let counts = counts(&stream);
    assert_eq!(counts.on_failure_destination_delivered_event_count, 3);
    assert_eq!(counts.dropped_event_count, 0);
}

/// [D] "For the DroppedEventCount metric, Lambda emits a number equal to the number of events that
/// failed delivery".
#[test]
fn a_discard_that_never_reaches_its_destination_counts_as_dropped() {
    let mut options = counting(MappingOptions {
        maximum_retry_attempts: 0,
        ..options()
    });
    options.assumptions.discard_delivery_attempts = 1;
    let mut stream = Driver::with_records(options, 3);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Completion::FunctionError);
    let Some(event_source_mapping::Action::Discard(discard)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    stream.send(discard.failed());
    assert_eq!(counts(&stream).dropped_event_count, 3);
    assert_eq!(
        counts(&stream).on_failure_destination_delivered_event_count,
        0
    );
}

/// [D] "the number of records that exceed your configured values for MaximumRecordAgeInSeconds or
/// MaximumRetryAttempts".
#[test]
fn without_a_destination_what_exceeds_the_configured_age_or_retries_counts_as_dropped() {
    let without = |options| {
        counting(MappingOptions {
            on_failure: None,
            ..options
        })
    };
    let mut stream = Driver::with_records(
        without(MappingOptions {
            maximum_retry_attempts: 1,
            ..options()
        }),
        2,
    );
    stream.run(|_| Completion::FunctionError);
    assert_eq!(counts(&stream).dropped_event_count, 2);

    let mut stream = Driver::with_records(
        without(MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..options()
        }),
        2,
    );
    stream.run(|_| Completion::NotInvoked);
    assert_eq!(counts(&stream).dropped_event_count, 2);
}

/// [D] "Importantly, this doesn't include the number of records that expire due to exceeding your
/// event source's retention settings".
#[test]
fn what_the_streams_retention_ends_does_not_count_as_dropped() {
    let mut stream = Driver::with_records(
        counting(MappingOptions {
            on_failure: None,
            ..options()
        }),
        2,
    );
    stream.run(|_| Completion::FunctionError);
    assert_eq!(stream.mapping.counters().records_discarded, 2);
    assert_eq!(counts(&stream).dropped_event_count, 0);
}

/// [D] IteratorAge is "the age of the last record in the event". It is measured "between when a
/// stream receives the record and when the event source mapping sends the event to the function".
#[test]
fn the_iterator_age_is_that_of_the_last_record_of_a_batch_when_it_is_sent() {
    let mut stream = Driver::new(options());
    let age = |stream: &Driver| stream.mapping.status().shards[0].iterator_age_millis;
    stream.add_shard(SHARD);
    stream.put(SHARD, "a", b"{}");
    stream.wake_after(3_000);
    stream.put(SHARD, "b", b"{}");
    stream.wake_after(2_000);
    stream.list(&[event_source_mapping::ShardListing::new(SHARD)]);
    assert_eq!(age(&stream), None, "nothing was sent yet");
    let invocation = stream.invocation().unwrap();
    assert_eq!(numbers(&invocation), [8, 9]);
    assert_eq!(age(&stream), Some(2_000));
    stream.wake_after(10_000);
    assert_eq!(age(&stream), Some(2_000), "until it is sent again");
    stream.finish(invocation, Completion::FunctionError);
    stream.wake_after(1_000);
    assert_eq!(age(&stream), Some(13_000));
}

/// A metric of this model and not of AWS. It grows while a batch is stuck, regardless of the
/// reader.
#[test]
fn the_age_of_the_oldest_unfinished_record_grows_until_that_record_is_over() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 1,
            ..options()
        },
        1,
    );
    let age = |stream: &Driver| stream.mapping.status().shards[0].oldest_unfinished_age_millis;
    assert_eq!(age(&stream), None, "nothing was read yet");
    let first = stream.invocation().unwrap();
    stream.wake_after(4_000);
    assert_eq!(age(&stream), Some(4_000));
    stream.put(SHARD, "b", b"{}");
    stream.finish(first, Completion::NotInvoked);
    stream.wake_after(1_000);
    assert_eq!(age(&stream), Some(5_000));
    let again = stream.invocation().unwrap();
    stream.finish(again, success());
    let second = stream.invocation().unwrap();
    assert_eq!(age(&stream), Some(1_000), "the second is the oldest now");
    stream.finish(second, success());
    assert_eq!(age(&stream), None);
}
