//! The names that a user gives to keys, beside those of the lock's own attributes.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use aws_model::Service;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use idempotency::{
    Begin, Commit, Error, Failure, KeyAttribute, LeaseOptions, LeaseOptionsError, Once, Refusal,
    Settled, StoreError,
};
use serde_json::{Value, json};

use crate::world::{Holder, PAYLOAD, World, deadline, fingerprint, item, key};

/// The names of a lock's attributes, in the requests of every way that a lease can go and in the
/// table afterwards.
async fn attributes_in_use() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for way in 0..7 {
        let world = World::new();
        let holder = world.holder();
        let lease = holder.lease().await;
        assert_eq!(lease.renew(Duration::from_secs(20)).await, Settled::Done);
        let settled = match way {
            0 => lease.complete("receipt").await,
            1 => lease.complete_with_digest("receipt").await,
            2 => lease.fail("no funds").await,
            3 => lease.release().await,
            4 => {
                let commit = lease.commit_with(vec![item("a", true)], "receipt").await;
                assert!(matches!(commit, Commit::Committed), "{commit:?}");
                Settled::Done
            }
            5 => {
                lease.leave_behind();
                tokio::time::advance(Duration::from_secs(40)).await;
                let next = holder.lease().await;
                assert_eq!(next.takeovers(), 1);
                next.complete("receipt").await
            }
            _ => {
                let done = lease.complete("receipt").await;
                tokio::time::advance(Duration::from_secs(8 * 24 * 3_600)).await;
                holder.lease().await.leave_behind();
                done
            }
        };
        assert_eq!(settled, Settled::Done);
        let item = world.lock();
        names.extend(item.as_object().unwrap().keys().cloned());
        for body in world.bodies() {
            let update = body
                .get("TransactItems")
                .map_or(&body, |items| &items[0]["Update"]);
            let used = update["ExpressionAttributeNames"].as_object().unwrap();
            names.extend(used.values().map(|name| name.as_str().unwrap().to_owned()));
        }
    }
    assert!(names.remove("id"));
    names
}

#[tokio::test(start_paused = true)]
async fn every_attribute_that_a_lock_uses_is_refused_as_the_name_of_a_key() {
    for used in attributes_in_use().await {
        let refused = |key| LeaseOptionsError::ReservedName {
            key,
            name: used.clone(),
        };
        let partition = LeaseOptions::default().partition_key(&used).unwrap_err();
        assert_eq!(partition, refused(KeyAttribute::PartitionKey));
        let sort = LeaseOptions::default().sort_key(&used, "lock").unwrap_err();
        assert_eq!(sort, refused(KeyAttribute::SortKey));
    }
}

#[tokio::test(start_paused = true)]
async fn the_attributes_that_a_lock_uses_are_those_that_the_documentation_names() {
    let guide = include_str!("../../guide.md");
    let rows = guide.split("| attribute | |\n|---|---|\n").nth(1).unwrap();
    let rows = rows.lines().take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<_> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .filter(|name| *name != "id")
        .map(str::to_owned)
        .collect();
    assert_eq!(attributes_in_use().await, documented);
}

