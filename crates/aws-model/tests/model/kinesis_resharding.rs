//! Splitting and merging as a consumer, a producer and an operator see it.

use std::time::Duration;

use aws_model::kinesis::{KinesisError, MAX_SHARDS, Position, ShardDescription};
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::types::{ScalingType, ShardIteratorType};
use proptest::prelude::*;

use crate::support::{World, iterator, put, shard_id, texts, world, world_with};

/// The middle of all hash keys.
const MIDDLE: u128 = 1 << 127;

fn shards(world: &World) -> Vec<ShardDescription> {
    world.aws.kinesis().shards("s").unwrap()
}

fn open(world: &World) -> Vec<ShardDescription> {
    let mut open = shards(world);
    open.retain(|shard| shard.ending_sequence_number.is_none());
    open.sort_by_key(|shard| shard.hash_range.start);
    open
}

/// One shard that was split in the middle.
fn split_world() -> World {
    let world = world().with_stream(1);
    let kinesis = world.aws.kinesis();
    kinesis.split_shard("s", &shard_id(0), MIDDLE).unwrap();
    world
}

/// Kinesis API reference, SplitShard.
#[tokio::test]
async fn a_split_closes_the_shard_and_divides_its_hash_keys_between_two_children() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    client
        .split_shard()
        .stream_name("s")
        .shard_to_split(shard_id(0))
        .new_starting_hash_key("1000")
        .send()
        .await
        .unwrap();
    let output = client.list_shards().stream_name("s").send().await.unwrap();
    let seen: Vec<_> = output
        .shards()
        .iter()
        .map(|shard| {
            let keys = shard.hash_key_range().unwrap();
            let numbers = shard.sequence_number_range().unwrap();
            (
                shard.shard_id(),
                shard.parent_shard_id(),
                (keys.starting_hash_key(), keys.ending_hash_key()),
                numbers.ending_sequence_number().is_some(),
            )
        })
        .collect();
    let (zero, one, two) = (shard_id(0), shard_id(1), shard_id(2));
    let last = u128::MAX.to_string();
    assert_eq!(
        seen,
        [
            (zero.as_str(), None, ("0", last.as_str()), true),
            (one.as_str(), Some(zero.as_str()), ("0", "999"), false),
            (
                two.as_str(),
                Some(zero.as_str()),
                ("1000", last.as_str()),
                false
            ),
        ]
    );
}

/// Kinesis API reference, MergeShards.
#[tokio::test]
async fn a_merge_closes_two_adjacent_shards_and_joins_their_hash_keys_in_a_child_of_both() {
    let world = world().with_stream(2);
    world
        .kinesis()
        .merge_shards()
        .stream_name("s")
        .shard_to_merge(shard_id(0))
        .adjacent_shard_to_merge(shard_id(1))
        .send()
        .await
        .unwrap();
    let description = world
        .kinesis()
        .describe_stream()
        .stream_name("s")
        .send()
        .await
        .unwrap()
        .stream_description
        .unwrap();
    let child = &description.shards()[2];
    assert_eq!(child.parent_shard_id(), Some(shard_id(0).as_str()));
    assert_eq!(child.adjacent_parent_shard_id(), Some(shard_id(1).as_str()));
    let [merged] = &open(&world)[..] else {
        panic!("{:?}", open(&world))
    };
    assert_eq!(
        (merged.hash_range.start, merged.hash_range.end),
        (0, u128::MAX)
    );
    let summary = world
        .kinesis()
        .describe_stream_summary()
        .stream_name("s")
        .send()
        .await
        .unwrap()
        .stream_description_summary
        .unwrap();
    assert_eq!(summary.open_shard_count, 1);
}

/// Kinesis developer guide, "Resharding, Scaling, and Parallel Processing", says "data records that
/// were flowing to the parent shard are re-routed to flow to the child shards". The records from
/// before remain in the parent.
#[tokio::test]
async fn records_put_after_a_split_are_in_the_children_and_those_before_it_in_the_parent() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    put(&client, "key", "before").await;
    let kinesis = world.aws.kinesis();
    kinesis.split_shard("s", &shard_id(0), MIDDLE).unwrap();
    let placed = kinesis.put_record("s", "key", "after".into()).unwrap();
    assert!(placed.shard_id == shard_id(1) || placed.shard_id == shard_id(2));
    let counts: Vec<usize> = shards(&world).iter().map(|shard| shard.records).collect();
    assert_eq!((counts[0], counts[1] + counts[2]), (1, 1));
}

