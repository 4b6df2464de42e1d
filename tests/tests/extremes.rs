//! A backlog, one hot key, and a flood of poison. Every good order is persisted.

#![expect(clippy::expect_used, reason = "in a test a panic is the report")]

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use futures::{StreamExt as _, stream};
use orders::Intent;
use serde_json::json;
use tests::{Clients, STREAM, Stack, StackOptions, key, order, submit_intent};

/// Puts intents into the stream, 500 at a time, and counts them as accepted.
async fn put_all(stack: &Stack, clients: &Clients<'_>, intents: &[Intent]) {
    for chunk in intents.chunks(500) {
        let entries = chunk.iter().map(|intent| {
            let entry = PutRecordsRequestEntry::builder().data(Blob::new(intent.encode()));
            entry.partition_key(intent.order_id.to_string()).build()
        });
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .expect("all required fields are given");
        // A shard takes a thousand records a second. The SDK does not repeat the records that a
        // PutRecords leaves undone.
        loop {
            let request = stack.kinesis().put_records().stream_name(STREAM);
            let output = request.set_records(Some(entries.clone())).send().await;
            match output.map(|output| output.failed_record_count) {
                Ok(None | Some(0)) => break,
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        chunk
            .iter()
            .for_each(|intent| clients.count_as_accepted(intent));
    }
}

#[tokio::test]
async fn a_backlog_of_ten_thousand_records_is_worked_off() {
    const RECORDS: usize = 10_000;
    let stack = Stack::start_with(StackOptions {
        settings: vec![("batch_size", json!(500)), ("shard_count", json!(4))],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    stack.enable_mapping(false).await;
    let intents: Vec<Intent> = (0..RECORDS)
        .map(|number| submit_intent(&order(number)))
        .collect();
    put_all(&stack, &clients, &intents).await;
    stack.enable_mapping(true).await;
    // It takes a minute or two where the machine does nothing else. The limit only ends a run that
    // hangs.
    stack.drained_within(Duration::from_secs(600)).await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, RECORDS);
    let counters = &stack.state().await["mapping"]["counters"];
    assert_eq!(counters["records_discarded"], 0);
}

#[tokio::test]
async fn a_thousand_requests_for_one_order_are_one_order() {
    const REQUESTS: usize = 1_000;
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    let (key, hot) = (key(), order(1));
    let calls = stream::iter(0..REQUESTS).map(async |number| {
        // Every tenth request is about another order, which must not wait for ever behind the hot
        // order.
        let answer = if number % 10 == 0 {
            clients.submit(None, &order(number)).await
        } else {
            clients.submit(Some(&key), &hot).await
        };
        assert_eq!(answer.status, 202);
    });
    calls.buffer_unordered(40).collect::<Vec<()>>().await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.persisted, audit.absorbed), (101, 899));
    assert_eq!(
        stack.state().await["mapping"]["counters"]["records_discarded"],
        0
    );
}

#[tokio::test]
async fn a_flood_of_poison_beside_good_orders_harms_none_of_them() {
    const ORDERS: usize = 60;
    let stack = Stack::start_with(StackOptions {
        settings: vec![
            ("maximum_retry_attempts", json!(1)),
            ("batch_size", json!(20)),
        ],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    stack.enable_mapping(false).await;
    for number in 0..ORDERS {
        let good = submit_intent(&order(number));
        // The poison has the order's key, so it is in front of the order and in the same shard.
        stack.put(&good.order_id.to_string(), "not an event").await;
        clients.put(&good).await;
    }
    stack.enable_mapping(true).await;
    stack.drained_within(Duration::from_secs(180)).await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.persisted, audit.poison_discarded), (ORDERS, ORDERS));
    assert!(audit.recoverable.is_empty());
}
