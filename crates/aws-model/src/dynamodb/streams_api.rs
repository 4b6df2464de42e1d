//! The API of DynamoDB Streams, by which clients read the change streams of tables.
//!
//! The API differs from AWS in these points:
//! - A stream has the differences that `change_stream.rs` lists. In particular a disabled stream is
//!   gone, and a stream has one shard. So the list of child shards that a `ShardFilter` asks for is
//!   always empty.
//! - The limits of reading (two readers of a shard, ten DescribeStream and five ListStreams a
//!   second) are not modelled.
//! - A member that is not modelled is refused by its name. AWS ignores a member that AWS does not
//!   know, and the model refuses such a member too.
//!
//! # Sources
//! - The DynamoDB API reference, "Amazon DynamoDB Streams", for operations, limits, and errors.
//! - DynamoDB Local, which is AWS's own program, for the words of most refusals.
//! - dynoxide, for the refusals of sequence numbers.
//! - The tests of ScyllaDB's Alternator (`test_streams.py`), which are run on AWS, for the kind of
//!   an error where the API reference leaves the kind open.

mod arn;
mod error;
mod input;
mod iterator;

use serde_json::{Value, json};

use super::DynamoDb;
use super::change_stream::{ChangePosition, ChangeStream, ChangeStreams, MAX_RECORDS, VIEW_TYPE};
use crate::clock::millis;
use crate::failure::Failure;
use crate::violations::Violations;
pub(crate) use arn::StreamArn;
use error::StreamsError;
use input::{DescribeStream, GetRecords, GetShardIterator, ListStreams, read};
use iterator::ITERATOR_LIFETIME;
pub(crate) use iterator::ShardIterator;

/// The most streams or shards that one call lists.
const MAX_LISTED: usize = 100;

/// In the sequence in which the API reference lists them.
const ITERATOR_TYPES: [&str; 4] = [
    "TRIM_HORIZON",
    "LATEST",
    "AT_SEQUENCE_NUMBER",
    "AFTER_SEQUENCE_NUMBER",
];

impl DynamoDb {
    /// Performs one operation of DynamoDB Streams. `region` is for ARNs and records.
    pub(crate) fn perform_on_streams(
        &self,
        operation: &str,
        body: &[u8],
        region: &str,
    ) -> Result<Value, Failure> {
        let result = match operation {
            "DescribeStream" => self.describe_stream(read(operation, body)?, region),
            "GetRecords" => self.get_records(read(operation, body)?, region),
            "GetShardIterator" => self.get_shard_iterator(read(operation, body)?, region),
            "ListStreams" => self.list_streams(read(operation, body)?, region),
            _ => return Err(Failure::unknown_operation(operation)),
        };
        Ok(result?)
    }

    fn list_streams(&self, input: ListStreams, region: &str) -> Result<Value, StreamsError> {
        let mut violations = Violations::default();
        violations.positive(input.limit);
        if let Some(table) = &input.table_name {
            violations.table_name(table);
        }
        violations.length_of(&input.exclusive_start_stream_arn, "exclusiveStartStreamArn");
        violations.finish()?;
        let limit = at_most(input.limit, MAX_LISTED, |most| {
            format!("Limit cannot be greater than the maximum allowed size: {most}")
        })?;
        let after = match &input.exclusive_start_stream_arn {
            Some(text) => Some(StreamArn::parse(text)?),
            None => None,
        };
        let streams = self.lock();
        let wanted: Vec<&ChangeStream> = streams
            .all()
            .filter(|stream| {
                input
                    .table_name
                    .as_deref()
                    .is_none_or(|table| table == stream.table())
            })
            .filter(|stream| {
                after
                    .as_ref()
                    .is_none_or(|after| (stream.table(), stream.label()) > after.place())
            })
            .collect();
        let listed = &wanted[..wanted.len().min(limit)];
        let summaries: Vec<Value> = listed
            .iter()
            .map(|stream| {
                json!({
                    "StreamArn": stream.arn(region),
                    "TableName": stream.table(),
                    "StreamLabel": stream.label(),
                })
            })
            .collect();
        let mut output = json!({ "Streams": summaries });
        if let (true, Some(last)) = (listed.len() < wanted.len(), listed.last()) {
            output["LastEvaluatedStreamArn"] = last.arn(region).into();
        }
        Ok(output)
    }

