//! The stream or the table of marks is away for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use keyed_batch::DynamoDbRecord;
use orders::{Erased, Fact, FactEvent, Timestamp};

use crate::world::{World, cancel, failures, order_id, submit};

/// Changes of this many orders.
async fn changes(world: &World, orders: u8) -> Vec<DynamoDbRecord> {
    let mut changes = Vec::new();
    for number in 0..orders {
        let intent = submit(order_id(number), number, "c-1");
        changes.push(world.apply(&intent).await);
    }
    changes
}

#[tokio::test(start_paused = true)]
async fn while_the_stream_throttles_facts_are_late_and_all_of_them_come() {
    let world = World::new();
    let changes = changes(&world, 20).await;
    world.inject("kinesis", "ProvisionedThroughputExceededException", 1.0, 5);
    world.notify(&changes).await;
    assert_eq!(world.names(), ["created"; 20]);
}

#[tokio::test(start_paused = true)]
async fn a_fact_whose_answer_is_lost_is_repeated_under_its_id() {
    let world = World::new();
    let changes = changes(&world, 5).await;
    world.inject("kinesis", "lost-answer", 1.0, 1);
    world.notify(&changes).await;
    let facts = world.facts();
    assert!(facts.len() > 5, "some were repeated");
    let ids: BTreeSet<_> = facts.iter().map(|event| event.id()).collect();
    assert_eq!(ids.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_a_stream_there_is_no_mark_and_every_change_comes_again() {
    let world = World::new();
    let changes = changes(&world, 3).await;
    world.inject("kinesis", "ResourceNotFoundException", 1.0, 60);
    let report = world.deliver(&changes).await;
    assert_eq!(failures(&report).len(), 3);
    assert_eq!(report.summary.unfinished, 3);
    for number in 0..3 {
        assert_eq!(world.marks(order_id(number)), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_table_of_marks_facts_are_published_and_every_change_comes_again() {
    let world = World::new();
    let changes = changes(&world, 3).await;
    world.inject("dynamodb", "InternalServerError", 1.0, 60);
    let report = world.deliver(&changes).await;
    assert_eq!(failures(&report).len(), 3);
    assert_eq!(world.names(), ["created"; 3], "no attempt puts them again");

    world.aws.faults().clear();
    world.notify(&changes).await;
    assert_eq!(world.marks(order_id(2)), ["created"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_waits_for_the_creation_of_its_order_to_be_published() {
    let world = World::new();
    let id = order_id(1);
    let submitted = world.apply(&submit(id, 1, "c-1")).await;
    let cancelled = world.apply(&cancel(id, 2)).await;
    world.inject("kinesis", "InternalFailure", 0.9, 20);
    world.notify(&[submitted, cancelled]).await;
    assert_eq!(world.names(), ["created", "cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_call_that_fails_for_some_orders_only_these_are_repeated() {
    let world = World::new();
    let changes = changes(&world, 100).await;
    // A shard takes 1,000 records a second. Somebody else puts 950 in this second.
    let boundary = 1_000 - world.aws.clock().now_millis() % 1_000;
    tokio::time::advance(Duration::from_millis(boundary)).await;
    let erased = Fact::Erased(Erased {});
    let erased = FactEvent::new(
        order_id(200),
        erased,
        Timestamp::from_unix_millis(0).unwrap(),
    );
    let (key, data) = (erased.order_id.to_string(), Bytes::from(erased.encode()));
    for _ in 0..950 {
        let put = world
            .aws
            .kinesis()
            .put_record("order-facts", &key, data.clone());
        put.unwrap();
    }
    world.notify(&changes).await;
    let calls = world.calls();
    let puts: Vec<usize> = calls
        .iter()
        .filter_map(|call| Some(call.body.get("Records")?.as_array()?.len()))
        .collect();
    assert_eq!(puts[0], 100);
    assert!(puts[1..].iter().all(|entries| *entries <= 50), "{puts:?}");
    let created = world.names().into_iter().filter(|name| name == "created");
    assert_eq!(created.count(), 100, "each once");
}
