//! The parts of answers that several operations share.

use serde_json::{Value, json};

use crate::clock::seconds;
use crate::kinesis::limits::MAX_RECORD_BYTES;
use crate::kinesis::shard::Shard;
use crate::kinesis::stream::Stream;
use crate::kinesis::stream_arn;

pub(super) fn summary(name: &str, stream: &Stream, region: &str) -> Value {
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

pub(super) fn shards_after(
    stream: &Stream,
    shard_id: &str,
    wanted: impl Fn(&Shard) -> bool,
) -> Vec<Value> {
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

pub(super) fn hash_key_range(shard: &Shard) -> Value {
    json!({
        "StartingHashKey": shard.range().start.to_string(),
        "EndingHashKey": shard.range().end.to_string(),
    })
}

#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the wire format is a JSON number with decimals; the conversion saturates"
)]
pub(super) fn millis_of_seconds(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}