    fn describe_stream(&self, input: DescribeStream, region: &str) -> Result<Value, StreamsError> {
        let mut violations = Violations::default();
        violations.positive(input.limit);
        violations.shard_id(&input.exclusive_start_shard_id, "exclusiveStartShardId");
        if let Some(filter) = &input.shard_filter {
            let kind = violations.required(filter.kind.clone(), "shardFilter.type");
            if let Some(kind) = kind {
                violations.one_of(&kind, "shardFilter.type", &["CHILD_SHARDS"]);
            }
            let shard = violations.required(filter.shard_id.clone(), "shardFilter.shardId");
            violations.shard_id(&shard, "shardFilter.shardId");
        }
        let arn = violations.required_arn(input.stream_arn);
        violations.finish()?;
        // There is one shard at most, so a valid limit never cuts off the list.
        at_most(input.limit, MAX_LISTED, |most| {
            format!("Limit cannot be greater than the maximum: {most}")
        })?;
        let mut streams = self.lock();
        let stream = found(&mut streams, &arn)?;
        let after = input.exclusive_start_shard_id.unwrap_or_default();
        let shard_id = stream.shard_id();
        // The one shard has no children.
        let is_listed = input.shard_filter.is_none() && shard_id > after;
        let shard = json!({
            "ShardId": shard_id,
            "SequenceNumberRange": {
                "StartingSequenceNumber": ChangeStream::starting_number().to_string(),
            },
        });
        let kinds = ["HASH", "RANGE"];
        let keys = stream.key_names().iter().zip(kinds);
        let keys: Vec<Value> = keys
            .map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind }))
            .collect();
        Ok(json!({ "StreamDescription": {
            "StreamArn": stream.arn(region),
            "StreamLabel": stream.label(),
            "StreamStatus": "ENABLED",
            "StreamViewType": VIEW_TYPE,
            "CreationRequestDateTime": crate::clock::seconds(stream.created_millis()),
            "TableName": stream.table(),
            "KeySchema": keys,
            "Shards": is_listed.then_some(shard).into_iter().collect::<Vec<_>>(),
        }}))
    }

    fn get_shard_iterator(
        &self,
        input: GetShardIterator,
        region: &str,
    ) -> Result<Value, StreamsError> {
        let mut violations = Violations::default();
        let shard_id = violations.required(input.shard_id, "shardId");
        violations.shard_id(&shard_id, "shardId");
        let kind = violations.required(input.shard_iterator_type, "shardIteratorType");
        if let Some(kind) = &kind {
            violations.one_of(kind, "shardIteratorType", &ITERATOR_TYPES);
        }
        if let Some(number) = &input.sequence_number {
            let length = number.chars().count();
            violations.length_range(length, number, "sequenceNumber", 21, 40);
        }
        let arn = violations.required_arn(input.stream_arn);
        violations.finish()?;
        let kind = kind.unwrap_or_default();
        let takes_number = kind.ends_with("_SEQUENCE_NUMBER");
        let number = match (takes_number, input.sequence_number) {
            (true, None) => return Err(invalid("SequenceNumber cannot be null")),
            (false, Some(_)) => {
                let words = "SequenceNumber should not be passed for this iterator type";
                return Err(invalid(words));
            }
            (_, number) => number,
        };
        let now = self.clock.now_millis();
        let mut streams = self.lock();
        let stream = found(&mut streams, &arn)?;
        if shard_id.as_deref() != Some(stream.shard_id().as_str()) {
            return Err(StreamsError::ShardNotFound);
        }
        let trimmed = stream.trimmed_number(now);
        let after = match number {
            None if kind == "LATEST" => stream.last_number(),
            None => trimmed,
            Some(text) => {
                let number = issued(stream, &text)?;
                // The shard's starting number is the number of no record, so it is never too old
                // while no record was trimmed.
                if number <= trimmed && trimmed > ChangeStream::starting_number() {
                    return Err(StreamsError::Trimmed);
                }
                if kind == "AT_SEQUENCE_NUMBER" {
                    number
                        .saturating_sub(1)
                        .max(ChangeStream::starting_number())
                } else {
                    number
                }
            }
        };
        let iterator = ShardIterator {
            arn: StreamArn::of(stream, region),
            shard_id: stream.shard_id(),
            after,
            made_millis: now,
        };
        Ok(json!({ "ShardIterator": iterator.encode() }))
    }

    fn get_records(&self, input: GetRecords, region: &str) -> Result<Value, StreamsError> {
        let mut violations = Violations::default();
        violations.positive(input.limit);
        let text = violations.required(input.shard_iterator, "shardIterator");
        if let Some(text) = &text {
            violations.length_range(text.chars().count(), text, "shardIterator", 1, 2_048);
        }
        violations.finish()?;
        let iterator = ShardIterator::decode(&text.unwrap_or_default())
            .ok_or_else(|| StreamsError::Validation("Invalid ShardIterator".to_owned()))?;
        let limit = at_most(input.limit, MAX_RECORDS, |most| {
            format!("Limit should be less than or equal to {most}")
        })?;
        let now = self.clock.now_millis();
        if now.saturating_sub(iterator.made_millis) > millis(ITERATOR_LIFETIME) {
            return Err(StreamsError::ExpiredIterator);
        }
        let mut streams = self.lock();
        let stream = found(&mut streams, &iterator.arn.to_string())?;
        if stream.shard_id() != iterator.shard_id {
            return Err(StreamsError::ShardNotFound);
        }
        if iterator.after < stream.trimmed_number(now) {
            return Err(StreamsError::Trimmed);
        }
        let read = stream.read(ChangePosition::After(iterator.after), limit, now);
        let mut records = read.records;
        for record in &mut records {
            record["awsRegion"] = region.into();
        }
        let next = ShardIterator {
            after: read.after,
            made_millis: now,
            ..iterator
        };
        Ok(json!({ "Records": records, "NextShardIterator": next.encode() }))
    }
}

