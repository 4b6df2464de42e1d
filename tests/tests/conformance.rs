//! What production code and the lease lock rely on of AWS's own APIs: each call, limit and error code. The same on the embedded models, on
//! LocalStack and on AWS (docs/testing.md lists where they differ), and through the clients that the functions use.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use api::{Refusal, Stream};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use aws_sdk_kinesis::primitives::Blob;
use consumer::{Answer, TableError};
use futures::future::join_all;
use idempotency::{
    Begin, Commit, Fingerprint, Key, Lease, LeaseTable, Refusal as CommitRefusal, RefusedItem,
    Settled,
};
use orders::{
    Caller, Change, Condition, Intent, IntentId, Item, NewOrder, OrderId, Row, Step, Timestamp,
    Value, Write, next_step,
};
use tests::{ORDER, Stack, eventually, order, submit_intent};
use tokio::time::Instant;

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);
/// What is tested is what AWS says, not how fast: a busy LocalStack may need long for one answer.
const SLOWEST_ANSWER: Duration = Duration::from_secs(30);

fn random() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}

fn submit(order_id: OrderId, order: &str) -> Intent {
    Intent::submit(
        IntentId::from_random(random()),
        order_id,
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        Caller::anonymous(),
        NewOrder::parse(order.as_bytes()).unwrap(),
    )
}

fn cancel(order_id: OrderId, caller: Caller) -> Intent {
    let time = Timestamp::parse("2026-11-22T05:00:01.000Z").unwrap();
    Intent::cancel(IntentId::from_random(random()), order_id, time, caller)
}

/// A write of these attributes if the row has none of the name `guard`.
fn set(order_id: OrderId, attributes: Vec<(&str, Value)>, guard: &str) -> Write {
    let attributes = attributes.into_iter();
    Write {
        order_id,
        change: Change::Set(
            attributes
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ),
        condition: Condition::Absent(guard.to_owned()),
    }
}

fn table(stack: &Stack) -> consumer::Table {
    table_named(stack, stack.table())
}

/// The consumer's table, but more patient. Still without retries: a write that is sent again is refused if it was done.
fn table_named(stack: &Stack, name: &str) -> consumer::Table {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(SLOWEST_ANSWER)
        .build();
    let config = aws_sdk_dynamodb::config::Builder::from(stack.config())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    consumer::Table::new(client, name.to_owned())
}

fn api_table(stack: &Stack) -> api::Table {
    api::Table::new(stack.config(), stack.table().to_owned())
}

