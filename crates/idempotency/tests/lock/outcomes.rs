//! The results of a request, which are executed, replayed, in progress and mismatch.

use std::cell::Cell;
use std::time::Duration;

use idempotency::{Digest, Error, Failure, Key, Lease, LeaseOptions, Once, StoreError};

use crate::world::{Holder, PAYLOAD, World, deadline, fingerprint, key};

/// Does the work at once, and counts.
async fn once(holder: &Holder, runs: &Cell<u32>) -> Once<String, String> {
    let work = async |_: &_| {
        runs.set(runs.get() + 1);
        Ok(format!("receipt {}", runs.get()))
    };
    holder.once(PAYLOAD, work).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_request_is_executed_and_a_duplicate_gets_its_result() {
    let world = World::new();
    let (one, other, runs) = (world.holder(), world.holder(), Cell::new(0));
    let receipt = || Ok("receipt 1".to_owned());
    assert_eq!(once(&one, &runs).await, Once::Executed(receipt()));
    assert_eq!(once(&one, &runs).await, Once::Replayed(receipt()));
    assert_eq!(once(&other, &runs).await, Once::Replayed(receipt()));
    assert_eq!(runs.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_request_costs_two_calls_and_a_duplicate_one() {
    let world = World::new();
    let (holder, runs) = (world.holder(), Cell::new(0));
    let _ = once(&holder, &runs).await;
    assert_eq!(world.calls(), ["UpdateItem"; 2]);
    let _ = once(&holder, &runs).await;
    assert_eq!(world.calls(), ["UpdateItem"]);
}

#[tokio::test(start_paused = true)]
async fn while_one_is_at_it_another_is_told_when_to_ask_again() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    let lease = one.lease().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let outcome = once(&other, &Cell::new(0)).await;
    // 20 s are left of the lease, and a second of skew.
    let retry_after = Duration::from_secs(21);
    assert_eq!(outcome, Once::InProgress { retry_after });
    lease.leave_behind();
}

#[tokio::test(start_paused = true)]
async fn the_same_key_with_another_payload_is_a_mismatch_and_changes_nothing() {
    let world = World::new();
    let (holder, runs) = (world.holder(), Cell::new(0));
    let _ = once(&holder, &runs).await;
    let before = world.lock();
    let work = async |_: &_| -> Result<String, Failure<String>> { panic!("must not run") };
    let outcome = holder.once("6 EUR", work).await;
    assert_eq!(outcome, Ok(Once::Mismatch));
    assert_eq!(world.lock(), before);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_failure_is_chosen_for_each() {
    for (failure, state, takeovers, runs_then) in [
        (Failure::Release as fn(String) -> _, "RELEASED", "0", 2),
        (Failure::Keep, "FAILED", "0", 1),
        (Failure::Abandon, "RELEASED", "1", 2),
    ] {
        let world = World::new();
        let (holder, runs) = (world.holder(), Cell::new(0));
        let work = async |_: &_| {
            runs.set(runs.get() + 1);
            Err(failure("no funds".to_owned()))
        };
        let outcome = holder.once(PAYLOAD, work).await;
        assert_eq!(outcome, Ok(Once::Executed(Err("no funds".into()))));
        assert_eq!(world.lock()["state"]["S"], state);
        assert_eq!(world.lock()["takeovers"]["N"], takeovers);
        let again = once(&holder, &runs).await;
        assert_eq!(runs.get(), runs_then, "{state}");
        match state {
            "RELEASED" => assert_eq!(again, Once::Executed(Ok("receipt 2".into()))),
            _ => assert_eq!(again, Once::Replayed(Err("no funds".into()))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_digest_only_result_a_duplicate_learns_the_digest() {
    let world = World::new();
    let holder = world.holder();
    let work = async |_: &_| Ok::<_, Failure<String>>("secret".to_owned());
    let (key, print) = (key(), fingerprint(PAYLOAD));
    let first = holder.table.once_digest(&key, &print, deadline(), work);
    assert_eq!(first.await, Ok(Once::Executed(Ok("secret".into()))));
    assert!(!world.lock().to_string().contains("secret"));
    let again = holder.table.once_digest(&key, &print, deadline(), work);
    let digest = Digest::of("secret").unwrap();
    assert_eq!(again.await, Ok(Once::Replayed(Ok(digest.clone()))));
    // A request for the result itself is told that the work is done, and does not do it again.
    let whole = holder.table.once(&key, &print, deadline(), work).await;
    assert_eq!(whole, Err(Error::ResultNotKept(Some(digest))));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_large_does_not_undo_the_work() {
    let world = World::new();
    let holder = world.holder_with(LeaseOptions::default().max_result_bytes(100));
    let large = "x".repeat(200);
    let runs = Cell::new(0);
    let work = async |_: &_| {
        runs.set(runs.get() + 1);
        Ok::<_, Failure<String>>(large.clone())
    };
    let (key, print) = (key(), fingerprint(PAYLOAD));
    let first = holder.table.once(&key, &print, deadline(), work).await;
    assert_eq!(first, Ok(Once::Executed(Ok(large.clone()))));
    let again = holder.table.once(&key, &print, deadline(), work).await;
    assert_eq!(again, Err(Error::ResultNotKept(Digest::of(&large))));
    assert_eq!(runs.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_largest_result_and_the_longest_names_fit_into_an_item() {
    let world = World::without_table();
    let (partition, sort) = ("p".repeat(255), "s".repeat(255));
    world.create(
        "locks",
        serde_json::json!([{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]),
    );
    let options = LeaseOptions::default().partition_key(partition).unwrap();
    let options = options.sort_key(sort, "v".repeat(1_024)).unwrap();
    let holder = world.holder_with(options);
    let key = Key::new(&"n".repeat(255), ["k"]).unwrap();
    // With its quotation marks it is as large as it may be.
    let largest = "x".repeat(idempotency::MAX_RESULT_BYTES - 2);
    let work = async |_: &_| Ok::<_, Failure<String>>(largest.clone());
    let print = fingerprint(PAYLOAD);
    let first = holder.table.once(&key, &print, deadline(), work).await;
    assert!(matches!(first, Ok(Once::Executed(Ok(_)))), "{first:?}");
    let again = holder.table.once(&key, &print, deadline(), work).await;
    assert_eq!(again, Ok(Once::Replayed(Ok(largest))));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_new_again_when_its_window_has_ended() {
    let world = World::new();
    let window = Duration::from_secs(3_600);
    let (holder, runs) = (
        world.holder_with(LeaseOptions::default().window(window)),
        Cell::new(0),
    );
    let _ = once(&holder, &runs).await;
    // A second of skew beyond it, it is still the same.
    tokio::time::advance(window).await;
    assert!(matches!(once(&holder, &runs).await, Once::Replayed(_)));
    tokio::time::advance(Duration::from_secs(1)).await;
    world.calls();
    assert_eq!(
        once(&holder, &runs).await,
        Once::Executed(Ok("receipt 2".into()))
    );
    // DynamoDB had not deleted it, so the first call met the old one and the second took its place.
    assert_eq!(world.calls(), ["UpdateItem"; 3]);
}

#[tokio::test(start_paused = true)]
async fn dynamodb_may_delete_a_lock_only_well_after_its_window() {
    let world = World::new();
    let holder = world.holder_with(LeaseOptions::default().window(Duration::from_secs(100)));
    let _ = once(&holder, &Cell::new(0)).await;
    let lock = world.lock();
    let number = |name: &str| lock[name]["N"].as_str().unwrap().parse::<u64>().unwrap();
    let now = world.aws.clock().now_millis();
    assert_eq!(number("expires_at"), now + 100_000);
    assert_eq!(number("ttl"), now / 1_000 + 100 + 3_600);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_deleted_in_time_leaves_the_key_free() {
    let world = World::new();
    let (holder, runs) = (world.holder(), Cell::new(0));
    let _ = once(&holder, &runs).await;
    let id = key().id().to_owned();
    let delete = serde_json::json!({"TableName": "locks", "Key": {"id": {"S": id}}});
    world
        .aws
        .operate(aws_model::Service::DynamoDb, "DeleteItem", &delete)
        .unwrap();
    assert!(matches!(once(&holder, &runs).await, Once::Executed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_lock_may_live_in_a_table_with_a_sort_key() {
    let world = World::without_table();
    world.create(
        "locks",
        serde_json::json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]),
    );
    let options = LeaseOptions::default()
        .partition_key("pk")
        .unwrap()
        .sort_key("sk", "lock")
        .unwrap();
    let (holder, runs) = (world.holder_with(options), Cell::new(0));
    assert!(matches!(once(&holder, &runs).await, Once::Executed(_)));
    assert!(matches!(once(&holder, &runs).await, Once::Replayed(_)));
    assert_eq!(world.lock()["pk"]["S"], key().id());
    assert_eq!(world.lock()["sk"]["S"], "lock");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_found_in_memory_costs_no_call() {
    let world = World::new();
    let (holder, runs) = (
        world.holder_with(LeaseOptions::default().cache_bytes(10_000)),
        Cell::new(0),
    );
    let _ = once(&holder, &runs).await;
    world.calls();
    assert!(matches!(once(&holder, &runs).await, Once::Replayed(_)));
    assert_eq!(world.calls(), [""; 0]);
    // It is not a way around the fingerprint, nor the window.
    let other = holder.once("6 EUR", async |_| Ok(String::new())).await;
    assert_eq!(other, Ok(Once::Mismatch));
    tokio::time::advance(Duration::from_secs(8 * 24 * 60 * 60)).await;
    assert!(matches!(once(&holder, &runs).await, Once::Executed(_)));
    // A duplicate that was met in the table is found in memory the next time.
    let second = world.holder_with(LeaseOptions::default().cache_bytes(10_000));
    let _ = once(&second, &runs).await;
    world.calls();
    assert!(matches!(once(&second, &runs).await, Once::Replayed(_)));
    assert_eq!(world.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_replay_hook_is_told_of_every_replay() {
    let world = World::new();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(vec![]));
    let notes = seen.clone();
    let options = LeaseOptions::default()
        .cache_bytes(10_000)
        .on_replay(move |replay| {
            let note = (
                replay.namespace.to_owned(),
                replay.is_failure,
                replay.from_cache,
            );
            notes.lock().unwrap().push(note);
        });
    let (one, other, runs) = (world.holder(), world.holder_with(options), Cell::new(0));
    let _ = once(&one, &runs).await;
    for _ in 0..2 {
        let _ = once(&other, &runs).await;
    }
    let replay = |from_cache| ("charge".to_owned(), false, from_cache);
    assert_eq!(*seen.lock().unwrap(), [replay(false), replay(true)]);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_item_under_the_key_is_left_alone() {
    let world = World::new();
    let put = serde_json::json!({"TableName": "locks", "Item": {"id": {"S": key().id()}, "state": {"S": "ODD"}}});
    world
        .aws
        .operate(aws_model::Service::DynamoDb, "PutItem", &put)
        .unwrap();
    let before = world.lock();
    let begin = world.holder().begin().await;
    assert!(matches!(
        begin,
        Err(Error::Store {
            source: StoreError::Foreign,
            ..
        })
    ));
    assert_eq!(world.lock(), before);
}

#[tokio::test(start_paused = true)]
async fn the_work_may_run_where_futures_have_to_be_send() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let world = World::new();
    let table = world.holder().table;
    let task = is_send(async move {
        let (key, print) = (key(), fingerprint(PAYLOAD));
        let work = async |lease: &Lease| {
            tokio::task::yield_now().await;
            Ok::<_, Failure<String>>(lease.takeovers())
        };
        table.once(&key, &print, deadline(), work).await
    });
    assert_eq!(task.await, Ok(Once::Executed(Ok(0))));
}
