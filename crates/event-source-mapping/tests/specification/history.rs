//! Random histories of a stream, its function and its poller, and the checks at each of their
//! steps. A random sequence decides everything that happens.
//!
//! - Records arrive, and time jumps.
//! - Shards are split, merged and expire.
//! - The function and the services fail.
//! - Answers come in any sequence.
//! - The mapping is stopped, started, updated and lost.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use event_source_mapping::{
    Action, Assumptions, Checkpoint, Completion, DiscardCondition, Event, FirstRecordFailed,
    Invocation, Mapping, MappingOptions, NeighbouringDiscards, Occurrence, ReadFrom, ShardId,
    ShardListing, StartingPosition, Timestamp,
};
use proptest::prelude::*;

use crate::driver::{
    BEGINNING, Driver, TABLE_STREAM, failures, numbers, options, reporting, success,
};

/// The shards at the beginning share the keys between them.
const SHARDS: [(&str, Range<u8>); 2] = [
    ("shardId-000000000000", 0..3),
    ("shardId-000000000001", 3..6),
];
const KEYS: u8 = 6;
const MOST_SHARDS: usize = 12;

#[derive(Clone, Debug)]
pub(crate) struct NewRecord {
    key: u8,
    /// True if the function fails whenever the record is in the batch.
    poison: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    options: MappingOptions,
    /// How many of the records are put before the mapping begins. If `split` is true, the first
    /// shard is split after them, before the mapping begins.
    earlier: usize,
    split: bool,
    records: Vec<NewRecord>,
    /// The choices of what happens, and of what goes wrong, in their sequence. After the last
    /// choice nothing goes wrong any more but poison.
    chances: Vec<u32>,
}

fn any_assumptions() -> impl Strategy<Value = Assumptions> {
    let first = prop::sample::select(vec![
        FirstRecordFailed::RetryWhole,
        FirstRecordFailed::Halve,
        FirstRecordFailed::Isolate,
    ]);
    let neighbours = prop::sample::select(vec![
        NeighbouringDiscards::Separate,
        NeighbouringDiscards::Merged,
    ]);
    (first, neighbours, 1_u32..=20).prop_map(
        |(first_record_failed, neighbouring_discards, read_limit)| Assumptions {
            first_record_failed,
            neighbouring_discards,
            read_limit,
            ..Assumptions::default()
        },
    )
}

fn any_settings() -> impl Strategy<Value = MappingOptions> {
    let delivery = (
        1_u32..=8,
        prop::sample::select(vec![0_u32, 1, 5]),
        1_u32..=10,
    );
    let failure = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        -1_i64..=3,
        any::<bool>(),
    );
    let start = prop::sample::select(vec![
        StartingPosition::TrimHorizon,
        StartingPosition::Latest,
        // This is the time at which the mapping begins, since AWS refuses a time in the future.
        StartingPosition::AtTimestamp(Timestamp::from_millis(BEGINNING.as_millis() + 5_000)),
    ]);
    (
        delivery,
        failure,
        any_assumptions(),
        start,
        prop::bool::weighted(0.3),
    )
        .prop_map(
            |((batch_size, window, factor), failure, assumptions, start, dynamodb)| {
                let (bisect, reports, destination, retries, ages) = failure;
                let mut options = if reports { reporting() } else { options() };
                options.starting_position = start;
                if dynamodb {
                    options.event_source_arn = TABLE_STREAM.into();
                    if let StartingPosition::AtTimestamp(_) = start {
                        options.starting_position = StartingPosition::TrimHorizon;
                    }
                }
                options.batch_size = batch_size;
                options.maximum_batching_window_in_seconds = window;
                options.parallelization_factor = factor;
                options.bisect_batch_on_function_error = bisect;
                options.maximum_retry_attempts = retries;
                // Only the records' age ends infinite retries.
                options.maximum_record_age_in_seconds = if retries == -1 || ages { 60 } else { -1 };
                if !destination {
                    options.on_failure = None;
                }
                options.assumptions = assumptions;
                options
            },
        )
}

