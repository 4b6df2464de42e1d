//! The message that a discard leaves at the on-failure destination, exactly as Lambda writes it,
//! and its parts.

use serde::{Deserialize, Serialize, Serializer};

use crate::Timestamp;

/// The message that Lambda sends when it discards records of a stream. It is the body of an SQS
/// message, or the message to an SNS topic.
///
/// It carries no data. The records must be fetched from the stream by sequence number while the
/// stream still retains them. The range is a superset of the failed records (Lambda developer
/// guide, "Retain discarded batch records for a Kinesis Data Streams event source in Lambda"). An
/// S3 bucket gets the same fields and, as `payload`, the event that the function was invoked with
/// ([`Discard::body`](crate::Discard::body)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscardMessage {
    /// The function, the reason, and the number of deliveries.
    pub request_context: RequestContext,
    /// The last answer of the function. It is absent, not null, where the reason is the records'
    /// age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_context: Option<ResponseContext>,
    /// `1.0`.
    pub version: String,
    /// The time at which the records were discarded.
    pub timestamp: Timestamp,
    /// The records that were discarded.
    #[serde(flatten)]
    pub batch_info: BatchInfo,
}

/// The function, the reason, and the number of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The request id of the last invocation with these records. It is a UUID that the mapping
    /// makes up if there was no invocation.
    pub request_id: String,
    /// The function's ARN.
    pub function_arn: String,
    /// The reason why the records were discarded.
    pub condition: DiscardCondition,
    /// How often the function ran with exactly these records, and at least 1. A delivery in a
    /// larger batch does not count, with one exception. Records that remain after the oldest
    /// records of their batch were too old keep the batch's count.
    ///
    /// So 1 does not say that the function ran. On AWS, 1 was recorded on Kinesis and on DynamoDB
    /// streams for records that were too old before their first delivery. In two cases it is
    /// inferred. The first is records that were never delivered because invokes were throttled. The
    /// second is parts of a batch that were too old before a delivery by themselves.
    pub approximate_invoke_count: u32,
}

/// The reason why records were discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiscardCondition {
    /// The function failed, and MaximumRetryAttempts retries did not help.
    RetryAttemptsExhausted,
    /// The records were older than MaximumRecordAgeInSeconds (or than the stream's retention) when
    /// they would have been sent.
    RecordAgeExceeded,
}

/// The last answer of the function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseContext {
    /// 200 whenever the function ran, also if it failed.
    pub status_code: u16,
    /// `$LATEST`.
    pub executed_version: String,
    /// `Unhandled` after an error. `None`, written as null, after a response that reported
    /// failures.
    pub function_error: Option<String>,
}

/// The records that were discarded, under a name that tells the kind of their stream.
///
/// The two have the same fields and differ in how they write times. Kinesis' times have
/// milliseconds. DynamoDB's times have none, because its stream knows none (examples in the Lambda
/// developer guide, "Retain discarded records for a DynamoDB event source in Lambda").
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
    /// The records that were discarded, for either kind of stream.
    #[must_use]
    pub fn records(&self) -> &StreamBatchInfo {
        match self {
            Self::Kinesis(info) | Self::DynamoDb(info) => info,
        }
    }
}

/// The records of a stream that were discarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamBatchInfo<Time = Timestamp> {
    /// The shard.
    pub shard_id: String,
    /// The lowest sequence number.
    pub start_sequence_number: String,
    /// The highest sequence number.
    pub end_sequence_number: String,
    /// The time at which the first record arrived.
    pub approximate_arrival_of_first_record: Time,
    /// The time at which the last record arrived.
    pub approximate_arrival_of_last_record: Time,
    /// The number of records.
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
