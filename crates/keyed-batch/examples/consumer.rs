//! A whole consumer function. Each record must be JSON, and is kept as a file named after its
//! sequence number, so that a record that comes again changes nothing.
//!
//! `cargo build --example consumer` makes the executable. Lambda runs it, or anything else that
//! serves its Runtime API.

use std::{
    env::temp_dir,
    time::{Duration, SystemTime},
};

use keyed_batch::{
    KinesisEvent, KinesisEventResponse, KinesisRecord, Limits, Verdict, deadline, process,
};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

async fn store(record: &KinesisRecord) -> Verdict {
    if serde_json::from_slice::<Value>(record.data()).is_err() {
        return Verdict::Reject("not_json");
    }
    let file = temp_dir().join(&record.sequence_number);
    match tokio::fs::write(file, record.data()).await {
        Ok(()) => Verdict::Done,
        Err(_) => Verdict::Retry("disk"),
    }
}

async fn handle(event: LambdaEvent<KinesisEvent>) -> Result<KinesisEventResponse, Error> {
    let until = deadline(event.context.deadline, SystemTime::now());
    let limits = Limits::default().attempt_timeout(Some(Duration::from_secs(2)));
    let report = process(&event.payload.records, &limits, until, store).await;
    tracing::info!(summary = ?report.summary, "batch");
    Ok(report.response?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().init();
    run(service_fn(handle)).await
}
