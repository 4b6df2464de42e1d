//! Random batches beside a model that goes through the batch record by record, and the rules that
//! hold at every moment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    time::Duration,
};

use keyed_batch::{Disposition, Report, TIMED_OUT, Verdict, process};
use proptest::{collection::vec, prelude::*};
use support::{limits, ms, record, unnamed};
use tokio::time::{Instant, sleep};

/// How a record's work goes once it is no longer `Retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Reject,
    PanicWhenCalled,
    PanicWhenPolled,
    /// It stays `Retry`.
    Stuck,
    Redeliver,
    /// `RetryAfter` a time that is beyond every deadline here.
    RetryAfterAll,
    /// It never ends by itself.
    Hang,
}

/// The results of the attempts at a record, which are `retries` times `Retry`, and then `end`. Each
/// attempt takes `millis`. With a `wait` they are `RetryAfter` this many milliseconds.
#[derive(Clone, Copy, Debug)]
struct Script {
    key: u8,
    retries: u32,
    wait: Option<u64>,
    end: End,
    millis: u64,
}

impl Script {
    fn attempt(self, nth: u32) -> impl Future<Output = Verdict> {
        let is_retry = nth <= self.retries;
        let end = if is_retry { End::Stuck } else { self.end };
        if end == End::PanicWhenCalled {
            panic!("a bug");
        }
        async move {
            if self.millis > 0 {
                sleep(ms(self.millis)).await;
            }
            match end {
                End::Done => Verdict::Done,
                End::Reject => Verdict::Reject("poison"),
                End::Stuck => match self.wait.filter(|_| is_retry) {
                    Some(wait) => Verdict::RetryAfter("busy", ms(wait)),
                    None => Verdict::Retry("throttled"),
                },
                End::Redeliver => Verdict::Redeliver("in_progress"),
                End::RetryAfterAll => Verdict::RetryAfter("in_progress", BEYOND),
                End::Hang => std::future::pending().await,
                End::PanicWhenCalled | End::PanicWhenPolled => panic!("a bug"),
            }
        }
    }
}

fn batch(ends: &'static [End]) -> impl Strategy<Value = Vec<Script>> {
    let script = (
        0..8_u8,
        0..3_u32,
        prop::option::of(0..300_u64),
        prop::sample::select(ends),
        0..20_u64,
    )
        .prop_map(|(key, retries, wait, end, millis)| Script {
            key,
            retries,
            wait,
            end,
            millis,
        });
    vec(script, 0..40)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begins(usize),
    /// An attempt ends with this result. A panic is `None`.
    Ends(usize, Option<Verdict>),
}

struct Run {
    report: Report,
    events: Vec<(Event, Duration)>,
    took: Duration,
}

/// An attempt that is dropped without having ended writes down that it panicked or was cut off.
struct Attempt<'a> {
    index: usize,
    ended: Cell<bool>,
    events: &'a RefCell<Vec<(Event, Duration)>>,
    began: Instant,
}

impl Attempt<'_> {
    fn ends(&self, verdict: Option<Verdict>) {
        if !self.ended.replace(true) {
            self.events
                .borrow_mut()
                .push((Event::Ends(self.index, verdict), self.began.elapsed()));
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.ends(if std::thread::panicking() {
            None
        } else {
            Some(Verdict::Retry(TIMED_OUT))
        });
    }
}

