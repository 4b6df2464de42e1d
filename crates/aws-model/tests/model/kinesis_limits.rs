//! The limits of Kinesis that a producer or consumer can run into.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_model::{KinesisOptions, TokioClock};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use bytes::Bytes;

use crate::support::{
    START, World, all, config, iterator, model, put, shard_id, world, world_with,
};

const MIB: usize = 1 << 20;

fn unlimited() -> KinesisOptions {
    KinesisOptions {
        write_limits: false,
        ..KinesisOptions::default()
    }
}

fn entry(key: &str, data: Vec<u8>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data))
        .build()
        .unwrap()
}

#[tokio::test]
async fn data_and_partition_key_together_may_be_one_mebibyte() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let put = |size: usize| {
        client
            .put_record()
            .stream_name("s")
            .partition_key("key")
            .data(Blob::new(vec![7; size]))
            .send()
    };
    put(MIB - 3).await.unwrap();
    world.advance(Duration::from_secs(1));
    let error = put(MIB - 2).await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
    assert_eq!(
        error.message(),
        Some(
            "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=1048574 cap=1048574]' at 'data' failed \
             to satisfy constraint: Member must have length less than or equal to 1048576"
        )
    );
    assert_eq!(all(world.aws.kinesis(), 0).len(), 1);
}

#[tokio::test]
async fn a_partition_key_has_1_to_256_characters_not_bytes() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let put = |key: String| {
        client
            .put_record()
            .stream_name("s")
            .partition_key(key)
            .data(Blob::new("x"))
            .send()
    };
    put("ü".repeat(256)).await.unwrap();
    for key in [String::new(), "ü".repeat(257)] {
        assert_eq!(
            put(key).await.unwrap_err().code(),
            Some("ValidationException")
        );
    }
}

#[tokio::test]
async fn put_records_takes_1_to_500_records() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let put = |count: usize| {
        client
            .put_records()
            .stream_name("s")
            .set_records(Some(
                (0..count).map(|i| entry(&i.to_string(), vec![])).collect(),
            ))
            .send()
    };
    assert_eq!(put(500).await.unwrap().failed_record_count, Some(0));
    for count in [0, 501] {
        assert_eq!(
            put(count).await.unwrap_err().code(),
            Some("ValidationException"),
            "{count}"
        );
    }
    assert_eq!(all(world.aws.kinesis(), 0).len(), 500);
}

#[tokio::test]
async fn put_records_takes_ten_mebibytes_in_all() {
    let world = world_with(unlimited()).with_stream(1);
    let client = world.kinesis();
    let put = |last: usize| {
        let records = (0..10)
            .map(|i| entry("k", vec![0; if i == 9 { last } else { MIB - 1 }]))
            .collect();
        client
            .put_records()
            .stream_name("s")
            .set_records(Some(records))
            .send()
    };
    put(MIB - 1).await.unwrap();
    let mut records: Vec<_> = (0..10).map(|_| entry("k", vec![0; MIB - 1])).collect();
    records.push(entry("k", vec![]));
    let error = client
        .put_records()
        .stream_name("s")
        .set_records(Some(records))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidArgumentException"));
}

#[tokio::test]
async fn one_bad_record_refuses_the_whole_put_records() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let error = client
        .put_records()
        .stream_name("s")
        .records(entry("k", b"good".to_vec()))
        .records(entry(&"k".repeat(257), b"bad".to_vec()))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
    assert!(
        error
            .message()
            .unwrap()
            .contains("at 'records.2.member.partitionKey'"),
        "{error:?}"
    );
    assert_eq!(all(world.aws.kinesis(), 0).len(), 0);
}