/// The stream that an ARN names.
fn found<'a>(
    streams: &'a mut ChangeStreams,
    text: &str,
) -> Result<&'a mut ChangeStream, StreamsError> {
    let arn = StreamArn::parse(text)?;
    streams
        .get(&arn.table)
        .filter(|stream| arn.is_of(stream))
        .ok_or_else(|| StreamsError::StreamNotFound {
            arn: text.to_owned(),
        })
}

/// The limit, or `most` if none is given. `words` is the refusal of a higher limit.
fn at_most(
    limit: Option<i64>,
    most: usize,
    words: impl FnOnce(usize) -> String,
) -> Result<usize, StreamsError> {
    let limit = limit.map_or(most, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if limit > most {
        return Err(invalid(&words(most)));
    }
    Ok(limit)
}

/// A sequence number that the shard can have issued. A sign before the number is accepted, as on
/// AWS.
fn issued(stream: &ChangeStream, text: &str) -> Result<u128, StreamsError> {
    let number: Option<u128> = text.parse().ok();
    let range = ChangeStream::starting_number()..=stream.last_number();
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| StreamsError::Validation("Invalid SequenceNumber for the shard".to_owned()))
}

fn invalid(words: &str) -> StreamsError {
    StreamsError::Validation(format!(
        "One or more parameter values were invalid: {words}"
    ))
}
