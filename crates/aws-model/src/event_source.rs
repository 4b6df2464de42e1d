//! The model as the stream and the on-failure queue of an event source mapping.
//!
//! [`ShardReader`] carries out a mapping's reads of a Kinesis stream, and [`ChangeStreamReader`]
//! those of a table's change stream. [`DiscardQueue`] delivers the discards of either. The caller
//! makes the invocations.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use event_source_mapping::{
    Discard, Event, Fetch, NotASequenceNumber, Read, ReadFrom, Record, SequenceNumber, ShardId,
    ShardListing, Timestamp,
};
use http::Request;
use serde_json::json;

use crate::aws::Aws;
use crate::dynamodb::ChangePosition;
use crate::fault::Verdict;
use crate::kinesis::{self, KinesisError, Position};
use crate::service::Service;

/// The longest time that the queue may take to answer.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

/// Lists and reads the shards of a mapping's stream.
///
/// Faults that are injected into Kinesis hit the service's calls and not this reader. The reader
/// reads the stream directly, because AWS's own poller does not use the service's client either.
#[derive(Clone, Debug)]
pub struct ShardReader {
    aws: Aws,
    stream: String,
}

/// The stream cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("the stream cannot be read: {source}")]
pub struct NotListed {
    #[from]
    source: KinesisError,
}

impl ShardReader {
    /// A reader of the stream that `arn` names, `arn:aws:kinesis:<region>:<account>:stream/<name>`.
    /// The stream need not exist yet.
    #[must_use]
    pub fn new(aws: Aws, arn: &str) -> Self {
        let (_, name) = arn.rsplit_once('/').unwrap_or(("", arn));
        Self {
            aws,
            stream: name.to_owned(),
        }
    }

    /// The stream's shards, to be handed to the mapping.
    ///
    /// # Errors
    /// [`NotListed`] if there is no such stream.
    pub fn list(&self) -> Result<Event, NotListed> {
        let shards = self.aws.kinesis().shards(&self.stream)?;
        let listing = shards.into_iter().map(|shard| {
            let parents = [shard.parent, shard.adjacent_parent];
            ShardListing {
                parents: parents.into_iter().flatten().map(ShardId::from).collect(),
                ..ShardListing::new(shard.id)
            }
        });
        Ok(Event::ShardsListed(listing.collect()))
    }

    /// Carries out a read, to be handed to the mapping. The shard is gone if the stream no longer
    /// has it. The read fails if there is no such stream, or if the position belongs to another
    /// shard.
    #[must_use]
    pub fn read(&self, fetch: Fetch) -> Event {
        match self.try_read(&fetch) {
            Ok(read) => fetch.succeeded(read),
            Err(NotRead::Gone) => fetch.gone(),
            Err(NotRead::Failed) => fetch.failed(),
        }
    }

    fn try_read(&self, fetch: &Fetch) -> Result<Read, NotRead> {
        let limit = usize::try_from(fetch.limit()).unwrap_or(usize::MAX);
        let position = position(fetch.from()).ok_or(NotRead::Failed)?;
        let shard_id = fetch.shard_id().as_str();
        let kinesis = self.aws.kinesis();
        let found = kinesis.read(&self.stream, shard_id, position, limit)?;
        let records = found.records.into_iter().map(record);
        // A shard that was split or merged ends.
        let next = (!found.ended).then(|| found.after.to_string());
        Ok(Read {
            records: records.collect::<Result<_, _>>()?,
            next_iterator: next,
            millis_behind_latest: found.millis_behind_latest,
        })
    }
}

/// Lists and reads the shard of a table's change stream, for a mapping.
///
/// Unlike a [`ShardReader`], it reads as a client of DynamoDB Streams does. So a fault of
/// `dynamodbstreams` delays the mapping, and never loses a change.
///
/// - A read that is refused, not answered, or whose answer is lost fails. The mapping tries again
///   after a pause.
/// - While an answer is late, reads find nothing. Then the read is answered.
///
/// A listing is not disturbed, because a mapping lists its stream only to begin. Clones share the
/// answer that is late.
#[derive(Clone, Debug)]
pub struct ChangeStreamReader {
    aws: Aws,
    table: String,
    /// The time at which the answer that is late comes, in milliseconds since the Unix epoch.
    late_until: Arc<Mutex<Option<u64>>>,
}

/// The table has no change stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table {table} has no change stream")]
pub struct NoChangeStream {
    /// The table.
    pub table: String,
}

impl ChangeStreamReader {
    /// A reader of the change stream of this table. The stream need not exist yet.
    #[must_use]
    pub fn new(aws: Aws, table: impl Into<String>) -> Self {
        Self {
            aws,
            table: table.into(),
            late_until: Arc::default(),
        }
    }

    /// The stream's shard, to be handed to the mapping.
    ///
    /// # Errors
    /// [`NoChangeStream`] if the table has none.
    pub fn list(&self) -> Result<Event, NoChangeStream> {
        let shard = self.aws.dynamodb().change_stream_shard(&self.table);
        let shard = shard.ok_or_else(|| NoChangeStream {
            table: self.table.clone(),
        })?;
        Ok(Event::ShardsListed(vec![ShardListing::new(shard)]))
    }

