//! Properties of a stream, over random puts, reads and times.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_model::KinesisOptions;
use aws_model::kinesis::{SequenceNumber, hash_key};
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record, ShardIteratorType};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::support::{START, World, all, drain, iterator, put, shard_id, world_with};

/// One step of a producer.
#[derive(Debug, Clone)]
enum Step {
    Put(String),
    PutMany(Vec<String>),
    /// Moves the clock, possibly back.
    Wait(i64),
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", "\\PC{1,8}"]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => key().prop_map(Step::Put),
        2 => proptest::collection::vec(key(), 1..6).prop_map(Step::PutMany),
        1 => (-50_i64..500).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..25)
}

fn unlimited() -> World {
    world_with(KinesisOptions {
        write_limits: false,
        ..KinesisOptions::default()
    })
}

/// Performs the steps and returns each record's shard. The data of a record is the record's number
/// in the sequence of putting.
async fn produce(world: &World, steps: &[Step]) -> Vec<String> {
    let client = world.kinesis();
    let mut now = START;
    let mut shards: Vec<String> = Vec::new();
    for step in steps {
        match step {
            Step::Wait(millis) => {
                now = now.saturating_add_signed(*millis);
                world.clock.set(now);
            }
            Step::Put(key) => {
                let output = client
                    .put_record()
                    .stream_name("s")
                    .partition_key(key)
                    .data(Blob::new(shards.len().to_string()))
                    .send()
                    .await
                    .unwrap();
                shards.push(output.shard_id);
            }
            Step::PutMany(keys) => {
                let records = keys
                    .iter()
                    .enumerate()
                    .map(|(i, key)| {
                        PutRecordsRequestEntry::builder()
                            .partition_key(key)
                            .data(Blob::new((shards.len() + i).to_string()))
                            .build()
                            .unwrap()
                    })
                    .collect();
                let output = client
                    .put_records()
                    .stream_name("s")
                    .set_records(Some(records))
                    .send()
                    .await
                    .unwrap();
                shards.extend(
                    output
                        .records
                        .into_iter()
                        .map(|record| record.shard_id.unwrap()),
                );
            }
        }
    }
    shards
}

fn numbers(records: &[Record]) -> Vec<usize> {
    crate::support::texts(records)
        .iter()
        .map(|text| text.parse().unwrap())
        .collect()
}

/// The records that each shard must hold, in the sequence of putting.
fn by_shard(shards: &[String]) -> BTreeMap<String, Vec<usize>> {
    let mut expected: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, shard) in shards.iter().enumerate() {
        expected.entry(shard.clone()).or_default().push(number);
    }
    expected
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_record_is_read_exactly_once_from_its_shard_in_the_order_of_putting(
        steps in steps(), shard_count in 1_u32..5, limit in 1..8,
    ) {
        let world = unlimited().with_stream(shard_count);
        block_on(async {
            let shards = produce(&world, &steps).await;
            let expected = by_shard(&shards);
            let client = world.kinesis();
            for shard in 0..usize::try_from(shard_count).unwrap() {
                let start = iterator(&client, shard, ShardIteratorType::TrimHorizon).await;
                let read = numbers(&drain(&client, start, limit).await);
                prop_assert_eq!(read, expected.get(&shard_id(shard)).cloned().unwrap_or_default());
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn every_iterator_type_reads_exactly_the_records_it_says(
        steps in steps(), some in any::<[prop::sample::Index; 2]>(), limit in 1..8,
    ) {
        let world = unlimited().with_stream(1);
        block_on(async {
            produce(&world, &steps).await;
            let stored = all(world.aws.kinesis(), 0);
            let client = world.kinesis();
            let latest = iterator(&client, 0, ShardIteratorType::Latest).await;
            let chosen = some.iter().filter(|_| !stored.is_empty()).map(|index| index.index(stored.len()));
            for i in chosen {
                let record = &stored[i];
                let number = record.sequence_number.to_string();
                let request = |kind| {
                    client.get_shard_iterator().stream_name("s").shard_id(shard_id(0)).shard_iterator_type(kind)
                };
                let at = request(ShardIteratorType::AtSequenceNumber).starting_sequence_number(&number);
                let after = request(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(&number);
                let time = DateTime::from_millis(i64::try_from(record.arrival_millis).unwrap());
                let at_time = request(ShardIteratorType::AtTimestamp).timestamp(time);
                let of_that_time =
                    stored.iter().position(|other| other.arrival_millis >= record.arrival_millis).unwrap();
                // Arrival times may be ahead of a clock that stepped back. The clock is set
                // forward, because a reader may not ask for a time to come.
                world.clock.set(START + 1_000_000);
                for (request, first) in [(at, i), (after, i + 1), (at_time, of_that_time)] {
                    let iterator = request.send().await.unwrap().shard_iterator.unwrap();
                    let read = numbers(&drain(&client, iterator, limit).await);
                    prop_assert_eq!(read, (first..stored.len()).collect::<Vec<_>>());
                }
            }
            world.clock.set(START);
            put(&client, "k", &stored.len().to_string()).await;
            prop_assert_eq!(numbers(&drain(&client, latest, limit).await), [stored.len()]);
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn sequence_numbers_strictly_increase_within_a_shard_and_have_56_digits(
        steps in steps(), shard_count in 1_u32..4,
    ) {
        let world = unlimited().with_stream(shard_count);
        block_on(produce(&world, &steps));
        for (shard, description) in world.aws.kinesis().shards("s").unwrap().iter().enumerate() {
            let mut last = description.starting_sequence_number;
            for record in all(world.aws.kinesis(), shard) {
                prop_assert!(record.sequence_number > last);
                let text = record.sequence_number.to_string();
                prop_assert_eq!(text.len(), 56);
                prop_assert_eq!(text.parse::<SequenceNumber>(), Ok(record.sequence_number));
                last = record.sequence_number;
            }
        }
    }

    #[test]
    fn a_record_is_in_the_shard_whose_hash_range_holds_the_md5_of_its_key(
        steps in steps(), shard_count in 1_u32..8,
    ) {
        let world = unlimited().with_stream(shard_count);
        block_on(produce(&world, &steps));
        for (shard, description) in world.aws.kinesis().shards("s").unwrap().iter().enumerate() {
            for record in all(world.aws.kinesis(), shard) {
                prop_assert!(description.hash_range.contains(hash_key(&record.partition_key)));
            }
        }
    }

    #[test]
    fn nothing_older_than_the_retention_is_ever_read(
        gaps in proptest::collection::vec(0_u64..12 * 3_600, 1..20), wait in 0_u64..48 * 3_600,
    ) {
        let world = unlimited().with_stream(1);
        let mut arrivals = Vec::new();
        let mut now = START;
        for gap in &gaps {
            now += gap * 1_000;
            world.advance(Duration::from_secs(*gap));
            world.aws.kinesis().put_record("s", "k", "x".into()).unwrap();
            arrivals.push(now);
        }
        now += wait * 1_000;
        world.advance(Duration::from_secs(wait));
        arrivals.retain(|arrival| arrival + 24 * 3_600 * 1_000 > now);
        let read: Vec<u64> =
            all(world.aws.kinesis(), 0).into_iter().map(|record| record.arrival_millis).collect();
        prop_assert_eq!(read, arrivals);
    }
}
