//! The sequence of the work. Records of one key are worked on in sequence, and keys concurrently.
//! The tests also show which record holds back which.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use keyed_batch::{Disposition, RecordReport, Verdict, work_through};
use support::{limits, ms, within};
use tokio::time::sleep;

/// A record, which is its key, and a name to tell it from the others of that key.
type Keyed = (char, u32);

fn key(record: &Keyed) -> char {
    record.0
}

fn dispositions(reports: &[RecordReport]) -> Vec<Disposition> {
    reports.iter().map(|report| report.disposition).collect()
}

#[tokio::test(start_paused = true)]
async fn records_of_a_key_are_worked_on_one_after_the_other_in_their_order() {
    let records = [('a', 1), ('a', 2), ('a', 3)];
    let log = RefCell::new(Vec::new());
    work_through(&records, key, &limits(32), within(ms(60_000)), |record| {
        let log = &log;
        async move {
            log.borrow_mut().push(("begins", record.1));
            // A later record is faster, so overlapping work would overtake.
            sleep(ms(100 / u64::from(record.1))).await;
            log.borrow_mut().push(("ends", record.1));
            Verdict::Done
        }
    })
    .await;
    let expected = [
        ("begins", 1),
        ("ends", 1),
        ("begins", 2),
        ("ends", 2),
        ("begins", 3),
        ("ends", 3),
    ];
    assert_eq!(log.into_inner(), expected);
}

