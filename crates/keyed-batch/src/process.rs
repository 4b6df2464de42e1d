//! Streams and queues on top of the schedule. Keys and identifiers come from the records, and
//! failures go into the partial batch response.

use std::future::ready;
use std::num::NonZeroUsize;

use aws_lambda_events::event::streams::KinesisEventResponse;
use futures::FutureExt as _;
use futures::future::Either;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::schedule::{self, AfterRejection};
use crate::{
    BatchRecord, Chunk, Disposition, IntoVerdict, Limits, RecordReport, Summary, Verdict, Verdicts,
};

/// The reason of a record that the event holds in a form that cannot be read. The data of a Kinesis
/// record is not valid base64, a change of a table has no keys, or a message has no text. The work
/// is not called for such a record.
pub const UNREADABLE_DATA: &str = "unreadable_data";

/// Works through the records of one invocation and reports on them.
///
/// `records` are those of a `KinesisEvent`, a `DynamoDbEvent` or an `SqsEvent` as Lambda sent them,
/// in the sequence of the event. `deadline` is the invocation's deadline, which
/// [`deadline`](crate::deadline) makes from Lambda's context.
/// [`work_through`](crate::work_through) says how and when `work` is called. The key is the
/// partition key, the key of the item, or the message group.
///
/// Messages of an SQS FIFO queue differ in one thing. A message that is rejected or panics holds
/// back the later messages of its group. They are reported as failed too and not attempted, since
/// SQS would delete them before the failed one comes again. Other groups go on. The source is the
/// section "Implementing partial batch responses" of the Lambda developer guide.
///
/// Each record that failed is logged once, at the end, with sequence number and shard or message
/// id, attempts and reason. The level is `WARN` if the record was attempted, else `DEBUG`. A batch
/// of which nothing could be attempted gets one more line, at `WARN`. Neither data nor keys are
/// ever logged, as both may be personal data.
///
/// ```
/// use std::time::SystemTime;
///
/// use keyed_batch::{KinesisEvent, KinesisRecord, Limits, Verdict, deadline, process};
///
/// async fn greet(record: &KinesisRecord) -> Verdict {
///     match record.data() {
///         b"hello" => Verdict::Done,
///         _ => Verdict::Reject("no_greeting"),
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
/// // The event has three records of one key; the data of the second is not "hello".
/// let until = deadline(deadline_ms, now);
/// let report = process(&event.records, &Limits::default(), until, greet).await;
///
/// assert_eq!((report.summary.done, report.summary.rejected), (2, 1));
/// let response = report.response?; // what the handler returns
/// let failures = r#"{"batchItemFailures":[{"itemIdentifier":"102"}]}"#;
/// assert_eq!(serde_json::to_string(&response)?, failures);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If polled outside a tokio runtime with time enabled.
pub async fn process<'a, R, W, F>(
    records: &'a [R],
    limits: &Limits,
    deadline: Instant,
    mut work: W,
) -> Report<R::Response>
where
    R: BatchRecord,
    W: FnMut(&'a R) -> F,
    F: Future<Output: IntoVerdict>,
{
    let work = |record: &'a R| {
        if record.is_readable() {
            Either::Left(work(record).map(IntoVerdict::into_verdict))
        } else {
            Either::Right(ready(Verdict::Reject(UNREADABLE_DATA)))
        }
    };
    let after = AfterRejection::in_batch_of::<R>();
    let reports = schedule::work_through(records, R::key, limits, deadline, after, work).await;
    report(records, reports)
}

/// Works through the records of one invocation in chunks, and reports on them.
///
/// This is [`process`] for work that handles several records in one call, such as `PutRecords`.
/// [`work_through_in_chunks`](crate::work_through_in_chunks) says which records a chunk has. A
/// chunk has at most `most` records, no two of them with the same key.
///
/// # Panics
/// If polled outside a tokio runtime with time enabled.
pub async fn process_in_chunks<'a, R, W, F>(
    records: &'a [R],
    limits: &Limits,
    most: NonZeroUsize,
    deadline: Instant,
    mut work: W,
) -> Report<R::Response>
where
    R: BatchRecord,
    W: FnMut(Chunk<'a, R>) -> F,
    F: Future<Output = Verdicts>,
{
    let work = |chunk: Chunk<'a, R>| {
        let (chunk, unreadable) = chunk.divided(R::is_readable);
        let attempt = chunk.map(&mut work);
        async move {
            match attempt {
                Some(attempt) => unreadable.fill_in(attempt.await, UNREADABLE_DATA),
                None => unreadable.reject_all(UNREADABLE_DATA),
            }
        }
    };
    let after = AfterRejection::in_batch_of::<R>();
    let work =
        schedule::work_through_in_chunks(records, R::key, limits, most, deadline, after, work);
    let reports = work.await;
    report(records, reports)
}

