//! The operations of the Kinesis API as JSON in and JSON out, with AWS's constraints and messages.
//!
//! Source: Kinesis Data Streams API reference; the wording of messages as kinesalite recorded it from AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::iterator::ShardIterator;
use super::{
    DEFAULT_RETENTION_HOURS, ITERATOR_LIFETIME, Kinesis, KinesisError, MAX_GET_RECORDS,
    MAX_GET_RECORDS_BYTES, MAX_PARTITION_KEY_CHARS, MAX_PUT_RECORDS, MAX_PUT_RECORDS_BYTES,
    MAX_RECORD_BYTES, Position, RETENTION_HOURS, Stream, hash_key, resolve, stream_arn,
};
use crate::clock::millis;
use crate::failure::Failure;
use crate::service::ACCOUNT;

const ON_DEMAND_SHARDS: u32 = 4;
const READS_PER_SECOND: u64 = 5;
const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";
const HASH_KEY_PATTERN: &str = "0|([1-9]\\d{0,38})";
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
            "CreateStream" => self.create_stream_operation(input(body)?),
            "DecreaseStreamRetentionPeriod" => self.set_retention(input(body)?, false),
            "DeleteStream" => self.delete_stream(input(body)?),
            "DescribeStream" => self.describe_stream(input(body)?, region),
            "DescribeStreamSummary" => self.describe_stream_summary(input(body)?, region),
            "GetRecords" => self.get_records(input(body)?),
            "GetShardIterator" => self.get_shard_iterator(input(body)?),
            "IncreaseStreamRetentionPeriod" => self.set_retention(input(body)?, true),
            "ListShards" => self.list_shards(input(body)?),
            "ListStreams" => self.list_streams(input(body)?, region),
            "PutRecord" => self.put_record_operation(input(body)?),
            "PutRecords" => self.put_records(input(body)?),
            _ => return Err(Failure::unknown_operation(operation)),
        };
        Ok(result?)
    }

    fn create_stream_operation(&self, input: CreateStream) -> Result<Value, KinesisError> {
        let name = input.stream_name.unwrap_or_default();
        let on_demand = input
            .stream_mode_details
            .is_some_and(|mode| mode.stream_mode == "ON_DEMAND");
        let shards = match input.shard_count {
            None if on_demand => ON_DEMAND_SHARDS,
            None => {
                check_new_stream(&name, 1)?;
                return Err(KinesisError::Validation(
                    "ShardCount is required for a stream in PROVISIONED mode".to_owned(),
                ));
            }
            Some(count) => u32::try_from(count).unwrap_or(0),
        };
        check_new_stream(&name, shards)?;
        self.insert_stream(&name, shards, DEFAULT_RETENTION_HOURS, on_demand)?;
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
            description["OpenShardCount"] = json!(stream.shards.len());
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
                    "StreamModeDetails": { "StreamMode": mode(stream) },
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
        let read_limits = self.inner.settings.read_limits;
        self.with_stream(&iterator.stream, |stream| {
            if stream.created_millis != iterator.stream_created_millis {
                return Err(invalid());
            }
            let retention = stream.retention_millis();
            let shard = stream.shard(&iterator.stream, &iterator.shard_id)?;
            if read_limits && !shard.admits_read(now, READS_PER_SECOND) {
                return Err(KinesisError::ThroughputExceeded {
                    stream: iterator.stream.clone(),
                    shard: iterator.shard_id.clone(),
                });
            }
            shard.trim(now, retention);
            let (records, after, behind) =
                shard.read_after(iterator.after, limit, MAX_GET_RECORDS_BYTES, now);
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
            Ok(json!({
                "Records": records,
                "NextShardIterator": next.encode(),
                "MillisBehindLatest": behind,
            }))
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
        "StreamModeDetails": { "StreamMode": mode(stream) },
        "RetentionPeriodHours": stream.retention_hours,
        "StreamCreationTimestamp": seconds(stream.created_millis),
        "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
        "EncryptionType": "NONE",
        "MaxRecordSizeInKiB": MAX_RECORD_BYTES / 1_024,
    })
}