/// Works on `keys` different keys, 10 ms each. Gives the most that were under way at once, and the
/// milliseconds that it took.
async fn most_at_once(keys: u32, max_in_flight: usize) -> (usize, u128) {
    let records: Vec<u32> = (0..keys).collect();
    let (under_way, most) = (Cell::new(0), Cell::new(0));
    let began = tokio::time::Instant::now();
    work_through(
        &records,
        |record| *record,
        &limits(max_in_flight),
        within(ms(60_000)),
        |_| {
            let (under_way, most) = (&under_way, &most);
            async move {
                under_way.set(under_way.get() + 1);
                most.set(most.get().max(under_way.get()));
                sleep(ms(10)).await;
                under_way.set(under_way.get() - 1);
                Verdict::Done
            }
        },
    )
    .await;
    (most.get(), began.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn different_keys_are_worked_on_at_once_up_to_the_bound_and_never_above() {
    assert_eq!(most_at_once(100, 8).await.0, 8);
    assert_eq!(most_at_once(100, 1).await.0, 1);
    assert_eq!(most_at_once(5, 8).await.0, 5);
}

#[tokio::test(start_paused = true)]
async fn a_free_place_is_filled_at_once() {
    assert_eq!(most_at_once(100, 10).await.1, 100);
}

#[tokio::test(start_paused = true)]
async fn work_starts_in_the_order_of_the_batch_as_far_as_keys_permit() {
    // When a1 is done, a2 (index 1) comes before b, c and d, which have been startable for longer.
    let records = [('a', 1), ('a', 2), ('b', 1), ('c', 1), ('a', 3), ('d', 1)];
    let starts = RefCell::new(Vec::new());
    work_through(&records, key, &limits(1), within(ms(60_000)), |record| {
        starts.borrow_mut().push(*record);
        async { Verdict::Done }
    })
    .await;
    assert_eq!(starts.into_inner(), records);
}

#[tokio::test(start_paused = true)]
async fn a_retry_holds_back_the_later_records_of_its_key_and_only_those() {
    let records = [('a', 1), ('a', 2), ('b', 1), ('b', 2)];
    let reports = work_through(
        &records,
        key,
        &limits(32),
        within(ms(5_000)),
        |record| async move {
            if *record == ('a', 1) {
                Verdict::Retry("throttled")
            } else {
                Verdict::Done
            }
        },
    )
    .await;
    let expected = [
        Disposition::Unfinished("throttled"),
        Disposition::NotAttempted,
        Disposition::Done,
        Disposition::Done,
    ];
    assert_eq!(dispositions(&reports), expected);
    assert!(reports[0].attempts > 1);
    assert_eq!(reports[1].attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_succeeds_lets_its_key_go_on() {
    let records = [('a', 1), ('a', 2)];
    let left = Cell::new(3);
    let reports = work_through(&records, key, &limits(32), within(ms(60_000)), |_| {
        let verdict = if left.get() > 0 {
            Verdict::Retry("throttled")
        } else {
            Verdict::Done
        };
        left.set(left.get() - 1);
        async move { verdict }
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Done, Disposition::Done]
    );
    assert_eq!([reports[0].attempts, reports[1].attempts], [4, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_reject_does_not_hold_back_its_key() {
    let records = [('a', 1), ('a', 2)];
    let reports = work_through(
        &records,
        key,
        &limits(32),
        within(ms(60_000)),
        |record| async move {
            if record.1 == 1 {
                Verdict::Reject("unknown_type")
            } else {
                Verdict::Done
            }
        },
    )
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Rejected("unknown_type"), Disposition::Done]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reject_is_not_attempted_again() {
    let reports = work_through(
        &[('a', 1)],
        key,
        &limits(32),
        within(ms(60_000)),
        |_| async { Verdict::Reject("unknown_type") },
    )
    .await;
    assert_eq!(reports[0].attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_polled_rejects_that_record_alone() {
    let records = [('a', 1), ('a', 2), ('b', 1)];
    let reports = work_through(
        &records,
        key,
        &limits(32),
        within(ms(60_000)),
        |record| async move {
            sleep(ms(1)).await;
            assert_ne!(*record, ('a', 1));
            Verdict::Done
        },
    )
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Panicked, Disposition::Done, Disposition::Done]
    );
    assert_eq!(reports[0].attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_when_called_rejects_that_record_alone() {
    let records = [('a', 1), ('a', 2), ('b', 1)];
    let reports = work_through(&records, key, &limits(32), within(ms(60_000)), |record| {
        assert_ne!(*record, ('a', 1));
        async { Verdict::Done }
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Panicked, Disposition::Done, Disposition::Done]
    );
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_an_attempt_that_ran_out_of_time_is_dropped_rejects_that_record_alone() {
    let records = [('a', 1), ('b', 1)];
    let limits = limits(32).attempt_timeout(Some(ms(10)));
    let reports = work_through(
        &records,
        key,
        &limits,
        within(ms(60_000)),
        |record| async move {
            let _held = (record.0 == 'a').then(|| PanicsWhenDropped);
            sleep(ms(if record.0 == 'a' { 20 } else { 1 })).await;
            Verdict::Done
        },
    )
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Panicked, Disposition::Done]
    );
}

#[tokio::test(start_paused = true)]
async fn as_many_stuck_keys_as_places_do_not_keep_other_keys_from_being_attempted() {
    let records: Vec<u32> = (0..100).collect();
    let limits = limits(4).backoff(ms(1), ms(1));
    let reports = work_through(
        &records,
        |record| *record,
        &limits,
        within(ms(2_000)),
        |record| async move {
            sleep(ms(10)).await;
            if *record < 50 {
                Verdict::Retry("throttled")
            } else {
                Verdict::Done
            }
        },
    )
    .await;
    assert!(
        reports[..50]
            .iter()
            .all(|report| matches!(report.disposition, Disposition::Unfinished(_)))
    );
    assert!(
        reports[50..]
            .iter()
            .all(|report| report.disposition == Disposition::Done)
    );
}

#[tokio::test(start_paused = true)]
async fn every_record_is_attempted_before_any_is_attempted_again() {
    let records: Vec<u32> = (0..20).collect();
    let limits = limits(2).backoff(ms(1), ms(1));
    let starts = RefCell::new(Vec::new());
    work_through(
        &records,
        |record| *record,
        &limits,
        within(ms(500)),
        |record| {
            starts.borrow_mut().push(*record);
            async {
                sleep(ms(10)).await;
                Verdict::Retry("throttled")
            }
        },
    )
    .await;
    assert_eq!(starts.borrow()[..20], records);
    assert!(starts.borrow().len() > 20);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_batch_leaves_nothing_running() {
    let records: Vec<u32> = (0..10).collect();
    let (calls, alive) = (Rc::new(Cell::new(0)), Rc::new(()));
    let limits = limits(4);
    let batch = work_through(
        &records,
        |record| *record,
        &limits,
        within(ms(60_000)),
        |record| {
            let (calls, alive) = (calls.clone(), alive.clone());
            async move {
                calls.set(calls.get() + 1);
                sleep(ms(if *record == 0 { 1 } else { 1_000 })).await;
                drop(alive);
                Verdict::Retry("throttled")
            }
        },
    );
    assert!(tokio::time::timeout(ms(10), batch).await.is_err());
    let calls_when_dropped = calls.get();
    assert!(calls_when_dropped >= 4);
    assert_eq!(Rc::strong_count(&alive), 1, "no attempt is left");
    sleep(ms(60_000)).await;
    assert_eq!(calls.get(), calls_when_dropped);
}

#[tokio::test]
async fn the_future_is_send_when_the_work_is() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let limits = limits(4);
    let deadline = within(ms(60_000));
    let keyed = work_through(&[('a', 1)], key, &limits, deadline, |_| async {
        sleep(ms(1)).await;
        Verdict::Done
    });
    assert_send(keyed).await;
    #[cfg(feature = "kinesis")]
    {
        let event = support::event(&["a"]);
        let kinesis =
            keyed_batch::process(&event.records, &limits, deadline, |record| async move {
                sleep(ms(record.data().len() as u64)).await;
                Verdict::Done
            });
        let _ = assert_send(kinesis).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_done_at_once() {
    let began = tokio::time::Instant::now();
    let reports = work_through(&[], key, &limits(1), within(ms(60_000)), |_| async {
        Verdict::Done
    })
    .await;
    assert_eq!(reports, []);
    assert_eq!(began.elapsed(), ms(0));
}
