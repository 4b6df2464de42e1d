//! The operations that create, describe, list, change and delete streams.

use serde_json::{Value, json};

use super::json::{shards_after, summary};
use crate::clock::seconds;
use crate::kinesis::error::KinesisError;
use crate::kinesis::input::{
    CreateStream, DescribeStream, ListStreams, SetRetention, StreamModeDetails, StreamOnly,
    UpdateStreamMode, stream_of_arn,
};
use crate::kinesis::limits::{DEFAULT_RETENTION_HOURS, MAX_GET_RECORDS, RETENTION_HOURS};
use crate::kinesis::stream::Mode;
use crate::kinesis::violations::{Violations, check_shard_count};
use crate::kinesis::{Kinesis, stream_arn};

impl Kinesis {
    pub(super) fn create_stream_operation(
        &self,
        input: CreateStream,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        if let Some(shards) = input.shard_count {
            check_shard_count(shards, &mut violations);
        }
        let name = violations.required(input.stream_name, "streamName");
        if let Some(name) = &name {
            violations.stream_name(name);
        }
        let mode = input
            .stream_mode_details
            .map(|details| Mode::check(details, &mut violations));
        violations.finish()?;
        let (mode, shards) = match (mode.flatten(), input.shard_count) {
            (None | Some(Mode::OnDemand), None) => (Mode::OnDemand, ON_DEMAND_SHARDS),
            (None | Some(Mode::Provisioned), Some(shards)) => {
                (Mode::Provisioned, u32::try_from(shards).unwrap_or(0))
            }
            (Some(Mode::Provisioned), None) => {
                return Err(KinesisError::Validation(
                    "ShardCount is required for a stream in PROVISIONED mode".to_owned(),
                ));
            }
            (Some(Mode::OnDemand), Some(_)) => {
                return Err(KinesisError::Validation(
                    "ShardCount is not for a stream in ON_DEMAND mode".to_owned(),
                ));
            }
        };
        self.insert_stream(
            &name.unwrap_or_default(),
            mode,
            shards,
            DEFAULT_RETENTION_HOURS,
        )?;
        Ok(Value::Null)
    }

    pub(super) fn update_stream_mode(
        &self,
        input: UpdateStreamMode,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let arn = violations.required(input.stream_arn, "streamARN");
        let mode = match input.stream_mode_details {
            None => {
                violations.required(None, "streamModeDetails");
                None
            }
            Some(details) => Mode::check(details, &mut violations),
        };
        violations.finish()?;
        let name = stream_of_arn(&arn.unwrap_or_default())?;
        self.with_stream(&name, |stream| {
            stream.mode = mode.unwrap_or(stream.mode);
            Ok(Value::Null)
        })
    }

