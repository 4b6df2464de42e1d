//! Records that are left to a later invocation, and records that are retried no sooner than the
//! work says.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use keyed_batch::{
    Disposition, Limits, RecordReport, Summary, Verdict, work_through, work_through_in_chunks,
};
use support::{limits, ms, within};
use tokio::time::{Instant, sleep};

/// A record, which is its key, and a name to tell it from the others of that key.
type Keyed = (char, u32);

fn key(record: &Keyed) -> char {
    record.0
}

fn dispositions(reports: &[RecordReport]) -> Vec<Disposition> {
    reports.iter().map(|report| report.disposition).collect()
}

fn attempts(reports: &[RecordReport]) -> Vec<u32> {
    reports.iter().map(|report| report.attempts).collect()
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_holds_back_its_key_and_keeps_nobody_waiting() {
    let records = [('a', 1), ('b', 1), ('a', 2), ('b', 2)];
    let began = Instant::now();
    let reports = work_through(
        &records,
        key,
        &limits(32),
        within(ms(30_000)),
        |record| async {
            sleep(ms(10)).await;
            match record {
                ('a', 1) => Verdict::Redeliver("in_progress"),
                _ => Verdict::Done,
            }
        },
    )
    .await;
    assert_eq!(
        dispositions(&reports),
        [
            Disposition::Deferred("in_progress"),
            Disposition::Done,
            Disposition::NotAttempted,
            Disposition::Done
        ]
    );
    assert_eq!(attempts(&reports), [1, 1, 0, 1]);
    assert_eq!(began.elapsed(), ms(20), "the two records of b");
}

#[tokio::test(start_paused = true)]
async fn a_record_may_be_redelivered_after_retries() {
    let calls = Cell::new(0);
    let reports = work_through(&[('a', 1)], key, &limits(1), within(ms(30_000)), |_| {
        calls.set(calls.get() + 1);
        let verdict = match calls.get() {
            3 => Verdict::Redeliver("in_progress"),
            _ => Verdict::Retry("throttled"),
        };
        async move { verdict }
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Deferred("in_progress")]
    );
    assert_eq!(attempts(&reports), [3]);
}

/// When the second attempt at a record began, after a first one that came to this. `None` if there
/// was only one attempt. The other values are its disposition, and the time that the batch took.
async fn second_attempt(
    first: Verdict,
    left: Duration,
) -> (Option<Duration>, Disposition, Duration) {
    let limits = limits(1).backoff(ms(100), ms(100));
    let began = Instant::now();
    let starts = RefCell::new(Vec::new());
    let reports = work_through(&[('a', 1)], key, &limits, within(left), |_| {
        starts.borrow_mut().push(began.elapsed());
        let verdict = match starts.borrow().len() {
            1 => first,
            _ => Verdict::Done,
        };
        async move { verdict }
    })
    .await;
    let second = starts.borrow().get(1).copied();
    (second, reports[0].disposition, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_retry_begins_no_sooner_than_the_work_says() {
    let first = Verdict::RetryAfter("busy", ms(5_000));
    let (second, disposition, _) = second_attempt(first, ms(30_000)).await;
    assert_eq!(second, Some(ms(5_000)));
    assert_eq!(disposition, Disposition::Done);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_no_time_waits_for_its_back_off() {
    let first = Verdict::RetryAfter("busy", Duration::ZERO);
    let (after, ..) = second_attempt(first, ms(30_000)).await;
    let (plain, ..) = second_attempt(Verdict::Retry("busy"), ms(30_000)).await;
    assert_eq!(after, plain);
    assert!(after > Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_begin_when_the_time_is_up_is_not_waited_for() {
    for wait in [ms(1_000), ms(1_001), Duration::MAX] {
        let first = Verdict::RetryAfter("busy", wait);
        let (second, disposition, took) = second_attempt(first, ms(1_000)).await;
        assert_eq!((second, took), (None, Duration::ZERO), "{wait:?}");
        assert_eq!(disposition, Disposition::Deferred("busy"));
    }
    let first = Verdict::RetryAfter("busy", ms(999));
    let (second, disposition, _) = second_attempt(first, ms(1_000)).await;
    assert_eq!((second, disposition), (Some(ms(999)), Disposition::Done));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_have_too_little_time_is_not_waited_for() {
    let limits = limits(1).least_attempt(ms(2_000));
    for (wait, expected) in [
        (ms(8_000), Disposition::Done),
        (ms(8_001), Disposition::Deferred("busy")),
    ] {
        let calls = Cell::new(0);
        let until = within(ms(10_000));
        let reports = work_through(&[('a', 1)], key, &limits, until, |_| {
            calls.set(calls.get() + 1);
            let verdict = match calls.get() {
                1 => Verdict::RetryAfter("busy", wait),
                _ => Verdict::Done,
            };
            async move { verdict }
        })
        .await;
        assert_eq!(dispositions(&reports), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_and_a_plain_retry_begin_with_any_time() {
    let limits = limits(1).least_attempt(ms(2_000)).backoff(ms(1), ms(1));
    let reports = work_through(&[('a', 1)], key, &limits, within(ms(100)), |_| async {
        Verdict::Retry("busy")
    })
    .await;
    assert_eq!(dispositions(&reports), [Disposition::Unfinished("busy")]);
    assert!(reports[0].attempts > 10);
}

#[tokio::test(start_paused = true)]
async fn the_summary_counts_deferred_records() {
    let records = [('a', 1), ('a', 2), ('b', 1)];
    let reports = work_through(
        &records,
        key,
        &limits(32),
        within(ms(30_000)),
        |record| async move {
            match record.0 {
                'a' => Verdict::Redeliver("in_progress"),
                _ => Verdict::RetryAfter("busy", Duration::MAX),
            }
        },
    )
    .await;
    let summary = Summary::of(&reports);
    assert_eq!((summary.deferred, summary.not_attempted), (2, 1));
    assert_eq!(summary.failed(), 3);
}

#[tokio::test(start_paused = true)]
async fn in_a_chunk_each_record_is_deferred_by_itself() {
    let records = [('a', 1), ('b', 1), ('c', 1), ('a', 2), ('b', 2), ('c', 2)];
    let began = Instant::now();
    let chunks = RefCell::new(Vec::new());
    let reports = work_through_in_chunks(
        &records,
        key,
        &limits(1),
        NonZeroUsize::new(500).unwrap(),
        within(ms(30_000)),
        |chunk| {
            let of_chunk: Vec<Keyed> = chunk.records().iter().copied().copied().collect();
            chunks.borrow_mut().push((began.elapsed(), of_chunk));
            let is_first = chunks.borrow().len() == 1;
            async move {
                chunk.judge(|record| match record {
                    ('a', 1) => Verdict::Redeliver("in_progress"),
                    ('b', 1) if is_first => Verdict::RetryAfter("busy", ms(4_000)),
                    _ => Verdict::Done,
                })
            }
        },
    )
    .await;
    let expected = [
        (ms(0), vec![('a', 1), ('b', 1), ('c', 1)]),
        (ms(0), vec![('c', 2)]),
        (ms(4_000), vec![('b', 1)]),
        (ms(4_000), vec![('b', 2)]),
    ];
    assert_eq!(chunks.into_inner(), expected);
    assert_eq!(
        dispositions(&reports),
        [
            Disposition::Deferred("in_progress"),
            Disposition::Done,
            Disposition::Done,
            Disposition::NotAttempted,
            Disposition::Done,
            Disposition::Done
        ]
    );
}

/// A lock whose holder leaves its lease behind, as one that dies does. The lease ends some time
/// after the holder's deadline.
#[derive(Default)]
struct Lock {
    leases: RefCell<HashMap<Keyed, Option<Instant>>>,
    calls: Cell<u32>,
}

impl Lock {
    const SKEW: Duration = Duration::from_secs(1);

    /// Works on a record under its lease. The first attempt at `('a', 1)` leaves its lease behind.
    fn attempt(
        &self,
        record: Keyed,
        deadline: Instant,
        in_progress: fn(Duration) -> Verdict,
    ) -> Verdict {
        self.calls.set(self.calls.get() + 1);
        let mut leases = self.leases.borrow_mut();
        let lease = leases.get(&record).copied();
        match lease {
            Some(None) => return Verdict::Done,
            Some(Some(until)) if until > Instant::now() => {
                return in_progress(until - Instant::now());
            }
            _ => {}
        }
        if record == ('a', 1) && lease.is_none() {
            leases.insert(record, Some(deadline + Self::SKEW));
            return Verdict::Retry("no_answer");
        }
        leases.insert(record, None);
        Verdict::Done
    }

    /// One invocation of 30 s, with the calls of the lock and the time that it took.
    async fn invoke(
        &self,
        records: &[Keyed],
        seed: u64,
        in_progress: fn(Duration) -> Verdict,
    ) -> (Vec<Disposition>, u32, Duration) {
        let limits = Limits::default().jitter_seed(Some(seed));
        let (began, calls) = (Instant::now(), self.calls.get());
        let deadline = within(ms(30_000));
        let reports = work_through(records, key, &limits, deadline, |record| {
            let verdict = self.attempt(*record, deadline, in_progress);
            async move { verdict }
        })
        .await;
        let calls = self.calls.get() - calls;
        (dispositions(&reports), calls, began.elapsed())
    }
}

const BATCH: [Keyed; 3] = [('a', 1), ('a', 2), ('b', 1)];

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_polled_keeps_the_invocation_alive_for_all_its_time() {
    let polls = |_| Verdict::Retry("in_progress");
    for seed in 0..50 {
        let lock = Lock::default();
        let (ends, calls, took) = lock.invoke(&BATCH, seed, polls).await;
        assert_eq!(took, ms(29_500));
        assert!((25..=55).contains(&calls), "{calls} calls of the lock");
        let unfinished = Disposition::Unfinished("in_progress");
        assert_eq!(
            ends,
            [unfinished, Disposition::NotAttempted, Disposition::Done]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_says_how_long_is_asked_once_and_the_next_invocation_succeeds_at_once() {
    let waits = |left| Verdict::RetryAfter("in_progress", left);
    for seed in 0..50 {
        let lock = Lock::default();
        let (ends, calls, took) = lock.invoke(&BATCH, seed, waits).await;
        // The attempt, one retry that finds its lease, and the other key.
        assert_eq!(calls, 3);
        assert!(took <= ms(51), "one back-off, and {took:?}");
        let deferred = Disposition::Deferred("in_progress");
        assert_eq!(
            ends,
            [deferred, Disposition::NotAttempted, Disposition::Done]
        );

        // Lambda sends the batch again when the lease has ended.
        sleep(ms(31_000)).await;
        let (ends, calls, took) = lock.invoke(&BATCH, seed, waits).await;
        assert_eq!((ends, calls), (vec![Disposition::Done; 3], 3));
        assert_eq!(took, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_comes_before_the_lease_ends_waits_for_its_end_and_does_not_poll() {
    let waits = |left| Verdict::RetryAfter("in_progress", left);
    let lock = Lock::default();
    let (_, _, first) = lock.invoke(&BATCH, 1, waits).await;
    // The lease ends at 31 s, and this invocation stops at 31.5 s.
    sleep(ms(2_000) - first).await;
    let (ends, calls, took) = lock.invoke(&BATCH, 1, waits).await;
    assert_eq!(ends, [Disposition::Done; 3]);
    assert_eq!(
        calls, 4,
        "one for each record, and the one that had to wait"
    );
    assert_eq!(took, ms(29_000));
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_of_a_lock_never_waits() {
    let leaves = |_| Verdict::Redeliver("in_progress");
    let lock = Lock::default();
    lock.invoke(&BATCH, 1, leaves).await;
    sleep(ms(2_000)).await;
    let (ends, calls, took) = lock.invoke(&BATCH, 1, leaves).await;
    let deferred = Disposition::Deferred("in_progress");
    assert_eq!(
        ends,
        [deferred, Disposition::NotAttempted, Disposition::Done]
    );
    assert_eq!((calls, took), (2, Duration::ZERO));
}
