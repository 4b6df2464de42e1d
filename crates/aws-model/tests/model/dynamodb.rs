//! DynamoDB as the service uses it, through the SDK.

use std::collections::HashMap;

use aws_model::Service;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, KeySchemaElement, KeyType,
    Put, ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem,
};
use serde_json::json;

use crate::support::{World, world};

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

async fn world_with_table() -> (World, aws_sdk_dynamodb::Client) {
    let world = world();
    let client = world.dynamodb();
    let created = client
        .create_table()
        .table_name("orders")
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("order_id")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("order_id")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        )
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    assert_eq!(
        created.table_description.unwrap().table_arn.as_deref(),
        Some("arn:aws:dynamodb:eu-west-1:000000000000:table/orders")
    );
    (world, client)
}

/// Sets the fingerprint of order `o` unless it is set.
async fn submit(
    client: &aws_sdk_dynamodb::Client,
    fingerprint: &str,
) -> Result<(), Box<UpdateItemError>> {
    client
        .update_item()
        .table_name("orders")
        .key("order_id", text("o"))
        .update_expression("SET #f = :f")
        .condition_expression("attribute_not_exists(#f)")
        .expression_attribute_names("#f", "fingerprint")
        .expression_attribute_values(":f", text(fingerprint))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| Box::new(error.into_service_error()))
}

#[tokio::test]
async fn a_failed_condition_carries_the_item_that_is_there() {
    let (_world, client) = world_with_table().await;
    submit(&client, "1:first").await.unwrap();
    let error = submit(&client, "1:second").await.unwrap_err();
    let UpdateItemError::ConditionalCheckFailedException(failed) = *error else {
        panic!("another error: {error:?}")
    };
    let expected = HashMap::from([
        ("order_id".to_owned(), text("o")),
        ("fingerprint".to_owned(), text("1:first")),
    ]);
    assert_eq!(failed.item, Some(expected));
    assert_eq!(
        failed.message.as_deref(),
        Some("The conditional request failed")
    );
}

#[tokio::test]
async fn what_was_written_is_read_and_scanned() {
    let (_world, client) = world_with_table().await;
    submit(&client, "1:first").await.unwrap();
    let item = client
        .get_item()
        .table_name("orders")
        .key("order_id", text("o"))
        .send()
        .await
        .unwrap();
    assert_eq!(item.item.unwrap()["fingerprint"], text("1:first"));
    let absent = client
        .get_item()
        .table_name("orders")
        .key("order_id", text("p"))
        .send()
        .await
        .unwrap();
    assert_eq!(absent.item, None);
    assert_eq!(
        client
            .scan()
            .table_name("orders")
            .send()
            .await
            .unwrap()
            .count,
        1
    );
}

#[tokio::test]
async fn a_transaction_writes_all_or_nothing_and_says_which_condition_failed() {
    let (_world, client) = world_with_table().await;
    submit(&client, "1:first").await.unwrap();
    let put = |id: &str| {
        let put = Put::builder()
            .table_name("orders")
            .item("order_id", text(id))
            .condition_expression("attribute_not_exists(order_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let check = ConditionCheck::builder()
        .table_name("orders")
        .key("order_id", text("o"))
        .condition_expression("attribute_exists(fingerprint)")
        .build()
        .unwrap();
    let check = TransactWriteItem::builder().condition_check(check).build();
    client
        .transact_write_items()
        .transact_items(put("p"))
        .transact_items(check)
        .send()
        .await
        .unwrap();

    let error = client
        .transact_write_items()
        .transact_items(put("q"))
        .transact_items(put("o"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("another error: {error:?}")
    };
    let reasons = cancelled.cancellation_reasons.unwrap();
    let codes: Vec<_> = reasons
        .iter()
        .map(|reason| reason.code.as_deref().unwrap())
        .collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(
        reasons[1].item.as_ref().unwrap()["fingerprint"],
        text("1:first")
    );
    let absent = client
        .get_item()
        .table_name("orders")
        .key("order_id", text("q"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        absent.item, None,
        "nothing of a cancelled transaction is written"
    );
}

#[tokio::test]
async fn a_missing_table_and_an_item_too_large_are_refused_as_dynamodb_refuses_them() {
    let (_world, client) = world_with_table().await;
    let missing = client
        .get_item()
        .table_name("nope")
        .key("order_id", text("o"))
        .send()
        .await
        .unwrap_err();
    assert!(
        missing
            .into_service_error()
            .is_resource_not_found_exception()
    );
    let large = client
        .put_item()
        .table_name("orders")
        .item("order_id", text("o"))
        .item("content", text(&"x".repeat(400 * 1_024)))
        .send()
        .await
        .unwrap_err();
    assert_eq!(large.code(), Some("ValidationException"));
    assert_eq!(
        large.message(),
        Some("Item size has exceeded the maximum allowed size")
    );
}

#[tokio::test]
async fn tables_can_be_set_up_and_looked_at_without_http() {
    let (world, client) = world_with_table().await;
    submit(&client, "1:first").await.unwrap();
    let get = |table: &str| {
        let input = json!({ "TableName": table, "Key": { "order_id": { "S": "o" } } });
        world.aws.operate(Service::DynamoDb, "GetItem", &input)
    };
    assert_eq!(
        get("orders").unwrap()["Item"]["fingerprint"],
        json!({ "S": "1:first" })
    );
    let refusal = get("nope").unwrap_err();
    assert_eq!(
        (refusal.code, refusal.status),
        ("ResourceNotFoundException", 400)
    );
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_a_validation_exception_that_says_which() {
    let (world, client) = world_with_table().await;
    let empty_key = client
        .put_item()
        .table_name("orders")
        .item("order_id", text(""))
        .send()
        .await
        .unwrap_err();
    assert_eq!(empty_key.code(), Some("ValidationException"));
    assert!(
        empty_key.message().unwrap().contains("empty string value"),
        "{empty_key:?}"
    );

    for (operation, input, says) in [
        (
            "DeleteTable",
            json!({ "TableName": "t" }),
            "TableName must be at least 3 characters long",
        ),
        ("GetItem", json!({ "TableName": "orders" }), "'key'"),
        (
            "PutItem",
            json!({ "TableName": "orders", "Item": { "order_id": {} } }),
            "Supplied AttributeValue is empty",
        ),
        (
            "UpdateItem",
            json!({ "TableName": "orders", "Key": { "order_id": { "S": "o" } }, "UpdateExpression": "SET" }),
            "Syntax error",
        ),
    ] {
        let refusal = world
            .aws
            .operate(Service::DynamoDb, operation, &input)
            .unwrap_err();
        assert_eq!(
            refusal.code, "ValidationException",
            "{operation}: {refusal}"
        );
        assert!(refusal.message.contains(says), "{operation}: {refusal}");
        assert!(
            !refusal.message.contains("VALIDATION"),
            "{operation}: {refusal}"
        );
        assert!(
            !refusal.message.contains("line 1"),
            "{operation}: {refusal}"
        );
    }
}
