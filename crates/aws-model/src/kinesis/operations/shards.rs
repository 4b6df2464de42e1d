//! The operations that list, split and merge shards, and change their number.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::json::{millis_of_seconds, shards_after};
use crate::kinesis::error::KinesisError;
use crate::kinesis::input::{
    HASH_KEY_PATTERN, ListShards, MergeShards, SplitShard, UpdateShardCount,
};
use crate::kinesis::limits::MAX_GET_RECORDS;
use crate::kinesis::shard_filter::Wanted;
use crate::kinesis::violations::{Violations, is_decimal};
use crate::kinesis::{Kinesis, stream_arn};

impl Kinesis {
    pub(super) fn list_shards(&self, mut input: ListShards) -> Result<Value, KinesisError> {
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

    pub(super) fn split_shard_operation(
        &self,
        mut input: SplitShard,
    ) -> Result<Value, KinesisError> {
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

    pub(super) fn merge_shards_operation(
        &self,
        mut input: MergeShards,
    ) -> Result<Value, KinesisError> {
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

    pub(super) fn update_shard_count_operation(
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
}

/// The stream of a `NextToken` of ListShards.
pub(crate) fn stream_of_token(token: &str) -> Option<String> {
    decode_token(token).map(|(stream, _, _)| stream)
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
