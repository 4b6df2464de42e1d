//! The escape from a shard that throttles.

use std::time::Duration;

use api::Serves;
use aws_model::kinesis::Position;
use bytes::Bytes;
use orders::OrderId;

use crate::world::{ORDER, World, request, submit, with_header};

const KEY: &str = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
/// The bytes that a shard takes in a second.
const SECOND: usize = 1_048_576;

/// The order that the key names where no caller is known.
fn order_id() -> OrderId {
    let key = orders::IdempotencyKey::parse(KEY).unwrap();
    OrderId::for_key("", &orders::Caller::anonymous(), &key)
}

/// Uses up what the shard of this partition key takes in the present second.
fn fill_shard_of(world: &World, partition_key: &str) {
    let data = Bytes::from(vec![b'x'; SECOND - partition_key.len()]);
    let kinesis = world.aws.kinesis();
    kinesis.put_record("intents", partition_key, data).unwrap();
}

/// The number of records with the order's partition key, shard by shard.
fn records_of_the_order(world: &World) -> Vec<usize> {
    let kinesis = world.aws.kinesis();
    let shards = kinesis.shards("intents").unwrap();
    let count = |id: &str| {
        let read = kinesis.read("intents", id, Position::TrimHorizon, 10_000);
        let records = read.unwrap().records;
        let of_the_order = records.iter().filter(|record| {
            record.partition_key == order_id().to_string() && record.data.starts_with(b"{")
        });
        of_the_order.count()
    };
    shards.iter().map(|shard| count(&shard.id)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_shard_is_full_is_accepted_by_another_shard() {
    let world = World::new("none");
    let submit = with_header(submit(ORDER), "idempotency-key", KEY);
    assert_eq!(world.send(submit.clone()).await.status, 202);
    let at_home = records_of_the_order(&world);
    // A shard's limits are counted by the second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    fill_shard_of(&world, &order_id().to_string());
    // The escape keeps the partition key, so the record counts as one of the order in both shards.
    let answer = world.send(submit).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(at_home.iter().sum::<usize>(), 1);
    assert_eq!(records_of_the_order(&world), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_shard_is_full_is_accepted_by_another_shard() {
    let world = World::new("none");
    fill_shard_of(&world, &order_id().to_string());
    let cancel = request("POST", &format!("/orders/{}/cancel", order_id()));
    assert_eq!(world.send(cancel).await.status, 202);
    assert_eq!(records_of_the_order(&world).iter().sum::<usize>(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_shard_is_full_is_not_accepted_if_the_escape_is_off() {
    let mut world = World::new("none");
    let Serves::All(stream, table) = world.api.serves else {
        panic!("the API serves all")
    };
    world.api.serves = Serves::All(stream.with_hot_shard_escape(false), table);
    fill_shard_of(&world, &order_id().to_string());
    let submit = with_header(submit(ORDER), "idempotency-key", KEY);
    let answer = world.send(submit).await;
    assert_eq!(answer.text("type"), "urn:problem:orders:not-accepted");
}

#[tokio::test(start_paused = true)]
async fn an_order_is_not_accepted_if_both_shards_are_full() {
    let world = World::new("none");
    let mut filled = [false, false];
    for n in 0.. {
        let key = n.to_string();
        let shard = usize::from(aws_model::kinesis::hash_key(&key) >> 127 == 1);
        if !filled[shard] {
            fill_shard_of(&world, &key);
            filled[shard] = true;
        }
        if filled == [true, true] {
            break;
        }
    }
    let answer = world.send(submit(ORDER)).await;
    assert_eq!(answer.text("type"), "urn:problem:orders:not-accepted");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_a_full_shard_does_not_lead_to_another_shard() {
    for error in ["KMSThrottlingException", "lost-answer"] {
        let world = World::new("none");
        let submit = with_header(submit(ORDER), "idempotency-key", KEY);
        assert_eq!(world.send(submit.clone()).await.status, 202);
        let at_home = records_of_the_order(&world);
        world.fault("kinesis", error);
        world.send(submit).await;
        let shards_of_the_order =
            |records: Vec<usize>| records.iter().map(|n| *n > 0).collect::<Vec<_>>();
        let after = shards_of_the_order(records_of_the_order(&world));
        assert_eq!(after, shards_of_the_order(at_home), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_order_of_a_batch_escapes_from_a_full_shard_by_itself() {
    let world = World::new("none");
    fill_shard_of(&world, "a");
    let mut batch = submit(&format!("{{\"orders\": [{}]}}", [ORDER; 40].join(", ")));
    batch["rawPath"] = "/orders/batch".into();
    batch["requestContext"]["http"]["path"] = "/orders/batch".into();
    let answer = world.send(batch).await;
    let results = answer.body["results"].as_array().unwrap();
    assert!(
        results.iter().all(|result| result["status"] == 202),
        "{results:?}"
    );
    let kinesis = world.aws.kinesis();
    let shards = kinesis.shards("intents").unwrap();
    let full = shards
        .iter()
        .position(|shard| shard.hash_range.contains(aws_model::kinesis::hash_key("a")));
    let read = |id: &str| kinesis.read("intents", id, Position::TrimHorizon, 10_000);
    let records = |shard: usize| read(&shards[shard].id).unwrap().records.len();
    let full = full.unwrap();
    assert_eq!((records(full), records(1 - full)), (1, 40));
}
