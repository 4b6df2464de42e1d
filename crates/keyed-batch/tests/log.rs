//! The facts about a batch that are logged, and those that never are.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use keyed_batch::{SqsMessage, Verdict, process};
use support::{event, limits, ms, within};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// All that is logged, at any level, while a batch with every disposition is worked through.
async fn logged() -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let event = event(&[
        "jane-done",
        "jane-poison",
        "jane-bug",
        "jane-stuck",
        "jane-stuck",
        "jane-later",
    ]);
    let _ = process(
        &event.records,
        &limits(8).margin(ms(10)),
        within(ms(20)),
        |record| async {
            match record.partition_key.as_str() {
                "jane-poison" => Verdict::Reject("unknown_type"),
                "jane-bug" => panic!("{} sent {:?}", record.partition_key, record.data()),
                "jane-later" => Verdict::Redeliver("in_progress"),
                "jane-stuck" => {
                    std::future::pending::<()>().await;
                    Verdict::Done
                }
                _ => Verdict::Done,
            }
        },
    )
    .await;
    lines.text()
}

#[tokio::test(start_paused = true)]
async fn each_failed_record_is_logged_once_with_sequence_number_shard_attempts_and_reason() {
    let expected = [
        r#" WARN keyed_batch::process: record rejected sequence_number="101" shard="shardId-000000000007" attempts=1 reason="unknown_type""#,
        r#" WARN keyed_batch::process: record rejected sequence_number="102" shard="shardId-000000000007" attempts=1 reason="panicked""#,
        r#" WARN keyed_batch::process: record not finished in time sequence_number="103" shard="shardId-000000000007" attempts=1 reason="timed_out""#,
        r#"DEBUG keyed_batch::process: record not attempted sequence_number="104" shard="shardId-000000000007""#,
        r#" WARN keyed_batch::process: record left to a later invocation sequence_number="105" shard="shardId-000000000007" attempts=1 reason="in_progress""#,
    ];
    let text = logged().await;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("keyed_batch"))
        .collect();
    assert_eq!(lines, expected);
}

#[tokio::test(start_paused = true)]
async fn neither_partition_key_nor_data_nor_a_panic_message_is_logged() {
    let text = logged().await;
    assert!(text.contains("record rejected"));
    for secret in ["jane", "hello", "aGVsbG8", "104, 101, 108"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_of_a_queue_is_logged_with_its_id_and_without_its_group() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let messages = [
        SqsMessage::new(Some("jane"), "m-1", "hello"),
        SqsMessage::new(Some("jane"), "m-2", "hello"),
    ];
    let _ = process(&messages, &limits(8), within(ms(20)), |_| async {
        Verdict::Reject("unknown_type")
    })
    .await;
    assert_eq!(
        lines.text(),
        concat!(
            r#" WARN keyed_batch::process: record rejected message_id="m-1" attempts=1 reason="unknown_type""#,
            "\n",
            r#"DEBUG keyed_batch::process: record not attempted message_id="m-2""#,
            "\n"
        )
    );
}

/// The log of a batch of this many records that has no time before its deadline.
async fn logged_without_time(records: &[&str]) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let _ = process(
        &event(records).records,
        &limits(8).margin(ms(3_000)),
        within(ms(3_000)),
        |_| async { Verdict::Done },
    )
    .await;
    lines.text()
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_has_no_time_at_all_is_warned_about_once() {
    assert_eq!(
        logged_without_time(&["a", "b"]).await,
        " WARN keyed_batch::process: no record attempted: the margin leaves no time before the deadline records=2\n"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_not_warned_about() {
    assert_eq!(logged_without_time(&[]).await, "");
}
