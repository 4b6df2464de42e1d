//! The operations of the Kinesis API as JSON in and JSON out, with AWS's constraints and messages.
//!
//! Source: Kinesis Data Streams API reference; the wording of messages as kinesalite recorded it
//! from AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::input::{
    CheckedRecord, CreateStream, DescribeStream, GetRecords, GetShardIterator, HASH_KEY_PATTERN,
    ListShards, ListStreams, MergeShards, PutRecord, PutRecords, RecordToPut, SetRetention,
    SplitShard, StreamModeDetails, StreamOnly, UpdateShardCount, UpdateStreamMode, read,
    stream_of_arn,
};
use super::iterator::ShardIterator;
use super::shard::Shard;
use super::shard_filter::Wanted;
use super::violations::{Violations, is_decimal};
use super::{
    DEFAULT_RETENTION_HOURS, ITERATOR_LIFETIME, Kinesis, KinesisError, MAX_GET_RECORDS,
    MAX_GET_RECORDS_BYTES, MAX_PUT_RECORDS, MAX_PUT_RECORDS_BYTES, MAX_RECORD_BYTES, MAX_SHARDS,
    Mode, Position, RETENTION_HOURS, Stream, resolve, stream_arn,
};
use crate::clock::millis;
use crate::failure::Failure;
use crate::service::ACCOUNT;

const SEQUENCE_NUMBER_PATTERN: &str = "0|([1-9]\\d{0,128})";

impl Kinesis {
    /// Performs one operation of the wire; `region` is only for ARNs.
    pub(crate) fn perform(
        &self,
        operation: &str,
        body: &[u8],
        region: &str,
    ) -> Result<Value, Failure> {
        let result = match operation {
            "CreateStream" => self.create_stream_operation(read(operation, body)?),
            "DecreaseStreamRetentionPeriod" => self.set_retention(read(operation, body)?, false),
            "DeleteStream" => self.delete_stream(read(operation, body)?),
            "DescribeStream" => self.describe_stream(read(operation, body)?, region),
            "DescribeStreamSummary" => self.describe_stream_summary(read(operation, body)?, region),
            "GetRecords" => self.get_records(read(operation, body)?),
            "GetShardIterator" => self.get_shard_iterator(read(operation, body)?),
            "IncreaseStreamRetentionPeriod" => self.set_retention(read(operation, body)?, true),
            "ListShards" => self.list_shards(read(operation, body)?),
            "ListStreams" => self.list_streams(read(operation, body)?, region),
            "MergeShards" => self.merge_shards_operation(read(operation, body)?),
            "PutRecord" => self.put_record_operation(read(operation, body)?),
            "PutRecords" => self.put_records(read(operation, body)?),
            "SplitShard" => self.split_shard_operation(read(operation, body)?),
            "UpdateStreamMode" => self.update_stream_mode(read(operation, body)?),
            "UpdateShardCount" => self.update_shard_count_operation(read(operation, body)?, region),
            _ => return Err(Failure::unknown_operation(operation)),
        };
        Ok(result?)
    }

