//! The lock of the literature, row by row of the table in docs/architecture.md. It takes three
//! requests there, and is the condition of one write here.

use futures::future::join_all;
use orders::{Conflict, Fingerprint, Outcome, Status};

use crate::world::{World, caller, cancel, order, order_id, submit};

#[tokio::test(start_paused = true)]
async fn check_the_key_is_the_order_id_that_the_api_fixed_before_the_stream() {
    let world = World::new();
    world
        .apply(&[
            submit(1, 7, "ann", "A"),
            submit(2, 7, "ann", "A"),
            submit(3, 8, "ann", "A"),
        ])
        .await;
    assert!(world.item(order_id(7)).await.is_some() && world.item(order_id(8)).await.is_some());
    let count = world
        .client
        .scan()
        .table_name("orders")
        .send()
        .await
        .unwrap()
        .count();
    assert_eq!(count, 2, "one row an order id, however many intents");
}

#[tokio::test(start_paused = true)]
async fn lock_the_condition_of_the_one_write_lets_one_submit_through() {
    let world = World::new();
    let (first, second) = (submit(1, 7, "ann", "A"), submit(2, 7, "ann", "A"));
    let (one, two) = tokio::join!(world.outcome_of(&first), world.outcome_of(&second));
    let outcomes = [one.unwrap(), two.unwrap()];
    assert!(outcomes.contains(&Outcome::Applied) && outcomes.contains(&Outcome::Duplicate));
}

#[tokio::test(start_paused = true)]
async fn execute_is_that_same_write_one_request_an_intent() {
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    assert_eq!(world.calls(), ["UpdateItem"]);
}

#[tokio::test(start_paused = true)]
async fn update_is_that_same_write_too_the_row_is_the_result() {
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    let row = world.row(order_id(7)).await;
    assert_eq!(row.submitted.unwrap().content, order("A"));
}

#[tokio::test(start_paused = true)]
async fn replay_a_duplicate_is_answered_with_the_stored_result_by_the_refusal_itself() {
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    let before = world.row(order_id(7)).await;
    world.calls();
    assert_eq!(
        world.outcome_of(&submit(2, 7, "ann", "A")).await,
        Ok(Outcome::Duplicate)
    );
    assert_eq!(
        world.calls(),
        ["UpdateItem"],
        "no second call to read what is stored"
    );
    assert_eq!(world.row(order_id(7)).await, before);
}

#[tokio::test(start_paused = true)]
async fn replay_a_redelivery_is_told_from_a_clients_duplicate() {
    let world = World::new();
    let intent = submit(1, 7, "ann", "A");
    world.apply(std::slice::from_ref(&intent)).await;
    assert_eq!(world.outcome_of(&intent).await, Ok(Outcome::AlreadyApplied));
    let cancel = cancel(2, 7, "ann");
    assert_eq!(world.outcome_of(&cancel).await, Ok(Outcome::Applied));
    assert_eq!(world.outcome_of(&cancel).await, Ok(Outcome::AlreadyApplied));
}

#[tokio::test(start_paused = true)]
async fn expiry_there_is_none_a_row_carries_no_time_to_live() {
    let world = World::new();
    world
        .apply(&[submit(1, 7, "ann", "A"), cancel(2, 7, "ann")])
        .await;
    let item = world.item(order_id(7)).await.unwrap();
    let names: Vec<&str> = item.names().collect();
    let register = format!("cancel:{}", caller("ann").hash());
    let expected = [
        "accepted_at",
        &register,
        "content",
        "fingerprint",
        "owner",
        "submit_intent",
    ];
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn a_second_different_submit_is_recorded_by_one_more_write() {
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    world.calls();
    world.apply(&[submit(2, 7, "ann", "B")]).await;
    assert_eq!(world.calls(), ["UpdateItem", "UpdateItem"]);
    let row = world.row(order_id(7)).await;
    assert_eq!(
        row.submitted.unwrap().content,
        order("A"),
        "the first applied wins"
    );
    assert!(
        row.conflicts
            .contains(&Fingerprint::of(&caller("ann"), &order("B")))
    );
}

#[tokio::test(start_paused = true)]
async fn a_strangers_cancel_is_refused_and_leaves_the_row_alone() {
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    let before = world.item(order_id(7)).await;
    assert_eq!(
        world.outcome_of(&cancel(2, 7, "mallory")).await,
        Ok(Outcome::Refused)
    );
    assert_eq!(world.item(order_id(7)).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_comes_first_makes_the_order_born_cancelled() {
    let world = World::new();
    world.apply(&[cancel(1, 7, "ann")]).await;
    world.apply(&[submit(2, 7, "ann", "A")]).await;
    let view = world
        .row(order_id(7))
        .await
        .view(order_id(7), &caller("ann"));
    assert_eq!(view.unwrap().status(), Status::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn the_eleventh_conflict_is_only_marked() {
    let world = World::new();
    let skus: Vec<String> = (0..13).map(|n| n.to_string()).collect();
    for (n, sku) in (1..).zip(&skus) {
        world.apply(&[submit(n, 7, "ann", sku)]).await;
    }
    let row = world.row(order_id(7)).await;
    assert_eq!((row.conflicts.len(), row.conflicts_truncated), (10, true));
}

#[tokio::test(start_paused = true)]
async fn conflicts_that_race_for_the_last_place_are_recorded_or_marked() {
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "0")]).await;
    // The same row refuses all of them first, so each of them finds a fuller row at its second
    // write.
    let intents: Vec<_> = (2..=14)
        .map(|n| submit(n, 7, "ann", &n.to_string()))
        .collect();
    let outcomes = join_all(intents.iter().map(|intent| world.outcome_of(intent))).await;
    let count = |conflict| {
        let outcome = Ok(Outcome::Conflict(conflict));
        outcomes.iter().filter(|one| **one == outcome).count()
    };
    assert_eq!(
        (count(Conflict::Recorded), count(Conflict::Truncated)),
        (10, 3)
    );
    let row = world.row(order_id(7)).await;
    assert_eq!((row.conflicts.len(), row.conflicts_truncated), (10, true));
}