pub(crate) fn any_scenario() -> impl Strategy<Value = Scenario> {
    let record =
        (0..KEYS, prop::bool::weighted(0.15)).prop_map(|(key, poison)| NewRecord { key, poison });
    (
        any_settings(),
        0_usize..4,
        prop::bool::weighted(0.2),
        prop::collection::vec(record, 1..40),
        prop::collection::vec(any::<u32>(), 0..300),
    )
        .prop_map(|(options, earlier, split, records, chances)| Scenario {
            options,
            earlier,
            split,
            records,
            chances,
        })
}

/// A batch at the function.
struct InFlight {
    shard: ShardId,
    batch: Vec<u64>,
    /// The epoch in which it was sent.
    epoch: u32,
}

/// A scenario under way, and the facts about each record by its sequence number.
pub(crate) struct History {
    pub(crate) driver: Driver,
    options: MappingOptions,
    enabled: bool,
    /// The keys that each open shard takes.
    keys_of: BTreeMap<ShardId, Range<u8>>,
    parents_of: BTreeMap<ShardId, Vec<ShardId>>,
    /// The expired shards, which the stream no longer has.
    gone: BTreeSet<ShardId>,
    shard_of: BTreeMap<u64, ShardId>,
    key_of: BTreeMap<u64, u8>,
    poison: HashSet<u64>,
    /// The records at or behind the starting position, which must be delivered. The other records
    /// need not be delivered. Under AT_TIMESTAMP they must not be.
    owed: BTreeSet<u64>,
    /// The shards whose first read was answered. Under LATEST, records that are put later are owed.
    begun: BTreeSet<ShardId>,
    /// The processed records, each with the epoch in which it was sent.
    processed: BTreeMap<u64, u32>,
    given_up: BTreeSet<u64>,
    in_flight: BTreeMap<u64, InFlight>,
    checkpoints: BTreeMap<ShardId, Option<u64>>,
    /// The checkpoints that were stored now and then, to go on from.
    stored: Vec<BTreeMap<ShardId, Checkpoint>>,
    /// The number of stops, updates and losses, after which processed records may come again.
    epoch: u32,
    largest_batch: u32,
    occurrences: usize,
}

impl History {
    pub(crate) fn play(scenario: &Scenario) -> Self {
        let mut history = Self::begin(&scenario.options);
        let mut records = scenario.records.iter();
        for record in records.by_ref().take(scenario.earlier) {
            history.put(record);
        }
        if scenario.split {
            history.split(0);
        }
        history.wake_after(5_000);
        history.list();
        for &chance in &scenario.chances {
            let (which, chance) = (chance % 64, chance / 64);
            match which {
                0 => history.lose(history.driver.mapping.checkpoints()),
                1 => history.lose_to_an_old_checkpoint(chance),
                2 => {
                    history.epoch += u32::from(history.enabled);
                    history.enabled = false;
                    history.send(Event::Disable);
                }
                3..=5 => {
                    history.enabled = true;
                    history.send(Event::Enable);
                }
                6 => history.update(chance),
                7..=15 => history.wake_after(u64::from(chance % 10_000)),
                16..=30 => {
                    if let Some(record) = records.next() {
                        history.put(record);
                    }
                }
                31 => history.split(chance),
                32 => history.merge(chance),
                33 => history.list(),
                34 => history.expire(chance),
                _ if history.driver.actions.is_empty() => history.wake_after(500),
                _ => {
                    let index = usize::try_from(chance).unwrap() % history.driver.actions.len();
                    history.answer(index, chance / 256);
                }
            }
        }
        records.for_each(|record| history.put(record));
        history.send(Event::Enable);
        history.list();
        for _ in 0..20_000 {
            if history.is_done() {
                return history;
            }
            if history.driver.actions.is_empty() {
                history.driver.now = history
                    .driver
                    .wake_at
                    .expect("the machine waits for nothing, and is not done");
                history.send(Event::Wake);
            } else {
                history.answer(0, 0);
            }
        }
        panic!(
            "no end after 20,000 steps: {:?}",
            history.driver.mapping.status()
        );
    }

