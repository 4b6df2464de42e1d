//! Records that can never succeed, and their effect on the records beside them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use keyed_batch::Disposition;
use orders::Intent;
use serde_json::{Value, json};

use crate::world::{World, failures, order_id, submit};

fn altered(intent: &Intent, pointer: &str, value: Value) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&intent.encode()).unwrap();
    *event.pointer_mut(pointer).unwrap() = value;
    event.to_string().into_bytes()
}

#[tokio::test(start_paused = true)]
async fn poison_is_reported_and_its_neighbours_are_applied_those_of_its_key_too() {
    let world = World::new();
    let batch = [
        submit(1, 1, "ann", "A").encode(),
        b"not an event".to_vec(),
        altered(
            &submit(2, 2, "ann", "A"),
            "/data/order/currency",
            json!("???"),
        ),
        submit(3, 2, "ann", "A").encode(),
        altered(
            &submit(4, 3, "ann", "A"),
            "/type",
            json!("OrderSubmitIntent.v2"),
        ),
        submit(5, 4, "ann", "A").encode(),
    ];
    let report = world.deliver(&batch).await;
    assert_eq!(failures(&report), [1, 2, 4]);
    for n in [1, 2, 4] {
        assert!(world.item(order_id(n)).await.is_some(), "order {n}");
    }
    let reasons: Vec<_> = report
        .records
        .iter()
        .filter_map(|record| match record.disposition {
            Disposition::Rejected(reason) => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, ["not_json", "invalid_data", "unknown_type"]);
}

#[tokio::test(start_paused = true)]
async fn poison_is_attempted_once_and_never_reaches_the_table() {
    let world = World::new();
    let report = world.deliver(&[b"{}".to_vec()]).await;
    assert_eq!(report.summary.attempts, 1);
    assert!(world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_service_did_not_write_keeps_its_intents_waiting() {
    let world = World::new();
    let id = order_id(1);
    let mut put = world
        .client
        .put_item()
        .table_name("orders")
        .item("order_id", AttributeValue::S(id.to_string()));
    put = put.item("fingerprint", AttributeValue::S("by hand".into()));
    put.send().await.unwrap();
    let report = world.deliver(&[submit(1, 1, "ann", "A").encode()]).await;
    assert_eq!(
        report.records[0].disposition,
        Disposition::Unfinished("unreadable_row")
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_would_be_too_large_is_poison() {
    // 400 KB are 409,600 bytes, names included. With this attachment the row is 46 bytes short of
    // it.
    let world = World::new();
    let id = order_id(1);
    let put = world
        .client
        .put_item()
        .table_name("orders")
        .item("order_id", AttributeValue::S(id.to_string()));
    put.item("attachment", AttributeValue::S("x".repeat(409_500)))
        .send()
        .await
        .unwrap();
    let report = world
        .deliver(&[submit(1, 1, "ann", &"A".repeat(64)).encode()])
        .await;
    assert_eq!(
        report.records[0].disposition,
        Disposition::Rejected("item_too_large")
    );
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_poison_between_a_hundred_good_records_costs_none_of_them() {
    let world = World::new();
    let good: BTreeMap<usize, Intent> = (0..100)
        .map(|n: u8| (usize::from(n) * 2, submit(n, n, "ann", "A")))
        .collect();
    let poison = [
        b"".to_vec(),
        b"[1]".to_vec(),
        vec![0xff; 9],
        b"{\"specversion\":\"1.0\"}".to_vec(),
    ];
    let batch: Vec<Vec<u8>> = (0..200)
        .map(|n| {
            good.get(&n)
                .map_or_else(|| poison[n % 4].clone(), Intent::encode)
        })
        .collect();
    let report = world.deliver(&batch).await;
    assert_eq!(report.summary.done, 100);
    assert_eq!(failures(&report), (1..200).step_by(2).collect::<Vec<_>>());
}
