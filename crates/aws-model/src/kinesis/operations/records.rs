//! The operations that put records, and read them by way of a shard iterator.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::json::{hash_key_range, millis_of_seconds};
use crate::clock::{millis, seconds};
use crate::kinesis::Kinesis;
use crate::kinesis::error::KinesisError;
use crate::kinesis::input::{
    CheckedRecord, GetRecords, GetShardIterator, PutRecord, PutRecords, RecordToPut, stream_of_arn,
};
use crate::kinesis::iterator::ShardIterator;
use crate::kinesis::limits::{
    ITERATOR_LIFETIME, MAX_GET_RECORDS, MAX_GET_RECORDS_BYTES, MAX_PUT_RECORDS,
    MAX_PUT_RECORDS_BYTES,
};
use crate::kinesis::position::Position;
use crate::kinesis::stream::Stream;
use crate::kinesis::violations::{Violations, is_decimal};
use crate::service::ACCOUNT;

const SEQUENCE_NUMBER_PATTERN: &str = "0|([1-9]\\d{0,128})";

impl Kinesis {
    pub(super) fn put_record_operation(&self, mut input: PutRecord) -> Result<Value, KinesisError> {
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

    pub(super) fn put_records(&self, mut input: PutRecords) -> Result<Value, KinesisError> {
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

    pub(super) fn get_shard_iterator(
        &self,
        mut input: GetShardIterator,
    ) -> Result<Value, KinesisError> {
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
            let after = position.counter_before(shard, &name)?;
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

    pub(super) fn get_records(&self, input: GetRecords) -> Result<Value, KinesisError> {
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

/// The children of a closed shard, as GetRecords describes them.
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
