//! The parameters of the mapping under AWS's names.

mod validate;

use std::time::Duration;

use crate::derived_uuid::made_up_uuid;
use crate::event_source::StreamKind;
use crate::{Assumptions, EventSource, StartingPosition};

/// The parameters of an event source mapping for a Kinesis stream or the stream of a DynamoDB
/// table, as CreateEventSourceMapping knows them.
///
/// A mapping can only be made of options that [`MappingOptions::validate`] accepts.
/// [`Mapping::update`](crate::Mapping::update) says which options can be changed later. The
/// defaults and ranges have three sources.
///
/// - Lambda developer guide, "Lambda parameters for Amazon Kinesis Data Streams event source
///   mappings"
/// - Lambda developer guide, "Lambda parameters for Amazon DynamoDB event source mappings"
/// - Lambda API reference, `CreateEventSourceMapping`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingOptions {
    /// The mapping's own id (`UUID`), which names the objects in an S3 destination. By default it
    /// is made of the two ARNs.
    pub uuid: Option<String>,
    /// The ARN of the stream. The region and the account are read from it.
    pub event_source_arn: String,
    /// The ARN of the function (`FunctionName`), for discard messages.
    pub function_arn: String,
    /// The ARN of the function's execution role, which the function sees in each record. By default
    /// it is a made-up role of the stream's account, `arn:aws:iam::<account>:role/lambda-role`.
    pub invoke_identity_arn: Option<String>,
    /// True if the mapping polls from the beginning (`Enabled`), which is the default. See
    /// [`Event::Enable`](crate::Event::Enable).
    pub enabled: bool,
    /// The largest number of records in a batch. Default 100, range 1–10,000.
    pub batch_size: u32,
    /// How long records are gathered before an incomplete batch goes out. Default 0 (at once),
    /// range 0–300 seconds.
    pub maximum_batching_window_in_seconds: u32,
    /// True if a batch is split in two when the function fails. Default false.
    pub bisect_batch_on_function_error: bool,
    /// How often a failed batch is retried before it is discarded. Default −1 (until its records
    /// expire), range −1–10,000.
    pub maximum_retry_attempts: i64,
    /// The age at which a record is discarded instead of being sent. Default −1 (the age of the
    /// stream's retention), range −1 or 60–604,800 seconds.
    pub maximum_record_age_in_seconds: i64,
    /// How many batches of a shard may be in flight at a time. Default 1, range 1–10. Records of
    /// one partition key stay in sequence and never run concurrently.
    ///
    /// How far a shard is read ahead of a batch that is stuck is assumed, since AWS publishes
    /// nothing. The shard is read until one of two bounds is reached. The read that reaches a bound
    /// may exceed it.
    ///
    /// - The unfinished records amount to 12 MB for each of these batches (counted as
    ///   [`MAX_BATCH_BYTES`](crate::MAX_BATCH_BYTES) says).
    /// - The records beyond the checkpoint are as many as one read or all these batches can hold,
    ///   whichever is more.
    pub parallelization_factor: u32,
    /// The place where reading begins on a shard that has no checkpoint.
    pub starting_position: StartingPosition,
    /// The meaning of the function's response. By default it is empty, so a response that reports
    /// failures is a success.
    pub function_response_types: Vec<FunctionResponseType>,
    /// The ARN of the SQS queue, SNS topic or S3 bucket that is told of discards
    /// (`DestinationConfig.OnFailure.Destination`). By default it is `None`, so a discard leaves no
    /// trace but [`Occurrence::Discarded`](crate::Occurrence::Discarded).
    pub on_failure: Option<String>,
    /// A parameter that is not modelled. Only the default, 0 (off), is accepted.
    pub tumbling_window_in_seconds: u32,
    /// A parameter that is not modelled. Only the default, no filter patterns, is accepted.
    pub filter_criteria: Vec<String>,
    /// The groups of metrics that [`Status::event_counts`](crate::Status::event_counts) shows
    /// (`MetricsConfig.Metrics`). By default it is empty.
    /// [`Mapping::counters`](crate::Mapping::counters) counts regardless.
    pub metrics_config: Vec<MetricGroup>,
    /// The stream's retention period, which is a parameter of the stream. It is the limit that −1
    /// means. Default 24, range 24–8,760 hours (Kinesis API reference,
    /// `IncreaseStreamRetentionPeriod`). A DynamoDB stream always has 24 (DynamoDB developer guide,
    /// "Change data capture for DynamoDB Streams").
    pub stream_retention_hours: u32,
    /// The assumptions of the model where AWS publishes nothing.
    pub assumptions: Assumptions,
}

/// "A base rate of 4 times per second" (Lambda developer guide, "Using AWS Lambda with Amazon
/// DynamoDB").
const DYNAMODB_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The most that GetRecords of DynamoDB Streams gives (DynamoDB API reference, "Amazon DynamoDB
/// Streams", `GetRecords`).
const DYNAMODB_READ_LIMIT: u32 = 1_000;

/// The meaning of the function's response (`FunctionResponseTypes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionResponseType {
    /// The response names the records that failed. [`interpret`](crate::interpret) says how it is
    /// read.
    ReportBatchItemFailures,
}

/// A group of metrics that a mapping can publish (`MetricsConfig.Metrics`).
///
/// Two of AWS's groups, `ErrorCount` and `KafkaMetrics`, exist for Kafka only (Lambda developer
/// guide, "Types of metrics for Lambda functions").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricGroup {
    /// The metrics in [`EventCounts`](crate::EventCounts).
    EventCount,
}

