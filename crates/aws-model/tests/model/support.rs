//! A model on a clock that the test moves, and SDK clients over it.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_model::{Aws, Clock, Kinesis, KinesisOptions, ManualClock, ModelOptions};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};

/// 22 November 2026, 06:30:00 UTC.
pub(crate) const START: u64 = 1_795_329_000_000;

/// A model, and the clock that it reads.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) clock: Arc<ManualClock>,
}

/// A model with a fixed seed and every limit that is on by default.
pub(crate) fn world() -> World {
    world_with(KinesisOptions::default())
}

pub(crate) fn world_with(kinesis: KinesisOptions) -> World {
    let clock = Arc::new(ManualClock::at(START));
    let aws = model(clock.clone(), kinesis);
    World { aws, clock }
}

pub(crate) fn model(clock: Arc<dyn Clock>, kinesis: KinesisOptions) -> Aws {
    Aws::new(ModelOptions {
        clock,
        seed: 42,
        kinesis,
    })
    .unwrap()
}

/// An SDK configuration over the model, in another region than the model's default, without
/// retries.
pub(crate) fn config(aws: &Aws) -> SdkConfig {
    aws.sdk_config()
        .into_builder()
        .region(Region::new("eu-west-1"))
        .retry_config(RetryConfig::disabled())
        .build()
}

impl World {
    pub(crate) fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&config(&self.aws))
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&config(&self.aws))
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&config(&self.aws))
    }

    pub(crate) fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        aws_sdk_dynamodbstreams::Client::new(&config(&self.aws))
    }

    pub(crate) fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }

    /// Creates a stream `s` of so many shards that keeps its records for a day.
    pub(crate) fn with_stream(self, shards: u32) -> Self {
        self.aws.kinesis().create_stream("s", shards, 24).unwrap();
        self
    }
}

/// Puts `data` into `s` and returns its sequence number.
pub(crate) async fn put(client: &aws_sdk_kinesis::Client, key: &str, data: &str) -> String {
    let output = client
        .put_record()
        .stream_name("s")
        .partition_key(key)
        .data(Blob::new(data))
        .send()
        .await
        .unwrap();
    output.sequence_number
}

pub(crate) fn shard_id(number: usize) -> String {
    format!("shardId-{number:012}")
}

/// An iterator of a type that takes no further arguments.
pub(crate) async fn iterator(
    client: &aws_sdk_kinesis::Client,
    shard: usize,
    kind: ShardIteratorType,
) -> String {
    let output = client
        .get_shard_iterator()
        .stream_name("s")
        .shard_id(shard_id(shard))
        .shard_iterator_type(kind)
        .send()
        .await
        .unwrap();
    output.shard_iterator.unwrap()
}

/// The records from an iterator on, read `limit` records at a time until nothing is left.
pub(crate) async fn drain(
    client: &aws_sdk_kinesis::Client,
    mut iterator: String,
    limit: i32,
) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let output = client
            .get_records()
            .shard_iterator(&iterator)
            .limit(limit)
            .send()
            .await
            .unwrap();
        let behind = output.millis_behind_latest.unwrap();
        records.extend(output.records);
        iterator = output.next_shard_iterator.unwrap();
        if behind == 0 {
            return records;
        }
    }
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| String::from_utf8(record.data.as_ref().to_vec()).unwrap())
        .collect()
}

/// The records of a shard, as the interface in Rust reads them.
pub(crate) fn all(kinesis: &Kinesis, shard: usize) -> Vec<aws_model::kinesis::Record> {
    let read = kinesis
        .read(
            "s",
            &shard_id(shard),
            aws_model::kinesis::Position::TrimHorizon,
            10_000,
        )
        .unwrap();
    assert_eq!(
        read.millis_behind_latest, 0,
        "one read does not reach the end"
    );
    read.records
}
