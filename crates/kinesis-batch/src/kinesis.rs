//! Kinesis on top of the schedule: keys and sequence numbers out of the records, failures into the partial batch response.

use std::collections::HashSet;

use aws_lambda_events::{event::kinesis::KinesisEventRecord, event::streams::KinesisEventResponse};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{Outcome, RecordReport, Settings, Summary, Verdict, work_through};

/// Works through the records of one invocation and reports on them.
///
/// `records` are [`KinesisEvent::records`](aws_lambda_events::event::kinesis::KinesisEvent), in the order in which Lambda
/// sent them, which is that of their sequence numbers. `deadline` is the invocation's ([`deadline`](crate::deadline) makes it
/// from Lambda's context). How and when `work` is called is said at [`work_through`]; the key is the partition key.
///
/// Each record that failed is logged once, at the end: sequence number, shard, attempts and reason, at level `WARN` if it was
/// attempted, else `DEBUG`. A batch of which nothing could be attempted gets one more line, at `WARN`. Neither data nor partition key is ever logged, as both may be personal data.
///
/// # Panics
/// If polled outside a tokio runtime with time enabled.
pub async fn process<'a, W, F>(
    records: &'a [KinesisEventRecord],
    settings: &Settings,
    deadline: Instant,
    work: W,
) -> Report
where
    W: FnMut(&'a KinesisEventRecord) -> F,
    F: Future<Output = Verdict>,
{
    let reports = work_through(
        records,
        |record| record.kinesis.partition_key.as_str(),
        settings,
        deadline,
        work,
    )
    .await;
    for (record, report) in records.iter().zip(&reports) {
        log_failure(record, report);
    }
    let summary = Summary::of(&reports);
    if summary.records > 0 && summary.attempts == 0 {
        warn!(
            records = summary.records,
            "no record attempted: the margin leaves no time before the deadline"
        );
    }
    Report {
        response: respond(records, &reports),
        summary,
        records: reports,
    }
}

/// What became of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What the handler returns: the sequence number of every record that failed, once, in the order of the batch; an empty
    /// list if none did, which Lambda reads as success.
    ///
    /// Lambda takes the lowest of them as the checkpoint and sends everything from it on again, also what was done (Lambda
    /// developer guide, "Configuring partial batch response with Kinesis Data Streams and Lambda"). No identifier is ever
    /// null or empty, since one such entry fails the whole batch.
    ///
    /// A failed record without a sequence number, which Kinesis never sends, is named by the one that its `eventID` ends in;
    /// if that is missing too, by the nearest record before it that has a number: the checkpoint then lies below it, and it
    /// comes again.
    ///
    /// # Errors
    /// [`NoCheckpoint`] if such a record failed and none before it has a number. The invocation must then fail: every answer
    /// that names a record would put the checkpoint above that one and lose it.
    pub response: Result<KinesisEventResponse, NoCheckpoint>,
    /// How many records ended how.
    pub summary: Summary,
    /// What became of each record, in the order of the batch.
    pub records: Vec<RecordReport>,
}

/// A record failed that has no sequence number, and neither has any record before it: no checkpoint would bring it back, only
/// the failure of the invocation does. Return it from the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record failed that has no sequence number, nor has any before it: the whole batch must be sent again"
)]
pub struct NoCheckpoint;

fn respond(
    records: &[KinesisEventRecord],
    reports: &[RecordReport],
) -> Result<KinesisEventResponse, NoCheckpoint> {
    let mut response = KinesisEventResponse::default();
    let mut named = HashSet::new();
    let mut checkpoint = None;
    for (record, report) in records.iter().zip(reports) {
        checkpoint = sequence_number(record).or(checkpoint);
        if report.outcome.is_failure() {
            let checkpoint = checkpoint.ok_or(NoCheckpoint)?;
            if named.insert(checkpoint) {
                response.add_failure(checkpoint);
            }
        }
    }
    Ok(response)
}

fn log_failure(record: &KinesisEventRecord, report: &RecordReport) {
    let sequence_number = sequence_number(record).unwrap_or("missing");
    let shard = split_event_id(record).map_or("unknown", |(shard, _)| shard);
    let attempts = report.attempts;
    match report.outcome {
        Outcome::Done => {}
        Outcome::Rejected(reason) => {
            warn!(sequence_number, shard, attempts, reason, "record rejected")
        }
        Outcome::Panicked => warn!(
            sequence_number,
            shard,
            attempts,
            reason = "panicked",
            "record rejected"
        ),
        Outcome::Unfinished(reason) => warn!(
            sequence_number,
            shard, attempts, reason, "record not finished in time"
        ),
        Outcome::NotAttempted => debug!(sequence_number, shard, "record not attempted"),
    }
}

fn sequence_number(record: &KinesisEventRecord) -> Option<&str> {
    let own = record.kinesis.sequence_number.as_str();
    if own.is_empty() {
        split_event_id(record).map(|(_, number)| number)
    } else {
        Some(own)
    }
}

/// An `eventID` is `shardId-000000000000:<sequence number>`.
fn split_event_id(record: &KinesisEventRecord) -> Option<(&str, &str)> {
    let (shard, number) = record.event_id.as_deref()?.rsplit_once(':')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((shard, number))
}
