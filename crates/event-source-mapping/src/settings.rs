//! The parameters of the mapping under AWS's names, their ranges, and what AWS does not publish as assumptions of their own.

use std::time::Duration;

use crate::Timestamp;

/// The parameters of an event source mapping for Kinesis, as CreateEventSourceMapping knows them.
///
/// Defaults and ranges: Lambda developer guide, "Lambda parameters for Amazon Kinesis Data Streams event source mappings", and
/// Lambda API reference, `CreateEventSourceMapping`. A mapping can only be made of settings that [`Settings::validate`] accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The ARN of the stream; the region and the account are read from it.
    pub event_source_arn: String,
    /// The ARN of the function (`FunctionName`), for discard messages.
    pub function_arn: String,
    /// The ARN of the function's execution role, which the function sees in each record. Default: a made-up role of the stream's
    /// account, `arn:aws:iam::<account>:role/lambda-role`.
    pub invoke_identity_arn: Option<String>,
    /// Whether the mapping polls from the beginning (`Enabled`). Default: true. See [`Event::Enable`](crate::Event::Enable).
    pub enabled: bool,
    /// The largest number of records in a batch. Default 100; 1–10,000.
    pub batch_size: u32,
    /// How long records are gathered before an incomplete batch goes out. Default 0 (at once); 0–300 seconds.
    pub maximum_batching_window_in_seconds: u32,
    /// Whether a batch is split in two when the function fails. Default: false.
    pub bisect_batch_on_function_error: bool,
    /// How often a failed batch is retried before it is discarded. Default −1 (until its records expire); −1–10,000.
    pub maximum_retry_attempts: i64,
    /// The age at which a record is discarded instead of being sent. Default −1 (that of the stream's retention); −1 or 60–604,800
    /// seconds.
    pub maximum_record_age_in_seconds: i64,
    /// How many batches of a shard may be in flight at a time. Default 1; 1–10. Records of one partition key stay in order and
    /// never run concurrently.
    ///
    /// How far a shard is read ahead of a batch that is stuck is assumed, since AWS publishes nothing: until the unfinished records
    /// amount to 12 MB for each of these batches (counted as [`MAX_BATCH_BYTES`](crate::MAX_BATCH_BYTES) says), or the records beyond
    /// the checkpoint are as many as one read or all these batches can hold. The read that reaches the bound may exceed it.
    pub parallelization_factor: u32,
    /// Where reading begins on a shard that has no checkpoint.
    pub starting_position: StartingPosition,
    /// What the function's response means. Default: none, so a response that reports failures is a success.
    pub function_response_types: Vec<FunctionResponseType>,
    /// The ARN of the SQS queue or SNS topic that is told of discards (`DestinationConfig.OnFailure.Destination`). Default: none,
    /// so a discard leaves no trace but [`Happened::Discarded`](crate::Happened::Discarded).
    pub on_failure: Option<String>,
    /// Not modelled: only the default, 0 (off), is accepted.
    pub tumbling_window_in_seconds: u32,
    /// Not modelled: only the default, no filter patterns, is accepted.
    pub filter_criteria: Vec<String>,
    /// Not modelled: only the default, no metrics, is accepted; [`Mapping::counters`](crate::Mapping::counters) counts regardless.
    pub metrics_config: Vec<String>,
    /// The stream's retention period, which is a parameter of the stream and the limit that −1 stands for. Default 24; 24–8,760
    /// hours (Kinesis API reference, `IncreaseStreamRetentionPeriod`).
    pub stream_retention_hours: u32,
    /// What the model assumes where AWS publishes nothing.
    pub assumptions: Assumptions,
}

/// Where reading begins on a shard without a checkpoint (`StartingPosition`).
///
/// A shard that appears later, because the stream was resharded, is read from its oldest record under `Latest` too: everything in
/// it is newer than the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record that the stream still has.
    TrimHorizon,
    /// What is put after the mapping first reads the shard.
    Latest,
    /// The first record that arrived at this time or later (`StartingPositionTimestamp`).
    AtTimestamp(Timestamp),
}