/// A table with these keys, each a name and a type.
fn create(world: &World, keys: &[(&str, &str)]) {
    let schema: Vec<_> = keys
        .iter()
        .zip(["HASH", "RANGE"])
        .map(|((name, _), kind)| json!({"AttributeName": name, "KeyType": kind}))
        .collect();
    let attributes: Vec<_> = keys
        .iter()
        .map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}))
        .collect();
    let table = json!({"TableName": "locks", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": schema, "AttributeDefinitions": attributes});
    let created = world.aws.operate(Service::DynamoDb, "CreateTable", &table);
    created.unwrap();
}

async fn does_no_work(world: &World, holder: &Holder, keys: &[(&str, &str)]) {
    let runs = Cell::new(0);
    for _ in 0..2 {
        let work = async |_: &_| {
            runs.set(runs.get() + 1);
            Ok(String::new())
        };
        let outcome = holder.once(PAYLOAD, work).await;
        assert!(
            matches!(&outcome, Err(Error::Store { source: StoreError::Environment(error), .. })
                if error.code() == "ValidationException"),
            "{keys:?} {outcome:?}"
        );
    }
    assert_eq!(runs.get(), 0, "{keys:?}");
    assert_eq!(world.items("locks"), [Value::Null; 0], "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn over_a_table_whose_keys_are_others_than_the_settings_say_no_work_is_done() {
    for name in attributes_in_use().await {
        let name = name.as_str();
        for keys in [
            vec![(name, "S")],
            vec![("id", "S"), (name, "S")],
            vec![("id", "S"), (name, "N")],
            vec![(name, "S"), ("id", "S")],
        ] {
            let world = World::without_table();
            create(&world, &keys);
            does_no_work(&world, &world.holder(), &keys).await;
        }
    }
    let sorted = || LeaseOptions::default().sort_key("sk", "lock").unwrap();
    for keys in [
        vec![("other", "S")],
        vec![("id", "N")],
        vec![("id", "S"), ("sk", "N")],
        vec![("id", "S"), ("other", "S")],
        vec![("sk", "S"), ("other", "S")],
        vec![("id", "S")],
    ] {
        let world = World::without_table();
        create(&world, &keys);
        does_no_work(&world, &world.holder_with(sorted()), &keys).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_business_item_in_the_place_of_the_lock_is_refused_and_the_lease_stays() {
    let world = World::new();
    let lease = world.holder().lease().await;
    let before = world.lock();
    let put = Put::builder()
        .table_name("locks")
        .item("id", AttributeValue::S(key().id().to_owned()));
    let put = TransactWriteItem::builder().put(put.build().unwrap());
    let commit = lease.commit_with(vec![put.build()], "receipt").await;
    let Commit::Refused { lease, refusal } = commit else {
        panic!("{commit:?}")
    };
    assert!(
        matches!(&refusal, Refusal::Request(error) if error.code() == "ValidationException"),
        "{refusal:?}"
    );
    assert_eq!(world.lock(), before);
    assert_eq!(lease.complete("receipt").await, Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn any_other_name_holds_a_lock() {
    // Reserved words of DynamoDB, names that look like paths, like aliases and like parts of
    // expressions.
    let names = [
        "#n0", ":v0", "a.b", "a[0]", "size", "SET", "Owner", "é", "id ",
    ];
    for name in names {
        let world = World::without_table();
        create(&world, &[(name, "S"), ("key", "S")]);
        world.create("items", json!([{"AttributeName": "id", "KeyType": "HASH"}]));
        let options = LeaseOptions::default().partition_key(name).unwrap();
        let options = options.sort_key("key", "lock").unwrap();
        let holder = world.holder_with(options);
        let runs = Cell::new(0);
        for _ in 0..2 {
            let begin = holder.begin().await.unwrap();
            match begin {
                Begin::Leased(lease) => {
                    runs.set(runs.get() + 1);
                    assert_eq!(lease.renew(Duration::from_secs(20)).await, Settled::Done);
                    let commit = lease.commit_with(vec![item("a", true)], "receipt").await;
                    assert!(matches!(commit, Commit::Committed), "{name} {commit:?}");
                }
                Begin::Replayed(stored) => {
                    let receipt = Ok(Ok("receipt".to_owned()));
                    assert_eq!(stored.result::<String, String>(), receipt);
                }
                other => panic!("{name} {other:?}"),
            }
        }
        assert_eq!(runs.get(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_lease_keeps_nothing_of_the_result_before_it() {
    let world = World::new();
    let holder = world.holder();
    let lease = holder.lease().await;
    assert_eq!(lease.complete("old").await, Settled::Done);
    tokio::time::advance(Duration::from_secs(8 * 24 * 3_600)).await;
    let (key, print) = (key(), fingerprint(PAYLOAD));
    let work = async |_: &_| Ok::<_, Failure<String>>("new".to_owned());
    let done = holder.table.once_digest(&key, &print, deadline(), work);
    assert_eq!(done.await, Ok(Once::Executed(Ok("new".to_owned()))));
    let lock = world.lock();
    assert!(lock.get("result").is_none(), "{lock}");
    assert!(lock.get("digest").is_some(), "{lock}");
}
