//! The deadline and its margin, the cap on an attempt, and the pace of retries.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::{cell::RefCell, future::pending, time::Duration};

use keyed_batch::{Disposition, RecordReport, TIMED_OUT, Verdict, work_through};
use support::{limits, ms, within};
use tokio::time::{Instant, sleep};

fn own_key(record: &u32) -> u32 {
    *record
}

fn dispositions(reports: &[RecordReport]) -> Vec<Disposition> {
    reports.iter().map(|report| report.disposition).collect()
}

#[tokio::test(start_paused = true)]
async fn the_batch_returns_before_the_deadline_by_the_margin() {
    let began = Instant::now();
    let limits = limits(2).margin(ms(700));
    work_through(&[1, 2, 3], own_key, &limits, within(ms(10_000)), |_| {
        pending::<Verdict>()
    })
    .await;
    assert_eq!(began.elapsed(), ms(9_300));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_finished_returns_without_waiting() {
    let began = Instant::now();
    work_through(
        &[1, 2, 3],
        own_key,
        &limits(3),
        within(ms(10_000)),
        |_| async {
            sleep(ms(20)).await;
            Verdict::Done
        },
    )
    .await;
    assert_eq!(began.elapsed(), ms(20));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_time_is_up_is_timed_out_and_what_was_not_started_is_not_attempted()
{
    let reports = work_through(
        &[1, 2, 3],
        own_key,
        &limits(1),
        within(ms(150)),
        |_| async {
            sleep(ms(100)).await;
            Verdict::Done
        },
    )
    .await;
    assert_eq!(
        dispositions(&reports),
        [
            Disposition::Done,
            Disposition::Unfinished(TIMED_OUT),
            Disposition::NotAttempted
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_retry_when_time_is_up_keeps_its_reason() {
    let limits = limits(1).backoff(ms(60_000), ms(60_000));
    let reports = work_through(&[1], own_key, &limits, within(ms(10)), |_| async {
        Verdict::Retry("throttled")
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Unfinished("throttled")]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_when_the_time_is_up_already() {
    for margin in [ms(1_000), ms(2_000), Duration::MAX] {
        let limits = limits(4).margin(margin);
        let reports = work_through(&[1, 2], own_key, &limits, within(ms(1_000)), |_| async {
            Verdict::Done
        })
        .await;
        assert_eq!(dispositions(&reports), [Disposition::NotAttempted; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_after_the_margin_begins() {
    let deadline = within(ms(1_000));
    let limits = limits(2).margin(ms(400)).backoff(ms(1), ms(5));
    let starts = RefCell::new(Vec::new());
    work_through(&[1, 2, 3], own_key, &limits, deadline, |_| {
        starts.borrow_mut().push(Instant::now());
        async {
            sleep(ms(7)).await;
            Verdict::Retry("throttled")
        }
    })
    .await;
    let last = *starts.borrow().iter().max().unwrap();
    assert!(last < deadline - ms(400));
    assert!(last > deadline - ms(450), "and it goes on until then");
}

#[tokio::test]
async fn work_that_is_always_ready_is_stopped_too() {
    // Work that blocks its thread and never awaits lets no timer fire, so the clock is asked before
    // every start. Here it is the real clock, since a paused one would not move. All the work would
    // take 20 s.
    let records: Vec<u32> = (0..10_000).collect();
    let reports = work_through(&records, own_key, &limits(4), within(ms(100)), |_| {
        std::thread::sleep(ms(2));
        async { Verdict::Done }
    })
    .await;
    assert_eq!(reports[9_999].disposition, Disposition::NotAttempted);
}

#[tokio::test(start_paused = true)]
async fn other_tasks_of_the_runtime_run_while_work_is_always_ready() {
    let records: Vec<u32> = (0..10_000).collect();
    let (limits, deadline) = (limits(4), within(ms(60_000)));
    let polls = RefCell::new(0);
    let batch = work_through(&records, own_key, &limits, deadline, |_| async {
        Verdict::Done
    });
    let other = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
            *polls.borrow_mut() += 1;
        }
        pending::<()>().await;
    };
    tokio::select! {
        biased;
        _ = batch => {}
        () = other => {}
    }
    assert_eq!(*polls.borrow(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_cut_off_at_its_cap_and_attempted_again() {
    let limits = limits(1)
        .attempt_timeout(Some(ms(100)))
        .backoff(ms(1), ms(1));
    let began = Instant::now();
    let mut calls = 0;
    let reports = work_through(&[1], own_key, &limits, within(ms(60_000)), |_| {
        calls += 1;
        let hangs = calls == 1;
        async move {
            if hangs {
                pending().await
            } else {
                Verdict::Done
            }
        }
    })
    .await;
    assert_eq!(dispositions(&reports), [Disposition::Done]);
    assert_eq!(reports[0].attempts, 2);
    assert!((ms(100)..=ms(102)).contains(&began.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_always_reaches_its_cap_is_reported_as_timed_out() {
    let limits = limits(1).attempt_timeout(Some(ms(100)));
    let reports = work_through(&[1], own_key, &limits, within(ms(5_000)), |_| {
        pending::<Verdict>()
    })
    .await;
    assert_eq!(dispositions(&reports), [Disposition::Unfinished(TIMED_OUT)]);
    assert!(reports[0].attempts > 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_cap_an_attempt_may_take_all_the_time_there_is() {
    let reports = work_through(&[1], own_key, &limits(1), within(ms(5_000)), |_| async {
        sleep(ms(4_999)).await;
        Verdict::Done
    })
    .await;
    assert_eq!(dispositions(&reports), [Disposition::Done]);
}

/// How long a record that is always `Retry` waited before each of its first eight retries.
async fn waits(seed: u64) -> Vec<Duration> {
    let limits = limits(1)
        .backoff(ms(100), ms(1_600))
        .jitter_seed(Some(seed));
    let starts = RefCell::new(Vec::new());
    work_through(&[1], own_key, &limits, within(ms(30_000)), |_| {
        starts.borrow_mut().push(Instant::now());
        async { Verdict::Retry("throttled") }
    })
    .await;
    starts
        .borrow()
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .take(8)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn back_offs_grow_to_a_bound() {
    let ceilings = [100, 200, 400, 800, 1_600, 1_600, 1_600, 1_600];
    let mut longest = [Duration::ZERO; 8];
    for seed in 0..200 {
        let waits = waits(seed).await;
        assert_eq!(waits.len(), 8);
        for (longest, wait) in longest.iter_mut().zip(waits) {
            *longest = wait.max(*longest);
        }
    }
    for (longest, ceiling) in longest.into_iter().zip(ceilings) {
        // A timer rounds up to the next millisecond.
        assert!(
            longest <= ms(ceiling + 1),
            "{longest:?} exceeds {ceiling} ms"
        );
        assert!(
            longest > ms(ceiling * 9 / 10),
            "{longest:?} of {ceiling} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn absurd_times_do_not_overflow() {
    let absurd = limits(1)
        .backoff(Duration::MAX, Duration::MAX)
        .attempt_timeout(Some(Duration::MAX));
    let reports = work_through(&[1], own_key, &absurd, within(ms(1_000)), |_| async {
        Verdict::Retry("throttled")
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Unfinished("throttled")]
    );
}

#[tokio::test(start_paused = true)]
async fn times_of_zero_count_as_a_millisecond() {
    let zero = limits(1).backoff(ms(0), ms(0)).attempt_timeout(Some(ms(0)));
    let reports = work_through(&[1], own_key, &zero, within(ms(1_000)), |_| async {
        tokio::task::yield_now().await;
        Verdict::Retry("throttled")
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Unfinished("throttled")]
    );
    assert!(
        (500..5_000).contains(&reports[0].attempts),
        "{} attempts in a second",
        reports[0].attempts
    );
}

#[tokio::test(start_paused = true)]
async fn back_offs_are_jittered() {
    assert_ne!(waits(1).await, waits(2).await);
    assert_eq!(waits(1).await, waits(1).await);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_ridden_out_for_as_long_as_there_is_time() {
    // This holds also when the last back-off ends beyond the deadline, because returning early
    // would only spend one of Lambda's retries sooner.
    let began = Instant::now();
    let limits = limits(32).margin(ms(500));
    let reports = work_through(
        &[1, 2, 3],
        own_key,
        &limits,
        within(ms(30_000)),
        |_| async { Verdict::Retry("throttled") },
    )
    .await;
    assert_eq!(began.elapsed(), ms(29_500));
    assert_eq!(
        dispositions(&reports),
        [Disposition::Unfinished("throttled"); 3]
    );
}
