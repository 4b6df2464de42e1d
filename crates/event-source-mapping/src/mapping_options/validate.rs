//! The ranges of the options, and the options that can be changed later.

use super::{DYNAMODB_READ_LIMIT, MappingOptions};
use crate::destination::check_destination;
use crate::event_source::{StreamKind, is_arn_of};
use crate::{MappingOptionsError, StartingPosition};

impl MappingOptions {
    /// Checks every parameter against AWS's range and against the limits of the model.
    ///
    /// # Errors
    /// [`MappingOptionsError`] for the first parameter that is wrong. Its text names the parameter
    /// and what the parameter may be.
    pub fn validate(&self) -> Result<(), MappingOptionsError> {
        let Some(kind) = StreamKind::of_arn(&self.event_source_arn) else {
            return Err(MappingOptionsError::NotAnArn {
                parameter: "EventSourceArn",
                expected: "the ARN of a Kinesis stream, arn:aws:kinesis:<region>:<account>:stream/<name>, or of a table's stream, \
                           arn:aws:dynamodb:<region>:<account>:table/<name>/stream/<label>",
            });
        };
        if !is_arn_of(&self.function_arn, &["lambda"]) {
            return Err(MappingOptionsError::NotAnArn {
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
        if matches!(
            (kind, self.starting_position),
            (StreamKind::DynamoDb, StartingPosition::AtTimestamp(_))
        ) {
            return Err(MappingOptionsError::Unsupported {
                parameter: "StartingPosition",
                expected: "TRIM_HORIZON or LATEST for a DynamoDB stream",
            });
        }
        check_destination(self.on_failure.as_deref())?;
        modelled(
            "TumblingWindowInSeconds",
            self.tumbling_window_in_seconds == 0,
            "at 0",
        )?;
        modelled("FilterCriteria", self.filter_criteria.is_empty(), "empty")?;
        let (retention, retention_range, read_limit, read_range) = match kind {
            StreamKind::Kinesis => (24..=8_760, "24–8,760 hours", 10_000, "1–10,000"),
            StreamKind::DynamoDb => (24..=24, "24 hours", DYNAMODB_READ_LIMIT, "1–1,000"),
        };
        within(
            "the stream's RetentionPeriodHours",
            self.stream_retention_hours.into(),
            retention,
            retention_range,
        )?;
        within(
            "read_limit",
            self.assumptions.read_limit.into(),
            1..=i64::from(read_limit),
            read_range,
        )?;
        within(
            "discard_delivery_attempts",
            self.assumptions.discard_delivery_attempts.into(),
            1..=i64::from(u32::MAX),
            "at least 1",
        )
    }

    /// Checks that a mapping with these options may be changed into one with `other`.
    ///
    /// # Errors
    /// [`MappingOptionsError::Immutable`] if not, as the request syntax of UpdateEventSourceMapping
    /// says (Lambda API reference).
    pub(crate) fn check_update(&self, other: &Self) -> Result<(), MappingOptionsError> {
        for (parameter, same) in [
            ("UUID", self.uuid == other.uuid),
            (
                "EventSourceArn",
                self.event_source_arn == other.event_source_arn,
            ),
            (
                "StartingPosition",
                self.starting_position == other.starting_position,
            ),
        ] {
            if !same {
                return Err(MappingOptionsError::Immutable { parameter });
            }
        }
        Ok(())
    }
}

fn within(
    parameter: &'static str,
    value: i64,
    allowed: std::ops::RangeInclusive<i64>,
    range: &'static str,
) -> Result<(), MappingOptionsError> {
    if allowed.contains(&value) {
        Ok(())
    } else {
        Err(MappingOptionsError::OutOfRange {
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
) -> Result<(), MappingOptionsError> {
    if at_default {
        Ok(())
    } else {
        Err(MappingOptionsError::NotModelled { parameter, default })
    }
}

/// The sources are the Lambda developer guide, "Lambda parameters for Amazon Kinesis Data Streams
/// event source mappings", and the Lambda API reference, `CreateEventSourceMapping`.
#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/order-intents";
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:consumer";

    fn with(change: impl FnOnce(&mut MappingOptions)) -> Result<(), MappingOptionsError> {
        let mut options = MappingOptions::new(STREAM, FUNCTION, StartingPosition::TrimHorizon);
        change(&mut options);
        options.validate()
    }

    #[test]
    fn both_ends_of_every_range_are_accepted() {
        for batch_size in [1, 10_000] {
            assert_eq!(with(|options| options.batch_size = batch_size), Ok(()));
        }
        for window in [0, 300] {
            assert_eq!(
                with(|options| options.maximum_batching_window_in_seconds = window),
                Ok(())
            );
        }
        for retries in [-1, 0, 10_000] {
            assert_eq!(
                with(|options| options.maximum_retry_attempts = retries),
                Ok(())
            );
        }
        for age in [-1, 60, 604_800] {
            assert_eq!(
                with(|options| options.maximum_record_age_in_seconds = age),
                Ok(())
            );
        }
        for factor in [1, 10] {
            assert_eq!(
                with(|options| options.parallelization_factor = factor),
                Ok(())
            );
        }
    }

    #[test]
    fn what_lies_outside_a_range_is_refused_by_name_and_range() {
        let refused = |change: fn(&mut MappingOptions)| with(change).unwrap_err().to_string();
        for (text, expected) in [
            (
                refused(|options| options.batch_size = 0),
                "BatchSize is 0; it must be 1–10,000",
            ),
            (
                refused(|options| options.batch_size = 10_001),
                "BatchSize is 10001; it must be 1–10,000",
            ),
            (
                refused(|options| options.maximum_batching_window_in_seconds = 301),
                "MaximumBatchingWindowInSeconds is 301; it must be 0–300 seconds",
            ),
            (
                refused(|options| options.maximum_retry_attempts = -2),
                "MaximumRetryAttempts is -2; it must be −1 (infinite) or 0–10,000",
            ),
            (
                refused(|options| options.maximum_retry_attempts = 10_001),
                "MaximumRetryAttempts is 10001; it must be −1 (infinite) or 0–10,000",
            ),
            (
                refused(|options| options.maximum_record_age_in_seconds = 59),
                "MaximumRecordAgeInSeconds is 59; it must be −1 (infinite) or 60–604,800 seconds",
            ),
            (
                refused(|options| options.maximum_record_age_in_seconds = 604_801),
                "MaximumRecordAgeInSeconds is 604801; it must be −1 (infinite) or 60–604,800 seconds",
            ),
            (
                refused(|options| options.parallelization_factor = 0),
                "ParallelizationFactor is 0; it must be 1–10",
            ),
            (
                refused(|options| options.parallelization_factor = 11),
                "ParallelizationFactor is 11; it must be 1–10",
            ),
            (
                refused(|options| options.stream_retention_hours = 23),
                "the stream's RetentionPeriodHours is 23; it must be 24–8,760 hours",
            ),
            (
                refused(|options| options.assumptions.read_limit = 0),
                "read_limit is 0; it must be 1–10,000",
            ),
            (
                refused(|options| options.assumptions.discard_delivery_attempts = 0),
                "discard_delivery_attempts is 0; it must be at least 1",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_is_not_modelled_is_refused_by_name() {
        let refused = |change: fn(&mut MappingOptions)| with(change).unwrap_err().to_string();
        for (text, expected) in [
            (
                refused(|options| options.tumbling_window_in_seconds = 1),
                "TumblingWindowInSeconds is not modelled; leave it at 0",
            ),
            (
                refused(|options| options.filter_criteria = vec!["{}".into()]),
                "FilterCriteria is not modelled; leave it empty",
            ),
            (
                refused(|options| options.on_failure = Some("kafka://topic".into())),
                "DestinationConfig.OnFailure is not modelled; leave it without a Kafka topic",
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
            let error = with(|options| options.event_source_arn = arn.into()).unwrap_err();
            assert!(
                matches!(
                    error,
                    MappingOptionsError::NotAnArn {
                        parameter: "EventSourceArn",
                        ..
                    }
                ),
                "{arn}"
            );
        }
        let error = with(|options| options.function_arn = STREAM.into()).unwrap_err();
        assert!(matches!(
            error,
            MappingOptionsError::NotAnArn {
                parameter: "FunctionName",
                ..
            }
        ));
    }
}