    /// Carries out a read, to be handed to the mapping. The read fails if the table has no stream,
    /// or if a fault hits it. The shard is gone if the table's stream was begun again.
    #[must_use]
    pub fn read(&self, fetch: Fetch) -> Event {
        let Some(is_answered) = self.is_answered() else {
            return fetch.failed();
        };
        match self.aws.dynamodb().change_stream_shard(&self.table) {
            Some(shard) if shard == fetch.shard_id().as_str() => {
                match self.try_read(&fetch, is_answered) {
                    Some(read) => fetch.succeeded(read),
                    None => fetch.failed(),
                }
            }
            Some(_) => fetch.gone(),
            None => fetch.failed(),
        }
    }

    /// True if a read is answered now, and false while its answer is late. `None` if it fails.
    fn is_answered(&self) -> Option<bool> {
        let now = self.aws.clock().now_millis();
        let mut late_until = self
            .late_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(time) = *late_until {
            if time > now {
                return Some(false);
            }
            *late_until = None;
            return Some(true);
        }
        let is_about = |name: &str| name == self.table;
        let faults = self.aws.faults();
        match faults.judge(Service::DynamoDbStreams, is_about) {
            Verdict::Spared => Some(true),
            Verdict::AnsweredLate(time) => {
                *late_until = Some(time);
                Some(false)
            }
            Verdict::Refused(_) | Verdict::Unanswered(_) | Verdict::AnswerLost => None,
        }
    }

    /// Reads from the stream. A read that is not answered yet finds nothing at its place.
    fn try_read(&self, fetch: &Fetch, is_answered: bool) -> Option<Read> {
        let after = |number: &str| number.parse().ok().map(ChangePosition::After);
        let from = match fetch.from() {
            // The iterators of this reader are the numbers after which it reads on.
            ReadFrom::Iterator(number) => after(number)?,
            ReadFrom::AfterSequenceNumber(number) => after(number.as_str())?,
            ReadFrom::TrimHorizon => ChangePosition::TrimHorizon,
            ReadFrom::Latest => ChangePosition::Latest,
            // A DynamoDB stream has no such place, so a mapping never asks for it.
            ReadFrom::AtTimestamp(_) => return None,
        };
        let limit = usize::try_from(fetch.limit()).unwrap_or(usize::MAX);
        let limit = if is_answered { limit } else { 0 };
        let dynamodb = self.aws.dynamodb();
        let found = dynamodb.read_changes(&self.table, from, limit)?;
        let records = found.records.iter().map(Record::from_change);
        Some(Read {
            records: records.collect::<Result<_, _>>().ok()?,
            next_iterator: Some(found.after.to_string()),
            // The number of milliseconds is not modelled, only that something is left.
            millis_behind_latest: u64::from(is_answered && !found.is_at_end),
        })
    }
}

/// The reason why nothing was read.
enum NotRead {
    Gone,
    Failed,
}

impl From<KinesisError> for NotRead {
    fn from(error: KinesisError) -> Self {
        match error {
            KinesisError::ShardNotFound { .. } => Self::Gone,
            _ => Self::Failed,
        }
    }
}

impl From<NotASequenceNumber> for NotRead {
    fn from(_: NotASequenceNumber) -> Self {
        Self::Failed
    }
}

/// The place to read from. None if the text is not a number of the model's.
fn position(from: &ReadFrom) -> Option<Position> {
    let after = |number: &str| number.parse().ok().map(Position::After);
    match from {
        // The iterators of this reader are the sequence numbers after which it reads on.
        ReadFrom::Iterator(number) => after(number),
        ReadFrom::TrimHorizon => Some(Position::TrimHorizon),
        ReadFrom::Latest => Some(Position::Latest),
        ReadFrom::AtTimestamp(time) => Some(Position::AtTimestamp(time.as_millis())),
        ReadFrom::AfterSequenceNumber(number) => after(number.as_str()),
    }
}

fn record(record: kinesis::Record) -> Result<Record, NotASequenceNumber> {
    Ok(Record {
        sequence_number: SequenceNumber::parse(&record.sequence_number.to_string())?,
        partition_key: record.partition_key,
        data: record.data.to_vec(),
        approximate_arrival: Timestamp::from_millis(record.arrival_millis),
    })
}

/// The SQS queue that is told of a mapping's discards.
#[derive(Clone, Debug)]
pub struct DiscardQueue {
    aws: Aws,
    url: String,
}

impl DiscardQueue {
    /// The queue at `url`.
    pub fn new(aws: Aws, url: impl Into<String>) -> Self {
        Self {
            aws,
            url: url.into(),
        }
    }

    /// Sends a discard's message as any client does, faults included, and waits at most 5 s for the
    /// answer. The result is to be handed to the mapping. The mapping offers the message again if
    /// it may not have arrived.
    pub async fn deliver(&self, discard: Discard) -> Event {
        let body = json!({ "QueueUrl": self.url, "MessageBody": discard.body() }).to_string();
        let mut request = Request::new(Bytes::from(body));
        request.headers_mut().insert(
            "x-amz-target",
            http::HeaderValue::from_static("AmazonSQS.SendMessage"),
        );
        match tokio::time::timeout(QUEUE_PATIENCE, self.aws.send(&request)).await {
            Ok(Ok(response)) if response.status().is_success() => discard.delivered(),
            _ => discard.failed(),
        }
    }
}
