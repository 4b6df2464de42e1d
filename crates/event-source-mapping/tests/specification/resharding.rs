//! The sequence of reading when shards are split and merged. [D] Lambda developer guide, "Using
//! Lambda to process records from Amazon Kinesis Data Streams". [D] Kinesis developer guide,
//! "Resharding, Scaling, and Parallel Processing". The data of a parent are to be read before the
//! data of its children.

use event_source_mapping::{
    Action, Completion, Event, Invocation, MappingOptions, ShardListing, ShardState,
    StartingPosition,
};

use crate::driver::{Driver, SHARD, numbers, options, success};

const OTHER: &str = "shardId-000000000001";
const CHILD: &str = "shardId-000000000002";
const SECOND_CHILD: &str = "shardId-000000000003";
const GRANDCHILD: &str = "shardId-000000000004";

fn listing(shard: &str, parents: &[&str]) -> ShardListing {
    ShardListing {
        shard_id: shard.into(),
        parents: parents.iter().map(|parent| (*parent).into()).collect(),
    }
}

/// Two shards that were merged into a third, with a record in each. The parents have 8 and 9, and
/// the child has 10.
fn merged(options: MappingOptions) -> Driver {
    let mut stream = Driver::new(options);
    for (shard, closed) in [(SHARD, true), (OTHER, true), (CHILD, false)] {
        stream.add_shard(shard);
        stream.put(shard, "a", b"{}");
        stream.shards.get_mut(&shard.into()).unwrap().closed = closed;
    }
    stream.list(&[
        listing(SHARD, &[]),
        listing(OTHER, &[]),
        listing(CHILD, &[SHARD, OTHER]),
    ]);
    stream
}

fn state(stream: &Driver, shard: &str) -> ShardState {
    let shards = stream.mapping.status().shards;
    let found = shards.iter().find(|status| status.shard_id == shard.into());
    found.unwrap().state
}

/// [D] Kinesis API reference, Shard, ParentShardId and AdjacentParentShardId.
#[test]
fn a_child_waits_for_both_of_the_shards_that_it_was_merged_from() {
    let mut stream = merged(options());
    let first = stream.invocation().unwrap();
    let second = stream.invocation().unwrap();
    stream.finish(first, success());
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    assert_eq!(state(&stream, CHILD), ShardState::WaitingForParents);
    stream.finish(second, success());
    assert_eq!(numbers(&stream.invocation().unwrap()), [10]);
}

/// [I] A discard is finished when its destination has the message. A poller that is lost before
/// that repeats the discard, and must not find the child begun.
#[test]
fn a_child_is_not_read_while_the_message_about_its_parents_discard_is_not_delivered() {
    let mut stream = merged(MappingOptions {
        maximum_retry_attempts: 0,
        ..options()
    });
    for completion in [Completion::FunctionError, success()] {
        let invocation = stream.invocation().unwrap();
        stream.finish(invocation, completion);
    }
    let Some(Action::Discard(refused)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    stream.send(refused.failed());
    assert!(stream.invocation().is_none());
    stream.wake_after(1_000);
    let Some(Action::Discard(discard)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    assert!(stream.invocation().is_none());
    stream.send(discard.delivered());
    assert_eq!(numbers(&stream.invocation().unwrap()), [10]);
}

/// [D] The sequence of parent and child holds over every generation.
#[test]
fn a_shard_waits_for_its_parents_parents_too() {
    let mut stream = Driver::new(options());
    for shard in [SHARD, CHILD, GRANDCHILD] {
        stream.add_shard(shard);
        stream.put(shard, "a", b"{}");
        stream.shards.get_mut(&shard.into()).unwrap().closed = shard != GRANDCHILD;
    }
    stream.list(&[
        listing(GRANDCHILD, &[CHILD]),
        listing(CHILD, &[SHARD]),
        listing(SHARD, &[]),
    ]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9], [10]]);
}

/// [D] Both children of a split are read at the same time.
#[test]
fn the_children_of_a_split_are_read_concurrently() {
    let mut stream = Driver::new(options());
    for shard in [SHARD, CHILD, SECOND_CHILD] {
        stream.add_shard(shard);
        stream.put(shard, "a", b"{}");
    }
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.list(&[
        listing(SHARD, &[]),
        listing(CHILD, &[SHARD]),
        listing(SECOND_CHILD, &[SHARD]),
    ]);
    let parent = stream.invocation().unwrap();
    stream.finish(parent, success());
    let first = stream.invocation().unwrap();
    let second = stream.invocation().unwrap();
    assert_eq!((numbers(&first), numbers(&second)), (vec![9], vec![10]));
}

