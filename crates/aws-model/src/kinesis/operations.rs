//! The operations of the Kinesis API as JSON in and JSON out, with AWS's constraints and messages.
//!
//! Source: Kinesis Data Streams API reference; the wording of messages as kinesalite recorded it from AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::input::{
    CheckedRecord, CreateStream, DescribeStream, GetRecords, GetShardIterator, HASH_KEY_PATTERN,
    ListShards, ListStreams, MergeShards, PutRecord, PutRecords, SetRetention, SplitShard,
    StreamOnly, UpdateShardCount, read, stream_of_arn,
};
use super::iterator::ShardIterator;
use super::shard::Shard;
use super::violations::{Violations, is_decimal};
use super::{
    DEFAULT_RETENTION_HOURS, ITERATOR_LIFETIME, Kinesis, KinesisError, MAX_GET_RECORDS,
    MAX_GET_RECORDS_BYTES, MAX_PUT_RECORDS, MAX_PUT_RECORDS_BYTES, MAX_RECORD_BYTES, MAX_SHARDS,
    Position, RETENTION_HOURS, Stream, resolve, stream_arn,
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
            "CreateStream" => self.create_stream_operation(read(body)?),
            "DecreaseStreamRetentionPeriod" => self.set_retention(read(body)?, false),
            "DeleteStream" => self.delete_stream(read(body)?),
            "DescribeStream" => self.describe_stream(read(body)?, region),
            "DescribeStreamSummary" => self.describe_stream_summary(read(body)?, region),
            "GetRecords" => self.get_records(read(body)?),
            "GetShardIterator" => self.get_shard_iterator(read(body)?),
            "IncreaseStreamRetentionPeriod" => self.set_retention(read(body)?, true),
            "ListShards" => self.list_shards(read(body)?),
            "ListStreams" => self.list_streams(read(body)?, region),
            "MergeShards" => self.merge_shards_operation(read(body)?),
            "PutRecord" => self.put_record_operation(read(body)?),
            "PutRecords" => self.put_records(read(body)?),
            "SplitShard" => self.split_shard_operation(read(body)?),
            "UpdateShardCount" => self.update_shard_count_operation(read(body)?, region),
            _ => return Err(Failure::unknown_operation(operation)),
        };
        Ok(result?)
    }

    fn create_stream_operation(&self, input: CreateStream) -> Result<Value, KinesisError> {
        let name = input.stream_name.unwrap_or_default();
        let Some(shards) = input.shard_count else {
            check_new_stream(&name, 1)?;
            return Err(KinesisError::Validation(
                "ShardCount is required for a stream in PROVISIONED mode".to_owned(),
            ));
        };
        self.create_stream(
            &name,
            u32::try_from(shards).unwrap_or(0),
            DEFAULT_RETENTION_HOURS,
        )?;
        Ok(Value::Null)
    }

    fn delete_stream(&self, input: StreamOnly) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        match self.lock().remove(&name) {
            Some(_) => Ok(Value::Null),
            None => Err(KinesisError::StreamNotFound { stream: name }),
        }
    }

    fn set_retention(&self, input: SetRetention, increase: bool) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        let hours = u32::try_from(input.retention_period_hours).unwrap_or(0);
        let invalid = |reason: String| Err(KinesisError::InvalidArgument(reason));
        if hours < *RETENTION_HOURS.start() {
            return invalid(format!(
                "Minimum allowed retention period is {} hours. Requested retention period ({} hours) is too short.",
                RETENTION_HOURS.start(),
                input.retention_period_hours
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

    fn describe_stream(&self, input: DescribeStream, region: &str) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        let limit = limited(input.limit, "limit", MAX_GET_RECORDS)?.unwrap_or(100);
        self.with_stream(&name, |stream| {
            let from = input
                .exclusive_start_shard_id
                .as_deref()
                .unwrap_or_default();
            let mut shards = shards_after(stream, from);
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
        input: StreamOnly,
        region: &str,
    ) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        self.with_stream(&name, |stream| {
            let mut description = summary(&name, stream, region);
            description["OpenShardCount"] = json!(stream.open_shards().count());
            description["ConsumerCount"] = json!(0);
            Ok(json!({ "StreamDescriptionSummary": description }))
        })
    }

    fn list_streams(&self, input: ListStreams, region: &str) -> Result<Value, KinesisError> {
        let limit = limited(input.limit, "limit", MAX_GET_RECORDS)?.unwrap_or(100);
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
                    "StreamModeDetails": { "StreamMode": "PROVISIONED" },
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

    fn list_shards(&self, input: ListShards) -> Result<Value, KinesisError> {
        let limit = limited(input.max_results, "maxResults", MAX_GET_RECORDS)?.unwrap_or(1_000);
        if input.shard_filter.is_some() {
            return Err(KinesisError::InvalidArgument(
                "ShardFilter is not modelled: all shards are listed.".to_owned(),
            ));
        }
        let (name, from) = match &input.next_token {
            // The token names the stream, so AWS refuses a stream besides it.
            Some(_) if input.stream.given() => {
                return Err(KinesisError::InvalidArgument(
                    "NextToken and StreamName cannot be provided together.".to_owned(),
                ));
            }
            Some(token) => decode_token(token)
                .ok_or_else(|| KinesisError::InvalidArgument("Invalid NextToken.".to_owned()))?,
            None => (
                input.stream.name()?,
                input.exclusive_start_shard_id.unwrap_or_default(),
            ),
        };
        self.with_stream(&name, |stream| {
            let mut shards = shards_after(stream, &from);
            let more = shards.len() > limit;
            shards.truncate(limit);
            let last = shards
                .last()
                .and_then(|shard| shard["ShardId"].as_str())
                .map(str::to_owned);
            let mut output = json!({ "Shards": shards });
            if let (true, Some(last)) = (more, last) {
                output["NextToken"] = json!(STANDARD.encode(format!("{name}/{last}")));
            }
            Ok(output)
        })
    }

    fn split_shard_operation(&self, input: SplitShard) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        let mut violations = Violations::default();
        let shard = violations.required(input.shard_to_split, "shardToSplit");
        let key = violations.required(input.new_starting_hash_key, "newStartingHashKey");
        if let Some(key) = &key {
            let path = "newStartingHashKey";
            violations.pattern(is_decimal(key, 39), key, path, HASH_KEY_PATTERN);
        }
        violations.finish()?;
        let key = key.unwrap_or_default();
        // 39 digits can be more than 2^128.
        let key = key.parse().unwrap_or(u128::MAX);
        self.split_shard(&name, &shard.unwrap_or_default(), key)?;
        Ok(Value::Null)
    }

    fn merge_shards_operation(&self, input: MergeShards) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        let mut violations = Violations::default();
        let shard = violations.required(input.shard_to_merge, "shardToMerge");
        let adjacent = violations.required(input.adjacent_shard_to_merge, "adjacentShardToMerge");
        violations.finish()?;
        self.merge_shards(
            &name,
            &shard.unwrap_or_default(),
            &adjacent.unwrap_or_default(),
        )?;
        Ok(Value::Null)
    }

    fn update_shard_count_operation(
        &self,
        input: UpdateShardCount,
        region: &str,
    ) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        let mut violations = Violations::default();
        let target = input.target_shard_count.unwrap_or(0);
        violations.check(target >= 1, target, "targetShardCount", || {
            "Member must have value greater than or equal to 1".to_owned()
        });
        let scaling = violations.required(input.scaling_type, "scalingType");
        if let Some(scaling) = &scaling {
            let known = scaling == "UNIFORM_SCALING";
            violations.check(known, scaling, "scalingType", || {
                "Member must satisfy enum value set: [UNIFORM_SCALING]".to_owned()
            });
        }
        violations.finish()?;
        let before = self.update_shard_count(&name, u32::try_from(target).unwrap_or(u32::MAX))?;
        Ok(json!({
            "StreamName": name,
            "StreamARN": stream_arn(region, &name),
            "CurrentShardCount": before,
            "TargetShardCount": target,
        }))
    }

    fn put_record_operation(&self, input: PutRecord) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let record = input.record.check("", &mut violations);
        if let Some(number) = &input.sequence_number_for_ordering {
            violations.pattern(
                is_decimal(number, 129),
                number,
                "sequenceNumberForOrdering",
                SEQUENCE_NUMBER_PATTERN,
            );
        }
        violations.finish()?;
        let name = input.stream.name()?;
        let record = record?;
        let placed = self.put(&name, &record.partition_key, record.hash_key, record.data)?;
        Ok(json!({
            "ShardId": placed.shard_id,
            "SequenceNumber": placed.sequence_number.to_string(),
        }))
    }

    fn put_records(&self, input: PutRecords) -> Result<Value, KinesisError> {
        let mut violations = Violations::default();
        let entries = input.records.unwrap_or_default();
        violations.length_range(entries.len(), "[records]", "records", 1, MAX_PUT_RECORDS);
        let records: Vec<Result<CheckedRecord, KinesisError>> = entries
            .into_iter()
            .enumerate()
            .map(|(i, record)| record.check(&format!("records.{}.member.", i + 1), &mut violations))
            .collect();
        violations.finish()?;
        let name = input.stream.name()?;
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

    fn get_shard_iterator(&self, input: GetShardIterator) -> Result<Value, KinesisError> {
        let name = input.stream.name()?;
        let mut violations = Violations::default();
        let shard_id = violations.required(input.shard_id, "shardId");
        let kind = violations.required(input.shard_iterator_type, "shardIteratorType");
        if let Some(kind) = &kind {
            violations.check(
                ITERATOR_TYPES.contains(&kind.as_str()),
                kind,
                "shardIteratorType",
                || {
                    format!(
                        "Member must satisfy enum value set: [{}]",
                        ITERATOR_TYPES.join(", ")
                    )
                },
            );
        }
        if let Some(number) = &input.starting_sequence_number {
            violations.pattern(
                is_decimal(number, 129),
                number,
                "startingSequenceNumber",
                SEQUENCE_NUMBER_PATTERN,
            );
        }
        violations.finish()?;
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
                shard_id: shard_id.clone(),
                after,
                made_millis: now,
            };
            Ok(json!({ "ShardIterator": iterator.encode() }))
        })
    }

    fn get_records(&self, input: GetRecords) -> Result<Value, KinesisError> {
        let limit = limited(input.limit, "limit", MAX_GET_RECORDS)?.unwrap_or(MAX_GET_RECORDS);
        let invalid = || KinesisError::InvalidArgument("Invalid ShardIterator.".to_owned());
        let mut violations = Violations::default();
        let text = violations.required(input.shard_iterator, "shardIterator");
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

const ITERATOR_TYPES: [&str; 5] = [
    "AFTER_SEQUENCE_NUMBER",
    "AT_SEQUENCE_NUMBER",
    "AT_TIMESTAMP",
    "LATEST",
    "TRIM_HORIZON",
];

/// Checks the name and shard count of a stream to be created.
pub(super) fn check_new_stream(name: &str, shards: u32) -> Result<(), KinesisError> {
    let mut violations = Violations::default();
    violations.check(shards >= 1, shards, "shardCount", || {
        "Member must have value greater than or equal to 1".to_owned()
    });
    violations.check(shards <= MAX_SHARDS, shards, "shardCount", || {
        format!("Member must have value less than or equal to {MAX_SHARDS}")
    });
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
        "StreamModeDetails": { "StreamMode": "PROVISIONED" },
        "RetentionPeriodHours": stream.retention_hours,
        "StreamCreationTimestamp": seconds(stream.created_millis),
        "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
        "EncryptionType": "NONE",
        "MaxRecordSizeInKiB": MAX_RECORD_BYTES / 1_024,
    })
}

fn shards_after(stream: &Stream, shard_id: &str) -> Vec<Value> {
    stream
        .shards
        .iter()
        .filter(|shard| shard.id().as_str() > shard_id)
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

fn decode_token(token: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let (name, shard_id) = text.split_once('/')?;
    Some((name.to_owned(), shard_id.to_owned()))
}

fn limited(value: Option<i64>, path: &str, most: usize) -> Result<Option<usize>, KinesisError> {
    let Some(value) = value else { return Ok(None) };
    let mut violations = Violations::default();
    violations.check(value >= 1, value, path, || {
        "Member must have value greater than or equal to 1".to_owned()
    });
    let converted = usize::try_from(value).unwrap_or(0);
    violations.check(converted <= most, value, path, || {
        format!("Member must have value less than or equal to {most}")
    });
    violations.finish()?;
    Ok(Some(converted))
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
