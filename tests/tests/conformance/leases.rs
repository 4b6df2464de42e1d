//! The lease lock of the crate `idempotency`, in the table of the orders.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use idempotency::{
    Begin, Commit, Fingerprint, Key, Lease, LeaseTable, Refusal, RefusedItem, Settled,
};
use tests::Stack;
use tokio::time::Instant;

use crate::dynamodb::large_row;
use crate::transactions::{put_in_transaction, said, transact, update_in_transaction};
use crate::{SLOWEST_ANSWER, random, two_ids};

/// The time that a lock's holder may work, and the time that its lease lasts.
const INVOCATION: Duration = Duration::from_secs(600);
const LEASE: Duration = Duration::from_secs(120);

/// The locks, in the table of the orders, for a process whose clock is ahead of the machine's
/// clock.
fn locks(stack: &Stack, ahead: Duration) -> LeaseTable {
    let settings = idempotency::LeaseOptions::default()
        .partition_key("order_id")
        .unwrap()
        .longest_lease(LEASE)
        .call_timeout(SLOWEST_ANSWER)
        .clock(move || SystemTime::now() + ahead);
    LeaseTable::new(stack.config(), stack.table(), settings)
}

/// A key that no other test has.
fn lock_key() -> Key {
    Key::new("conformance", [random()]).unwrap()
}

async fn begin(locks: &LeaseTable, key: &Key, payload: &str) -> Begin {
    let fingerprint = Fingerprint::of_bytes(payload.as_bytes());
    let deadline = Instant::now() + INVOCATION;
    locks.begin(key, &fingerprint, deadline).await.unwrap()
}

