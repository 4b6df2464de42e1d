//! The place where reading begins, the way in which it goes on, and the sequence in which shards
//! are read.

use event_source_mapping::{
    Action, Event, Fetch, MappingOptions, Occurrence, ReadFrom, ShardListing, ShardState,
    StartingPosition,
};

use crate::driver::{BEGINNING, Driver, SHARD, number, numbers, options, success};

const CHILD: &str = "shardId-000000000001";

fn fetch(stream: &mut Driver) -> Option<Fetch> {
    match stream.actions.pop_front()? {
        Action::Fetch(fetch) => Some(fetch),
        other => panic!("{other:?}"),
    }
}

fn child_of(parent: &str) -> ShardListing {
    ShardListing {
        parents: vec![parent.into()],
        ..ShardListing::new(CHILD)
    }
}

/// [D] services-kinesis-parameters, StartingPosition.
#[test]
fn trim_horizon_begins_with_the_oldest_record() {
    let mut stream = Driver::with_records(options(), 3);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8, 9, 10]]);
}

/// [D] services-kinesis-parameters, StartingPosition.
#[test]
fn latest_begins_with_what_is_put_later() {
    let mut stream = Driver::with_records(
        MappingOptions {
            starting_position: StartingPosition::Latest,
            ..options()
        },
        3,
    );
    stream.read_on();
    stream.wake_after(500);
    stream.put(SHARD, "later", b"{}");
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[11]]);
}

/// [D] services-kinesis-parameters, StartingPositionTimestamp.
#[test]
fn at_timestamp_begins_with_the_first_record_that_arrived_then_or_later() {
    let position =
        StartingPosition::AtTimestamp(BEGINNING.saturating_add(std::time::Duration::from_secs(1)));
    let mut stream = Driver::new(MappingOptions {
        starting_position: position,
        ..options()
    });
    stream.add_shard(SHARD);
    stream.put(SHARD, "before", b"{}");
    stream.wake_after(1_000);
    stream.put(SHARD, "then", b"{}");
    stream.wake_after(1_000);
    stream.put(SHARD, "later", b"{}");
    stream.list(&[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[9, 10]]);
}

/// [I] Another LATEST iterator would skip the records put between the two reads.
#[test]
fn a_lost_latest_iterator_skips_nothing() {
    let mut stream = Driver::with_records(
        MappingOptions {
            starting_position: StartingPosition::Latest,
            ..options()
        },
        1,
    );
    let first = fetch(&mut stream).unwrap();
    assert_eq!(*first.from(), ReadFrom::Latest);
    stream.wake_after(10);
    stream.put(SHARD, "meanwhile", b"{}");
    stream.send(first.failed());
    stream.run(|_| success());
    assert_eq!(stream.times_delivered(9), 1);
}

/// [D] Kinesis API reference, GetRecords, NextShardIterator.
#[test]
fn a_read_goes_on_with_the_iterator_of_the_previous_one() {
    let mut stream = Driver::with_records(options(), 0);
    assert_eq!(*fetch(&mut stream).unwrap().from(), ReadFrom::TrimHorizon);

    let mut stream = Driver::with_records(options(), 0);
    stream.read_on();
    stream.wake_after(1_000);
    assert_eq!(
        *fetch(&mut stream).unwrap().from(),
        ReadFrom::Iterator("0".into())
    );
}

/// [D] Kinesis API reference, GetRecords. Iterators expire after five minutes.
#[test]
fn after_a_failed_read_a_new_iterator_is_taken_behind_the_last_record() {
    let mut stream = Driver::with_records(options(), 2);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, success());
    stream.wake_after(1_000);
    let expired = fetch(&mut stream).unwrap();
    stream.send(expired.failed());
    assert_eq!(stream.mapping.counters().reads_failed, 1);
    assert!(
        stream.actions.is_empty(),
        "a failed read is tried again after a pause"
    );
    stream.wake_after(1_000);
    assert_eq!(
        *fetch(&mut stream).unwrap().from(),
        ReadFrom::AfterSequenceNumber(number(9))
    );
}

/// [D] Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams".
/// Lambda polls each shard once a second.
#[test]
fn a_shard_without_new_records_is_read_once_a_second() {
    let mut stream = Driver::with_records(options(), 0);
    for _ in 0..3 {
        stream.read_on();
        assert_eq!(
            stream.wake_at.unwrap().as_millis(),
            stream.now.as_millis() + 1_000
        );
        stream.wake_after(999);
        assert!(stream.actions.is_empty());
        stream.wake_after(1);
        assert_eq!(stream.actions.len(), 1);
    }
}

/// [D] Kinesis developer guide, "Quotas and limits". A shard allows five reads a second.
#[test]
fn a_shard_with_more_to_read_is_read_five_times_a_second() {
    let mut options = MappingOptions {
        batch_size: 10,
        maximum_batching_window_in_seconds: 300,
        ..options()
    };
    options.assumptions.read_limit = 1;
    let mut stream = Driver::with_records(options, 3);
    stream.read_on();
    assert_eq!(
        stream.wake_at.unwrap().as_millis(),
        stream.now.as_millis() + 200
    );
}

