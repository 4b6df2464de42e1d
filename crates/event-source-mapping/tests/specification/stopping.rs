//! The stop switch, and going on where an earlier mapping was. [D] Lambda API reference,
//! UpdateEventSourceMapping, Enabled. "When false, Lambda pauses polling and invocation". [I] AWS
//! does not say what becomes of a batch in flight and of its retries.

use event_source_mapping::{
    Action, Checkpoint, Completion, Discard, Event, Mapping, MappingOptions, Occurrence,
    ShardListing, StartingPosition, State,
};

use crate::driver::{Driver, SHARD, failures, number, numbers, options, reporting, success};

const CHILD: &str = "shardId-000000000001";

fn latest() -> MappingOptions {
    MappingOptions {
        starting_position: StartingPosition::Latest,
        ..options()
    }
}

fn child() -> ShardListing {
    ShardListing {
        parents: vec![SHARD.into()],
        ..ShardListing::new(CHILD)
    }
}

/// The poller is lost. A second later another one goes on from its checkpoints.
fn lose(stream: &mut Driver, listing: &[ShardListing]) {
    let options = stream.mapping.options().clone();
    stream.mapping = Mapping::resume(options, stream.mapping.checkpoints()).unwrap();
    stream.actions.clear();
    stream.wake_after(1_000);
    stream.list(listing);
}

fn state(stream: &Driver) -> State {
    stream.mapping.status().state
}

/// [D] Lambda API reference, UpdateEventSourceMapping, Enabled.
#[test]
fn a_mapping_that_is_created_disabled_does_nothing_until_it_is_enabled() {
    let mut stream = Driver::with_records(
        MappingOptions {
            enabled: false,
            ..options()
        },
        1,
    );
    stream.wake_after(60_000);
    assert!(stream.actions.is_empty() && stream.wake_at.is_none());
    assert_eq!(state(&stream), State::Disabled);
    stream.send(Event::Enable);
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(8), 1);
}

#[test]
fn what_is_in_flight_when_the_mapping_is_disabled_may_finish_and_moves_the_checkpoint() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 2,
            ..options()
        },
        4,
    );
    let invocation = stream.invocation().unwrap();
    stream.send(Event::Disable);
    assert_eq!(state(&stream), State::Disabling);
    stream.finish(invocation, success());
    assert_eq!(state(&stream), State::Disabled);
    assert_eq!(stream.checkpoint(), Some(9));
    stream.wake_after(60_000);
    assert!(stream.actions.is_empty() && stream.wake_at.is_none());
}

#[test]
fn an_enabled_mapping_goes_on_behind_its_checkpoint() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 2,
            ..options()
        },
        4,
    );
    let invocation = stream.invocation().unwrap();
    stream.send(Event::Disable);
    stream.finish(invocation, success());
    stream.send(Event::Enable);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8, 9], [10, 11]]);
}

#[test]
fn a_failed_batch_of_a_disabled_mapping_is_not_retried_and_comes_again_when_it_is_enabled() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..reporting()
        },
        3,
    );
    let invocation = stream.invocation().unwrap();
    stream.send(Event::Disable);
    stream.finish(invocation, failures(&[9]));
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    assert!(
        !stream
            .occurrences
            .iter()
            .any(|occurrence| matches!(occurrence, Occurrence::Retried { .. }))
    );

    stream.send(Event::Enable);
    let invocation = stream.invocation().unwrap();
    assert_eq!(
        (numbers(&invocation), invocation.attempt()),
        (vec![9, 10], 1)
    );
}

#[test]
fn a_batch_that_is_still_in_flight_is_not_sent_again_by_an_enabled_mapping() {
    let mut stream = Driver::with_records(options(), 2);
    let invocation = stream.invocation().unwrap();
    stream.send(Event::Disable);
    stream.send(Event::Enable);
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    assert_eq!(state(&stream), State::Enabling);
    stream.finish(invocation, success());
    assert_eq!(state(&stream), State::Enabled);
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(8), 1);
}

/// One record that has failed, and its discard, which is on its way.
fn discarding() -> (Driver, Discard) {
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
    (stream, discard)
}

#[test]
fn a_discard_that_is_on_its_way_when_the_mapping_is_disabled_may_finish() {
    let (mut stream, discard) = discarding();
    stream.send(Event::Disable);
    stream.send(discard.delivered());
    assert_eq!(stream.checkpoint(), Some(8));
    assert_eq!(state(&stream), State::Disabled);
}

#[test]
fn what_is_being_discarded_is_not_sent_again_by_an_enabled_mapping() {
    let (mut stream, discard) = discarding();
    stream.send(Event::Disable);
    assert_eq!(state(&stream), State::Disabling);
    stream.send(Event::Enable);
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    assert_eq!(state(&stream), State::Enabling);
    stream.send(discard.delivered());
    assert_eq!(state(&stream), State::Enabled);
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(8), 1);
}