async fn leased(locks: &LeaseTable, key: &Key) -> Lease {
    match begin(locks, key, "5 EUR").await {
        Begin::Leased(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// The result that the lock keeps, or the failure.
async fn replayed(locks: &LeaseTable, key: &Key) -> Result<String, String> {
    match begin(locks, key, "5 EUR").await {
        Begin::Replayed(stored) => stored.result().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn refused(commit: Commit) -> (Lease, Refusal) {
    match commit {
        Commit::Refused { lease, refusal } => (lease, refusal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_what_comes_of_it_is_replayed() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    assert_eq!(lease.takeovers(), 0);
    let second = begin(&locks, &key, "5 EUR").await;
    assert!(matches!(second, Begin::InProgress { .. }), "{second:?}");
    let another = begin(&locks, &key, "8 EUR").await;
    assert!(matches!(another, Begin::Mismatch), "{another:?}");

    assert_eq!(lease.complete("receipt").await, Settled::Done);
    assert_eq!(replayed(&locks, &key).await, Ok("receipt".to_owned()));
    let another = begin(&locks, &key, "8 EUR").await;
    assert!(matches!(another, Begin::Mismatch), "{another:?}");
}

#[tokio::test]
async fn a_lock_is_renewed_for_longer_and_never_for_shorter() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let until = async || {
        let row = stack.row(key.id()).await.unwrap();
        row["lease_until"].as_n().unwrap().parse::<u64>().unwrap()
    };
    let begun = until().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(lease.renew(LEASE).await, Settled::Done);
    let renewed = until().await;
    assert!(begun < renewed, "{begun} {renewed}");
    assert_eq!(lease.renew(LEASE / 2).await, Settled::Done);
    assert_eq!(until().await, renewed);
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_lock_that_was_left_behind_goes_to_one_of_those_who_want_it() {
    let stack = Stack::start_without_functions().await;
    let key = lock_key();
    let lost = leased(&locks(&stack, Duration::ZERO), &key).await;
    let later = locks(&stack, INVOCATION);
    let takers = join_all((0..10).map(|_| begin(&later, &key, "5 EUR"))).await;
    let mut held = Vec::new();
    for taker in takers {
        match taker {
            Begin::Leased(lease) => held.push(lease),
            Begin::InProgress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held.len(), 1);
    let held = held.remove(0);
    assert_eq!(held.takeovers(), 1);
    assert_eq!(lost.renew(LEASE).await, Settled::LeaseLost);
    assert_eq!(lost.complete("mine").await, Settled::LeaseLost);

    assert_eq!(held.release().await, Settled::Done);
    let next = leased(&later, &key).await;
    assert_eq!(next.takeovers(), 1, "a release forgets no takeover");
    assert_eq!(next.fail("no funds").await, Settled::Done);
    assert_eq!(replayed(&later, &key).await, Err("no funds".to_owned()));
}

#[tokio::test]
async fn a_lock_whose_window_is_over_is_replaced_as_a_whole() {
    let stack = Stack::start_without_functions().await;
    let key = lock_key();
    let lease = leased(&locks(&stack, Duration::ZERO), &key).await;
    assert_eq!(lease.complete("receipt").await, Settled::Done);
    assert!(stack.row(key.id()).await.unwrap().contains_key("result"));

    let next_month = locks(&stack, Duration::from_secs(30 * 24 * 60 * 60));
    let lease = leased(&next_month, &key).await;
    assert_eq!(lease.takeovers(), 0);
    assert!(!stack.row(key.id()).await.unwrap().contains_key("result"));
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_commit_completes_the_lock_and_writes_its_items() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let [a, b] = two_ids();
    let items = [&a, &b].map(|id| put_in_transaction(&stack, id, "committed"));
    let commit = lease.commit_with(items.to_vec(), "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(said(&stack, &[&a, &b]).await, ["committed", "committed"]);
    assert_eq!(replayed(&locks, &key).await, Ok("done".to_owned()));
}

#[tokio::test]
async fn a_commit_that_items_refuse_writes_nothing_names_them_and_leaves_the_lock() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let [a, b] = two_ids();
    let put = |order_id, said| put_in_transaction(&stack, order_id, said);
    transact(&stack, &a, vec![put(&a, "first")]).await.unwrap();
    let lease = leased(&locks, &key).await;
    let items = vec![put(&b, "second"), put(&a, "second")];
    let (lease, refusal) = refused(lease.commit_with(items, "done").await);
    let in_the_way = RefusedItem {
        index: 1,
        code: "ConditionalCheckFailed".to_owned(),
        item: stack.row(&a).await,
    };
    assert_eq!(refusal, Refusal::Items(vec![in_the_way]));
    assert_eq!(said(&stack, &[&a, &b]).await, ["first"]);
    let commit = lease.commit_with(vec![put(&b, "second")], "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(replayed(&locks, &key).await, Ok("done".to_owned()));
}

#[tokio::test]
async fn a_commit_of_a_lock_that_was_taken_over_writes_nothing() {
    let stack = Stack::start_without_functions().await;
    let (later, key) = (locks(&stack, INVOCATION), lock_key());
    let lost = leased(&locks(&stack, Duration::ZERO), &key).await;
    let held = leased(&later, &key).await;
    let [a, b] = two_ids();
    let put = |order_id, said| vec![put_in_transaction(&stack, order_id, said)];
    let commit = lost.commit_with(put(&a, "mine"), "mine").await;
    assert!(matches!(commit, Commit::LeaseLost), "{commit:?}");
    let commit = held.commit_with(put(&b, "theirs"), "theirs").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(said(&stack, &[&a, &b]).await, ["theirs"]);
    assert_eq!(replayed(&later, &key).await, Ok("theirs".to_owned()));
}

#[tokio::test]
async fn a_commit_that_makes_an_item_too_large_names_it() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let large = large_row(&stack).await;
    let lease = leased(&locks, &key).await;
    let update = update_in_transaction(&stack, &large, "much", "x".repeat(20_000));
    let (lease, refusal) = refused(lease.commit_with(vec![update], "done").await);
    let Refusal::Items(items) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(items.len(), 1);
    let (index, code) = (items[0].index, items[0].code.as_str());
    assert_eq!((index, code), (0, "ValidationError"));
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_commit_of_two_writes_of_one_item_is_refused_as_a_whole() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let [id, _] = two_ids();
    let twice = vec![put_in_transaction(&stack, &id, "twice"); 2];
    let (lease, refusal) = refused(lease.commit_with(twice, "done").await);
    let Refusal::Request(error) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(error.code(), "ValidationException");
    assert!(said(&stack, &[&id]).await.is_empty());
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_commit_may_have_99_items_and_no_more() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let items: Vec<_> = (0..100)
        .map(|_| put_in_transaction(&stack, &two_ids()[0], "one of many"))
        .collect();
    let (lease, refusal) = refused(lease.commit_with(items.clone(), "done").await);
    let Refusal::Request(error) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(error.code(), "ValidationException");
    let commit = lease.commit_with(items[..99].to_vec(), "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(replayed(&locks, &key).await, Ok("done".to_owned()));
}
