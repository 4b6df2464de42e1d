//! The calls that the notifier makes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{Call, World, cancel, order_id, submit};

fn operations(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

fn keys(call: &Call) -> Vec<&Value> {
    let entries = call.body["Records"].as_array().unwrap().iter();
    entries.map(|entry| &entry["PartitionKey"]).collect()
}

#[tokio::test(start_paused = true)]
async fn the_facts_of_a_hundred_orders_are_one_put_and_one_mark_each() {
    let world = World::new();
    let mut changes = Vec::new();
    for number in 0..100 {
        changes.push(world.apply(&submit(order_id(number), number, "c-1")).await);
    }
    world.notify(&changes).await;
    let calls = world.calls();
    assert_eq!(calls[0].operation, "PutRecords");
    assert_eq!(keys(&calls[0]).len(), 100);
    assert_eq!(operations(&calls)[1..], ["UpdateItem"; 100]);
}

#[tokio::test(start_paused = true)]
async fn two_facts_of_an_order_are_never_in_one_put() {
    let world = World::new();
    let mut changes = Vec::new();
    for number in 0..10 {
        let id = order_id(number);
        changes.push(world.apply(&cancel(id, number)).await);
        changes.push(world.apply(&submit(id, number + 100, "c-1")).await);
    }
    world.notify(&changes).await;
    let calls = world.calls();
    assert_eq!(calls[0].operation, "PutRecords");
    let keys = keys(&calls[0]);
    let distinct: BTreeSet<String> = keys.iter().map(|key| key.to_string()).collect();
    assert_eq!((keys.len(), distinct.len()), (10, 10));
    // The second fact of an order names the number of the first, so Kinesis keeps their sequence.
    let behind = &calls[1..=10];
    assert_eq!(operations(behind), ["PutRecord"; 10]);
    for call in behind {
        assert!(call.body["SequenceNumberForOrdering"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn marks_that_are_there_are_not_written_again() {
    let world = World::new();
    let id = order_id(1);
    let submitted = world.apply(&submit(id, 1, "c-1")).await;
    world.notify(std::slice::from_ref(&submitted)).await;
    world.calls();
    world.notify(&[submitted]).await;
    assert_eq!(operations(&world.calls()), ["PutRecords", "UpdateItem"]);
}
