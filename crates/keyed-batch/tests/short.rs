//! Short timeouts, from 1 s on, which is Lambda's shortest. Its default is 3 s.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use keyed_batch::{Disposition, Limits, RecordReport, Verdict, work_through};
use proptest::prelude::*;
use support::{ms, within};
use tokio::time::{Instant, sleep};

fn own_key(record: &u32) -> u32 {
    *record
}

/// When a batch that nothing ends returned, after it began with this much time left.
async fn stopped_after(left: Duration, limits: &Limits) -> Duration {
    let began = Instant::now();
    let work = |_: &u32| std::future::pending::<Verdict>();
    work_through(&[1], own_key, limits, within(left), work).await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_margin_is_500_ms_or_a_fifth_of_the_time_left() {
    let default = Limits::default();
    for (left, stops) in [
        (900_000, 899_500),
        (30_000, 29_500),
        (3_000, 2_500),
        (2_500, 2_000),
        (2_000, 1_600),
        (1_000, 800),
        (100, 80),
        (0, 0),
    ] {
        assert_eq!(stopped_after(ms(left), &default).await, ms(stops));
    }
}

#[tokio::test(start_paused = true)]
async fn a_margin_that_is_set_holds_whatever_the_timeout() {
    let limits = Limits::default().margin(ms(500));
    assert_eq!(stopped_after(ms(1_000), &limits).await, ms(500));
    assert_eq!(stopped_after(ms(30_000), &limits).await, ms(29_500));
}

/// A stream's mapping as Lambda has it. It sends a batch again from the lowest record that failed,
/// and all that was done behind that record too. Returns the number of invocations until every
/// record is done.
async fn invocations(records: u32, timeout: Duration, each: Duration) -> u32 {
    let mut batch: Vec<u32> = (0..records).collect();
    for invocation in 1.. {
        let began = Instant::now();
        let limits = Limits::default().jitter_seed(Some(1));
        let reports = work_through(&batch, own_key, &limits, within(timeout), |_| async {
            sleep(each).await;
            Verdict::Done
        })
        .await;
        assert!(began.elapsed() <= timeout - ms(500).min(timeout / 5));
        let failed = |report: &RecordReport| report.disposition.is_failure();
        let Some(checkpoint) = reports.iter().position(failed) else {
            return invocation;
        };
        assert!(checkpoint > 0, "an invocation without progress");
        batch.drain(..checkpoint);
    }
    unreachable!("the loop has no end")
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_done_after_some_invocations_of_a_short_timeout() {
    // 32 records at once take 20 ms each. What ends at the very moment of the margin does not
    // count.
    for (timeout, expected) in [(1_000, 9), (2_000, 4), (3_000, 3)] {
        assert_eq!(
            invocations(10_000, ms(timeout), ms(20)).await,
            expected,
            "{timeout} ms"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// All that fits into the time is done, and the response has a fifth of the time, or 500 ms.
    #[test]
    fn a_short_timeout_does_as_much_as_fits_into_it(
        seconds in 1_u64..4,
        millis in 1_u64..1_500,
        is_one_key: bool,
        records in 1_u32..200,
        in_flight in 1_usize..40,
    ) {
        let timeout = Duration::from_secs(seconds);
        let batch: Vec<u32> = (0..records).collect();
        let limits = Limits::default().max_in_flight(NonZeroUsize::new(in_flight).unwrap());
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let (reports, took) = runtime.block_on(async {
            let began = Instant::now();
            let work = |_: &u32| async {
                sleep(ms(millis)).await;
                Verdict::Done
            };
            let key = |record: &u32| if is_one_key { 0 } else { *record };
            (work_through(&batch, key, &limits, within(timeout), work).await, began.elapsed())
        });
        let time = timeout - ms(500).min(timeout / 5);
        prop_assert!(took <= time);
        let rounds = usize::try_from(time.as_millis() / u128::from(millis)).unwrap();
        let at_once = if is_one_key { 1 } else { in_flight };
        let done = reports.iter().filter(|report| report.disposition == Disposition::Done).count();
        // A round that ends at the very moment of the margin may count or not.
        prop_assert!(done >= batch.len().min(rounds.saturating_sub(1) * at_once), "{done} done");
        prop_assert!(done <= rounds * at_once, "{done} done");
    }
}