#[test]
fn a_read_that_a_stop_overtook_is_ignored_and_counted() {
    let mut stream = Driver::with_records(options(), 1);
    let Some(Action::Fetch(fetch)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    let read = stream.read(&fetch);
    stream.send(Event::Disable);
    stream.send(fetch.succeeded(read));
    assert_eq!(stream.mapping.counters().stale_answers, 1);
    assert_eq!(stream.mapping.counters().records_read, 0);
    stream.send(Event::Enable);
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(8), 1);
}

/// [D] Kinesis developer guide, "Quotas and limits". Reads of a shard are limited to five a second,
/// so two must not be under way.
#[test]
fn a_shard_is_not_read_while_a_read_from_before_a_stop_is_under_way() {
    let mut stream = Driver::with_records(options(), 1);
    let Some(Action::Fetch(overtaken)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    for _ in 0..2 {
        stream.send(Event::Disable);
        stream.send(Event::Enable);
        stream.wake_after(60_000);
        assert!(stream.actions.is_empty(), "{:?}", stream.actions);
    }
    stream.send(overtaken.failed());
    assert_eq!(stream.mapping.counters().stale_answers, 1);
    assert_eq!(stream.mapping.counters().reads_failed, 0);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}

#[test]
fn enabling_an_enabled_mapping_and_disabling_a_disabled_one_change_nothing() {
    let mut stream = Driver::with_records(options(), 1);
    stream.send(Event::Enable);
    assert!(stream.occurrences.is_empty());
    stream.send(Event::Disable);
    stream.send(Event::Disable);
    assert_eq!(stream.occurrences, [Occurrence::Disabled]);
}

#[test]
fn a_resumed_mapping_goes_on_behind_the_checkpoints() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 2,
            ..options()
        },
        4,
    );
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, success());
    let checkpoints = stream.mapping.checkpoints();
    assert_eq!(checkpoints[&SHARD.into()], Checkpoint::After(number(9)));

    stream.actions.clear();
    stream.deliveries.clear();
    stream.mapping = Mapping::resume(options(), checkpoints.clone()).unwrap();
    assert_eq!(stream.mapping.checkpoints(), checkpoints);
    stream.list(&[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[10, 11]]);
}

/// [I] Another LATEST would skip the records put before the poller was lost.
#[test]
fn a_mapping_that_is_resumed_before_its_first_record_goes_on_where_it_began_to_read() {
    let mut stream = Driver::with_records(latest(), 0);
    stream.read_on();
    stream.wake_after(100);
    stream.put(SHARD, "put before the loss", b"{}");
    lose(&mut stream, &[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}

/// [I] The lost answer may have been the answer to the first read.
#[test]
fn a_mapping_that_is_lost_during_its_first_read_goes_on_where_that_read_began() {
    let mut stream = Driver::with_records(latest(), 0);
    stream.wake_after(100);
    stream.put(SHARD, "put before the loss", b"{}");
    lose(&mut stream, &[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}

/// [D] services-kinesis-parameters, StartingPosition. LATEST is where reading begins, and it has
/// not begun.
#[test]
fn a_mapping_that_is_lost_before_its_first_read_still_begins_at_latest() {
    let mut stream = Driver::with_records(
        MappingOptions {
            enabled: false,
            ..latest()
        },
        1,
    );
    lose(&mut stream, &[ShardListing::new(SHARD)]);
    stream.send(Event::Enable);
    stream.read_on();
    stream.wake_after(1_000);
    stream.put(SHARD, "put after the first read", b"{}");
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[9]]);
}

/// [I] A child that was listed with its parent begins at the time of that listing. It does not
/// matter which mapping reads it.
#[test]
fn a_resumed_mapping_begins_a_waiting_child_where_the_lost_one_would_have() {
    let mut stream = Driver::new(latest());
    stream.add_shard(SHARD);
    stream.add_shard(CHILD);
    stream.list(&[ShardListing::new(SHARD), child()]);
    stream.read_on();
    stream.put(SHARD, "in the parent", b"{}");
    stream.put(CHILD, "in the child", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    lose(&mut stream, &[ShardListing::new(SHARD), child()]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9]]);
}

/// [I] Every record in it is newer than the mapping, also for the mapping that goes on.
#[test]
fn under_latest_a_resumed_mapping_reads_a_shard_that_appeared_meanwhile_from_its_oldest_record() {
    let mut stream = Driver::with_records(latest(), 0);
    stream.read_on();
    stream.add_shard(CHILD);
    stream.put(CHILD, "in the child", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    lose(&mut stream, &[ShardListing::new(SHARD), child()]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}