    /// The records that must have been delivered and are neither processed nor in a discarded
    /// range.
    pub(crate) fn left_over(&self) -> Vec<u64> {
        let owed = self.owed.iter().copied();
        owed.filter(|number| self.is_owed(*number)).collect()
    }

    fn begin(options: &MappingOptions) -> Self {
        let mut history = Self {
            driver: Driver::new(options.clone()),
            options: options.clone(),
            enabled: true,
            keys_of: BTreeMap::new(),
            parents_of: BTreeMap::new(),
            gone: BTreeSet::new(),
            shard_of: BTreeMap::new(),
            key_of: BTreeMap::new(),
            poison: HashSet::new(),
            owed: BTreeSet::new(),
            begun: BTreeSet::new(),
            processed: BTreeMap::new(),
            given_up: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            stored: Vec::new(),
            epoch: 0,
            largest_batch: options.batch_size,
            occurrences: 0,
        };
        for (shard, keys) in SHARDS {
            history.driver.add_shard(shard);
            history.keys_of.insert(shard.into(), keys);
        }
        history
    }

    /// Closes the parents and puts children with these keys in their place.
    fn reshard(&mut self, parents: &[ShardId], children: &[Range<u8>]) {
        for parent in parents {
            self.keys_of.remove(parent);
            self.driver.shards.get_mut(parent).unwrap().closed = true;
        }
        for keys in children {
            let name = format!("shardId-{:012}", self.driver.shards.len());
            self.driver.add_shard(&name);
            self.keys_of.insert(name.as_str().into(), keys.clone());
            self.parents_of
                .insert(name.as_str().into(), parents.to_vec());
        }
    }

    fn split(&mut self, chance: u32) {
        let open: Vec<_> = self.keys_of.clone().into_iter().collect();
        let (shard, keys) = &open[usize::try_from(chance).unwrap() % open.len()];
        if keys.len() > 1 && self.driver.shards.len() < MOST_SHARDS {
            let middle = (keys.start + keys.end) / 2;
            self.reshard(
                std::slice::from_ref(shard),
                &[keys.start..middle, middle..keys.end],
            );
        }
    }

    fn merge(&mut self, chance: u32) {
        let mut open: Vec<_> = self.keys_of.clone().into_iter().collect();
        open.sort_by_key(|(_, keys)| keys.start);
        if open.len() > 1 && self.driver.shards.len() < MOST_SHARDS {
            let lower = usize::try_from(chance).unwrap() % (open.len() - 1);
            let [(first, below), (second, above)] = [open[lower].clone(), open[lower + 1].clone()];
            let keys = below.start..above.end;
            self.reshard(&[first, second], std::slice::from_ref(&keys));
        }
    }

    fn expire(&mut self, chance: u32) {
        let closed: Vec<_> = self
            .driver
            .shards
            .keys()
            .filter(|shard| !self.keys_of.contains_key(shard))
            .cloned()
            .collect();
        if !closed.is_empty() {
            let index = usize::try_from(chance).unwrap() % closed.len();
            // The parents of a shard expire before the shard.
            let mut line = vec![closed[index].clone()];
            while let Some(shard) = line.pop() {
                line.extend(self.parents_of.get(&shard).cloned().unwrap_or_default());
                self.gone.insert(shard);
            }
        }
    }

    fn listing(&self, shards: impl Iterator<Item = ShardId>) -> Vec<ShardListing> {
        shards
            .map(|shard_id| ShardListing {
                parents: self.parents_of.get(&shard_id).cloned().unwrap_or_default(),
                shard_id,
            })
            .collect()
    }

    fn list(&mut self) {
        let there = self.driver.shards.keys().cloned();
        let listing = self.listing(there.filter(|shard| !self.gone.contains(shard)));
        self.send(Event::ShardsListed(listing));
    }