    fn create_stream_operation(&self, input: CreateStream) -> Result<Value, KinesisError> {
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

    fn update_stream_mode(&self, input: UpdateStreamMode) -> Result<Value, KinesisError> {
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

    fn delete_stream(&self, mut input: StreamOnly) -> Result<Value, KinesisError> {
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

    fn set_retention(
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

    fn describe_stream(
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

    fn describe_stream_summary(
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

    fn list_streams(&self, input: ListStreams, region: &str) -> Result<Value, KinesisError> {
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

    fn list_shards(&self, mut input: ListShards) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let limit = violations
            .limit(input.max_results, "maxResults", MAX_GET_RECORDS)
            .unwrap_or(1_000);
        if let Some(id) = &input.exclusive_start_shard_id {
            violations.name(id, "exclusiveStartShardId");
        }
        let stream = input.stream();
        stream.check(&mut violations);
        if let Some(token) = &input.next_token {
            violations.length_range(token.len(), token, "nextToken", 1, 1_048_576);
        }
        if let Some(filter) = &input.shard_filter {
            filter.check(&mut violations);
        }
        violations.finish()?;
        let (name, from, wanted) = match &input.next_token {
            // The token names the stream, so AWS refuses a stream besides it.
            Some(_) if stream.given() || input.shard_filter.is_some() => {
                return Err(KinesisError::InvalidArgument(
                    if stream.given() {
                        "NextToken and StreamName cannot be provided together."
                    } else {
                        "NextToken and ShardFilter cannot be provided together."
                    }
                    .to_owned(),
                ));
            }
            Some(token) => decode_token(token)
                .ok_or_else(|| KinesisError::InvalidArgument("Invalid NextToken.".to_owned()))?,
            None => {
                let (wanted, after) = match input.shard_filter {
                    None => (Wanted::All, None),
                    Some(filter) => filter.wanted(millis_of_seconds)?,
                };
                let from = input.exclusive_start_shard_id.max(after);
                (stream.name()?, from.unwrap_or_default(), wanted)
            }
        };
        self.with_stream(&name, |stream| {
            let among = wanted.of(stream, self.inner.clock.now_millis());
            let mut shards = shards_after(stream, &from, |shard| among.contains(&shard.number()));
            let more = shards.len() > limit;
            shards.truncate(limit);
            let last = shards
                .last()
                .and_then(|shard| shard["ShardId"].as_str())
                .map(str::to_owned);
            let mut output = json!({ "Shards": shards });
            if let (true, Some(last)) = (more, last) {
                output["NextToken"] =
                    json!(STANDARD.encode(format!("{name}/{last}/{}", wanted.encode())));
            }
            Ok(output)
        })
    }

    fn split_shard_operation(&self, mut input: SplitShard) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        let key = violations.required(input.new_starting_hash_key, "newStartingHashKey");
        if let Some(key) = &key {
            let path = "newStartingHashKey";
            violations.pattern(is_decimal(key, 39), key, path, HASH_KEY_PATTERN);
        }
        stream.check(&mut violations);
        let shard = violations.required_name(input.shard_to_split, "shardToSplit");
        violations.finish()?;
        let name = stream.name()?;
        let key = key.unwrap_or_default();
        // 39 digits can be more than 2^128.
        let key = key.parse().unwrap_or(u128::MAX);
        self.split_shard(&name, &shard.unwrap_or_default(), key)?;
        Ok(Value::Null)
    }

    fn merge_shards_operation(&self, mut input: MergeShards) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        let shard = violations.required_name(input.shard_to_merge, "shardToMerge");
        let adjacent =
            violations.required_name(input.adjacent_shard_to_merge, "adjacentShardToMerge");
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        self.merge_shards(
            &name,
            &shard.unwrap_or_default(),
            &adjacent.unwrap_or_default(),
        )?;
        Ok(Value::Null)
    }

    fn update_shard_count_operation(
        &self,
        mut input: UpdateShardCount,
        region: &str,
    ) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        let scaling = violations.required(input.scaling_type, "scalingType");
        if let Some(scaling) = &scaling {
            violations.one_of(scaling, "scalingType", &["UNIFORM_SCALING"]);
        }
        stream.check(&mut violations);
        violations.at_least(input.target_shard_count, 1, "targetShardCount");
        violations.finish()?;
        let name = stream.name()?;
        let target = input.target_shard_count.unwrap_or(0);
        let before = self.update_shard_count(&name, u32::try_from(target).unwrap_or(u32::MAX))?;
        Ok(json!({
            "StreamName": name,
            "StreamARN": stream_arn(region, &name),
            "CurrentShardCount": before,
            "TargetShardCount": target,
        }))
    }

    fn put_record_operation(&self, mut input: PutRecord) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        if let Some(number) = &input.sequence_number_for_ordering {
            violations.pattern(
                is_decimal(number, 129),
                number,
                "sequenceNumberForOrdering",
                SEQUENCE_NUMBER_PATTERN,
            );
        }
        let record = RecordToPut {
            data: input.data,
            partition_key: input.partition_key,
            explicit_hash_key: input.explicit_hash_key,
        };
        let record = record.check("", &mut violations);
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        let record = record?;
        let placed = self.put(&name, &record.partition_key, record.hash_key, record.data)?;
        Ok(json!({
            "ShardId": placed.shard_id,
            "SequenceNumber": placed.sequence_number.to_string(),
        }))
    }

    fn put_records(&self, mut input: PutRecords) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        let entries = match input.records {
            None => {
                violations.required(None, "records");
                Vec::new()
            }
            Some(entries) if (1..=MAX_PUT_RECORDS).contains(&entries.len()) => entries,
            Some(entries) => {
                let shown = vec![RECORD_AS_SHOWN; entries.len()].join(", ");
                let (length, shown) = (entries.len(), format!("[{shown}]"));
                violations.length_range(length, &shown, "records", 1, MAX_PUT_RECORDS);
                entries
            }
        };
        let records: Vec<Result<CheckedRecord, KinesisError>> = entries
            .into_iter()
            .enumerate()
            .map(|(i, record)| record.check(&format!("records.{}.member.", i + 1), &mut violations))
            .collect();
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        let records = records.into_iter().collect::<Result<Vec<_>, _>>()?;
        if records.iter().map(CheckedRecord::size).sum::<usize>() > MAX_PUT_RECORDS_BYTES {
            return Err(KinesisError::InvalidArgument(
                "Records size exceeds 10 MB limit".to_owned(),
            ));
        }
        let mut failed = 0;
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            outcomes.push(
                match self.put(&name, &record.partition_key, record.hash_key, record.data) {
                    Ok(placed) => json!({
                        "ShardId": placed.shard_id,
                        "SequenceNumber": placed.sequence_number.to_string(),
                    }),
                    Err(
                        error @ (KinesisError::ThroughputExceeded { .. }
                        | KinesisError::ShardFull { .. }),
                    ) => {
                        failed += 1;
                        json!({ "ErrorCode": error.code(), "ErrorMessage": error.to_string() })
                    }
                    Err(error) => return Err(error),
                },
            );
        }
        Ok(json!({ "FailedRecordCount": failed, "Records": outcomes }))
    }

