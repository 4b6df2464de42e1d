//! The example of business logic in one transaction with the row.

use aws_sdk_dynamodb::types::AttributeValue;
use orders::{Conflict, Outcome};

use crate::world::{World, cancel, order_id, submit};

#[expect(dead_code, reason = "its main is not run here")]
#[path = "../../examples/invoice.rs"]
mod example;

/// A consumer that writes invoices too.
fn world() -> World {
    let mut world = World::new();
    let table = serde_json::json!({"TableName": "invoices", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
    world
        .aws
        .operate(aws_model::Service::DynamoDb, "CreateTable", &table)
        .unwrap();
    world.consumer = world.consumer.writing_also(example::invoice);
    world
}

async fn invoices(world: &World) -> Vec<String> {
    let output = world.client.scan().table_name("invoices").send().await;
    let items = output.unwrap().items.unwrap_or_default();
    items
        .iter()
        .map(|item| item["total"].as_n().unwrap().clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn there_is_one_invoice_however_often_the_order_is_delivered() {
    let world = world();
    let intent = submit(1, 7, "ann", "A");
    assert_eq!(world.outcome_of(&intent).await, Ok(Outcome::Applied));
    assert_eq!(world.outcome_of(&intent).await, Ok(Outcome::AlreadyApplied));
    let again = submit(2, 7, "ann", "A");
    assert_eq!(world.outcome_of(&again).await, Ok(Outcome::Duplicate));
    let other = submit(3, 7, "ann", "B");
    let conflict = Outcome::Conflict(Conflict::Recorded);
    assert_eq!(world.outcome_of(&other).await, Ok(conflict));
    assert_eq!(invoices(&world).await, ["10"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_invoiced_once_whether_its_cancel_comes_before_or_after() {
    for cancel_first in [true, false] {
        let world = world();
        let mut intents = [submit(1, 7, "ann", "A"), cancel(2, 7, "ann")];
        if cancel_first {
            intents.reverse();
        }
        for intent in &intents {
            assert_eq!(world.outcome_of(intent).await, Ok(Outcome::Applied));
        }
        assert_eq!(invoices(&world).await, ["10"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_takes_the_other_one_with_it() {
    let world = world();
    let stray = AttributeValue::S(order_id(7).to_string());
    let put = world.client.put_item().table_name("invoices");
    let put = put
        .item("order_id", stray)
        .item("total", AttributeValue::N("1".into()));
    put.send().await.unwrap();
    let refused = "ConditionalCheckFailed".to_owned();
    assert_eq!(
        world.outcome_of(&submit(1, 7, "ann", "A")).await,
        Err(refused)
    );
    assert_eq!(world.item(order_id(7)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_done_by_the_next_attempt() {
    let world = world();
    let intent = submit(1, 7, "ann", "A");
    world.fault("lost-answer", 600);
    assert!(world.outcome_of(&intent).await.is_err());
    world.aws.faults().clear();
    assert_eq!(world.outcome_of(&intent).await, Ok(Outcome::AlreadyApplied));
    assert_eq!(invoices(&world).await, ["10"]);
}
