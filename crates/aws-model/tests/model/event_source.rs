//! A mapping that reads the model's stream.

use std::time::Duration;

use aws_model::event_source::ShardReader;
use event_source_mapping::{
    Action, Fetch, Mapping, MappingOptions, Occurrence, StartingPosition, Timestamp,
};

use crate::support::{START, World, world};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:consumer";

/// A mapping that has listed the stream, and its first read.
fn first_read(world: &World, reader: &ShardReader) -> (Mapping, Fetch) {
    let arn = world.aws.kinesis().stream_arn("s");
    let options = MappingOptions::new(arn, FUNCTION, StartingPosition::TrimHorizon);
    let mut mapping = Mapping::new(options).unwrap();
    let listed = reader.list().unwrap();
    let mut actions = mapping
        .handle(Timestamp::from_millis(START), listed)
        .actions;
    let Some(Action::Fetch(fetch)) = actions.pop() else {
        panic!("nothing is to be read: {actions:?}")
    };
    (mapping, fetch)
}

fn occurrences(mapping: &mut Mapping, reader: &ShardReader, fetch: Fetch) -> Vec<Occurrence> {
    let now = Timestamp::from_millis(START);
    mapping.handle(now, reader.read(fetch)).occurrences
}

#[test]
fn a_closed_shard_whose_records_have_expired_is_gone() {
    let world = world().with_stream(1);
    let reader = ShardReader::new(world.aws.clone(), &world.aws.kinesis().stream_arn("s"));
    let (mut mapping, fetch) = first_read(&world, &reader);
    let shard = fetch.shard_id().clone();
    world
        .aws
        .kinesis()
        .split_shard("s", shard.as_str(), 1 << 127)
        .unwrap();
    world.clock.advance(Duration::from_secs(25 * 3_600));
    assert_eq!(
        occurrences(&mut mapping, &reader, fetch),
        [Occurrence::ShardFinished { shard_id: shard }]
    );
}

#[test]
fn without_its_stream_a_shard_cannot_be_read_and_is_not_gone() {
    let world = world().with_stream(1);
    let reader = ShardReader::new(world.aws.clone(), &world.aws.kinesis().stream_arn("s"));
    let (mut mapping, fetch) = first_read(&world, &reader);
    let elsewhere = ShardReader::new(world.aws.clone(), "arn:aws:kinesis:::stream/other");
    let occurrences = occurrences(&mut mapping, &elsewhere, fetch);
    assert!(
        matches!(occurrences[..], [Occurrence::ReadFailed { .. }]),
        "{occurrences:?}"
    );
}