impl MappingOptions {
    /// AWS's defaults for a stream, a function and a starting position. The caller changes the
    /// fields that differ.
    pub fn new(
        event_source_arn: impl Into<String>,
        function_arn: impl Into<String>,
        starting_position: StartingPosition,
    ) -> Self {
        let event_source_arn = event_source_arn.into();
        let mut assumptions = Assumptions::default();
        if StreamKind::of_arn(&event_source_arn) == Some(StreamKind::DynamoDb) {
            assumptions.poll_interval = DYNAMODB_POLL_INTERVAL;
            assumptions.read_limit = DYNAMODB_READ_LIMIT;
        }
        Self {
            uuid: None,
            event_source_arn,
            function_arn: function_arn.into(),
            invoke_identity_arn: None,
            enabled: true,
            batch_size: 100,
            maximum_batching_window_in_seconds: 0,
            bisect_batch_on_function_error: false,
            maximum_retry_attempts: -1,
            maximum_record_age_in_seconds: -1,
            parallelization_factor: 1,
            starting_position,
            function_response_types: Vec::new(),
            on_failure: None,
            tumbling_window_in_seconds: 0,
            filter_criteria: Vec::new(),
            metrics_config: Vec::new(),
            stream_retention_hours: 24,
            assumptions,
        }
    }

    /// The age at which a record is discarded. It is MaximumRecordAgeInSeconds, or the stream's
    /// retention in place of −1 or of a longer age.
    pub(crate) fn record_age_limit(&self) -> Duration {
        self.maximum_record_age()
            .map_or(self.retention(), |age| age.min(self.retention()))
    }

    /// True if the mapping itself sets the age at which a record is discarded, and not the stream.
    pub(crate) fn limits_record_age(&self) -> bool {
        self.maximum_record_age()
            .is_some_and(|age| age <= self.retention())
    }

    fn maximum_record_age(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.maximum_record_age_in_seconds).ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.stream_retention_hours) * 3_600)
    }

    pub(crate) fn batching_window(&self) -> Duration {
        Duration::from_secs(self.maximum_batching_window_in_seconds.into())
    }

    pub(crate) fn reports_batch_item_failures(&self) -> bool {
        self.function_response_types
            .contains(&FunctionResponseType::ReportBatchItemFailures)
    }

    pub(crate) fn counts_events(&self) -> bool {
        self.metrics_config.contains(&MetricGroup::EventCount)
    }

    /// The mapping's id. If none is given, it is an id that is the same for the same stream and
    /// function.
    pub(crate) fn mapping_uuid(&self) -> String {
        self.uuid.clone().unwrap_or_else(|| {
            let arns = [&self.event_source_arn, &self.function_arn].map(String::as_bytes);
            made_up_uuid(0, arns)
        })
    }

    pub(crate) fn event_source(&self) -> EventSource {
        let part = |index| {
            self.event_source_arn
                .split(':')
                .nth(index)
                .unwrap_or_default()
                .to_owned()
        };
        EventSource {
            event_source_arn: self.event_source_arn.clone(),
            aws_region: part(3),
            invoke_identity_arn: self
                .invoke_identity_arn
                .clone()
                .unwrap_or_else(|| format!("arn:aws:iam::{}:role/lambda-role", part(4))),
            arrival_decimals: self.assumptions.arrival_decimals,
        }
    }
}

/// The sources are the Lambda developer guide, "Lambda parameters for Amazon Kinesis Data Streams
/// event source mappings", and the Lambda API reference, `CreateEventSourceMapping`.
#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/order-intents";
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:consumer";

    #[test]
    fn the_defaults_are_those_of_aws() {
        let options = MappingOptions::new(STREAM, FUNCTION, StartingPosition::Latest);
        assert_eq!(options.validate(), Ok(()));
        assert_eq!(
            (
                options.batch_size,
                options.maximum_batching_window_in_seconds
            ),
            (100, 0)
        );
        assert_eq!(
            (
                options.maximum_retry_attempts,
                options.maximum_record_age_in_seconds
            ),
            (-1, -1)
        );
        assert_eq!(options.parallelization_factor, 1);
        assert!(options.enabled && !options.bisect_batch_on_function_error);
        assert!(options.function_response_types.is_empty() && options.on_failure.is_none());
    }

    #[test]
    fn a_record_expires_with_the_stream_even_if_the_mapping_would_wait_longer() {
        let mut options = MappingOptions::new(STREAM, FUNCTION, StartingPosition::TrimHorizon);
        assert_eq!(options.record_age_limit(), Duration::from_secs(24 * 3_600));
        options.maximum_record_age_in_seconds = 604_800;
        assert_eq!(options.record_age_limit(), Duration::from_secs(24 * 3_600));
        options.maximum_record_age_in_seconds = 60;
        assert_eq!(options.record_age_limit(), Duration::from_secs(60));
    }

    #[test]
    fn region_and_account_come_from_the_streams_arn() {
        let source =
            MappingOptions::new(STREAM, FUNCTION, StartingPosition::TrimHorizon).event_source();
        assert_eq!(source.aws_region, "eu-west-1");
        assert_eq!(
            source.invoke_identity_arn,
            "arn:aws:iam::123456789012:role/lambda-role"
        );
    }
}
