//! Kinesis on top of the schedule: keys and sequence numbers out of the records, failures into the partial batch response.

use std::future::ready;

use aws_lambda_events::event::streams::KinesisEventResponse;
use futures::future::Either;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{KinesisRecord, Outcome, RecordReport, Settings, Summary, Verdict, work_through};

/// The reason of a record whose data is not valid base64 in the event. Its work is not called.
pub const UNREADABLE_DATA: &str = "unreadable-data";

/// Works through the records of one invocation and reports on them.
///
/// `records` are [`KinesisEvent::records`](crate::KinesisEvent), in the order in which Lambda sent
/// them, which is that of their sequence numbers. `deadline` is the invocation's
/// ([`deadline`](crate::deadline) makes it from Lambda's context). How and when `work` is called is
/// said at [`work_through`]; the key is the partition key.
///
/// Each record that failed is logged once, at the end: sequence number, shard, attempts and reason, at level `WARN` if it was
/// attempted, else `DEBUG`. A batch of which nothing could be attempted gets one more line, at `WARN`. Neither data nor partition key is ever logged, as both may be personal data.
///
/// ```
/// use std::time::SystemTime;
///
/// use keyed_batch::{KinesisEvent, KinesisRecord, Settings, Verdict, deadline, process};
///
/// async fn greet(record: &KinesisRecord) -> Verdict {
///     match record.data() {
///         b"hello" => Verdict::Done,
///         _ => Verdict::Reject("no-greeting"),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let event: KinesisEvent = serde_json::from_str(r#"{"Records": [
/// #     {"kinesis": {"partitionKey": "a", "sequenceNumber": "101", "data": "aGVsbG8="}},
/// #     {"kinesis": {"partitionKey": "a", "sequenceNumber": "102", "data": "/w=="}},
/// #     {"kinesis": {"partitionKey": "a", "sequenceNumber": "103", "data": "aGVsbG8="}}
/// # ]}"#)?;
/// # let now = SystemTime::now();
/// # let deadline_ms = now.duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as u64 + 3_000;
/// // The event has three records of one key: "hello", another, "hello".
/// let until = deadline(deadline_ms, now);
/// let report = process(&event.records, &Settings::default(), until, greet).await;
///
/// assert_eq!((report.summary.done, report.summary.rejected), (2, 1));
/// let response = report.response?; // what the handler returns
/// assert_eq!(serde_json::to_string(&response)?, r#"{"batchItemFailures":[{"itemIdentifier":"102"}]}"#);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If polled outside a tokio runtime with time enabled.
pub async fn process<'a, W, F>(
    records: &'a [KinesisRecord],
    settings: &Settings,
    deadline: Instant,
    mut work: W,
) -> Report
where
    W: FnMut(&'a KinesisRecord) -> F,
    F: Future<Output = Verdict>,
{
    let reports = work_through(
        records,
        |record| record.partition_key.as_str(),
        settings,
        deadline,
        |record| {
            if record.is_readable() {
                Either::Left(work(record))
            } else {
                Either::Right(ready(Verdict::Reject(UNREADABLE_DATA)))
            }
        },
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
    /// What the handler returns: the sequence number of every record that failed, in the order of the batch; an empty
    /// list if none did, which Lambda reads as success.
    ///
    /// Lambda takes the lowest of them as the checkpoint and sends everything from it on again, also what was done (Lambda
    /// developer guide, "Configuring partial batch response with Kinesis Data Streams and Lambda"). No identifier is ever
    /// null or empty, since one such entry fails the whole batch.
    ///
    /// # Errors
    /// [`MissingSequenceNumber`] if a record failed that has none, which Kinesis never sends: it cannot be named, so the
    /// invocation must fail, and the whole batch comes again.
    pub response: Result<KinesisEventResponse, MissingSequenceNumber>,
    /// How many records ended how.
    pub summary: Summary,
    /// What became of each record, in the order of the batch.
    pub records: Vec<RecordReport>,
}

/// A record failed that has no sequence number, so no response brings it back, only the failure of the invocation does.
/// Return it from the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record failed that has no sequence number: the whole batch must be sent again")]
pub struct MissingSequenceNumber;

fn respond(
    records: &[KinesisRecord],
    reports: &[RecordReport],
) -> Result<KinesisEventResponse, MissingSequenceNumber> {
    let mut response = KinesisEventResponse::default();
    for (record, report) in records.iter().zip(reports) {
        if report.outcome.is_failure() {
            let number = &record.sequence_number;
            if number.is_empty() {
                return Err(MissingSequenceNumber);
            }
            response.add_failure(number);
        }
    }
    Ok(response)
}

fn log_failure(record: &KinesisRecord, report: &RecordReport) {
    let sequence_number = &record.sequence_number;
    let shard = record.shard_id.as_deref().unwrap_or("unknown");
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