impl AfterRejection {
    fn in_batch_of<R: BatchRecord>() -> Self {
        if R::IS_QUEUED {
            Self::HoldBack
        } else {
            Self::GoOn
        }
    }
}

fn report<R: BatchRecord>(records: &[R], reports: Vec<RecordReport>) -> Report<R::Response> {
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

/// The result of a batch.
#[derive(Clone, Debug)]
#[must_use = "the function has to return the response in it"]
#[non_exhaustive]
pub struct Report<Response = KinesisEventResponse> {
    /// The value that the handler returns. It has the identifier of every record that failed, in
    /// the sequence of the batch. If none failed, the list is empty, which Lambda reads as success.
    ///
    /// For a stream, Lambda takes the lowest of the sequence numbers as the checkpoint. It sends
    /// everything from there on again, also records that were done (Lambda developer guide,
    /// "Configuring partial batch response with Kinesis Data Streams and Lambda"). For a queue, it
    /// deletes every message that is not named. No identifier is ever null or empty, since one such
    /// entry fails the whole batch.
    ///
    /// # Errors
    /// [`MissingIdentifier`] if a record failed that has none, which Lambda never sends. No
    /// response can name such a record, so the invocation must fail, and the whole batch comes
    /// again.
    pub response: Result<Response, MissingIdentifier>,
    /// How many records ended how.
    pub summary: Summary,
    /// The result of each record, in the sequence of the batch.
    pub records: Vec<RecordReport>,
}

#[cfg(feature = "test-util")]
impl<Response> Report<Response> {
    /// The result of a batch whose records ended so, for tests of code that reads reports. The
    /// summary counts these records.
    pub fn new(response: Result<Response, MissingIdentifier>, records: Vec<RecordReport>) -> Self {
        Self {
            response,
            summary: Summary::of(&records),
            records,
        }
    }
}

/// A record failed that has neither sequence number nor message id. No response brings the record
/// back. Only the failure of the invocation does, so return this error from the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record failed that has no identifier: the whole batch must be sent again")]
pub struct MissingIdentifier;

fn respond<R: BatchRecord>(
    records: &[R],
    reports: &[RecordReport],
) -> Result<R::Response, MissingIdentifier> {
    let failed = records
        .iter()
        .zip(reports)
        .filter(|(_, report)| report.disposition.is_failure())
        .map(|(record, _)| match record.identifier() {
            "" => Err(MissingIdentifier),
            number => Ok(number.to_owned()),
        });
    Ok(R::respond(failed.collect::<Result<_, _>>()?))
}

fn log_failure<R: BatchRecord>(record: &R, report: &RecordReport) {
    // A field that is `None` is left out.
    let (of_stream, of_queue) = if R::IS_QUEUED {
        (None, Some(record.identifier()))
    } else {
        (Some(record.identifier()), None)
    };
    let (sequence_number, message_id) = (of_stream, of_queue);
    let shard = of_stream.map(|_| record.shard_id().unwrap_or("unknown"));
    let attempts = report.attempts;
    match report.disposition {
        Disposition::Done => {}
        Disposition::Rejected(reason) => {
            warn!(
                sequence_number,
                shard, message_id, attempts, reason, "record rejected"
            )
        }
        Disposition::Panicked => warn!(
            sequence_number,
            shard,
            message_id,
            attempts,
            reason = "panicked",
            "record rejected"
        ),
        Disposition::Unfinished(reason) => warn!(
            sequence_number,
            shard, message_id, attempts, reason, "record not finished in time"
        ),
        Disposition::Deferred(reason) => warn!(
            sequence_number,
            shard, message_id, attempts, reason, "record left to a later invocation"
        ),
        Disposition::NotAttempted => {
            debug!(sequence_number, shard, message_id, "record not attempted")
        }
    }
}