/// Runs a batch on a paused clock. The record at index i has the sequence number 100 + i.
fn run(
    scripts: &[Script],
    max_in_flight: usize,
    time: Duration,
    cap: Option<Duration>,
    seed: u64,
) -> Run {
    let records: Vec<_> = scripts
        .iter()
        .enumerate()
        .map(|(index, script)| record(&format!("k{}", script.key), &(100 + index).to_string()))
        .collect();
    let limits = limits(max_in_flight)
        .attempt_timeout(cap)
        .jitter_seed(Some(seed));
    support::expect_bugs();
    let events = RefCell::new(Vec::new());
    let attempts = RefCell::new(vec![0_u32; scripts.len()]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (report, took) = runtime.block_on(async {
        let began = Instant::now();
        let report = process(&records, &limits, began + time, |record| {
            let index = record.sequence_number.parse::<usize>().unwrap() - 100;
            let nth = {
                let mut attempts = attempts.borrow_mut();
                attempts[index] += 1;
                attempts[index]
            };
            events
                .borrow_mut()
                .push((Event::Begins(index), began.elapsed()));
            let attempt = Attempt {
                index,
                ended: Cell::new(false),
                events: &events,
                began,
            };
            let work = scripts[index].attempt(nth);
            async move {
                let verdict = work.await;
                attempt.ends(Some(verdict));
                verdict
            }
        })
        .await;
        (report, began.elapsed())
    });
    Run {
        report,
        events: events.into_inner(),
        took,
    }
}

/// The records that the response must name, read off the dispositions alone.
fn named(report: &Report) -> Vec<usize> {
    let response = report.response.as_ref().unwrap();
    let identifier = |failure: &aws_lambda_events::event::streams::KinesisBatchItemFailure| {
        failure
            .item_identifier
            .as_deref()
            .unwrap()
            .parse::<usize>()
            .unwrap()
            - 100
    };
    response
        .batch_item_failures
        .iter()
        .map(identifier)
        .collect()
}

/// The rules that hold for every batch at every moment.
fn check_rules(
    scripts: &[Script],
    max_in_flight: usize,
    time: Duration,
    run: &Run,
) -> Result<(), TestCaseError> {
    let mut queues: HashMap<u8, Vec<usize>> = HashMap::new();
    for (index, script) in scripts.iter().enumerate().rev() {
        queues.entry(script.key).or_default().push(index);
    }
    // The record of each key whose turn it is, and those of them that were never attempted.
    let turn = |queues: &HashMap<u8, Vec<usize>>, key: u8| queues[&key].last().copied();
    let mut fresh: HashSet<usize> = queues
        .keys()
        .filter_map(|key| turn(&queues, *key))
        .collect();
    let mut under_way = HashSet::new();
    let mut attempts = vec![0_u32; scripts.len()];
    let mut dispositions = vec![Disposition::NotAttempted; scripts.len()];
    // No sooner than then a record may be attempted again.
    let mut earliest_retry = vec![Duration::ZERO; scripts.len()];
    let mut deferred_keys = HashSet::new();

    for (event, at) in &run.events {
        match *event {
            Event::Begins(index) => {
                prop_assert!(*at < time, "{index} began after the time was up");
                prop_assert_eq!(
                    turn(&queues, scripts[index].key),
                    Some(index),
                    "not its key's turn"
                );
                if let Some(earliest) = fresh.iter().min() {
                    prop_assert_eq!(
                        *earliest,
                        index,
                        "an earlier record waits for its first attempt"
                    );
                }
                prop_assert!(under_way.insert(index), "twice at once");
                prop_assert!(*at >= earliest_retry[index], "sooner than the work said");
                prop_assert!(
                    !deferred_keys.contains(&scripts[index].key),
                    "its key is held back"
                );
                prop_assert!(under_way.len() <= max_in_flight);
                fresh.remove(&index);
                attempts[index] += 1;
            }
            Event::Ends(index, verdict) => {
                prop_assert!(under_way.remove(&index));
                dispositions[index] = match verdict {
                    Some(Verdict::Done) => Disposition::Done,
                    Some(Verdict::Reject(reason)) => Disposition::Rejected(reason),
                    Some(Verdict::Retry(reason)) => Disposition::Unfinished(reason),
                    Some(Verdict::Redeliver(reason)) => Disposition::Deferred(reason),
                    Some(Verdict::RetryAfter(reason, wait)) => {
                        earliest_retry[index] = at.saturating_add(wait);
                        if earliest_retry[index] < time {
                            Disposition::Unfinished(reason)
                        } else {
                            Disposition::Deferred(reason)
                        }
                    }
                    None => Disposition::Panicked,
                    Some(other) => panic!("{other:?} is a new verdict"),
                };
                if matches!(dispositions[index], Disposition::Deferred(_)) {
                    deferred_keys.insert(scripts[index].key);
                }
                let is_over = matches!(
                    dispositions[index],
                    Disposition::Done | Disposition::Rejected(_) | Disposition::Panicked
                );
                if is_over {
                    let key = scripts[index].key;
                    queues.get_mut(&key).unwrap().pop();
                    fresh.extend(turn(&queues, key));
                }
            }
        }
    }
    prop_assert!(under_way.is_empty(), "nothing outlives the batch");
    for (index, reported) in run.report.records.iter().enumerate() {
        // A back-off that is longer than the wait may reach beyond the deadline too.
        if let (Disposition::Unfinished(reason), Disposition::Deferred(_)) =
            (dispositions[index], reported.disposition)
        {
            let last = earliest_retry[index];
            prop_assert!(scripts[index].wait.is_some() && last + LONGEST_BACK_OFF >= time);
            dispositions[index] = Disposition::Deferred(reason);
        }
    }
    let reported: Vec<_> = run
        .report
        .records
        .iter()
        .map(|record| (record.disposition, record.attempts))
        .collect();
    prop_assert_eq!(
        reported,
        dispositions
            .iter()
            .copied()
            .zip(attempts)
            .collect::<Vec<_>>()
    );
    let failed: Vec<_> = (0..scripts.len())
        .filter(|index| dispositions[*index] != Disposition::Done)
        .collect();
    prop_assert_eq!(named(&run.report), failed);
    prop_assert!(run.took <= time);
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    After(u32, Disposition),
    Stuck,
    HeldBack,
}

/// The longest back-off of `limits`.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

/// Beyond every deadline here, and far from what no clock can represent.
const BEYOND: Duration = Duration::from_secs(3_600);

/// The batch with all the time in the world, one record after the other.
fn model(scripts: &[Script]) -> Vec<Expected> {
    let mut stuck = HashSet::new();
    scripts
        .iter()
        .map(|script| {
            if stuck.contains(&script.key) {
                return Expected::HeldBack;
            }
            let attempts = script.retries + 1;
            match script.end {
                End::Done => Expected::After(attempts, Disposition::Done),
                End::Reject => Expected::After(attempts, Disposition::Rejected("poison")),
                End::PanicWhenCalled | End::PanicWhenPolled => {
                    Expected::After(attempts, Disposition::Panicked)
                }
                End::Redeliver | End::RetryAfterAll => {
                    stuck.insert(script.key);
                    Expected::After(attempts, Disposition::Deferred("in_progress"))
                }
                End::Stuck | End::Hang => {
                    stuck.insert(script.key);
                    Expected::Stuck
                }
            }
        })
        .collect()
}

/// A generous multiple of the time that a batch of at most 40 records may need here.
const AMPLE: Duration = Duration::from_secs(60);

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn with_enough_time_a_batch_ends_as_if_worked_on_one_record_after_the_other(
        scripts in batch(&[
            End::Done, End::Done, End::Reject, End::PanicWhenPolled, End::Stuck, End::Redeliver, End::RetryAfterAll,
        ]),
        max_in_flight in 1..12_usize,
        seed: u64,
    ) {
        let run = run(&scripts, max_in_flight, AMPLE, None, seed);
        for (expected, got) in model(&scripts).into_iter().zip(&run.report.records) {
            match expected {
                Expected::After(attempts, disposition) => prop_assert_eq!((attempts, disposition), (got.attempts, got.disposition)),
                Expected::Stuck => {
                    prop_assert!(matches!(got.disposition, Disposition::Unfinished(_)));
                    prop_assert!(got.attempts > 1);
                }
                Expected::HeldBack => prop_assert_eq!((0, Disposition::NotAttempted), (got.attempts, got.disposition)),
            }
        }
        check_rules(&scripts, max_in_flight, AMPLE, &run)?;
        if !scripts.iter().any(|script| script.end == End::Stuck) {
            prop_assert!(run.took < AMPLE, "a deferred record is waited for");
        }
    }

    #[test]
    fn the_rules_hold_however_short_the_time(
        scripts in batch(&[
            End::Done, End::Done, End::Reject, End::PanicWhenPolled, End::Stuck, End::Hang, End::Redeliver,
            End::RetryAfterAll,
        ]),
        max_in_flight in 1..12_usize,
        millis in 0..500_u64,
        cap in prop::option::of(1..30_u64),
        seed: u64,
    ) {
        let time = ms(millis);
        let run = run(&scripts, max_in_flight, time, cap.map(ms), seed);
        check_rules(&scripts, max_in_flight, time, &run)?;
    }

    #[test]
    fn a_panic_when_called_ends_as_one_when_polled(
        scripts in batch(&[End::Done, End::Reject, End::PanicWhenCalled]),
        max_in_flight in 1..12_usize,
        seed: u64,
    ) {
        let run = run(&scripts, max_in_flight, AMPLE, None, seed);
        for (expected, got) in model(&scripts).into_iter().zip(&run.report.records) {
            prop_assert_eq!(expected, Expected::After(got.attempts, got.disposition));
        }
        check_rules(&scripts, max_in_flight, AMPLE, &run)?;
    }

    #[test]
    fn every_failed_record_comes_again(records in vec((any::<bool>(), any::<bool>()), 0..12)) {
        let batch: Vec<_> = records
            .iter()
            .enumerate()
            .map(|(index, (has_number, fails))| {
                let key = if *fails { "poison" } else { "sound" };
                if *has_number { record(key, &(100 + index).to_string()) } else { unnamed(key) }
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let report = runtime.block_on(async {
            process(&batch, &limits(4), support::within(ms(1_000)), |record| async {
                if record.partition_key == "poison" { Verdict::Reject("poison") } else { Verdict::Done }
            })
            .await
        });

        let failed: Vec<usize> = (0..records.len()).filter(|index| records[*index].1).collect();
        if failed.iter().all(|index| records[*index].0) {
            prop_assert_eq!(named(&report), failed, "by name, in order, once each");
        } else {
            prop_assert!(report.response.is_err(), "with the whole batch, for one has no name");
        }
    }
}