/// Kinesis API reference, GetRecords, says "If set to null, the shard has been closed and the
/// requested iterator does not return any more data". ChildShards is "returned only when the end of
/// the current shard is reached".
#[tokio::test]
async fn the_read_that_reaches_the_end_of_a_closed_shard_names_its_children_and_no_next_iterator() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    put(&client, "key", "first").await;
    put(&client, "key", "second").await;
    let start = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    world
        .aws
        .kinesis()
        .split_shard("s", &shard_id(0), MIDDLE)
        .unwrap();

    let read = async |iterator: &str| {
        let request = client.get_records().shard_iterator(iterator).limit(1);
        request.send().await.unwrap()
    };
    let first = read(&start).await;
    assert_eq!(texts(first.records()), ["first"]);
    assert!(first.child_shards().is_empty());
    let second = read(first.next_shard_iterator().unwrap()).await;
    assert_eq!(texts(second.records()), ["second"]);
    assert_eq!(second.next_shard_iterator(), None);
    let children: Vec<_> = second
        .child_shards()
        .iter()
        .map(|child| (child.shard_id(), child.parent_shards()))
        .collect();
    let parents = [shard_id(0)];
    assert_eq!(
        children,
        [
            (shard_id(1).as_str(), &parents[..]),
            (shard_id(2).as_str(), &parents[..])
        ]
    );
}

#[tokio::test]
async fn latest_on_a_closed_shard_is_its_end() {
    let world = split_world();
    let client = world.kinesis();
    let latest = iterator(&client, 0, ShardIteratorType::Latest).await;
    let read = client
        .get_records()
        .shard_iterator(latest)
        .send()
        .await
        .unwrap();
    assert_eq!(read.next_shard_iterator(), None);
    assert_eq!(read.child_shards().len(), 2);
}

#[test]
fn a_read_in_process_says_when_a_closed_shard_is_at_its_end() {
    let world = world().with_stream(1);
    let kinesis = world.aws.kinesis();
    for data in ["first", "second"] {
        kinesis.put_record("s", "key", data.into()).unwrap();
    }
    let read = |position| kinesis.read("s", &shard_id(0), position, 1).unwrap();
    assert!(
        !read(Position::After(read(Position::TrimHorizon).after)).ended,
        "it is open"
    );
    kinesis.split_shard("s", &shard_id(0), MIDDLE).unwrap();
    let first = read(Position::TrimHorizon);
    assert!(!first.ended, "a record is left");
    assert!(read(Position::After(first.after)).ended);
}

/// Kinesis API reference, ListShards, ShardFilter, speaks of "all the shards within the retention
/// period". A closed shard expires with its records.
#[test]
fn a_closed_shard_is_gone_when_the_retention_has_passed_since_it_was_closed() {
    let world = split_world();
    world.advance(Duration::from_secs(24 * 3_600 - 1));
    assert_eq!(shards(&world).len(), 3);
    world.advance(Duration::from_secs(1));
    let left = shards(&world);
    assert_eq!(left.len(), 2);
    assert_eq!(
        left[0].parent,
        Some(shard_id(0)),
        "the expired parent is still named"
    );
    let kinesis = world.aws.kinesis();
    assert!(matches!(
        kinesis.read("s", &shard_id(0), Position::TrimHorizon, 1),
        Err(KinesisError::ShardNotFound { .. })
    ));
    kinesis
        .merge_shards("s", &shard_id(1), &shard_id(2))
        .unwrap();
    assert_eq!(
        shards(&world)[2].id,
        shard_id(3),
        "no number is given out twice"
    );
}

/// The refusals are as kinesalite and moto recorded them.
#[tokio::test]
async fn what_cannot_be_split_or_merged_is_refused() {
    let world = world().with_stream(3);
    let kinesis = world.aws.kinesis();
    let refused = |result: Result<(), KinesisError>| {
        let error = result.unwrap_err();
        (error.code(), error.to_string())
    };
    let end = shards(&world)[0].hash_range.end;
    for key in [0, 1, end, end + 1] {
        let (code, message) = refused(kinesis.split_shard("s", &shard_id(0), key));
        assert_eq!(code, "InvalidArgumentException", "{key}");
        assert!(
            message.contains("is not both greater than one plus"),
            "{message}"
        );
    }
    for (lower, upper) in [(0, 2), (1, 0), (1, 1)] {
        let (code, message) =
            refused(kinesis.merge_shards("s", &shard_id(lower), &shard_id(upper)));
        assert_eq!(code, "InvalidArgumentException", "{lower} and {upper}");
        assert!(message.contains("not an adjacent pair"), "{message}");
    }
    kinesis.split_shard("s", &shard_id(0), 2).unwrap();
    for result in [
        kinesis.split_shard("s", &shard_id(0), 2),
        kinesis.merge_shards("s", &shard_id(0), &shard_id(1)),
        kinesis.merge_shards("s", &shard_id(4), &shard_id(0)),
    ] {
        let (code, message) = refused(result);
        assert_eq!(code, "InvalidArgumentException");
        assert!(
            message.contains("already been merged or split"),
            "{message}"
        );
    }
    let (code, _) = refused(kinesis.split_shard("s", &shard_id(9), MIDDLE));
    assert_eq!(code, "ResourceNotFoundException");

    let error = world
        .kinesis()
        .split_shard()
        .stream_name("s")
        .shard_to_split(shard_id(1))
        .new_starting_hash_key("0x10")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
}

