//! The cost of a batch of 10,000 records, Lambda's largest. It is counted, not timed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    pin::pin,
};

use keyed_batch::{Limits, RecordReport, Summary, Verdict, work_through};
use support::{limits, ms, within};
use tokio::time::sleep;

const RECORDS: u64 = 10_000;

#[derive(Default)]
struct Counts {
    calls: Cell<u64>,
    polls: Cell<u64>,
    /// Hashes and comparisons of keys.
    key_uses: Cell<u64>,
    alive: Cell<usize>,
    most_alive: Cell<usize>,
}

fn add(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

struct CountedKey<'a>(u64, &'a Counts);

impl Hash for CountedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        add(&self.1.key_uses);
        self.0.hash(state);
    }
}

impl PartialEq for CountedKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        add(&self.1.key_uses);
        self.0 == other.0
    }
}

impl Eq for CountedKey<'_> {}

struct Alive<'a>(&'a Counts);

impl<'a> Alive<'a> {
    fn new(counts: &'a Counts) -> Self {
        counts.alive.set(counts.alive.get() + 1);
        counts
            .most_alive
            .set(counts.most_alive.get().max(counts.alive.get()));
        Self(counts)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.alive.set(self.0.alive.get() - 1);
    }
}

/// Works on 10,000 records, spread over `keys` keys. Each attempt sleeps once, and the n-th at a
/// record comes to `verdict(record, n)`.
async fn work_on(
    counts: &Counts,
    keys: u64,
    limits: &Limits,
    verdict: impl Fn(u64, u64) -> Verdict + Copy,
) -> Vec<RecordReport> {
    let records: Vec<(u64, Cell<u64>)> =
        (0..RECORDS).map(|record| (record, Cell::new(0))).collect();
    let key = |record: &(u64, Cell<u64>)| CountedKey(record.0 % keys, counts);
    work_through(
        &records,
        key,
        limits,
        within(ms(60_000)),
        |(record, attempts)| {
            add(&counts.calls);
            add(attempts);
            let verdict = verdict(*record, attempts.get());
            let alive = Alive::new(counts);
            async move {
                let mut slept = pin!(sleep(ms(1)));
                std::future::poll_fn(|context| {
                    add(&counts.polls);
                    slept.as_mut().poll(context)
                })
                .await;
                drop(alive);
                verdict
            }
        },
    )
    .await
}

fn check(counts: &Counts, reports: &[RecordReport], attempts: u64) {
    assert_eq!(Summary::of(reports).attempts, attempts);
    assert_eq!(counts.calls.get(), attempts);
    // Once when it begins, once when its timer fires, and now and then once more when tokio makes
    // the task yield.
    assert!(
        counts.polls.get() <= attempts * 5 / 2,
        "{} polls for {attempts} attempts",
        counts.polls.get()
    );
    assert!(
        counts.key_uses.get() <= RECORDS * 4,
        "{} uses of keys",
        counts.key_uses.get()
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_records_of_one_key_cost_one_attempt_each() {
    let counts = Counts::default();
    let reports = work_on(&counts, 1, &limits(32), |_, _| Verdict::Done).await;
    check(&counts, &reports, RECORDS);
    assert_eq!(counts.most_alive.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_cost_one_attempt_each_and_no_more_futures_than_places() {
    let counts = Counts::default();
    let reports = work_on(&counts, RECORDS, &limits(32), |_, _| Verdict::Done).await;
    check(&counts, &reports, RECORDS);
    assert_eq!(counts.most_alive.get(), 32);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_at_once_cost_one_attempt_each() {
    let counts = Counts::default();
    let limits = limits(10_000).attempt_timeout(Some(ms(500)));
    let reports = work_on(&counts, RECORDS, &limits, |_, _| Verdict::Done).await;
    check(&counts, &reports, RECORDS);
    assert_eq!(counts.most_alive.get(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_that_are_retried_cost_no_more_than_their_attempts() {
    let counts = Counts::default();
    let retried_twice = |_, attempt| {
        if attempt <= 2 {
            Verdict::Retry("throttled")
        } else {
            Verdict::Done
        }
    };
    let reports = work_on(&counts, RECORDS, &limits(32), retried_twice).await;
    check(&counts, &reports, RECORDS * 3);
    assert_eq!(counts.most_alive.get(), 32);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_records_behind_a_retry_cost_nothing() {
    let counts = Counts::default();
    let limits = limits(32);
    let reports = work_on(&counts, 1, &limits, |_, _| Verdict::Retry("throttled")).await;
    check(&counts, &reports, u64::from(reports[0].attempts));
    assert_eq!(Summary::of(&reports).not_attempted, 9_999);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_panics_when_called_need_no_stack() {
    support::expect_bugs();
    let records: Vec<u64> = (0..RECORDS).collect();
    let reports = work_through(
        &records,
        |_| "one key",
        &limits(1),
        within(ms(60_000)),
        |_| {
            if RECORDS > 0 {
                panic!("a bug");
            }
            async { Verdict::Done }
        },
    )
    .await;
    assert_eq!(Summary::of(&reports).panicked, 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_is_not_polled() {
    let limits = limits(32);
    let mut batch = pin!(work_through(
        &[1, 2, 3],
        |record| *record,
        &limits,
        within(ms(60_000)),
        |_| async {
            sleep(ms(30_000)).await;
            Verdict::Done
        }
    ));
    let polls = Cell::new(0_u64);
    std::future::poll_fn(|context| {
        add(&polls);
        batch.as_mut().poll(context).map(drop)
    })
    .await;
    assert!(polls.get() <= 4, "{} polls for three timers", polls.get());
}