    fn get_shard_iterator(&self, mut input: GetShardIterator) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let stream = input.stream();
        let shard_id = violations.required_name(input.shard_id, "shardId");
        let kind = violations.required(input.shard_iterator_type, "shardIteratorType");
        if let Some(kind) = &kind {
            violations.one_of(kind, "shardIteratorType", &ITERATOR_TYPES);
        }
        if let Some(number) = &input.starting_sequence_number {
            violations.pattern(
                is_decimal(number, 129),
                number,
                "startingSequenceNumber",
                SEQUENCE_NUMBER_PATTERN,
            );
        }
        stream.check(&mut violations);
        violations.finish()?;
        let name = stream.name()?;
        let (shard_id, kind) = (shard_id.unwrap_or_default(), kind.unwrap_or_default());
        let now = self.inner.clock.now_millis();
        let invalid = |reason: String| KinesisError::InvalidArgument(reason);

        let position = match (kind.as_str(), input.starting_sequence_number) {
            ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", Some(number)) => {
                let number = number.parse().map_err(|_| {
                    invalid(format!(
                        "StartingSequenceNumber {number} used in GetShardIterator on shard {shard_id} in stream {name} \
                         under account {ACCOUNT} is invalid."
                    ))
                })?;
                if kind == "AT_SEQUENCE_NUMBER" {
                    Position::At(number)
                } else {
                    Position::After(number)
                }
            }
            ("TRIM_HORIZON", None) => Position::TrimHorizon,
            ("LATEST", None) => Position::Latest,
            ("AT_TIMESTAMP", None) => {
                let timestamp = input
                    .timestamp
                    .ok_or_else(|| {
                        invalid("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. \
                                 Current request has no timestamp parameter.".to_owned())
                    })
                    .map(millis_of_seconds)?;
                if timestamp > now {
                    return Err(invalid(format!(
                        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                         timestampInMillis: {timestamp}, currentTimestampInMillis: {now}"
                    )));
                }
                Position::AtTimestamp(timestamp)
            }
            (_, number) => {
                return Err(invalid(format!(
                    "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or \
                     (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {}.",
                    if number.is_some() {
                        "also a StartingSequenceNumber"
                    } else {
                        "no StartingSequenceNumber"
                    }
                )));
            }
        };
        self.with_stream(&name, |stream| {
            let stream_created_millis = stream.created_millis;
            let retention = stream.retention_millis();
            let shard = stream.shard(&name, &shard_id)?;
            shard.trim(now, retention);
            let after = resolve(shard, &name, position)?;
            let iterator = ShardIterator {
                stream: name.clone(),
                stream_created_millis,
                shard_id: shard.id(),
                after,
                made_millis: now,
            };
            Ok(json!({ "ShardIterator": iterator.encode() }))
        })
    }

    fn get_records(&self, input: GetRecords) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let limit = violations
            .limit(input.limit, "limit", MAX_GET_RECORDS)
            .unwrap_or(MAX_GET_RECORDS);
        let invalid = || KinesisError::InvalidArgument("Invalid ShardIterator.".to_owned());
        let text = violations.required(input.shard_iterator, "shardIterator");
        if let Some(text) = &text {
            violations.length_range(text.len(), text, "shardIterator", 1, 512);
        }
        violations.finish()?;
        let iterator = ShardIterator::decode(&text.unwrap_or_default()).ok_or_else(invalid)?;
        if let Some(arn) = &input.stream_arn
            && stream_of_arn(arn)? != iterator.stream
        {
            return Err(invalid());
        }
        let now = self.inner.clock.now_millis();
        if now.saturating_sub(iterator.made_millis) > millis(ITERATOR_LIFETIME) {
            return Err(KinesisError::ExpiredIterator(format!(
                "Iterator expired. The iterator was created at time {} while right now it is {now} which is further in \
                 the future than the tolerated delay of {} milliseconds.",
                iterator.made_millis,
                millis(ITERATOR_LIFETIME)
            )));
        }
        self.with_stream(&iterator.stream, |stream| {
            if stream.created_millis != iterator.stream_created_millis {
                return Err(invalid());
            }
            let retention = stream.retention_millis();
            let shard = stream.shard(&iterator.stream, &iterator.shard_id)?;
            shard.trim(now, retention);
            let (records, after, behind) =
                shard.read_after(iterator.after, limit, MAX_GET_RECORDS_BYTES, now);
            let ended = (!shard.is_open() && behind == 0).then_some(shard.number());
            let next = ShardIterator {
                after,
                made_millis: now,
                ..iterator.clone()
            };
            let records: Vec<Value> = records
                .into_iter()
                .map(|record| {
                    json!({
                        "SequenceNumber": record.sequence_number.to_string(),
                        "ApproximateArrivalTimestamp": seconds(record.arrival_millis),
                        "Data": STANDARD.encode(&record.data),
                        "PartitionKey": record.partition_key,
                    })
                })
                .collect();
            let mut output = json!({ "Records": records, "MillisBehindLatest": behind });
            match ended {
                None => output["NextShardIterator"] = json!(next.encode()),
                Some(number) => output["ChildShards"] = child_shards(stream, number),
            }
            Ok(output)
        })
    }
}

