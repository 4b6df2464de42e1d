//! How to test code that uses the crate, with a table in memory and in paused time.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::cell::Cell;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use idempotency::{
    Begin, Commit, CommitOnce, Error, Failure, Fingerprint, InMemoryTable, Key, Lease,
    LeaseOptions, LeaseTable, Once, Refusal, RefusedItem, Settled, Transaction,
};
use tokio::time::{Instant, advance, sleep};

/// The code that is tested. It charges an order once, and takes a while for it.
async fn charge(
    table: &LeaseTable,
    order_id: &str,
    charges: &Cell<u32>,
) -> Result<Once<u32, String>, Error> {
    let key = Key::new("charge", order_id).unwrap();
    let fingerprint = Fingerprint::of(order_id).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let work = async |lease: &Lease| {
        if lease.takeovers() > 0 {
            return Err(Failure::Keep("may be charged".to_owned()));
        }
        charges.set(charges.get() + 1);
        sleep(Duration::from_secs(5)).await;
        Ok(charges.get())
    };
    table.once(&key, &fingerprint, deadline, work).await
}

async fn begin(table: &LeaseTable) -> Begin {
    let (key, print) = (
        Key::new("ship", "o-1").unwrap(),
        Fingerprint::of_bytes(b"1"),
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    table.begin(&key, &print, deadline).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_processes_charge_an_order_once() {
    let memory = InMemoryTable::new();
    let (one, other) = (
        memory.table(LeaseOptions::default()),
        memory.table(LeaseOptions::default()),
    );
    let charges = Cell::new(0);
    let later = async {
        sleep(Duration::from_secs(1)).await;
        charge(&other, "o-7", &charges).await
    };
    let (first, second) = tokio::join!(charge(&one, "o-7", &charges), later);
    assert_eq!(first, Ok(Once::Executed(Ok(1))));
    assert!(matches!(second, Ok(Once::InProgress { .. })), "{second:?}");
    let third = charge(&other, "o-7", &charges).await;
    assert_eq!(third, Ok(Once::Replayed(Ok(1))));
    assert_eq!(
        charge(&other, "o-8", &charges).await,
        Ok(Once::Executed(Ok(2)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_charge_whose_process_died_is_not_done_again() {
    let table = InMemoryTable::new().table(LeaseOptions::default());
    let charges = Cell::new(0);
    let dies = tokio::time::timeout(Duration::from_secs(2), charge(&table, "o-7", &charges));
    assert!(dies.await.is_err());
    let early = charge(&table, "o-7", &charges).await;
    assert!(matches!(early, Ok(Once::InProgress { .. })), "{early:?}");
    // The lease ends with the invocation of its holder, and a second of skew later it is free.
    advance(Duration::from_secs(29)).await;
    let later = charge(&table, "o-7", &charges).await;
    assert_eq!(later, Ok(Once::Executed(Err("may be charged".into()))));
    assert_eq!(charges.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_forgotten_after_its_window() {
    let table = InMemoryTable::new().table(LeaseOptions::default());
    let charges = Cell::new(0);
    assert_eq!(
        charge(&table, "o-7", &charges).await,
        Ok(Once::Executed(Ok(1)))
    );
    advance(Duration::from_secs(7 * 24 * 60 * 60 + 1)).await;
    assert_eq!(
        charge(&table, "o-7", &charges).await,
        Ok(Once::Executed(Ok(2)))
    );
}

#[tokio::test(start_paused = true)]
async fn transactions_are_recorded_and_refused_on_demand() {
    let memory = InMemoryTable::new();
    let table = memory.table(LeaseOptions::default());
    let put = Put::builder()
        .table_name("shipments")
        .item("id", AttributeValue::S("o-7".to_owned()));
    let item = TransactWriteItem::builder()
        .put(put.build().unwrap())
        .build();
    let (key, print) = (
        Key::new("ship", "o-7").unwrap(),
        Fingerprint::of_bytes(b"7"),
    );
    let ship = async || {
        let deadline = Instant::now() + Duration::from_secs(30);
        let work = async |_: &Lease| Ok::<_, Failure<()>>(Transaction::new([item.clone()], 7_u8));
        table.commit_once(&key, &print, deadline, work).await
    };
    let in_the_way = Refusal::Items(vec![RefusedItem {
        index: 0,
        code: "ConditionalCheckFailed".to_owned(),
        item: None,
    }]);
    memory.refuse_next(in_the_way.clone());
    assert_eq!(ship().await, Ok(CommitOnce::Refused(in_the_way)));
    assert_eq!(memory.written(), []);
    assert_eq!(ship().await, Ok(CommitOnce::Committed(7)));
    assert_eq!(ship().await, Ok(CommitOnce::Replayed(Ok(7))));
    assert_eq!(memory.written(), [item]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_over_commits_nothing() {
    let memory = InMemoryTable::new();
    let options = LeaseOptions::default().longest_lease(Duration::from_secs(5));
    let table = memory.table(options);
    let Begin::Leased(lost) = begin(&table).await else {
        panic!("not leased")
    };
    advance(Duration::from_secs(6)).await;
    let Begin::Leased(held) = begin(&table).await else {
        panic!("not leased")
    };
    let commit = lost.commit_with(vec![], "mine").await;
    assert!(matches!(commit, Commit::LeaseLost), "{commit:?}");
    assert_eq!(held.complete("theirs").await, Settled::Done);
}
