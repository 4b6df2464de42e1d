//! The example of business logic in one transaction with the row.

use aws_sdk_dynamodb::types::AttributeValue;
use orders::Outcome;

use crate::world::{World, order_id, submit};

#[expect(dead_code, reason = "its main is not run here")]
#[path = "../../examples/stock.rs"]
mod example;

use example::{Reservation, apply};

async fn stock(world: &World, sku: &str) -> Option<i64> {
    let key = AttributeValue::S(sku.into());
    let item = world
        .client
        .get_item()
        .table_name("stock")
        .key("sku", key)
        .send()
        .await
        .unwrap()
        .item?;
    item["left"].as_n().unwrap().parse().ok()
}

async fn with_stock(left: i64) -> World {
    let world = World::new();
    let table = serde_json::json!({"TableName": "stock", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "sku", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "sku", "AttributeType": "S"}]});
    world
        .aws
        .operate(aws_model::Service::DynamoDb, "CreateTable", &table)
        .unwrap();
    let put = world
        .client
        .put_item()
        .table_name("stock")
        .item("sku", AttributeValue::S("A".into()));
    put.item("left", AttributeValue::N(left.to_string()))
        .send()
        .await
        .unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn stock_is_reserved_once_however_often_the_order_is_delivered() {
    let world = with_stock(10).await;
    let intent = submit(1, 7, "ann", "A");
    assert_eq!(
        apply(&world.client, &intent).await,
        Ok(Reservation::Made(Outcome::Applied))
    );
    assert_eq!(
        apply(&world.client, &intent).await,
        Ok(Reservation::Made(Outcome::AlreadyApplied))
    );
    assert_eq!(
        apply(&world.client, &submit(2, 7, "ann", "A")).await,
        Ok(Reservation::Made(Outcome::Duplicate))
    );
    assert_eq!(stock(&world, "A").await, Some(8));
}

#[tokio::test(start_paused = true)]
async fn without_stock_neither_the_row_nor_the_stock_is_written() {
    let world = with_stock(1).await;
    assert_eq!(
        apply(&world.client, &submit(1, 7, "ann", "A")).await,
        Ok(Reservation::OutOfStock)
    );
    assert_eq!(stock(&world, "A").await, Some(1));
    assert_eq!(world.item(order_id(7)).await, None);
}
