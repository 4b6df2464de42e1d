//! The facts that each kind of change publishes.

use keyed_batch::ChangeKind;
use serde_json::json;

use crate::world::{World, cancel, failures, order_id, submit};

#[tokio::test(start_paused = true)]
async fn a_submit_and_a_cancel_are_two_facts_in_their_sequence_each_with_a_mark() {
    let world = World::new();
    let id = order_id(1);
    let submitted = world.apply(&submit(id, 1, "c-1")).await;
    let cancelled = world.apply(&cancel(id, 2)).await;
    world.notify(&[submitted, cancelled]).await;
    assert_eq!(world.names(), ["created", "cancelled"]);
    assert_eq!(world.marks(id), ["cancelled", "created"]);
}

#[tokio::test(start_paused = true)]
async fn a_submit_that_meets_its_waiting_cancel_is_two_facts_in_their_sequence() {
    let world = World::new();
    let id = order_id(1);
    let waiting = world.apply(&cancel(id, 1)).await;
    let born_cancelled = world.apply(&submit(id, 2, "c-1")).await;
    world.notify(&[waiting, born_cancelled]).await;
    assert_eq!(world.names(), ["created", "cancelled"]);
    assert_eq!(world.marks(id), ["cancelled", "created"]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_a_fact_with_the_time_of_the_change() {
    let world = World::new();
    let id = order_id(1);
    let submitted = world.apply(&submit(id, 1, "c-1")).await;
    let conflict = world.apply(&submit(id, 2, "c-2")).await;
    world.notify(&[submitted, conflict]).await;
    let facts = world.facts();
    assert!(facts[1].fact.name().starts_with("conflicted/1:"));
    assert_eq!(facts[0].time.to_string(), "2026-11-22T04:59:59.000Z");
    assert_eq!(facts[1].time.to_string(), "2026-11-22T05:00:00.000Z");
}

#[tokio::test(start_paused = true)]
async fn a_change_without_a_fact_makes_no_call() {
    let world = World::new();
    let waiting = world.apply(&cancel(order_id(1), 1)).await;
    world.calls();
    world.notify(&[waiting]).await;
    assert!(world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_order_is_erased_unless_its_time_to_live_had_ended() {
    let world = World::new();
    let id = order_id(1);
    let submitted = world.apply(&submit(id, 1, "c-1")).await;
    let mut expired = world.delete(id);
    expired.is_expiry = true;
    world.notify(&[submitted, expired.clone()]).await;
    assert_eq!(world.names(), ["created"]);
    expired.is_expiry = false;
    world.notify(&[expired]).await;
    assert_eq!(world.names(), ["created", "erased"]);
    assert_eq!(world.marks(id), ["created", "erased"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_delivered_again_repeats_its_facts_under_the_same_ids() {
    let world = World::new();
    let change = world.apply(&submit(order_id(1), 1, "c-1")).await;
    world.notify(std::slice::from_ref(&change)).await;
    world.notify(&[change]).await;
    let facts = world.facts();
    assert_eq!(facts.len(), 2);
    assert_eq!(facts[0].id(), facts[1].id());
    assert_eq!(world.marks(order_id(1)), ["created"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_delivered_again_ends_with_the_same_fact_also_where_that_is_erased() {
    let world = World::new();
    let created = world.apply(&submit(order_id(1), 1, "c-1")).await;
    let erased = world.delete(order_id(1));
    let changes = [created, erased];
    world.notify(&changes).await;
    world.notify(&changes).await;
    assert_eq!(world.names(), ["created", "erased", "created", "erased"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_read_is_rejected_and_its_neighbours_are_published() {
    let world = World::new();
    let first = world.apply(&submit(order_id(1), 1, "c-1")).await;
    let foreign = json!({"order_id": {"S": order_id(2).to_string()}, "fingerprint": {"N": "1"}});
    let foreign = world.change(order_id(2), None, Some(foreign));
    let nobody = json!({"order_id": {"S": "nobody"}});
    let nobody = world.change(order_id(3), None, Some(nobody));
    let mut timeless = world.apply(&submit(order_id(4), 4, "c-1")).await;
    timeless.approximate_creation = None;
    let last = world.apply(&submit(order_id(5), 5, "c-1")).await;
    let one_image = {
        let mut change = world.apply(&submit(order_id(6), 6, "c-1")).await;
        change.kind = Some(ChangeKind::Modify);
        change
    };
    let expected =
        [&foreign, &nobody, &timeless, &one_image].map(|change| change.sequence_number.clone());
    let report = world
        .deliver(&[first, foreign, nobody, timeless, one_image, last])
        .await;
    assert_eq!(failures(&report), expected);
    assert_eq!(report.summary.rejected, 4);
    let orders: Vec<_> = world.facts().iter().map(|event| event.order_id).collect();
    assert_eq!(orders, [order_id(1), order_id(5)]);
}