/// The row of an order of everyone's. A read that is not answered in the api's time does no harm,
/// and is tried again.
async fn read(table: &api::Table, id: OrderId) -> Option<Row> {
    eventually("the answer to a read", || async {
        match table.get(id, &Caller::anonymous(), PATIENCE).await {
            Ok(row) => Some(row),
            Err(api::TableError::NoAnswer(_)) => None,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await
}

/// Applies an intent as the consumer does, and to a model of the row; every answer has to be the model's.
async fn apply(table: &consumer::Table, item: &mut Option<Item>, intent: &Intent) {
    let mut seen: Option<Row> = None;
    loop {
        let Step::Write { write, .. } = next_step(intent, seen.as_ref()) else {
            return;
        };
        let answer = table.write(&write).await.unwrap();
        match write.apply_to(item.as_ref()) {
            Ok(after) => {
                assert_eq!(answer, Answer::Done);
                *item = Some(after);
                return;
            }
            Err(refused) => {
                assert_eq!(answer, Answer::Refused(refused.0.clone()), "ALL_OLD");
                seen = refused.0.map(|row| Row::from_item(&row).unwrap());
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
        // A stranger's cancel before the order, the order, the order again by itself and by another intent, cancels.
        cancel(id, mallory.clone()),
        first.clone(),
        first,
        submit(id, ORDER),
        cancel(id, mallory),
        cancel(id, Caller::anonymous()),
        cancel(id, Caller::anonymous()),
    ];
    // Conflicts fill their set, each comes twice, and the eleventh is told from the tenth.
    for number in 0..12 {
        let conflict = submit(id, &order(number));
        intents.extend([conflict.clone(), conflict]);
    }
    let mut item = None;
    for intent in intents {
        apply(&table, &mut item, &intent).await;
        let row = read(&reader, id).await;
        let expected = item.as_ref().map(|item| Row::from_item(item).unwrap());
        // A row without an owner is nobody's to read.
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
        let write = set(
            id,
            vec![("fingerprint", Value::S(number.to_string()))],
            "fingerprint",
        );
        let table = table.clone();
        async move { table.write(&write).await.unwrap() }
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
    let aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
        refused,
    ) = error
    else {
        panic!("{error:?}")
    };
    assert!(refused.item().is_none_or(|item| item.is_empty()));
    assert_eq!(stack.row("none").await, None);
}

/// What an item of an order id and an attribute `a` may have in `a`, in bytes: names and values count, in UTF-8.
const MOST: usize = 400 * 1024 - "order_id".len() - 36 - "a".len();

fn set_a(order_id: OrderId, bytes: usize) -> Write {
    set(order_id, vec![("a", Value::S("x".repeat(bytes)))], "a")
}

/// A row that says `much`, and has no room for 20,000 bytes more; gives its id.
async fn large_row(stack: &Stack) -> String {
    let id = OrderId::from_random(random());
    let attributes = vec![
        ("a", Value::S("x".repeat(MOST - 10_000))),
        ("said", Value::S("much".to_owned())),
    ];
    let written = table(stack).write(&set(id, attributes, "a")).await;
    assert_eq!(written, Ok(Answer::Done));
    id.to_string()
}

#[tokio::test]
async fn a_row_that_would_become_too_large_is_refused_as_such() {
    let stack = Stack::start_without_functions().await;
    let (table, id) = (table(&stack), OrderId::from_random(random()));
    let almost = set_a(id, MOST - 10_000);
    assert_eq!(table.write(&almost).await, Ok(Answer::Done));
    let grown = set(id, vec![("b", Value::S("x".repeat(20_000)))], "b");
    assert_eq!(
        table.write(&grown).await,
        Err(TableError::ItemTooLarge),
        "by a later write"
    );
    let at_once = set_a(OrderId::from_random(random()), MOST + 10_000);
    assert_eq!(
        table.write(&at_once).await,
        Err(TableError::ItemTooLarge),
        "by one write"
    );
}

#[tokio::test]
async fn a_row_may_have_400_kb_to_the_byte() {
    let stack = Stack::start_without_functions().await;
    let table = table(&stack);
    let fits = set_a(OrderId::from_random(random()), MOST);
    assert_eq!(table.write(&fits).await, Ok(Answer::Done));
    let too_large = set_a(OrderId::from_random(random()), MOST + 1);
    assert_eq!(table.write(&too_large).await, Err(TableError::ItemTooLarge));
}

#[tokio::test]
async fn the_writes_and_reads_of_a_table_that_is_missing_say_so() {
    let stack = Stack::start_without_functions().await;
    let missing = format!("{}-missing", stack.table());
    let failed = "ResourceNotFoundException".to_owned();
    let write = set(
        OrderId::from_random(random()),
        vec![("a", Value::S("a".to_owned()))],
        "a",
    );
    let table = table_named(&stack, &missing);
    assert_eq!(
        table.write(&write).await,
        Err(TableError::Failed(failed.clone()))
    );
    let table = api::Table::new(stack.config(), missing);
    let id = OrderId::from_random(random());
    let read = table.get(id, &Caller::anonymous(), PATIENCE).await;
    assert_eq!(read, Err(api::TableError::Failed(failed)));
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
    assert_eq!(
        TableError::of(code, message),
        TableError::Failed(code.to_owned())
    );
}

#[tokio::test]
async fn an_order_that_is_not_there_is_read_as_none() {
    let stack = Stack::start_without_functions().await;
    let row = read(&api_table(&stack), OrderId::from_random(random())).await;
    assert_eq!(row, None);
}

/// A put of an item that says only this, if there is none under its key; if there is one, it comes back.
fn put_if_absent(stack: &Stack, order_id: &str, said: &str) -> Put {
    Put::builder()
        .table_name(stack.table())
        .item("order_id", AttributeValue::S(order_id.to_owned()))
        .item("said", AttributeValue::S(said.to_owned()))
        .condition_expression("attribute_not_exists(order_id)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap()
}

/// What those say that are there of these items.
async fn said(stack: &Stack, order_ids: &[&str]) -> Vec<String> {
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

fn put_in_transaction(stack: &Stack, order_id: &str, said: &str) -> TransactWriteItem {
    let put = put_if_absent(stack, order_id, said);
    TransactWriteItem::builder().put(put).build()
}

/// An update of an attribute that is not of the key, on condition that the row says this; if it does not, it comes back.
fn update_in_transaction(
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

/// These writes as one transaction under a token; the reasons, if it is cancelled.
async fn transact(
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

/// The codes of the reasons, and what the items say that were in the way.
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

/// Ids that no other test has.
fn two_ids() -> [String; 2] {
    [random(), random()].map(|random| OrderId::from_random(random).to_string())
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
    assert_eq!(
        TableError::of("ValidationError", message),
        TableError::ItemTooLarge
    );
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

/// How long a lock's holder may work, and how long its lease lasts.
const INVOCATION: Duration = Duration::from_secs(600);
const LEASE: Duration = Duration::from_secs(120);

/// The locks, in the table of the orders, as one sees them whose clock is so far ahead of the machine's.
fn locks(stack: &Stack, ahead: Duration) -> LeaseTable {
    let options = idempotency::LeaseOptions::default()
        .partition_key("order_id")
        .unwrap()
        .longest_lease(LEASE)
        .call_timeout(SLOWEST_ANSWER)
        .clock(move || SystemTime::now() + ahead);
    LeaseTable::new(stack.config(), stack.table(), options)
}

/// A key that no other test has.
fn lock_key() -> Key {
    Key::new("conformance", [random()]).unwrap()
}

async fn begin(locks: &LeaseTable, key: &Key, payload: &str) -> Begin {
    let fingerprint = Fingerprint::of_bytes(payload.as_bytes());
    let deadline = Instant::now() + INVOCATION;
    locks.begin(key, &fingerprint, deadline).await.unwrap()
}

async fn leased(locks: &LeaseTable, key: &Key) -> Lease {
    match begin(locks, key, "5 EUR").await {
        Begin::Leased(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// What was kept: the result, or the failure.
async fn replayed(locks: &LeaseTable, key: &Key) -> Result<String, String> {
    match begin(locks, key, "5 EUR").await {
        Begin::Replayed(stored) => stored.result().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn refused(commit: Commit) -> (Lease, CommitRefusal) {
    match commit {
        Commit::Refused { lease, refusal } => (lease, refusal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_what_comes_of_it_is_replayed() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    assert_eq!(lease.takeovers(), 0);
    let second = begin(&locks, &key, "5 EUR").await;
    assert!(matches!(second, Begin::InProgress { .. }), "{second:?}");
    let another = begin(&locks, &key, "8 EUR").await;
    assert!(matches!(another, Begin::Mismatch), "{another:?}");

    assert_eq!(lease.complete("receipt").await, Settled::Done);
    assert_eq!(replayed(&locks, &key).await, Ok("receipt".to_owned()));
    let another = begin(&locks, &key, "8 EUR").await;
    assert!(matches!(another, Begin::Mismatch), "{another:?}");
}

#[tokio::test]
async fn a_lock_is_renewed_for_longer_and_never_for_shorter() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let until = async || {
        let row = stack.row(key.id()).await.unwrap();
        row["lease_until"].as_n().unwrap().parse::<u64>().unwrap()
    };
    let begun = until().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(lease.renew(LEASE).await, Settled::Done);
    let renewed = until().await;
    assert!(begun < renewed, "{begun} {renewed}");
    assert_eq!(lease.renew(LEASE / 2).await, Settled::Done);
    assert_eq!(until().await, renewed);
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_lock_that_was_left_behind_goes_to_one_of_those_who_want_it() {
    let stack = Stack::start_without_functions().await;
    let key = lock_key();
    let lost = leased(&locks(&stack, Duration::ZERO), &key).await;
    let later = locks(&stack, INVOCATION);
    let takers = join_all((0..10).map(|_| begin(&later, &key, "5 EUR"))).await;
    let mut held = Vec::new();
    for taker in takers {
        match taker {
            Begin::Leased(lease) => held.push(lease),
            Begin::InProgress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held.len(), 1);
    let held = held.remove(0);
    assert_eq!(held.takeovers(), 1);
    assert_eq!(lost.renew(LEASE).await, Settled::LeaseLost);
    assert_eq!(lost.complete("mine").await, Settled::LeaseLost);

    assert_eq!(held.release().await, Settled::Done);
    let next = leased(&later, &key).await;
    assert_eq!(next.takeovers(), 1, "a release forgets no takeover");
    assert_eq!(next.fail("no funds").await, Settled::Done);
    assert_eq!(replayed(&later, &key).await, Err("no funds".to_owned()));
}

#[tokio::test]
async fn a_lock_whose_window_is_over_is_replaced_as_a_whole() {
    let stack = Stack::start_without_functions().await;
    let key = lock_key();
    let lease = leased(&locks(&stack, Duration::ZERO), &key).await;
    assert_eq!(lease.complete("receipt").await, Settled::Done);
    assert!(stack.row(key.id()).await.unwrap().contains_key("result"));

    let next_month = locks(&stack, Duration::from_secs(30 * 24 * 60 * 60));
    let lease = leased(&next_month, &key).await;
    assert_eq!(lease.takeovers(), 0);
    assert!(!stack.row(key.id()).await.unwrap().contains_key("result"));
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_commit_completes_the_lock_and_writes_its_items() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let [a, b] = two_ids();
    let items = [&a, &b].map(|id| put_in_transaction(&stack, id, "committed"));
    let commit = lease.commit_with(items.to_vec(), "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(said(&stack, &[&a, &b]).await, ["committed", "committed"]);
    assert_eq!(replayed(&locks, &key).await, Ok("done".to_owned()));
}

#[tokio::test]
async fn a_commit_that_items_refuse_writes_nothing_names_them_and_leaves_the_lock() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let [a, b] = two_ids();
    let put = |order_id, said| put_in_transaction(&stack, order_id, said);
    transact(&stack, &a, vec![put(&a, "first")]).await.unwrap();
    let lease = leased(&locks, &key).await;
    let items = vec![put(&b, "second"), put(&a, "second")];
    let (lease, refusal) = refused(lease.commit_with(items, "done").await);
    let in_the_way = RefusedItem {
        index: 1,
        code: "ConditionalCheckFailed".to_owned(),
        item: stack.row(&a).await,
    };
    assert_eq!(refusal, CommitRefusal::Items(vec![in_the_way]));
    assert_eq!(said(&stack, &[&a, &b]).await, ["first"]);
    let commit = lease.commit_with(vec![put(&b, "second")], "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(replayed(&locks, &key).await, Ok("done".to_owned()));
}

#[tokio::test]
async fn a_commit_of_a_lock_that_was_taken_over_writes_nothing() {
    let stack = Stack::start_without_functions().await;
    let (later, key) = (locks(&stack, INVOCATION), lock_key());
    let lost = leased(&locks(&stack, Duration::ZERO), &key).await;
    let held = leased(&later, &key).await;
    let [a, b] = two_ids();
    let put = |order_id, said| vec![put_in_transaction(&stack, order_id, said)];
    let commit = lost.commit_with(put(&a, "mine"), "mine").await;
    assert!(matches!(commit, Commit::LeaseLost), "{commit:?}");
    let commit = held.commit_with(put(&b, "theirs"), "theirs").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(said(&stack, &[&a, &b]).await, ["theirs"]);
    assert_eq!(replayed(&later, &key).await, Ok("theirs".to_owned()));
}

#[tokio::test]
async fn a_commit_that_makes_an_item_too_large_names_it() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let large = large_row(&stack).await;
    let lease = leased(&locks, &key).await;
    let update = update_in_transaction(&stack, &large, "much", "x".repeat(20_000));
    let (lease, refusal) = refused(lease.commit_with(vec![update], "done").await);
    let CommitRefusal::Items(items) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(items.len(), 1);
    let (index, code) = (items[0].index, items[0].code.as_str());
    assert_eq!((index, code), (0, "ValidationError"));
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_commit_of_two_writes_of_one_item_is_refused_as_a_whole() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let [id, _] = two_ids();
    let twice = vec![put_in_transaction(&stack, &id, "twice"); 2];
    let (lease, refusal) = refused(lease.commit_with(twice, "done").await);
    assert!(
        matches!(&refusal, CommitRefusal::Request(error) if error.code() == "ValidationException"),
        "{refusal:?}"
    );
    assert!(said(&stack, &[&id]).await.is_empty());
    assert_eq!(lease.release().await, Settled::Done);
}

#[tokio::test]
async fn a_commit_may_have_99_items_and_no_more() {
    let stack = Stack::start_without_functions().await;
    let (locks, key) = (locks(&stack, Duration::ZERO), lock_key());
    let lease = leased(&locks, &key).await;
    let items: Vec<_> = (0..100)
        .map(|_| put_in_transaction(&stack, &two_ids()[0], "one of many"))
        .collect();
    let (lease, refusal) = refused(lease.commit_with(items.clone(), "done").await);
    assert!(
        matches!(&refusal, CommitRefusal::Request(error) if error.code() == "ValidationException"),
        "{refusal:?}"
    );
    let commit = lease.commit_with(items[..99].to_vec(), "done").await;
    assert!(matches!(commit, Commit::Committed), "{commit:?}");
    assert_eq!(replayed(&locks, &key).await, Ok("done".to_owned()));
}

#[tokio::test]
async fn what_is_put_is_read_from_the_shard_of_its_key_in_the_order_of_the_acknowledgements() {
    let stack = Stack::start_without_functions().await;
    let stream = Stream::new(stack.config(), stack.stream().to_owned());
    let ids: Vec<OrderId> = (0..4).map(|_| OrderId::from_random(random())).collect();
    let mut put = Vec::new();
    for round in 0..3 {
        for id in &ids {
            let intent = submit(*id, &order(round));
            // One whose outcome is unknown may stand there already; the next one is put behind it all the same.
            eventually("an acknowledgement", || async {
                stream.put(&intent, PATIENCE).await.ok()
            })
            .await;
            put.push(intent);
        }
    }
    let keys: BTreeSet<String> = ids.iter().map(OrderId::to_string).collect();
    let records = eventually("all records", || async {
        let mut records = tests::records(&stack).await;
        records.retain(|record| keys.contains(&record.partition_key));
        // A put whose answer is late is tried again, and stands twice.
        let mut known = BTreeSet::new();
        records.retain(|record| known.insert(record.intent().unwrap().id));
        (records.len() == put.len()).then_some(records)
    })
    .await;
    for id in &ids {
        let of_it: Vec<_> = records
            .iter()
            .filter(|record| record.partition_key == id.to_string())
            .collect();
        let shards: BTreeSet<&str> = of_it
            .iter()
            .map(|record| record.shard_id.as_str())
            .collect();
        assert_eq!(shards.len(), 1, "one key, one shard");
        let read: Vec<Intent> = of_it
            .iter()
            .map(|record| record.intent().unwrap())
            .collect();
        let expected: Vec<Intent> = put
            .iter()
            .filter(|intent| intent.order_id == *id)
            .cloned()
            .collect();
        assert_eq!(read, expected);
    }
    let mut last = None;
    for record in &records {
        let place = (&record.shard_id, &record.sequence_number);
        assert!(
            last.is_none_or(|last| last < place),
            "sequence numbers grow within a shard"
        );
        last = Some(place);
    }
}

#[tokio::test]
async fn a_key_goes_to_the_shard_whose_range_has_its_md5() {
    let stack = Stack::start_without_functions().await;
    // MD5 of "a" is 0cc1…, of "b" is 92eb…; two shards halve the range at 8000….
    for (key, shard) in [("a", "shardId-000000000000"), ("b", "shardId-000000000001")] {
        let output = stack
            .kinesis()
            .put_record()
            .stream_name(stack.stream())
            .partition_key(key)
            .data(Blob::new("x"))
            .send()
            .await
            .unwrap();
        assert_eq!(output.shard_id, shard, "{key}");
    }
}

/// The answer to a put of so many bytes: its status, and its error code if it is one.
async fn put(stack: &Stack, key: &str, bytes: usize) -> (u16, Option<String>) {
    let request = stack.kinesis().put_record().stream_name(stack.stream());
    let request = request.partition_key(key);
    match request.data(Blob::new(vec![7; bytes])).send().await {
        Ok(_) => (200, None),
        Err(error) => {
            let status = error.raw_response().unwrap().status().as_u16();
            (status, error.code().map(str::to_owned))
        }
    }
}

#[tokio::test]
async fn a_record_may_have_one_mebibyte_and_a_key_256_characters() {
    let stack = Stack::start_without_functions().await;
    // The two keys are of two shards, neither of which takes more than a mebibyte a second.
    assert_eq!(put(&stack, "a", MIB - 1).await.0, 200);
    assert_eq!(put(&stack, &"b".repeat(256), 1).await.0, 200);
    for (key, bytes) in [("b", MIB + 1), (&"b".repeat(257), 1), ("", 1)] {
        let (status, _) = put(&stack, key, bytes).await;
        assert_eq!(status, 400, "refused: {} and {bytes}", key.len());
    }
}

#[tokio::test]
async fn a_record_or_key_that_is_too_large_is_a_validation_error() {
    let stack = Stack::start_without_functions().await;
    for (key, bytes) in [("b", MIB + 1), (&"b".repeat(257), 1), ("", 1)] {
        let (_, code) = put(&stack, key, bytes).await;
        let is = (key.len(), bytes);
        assert_eq!(code.as_deref(), Some("ValidationException"), "{is:?}");
    }
}

#[tokio::test]
async fn a_shard_refuses_what_is_beyond_its_mebibyte_a_second_and_keeps_nothing_of_it() {
    let stack = Stack::start_without_functions().await;
    let config = aws_sdk_kinesis::config::Builder::from(stack.config())
        .retry_config(RetryConfig::disabled())
        .build();
    let kinesis = aws_sdk_kinesis::Client::from_conf(config);
    let key = OrderId::from_random(random()).to_string();
    let puts = (0..10).map(|_| {
        let request = kinesis.put_record().stream_name(stack.stream());
        let request = request.partition_key(&key);
        request.data(Blob::new(vec![7; MIB - 100])).send()
    });
    let answers = join_all(puts).await;
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(accepted < answers.len());
    for error in answers.into_iter().filter_map(Result::err) {
        let code = error.code().unwrap();
        assert_eq!(code, "ProvisionedThroughputExceededException");
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    }
    let records = tests::records(&stack).await;
    let kept = records.iter().filter(|record| record.partition_key == key);
    assert_eq!(kept.count(), accepted);
}

#[tokio::test]
async fn a_stream_that_is_missing_has_accepted_nothing() {
    let stack = Stack::start_without_functions().await;
    let stream = Stream::new(stack.config(), format!("{}-missing", stack.stream()));
    let refused = stream.put(&submit_intent(ORDER), PATIENCE).await;
    let code = Some("ResourceNotFoundException".to_owned());
    assert_eq!(refused, Err(Refusal::NotAccepted { code }));
}

#[tokio::test]
async fn a_message_is_received_hidden_shown_again_and_deleted() {
    let stack = Stack::start_without_functions().await;
    let (sqs, url) = (stack.sqs(), stack.queue_url());
    // No other test uses the queue. As long as a discard of Lambda's, and with what JSON and XML would escape.
    let body = format!("{{\"a\": \"<&ü\\n\"}}{}", "x".repeat(2_000));
    let sent = sqs.send_message().queue_url(&url).message_body(&body);
    let sent = sent.send().await.unwrap();
    let receive = || async {
        let request = sqs.receive_message().queue_url(&url).visibility_timeout(60);
        request.send().await.unwrap().messages.unwrap_or_default()
    };
    let message = eventually("the message", || async { receive().await.pop() }).await;
    assert_eq!(message.body.as_ref(), Some(&body));
    assert_eq!(message.message_id, sent.message_id);
    assert_eq!(message.md5_of_body, sent.md5_of_message_body);
    assert_eq!(receive().await, [], "it is hidden");

    let request = sqs.change_message_visibility().queue_url(&url);
    let request = request.receipt_handle(message.receipt_handle.unwrap());
    request.visibility_timeout(0).send().await.unwrap();
    let again = eventually("the message again", || async { receive().await.pop() }).await;
    assert_eq!(again.message_id, sent.message_id);

    let handle = again.receipt_handle.unwrap();
    let request = sqs.delete_message().queue_url(&url).receipt_handle(&handle);
    request.send().await.unwrap();
    let request = sqs.delete_message().queue_url(&url).receipt_handle(handle);
    request.send().await.unwrap();
    assert_eq!(receive().await, [], "it is gone, and may be deleted twice");
}

#[tokio::test]
async fn a_queue_that_is_missing_says_so() {
    let stack = Stack::start_without_functions().await;
    let url = format!("{}-missing", stack.queue_url());
    let error = stack.sqs().receive_message().queue_url(url).send().await;
    let error = error.unwrap_err();
    assert!(
        error.code().unwrap().ends_with("NonExistentQueue")
            || error.code() == Some("QueueDoesNotExist"),
        "{:?}",
        error.code()
    );
    assert!(error.into_service_error().is_queue_does_not_exist());
}
