//! What holds whatever happens: records arrive, a shard is split and expires, the function and the services fail, answers come in any order, time
//! jumps, the mapping is stopped, started and lost, all as a random sequence decides.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use event_source_mapping::{
    Action, Assumptions, Checkpoint, Condition, Event, FirstRecordFailed, Happened, Invocation,
    Mapping, Outcome, Settings, ShardId, ShardListing, StartingPosition, Timestamp,
};
use proptest::prelude::*;

use crate::driver::{BEGINNING, Driver, failures, numbers, reporting, settings, success};

const SHARDS: [&str; 2] = ["shardId-000000000000", "shardId-000000000001"];

/// What the first shard is split into.
const CHILDREN: [&str; 2] = ["shardId-000000000002", "shardId-000000000003"];

#[derive(Clone, Debug)]
struct NewRecord {
    shard: usize,
    key: u8,
    /// The function fails whenever it is in the batch.
    poison: bool,
}

#[derive(Clone, Debug)]
struct Scenario {
    settings: Settings,
    /// How many of the records are put before the mapping begins, and whether the first shard is split between them and that.
    earlier: usize,
    split: bool,
    records: Vec<NewRecord>,
    /// What goes wrong, and in which order. When it is used up nothing goes wrong any more but poison.
    chances: Vec<u32>,
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let delivery = (
        1_u32..=8,
        prop::sample::select(vec![0_u32, 1, 5]),
        1_u32..=4,
        1_u32..=20,
    );
    let failure = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        -1_i64..=3,
        any::<bool>(),
    );
    let first = prop::sample::select(vec![
        FirstRecordFailed::RetryWhole,
        FirstRecordFailed::Halve,
        FirstRecordFailed::Isolate,
    ]);
    let start = prop::sample::select(vec![
        StartingPosition::TrimHorizon,
        StartingPosition::Latest,
        // When the mapping begins: AWS refuses a time in the future.
        StartingPosition::AtTimestamp(Timestamp::from_millis(BEGINNING.as_millis() + 5_000)),
    ]);
    (delivery, failure, first, start).prop_map(
        |((batch_size, window, factor, read_limit), failure, first_record_failed, start)| {
            let (bisect, reports, destination, retries, ages) = failure;
            let mut settings = if reports { reporting() } else { settings() };
            settings.starting_position = start;
            settings.batch_size = batch_size;
            settings.maximum_batching_window_in_seconds = window;
            settings.parallelization_factor = factor;
            settings.bisect_batch_on_function_error = bisect;
            settings.maximum_retry_attempts = retries;
            // Infinite retries have no end but the records' age.
            settings.maximum_record_age_in_seconds = if retries == -1 || ages { 60 } else { -1 };
            if !destination {
                settings.on_failure = None;
            }
            settings.assumptions = Assumptions {
                first_record_failed,
                read_limit,
                ..Assumptions::default()
            };
            settings
        },
    )
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    let record = (0..SHARDS.len(), 0_u8..5, prop::bool::weighted(0.15))
        .prop_map(|(shard, key, poison)| NewRecord { shard, key, poison });
    (
        any_settings(),
        0_usize..4,
        prop::bool::weighted(0.2),
        prop::collection::vec(record, 1..40),
        prop::collection::vec(any::<u32>(), 0..300),
    )
        .prop_map(|(settings, earlier, split, records, chances)| Scenario {
            settings,
            earlier,
            split,
            records,
            chances,
        })
}

/// A scenario under way, and all that is known about each record by its sequence number.
struct Run {
    driver: Driver,
    settings: Settings,
    enabled: bool,
    shard_of: BTreeMap<u64, ShardId>,
    key_of: BTreeMap<u64, u8>,
    poison: HashSet<u64>,
    /// Lies at or behind the starting position, so that it must be delivered. The others need not be; under AT_TIMESTAMP they must not.
    owed: BTreeSet<u64>,
    /// The shards of which the first read was answered. Under LATEST, what is put later is owed.
    begun: BTreeSet<ShardId>,
    /// Processed, and in which epoch sent.
    processed: BTreeMap<u64, u32>,
    given_up: BTreeSet<u64>,
    /// By invocation: the shard, the batch, and the epoch in which it was sent.
    in_flight: BTreeMap<u64, (ShardId, Vec<u64>, u32)>,
    checkpoints: BTreeMap<ShardId, Option<u64>>,
    /// Counts stops and losses, after which what was processed may come again.
    epoch: u32,
    /// The shard that was split has expired.
    expired: bool,
    happened: usize,
}