    fn put(&mut self, record: &NewRecord) {
        let shard = self
            .keys_of
            .iter()
            .find(|(_, keys)| keys.contains(&record.key))
            .map(|(shard, _)| shard.clone())
            .unwrap();
        let key = format!("key {}", record.key);
        let number = self.driver.put(shard.as_str(), &key, b"{}");
        let owed = match self.options.starting_position {
            StartingPosition::TrimHorizon => true,
            StartingPosition::Latest => {
                self.parents_of.contains_key(&shard) || self.begun.contains(&shard)
            }
            StartingPosition::AtTimestamp(start) => self.driver.now >= start,
        };
        if owed {
            self.owed.insert(number);
        }
        self.shard_of.insert(number, shard);
        self.key_of.insert(number, record.key);
        if record.poison {
            self.poison.insert(number);
        }
    }

    /// True if the record must still be delivered. A record of a gone shard need not be.
    fn is_owed(&self, number: u64) -> bool {
        let over = self.processed.contains_key(&number) || self.given_up.contains(&number);
        self.owed.contains(&number) && !over && !self.gone.contains(&self.shard_of[&number])
    }

    /// True if the checkpoints have reached every record that must be delivered.
    fn is_done(&self) -> bool {
        self.owed
            .iter()
            .map(|number| (number, &self.shard_of[number]))
            .filter(|(_, shard)| !self.gone.contains(shard))
            .all(|(number, shard)| self.checkpoints.get(shard) >= Some(&Some(*number)))
    }

    fn send(&mut self, event: Event) {
        let before = self.driver.actions.len();
        self.driver.send(event);
        self.observe(before);
    }

    /// Takes note of the machine's occurrences and of the actions from `before` on, and checks
    /// them.
    fn observe(&mut self, before: usize) {
        for occurrence in self.driver.occurrences.split_off(self.occurrences) {
            self.note(&occurrence);
            self.driver.occurrences.push(occurrence);
        }
        self.occurrences = self.driver.occurrences.len();
        let mut reading = BTreeSet::new();
        let mut sent = Vec::new();
        for (index, action) in self.driver.actions.iter().enumerate() {
            match action {
                Action::Fetch(fetch) => {
                    let shard = fetch.shard_id();
                    assert!(reading.insert(shard.clone()), "two reads of {shard}");
                    let from_time = matches!(fetch.from(), ReadFrom::AtTimestamp(_));
                    let dynamodb = self.options.event_source_arn == TABLE_STREAM;
                    assert!(!from_time || !dynamodb, "DynamoDB has no such iterator");
                }
                Action::Invoke(invocation) if index >= before => {
                    let in_flight = InFlight {
                        shard: invocation.batch().shard_id().clone(),
                        batch: numbers(invocation),
                        epoch: self.epoch,
                    };
                    sent.push((invocation.id(), in_flight));
                }
                _ => {}
            }
        }
        for (id, in_flight) in sent {
            self.check_batch(&in_flight.shard, &in_flight.batch);
            self.in_flight.insert(id, in_flight);
        }
        self.check_checkpoints();
    }

    fn note(&mut self, occurrence: &Occurrence) {
        if let Occurrence::Discarded {
            range,
            condition,
            invoke_count,
            ..
        } = occurrence
        {
            let (first, last): (u64, u64) = (
                range.first.as_str().parse().unwrap(),
                range.last.as_str().parse().unwrap(),
            );
            if *condition == DiscardCondition::RetryAttemptsExhausted {
                assert_eq!(
                    i64::from(*invoke_count),
                    self.options.maximum_retry_attempts + 1
                );
            }
            let within: Vec<_> = self
                .shard_of
                .range(first..=last)
                .filter(|(_, shard)| **shard == range.shard_id)
                .map(|(number, _)| *number)
                .collect();
            assert!(within.len() >= range.records);
            self.given_up.extend(within);
        }
    }