/// What the function's response means (`FunctionResponseTypes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionResponseType {
    /// The response names the records that failed: see [`interpret`](crate::interpret).
    ReportBatchItemFailures,
}

/// What AWS does not publish. Every field is inferred, not documented, unless it says otherwise; code that is tested with this model
/// should hold whatever they are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// The pause before a retry. AWS documents that it grows exponentially, not its curve. Default: 1 s, doubling, at most 60 s.
    /// Also used for reads that failed, invokes that did not reach the function and discards that were not delivered.
    pub retry_backoff: Backoff,
    /// A partial response named the batch's first record, and BisectBatchOnFunctionError is on.
    pub first_record_failed: FirstRecordFailed,
    /// The time from one read of a shard to the next when there was nothing more to read. Documented as once a second (Lambda developer
    /// guide, "Using Lambda to process records from Amazon Kinesis Data Streams"), the default.
    pub poll_interval: Duration,
    /// The most records asked for in one read. Default 10,000, the most that GetRecords gives. At least 1.
    pub read_limit: u32,
    /// How often a discard's message is offered to the destination before the mapping gives up on it, counts it as lost
    /// and goes on. Default 3; at least 1.
    pub discard_delivery_attempts: u32,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            retry_backoff: Backoff {
                start: Duration::from_secs(1),
                cap: Duration::from_secs(60),
            },
            first_record_failed: FirstRecordFailed::RetryWhole,
            poll_interval: Duration::from_secs(1),
            read_limit: 10_000,
            discard_delivery_attempts: 3,
        }
    }
}

/// A pause that doubles with each failure in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub start: Duration,
    /// The longest pause.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row: `start` after the first, twice as long after each further one, at most `cap`;
    /// nothing after none.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => 2_u32
                .checked_pow(doublings)
                .and_then(|factor| self.start.checked_mul(factor))
                .unwrap_or(self.cap)
                .min(self.cap),
        }
    }
}

/// What happens to a batch of two or more records when a partial response names its first record and BisectBatchOnFunctionError is on.
///
/// AWS documents that "the batch is bisected at the returned sequence number, and Lambda retries only the remaining records" (Lambda
/// developer guide, "Configuring partial batch response with Kinesis Data Streams and Lambda"); at the first record nothing lies below
/// and everything remains. What then happens was never published or recorded: all three are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirstRecordFailed {
    /// The whole batch is retried as it is, and counts as an attempt. The default: it is the sentence taken literally, and the
    /// worst case for a consumer, since sound records behind the bad one are discarded with it; what survives this survives the
    /// others.
    #[default]
    RetryWhole,
    /// The batch is split in the middle, as after a function error.
    Halve,
    /// The first record becomes a batch of its own, the others another one behind it.
    Isolate,
}

/// The settings cannot be used; nothing was started. The first thing that is wrong, in the order of the fields of [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The value lies outside the range that AWS allows.
    #[error("{parameter} is {value}; it must be {range}")]
    OutOfRange {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The value that was given.
        value: i64,
        /// What AWS allows.
        range: &'static str,
    },
    /// AWS knows the parameter, this model does not.
    #[error("{parameter} is not modelled; leave it {default}")]
    NotModelled {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The only value that is accepted.
        default: &'static str,
    },
    /// The value is not an ARN of the kind that is needed here.
    #[error("{parameter} must be {expected}")]
    NotAnArn {
        /// The parameter, under AWS's name.
        parameter: &'static str,
        /// The form that is needed.
        expected: &'static str,
    },
}

impl Settings {
    /// AWS's defaults for a stream, a function and a starting position; change the fields that differ.
    pub fn new(
        event_source_arn: impl Into<String>,
        function_arn: impl Into<String>,
        starting_position: StartingPosition,
    ) -> Self {
        Self {
            event_source_arn: event_source_arn.into(),
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
            assumptions: Assumptions::default(),
        }
    }

