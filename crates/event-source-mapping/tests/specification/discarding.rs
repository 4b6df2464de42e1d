//! What becomes of records that are given up, and of the message about them.

use event_source_mapping::{Action, Discard, Event, Happened, Outcome, Settings};

use crate::driver::{Driver, QUEUE, settings, success};

/// One record that failed for the last time, another one behind it.
fn given_up(settings: Settings) -> Driver {
    let mut stream = Driver::with_records(
        Settings {
            batch_size: 1,
            maximum_retry_attempts: 0,
            ..settings
        },
        2,
    );
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Outcome::FunctionError);
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

// [D] Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source in Lambda".
#[test]
fn the_message_goes_to_the_on_failure_destination() {
    let mut stream = given_up(settings());
    assert_eq!(discard(&mut stream).destination(), QUEUE);
}

// [I] A poller that is lost between the two repeats the discard; one that moves first would lose it.
#[test]
fn the_checkpoint_moves_when_the_message_is_delivered_not_before() {
    let mut stream = given_up(settings());
    assert_eq!(stream.checkpoint(), None);
    assert!(stream.invocation().is_none());
    let discard = discard(&mut stream);
    stream.send(discard.delivered());
    assert_eq!(stream.checkpoint(), Some(8));
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(9), 1);
}

// [I] AWS publishes how it counts messages that could not be delivered, not how often it tries.
#[test]
fn a_message_that_is_not_delivered_is_offered_again_after_a_pause() {
    let mut stream = given_up(settings());
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

// [I]
#[test]
fn a_message_that_is_never_delivered_is_counted_as_lost_and_the_shard_goes_on() {
    let mut stream = given_up(settings());
    for _ in 0..3 {
        let discard = discard(&mut stream);
        stream.send(discard.failed());
        stream.wake_after(60_000);
    }
    assert_eq!(stream.mapping.counters().discards_lost, 1);
    assert_eq!(discarded(&stream), (1, 1));
    assert!(matches!(
        stream.happened[..],
        [.., Happened::DiscardLost { .. }]
    ));
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(9), 1);
}

// Ours, not AWS's: what is counted as discarded is over.
#[test]
fn a_discard_is_counted_when_its_message_is_delivered() {
    let mut stream = given_up(settings());
    assert_eq!(discarded(&stream), (0, 0));
    let discard = discard(&mut stream);
    stream.send(discard.delivered());
    assert_eq!(discarded(&stream), (1, 1));
}

// Ours, not AWS's: what a stop dropped comes again, and may then be processed.
#[test]
fn a_discard_that_a_stop_dropped_is_not_counted_until_it_comes_again() {
    let mut stream = given_up(settings());
    let refused = discard(&mut stream);
    stream.send(refused.failed());
    stream.send(Event::Disable);
    assert_eq!(discarded(&stream), (0, 0));

    stream.send(Event::Enable);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Outcome::FunctionError);
    let taken = discard(&mut stream);
    stream.send(taken.delivered());
    assert_eq!(discarded(&stream), (1, 1));
}

// [D] services-kinesis-parameters: the destination is optional.
#[test]
fn without_a_destination_a_discard_is_only_reported() {
    let mut stream = given_up(Settings {
        on_failure: None,
        ..settings()
    });
    assert!(stream.happened.iter().any(|happened| matches!(
        happened,
        Happened::Discarded {
            invoke_count: 1,
            ..
        }
    )));
    assert_eq!(stream.checkpoint(), Some(8));
    stream.run(|_| success());
    assert_eq!(discarded(&stream), (1, 1));
}
