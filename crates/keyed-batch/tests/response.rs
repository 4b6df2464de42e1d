//! The partial batch response, literally as Lambda gets it, and the summary beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use keyed_batch::{
    Disposition, KinesisRecord, MissingIdentifier, Report, Summary, Verdict, process,
};
use support::{event, limits, ms, record, record_json, unnamed, within};

fn json(report: &Report) -> String {
    serde_json::to_string(report.response.as_ref().unwrap()).unwrap()
}

/// Rejects the records of partition key "poison", retries "stuck", panics at "bug", and does the
/// others.
async fn run(records: &[KinesisRecord]) -> Report {
    process(records, &limits(8), within(ms(1_000)), |record| async {
        match record.partition_key.as_str() {
            "poison" => Verdict::Reject("unknown_type"),
            "stuck" => Verdict::Retry("throttled"),
            "bug" => panic!("a bug"),
            _ => Verdict::Done,
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn nothing_failed_is_an_empty_list() {
    assert_eq!(
        json(&run(&event(&["a", "b"]).records).await),
        r#"{"batchItemFailures":[]}"#
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_an_empty_list() {
    assert_eq!(json(&run(&[]).await), r#"{"batchItemFailures":[]}"#);
}

#[tokio::test(start_paused = true)]
async fn each_failed_record_is_named_by_its_sequence_number_in_the_order_of_the_batch() {
    let report = run(&event(&["stuck", "a", "bug", "stuck", "poison", "b"]).records).await;
    assert_eq!(
        json(&report),
        concat!(
            r#"{"batchItemFailures":[{"itemIdentifier":"100"},{"itemIdentifier":"102"},"#,
            r#"{"itemIdentifier":"103"},{"itemIdentifier":"104"}]}"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_sequence_number_of_any_length_is_named_unchanged() {
    let number = "49590338271490256608559692538361571095921575989136588898";
    let report = run(&[record("poison", number)]).await;
    assert_eq!(
        json(&report),
        format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{number}"}}]}}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn with_a_failed_record_that_has_no_number_the_invocation_must_fail() {
    let report = run(&[unnamed("a"), unnamed("poison"), record("poison", "102")]).await;
    assert_eq!(report.response, Err(MissingIdentifier));
    assert_eq!(
        report.summary.done, 1,
        "its neighbours are attempted all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_number_that_is_done_needs_no_name() {
    let report = run(&[unnamed("a"), record("poison", "101")]).await;
    assert_eq!(
        json(&report),
        r#"{"batchItemFailures":[{"itemIdentifier":"101"}]}"#
    );
}

#[tokio::test(start_paused = true)]
async fn an_absent_sequence_number_in_the_event_is_a_missing_one() {
    let mut value = record_json("poison", "100");
    let members = value["kinesis"].as_object_mut().unwrap();
    members.remove("sequenceNumber");
    let absent: KinesisRecord = serde_json::from_value(value).unwrap();
    let report = run(&[record("a", "99"), absent]).await;
    assert_eq!(report.response, Err(MissingIdentifier));
}

#[tokio::test(start_paused = true)]
async fn the_summary_counts_every_record_once() {
    let report = run(&event(&["a", "poison", "bug", "stuck", "stuck", "stuck", "b"]).records).await;
    let Summary {
        records,
        attempts,
        done,
        rejected,
        panicked,
        unfinished,
        not_attempted,
        ..
    } = report.summary;
    assert_eq!(
        (records, done, rejected, panicked, unfinished, not_attempted),
        (7, 2, 1, 1, 1, 2)
    );
    assert_eq!(report.summary.failed(), 5);
    assert_eq!(
        attempts,
        report
            .records
            .iter()
            .map(|record| u64::from(record.attempts))
            .sum::<u64>()
    );
    assert!(attempts > 5);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_each_record_is_told_in_the_order_of_the_batch() {
    let report = run(&event(&["a", "poison", "bug"]).records).await;
    let dispositions: Vec<Disposition> = report
        .records
        .iter()
        .map(|record| record.disposition)
        .collect();
    assert_eq!(
        dispositions,
        [
            Disposition::Done,
            Disposition::Rejected("unknown_type"),
            Disposition::Panicked
        ]
    );
}