/// In the sequence in which AWS lists them.
const ITERATOR_TYPES: [&str; 5] = [
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_TIMESTAMP",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
];

/// How AWS shows an entry of PutRecords in a message.
const RECORD_AS_SHOWN: &str = "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310";

/// With how many shards an on-demand stream begins (Kinesis developer guide, "Choose the right mode
/// in Kinesis Data Streams").
const ON_DEMAND_SHARDS: u32 = 4;

impl Mode {
    /// The mode asked for; what breaks the constraints of its shape goes to `violations`.
    fn check(details: StreamModeDetails, violations: &mut Violations) -> Option<Self> {
        let path = "streamModeDetails.streamMode";
        let name = violations.required(details.stream_mode, path)?;
        let known = [Self::Provisioned, Self::OnDemand];
        violations.one_of(&name, path, &known.map(Self::name));
        known.into_iter().find(|mode| mode.name() == name)
    }
}

fn check_shard_count(shards: i64, violations: &mut Violations) {
    violations.at_least(Some(shards), 1, "shardCount");
    violations.check(
        shards <= i64::from(MAX_SHARDS),
        shards,
        "shardCount",
        || format!("Member must have value less than or equal to {MAX_SHARDS}"),
    );
}

/// Checks the name and shard count of a stream to be created.
pub(super) fn check_new_stream(name: &str, shards: u32) -> Result<(), KinesisError> {
    let mut violations = Violations::default();
    check_shard_count(i64::from(shards), &mut violations);
    violations.stream_name(name);
    violations.finish()
}