fn mode(stream: &Stream) -> &'static str {
    if stream.on_demand {
        "ON_DEMAND"
    } else {
        "PROVISIONED"
    }
}

fn shards_after(stream: &Stream, shard_id: &str) -> Vec<Value> {
    stream
        .shards
        .iter()
        .filter(|shard| shard.id().as_str() > shard_id)
        .map(|shard| {
            json!({
                "ShardId": shard.id(),
                "HashKeyRange": {
                    "StartingHashKey": shard.range().start.to_string(),
                    "EndingHashKey": shard.range().end.to_string(),
                },
                "SequenceNumberRange": {
                    "StartingSequenceNumber": shard.starting_sequence_number().to_string(),
                },
            })
        })
        .collect()
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

fn is_decimal(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

fn stream_of_arn(arn: &str) -> Result<String, KinesisError> {
    let name = arn
        .strip_prefix("arn:aws:kinesis:")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(_, rest)| rest.split_once(":stream/"))
        .filter(|(account, name)| {
            account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
        });
    match name {
        None => {
            let mut violations = Violations::default();
            violations.pattern(
                false,
                arn,
                "streamARN",
                "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+",
            );
            violations.finish().map(|()| String::new())
        }
        // Another account's stream is out of reach.
        Some((account, name)) if account != ACCOUNT => Err(KinesisError::StreamNotFound {
            stream: name.to_owned(),
        }),
        Some((_, name)) => Ok(name.to_owned()),
    }
}

fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, KinesisError> {
    serde_json::from_slice(body).map_err(|error| {
        KinesisError::Serialization(if error.is_data() {
            "A member of the request has the wrong type".to_owned()
        } else {
            String::new()
        })
    })
}

/// Constraint violations, reported together as AWS does.
#[derive(Debug, Default)]
struct Violations(Vec<String>);

impl Violations {
    fn check(
        &mut self,
        holds: bool,
        value: impl std::fmt::Display,
        path: &str,
        constraint: impl FnOnce() -> String,
    ) {
        // AWS lists ten at most.
        if !holds && self.0.len() < 10 {
            self.0.push(format!(
                "Value '{value}' at '{path}' failed to satisfy constraint: {}",
                constraint()
            ));
        }
    }

    fn pattern(&mut self, holds: bool, value: &str, path: &str, pattern: &str) {
        self.check(holds, value, path, || {
            format!("Member must satisfy regular expression pattern: {pattern}")
        });
    }

    fn length_range(&mut self, length: usize, value: &str, path: &str, least: usize, most: usize) {
        self.check(length <= most, value, path, || {
            format!("Member must have length less than or equal to {most}")
        });
        self.check(length >= least, value, path, || {
            format!("Member must have length greater than or equal to {least}")
        });
    }

    fn required(&mut self, value: Option<String>, path: &str) -> Option<String> {
        if value.is_none() && self.0.len() < 10 {
            self.0.push(format!(
                "Value null at '{path}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value
    }

    fn stream_name(&mut self, name: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        self.pattern(
            !name.is_empty() && name.chars().all(allowed),
            name,
            "streamName",
            NAME_PATTERN,
        );
        self.length_range(name.chars().count(), name, "streamName", 1, 128);
    }

    fn partition_key(&mut self, key: &str, prefix: &str) {
        let path = format!("{prefix}partitionKey");
        self.length_range(key.chars().count(), key, &path, 1, MAX_PARTITION_KEY_CHARS);
    }

    /// The limit holds for data and partition key together; AWS reports it of the data.
    fn record_size(&mut self, data: &Bytes, key: &str, prefix: &str) {
        let (length, path) = (data.len(), format!("{prefix}data"));
        self.check(
            length + key.len() <= MAX_RECORD_BYTES,
            format_args!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]"),
            &path,
            || format!("Member must have length less than or equal to {MAX_RECORD_BYTES}"),
        );
    }

    fn finish(self) -> Result<(), KinesisError> {
        match self.0.len() {
            0 => Ok(()),
            count => Err(KinesisError::Validation(format!(
                "{count} validation error{} detected: {}",
                if count == 1 { "" } else { "s" },
                self.0.join("; ")
            ))),
        }
    }
}

/// The stream that a request names, by name, by ARN or by both.
#[derive(Debug, Deserialize)]
struct StreamRef {
    #[serde(rename = "StreamName")]
    name: Option<String>,
    #[serde(rename = "StreamARN")]
    arn: Option<String>,
}

impl StreamRef {
    fn given(&self) -> bool {
        self.name.is_some() || self.arn.is_some()
    }

    fn name(&self) -> Result<String, KinesisError> {
        match (&self.name, &self.arn) {
            (None, None) => Err(KinesisError::InvalidArgument(
                "Either StreamName or StreamARN must be specified.".to_owned(),
            )),
            (None, Some(arn)) => stream_of_arn(arn),
            (Some(name), arn) => {
                let mut violations = Violations::default();
                violations.stream_name(name);
                violations.finish()?;
                if let Some(arn) = arn
                    && stream_of_arn(arn)? != *name
                {
                    return Err(KinesisError::InvalidArgument(
                        "StreamARN does not match StreamName.".to_owned(),
                    ));
                }
                Ok(name.clone())
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateStream {
    stream_name: Option<String>,
    shard_count: Option<i64>,
    stream_mode_details: Option<StreamModeDetails>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamModeDetails {
    stream_mode: String,
}

#[derive(Debug, Deserialize)]
struct StreamOnly {
    #[serde(flatten)]
    stream: StreamRef,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetRetention {
    #[serde(flatten)]
    stream: StreamRef,
    retention_period_hours: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeStream {
    #[serde(flatten)]
    stream: StreamRef,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreams {
    limit: Option<i64>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListShards {
    #[serde(flatten)]
    stream: StreamRef,
    max_results: Option<i64>,
    exclusive_start_shard_id: Option<String>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetShardIterator {
    #[serde(flatten)]
    stream: StreamRef,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecords {
    shard_iterator: Option<String>,
    limit: Option<i64>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord {
    #[serde(flatten)]
    stream: StreamRef,
    #[serde(flatten)]
    record: RecordToPut,
    sequence_number_for_ordering: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords {
    #[serde(flatten)]
    stream: StreamRef,
    records: Option<Vec<RecordToPut>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordToPut {
    #[serde(default, deserialize_with = "blob")]
    data: Option<Bytes>,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

fn blob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| serde::de::Error::custom("not Base64"))?;
    Ok(Some(bytes.into()))
}

struct CheckedRecord {
    partition_key: String,
    hash_key: u128,
    data: Bytes,
}

impl RecordToPut {
    /// Adds what breaks the shape's constraints to `violations`; what is `Err` can only be said once those
    /// are none.
    fn check(
        self,
        prefix: &str,
        violations: &mut Violations,
    ) -> Result<CheckedRecord, KinesisError> {
        let missing = |path: &str| format!("{prefix}{path}");
        let partition_key = violations.required(self.partition_key, &missing("partitionKey"));
        if let Some(key) = &partition_key {
            violations.partition_key(key, prefix);
        }
        match &self.data {
            None => {
                violations.required(None, &missing("data"));
            }
            Some(data) => {
                violations.record_size(data, partition_key.as_deref().unwrap_or_default(), prefix);
            }
        }
        if let Some(explicit) = &self.explicit_hash_key {
            violations.pattern(
                is_decimal(explicit, 39),
                explicit,
                &missing("explicitHashKey"),
                HASH_KEY_PATTERN,
            );
        }
        let partition_key = partition_key.unwrap_or_default();
        let hash_key = match self.explicit_hash_key {
            None => hash_key(&partition_key),
            Some(explicit) => explicit.parse().map_err(|_| {
                KinesisError::InvalidArgument(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                     {explicit}"
                ))
            })?,
        };
        Ok(CheckedRecord {
            partition_key,
            hash_key,
            data: self.data.unwrap_or_default(),
        })
    }
}

impl CheckedRecord {
    fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}