    /// Checks every parameter against AWS's range and against what is modelled.
    ///
    /// # Errors
    /// [`SettingsError`] for the first parameter that is wrong; its text names the parameter and what it may be.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !is_arn_of(&self.event_source_arn, &["kinesis"]) {
            return Err(SettingsError::NotAnArn {
                parameter: "EventSourceArn",
                expected: "the ARN of a Kinesis stream, arn:aws:kinesis:<region>:<account>:stream/<name>",
            });
        }
        if !is_arn_of(&self.function_arn, &["lambda"]) {
            return Err(SettingsError::NotAnArn {
                parameter: "FunctionName",
                expected: "the ARN of a function, arn:aws:lambda:<region>:<account>:function:<name>",
            });
        }
        within("BatchSize", self.batch_size.into(), 1..=10_000, "1–10,000")?;
        within(
            "MaximumBatchingWindowInSeconds",
            self.maximum_batching_window_in_seconds.into(),
            0..=300,
            "0–300 seconds",
        )?;
        within(
            "MaximumRetryAttempts",
            self.maximum_retry_attempts,
            -1..=10_000,
            "−1 (infinite) or 0–10,000",
        )?;
        if self.maximum_record_age_in_seconds != -1 {
            let range = "−1 (infinite) or 60–604,800 seconds";
            within(
                "MaximumRecordAgeInSeconds",
                self.maximum_record_age_in_seconds,
                60..=604_800,
                range,
            )?;
        }
        within(
            "ParallelizationFactor",
            self.parallelization_factor.into(),
            1..=10,
            "1–10",
        )?;
        if self
            .on_failure
            .as_ref()
            .is_some_and(|arn| !is_arn_of(arn, &["sqs", "sns"]))
        {
            return Err(SettingsError::NotAnArn {
                parameter: "DestinationConfig.OnFailure",
                expected: "the ARN of an SQS queue or an SNS topic (an S3 bucket is not modelled)",
            });
        }
        modelled(
            "TumblingWindowInSeconds",
            self.tumbling_window_in_seconds == 0,
            "at 0",
        )?;
        modelled("FilterCriteria", self.filter_criteria.is_empty(), "empty")?;
        modelled("MetricsConfig", self.metrics_config.is_empty(), "empty")?;
        within(
            "the stream's RetentionPeriodHours",
            self.stream_retention_hours.into(),
            24..=8_760,
            "24–8,760 hours",
        )?;
        within(
            "read_limit",
            self.assumptions.read_limit.into(),
            1..=10_000,
            "1–10,000",
        )?;
        within(
            "discard_delivery_attempts",
            self.assumptions.discard_delivery_attempts.into(),
            1..=i64::from(u32::MAX),
            "at least 1",
        )
    }

    /// The age at which a record is discarded: MaximumRecordAgeInSeconds, or what the stream's retention makes of −1 or of a longer age.
    pub(crate) fn record_age_limit(&self) -> Duration {
        let retention = Duration::from_secs(u64::from(self.stream_retention_hours) * 3_600);
        u64::try_from(self.maximum_record_age_in_seconds).map_or(retention, |seconds| {
            Duration::from_secs(seconds).min(retention)
        })
    }

    pub(crate) fn batching_window(&self) -> Duration {
        Duration::from_secs(self.maximum_batching_window_in_seconds.into())
    }

    pub(crate) fn reports_batch_item_failures(&self) -> bool {
        self.function_response_types
            .contains(&FunctionResponseType::ReportBatchItemFailures)
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
        }
    }
}

/// What each record of an invocation says about where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// The ARN of the stream.
    pub event_source_arn: String,
    /// The region of the stream.
    pub aws_region: String,
    /// The ARN of the function's execution role.
    pub invoke_identity_arn: String,
}

