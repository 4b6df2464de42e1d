//! Work that returns a `Result`, so that it may use `?`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::time::Duration;

use keyed_batch::{
    Disposition, IntoVerdict, KinesisRecord, RecordReport, TIMED_OUT, Verdict, process,
    work_through_in_chunks,
};
use support::{limits, ms, record, within};

#[derive(Clone, Copy, Debug)]
enum Failure {
    Poison,
    Busy,
    InProgress,
}

impl From<std::str::Utf8Error> for Failure {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::Poison
    }
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Poison => Self::Reject("poison"),
            Failure::Busy => Self::RetryAfter("busy", Duration::MAX),
            Failure::InProgress => Self::Redeliver("in_progress"),
        }
    }
}

fn dispositions(reports: &[RecordReport]) -> Vec<Disposition> {
    reports.iter().map(|report| report.disposition).collect()
}

async fn call(record: &KinesisRecord) -> Result<(), Failure> {
    match std::str::from_utf8(record.data())? {
        "busy" => Err(Failure::Busy),
        "in progress" => Err(Failure::InProgress),
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_work_has_its_own_verdict_and_ok_is_done() {
    let records = [
        KinesisRecord::new("a", "1", "fine"),
        KinesisRecord::new("b", "2", [0xff]),
        KinesisRecord::new("c", "3", "busy"),
        KinesisRecord::new("d", "4", "in progress"),
    ];
    let report = process(&records, &limits(4), within(ms(1_000)), call).await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Done,
            Disposition::Rejected("poison"),
            Disposition::Deferred("busy"),
            Disposition::Deferred("in_progress"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_an_error_of_itself() {
    let records = [record("a", "1")];
    let report = process(&records, &limits(4), within(ms(1_000)), async |record| {
        if record.data() == b"hello" {
            Err(Verdict::Reject("no_greeting"))?;
        }
        Ok::<_, Verdict>(())
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [Disposition::Rejected("no_greeting")]
    );
}

#[test]
fn ok_with_a_verdict_is_that_verdict_and_not_done() {
    let verdict = |result: Result<Verdict, Failure>| result.into_verdict();
    assert_eq!(verdict(Ok(Verdict::Retry("busy"))), Verdict::Retry("busy"));
    assert_eq!(verdict(Ok(Verdict::Done)), Verdict::Done);
    assert_eq!(verdict(Err(Failure::Poison)), Verdict::Reject("poison"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_returns_a_result_is_cut_off_like_any_other() {
    let records = [record("a", "1")];
    let report = process(&records, &limits(4), within(ms(100)), |_| {
        std::future::pending::<Result<(), Failure>>()
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [Disposition::Unfinished(TIMED_OUT)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_chunk_may_each_have_a_result() {
    let most = std::num::NonZeroUsize::MAX;
    let until = within(ms(1_000));
    let judge = |number: &u32| match number {
        1 => Ok(()),
        _ => Err(Failure::InProgress),
    };
    let reports = work_through_in_chunks(
        &[1, 2],
        |number| *number,
        &limits(1),
        most,
        until,
        |chunk| async move { chunk.judge(judge) },
    )
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Done, Disposition::Deferred("in_progress")]
    );
}
