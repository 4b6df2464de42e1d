//! The writes and reads of an order's row, as the consumer and the api call them. These are
//! `UpdateItem` and `GetItem`. The tests also cover conditions of `PutItem` and `UpdateItem` that
//! the lease lock relies on.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use conditional_write::{Answer, Change, Condition, Item, NotDone, Value, Write};
use futures::future::join_all;
use orders::{Caller, Intent, IntentId, OrderId, Row, Step, Timestamp, next_step};
use orders_table::{OrdersTable, TableError, client_for_reads};
use tests::{ORDER, Stack, eventually, order};

use crate::transactions::put_if_absent;
use crate::{PATIENCE, SLOWEST_ANSWER, random, submit, two_ids};

fn cancel(order_id: OrderId, caller: Caller) -> Intent {
    let time = Timestamp::parse("2026-11-22T05:00:01.000Z").unwrap();
    Intent::cancel(IntentId::from_random(random()), order_id, time, caller)
}

/// A write of these attributes if the row has none of the name `guard`.
fn set(attributes: Vec<(&'static str, Value)>, guard: &'static str) -> Write {
    Write {
        change: Change::set(attributes),
        condition: Condition::Absent(guard.into()),
    }
}

/// The answer to a write of a row, or the code of the error.
async fn write(table: &OrdersTable, id: OrderId, write: &Write) -> Result<Answer, String> {
    let answer = table.write(id, write, vec![]).await;
    answer.map_err(|error| error.code().to_owned())
}

fn table(stack: &Stack) -> OrdersTable {
    table_named(stack, stack.table())
}

/// The consumer's table with more patience. It also makes no retries, because a write that is sent
/// again is refused if it was done.
fn table_named(stack: &Stack, name: &str) -> OrdersTable {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(SLOWEST_ANSWER)
        .build();
    let config = aws_sdk_dynamodb::config::Builder::from(stack.config())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    OrdersTable::new(client, name)
}

fn api_table(stack: &Stack) -> OrdersTable {
    OrdersTable::new(client_for_reads(stack.config()), stack.table())
}

/// The row of an order that belongs to everyone. A read that is not answered in the api's time does
/// no harm, and is tried again.
async fn read(table: &OrdersTable, id: OrderId) -> Option<Row> {
    eventually("the answer to a read", || async {
        match table.read(id, &Caller::anonymous(), PATIENCE).await {
            Ok(row) => Some(row),
            Err(TableError::NoAnswer { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await
}

/// Applies an intent as the consumer does, and applies it to a model of the row. Every answer has
/// to be the model's.
async fn apply(table: &OrdersTable, item: &mut Option<Item>, intent: &Intent) {
    let mut seen: Option<Row> = None;
    loop {
        let Step::Write { write, .. } = next_step(intent, seen.as_ref()) else {
            return;
        };
        let answer = table.write(intent.order_id, &write, vec![]).await.unwrap();
        match write.apply_to(item.as_ref()) {
            Ok(after) => {
                assert_eq!(answer, Answer::Done);
                *item = Some(after);
                return;
            }
            Err(NotDone::NotASet) => panic!("`conflicts` is a set"),
            Err(NotDone::Refused) => {
                assert_eq!(answer, Answer::Refused(item.clone()), "ALL_OLD");
                seen = item.as_ref().map(|row| Row::from_item(row).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn every_write_of_an_order_is_done_or_refused_with_the_row_as_it_is() {
    let stack = Stack::start_without_functions().await;
    let (table, reader) = (table(&stack), api_table(&stack));
    let id = OrderId::from_random(random());
    let mallory = Caller::parse("mallory").unwrap();
    let first = submit(id, ORDER);
    let mut intents = vec![
        // The list has a stranger's cancel before the order, the order, the same intent again, the
        // same order by another intent, and cancels.
        cancel(id, mallory.clone()),
        first.clone(),
        first,
        submit(id, ORDER),
        cancel(id, mallory),
        cancel(id, Caller::anonymous()),
        cancel(id, Caller::anonymous()),
    ];
    // Conflicts fill their set. Each conflict comes twice, and the eleventh is told from the tenth.
    for number in 0..12 {
        let conflict = submit(id, &order(number));
        intents.extend([conflict.clone(), conflict]);
    }
    let mut item = None;
    for intent in intents {
        apply(&table, &mut item, &intent).await;
        let row = read(&reader, id).await;
        let expected = item.as_ref().map(|item| Row::from_item(item).unwrap());
        // Nobody may read a row without an owner.
        assert_eq!(row, expected.filter(|row| row.submitted.is_some()));
    }
    let row = read(&reader, id).await.unwrap();
    assert_eq!((row.conflicts.len(), row.conflicts_truncated), (10, true));
}

#[tokio::test]
async fn of_writes_at_the_same_time_one_is_done() {
    let stack = Stack::start_without_functions().await;
    let (table, id) = (table(&stack), OrderId::from_random(random()));
    let writes = (0..20).map(|number: u32| {
        let attributes = vec![("fingerprint", Value::S(number.to_string()))];
        let (table, one) = (table.clone(), set(attributes, "fingerprint"));
        async move { write(&table, id, &one).await.unwrap() }
    });
    let answers = join_all(writes).await;
    let done = answers.iter().filter(|answer| **answer == Answer::Done);
    assert_eq!(done.count(), 1);
    let rows: Vec<&Item> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Done => None,
            Answer::Refused(row) => row.as_ref(),
        })
        .collect();
    assert_eq!(rows.len(), 19, "each refusal has the row");
    assert!(rows.iter().all(|row| *row == rows[0]), "the same row");
}

#[tokio::test]
async fn a_condition_that_there_is_no_row_to_hold_of_is_refused_without_one() {
    let stack = Stack::start_without_functions().await;
    let error = stack
        .dynamodb()
        .update_item()
        .table_name(stack.table())
        .key("order_id", AttributeValue::S("none".to_owned()))
        .update_expression("SET a = :a")
        .condition_expression("attribute_exists(order_id)")
        .expression_attribute_values(":a", AttributeValue::S("a".to_owned()))
        .return_values_on_condition_check_failure("ALL_OLD".into())
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(error.code(), Some("ConditionalCheckFailedException"));
    let UpdateItemError::ConditionalCheckFailedException(refused) = error else {
        panic!("{error:?}")
    };
    assert!(refused.item().is_none_or(|item| item.is_empty()));
    assert_eq!(stack.row("none").await, None);
}

/// The most bytes of an attribute `a` in an item that has only an order id besides. Names and
/// values count, in UTF-8.
const MOST: usize = 400 * 1024 - "order_id".len() - 36 - "a".len();

fn set_a(bytes: usize) -> Write {
    set(vec![("a", Value::S("x".repeat(bytes)))], "a")
}

/// Writes a row that says `much`, and that has no room for 20,000 bytes more. Returns the row's id.
pub(crate) async fn large_row(stack: &Stack) -> String {
    let id = OrderId::from_random(random());
    let attributes = vec![
        ("a", Value::S("x".repeat(MOST - 10_000))),
        ("said", Value::S("much".to_owned())),
    ];
    let written = write(&table(stack), id, &set(attributes, "a")).await;
    assert_eq!(written, Ok(Answer::Done));
    id.to_string()
}

#[tokio::test]
async fn a_row_that_would_become_too_large_is_refused_as_such() {
    let stack = Stack::start_without_functions().await;
    let (table, id) = (table(&stack), OrderId::from_random(random()));
    let almost = set_a(MOST - 10_000);
    assert_eq!(write(&table, id, &almost).await, Ok(Answer::Done));
    let too_large = Err("item_too_large".to_owned());
    let grown = set(vec![("b", Value::S("x".repeat(20_000)))], "b");
    let answer = write(&table, id, &grown).await;
    assert_eq!(answer, too_large, "by a later write");
    let answer = write(
        &table,
        OrderId::from_random(random()),
        &set_a(MOST + 10_000),
    )
    .await;
    assert_eq!(answer, too_large, "by one write");
}

#[tokio::test]
async fn a_row_may_have_400_kb_to_the_byte() {
    let stack = Stack::start_without_functions().await;
    let table = table(&stack);
    let set_a = async |bytes| write(&table, OrderId::from_random(random()), &set_a(bytes)).await;
    assert_eq!(set_a(MOST).await, Ok(Answer::Done));
    assert_eq!(set_a(MOST + 1).await, Err("item_too_large".to_owned()));
}

#[tokio::test]
async fn the_writes_and_reads_of_a_table_that_is_missing_say_so() {
    let stack = Stack::start_without_functions().await;
    let missing = format!("{}-missing", stack.table());
    let id = OrderId::from_random(random());
    let written = write(&table_named(&stack, &missing), id, &set_a(1)).await;
    assert_eq!(written, Err("ResourceNotFoundException".to_owned()));
    let table = OrdersTable::new(client_for_reads(stack.config()), missing);
    let read = table.read(id, &Caller::anonymous(), PATIENCE).await;
    assert_eq!(read.unwrap_err().code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_table_with_another_key_refuses_without_calling_the_record_too_large() {
    let stack = Stack::start_without_functions().await;
    let error = stack
        .dynamodb()
        .get_item()
        .table_name(stack.table())
        .key("id", AttributeValue::S("a".to_owned()))
        .send()
        .await
        .unwrap_err();
    let (code, message) = (error.code().unwrap(), error.message().unwrap_or_default());
    assert_eq!(code, "ValidationException");
    assert_eq!(TableError::of_code(code, message).code(), code);
}

#[tokio::test]
async fn an_order_that_is_not_there_is_read_as_none() {
    let stack = Stack::start_without_functions().await;
    let row = read(&api_table(&stack), OrderId::from_random(random())).await;
    assert_eq!(row, None);
}

#[tokio::test]
async fn a_put_whose_condition_fails_brings_back_the_item_that_is_there() {
    let stack = Stack::start_without_functions().await;
    let [id, _] = two_ids();
    let put = async |said: &str| {
        let put = put_if_absent(&stack, &id, said);
        stack
            .dynamodb()
            .put_item()
            .table_name(stack.table())
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_return_values_on_condition_check_failure(
                put.return_values_on_condition_check_failure,
            )
            .send()
            .await
            .map_err(SdkError::into_service_error)
    };
    put("first").await.unwrap();
    let PutItemError::ConditionalCheckFailedException(refused) = put("second").await.unwrap_err()
    else {
        panic!("not refused by its condition")
    };
    assert_eq!(refused.item.unwrap()["said"].as_s().unwrap(), "first");
}

#[tokio::test]
async fn a_number_is_below_another_by_its_value_and_a_missing_one_is_below_none() {
    let stack = Stack::start_without_functions().await;
    let [id, missing] = two_ids();
    let dynamodb = stack.dynamodb();
    let put = dynamodb.put_item().table_name(stack.table());
    let put = put.item("order_id", AttributeValue::S(id.clone()));
    let put = put.item("nine", AttributeValue::N("9".to_owned()));
    put.send().await.unwrap();
    for (order_id, name, limit, holds) in [
        (&id, "nine", "10", true),
        (&id, "nine", "9", false),
        (&id, "none", "10", false),
        (&missing, "nine", "10", false),
    ] {
        let update = dynamodb.update_item().table_name(stack.table());
        let update = update.key("order_id", AttributeValue::S(order_id.clone()));
        let answer = update
            .update_expression("SET a = :a")
            .condition_expression("#name < :limit")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":a", AttributeValue::S("a".to_owned()))
            .expression_attribute_values(":limit", AttributeValue::N(limit.to_owned()))
            .send()
            .await;
        match answer {
            Ok(_) => assert!(holds, "{name} < {limit}"),
            Err(error) => {
                assert_eq!(error.code(), Some("ConditionalCheckFailedException"));
                assert!(!holds, "{name} < {limit}");
            }
        }
    }
    assert_eq!(stack.row(&missing).await, None);
}
