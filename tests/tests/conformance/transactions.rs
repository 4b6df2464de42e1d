//! `TransactWriteItems`, as the lease lock and a consumer with business logic call it.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use orders_table::TableError;
use tests::Stack;

use crate::dynamodb::large_row;
use crate::two_ids;

/// A put of an item with this text, if there is no item under its key. An item that is there comes
/// back.
pub(crate) fn put_if_absent(stack: &Stack, order_id: &str, said: &str) -> Put {
    Put::builder()
        .table_name(stack.table())
        .item("order_id", AttributeValue::S(order_id.to_owned()))
        .item("said", AttributeValue::S(said.to_owned()))
        .condition_expression("attribute_not_exists(order_id)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap()
}

/// The texts of these items. An item that does not exist is left out.
pub(crate) async fn said(stack: &Stack, order_ids: &[&str]) -> Vec<String> {
    let mut found = vec![];
    for order_id in order_ids {
        let get = stack
            .dynamodb()
            .get_item()
            .table_name(stack.table())
            .key("order_id", AttributeValue::S((*order_id).to_owned()))
            .consistent_read(true);
        if let Some(item) = get.send().await.unwrap().item {
            found.push(item["said"].as_s().unwrap().clone());
        }
    }
    found
}

pub(crate) fn put_in_transaction(stack: &Stack, order_id: &str, said: &str) -> TransactWriteItem {
    let put = put_if_absent(stack, order_id, said);
    TransactWriteItem::builder().put(put).build()
}

/// An update of an attribute outside of the key, on condition that the row has this text. A row
/// with another text comes back.
pub(crate) fn update_in_transaction(
    stack: &Stack,
    order_id: &str,
    said: &str,
    value: String,
) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(stack.table())
        .key("order_id", AttributeValue::S(order_id.to_owned()))
        .update_expression("SET b = :b")
        .condition_expression("said = :said")
        .expression_attribute_values(":b", AttributeValue::S(value))
        .expression_attribute_values(":said", AttributeValue::S(said.to_owned()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap();
    TransactWriteItem::builder().update(update).build()
}

/// Sends these writes as one transaction under a token. Returns the reasons if the transaction is
/// cancelled.
pub(crate) async fn transact(
    stack: &Stack,
    token: &str,
    items: Vec<TransactWriteItem>,
) -> Result<(), Vec<CancellationReason>> {
    let transaction = stack
        .dynamodb()
        .transact_write_items()
        .set_transact_items(Some(items))
        .client_request_token(token);
    match transaction
        .send()
        .await
        .map_err(SdkError::into_service_error)
    {
        Ok(_) => Ok(()),
        Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            Err(cancelled.cancellation_reasons().to_vec())
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// The codes of the reasons, each with the text of the item that was in the way.
fn codes(reasons: &[CancellationReason]) -> Vec<(&str, Option<&str>)> {
    let reasons = reasons.iter().map(|reason| {
        let said = reason.item().and_then(|item| item.get("said"));
        (
            reason.code().unwrap_or_default(),
            said.map(|said| said.as_s().unwrap().as_str()),
        )
    });
    reasons.collect()
}

#[tokio::test]
async fn a_transaction_that_is_cancelled_writes_nothing_and_gives_a_reason_for_each_item() {
    let stack = Stack::start_without_functions().await;
    let [a, b] = two_ids();
    let put = |order_id, said| put_in_transaction(&stack, order_id, said);
    transact(&stack, &a, vec![put(&a, "first")]).await.unwrap();
    let items = vec![put(&b, "second"), put(&a, "second")];
    let reasons = transact(&stack, &b, items).await.unwrap_err();
    let expected = [("None", None), ("ConditionalCheckFailed", Some("first"))];
    assert_eq!(codes(&reasons), expected);
    assert_eq!(said(&stack, &[&a, &b]).await, ["first"]);
}

#[tokio::test]
async fn an_update_that_cancels_its_transaction_brings_back_the_item_that_is_there() {
    let stack = Stack::start_without_functions().await;
    let [a, b] = two_ids();
    let put = |order_id, said| put_in_transaction(&stack, order_id, said);
    transact(&stack, &a, vec![put(&a, "first")]).await.unwrap();
    let update = update_in_transaction(&stack, &a, "second", "x".to_owned());
    let reasons = transact(&stack, &b, vec![update, put(&b, "second")]).await;
    let reasons = reasons.unwrap_err();
    let expected = [("ConditionalCheckFailed", Some("first")), ("None", None)];
    assert_eq!(codes(&reasons), expected);
    assert_eq!(said(&stack, &[&a, &b]).await, ["first"]);
}

#[tokio::test]
async fn an_update_that_makes_its_item_too_large_cancels_its_transaction_and_says_so() {
    let stack = Stack::start_without_functions().await;
    let [_, b] = two_ids();
    let large = large_row(&stack).await;
    let items = vec![
        put_in_transaction(&stack, &b, "second"),
        update_in_transaction(&stack, &large, "much", "x".repeat(20_000)),
    ];
    let reasons = transact(&stack, &b, items).await.unwrap_err();
    assert_eq!(codes(&reasons), [("None", None), ("ValidationError", None)]);
    let message = reasons[1].message().unwrap_or_default();
    let error = TableError::of_code("ValidationError", message);
    assert!(matches!(error, TableError::ItemTooLarge));
    assert_eq!(said(&stack, &[&large, &b]).await, ["much"]);
}

#[tokio::test]
async fn a_transaction_that_is_sent_again_under_its_token_counts_as_done() {
    let stack = Stack::start_without_functions().await;
    let [a, b] = two_ids();
    let transaction = async |token: &str| {
        let puts = vec![
            put_in_transaction(&stack, &a, "once"),
            put_in_transaction(&stack, &b, "once"),
        ];
        transact(&stack, token, puts).await
    };
    assert_eq!(transaction(&a).await, Ok(()));
    assert_eq!(transaction(&a).await, Ok(()));
    let reasons = transaction(&b).await.unwrap_err();
    let refused = ("ConditionalCheckFailed", Some("once"));
    assert_eq!(codes(&reasons), [refused, refused]);
    assert_eq!(said(&stack, &[&a, &b]).await, ["once", "once"]);
}