/// [I] The machine does not rely on GetRecords to answer each record only once. A record that is
/// read twice is delivered once.
#[test]
fn a_record_that_was_read_before_is_ignored() {
    let mut stream = Driver::with_records(options(), 2);
    let first = fetch(&mut stream).unwrap();
    let mut read = stream.read(&first);
    let again = read.records.clone();
    read.records.extend(again);
    stream.send(first.succeeded(read));
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8, 9]]);
}

/// [D] Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams".
/// [D] Kinesis developer guide, "Resharding". The parent's records come before the child's.
#[test]
fn a_child_shard_is_read_after_all_of_its_parent_is_done() {
    let mut stream = Driver::new(options());
    stream.add_shard(SHARD);
    stream.add_shard(CHILD);
    stream.put(SHARD, "a", b"{}");
    stream.put(CHILD, "a", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.list(&[child_of(SHARD), ShardListing::new(SHARD)]);

    let invocation = stream.invocation().unwrap();
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    let status = stream.mapping.status();
    assert_eq!(status.shards[1].state, ShardState::WaitingForParents);

    stream.finish(invocation, success());
    assert!(stream.occurrences.contains(&Occurrence::ShardFinished {
        shard_id: SHARD.into()
    }));
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9]]);
}

/// [D] Kinesis API reference, ListShards. A parent whose records expired is no longer listed.
#[test]
fn a_child_whose_parent_is_gone_is_read_at_once() {
    let mut stream = Driver::new(options());
    stream.add_shard(CHILD);
    stream.put(CHILD, "a", b"{}");
    stream.list(&[child_of(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}

/// A parent without a record, a child with one, and the mapping stopped.
fn stopped_before_the_parent_was_done() -> Driver {
    let mut stream = Driver::new(options());
    stream.add_shard(SHARD);
    stream.add_shard(CHILD);
    stream.put(CHILD, "a", b"{}");
    stream.list(&[ShardListing::new(SHARD), child_of(SHARD)]);
    stream.read_on();
    stream.send(Event::Disable);
    stream
}

/// [D] Kinesis developer guide, "Resharding". A closed shard expires when all of its records have
/// expired. [I] Then nothing is left of it to wait for.
#[test]
fn a_parent_that_a_later_listing_no_longer_names_is_finished() {
    let mut stream = stopped_before_the_parent_was_done();
    stream.shards.remove(&SHARD.into());
    stream.list(&[child_of(SHARD)]);
    stream.send(Event::Enable);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
    assert_eq!(
        stream.mapping.status().shards[0].state,
        ShardState::Finished
    );
}

/// [I] The Kinesis Client Library does so where GetShardIterator or GetRecords answer
/// ResourceNotFoundException.
#[test]
fn a_parent_that_a_read_does_not_find_is_finished() {
    let mut stream = stopped_before_the_parent_was_done();
    stream.send(Event::Enable);
    let read = fetch(&mut stream).unwrap();
    assert_eq!(*read.shard_id(), SHARD.into());
    stream.shards.remove(&SHARD.into());
    stream.send(read.gone());
    assert!(stream.occurrences.contains(&Occurrence::ShardFinished {
        shard_id: SHARD.into()
    }));
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}

/// [I] The function can still process the records that were read before.
#[test]
fn what_was_read_of_a_shard_that_is_gone_is_delivered_before_its_children() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 1,
        ..options()
    });
    stream.add_shard(SHARD);
    stream.add_shard(CHILD);
    stream.put(SHARD, "a", b"{}");
    stream.put(SHARD, "a", b"{}");
    stream.put(CHILD, "a", b"{}");
    stream.list(&[ShardListing::new(SHARD), child_of(SHARD)]);
    let first = stream.invocation().unwrap();
    stream.list(&[child_of(SHARD)]);
    assert!(stream.invocation().is_none());
    stream.finish(first, success());
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9], [10]]);
}

/// [I] A read that was under way may still bring records.
#[test]
fn a_shard_that_is_gone_is_not_finished_while_it_is_being_read() {
    let mut stream = Driver::with_records(options(), 1);
    let read = fetch(&mut stream).unwrap();
    stream.add_shard(CHILD);
    stream.list(&[child_of(SHARD)]);
    assert_eq!(stream.mapping.status().shards[0].state, ShardState::Open);
    let found = stream.read(&read);
    stream.send(read.succeeded(found));
    let invocation = stream.invocation().unwrap();
    assert_eq!(numbers(&invocation), [8]);
    stream.finish(invocation, success());
    assert_eq!(
        stream.mapping.status().shards[0].state,
        ShardState::Finished
    );
}

/// [I] Every record in it is newer than the mapping.
#[test]
fn under_latest_a_shard_that_appears_later_is_read_from_its_oldest_record() {
    let mut stream = Driver::with_records(
        MappingOptions {
            starting_position: StartingPosition::Latest,
            ..options()
        },
        0,
    );
    stream.read_on();
    stream.add_shard(CHILD);
    stream.put(CHILD, "a", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.list(&[ShardListing::new(SHARD), child_of(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8]]);
}

/// [I] A listing may be repeated.
#[test]
fn listing_a_shard_again_changes_nothing() {
    let mut stream = Driver::with_records(options(), 1);
    stream.list(&[ShardListing::new(SHARD)]);
    assert_eq!(stream.actions.len(), 1);
    stream.run(|_| success());
    stream.list(&[ShardListing::new(SHARD)]);
    stream.send(Event::Wake);
    assert_eq!(stream.batches(), [[8]]);
}