impl Run {
    fn begin(settings: &Settings) -> Self {
        let mut run = Self {
            driver: Driver::new(settings.clone()),
            settings: settings.clone(),
            enabled: true,
            shard_of: BTreeMap::new(),
            key_of: BTreeMap::new(),
            poison: HashSet::new(),
            owed: BTreeSet::new(),
            begun: BTreeSet::new(),
            processed: BTreeMap::new(),
            given_up: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            epoch: 0,
            expired: false,
            happened: 0,
        };
        for shard in SHARDS {
            run.driver.add_shard(shard);
        }
        run
    }

    fn is_split(&self) -> bool {
        self.driver.shards[&SHARDS[0].into()].closed
    }

    fn split(&mut self) {
        if !self.is_split() {
            self.driver
                .shards
                .get_mut(&SHARDS[0].into())
                .unwrap()
                .closed = true;
            CHILDREN
                .iter()
                .for_each(|child| self.driver.add_shard(child));
        }
    }

    fn list(&mut self) {
        let listing = |shard: &ShardId| ShardListing {
            shard_id: shard.clone(),
            parents: if is_child(shard) {
                vec![SHARDS[0].into()]
            } else {
                Vec::new()
            },
        };
        let listing = self
            .driver
            .shards
            .keys()
            .filter(|shard| !self.is_gone(shard))
            .map(listing)
            .collect();
        self.send(Event::ShardsListed(listing));
    }

