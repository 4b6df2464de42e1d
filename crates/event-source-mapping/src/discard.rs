//! The message that a discard leaves at the on-failure destination, exactly as Lambda writes it,
//! and what it is made of.

use serde::{Deserialize, Serialize, Serializer};

use crate::context::Context;
use crate::derived_uuid::made_up_uuid;
use crate::event_source::StreamKind;
use crate::{Batch, Record, Timestamp};

/// What Lambda sends to an SQS queue (as the body) or an SNS topic when it discards records of a
/// stream.
///
/// It carries no data: the records must be fetched from the stream by sequence number while the
/// stream still retains them. The range is a superset of what failed: Lambda developer guide,
/// "Retain discarded batch records for a Kinesis Data Streams event source in Lambda". An S3 bucket
/// gets the same fields and, as `payload`, the event that the function was invoked with
/// ([`Discard::body`](crate::Discard::body)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscardMessage {
    /// Which function, why, and after how many deliveries.
    pub request_context: RequestContext,
    /// What the function answered last; absent, not null, where the reason is the records' age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_context: Option<ResponseContext>,
    /// `1.0`.
    pub version: String,
    /// When the records were discarded.
    pub timestamp: Timestamp,
    /// Which records.
    #[serde(flatten)]
    pub batch_info: BatchInfo,
}

/// Which function, why, and after how many deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The request id of the last invocation with these records; where there was none, a UUID of
    /// the mapping's own.
    pub request_id: String,
    /// The function's ARN.
    pub function_arn: String,
    /// Why the records were discarded.
    pub condition: DiscardCondition,
    /// How often the function ran with exactly these records, and at least 1; the delivery in a
    /// larger batch is not among them.
    ///
    /// So 1 does not say that the function ran. It is what was recorded on AWS, on Kinesis and on
    /// DynamoDB streams, for records that were too old before their first delivery. It is inferred
    /// for those that were never delivered because invokes were throttled, and for the parts of a
    /// batch that were too old before a delivery of their own.
    pub approximate_invoke_count: u32,
}

/// Why records were discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiscardCondition {
    /// The function failed, and MaximumRetryAttempts retries did not help.
    RetryAttemptsExhausted,
    /// The records were older than MaximumRecordAgeInSeconds (or than the stream's retention) when
    /// they would have been sent.
    RecordAgeExceeded,
}

/// What the function answered last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseContext {
    /// 200 whenever the function ran, also when it failed.
    pub status_code: u16,
    /// `$LATEST`.
    pub executed_version: String,
    /// `Unhandled` after an error, null after a response that reported failures.
    pub function_error: Option<String>,
}

/// Which records were discarded, under the name that says which kind of stream they are from.
///
/// The two have the same fields and differ in how they write times: Kinesis' with milliseconds,
/// DynamoDB's, whose stream knows none, without (examples in the Lambda developer guide, "Retain
/// discarded records for a DynamoDB event source in Lambda").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchInfo {
    /// Records of a Kinesis stream.
    #[serde(rename = "KinesisBatchInfo")]
    Kinesis(StreamBatchInfo),
    /// Records of a DynamoDB stream.
    #[serde(rename = "DDBStreamBatchInfo", serialize_with = "with_whole_seconds")]
    DynamoDb(StreamBatchInfo),
}

impl BatchInfo {
    /// Which records, whatever the stream.
    #[must_use]
    pub fn records(&self) -> &StreamBatchInfo {
        match self {
            Self::Kinesis(info) | Self::DynamoDb(info) => info,
        }
    }
}

/// Which records of a stream were discarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamBatchInfo<Time = Timestamp> {
    /// The shard.
    pub shard_id: String,
    /// The lowest sequence number.
    pub start_sequence_number: String,
    /// The highest sequence number.
    pub end_sequence_number: String,
    /// When the first record arrived.
    pub approximate_arrival_of_first_record: Time,
    /// When the last record arrived.
    pub approximate_arrival_of_last_record: Time,
    /// How many records.
    pub batch_size: usize,
    /// The stream's ARN.
    pub stream_arn: String,
}

fn with_whole_seconds<S: Serializer>(
    info: &StreamBatchInfo,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let without_millis = |time: Timestamp| {
        let text = time.to_string();
        format!("{}Z", text.split('.').next().unwrap_or_default())
    };
    let info = info.clone();
    StreamBatchInfo {
        shard_id: info.shard_id,
        start_sequence_number: info.start_sequence_number,
        end_sequence_number: info.end_sequence_number,
        approximate_arrival_of_first_record: without_millis(
            info.approximate_arrival_of_first_record,
        ),
        approximate_arrival_of_last_record: without_millis(info.approximate_arrival_of_last_record),
        batch_size: info.batch_size,
        stream_arn: info.stream_arn,
    }
    .serialize(serializer)
}

/// What the message says of the last invocation with the records.
#[derive(Debug, Clone)]
pub(crate) struct LastResponse {
    pub(crate) request_id: String,
    pub(crate) function_error: Option<&'static str>,
}

impl DiscardMessage {
    /// The message about a batch that is discarded now, after the function ran `invoke_count` times
    /// with it.
    pub(crate) fn new(
        batch: &Batch,
        condition: DiscardCondition,
        invoke_count: u32,
        last_response: Option<LastResponse>,
        context: &mut Context<'_>,
    ) -> Self {
        let range = batch.range();
        let arrival = |record: Option<&Record>| {
            record.map_or(context.now, |record| record.approximate_arrival)
        };
        let info = StreamBatchInfo {
            shard_id: range.shard_id.to_string(),
            start_sequence_number: range.first.to_string(),
            end_sequence_number: range.last.to_string(),
            approximate_arrival_of_first_record: arrival(batch.records().first()),
            approximate_arrival_of_last_record: arrival(batch.records().last()),
            batch_size: range.records,
            stream_arn: context.options.event_source_arn.clone(),
        };
        let batch_info = match context.source.kind() {
            StreamKind::Kinesis => BatchInfo::Kinesis(info),
            StreamKind::DynamoDb => BatchInfo::DynamoDb(info),
        };
        let (request_id, function_error) = match last_response {
            Some(last) => (last.request_id, last.function_error),
            None => {
                // There is no randomness here to make another version of UUID of.
                let id = context.id().to_be_bytes();
                (made_up_uuid(context.now.as_millis(), [&id[..]]), None)
            }
        };
        let response_context = match condition {
            DiscardCondition::RecordAgeExceeded => None,
            DiscardCondition::RetryAttemptsExhausted => Some(ResponseContext {
                status_code: 200,
                executed_version: "$LATEST".into(),
                function_error: function_error.map(Into::into),
            }),
        };
        Self {
            request_context: RequestContext {
                request_id,
                function_arn: context.options.function_arn.clone(),
                condition,
                approximate_invoke_count: invoke_count.max(1),
            },
            response_context,
            version: "1.0".into(),
            timestamp: context.now,
            batch_info,
        }
    }
}