fn within(
    parameter: &'static str,
    value: i64,
    allowed: std::ops::RangeInclusive<i64>,
    range: &'static str,
) -> Result<(), SettingsError> {
    if allowed.contains(&value) {
        Ok(())
    } else {
        Err(SettingsError::OutOfRange {
            parameter,
            value,
            range,
        })
    }
}

fn modelled(
    parameter: &'static str,
    at_default: bool,
    default: &'static str,
) -> Result<(), SettingsError> {
    if at_default {
        Ok(())
    } else {
        Err(SettingsError::NotModelled { parameter, default })
    }
}

/// Whether `arn` is one of these services' (`arn:partition:service:region:account:resource`).
fn is_arn_of(arn: &str, services: &[&str]) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let complete =
        parts.len() == 6 && parts[0] == "arn" && parts[1..].iter().all(|part| !part.is_empty());
    complete && services.contains(&parts[2])
}

/// Sources: Lambda developer guide, "Lambda parameters for Amazon Kinesis Data Streams event source mappings"; Lambda API reference,
/// `CreateEventSourceMapping`.
#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/order-intents";
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:consumer";

    fn with(change: impl FnOnce(&mut Settings)) -> Result<(), SettingsError> {
        let mut settings = Settings::new(STREAM, FUNCTION, StartingPosition::TrimHorizon);
        change(&mut settings);
        settings.validate()
    }

    #[test]
    fn the_defaults_are_those_of_aws() {
        let settings = Settings::new(STREAM, FUNCTION, StartingPosition::Latest);
        assert_eq!(settings.validate(), Ok(()));
        assert_eq!(
            (
                settings.batch_size,
                settings.maximum_batching_window_in_seconds
            ),
            (100, 0)
        );
        assert_eq!(
            (
                settings.maximum_retry_attempts,
                settings.maximum_record_age_in_seconds
            ),
            (-1, -1)
        );
        assert_eq!(settings.parallelization_factor, 1);
        assert!(settings.enabled && !settings.bisect_batch_on_function_error);
        assert!(settings.function_response_types.is_empty() && settings.on_failure.is_none());
    }

    #[test]
    fn both_ends_of_every_range_are_accepted() {
        for batch_size in [1, 10_000] {
            assert_eq!(with(|settings| settings.batch_size = batch_size), Ok(()));
        }
        for window in [0, 300] {
            assert_eq!(
                with(|settings| settings.maximum_batching_window_in_seconds = window),
                Ok(())
            );
        }
        for retries in [-1, 0, 10_000] {
            assert_eq!(
                with(|settings| settings.maximum_retry_attempts = retries),
                Ok(())
            );
        }
        for age in [-1, 60, 604_800] {
            assert_eq!(
                with(|settings| settings.maximum_record_age_in_seconds = age),
                Ok(())
            );
        }
        for factor in [1, 10] {
            assert_eq!(
                with(|settings| settings.parallelization_factor = factor),
                Ok(())
            );
        }
    }

    #[test]
    fn what_lies_outside_a_range_is_refused_by_name_and_range() {
        let refused = |change: fn(&mut Settings)| with(change).unwrap_err().to_string();
        for (text, expected) in [
            (
                refused(|settings| settings.batch_size = 0),
                "BatchSize is 0; it must be 1–10,000",
            ),
            (
                refused(|settings| settings.batch_size = 10_001),
                "BatchSize is 10001; it must be 1–10,000",
            ),
            (
                refused(|settings| settings.maximum_batching_window_in_seconds = 301),
                "MaximumBatchingWindowInSeconds is 301; it must be 0–300 seconds",
            ),
            (
                refused(|settings| settings.maximum_retry_attempts = -2),
                "MaximumRetryAttempts is -2; it must be −1 (infinite) or 0–10,000",
            ),
            (
                refused(|settings| settings.maximum_retry_attempts = 10_001),
                "MaximumRetryAttempts is 10001; it must be −1 (infinite) or 0–10,000",
            ),
            (
                refused(|settings| settings.maximum_record_age_in_seconds = 59),
                "MaximumRecordAgeInSeconds is 59; it must be −1 (infinite) or 60–604,800 seconds",
            ),
            (
                refused(|settings| settings.maximum_record_age_in_seconds = 604_801),
                "MaximumRecordAgeInSeconds is 604801; it must be −1 (infinite) or 60–604,800 seconds",
            ),
            (
                refused(|settings| settings.parallelization_factor = 0),
                "ParallelizationFactor is 0; it must be 1–10",
            ),
            (
                refused(|settings| settings.parallelization_factor = 11),
                "ParallelizationFactor is 11; it must be 1–10",
            ),
            (
                refused(|settings| settings.stream_retention_hours = 23),
                "the stream's RetentionPeriodHours is 23; it must be 24–8,760 hours",
            ),
            (
                refused(|settings| settings.assumptions.read_limit = 0),
                "read_limit is 0; it must be 1–10,000",
            ),
            (
                refused(|settings| settings.assumptions.discard_delivery_attempts = 0),
                "discard_delivery_attempts is 0; it must be at least 1",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_is_not_modelled_is_refused_by_name() {
        let refused = |change: fn(&mut Settings)| with(change).unwrap_err().to_string();
        for (text, expected) in [
            (
                refused(|settings| settings.tumbling_window_in_seconds = 1),
                "TumblingWindowInSeconds is not modelled; leave it at 0",
            ),
            (
                refused(|settings| settings.filter_criteria = vec!["{}".into()]),
                "FilterCriteria is not modelled; leave it empty",
            ),
            (
                refused(|settings| settings.metrics_config = vec!["EventCount".into()]),
                "MetricsConfig is not modelled; leave it empty",
            ),
            (
                refused(|settings| settings.on_failure = Some("arn:aws:s3:::bucket".into())),
                "DestinationConfig.OnFailure must be the ARN of an SQS queue or an SNS topic (an S3 bucket is not modelled)",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn an_arn_of_another_kind_is_refused() {
        for arn in [
            "",
            "order-intents",
            "arn:aws:kinesis:eu-west-1:123456789012",
            FUNCTION,
        ] {
            let error = with(|settings| settings.event_source_arn = arn.into()).unwrap_err();
            assert!(
                matches!(
                    error,
                    SettingsError::NotAnArn {
                        parameter: "EventSourceArn",
                        ..
                    }
                ),
                "{arn}"
            );
        }
        let error = with(|settings| settings.function_arn = STREAM.into()).unwrap_err();
        assert!(matches!(
            error,
            SettingsError::NotAnArn {
                parameter: "FunctionName",
                ..
            }
        ));
    }

    #[test]
    fn the_pause_doubles_from_its_start_to_its_cap() {
        let backoff = Backoff {
            start: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        };
        let pauses: Vec<_> = [0, 1, 2, 3, 6, 7, 40, u32::MAX]
            .map(|failures| backoff.pause(failures).as_secs())
            .into();
        assert_eq!(pauses, [0, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn a_record_expires_with_the_stream_even_if_the_mapping_would_wait_longer() {
        let mut settings = Settings::new(STREAM, FUNCTION, StartingPosition::TrimHorizon);
        assert_eq!(settings.record_age_limit(), Duration::from_secs(24 * 3_600));
        settings.maximum_record_age_in_seconds = 604_800;
        assert_eq!(settings.record_age_limit(), Duration::from_secs(24 * 3_600));
        settings.maximum_record_age_in_seconds = 60;
        assert_eq!(settings.record_age_limit(), Duration::from_secs(60));
    }

    #[test]
    fn region_and_account_come_from_the_streams_arn() {
        let source = Settings::new(STREAM, FUNCTION, StartingPosition::TrimHorizon).event_source();
        assert_eq!(source.aws_region, "eu-west-1");
        assert_eq!(
            source.invoke_identity_arn,
            "arn:aws:iam::123456789012:role/lambda-role"
        );
    }
}