/// Kinesis API reference, UpdateShardCount.
#[tokio::test]
async fn the_shard_count_changes_to_between_half_and_double_in_one_step() {
    let world = world().with_stream(4);
    let kinesis = world.aws.kinesis();
    for target in [1, 9, MAX_SHARDS + 1] {
        let error = kinesis.update_shard_count("s", target).unwrap_err();
        assert_eq!(error.code(), "LimitExceededException", "{target}");
    }
    let output = world
        .kinesis()
        .update_shard_count()
        .stream_name("s")
        .target_shard_count(8)
        .scaling_type(ScalingType::UniformScaling)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (output.current_shard_count, output.target_shard_count),
        (Some(4), Some(8))
    );
    assert_eq!(open(&world).len(), 8);
    // Each of the four shards is split once, and no other shard is made.
    assert_eq!(shards(&world).len(), 12);
}

#[derive(Clone, Debug)]
enum Step {
    Split(prop::sample::Index, u128),
    Merge(prop::sample::Index),
    Scale(u32),
    Put(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<(prop::sample::Index, u128)>().prop_map(|(shard, key)| Step::Split(shard, key)),
        2 => any::<prop::sample::Index>().prop_map(Step::Merge),
        1 => (1_u32..12).prop_map(Step::Scale),
        6 => any::<u8>().prop_map(Step::Put),
        1 => (0_u64..20).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// These facts hold, whatever is split and merged.
    /// - The open shards divide all hash keys without gap or overlap.
    /// - Every record is in exactly one shard.
    /// - A key's records are in a line of shards from parent to child, in the sequence of putting.
    /// - Sequence numbers grow from parent to child.
    #[test]
    fn resharding_loses_nothing_and_keeps_every_keys_line(
        first in 1_u32..4, steps in prop::collection::vec(step(), 1..40),
    ) {
        let options = aws_model::KinesisOptions { write_limits: false, ..Default::default() };
        let world = world_with(options).with_stream(first);
        let kinesis = world.aws.kinesis();
        let mut put = Vec::new();
        for step in &steps {
            let open = open(&world);
            match step {
                Step::Split(shard, key) => {
                    let shard = shard.get(&open);
                    let width = shard.hash_range.end - shard.hash_range.start;
                    let key = shard.hash_range.start + key.checked_rem(width).unwrap_or(0);
                    // The split may be refused at the edges of the range.
                    let _ = kinesis.split_shard("s", &shard.id, key);
                }
                Step::Merge(shard) if open.len() > 1 => {
                    let lower = shard.index(open.len() - 1);
                    kinesis.merge_shards("s", &open[lower].id, &open[lower + 1].id).unwrap();
                }
                Step::Merge(_) => {}
                Step::Scale(target) => {
                    let _ = kinesis.update_shard_count("s", *target);
                }
                Step::Put(key) => {
                    let placed = kinesis.put_record("s", &key.to_string(), put.len().to_string().into()).unwrap();
                    put.push((*key, placed));
                }
                Step::Wait(seconds) => world.advance(Duration::from_secs(*seconds)),
            }
            let ranges: Vec<_> = self::open(&world).iter().map(|shard| shard.hash_range).collect();
            prop_assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, u128::MAX));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end + 1 == pair[1].start));
        }
        let shards = shards(&world);
        let stored: usize = shards.iter().map(|shard| shard.records).sum();
        prop_assert_eq!(stored, put.len());
        for shard in &shards {
            for parent in [&shard.parent, &shard.adjacent_parent].into_iter().flatten() {
                let parent = shards.iter().find(|other| other.id == *parent).unwrap();
                prop_assert!(parent.ending_sequence_number.unwrap() < shard.starting_sequence_number);
            }
        }
        for (index, (key, placed)) in put.iter().enumerate() {
            let shard = shards.iter().find(|shard| shard.id == placed.shard_id).unwrap();
            prop_assert!(shard.hash_range.contains(aws_model::kinesis::hash_key(&key.to_string())));
            prop_assert!(shard.starting_sequence_number < placed.sequence_number);
            prop_assert!(shard.ending_sequence_number.is_none_or(|end| placed.sequence_number < end));
            for (other, later) in &put[index + 1..] {
                prop_assert!(other != key || placed.sequence_number < later.sequence_number);
            }
        }
    }
}