    fn check_batch(&self, shard: &ShardId, batch: &[u64]) {
        let most = usize::try_from(self.options.parallelization_factor).unwrap();
        let of_the_shard = self.in_flight.values().filter(|one| one.shard == *shard);
        assert!(of_the_shard.count() < most, "{batch:?} is one too many");
        assert!(
            !batch.is_empty() && batch.len() <= usize::try_from(self.largest_batch).unwrap(),
            "{batch:?}"
        );
        assert!(batch.windows(2).all(|pair| pair[0] < pair[1]), "{batch:?}");
        let keys: BTreeSet<_> = batch.iter().map(|number| self.key_of[number]).collect();
        for other in self.in_flight.values() {
            let shared = other
                .batch
                .iter()
                .any(|number| keys.contains(&self.key_of[number]));
            assert!(!shared, "one key in {batch:?} and {:?}", other.batch);
        }
        for number in batch {
            assert!(
                self.owed.contains(number)
                    || self.options.starting_position == StartingPosition::Latest,
                "{number} lies before the starting position"
            );
            assert!(
                self.processed
                    .get(number)
                    .is_none_or(|epoch| *epoch < self.epoch),
                "{number} comes again"
            );
        }
        // A record that precedes another one must be done, or be before it in the batch. This is so
        // for records of the same key, of the same shard if the shard is not subdivided, and of the
        // shard's ancestors.
        let ancestors = self.ancestors(shard);
        for (earlier, at) in self.shard_of.range(..batch[batch.len() - 1]) {
            let precedes = |number: &u64| {
                earlier < number
                    && (self.key_of[number] == self.key_of[earlier]
                        || (most == 1 && at == shard)
                        || ancestors.contains(at))
            };
            if !batch.contains(earlier) && batch.iter().any(precedes) {
                assert!(!self.is_owed(*earlier), "{earlier} is skipped by {batch:?}");
            }
        }
        let overtaken = self
            .in_flight
            .values()
            .find(|one| ancestors.contains(&one.shard));
        assert!(
            overtaken.is_none(),
            "{batch:?} is sent before the batches of its parent are done"
        );
    }

    fn ancestors(&self, shard: &ShardId) -> BTreeSet<ShardId> {
        let mut found = BTreeSet::new();
        let mut line = vec![shard.clone()];
        while let Some(shard) = line.pop() {
            for parent in self.parents_of.get(&shard).into_iter().flatten() {
                if found.insert(parent.clone()) {
                    line.push(parent.clone());
                }
            }
        }
        found
    }

    fn check_checkpoints(&mut self) {
        let checkpoints = self.driver.mapping.checkpoints();
        for shard in self.checkpoints.keys() {
            assert!(
                checkpoints.contains_key(shard),
                "the checkpoint of {shard} was lost"
            );
        }
        for (shard, checkpoint) in &checkpoints {
            let number = number_of(checkpoint);
            let before = self.checkpoints.insert(shard.clone(), number);
            assert!(
                before.is_none_or(|before| before <= number),
                "the checkpoint of {shard} moved back from {before:?} to {number:?}"
            );
            let below = self
                .shard_of
                .range(..=number.unwrap_or(0))
                .filter(|(_, other)| *other == shard);
            for (passed, _) in below {
                assert!(
                    !self.is_owed(*passed),
                    "the checkpoint {number:?} passed {passed}"
                );
            }
        }
        // LATEST means another place each time. So checkpoints stored before the first read are of
        // no use later.
        let begun =
            |checkpoint: &Checkpoint| *checkpoint != Checkpoint::Start(StartingPosition::Latest);
        if !checkpoints.is_empty()
            && checkpoints.values().all(begun)
            && self.stored.last() != Some(&checkpoints)
        {
            self.stored.push(checkpoints);
        }
    }

