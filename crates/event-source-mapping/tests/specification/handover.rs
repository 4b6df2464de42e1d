//! Mappings that go on from a checkpoint, which may be old, or whose own mapping may go on too. [D]
//! Lambda developer guide, "How Lambda processes records from stream and queue-based event
//! sources". The page says that "Lambda event source mappings process each event at least once, and
//! duplicate processing of records can occur". [I] AWS does not say when that happens.

use std::collections::{BTreeMap, BTreeSet};

use event_source_mapping::{
    Action, Checkpoint, Completion, Event, Mapping, MappingOptions, ShardListing, StartingPosition,
    Step,
};
use proptest::prelude::*;

use crate::driver::{Driver, SHARD, number, numbers, options, success};

/// [I] More records come again, and none is skipped.
#[test]
fn from_an_old_checkpoint_everything_behind_it_comes_again() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 2,
            ..options()
        },
        6,
    );
    let first = stream.invocation().unwrap();
    stream.finish(first, success());
    let old = stream.mapping.checkpoints();
    assert_eq!(old[&SHARD.into()], Checkpoint::After(number(9)));
    stream.run(|_| success());

    stream.actions.clear();
    stream.mapping = Mapping::resume(stream.mapping.options().clone(), old).unwrap();
    stream.list(&[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    assert_eq!(
        stream.batches(),
        [[8, 9], [10, 11], [12, 13], [10, 11], [12, 13]]
    );
}

/// [I] A child waits for its parent again. The records of the parent come again first.
#[test]
fn from_an_old_checkpoint_of_its_parent_a_child_waits_again() {
    let child = ShardListing {
        parents: vec![SHARD.into()],
        ..ShardListing::new("shardId-000000000001")
    };
    let listing = [ShardListing::new(SHARD), child.clone()];
    let mut stream = Driver::with_records(options(), 1);
    stream.add_shard(child.shard_id.as_str());
    stream.put(child.shard_id.as_str(), "a", b"{}");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.list(&listing);
    let old = stream.mapping.checkpoints();
    stream.run(|_| success());

    stream.actions.clear();
    stream.mapping = Mapping::resume(options(), old).unwrap();
    stream.list(&listing);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[8], [9], [8], [9]]);
}

/// Two mappings over the stream of a driver. One is the driver's own, and the other went on from
/// its checkpoints.
struct Pair {
    stream: Driver,
    second: Mapping,
    actions: Vec<Action>,
    delivered: [Vec<Vec<u64>>; 2],
}

impl Pair {
    fn new(mut stream: Driver) -> Self {
        let options = stream.mapping.options().clone();
        let second = Mapping::resume(options, stream.mapping.checkpoints()).unwrap();
        stream.read_on();
        let mut pair = Self {
            stream,
            second,
            actions: Vec::new(),
            delivered: [Vec::new(), Vec::new()],
        };
        pair.send_second(Event::ShardsListed(vec![ShardListing::new(SHARD)]));
        pair
    }

    fn send_second(&mut self, event: Event) {
        let Step { actions, .. } = self.second.handle(self.stream.now, event);
        self.actions.extend(actions);
    }

    fn first_does(&mut self, fails: bool) {
        if self.stream.actions.is_empty() {
            return self.stream.wake_after(500);
        }
        let before = self.stream.deliveries.len();
        self.stream.answer(&mut |_| completion(fails));
        let batches = self.stream.batches().split_off(before);
        self.delivered[0].extend(batches);
    }

    fn second_does(&mut self, fails: bool) {
        if self.actions.is_empty() {
            return self.send_second(Event::Wake);
        }
        let event = match self.actions.remove(0) {
            Action::Fetch(fetch) => {
                let read = self.stream.read(&fetch);
                fetch.succeeded(read)
            }
            Action::Invoke(invocation) => {
                self.delivered[1].push(numbers(&invocation));
                invocation.finished("request", completion(fails))
            }
            Action::Discard(discard) => discard.delivered(),
        };
        self.send_second(event);
    }
}

fn completion(fails: bool) -> Completion {
    if fails {
        Completion::FunctionError
    } else {
        success()
    }
}

proptest! {
    /// [I] Two pollers read for a moment. Each delivers everything behind the checkpoint that they
    /// share, in sequence, regardless of the other poller. When the first one is lost, the second
    /// alone leaves nothing out.
    #[test]
    fn two_pollers_deliver_everything_behind_their_common_checkpoint(
        records in 1_usize..12, batch_size in 1_u32..5, turns in prop::collection::vec(any::<(bool, bool)>(), 0..60),
    ) {
        let stream = Driver::with_records(MappingOptions { batch_size, ..options() }, records);
        let mut pair = Pair::new(stream);
        for (first, fails) in turns {
            if first { pair.first_does(fails) } else { pair.second_does(fails) }
        }
        for _ in 0..200 {
            pair.stream.now = pair.stream.now.saturating_add(std::time::Duration::from_secs(1));
            pair.second_does(false);
        }
        let expected: BTreeSet<u64> = (8..8 + records as u64).collect();
        let by_the_second: BTreeSet<u64> = pair.delivered[1].iter().flatten().copied().collect();
        prop_assert_eq!(&by_the_second, &expected);
        for batches in &pair.delivered {
            let mut seen = BTreeSet::new();
            for number in batches.iter().flatten() {
                let earlier: BTreeSet<u64> = (8..*number).collect();
                prop_assert!(earlier.is_subset(&seen), "{} comes before its predecessors", number);
                seen.insert(*number);
            }
        }
        let last = Checkpoint::After(number(7 + records as u64));
        prop_assert_eq!(pair.second.checkpoints().remove(&SHARD.into()), Some(last));
    }
}

/// [I] A store for the checkpoints of both may get the lower checkpoint last.
#[test]
fn what_goes_on_from_the_slower_of_two_pollers_skips_nothing() {
    let mut pair = Pair::new(Driver::with_records(
        MappingOptions {
            batch_size: 1,
            ..options()
        },
        3,
    ));
    for _ in 0..10 {
        pair.first_does(false);
    }
    let slower = pair.second.checkpoints();
    assert_eq!(
        slower,
        BTreeMap::from([(
            SHARD.into(),
            Checkpoint::Start(StartingPosition::TrimHorizon)
        )])
    );
    let mut stream = pair.stream;
    assert!(stream.is_done());
    stream.actions.clear();
    stream.mapping = Mapping::resume(stream.mapping.options().clone(), slower).unwrap();
    stream.list(&[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    for record in 8..11 {
        assert_eq!(stream.times_delivered(record), 2);
    }
}
