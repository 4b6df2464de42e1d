//! The message that a discard leaves at the on-failure destination, exactly as Lambda writes it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What Lambda sends to an SQS queue (as the body) or an SNS topic when it discards records of a Kinesis stream.
///
/// It carries no data: the records must be fetched from the stream by sequence number while the stream still retains them. The
/// range is a superset of what failed: Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event
/// source in Lambda".
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
    #[serde(rename = "KinesisBatchInfo")]
    pub kinesis_batch_info: KinesisBatchInfo,
}

/// Which function, why, and after how many deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The request id of the last invocation with these records; where there was none, a UUID of the mapping's own.
    pub request_id: String,
    /// The function's ARN.
    pub function_arn: String,
    /// Why the records were discarded.
    pub condition: Condition,
    /// How often the function ran with exactly these records; the delivery in a larger batch is not among them.
    pub approximate_invoke_count: u32,
}

/// Why records were discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The function failed, and MaximumRetryAttempts retries did not help.
    RetryAttemptsExhausted,
    /// The records were older than MaximumRecordAgeInSeconds (or than the stream's retention) when they would have been sent.
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

/// Which records were discarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KinesisBatchInfo {
    /// The shard.
    pub shard_id: String,
    /// The lowest sequence number.
    pub start_sequence_number: String,
    /// The highest sequence number.
    pub end_sequence_number: String,
    /// When the first record arrived.
    pub approximate_arrival_of_first_record: Timestamp,
    /// When the last record arrived.
    pub approximate_arrival_of_last_record: Timestamp,
    /// How many records.
    pub batch_size: usize,
    /// The stream's ARN.
    pub stream_arn: String,
}