    fn put(&mut self, record: &NewRecord) {
        let name = match record.shard {
            0 if self.is_split() => CHILDREN[usize::from(record.key % 2)],
            shard => SHARDS[shard],
        };
        let shard = ShardId::from(name);
        let number = self.driver.put(name, &format!("key {}", record.key), b"{}");
        let owed = match self.settings.starting_position {
            StartingPosition::TrimHorizon => true,
            StartingPosition::Latest => is_child(&shard) || self.begun.contains(&shard),
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

    fn is_over(&self, number: u64) -> bool {
        self.processed.contains_key(&number) || self.given_up.contains(&number)
    }

    fn is_gone(&self, shard: &ShardId) -> bool {
        self.expired && *shard == SHARDS[0].into()
    }

    /// Whether the record must be delivered and is not over. Nobody can be held to what is gone.
    fn is_owed(&self, number: u64) -> bool {
        self.owed.contains(&number)
            && !self.is_over(number)
            && !self.is_gone(&self.shard_of[&number])
    }

    /// Whether the checkpoints have reached all that must be delivered.
    fn is_done(&self) -> bool {
        self.owed
            .iter()
            .map(|number| (number, &self.shard_of[number]))
            .filter(|(_, shard)| !self.is_gone(shard))
            .all(|(number, shard)| self.checkpoints[shard] >= Some(*number))
    }

    fn send(&mut self, event: Event) {
        let before = self.driver.actions.len();
        self.driver.send(event);
        for happened in self.driver.happened.split_off(self.happened) {
            self.note(&happened);
            self.driver.happened.push(happened);
        }
        self.happened = self.driver.happened.len();
        let sent: Vec<_> = self
            .driver
            .actions
            .range(before..)
            .filter_map(|action| match action {
                Action::Invoke(invocation) => Some((
                    invocation.id(),
                    invocation.batch().shard_id().clone(),
                    numbers(invocation),
                )),
                _ => None,
            })
            .collect();
        let mut reading = BTreeSet::new();
        for action in &self.driver.actions {
            if let Action::Fetch(fetch) = action {
                assert!(
                    reading.insert(fetch.shard_id()),
                    "two reads of {}",
                    fetch.shard_id()
                );
            }
        }
        for (id, shard, batch) in sent {
            self.check_batch(&shard, &batch);
            self.in_flight.insert(id, (shard, batch, self.epoch));
        }
        self.check_checkpoints();
    }

    fn note(&mut self, happened: &Happened) {
        if let Happened::Discarded {
            range,
            condition,
            invoke_count,
        } = happened
        {
            let (first, last): (u64, u64) = (
                range.first.as_str().parse().unwrap(),
                range.last.as_str().parse().unwrap(),
            );
            if *condition == Condition::RetryAttemptsExhausted {
                assert_eq!(
                    i64::from(*invoke_count),
                    self.settings.maximum_retry_attempts + 1
                );
            }
            let within: Vec<_> = self
                .shard_of
                .range(first..=last)
                .filter(|(_, shard)| **shard == range.shard_id)
                .map(|(number, _)| *number)
                .collect();
            assert!(within.len() >= range.records);
            if self.settings.parallelization_factor == 1 {
                assert_eq!(within.len(), range.records);
            }
            self.given_up.extend(within);
        }
    }

    fn check_batch(&self, shard: &ShardId, batch: &[u64]) {
        let in_flight: Vec<_> = self
            .in_flight
            .values()
            .filter(|(other, ..)| other == shard)
            .collect();
        let most = usize::try_from(self.settings.parallelization_factor).unwrap();
        assert!(
            in_flight.len() < most,
            "{batch:?} is sent while {in_flight:?} are in flight"
        );
        assert!(
            !batch.is_empty() && batch.len() <= usize::try_from(self.settings.batch_size).unwrap()
        );
        assert!(batch.windows(2).all(|pair| pair[0] < pair[1]), "{batch:?}");
        let keys: BTreeSet<_> = batch.iter().map(|number| self.key_of[number]).collect();
        for (_, other, _) in in_flight {
            assert!(
                other
                    .iter()
                    .all(|number| !keys.contains(&self.key_of[number])),
                "one key in {batch:?} and {other:?}"
            );
        }
        for number in batch {
            assert!(
                self.owed.contains(number)
                    || self.settings.starting_position == StartingPosition::Latest,
                "{number} lies before the starting position"
            );
            assert!(
                self.processed
                    .get(number)
                    .is_none_or(|epoch| *epoch < self.epoch),
                "{number} comes again"
            );
        }
        // Everything before a record is over, or before it in the batch: of its key, or in a shard that is not subdivided.
        for (earlier, _) in self
            .shard_of
            .range(..=batch[batch.len() - 1])
            .filter(|(_, other)| *other == shard)
        {
            let concerns = |number: &u64| most == 1 || self.key_of[number] == self.key_of[earlier];
            if batch
                .iter()
                .any(|number| number > earlier && concerns(number))
                && !batch.contains(earlier)
            {
                assert!(!self.is_owed(*earlier), "{earlier} is skipped by {batch:?}");
            }
        }
        if is_child(shard) {
            let parent_in_flight = self
                .in_flight
                .values()
                .any(|(other, ..)| *other == SHARDS[0].into());
            assert!(!parent_in_flight, "{batch:?} is sent before its parent's");
            for (earlier, parent) in &self.shard_of {
                assert!(
                    *parent != SHARDS[0].into() || !self.is_owed(*earlier),
                    "{earlier} is in the parent and skipped by {batch:?} of the child"
                );
            }
        }
    }

    fn check_checkpoints(&mut self) {
        let checkpoints = self.driver.mapping.checkpoints();
        for shard in self.checkpoints.keys() {
            assert!(
                checkpoints.contains_key(shard),
                "the checkpoint of {shard} was lost"
            );
        }
        for (shard, checkpoint) in checkpoints {
            let number: Option<u64> = match checkpoint {
                Checkpoint::Start(_) => None,
                Checkpoint::After(number) => Some(number.as_str().parse().unwrap()),
            };
            let before = self.checkpoints.insert(shard.clone(), number);
            assert!(
                before.is_none_or(|before| before <= number),
                "the checkpoint of {shard} moved back from {before:?} to {number:?}"
            );
            let below = self
                .shard_of
                .range(..=number.unwrap_or(0))
                .filter(|(_, other)| **other == shard);
            for (passed, _) in below {
                assert!(
                    !self.is_owed(*passed),
                    "the checkpoint {number:?} passed {passed}"
                );
            }
        }
    }

    /// What the function does with a batch when nothing but poison is in its way, and what it has processed then.
    fn invoke(&mut self, invocation: &Invocation, epoch: u32) -> Outcome {
        let batch = numbers(invocation);
        let bad: Vec<_> = batch
            .iter()
            .copied()
            .filter(|number| self.poison.contains(number))
            .collect();
        let reports = !self.settings.function_response_types.is_empty();
        let (outcome, done) = match bad.first() {
            None => (success(), batch.len()),
            Some(first) if reports => (
                failures(&bad),
                batch.iter().take_while(|number| *number < first).count(),
            ),
            Some(_) => (Outcome::FunctionError, 0),
        };
        self.processed
            .extend(batch[..done].iter().map(|number| (*number, epoch)));
        outcome
    }

    fn answer(&mut self, index: usize, chance: u32) {
        let event = match self.driver.actions.remove(index).unwrap() {
            Action::Fetch(fetch) => {
                self.begun.insert(fetch.shard_id().clone());
                if self.is_gone(fetch.shard_id()) && chance.is_multiple_of(2) {
                    fetch.gone()
                } else if chance % 4 == 3 {
                    fetch.failed()
                } else {
                    let read = self.driver.read(&fetch);
                    fetch.succeeded(read)
                }
            }
            Action::Discard(discard) if chance % 4 == 3 => discard.failed(),
            Action::Discard(discard) => discard.delivered(),
            Action::Invoke(invocation) => {
                let (_, _, epoch) = self.in_flight.remove(&invocation.id()).unwrap();
                let outcome = match chance % 16 {
                    12 => Outcome::FunctionError,
                    13 => Outcome::TimedOut,
                    14 => Outcome::NotInvoked,
                    15 if !self.settings.function_response_types.is_empty() => {
                        Outcome::Returned(b"{".to_vec())
                    }
                    _ => self.invoke(&invocation, epoch),
                };
                invocation.finished("request", outcome)
            }
        };
        self.send(event);
    }

    /// The poller is lost, and another one goes on from the checkpoints.
    fn lose(&mut self) {
        self.epoch += 1;
        self.in_flight.clear();
        self.driver.actions.clear();
        self.driver.mapping =
            Mapping::resume(self.settings.clone(), self.driver.mapping.checkpoints()).unwrap();
        self.enabled = true;
        self.list();
    }

    fn wake_after(&mut self, millis: u64) {
        self.driver.now = Timestamp::from_millis(self.driver.now.as_millis() + millis);
        self.send(Event::Wake);
    }

    fn play(scenario: &Scenario) -> Self {
        let mut run = Self::begin(&scenario.settings);
        let mut records = scenario.records.iter();
        for record in records.by_ref().take(scenario.earlier) {
            run.put(record);
        }
        if scenario.split {
            run.split();
        }
        run.wake_after(5_000);
        run.list();
        for &chance in &scenario.chances {
            let (which, chance) = (chance % 64, chance / 64);
            match which {
                0 => run.lose(),
                1..=2 => {
                    run.epoch += u32::from(run.enabled);
                    run.enabled = false;
                    run.send(Event::Disable);
                }
                3..=6 => {
                    run.enabled = true;
                    run.send(Event::Enable);
                }
                7..=15 => run.wake_after(u64::from(chance % 10_000)),
                16..=31 => {
                    if let Some(record) = records.next() {
                        run.put(record);
                    }
                }
                32 => run.split(),
                33 => run.list(),
                34 => run.expired = run.is_split(),
                _ if run.driver.actions.is_empty() => run.wake_after(500),
                _ => {
                    let index = usize::try_from(chance).unwrap() % run.driver.actions.len();
                    run.answer(index, chance / 256);
                }
            }
        }
        records.for_each(|record| run.put(record));
        run.send(Event::Enable);
        run.list();
        for _ in 0..20_000 {
            if run.is_done() {
                return run;
            }
            if run.driver.actions.is_empty() {
                run.driver.now = run
                    .driver
                    .wake_at
                    .expect("the machine waits for nothing, and is not done");
                run.send(Event::Wake);
            } else {
                run.answer(0, 0);
            }
        }
        panic!(
            "no end after 20,000 steps: {:?}",
            run.driver.mapping.status()
        );
    }
}

fn is_child(shard: &ShardId) -> bool {
    CHILDREN.contains(&shard.as_str())
}

proptest! {
    // A failing scenario is replayed at each step of its shrinking, so that there is an end to it.
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// The checks are made at every step: a shard is read once at a time; of a shard never more batches are in flight than the ParallelizationFactor, of a key never
    /// two; no record behind the starting position is skipped, none before it is sent, a child comes after its parent; what was processed never comes again unless the mapping was stopped or lost; the checkpoint never
    /// moves back and never passes a record that is not over. And it ends, whatever happens, with every
    /// record behind the starting position processed or discarded.
    #[test]
    fn every_record_is_processed_or_discarded_in_order_and_the_checkpoint_follows(scenario in any_scenario()) {
        let run = Run::play(&scenario);
        for number in &run.owed {
            prop_assert!(!run.is_owed(*number), "{} is neither processed nor discarded", number);
        }
    }

    /// Without a clock and without randomness inside, a scenario can be repeated exactly.
    #[test]
    fn the_same_events_at_the_same_times_have_the_same_consequences(scenario in any_scenario()) {
        let (once, again) = (Run::play(&scenario), Run::play(&scenario));
        prop_assert_eq!(once.driver.happened, again.driver.happened);
        prop_assert_eq!(once.driver.mapping.status(), again.driver.mapping.status());
    }

    /// [D] "Retain discarded batch records for a Kinesis Data Streams event source in Lambda": bisecting isolates bad records.
    #[test]
    fn with_bisect_one_bad_record_among_n_is_isolated_within_log2_n_splits_and_every_other_is_processed(
        (n, bad) in (1_u64..=64).prop_flat_map(|n| (Just(n), 0..n)),
        retries in 0_u32..=3,
        reports: bool,
    ) {
        let bad = 8 + bad;
        let settings = Settings {
            batch_size: u32::try_from(n).unwrap(),
            bisect_batch_on_function_error: true,
            maximum_retry_attempts: retries.into(),
            ..if reports { reporting() } else { settings() }
        };
        let mut stream = Driver::with_records(settings, usize::try_from(n).unwrap());
        let mut processed = BTreeSet::new();
        stream.run(|invocation| {
            let batch = numbers(invocation);
            if batch.contains(&bad) {
                return if reports { Outcome::Returned(b"not JSON".to_vec()) } else { Outcome::FunctionError };
            }
            processed.extend(batch);
            success()
        });
        let splits = n.next_power_of_two().trailing_zeros();
        let deliveries = u32::try_from(stream.times_delivered(bad)).unwrap();
        prop_assert!(deliveries <= splits + 1 + retries, "{} deliveries", deliveries);
        prop_assert_eq!(stream.discarded(), [(bad, bad, 1, u64::from(retries) + 1)]);
        prop_assert_eq!(processed, (8..8 + n).filter(|number| *number != bad).collect::<BTreeSet<_>>());
    }

    /// [I] for what follows a first record that failed: two of the three assumptions separate it from the others, one does not.
    #[test]
    fn with_partial_responses_and_bisect_only_what_lies_behind_a_bad_record_is_discarded_with_it(
        poison in prop::collection::vec(any::<bool>(), 1..40),
        batch_size in 1_u32..=12,
        retries in 0_i64..=2,
        first_record_failed in prop::sample::select(vec![
            FirstRecordFailed::RetryWhole, FirstRecordFailed::Halve, FirstRecordFailed::Isolate,
        ]),
    ) {
        let settings = Settings {
            batch_size,
            bisect_batch_on_function_error: true,
            maximum_retry_attempts: retries,
            assumptions: Assumptions { first_record_failed, ..Assumptions::default() },
            ..reporting()
        };
        let bad: BTreeSet<_> = (8_u64..).zip(&poison).filter(|(_, poison)| **poison).map(|(number, _)| number).collect();
        let mut stream = Driver::with_records(settings, poison.len());
        stream.run(|invocation| {
            let reported: Vec<_> = numbers(invocation).into_iter().filter(|number| bad.contains(number)).collect();
            failures(&reported)
        });
        let discarded = stream.discarded();
        let covered: BTreeSet<_> = discarded.iter().flat_map(|(first, last, _, _)| *first..=*last).collect();
        prop_assert!(bad.is_subset(&covered));
        prop_assert!(discarded.iter().all(|(first, _, _, _)| bad.contains(first)));
        if first_record_failed != FirstRecordFailed::RetryWhole {
            prop_assert_eq!(covered, bad);
        }
    }
}