/// [D] Kinesis API reference, GetRecords, ChildShards.
#[test]
fn children_that_a_read_named_are_read_without_a_listing() {
    let mut stream = Driver::with_records(options(), 1);
    stream.add_shard(CHILD);
    stream.put(CHILD, "a", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    let parent = stream.invocation().unwrap();
    stream.send(Event::ShardsFound(vec![listing(CHILD, &[SHARD])]));
    assert!(stream.invocation().is_none(), "the parent is not finished");
    stream.finish(parent, success());
    assert_eq!(numbers(&stream.invocation().unwrap()), [9]);
    assert_eq!(
        state(&stream, SHARD),
        ShardState::Finished,
        "not gone, and not forgotten"
    );
}

/// [I] The shards that a read names are not all that exist. The other parent may be there, and
/// unread.
#[test]
fn a_child_that_one_parent_named_waits_for_the_other_one_to_be_listed() {
    let mut stream = Driver::with_records(options(), 1);
    for shard in [OTHER, CHILD] {
        stream.add_shard(shard);
        stream.put(shard, "a", b"{}");
    }
    for shard in [SHARD, OTHER] {
        stream.shards.get_mut(&shard.into()).unwrap().closed = true;
    }
    let first = stream.invocation().unwrap();
    stream.finish(first, success());
    let child = listing(CHILD, &[SHARD, OTHER]);
    stream.send(Event::ShardsFound(vec![child.clone()]));
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());

    stream.list(&[listing(SHARD, &[]), listing(OTHER, &[]), child]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9], [10]]);
}

/// [D] Kinesis API reference, ListShards. An expired shard is not listed.
#[test]
fn a_child_that_one_parent_named_is_read_when_a_listing_is_without_the_other_one() {
    let mut stream = Driver::with_records(options(), 1);
    stream.add_shard(CHILD);
    stream.put(CHILD, "a", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    let child = listing(CHILD, &[SHARD, OTHER]);
    stream.send(Event::ShardsFound(vec![child.clone()]));
    stream.list(&[listing(SHARD, &[]), child]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9]]);
}

/// A stream with three records. One is at the function, from a shard that is gone. One is in a
/// shard whose parent was never seen. One is in a shard that never had a parent.
fn gone_but_for_what_was_read(grandchild_was_found: bool) -> (Driver, Invocation) {
    let mut stream = Driver::with_records(options(), 1);
    for shard in [GRANDCHILD, OTHER] {
        stream.add_shard(shard);
        stream.put(shard, "a", b"{}");
    }
    let of_the_gone = stream.invocation().unwrap();
    let grandchild = listing(GRANDCHILD, &[CHILD]);
    if grandchild_was_found {
        stream.send(Event::ShardsFound(vec![grandchild.clone()]));
    }
    stream.list(&[grandchild, listing(OTHER, &[])]);
    (stream, of_the_gone)
}

/// [I] The gone shard may be an ancestor, and the shards that would say so are gone.
#[test]
fn a_shard_of_which_the_parent_was_never_seen_waits_for_what_was_read_of_those_that_are_gone() {
    for grandchild_was_found in [false, true] {
        let (mut stream, of_the_gone) = gone_but_for_what_was_read(grandchild_was_found);
        let other = stream.invocation().unwrap();
        stream.finish(other, success());
        stream.wake_after(60_000);
        assert!(stream.invocation().is_none());
        assert_eq!(state(&stream, GRANDCHILD), ShardState::WaitingForParents);
        stream.finish(of_the_gone, success());
        assert_eq!(numbers(&stream.invocation().unwrap()), [9]);
    }
}

#[test]
fn a_shard_that_never_had_a_parent_waits_for_none_that_are_gone() {
    let (mut stream, _of_the_gone) = gone_but_for_what_was_read(false);
    assert_eq!(numbers(&stream.invocation().unwrap()), [10]);
}

/// [I] Under LATEST too, every record in a child that appears later is newer than the mapping.
#[test]
fn under_latest_children_that_a_read_named_are_read_from_their_oldest_record() {
    let mut stream = Driver::with_records(
        MappingOptions {
            starting_position: StartingPosition::Latest,
            ..options()
        },
        1,
    );
    stream.read_on();
    stream.add_shard(CHILD);
    stream.put(CHILD, "a", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.send(Event::ShardsFound(vec![listing(CHILD, &[SHARD])]));
    stream.wake_after(1_000);
    assert_eq!(numbers(&stream.invocation().unwrap()), [9]);
}

/// [D] services-kinesis-parameters, ParallelizationFactor, and the sequence of parent and child. A
/// stuck key in the parent holds back all children, regardless of the factor.
#[test]
fn with_a_parallelization_factor_a_child_still_waits_for_every_batch_of_its_parent() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 1,
        parallelization_factor: 10,
        ..options()
    });
    stream.add_shard(SHARD);
    for key in 0..5 {
        stream.put(SHARD, &format!("key {key}"), b"{}");
    }
    stream.add_shard(CHILD);
    stream.put(CHILD, "key 0", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.list(&[listing(SHARD, &[]), listing(CHILD, &[SHARD])]);
    let stuck = stream.invocation().unwrap();
    while let Some(invocation) = stream.invocation() {
        stream.finish(invocation, success());
    }
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    stream.finish(stuck, success());
    stream.run(|_| success());
    assert_eq!(*stream.batches().last().unwrap(), [13]);
}
