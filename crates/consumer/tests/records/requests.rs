//! A batch costs one request a record, whatever its keys are. The other costs of a batch are
//! counted in keyed-batch.

use orders::{Intent, IntentId, OrderId, Timestamp};

use crate::world::{World, caller, order};

const RECORDS: u128 = 1_000;

/// The submit of an order by its own intent.
fn submit(order_id: u128, intent_id: u128) -> Vec<u8> {
    let intent = Intent::submit(
        IntentId::from_random(intent_id.to_be_bytes()),
        OrderId::from_random(order_id.to_be_bytes()),
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        caller("ann"),
        order("A-1"),
    );
    intent.encode()
}

async fn one_request_each(batch: Vec<Vec<u8>>) {
    let world = World::new();
    let report = world.deliver(&batch).await;
    assert!(report.response.unwrap().batch_item_failures.is_empty());
    assert_eq!(world.calls().len(), batch.len());
    assert!(world.calls().iter().all(|call| call == "UpdateItem"));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_orders_are_a_thousand_requests() {
    one_request_each(
        (0..RECORDS)
            .map(|number| submit(number << 64, number))
            .collect(),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_records_of_one_order_are_a_thousand_requests() {
    one_request_each((0..RECORDS).map(|number| submit(1, number)).collect()).await;
}