    pub(super) fn delete_stream(&self, mut input: StreamOnly) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        match self.lock().remove(&name) {
            Some(_) => Ok(Value::Null),
            None => Err(KinesisError::StreamNotFound { stream: name }),
        }
    }

    pub(super) fn set_retention(
        &self,
        mut input: SetRetention,
        increase: bool,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        violations.at_least(input.retention_period_hours, 1, "retentionPeriodHours");
        let stream = input.stream();
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        let hours = input.retention_period_hours.unwrap_or(0);
        let hours = u32::try_from(hours).unwrap_or(u32::MAX);
        let invalid = |reason: String| Err(KinesisError::InvalidArgument(reason));
        if hours < *RETENTION_HOURS.start() {
            return invalid(format!(
                "Minimum allowed retention period is {} hours. Requested retention period ({} hours) is too short.",
                RETENTION_HOURS.start(),
                hours
            ));
        }
        if hours > *RETENTION_HOURS.end() {
            return invalid(format!(
                "Maximum allowed retention period is {} hours. Requested retention period ({hours} hours) is too long.",
                RETENTION_HOURS.end()
            ));
        }
        self.with_stream(&name, |stream| {
            let current = stream.retention_hours;
            if increase && hours < current {
                return invalid(format!(
                    "Requested retention period ({hours} hours) for stream {name} can not be shorter than existing \
                     retention period ({current} hours). Use DecreaseRetentionPeriod API."
                ));
            }
            if !increase && hours > current {
                return invalid(format!(
                    "Requested retention period ({hours} hours) for stream {name} can not be longer than existing \
                     retention period ({current} hours). Use IncreaseRetentionPeriod API."
                ));
            }
            stream.retention_hours = hours;
            Ok(Value::Null)
        })
    }

    pub(super) fn describe_stream(
        &self,
        mut input: DescribeStream,
        region: &str,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let limit = violations
            .limit(input.limit, "limit", MAX_GET_RECORDS)
            .unwrap_or(100);
        if let Some(id) = &input.exclusive_start_shard_id {
            violations.name(id, "exclusiveStartShardId");
        }
        let stream = input.stream();
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        self.with_stream(&name, |stream| {
            let from = input
                .exclusive_start_shard_id
                .as_deref()
                .unwrap_or_default();
            let mut shards = shards_after(stream, from, |_| true);
            let more = shards.len() > limit;
            shards.truncate(limit);
            let mut description = summary(&name, stream, region);
            description["Shards"] = Value::Array(shards);
            description["HasMoreShards"] = Value::Bool(more);
            Ok(json!({ "StreamDescription": description }))
        })
    }

    pub(super) fn describe_stream_summary(
        &self,
        mut input: StreamOnly,
        region: &str,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        self.with_stream(&name, |stream| {
            let mut description = summary(&name, stream, region);
            description["OpenShardCount"] = json!(stream.open_shards().count());
            description["ConsumerCount"] = json!(0);
            Ok(json!({ "StreamDescriptionSummary": description }))
        })
    }

    pub(super) fn list_streams(
        &self,
        input: ListStreams,
        region: &str,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let limit = violations
            .limit(input.limit, "limit", MAX_GET_RECORDS)
            .unwrap_or(100);
        if let Some(name) = &input.exclusive_start_stream_name {
            violations.name(name, "exclusiveStartStreamName");
        }
        violations.finish()?;
        let from = input
            .exclusive_start_stream_name
            .or(input.next_token)
            .unwrap_or_default();
        let streams = self.lock();
        let mut names: Vec<&String> = streams.keys().filter(|name| **name > from).collect();
        let more = names.len() > limit;
        names.truncate(limit);
        let summaries: Vec<Value> = names
            .iter()
            .filter_map(|name| Some((name, streams.get(*name)?)))
            .map(|(name, stream)| {
                json!({
                    "StreamName": name,
                    "StreamARN": stream_arn(region, name),
                    "StreamStatus": "ACTIVE",
                    "StreamModeDetails": { "StreamMode": stream.mode.name() },
                    "StreamCreationTimestamp": seconds(stream.created_millis),
                })
            })
            .collect();
        let mut output =
            json!({ "StreamNames": names, "HasMoreStreams": more, "StreamSummaries": summaries });
        if let (true, Some(last)) = (more, names.last()) {
            output["NextToken"] = json!(last);
        }
        Ok(output)
    }
}

/// With how many shards an on-demand stream begins (Kinesis developer guide, "Choose the right mode
/// in Kinesis Data Streams").
const ON_DEMAND_SHARDS: u32 = 4;

impl Mode {
    /// The mode that is asked for. A breach of the constraints of its shape goes to `violations`.
    fn check(details: StreamModeDetails, violations: &mut Violations) -> Option<Self> {
        let path = "streamModeDetails.streamMode";
        let name = violations.required(details.stream_mode, path)?;
        let known = [Self::Provisioned, Self::OnDemand];
        violations.one_of(&name, path, &known.map(Self::name));
        known.into_iter().find(|mode| mode.name() == name)
    }
}