#[tokio::test]
async fn a_shard_takes_a_thousand_records_a_second() {
    let world = world().with_stream(2);
    let client = world.kinesis();
    let kinesis = world.aws.kinesis();
    // "a" is routed to shard 0, and "b" is routed to shard 1.
    for _ in 0..1_000 {
        kinesis.put_record("s", "a", Bytes::new()).unwrap();
    }
    let error = client
        .put_record()
        .stream_name("s")
        .partition_key("a")
        .data(Blob::new("x"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        Some(
            "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
        )
    );
    assert!(
        error
            .into_service_error()
            .is_provisioned_throughput_exceeded_exception()
    );
    put(&client, "b", "the other shard is free").await;
    world.advance(Duration::from_secs(1));
    put(&client, "a", "so is the next second").await;
}

#[tokio::test]
async fn a_shard_takes_one_mebibyte_a_second() {
    let world = world().with_stream(1);
    let put = |size: usize| {
        world
            .aws
            .kinesis()
            .put_record("s", "k", vec![0; size].into())
    };
    put(MIB / 2 - 1).unwrap();
    assert_eq!(
        put(MIB / 2).unwrap_err().code(),
        "ProvisionedThroughputExceededException"
    );
    put(MIB / 2 - 1).unwrap();
    world.advance(Duration::from_secs(1));
    put(MIB / 2).unwrap();
}

#[tokio::test]
async fn put_records_fails_record_by_record_where_a_shard_is_full() {
    let world = world().with_stream(2);
    let client = world.kinesis();
    for _ in 0..999 {
        world
            .aws
            .kinesis()
            .put_record("s", "a", Bytes::new())
            .unwrap();
    }
    let output = client
        .put_records()
        .stream_name("s")
        .records(entry("a", b"fits".to_vec()))
        .records(entry("a", b"does not".to_vec()))
        .records(entry("b", b"elsewhere".to_vec()))
        .send()
        .await
        .unwrap();
    assert_eq!(output.failed_record_count, Some(1));
    let shards: Vec<_> = output
        .records
        .iter()
        .map(|record| record.shard_id.clone())
        .collect();
    assert_eq!(shards, [Some(shard_id(0)), None, Some(shard_id(1))]);
    assert!(output.records[0].sequence_number.is_some());
    let failed = &output.records[1];
    assert_eq!(
        failed.error_code.as_deref(),
        Some("ProvisionedThroughputExceededException")
    );
    assert_eq!(
        failed.error_message.as_deref(),
        Some(
            "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
        )
    );
    assert_eq!(
        (
            all(world.aws.kinesis(), 0).len(),
            all(world.aws.kinesis(), 1).len()
        ),
        (1_000, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_sdk_retries_a_full_shard_until_it_is_free_again() {
    let aws = model(
        Arc::new(TokioClock::starting_at(START)),
        KinesisOptions::default(),
    );
    aws.kinesis().create_stream("s", 1, 24).unwrap();
    for _ in 0..1_000 {
        aws.kinesis().put_record("s", "k", Bytes::new()).unwrap();
    }
    let retries = RetryConfig::standard().with_max_attempts(20);
    let client =
        aws_sdk_kinesis::Client::new(&config(&aws).into_builder().retry_config(retries).build());
    put(&client, "k", "the last").await;
    assert_eq!(all(aws.kinesis(), 0).len(), 1_001);
}

#[tokio::test]
async fn the_write_limits_can_be_switched_off() {
    let world = world_with(unlimited()).with_stream(1);
    for _ in 0..2_000 {
        world
            .aws
            .kinesis()
            .put_record("s", "k", Bytes::new())
            .unwrap();
    }
    world
        .aws
        .kinesis()
        .put_record("s", "k", vec![0; MIB - 1].into())
        .unwrap();
    world
        .aws
        .kinesis()
        .put_record("s", "k", vec![0; MIB - 1].into())
        .unwrap();
}

#[tokio::test]
async fn get_records_returns_at_most_ten_thousand_records_or_ten_mebibytes() {
    let world = world_with(unlimited()).with_stream(2);
    let client = world.kinesis();
    let kinesis = world.aws.kinesis();
    for _ in 0..10_001 {
        kinesis.put_record("s", "a", Bytes::new()).unwrap();
    }
    for _ in 0..11 {
        kinesis
            .put_record("s", "b", vec![0; MIB - 1].into())
            .unwrap();
    }
    for (shard, expected) in [(0, 10_000), (1, 10)] {
        let start = iterator(&client, shard, ShardIteratorType::TrimHorizon).await;
        let first = client
            .get_records()
            .shard_iterator(start)
            .send()
            .await
            .unwrap();
        assert_eq!(first.records.len(), expected);
        assert!(
            first.millis_behind_latest.unwrap() > 0,
            "one record is left"
        );
        let rest = client
            .get_records()
            .shard_iterator(first.next_shard_iterator.unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(
            (rest.records.len(), rest.millis_behind_latest),
            (1, Some(0))
        );
    }
}

#[tokio::test]
async fn a_limit_is_from_1_to_10_000() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let start = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    for limit in [0, -1, 10_001] {
        let error = client
            .get_records()
            .shard_iterator(&start)
            .limit(limit)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("ValidationException"), "{limit}");
    }
    client
        .get_records()
        .shard_iterator(&start)
        .limit(10_000)
        .send()
        .await
        .unwrap();
}

/// A stream of one shard that has room for nine records of 1,000 bytes.
fn small() -> World {
    world_with(KinesisOptions {
        shard_capacity_bytes: 10 * 1_024,
        ..unlimited()
    })
    .with_stream(1)
}

#[tokio::test]
async fn a_full_shard_refuses_a_write_as_throttled_rather_than_drop_what_it_accepted() {
    let world = small();
    let client = world.kinesis();
    for i in 0..9 {
        put(&client, &i.to_string(), &"x".repeat(1_000)).await;
    }
    let tenth = client
        .put_record()
        .stream_name("s")
        .partition_key("9")
        .data(Blob::new(vec![0; 1_000]));
    let error = tenth.send().await.unwrap_err().into_service_error();
    assert!(error.is_provisioned_throughput_exceeded_exception());
    assert!(error.message().unwrap().contains("is full"), "{error}");
    let both = client
        .put_records()
        .stream_name("s")
        .records(entry("small", vec![0; 10]))
        .records(entry("large", vec![0; 1_000]));
    let outcomes = both.send().await.unwrap();
    assert_eq!(outcomes.failed_record_count, Some(1));
    assert_eq!(
        outcomes.records[1].error_code.as_deref(),
        Some("ProvisionedThroughputExceededException")
    );
    let kept: Vec<String> = all(world.aws.kinesis(), 0)
        .into_iter()
        .map(|record| record.partition_key)
        .collect();
    assert_eq!(
        kept,
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "small"],
        "nothing accepted is gone, nothing refused is there"
    );
}

#[tokio::test]
async fn a_full_shard_takes_records_again_when_the_retention_of_old_ones_has_ended() {
    let world = small();
    let put = || {
        let data = Bytes::from(vec![0; 1_000]);
        world.aws.kinesis().put_record("s", "k", data)
    };
    assert!((0..20).any(|_| put().is_err()), "the shard is never full");
    world.advance(Duration::from_secs(24 * 3_600));
    put().unwrap();
    assert_eq!(all(world.aws.kinesis(), 0).len(), 1);
}