/// Checks a record that comes without a wire.
pub(super) fn check_record(partition_key: &str, data: &Bytes) -> Result<(), KinesisError> {
    let mut violations = Violations::default();
    violations.partition_key(partition_key, "");
    violations.record_size(data, partition_key, "");
    violations.finish()
}

fn summary(name: &str, stream: &Stream, region: &str) -> Value {
    json!({
        "StreamName": name,
        "StreamARN": stream_arn(region, name),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": { "StreamMode": stream.mode.name() },
        "RetentionPeriodHours": stream.retention_hours,
        "StreamCreationTimestamp": seconds(stream.created_millis),
        "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
        "EncryptionType": "NONE",
        "MaxRecordSizeInKiB": MAX_RECORD_BYTES / 1_024,
    })
}

fn shards_after(stream: &Stream, shard_id: &str, wanted: impl Fn(&Shard) -> bool) -> Vec<Value> {
    stream
        .shards
        .iter()
        .filter(|shard| shard.id().as_str() > shard_id && wanted(shard))
        .map(|shard| {
            let mut description = json!({
                "ShardId": shard.id(),
                "HashKeyRange": hash_key_range(shard),
                "SequenceNumberRange": {
                    "StartingSequenceNumber": shard.starting_sequence_number().to_string(),
                },
            });
            if let Some(ending) = shard.ending_sequence_number() {
                description["SequenceNumberRange"]["EndingSequenceNumber"] =
                    json!(ending.to_string());
            }
            let names = ["ParentShardId", "AdjacentParentShardId"];
            for (name, parent) in names.into_iter().zip(shard.parent_ids()) {
                if let Some(parent) = parent {
                    description[name] = json!(parent);
                }
            }
            description
        })
        .collect()
}

/// What GetRecords says of the shards that follow a closed one.
fn child_shards(stream: &Stream, parent: u32) -> Value {
    stream
        .shards
        .iter()
        .filter(|shard| shard.is_child_of(parent))
        .map(|shard| {
            json!({
                "ShardId": shard.id(),
                "ParentShards": shard.parent_ids().into_iter().flatten().collect::<Vec<_>>(),
                "HashKeyRange": hash_key_range(shard),
            })
        })
        .collect()
}

fn hash_key_range(shard: &Shard) -> Value {
    json!({
        "StartingHashKey": shard.range().start.to_string(),
        "EndingHashKey": shard.range().end.to_string(),
    })
}

fn decode_token(token: &str) -> Option<(String, String, Wanted)> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let (name, rest) = text.split_once('/')?;
    let (shard_id, wanted) = rest.split_once('/')?;
    Some((
        name.to_owned(),
        shard_id.to_owned(),
        Wanted::decode(wanted)?,
    ))
}

/// Seconds since the epoch with three decimals, as AWS's JSON writes a time.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "the wire format is a JSON number with decimals"
)]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the wire format is a JSON number with decimals; the conversion saturates"
)]
fn millis_of_seconds(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}
