//! The table and the role that the documentation recommends.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use idempotency::{CommitOnce, Failure, Key, Lease, LeaseOptions, LeaseTable, Once, Transaction};
use tokio::time::Instant;

use crate::world::{Fate, PAYLOAD, World, deadline, fingerprint, item, key};

/// The README's block of code in this language.
fn block(language: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_table_that_the_options_create_holds_locks() {
    let sorted = LeaseOptions::default()
        .partition_key("pk")
        .unwrap()
        .sort_key("sk", "lock")
        .unwrap();
    for options in [LeaseOptions::default(), sorted] {
        let world = World::without_table();
        let client = Client::new(&world.config());
        let created = options.create_table("locks").send_with(&client).await;
        created.unwrap();
        let table = LeaseTable::from_client(&client, "locks", options);
        let work = async |_: &Lease| Ok::<_, Failure<String>>(7);
        let (key, print) = (key(), fingerprint(PAYLOAD));
        let outcome = table.once(&key, &print, deadline(), work);
        assert_eq!(outcome.await, Ok(Once::Executed(Ok(7))));
        assert_eq!(world.items("locks").len(), 1);
    }
}

#[test]
fn the_recipes_say_what_the_options_create() {
    let options = LeaseOptions::default();
    let table = options.create_table("locks").build().unwrap();
    let ttl = options.enable_ttl("locks").build().unwrap();
    let id = table.attribute_definitions()[0].attribute_name();
    let ttl = ttl.time_to_live_specification().unwrap();
    assert!(ttl.enabled());
    for (language, key, time) in [
        (
            "hcl",
            format!("hash_key     = \"{id}\""),
            format!("attribute_name = \"{}\"", ttl.attribute_name()),
        ),
        (
            "yaml",
            format!("AttributeName: {id}, KeyType: HASH"),
            format!("AttributeName: {}, Enabled: true", ttl.attribute_name()),
        ),
    ] {
        assert!(block(language).contains(&key), "{language} {key}");
        assert!(block(language).contains(&time), "{language} {time}");
        assert!(block(language).contains("PAY_PER_REQUEST"), "{language}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_needs_the_actions_that_are_called_and_no_others() {
    let world = World::new();
    let holder = world.holder();
    // Every kind of write: lease, renewal, takeover, release, failure, completion, transaction.
    for settle in ["abandon", "release", "fail"] {
        let lease = holder.lease().await;
        let _ = lease.renew(Duration::from_secs(60)).await;
        match settle {
            "abandon" => drop(lease.abandon().await),
            "release" => drop(lease.release().await),
            _ => drop(lease.fail("no").await),
        }
        tokio::time::advance(Duration::from_secs(31)).await;
    }
    let (key, print) = (Key::new("charge", "order-8").unwrap(), fingerprint(PAYLOAD));
    let work = async |_: &Lease| Ok::<_, Failure<()>>(Transaction::new([item("a", true)], 7));
    let outcome = holder
        .table
        .commit_once(&key, &print, deadline(), work)
        .await;
    assert_eq!(outcome, Ok(CommitOnce::Committed(7)));

    let mut actions = BTreeSet::new();
    for (operation, body) in world.calls_with_bodies() {
        if operation != "TransactWriteItems" {
            actions.insert(operation);
            continue;
        }
        // The first item is the lock, and the others are the caller's own.
        let lock = body["TransactItems"][0].as_object().unwrap();
        actions.extend(lock.keys().map(|write| format!("{write}Item")));
    }
    let policy: serde_json::Value = serde_json::from_str(block("json")).unwrap();
    let allowed = policy["Action"].as_str().unwrap();
    assert_eq!(actions, BTreeSet::from([allowed.replace("dynamodb:", "")]));
}

#[tokio::test(start_paused = true)]
async fn the_retries_of_a_client_that_is_passed_are_off() {
    let world = World::new();
    let retries = aws_config::retry::RetryConfig::standard().with_max_attempts(9);
    let config = world.config().into_builder().retry_config(retries).build();
    let options = LeaseOptions::default().call_timeout(Duration::from_secs(60));
    let table = LeaseTable::from_client(&Client::new(&config), "locks", options);
    world.script(vec![Fate::Refused(500, "InternalServerError"); 20]);
    let start = Instant::now();
    let begin = table.begin(&key(), &fingerprint(PAYLOAD), deadline()).await;
    assert!(begin.is_ok(), "{begin:?}");
    assert_eq!(world.calls().len(), 21);
    // The SDK backs off for up to 20 s. These back-offs are at most 500 ms each.
    assert!(start.elapsed() < Duration::from_secs(10));
}
