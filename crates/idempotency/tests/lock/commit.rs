//! The transaction. The lock is completed and business items are written, or neither.

use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use idempotency::{Begin, Commit, LeaseOptions, NoAnswer, Refusal, Settled, StoreError};
use serde_json::Value;

use crate::world::{Fate, World, item};

async fn committed(world: &World) -> Value {
    let Begin::Replayed(stored) = world.holder().begin().await.unwrap() else {
        panic!("not replayed")
    };
    stored.result::<Value, ()>().unwrap().unwrap()
}

fn refused(commit: Commit) -> (idempotency::Lease, Refusal) {
    match commit {
        Commit::Refused { lease, refusal } => (lease, refusal),
        other => panic!("{other:?}"),
    }
}

/// The code by which the request as a whole was refused.
fn request(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Request(error) => error.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_items_and_the_result_are_written_in_one_call() {
    let world = World::new();
    let lease = world.holder().lease().await;
    world.calls();
    let commit = lease.commit_with(vec![item("a", true), item("b", true)], &"done");
    assert!(matches!(commit.await, Commit::Committed));
    assert_eq!(world.calls(), ["TransactWriteItems"]);
    assert_eq!(world.items("items").len(), 2);
    assert_eq!(committed(&world).await, "done");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_over_commits_nothing() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    let lost = one.lease().await;
    other.set_clock(31_000);
    let held = other.lease().await;
    let commit = lost.commit_with(vec![item("mine", true)], "mine").await;
    assert!(matches!(commit, Commit::LeaseLost), "{commit:?}");
    let commit = held.commit_with(vec![item("theirs", true)], "theirs").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(world.items("items").len(), 1);
    assert_eq!(committed(&world).await, "theirs");
}

#[tokio::test(start_paused = true)]
async fn an_ended_lease_that_nobody_took_over_commits_all_the_same() {
    let world = World::new();
    let options = LeaseOptions::default().longest_lease(Duration::from_secs(5));
    let lease = world.holder_with(options).lease().await;
    tokio::time::advance(Duration::from_secs(20)).await;
    let commit = lease.commit_with(vec![item("a", true)], "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_sent_again_as_the_same_and_found_committed() {
    for fate in [
        Fate::LostRequest,
        Fate::LostAnswer,
        Fate::Silence,
        Fate::SilenceAfterwards,
        Fate::Refused(500, "InternalServerError"),
        Fate::Refused(400, "ThrottlingException"),
        Fate::Refused(400, "TransactionInProgressException"),
    ] {
        let world = World::new();
        let lease = world.holder().lease().await;
        world.calls();
        world.script([fate.clone()]);
        let commit = lease.commit_with(vec![item("a", true)], "done").await;
        assert!(matches!(commit, Commit::Committed), "{fate:?} {commit:?}");
        let bodies = world.bodies();
        assert_eq!(bodies.len(), 2);
        // The whole request is the same, not only its token. DynamoDB refuses another request under
        // the same token.
        assert_eq!(bodies[0], bodies[1]);
        let token = bodies[0]["ClientRequestToken"].as_str().unwrap();
        assert_eq!(token.len(), 32);
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_found_committed_even_when_dynamodb_has_forgotten_its_token() {
    let world = World::new();
    let lease = world.holder().lease().await;
    // The token is remembered for ten minutes. Here the second attempt comes with none.
    world.forget_tokens();
    world.script([Fate::LostAnswer]);
    let commit = lease.commit_with(vec![item("a", true)], "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(world.items("items").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_in_the_way_is_named_and_the_lease_stays() {
    let world = World::new();
    let lease = world.holder().lease().await;
    let commit = lease.commit_with(vec![item("a", true)], "first").await;
    assert!(matches!(commit, Commit::Committed));

    let key = idempotency::Key::new("charge", ["order-8"]).unwrap();
    let print = crate::world::fingerprint("8 EUR");
    let begin = world
        .holder()
        .table
        .begin(&key, &print, crate::world::deadline())
        .await;
    let Ok(Begin::Leased(lease)) = begin else {
        panic!("not leased")
    };
    world.calls();
    let items = vec![item("b", true), item("a", true)];
    let (lease, refusal) = refused(lease.commit_with(items, "second").await);
    let Refusal::Items(items) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(items.len(), 1);
    assert_eq!(
        (items[0].index, items[0].code.as_str()),
        (1, "ConditionalCheckFailed")
    );
    assert_eq!(world.items("items").len(), 1);
    // Another try is another transaction, so it has another token.
    let commit = lease.commit_with(vec![item("c", true)], "third").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    let tokens: Vec<_> = world
        .bodies()
        .iter()
        .map(|body| body["ClientRequestToken"].clone())
        .collect();
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_behind_an_unanswered_attempt_is_none_since_that_attempt_may_still_arrive() {
    let world = World::new();
    world.put_item("a");
    let lease = world.holder().lease().await;
    world.script([Fate::Late]);
    let commit = lease.commit_with(vec![item("a", true)], "done").await;
    let unconfirmed = StoreError::Unanswered(NoAnswer::EarlierAttempt);
    assert!(
        matches!(&commit, Commit::Unconfirmed(error) if *error == unconfirmed),
        "{commit:?}"
    );
    world.delete_item("a");
    world.deliver_late().await;
    assert_eq!(world.items("items").len(), 1);
    assert_eq!(committed(&world).await, "done");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_may_be_kept_for_good() {
    let world = World::new();
    let first = world.holder().lease().await;
    let twice = vec![item("a", true), item("a", true)];
    let (lease, refusal) = refused(first.commit_with(twice, "done").await);
    assert_eq!(request(&refusal), "ValidationException");
    assert_eq!(lease.fail("out of stock").await, Settled::Done);
    let Begin::Replayed(stored) = world.holder().begin().await.unwrap() else {
        panic!("not replayed")
    };
    let failure = stored.result::<Value, String>();
    assert_eq!(failure, Ok(Err("out of stock".into())));
}

#[tokio::test(start_paused = true)]
async fn more_items_than_a_transaction_takes_are_refused_as_a_whole() {
    let world = World::new();
    let lease = world.holder().lease().await;
    let items: Vec<TransactWriteItem> = (0..100).map(|n| item(&n.to_string(), true)).collect();
    let (lease, refusal) = refused(lease.commit_with(items.clone(), "done").await);
    assert_eq!(request(&refusal), "ValidationException");
    let commit = lease.commit_with(items[..99].to_vec(), "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(world.items("items").len(), 99);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_another_transaction_is_tried_again() {
    let world = World::new();
    let lease = world.holder().lease().await;
    world.calls();
    world.script([
        Fate::Cancelled(&["None", "TransactionConflict"]),
        Fate::Cancelled(&["ThrottlingError", "None"]),
    ]);
    let commit = lease.commit_with(vec![item("a", true)], "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(world.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_stays_unanswered_is_unconfirmed_and_was_done_whole_or_not_at_all() {
    for (error, is_done) in [("lost-answer", true), ("timeout", false)] {
        let world = World::new();
        let lease = world.holder().lease().await;
        world.fault(error, 600);
        let commit = lease.commit_with(vec![item("a", true)], "done").await;
        assert!(
            matches!(commit, Commit::Unconfirmed(StoreError::Unanswered(_))),
            "{commit:?}"
        );
        world.aws.faults().clear();
        assert_eq!(world.items("items").len(), usize::from(is_done));
        let begin = world.holder().begin().await.unwrap();
        assert_eq!(matches!(begin, Begin::Replayed(_)), is_done, "{begin:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_arrives_when_its_lease_was_taken_over_writes_nothing() {
    let world = World::new();
    let lease = world.holder().lease().await;
    world.script(vec![Fate::Late; 200]);
    let commit = lease.commit_with(vec![item("a", true)], "mine").await;
    assert!(matches!(commit, Commit::Unconfirmed(_)), "{commit:?}");
    world.script([]);
    tokio::time::advance(Duration::from_secs(31)).await;
    let held = world.holder().lease().await;
    world.deliver_late().await;
    assert_eq!(world.items("items").len(), 0);
    let commit = held.commit_with(vec![item("b", true)], "theirs").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
}