    /// The function's answer to a batch if nothing but poison is in its way. Takes note of the
    /// records that the function has processed then.
    fn invoke(&mut self, invocation: &Invocation, epoch: u32) -> Completion {
        let batch = numbers(invocation);
        let bad: Vec<_> = batch
            .iter()
            .copied()
            .filter(|number| self.poison.contains(number))
            .collect();
        let reports = !self.options.function_response_types.is_empty();
        let (completion, done) = match bad.first() {
            None => (success(), batch.len()),
            Some(first) if reports => (
                failures(&bad),
                batch.iter().take_while(|number| *number < first).count(),
            ),
            Some(_) => (Completion::FunctionError, 0),
        };
        self.processed
            .extend(batch[..done].iter().map(|number| (*number, epoch)));
        completion
    }

    fn answer(&mut self, index: usize, chance: u32) {
        let mut found = Vec::new();
        let event = match self.driver.actions.remove(index).unwrap() {
            Action::Fetch(fetch) => {
                let shard = fetch.shard_id().clone();
                self.begun.insert(shard.clone());
                if self.gone.contains(&shard) && chance.is_multiple_of(2) {
                    fetch.gone()
                } else if chance % 4 == 3 {
                    fetch.failed()
                } else {
                    let read = self.driver.read(&fetch);
                    if read.next_iterator.is_none() {
                        // A gone shard is neither listed nor named. Otherwise it would be known to
                        // be there and not there.
                        let children = self.parents_of.iter();
                        let children = children
                            .filter(|(child, _)| !self.gone.contains(child))
                            .filter(|(_, parents)| parents.contains(&shard));
                        found = self.listing(children.map(|(child, _)| child.clone()));
                    }
                    fetch.succeeded(read)
                }
            }
            Action::Discard(discard) if chance % 4 == 3 => discard.failed(),
            Action::Discard(discard) => discard.delivered(),
            Action::Invoke(invocation) => {
                let InFlight { epoch, .. } = self.in_flight.remove(&invocation.id()).unwrap();
                let completion = match chance % 16 {
                    12 => Completion::FunctionError,
                    13 => Completion::TimedOut,
                    14 => Completion::NotInvoked,
                    15 if !self.options.function_response_types.is_empty() => {
                        Completion::Returned(b"{".to_vec())
                    }
                    _ => self.invoke(&invocation, epoch),
                };
                invocation.finished("request", completion)
            }
        };
        self.send(event);
        if !found.is_empty() {
            self.send(Event::ShardsFound(found));
        }
    }

    /// The poller is lost, and another one goes on from these checkpoints.
    fn lose(&mut self, checkpoints: BTreeMap<ShardId, Checkpoint>) {
        self.epoch += 1;
        self.in_flight.clear();
        self.driver.actions.clear();
        self.checkpoints = checkpoints
            .iter()
            .map(|(shard, checkpoint)| (shard.clone(), number_of(checkpoint)))
            .collect();
        self.driver.mapping = Mapping::resume(self.options.clone(), checkpoints).unwrap();
        self.enabled = true;
        self.list();
    }

    fn lose_to_an_old_checkpoint(&mut self, chance: u32) {
        if !self.stored.is_empty() {
            let index = usize::try_from(chance).unwrap() % self.stored.len();
            self.lose(self.stored[index].clone());
        }
    }

    /// Changes some parameters. The parameters that decide what a record may count on stay.
    fn update(&mut self, chance: u32) {
        self.options.parallelization_factor = 1 + chance % 10;
        self.options.batch_size = 1 + chance / 16 % 8;
        self.options.bisect_batch_on_function_error = (chance / 256).is_multiple_of(2);
        self.options.enabled = self.enabled;
        self.largest_batch = self.largest_batch.max(self.options.batch_size);
        self.epoch += 1;
        let before = self.driver.actions.len();
        self.driver.update(self.options.clone()).unwrap();
        self.observe(before);
        self.options.enabled = true;
    }

    fn wake_after(&mut self, millis: u64) {
        self.driver.now = Timestamp::from_millis(self.driver.now.as_millis() + millis);
        self.send(Event::Wake);
    }
}

fn number_of(checkpoint: &Checkpoint) -> Option<u64> {
    match checkpoint {
        Checkpoint::Start(_) => None,
        Checkpoint::After(number) => Some(number.as_str().parse().unwrap()),
    }
}
