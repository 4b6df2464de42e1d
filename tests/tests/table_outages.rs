//! Outages of the table, in every way that a table can be away. If an outage outlasts the retries
//! of a record, the record is discarded and can be put back. Otherwise the record is only late.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use futures::future::join_all;
use serde_json::json;
use tests::{Clients, Evidence, Stack, StackOptions, TABLE, eventually, order};
use tokio::time::sleep;

/// A stack whose invocations try for 1.5 s each. A record is discarded after its first try and all
/// its retries.
async fn with_short_invocations(maximum_retry_attempts: u64) -> Stack {
    Stack::start_with(StackOptions {
        settings: vec![
            ("consumer_timeout_seconds", json!(2)),
            ("maximum_retry_attempts", json!(maximum_retry_attempts)),
        ],
        ..StackOptions::default()
    })
    .await
}

async fn submit(clients: &Clients<'_>, orders: usize) {
    let answers =
        join_all((0..orders).map(async |number| clients.submit(None, &order(number)).await));
    for answer in answers.await {
        assert_eq!(answer.status, 202);
    }
}

/// A counter of the mapping, such as `records_discarded`.
async fn counter(stack: &Stack, name: &str) -> u64 {
    stack.state().await["mapping"]["counters"][name]
        .as_u64()
        .unwrap()
}

/// Checks that a fault of a few seconds delays orders and discards none. The stack has the shipped
/// settings, so one invocation outlasts the fault.
async fn ride_out(error: &str) {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.fault("dynamodb", error, 600).await;
    submit(&clients, 40).await;
    hit_more_than(&stack, error, 0).await;
    sleep(Duration::from_secs(3)).await;
    stack.no_faults().await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.accepted, audit.persisted), (40, 40));
    assert_eq!(counter(&stack, "records_discarded").await, 0);
    assert_eq!(counter(&stack, "batches_retried").await, 0);
}

/// Waits until this fault has hit more than this many calls.
async fn hit_more_than(stack: &Stack, error: &str, calls: u64) {
    eventually("more calls that fail", || async {
        let state = stack.state().await;
        let mut hits = state["faults"]["hits"].as_array()?.iter();
        let hit = hits.find(|hit| hit["error"] == error)?;
        (hit["calls"].as_u64()? > calls).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_throttled_table_delays_orders_and_discards_none() {
    ride_out("ProvisionedThroughputExceededException").await;
}

#[tokio::test]
async fn a_table_that_fails_delays_orders_and_discards_none() {
    ride_out("InternalServerError").await;
}

#[tokio::test]
async fn a_permission_revoked_for_a_while_delays_orders_and_discards_none() {
    ride_out("AccessDeniedException").await;
}

#[tokio::test]
async fn a_key_disabled_for_a_while_delays_orders_and_discards_none() {
    ride_out("kms-key-disabled").await;
}

#[tokio::test]
async fn a_key_that_is_throttled_delays_orders_and_discards_none() {
    ride_out("KMSThrottlingException").await;
}

// This happens to a function that was frozen between signing and sending.
#[tokio::test]
async fn signatures_that_have_expired_delay_orders_and_discard_none() {
    ride_out("InvalidSignatureException").await;
}

#[tokio::test]
async fn a_token_that_has_expired_delays_orders_and_discards_none() {
    ride_out("ExpiredTokenException").await;
}

#[tokio::test]
async fn a_table_that_does_not_answer_delays_orders_and_discards_none() {
    ride_out("timeout").await;
}

#[tokio::test]
async fn a_table_whose_answers_are_lost_delays_orders_and_doubles_none() {
    ride_out("lost-answer").await;
}

#[tokio::test]
async fn an_outage_of_several_invocations_within_the_budget_discards_nothing() {
    let stack = with_short_invocations(3).await;
    let clients = Clients::of(&stack).await;
    stack.fault("dynamodb", "ThrottlingException", 600).await;
    submit(&clients, 10).await;
    eventually("a batch being retried", || async {
        (counter(&stack, "batches_retried").await > 0).then_some(())
    })
    .await;
    stack.no_faults().await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 10);
    assert_eq!(counter(&stack, "records_discarded").await, 0);
}

#[tokio::test]
async fn what_an_outage_beyond_the_budget_discards_is_put_back_from_the_stream() {
    let stack = with_short_invocations(1).await;
    let clients = Clients::of(&stack).await;
    stack.fault("dynamodb", "ThrottlingException", 600).await;
    submit(&clients, 6).await;
    stack.drained().await;
    assert_eq!(counter(&stack, "records_discarded").await, 6);
    stack.no_faults().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.persisted, audit.recoverable.len()), (0, 6));

    let evidence = Evidence::gather(&stack).await;
    assert_eq!(evidence.replay_discarded(&stack).await, 6);
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.persisted, audit.recoverable.len()), (6, 0));
}

#[tokio::test]
async fn a_table_that_is_created_later_gets_all_orders() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    let table = stack.dynamodb();
    table.delete_table().table_name(TABLE).send().await.unwrap();
    submit(&clients, 20).await;
    sleep(Duration::from_secs(2)).await;
    let key = AttributeDefinition::builder()
        .attribute_name("order_id")
        .attribute_type(ScalarAttributeType::S);
    let hash = KeySchemaElement::builder()
        .attribute_name("order_id")
        .key_type(KeyType::Hash);
    let create = table.create_table().table_name(TABLE);
    let create = create.attribute_definitions(key.build().unwrap());
    let create = create.key_schema(hash.build().unwrap());
    let create = create.billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 20);
    assert_eq!(counter(&stack, "records_discarded").await, 0);
    let log = stack.log();
    assert!(log.contains("ResourceNotFoundException"), "{log}");
}

#[tokio::test]
async fn the_stop_switch_carries_orders_through_an_outage_longer_than_the_budget() {
    let stack = with_short_invocations(1).await;
    let clients = Clients::of(&stack).await;
    stack.enable_mapping(false).await;
    stack.fault("dynamodb", "ThrottlingException", 600).await;
    submit(&clients, 40).await;
    // The pause is longer than both invocations that a record would have had.
    sleep(Duration::from_secs(4)).await;
    stack.no_faults().await;
    assert_eq!(counter(&stack, "records_read").await, 0);
    stack.enable_mapping(true).await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 40);
    assert_eq!(counter(&stack, "records_discarded").await, 0);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_an_outage_gives_what_was_failing_its_attempts_anew() {
    let stack = with_short_invocations(3).await;
    let clients = Clients::of(&stack).await;
    stack.fault("dynamodb", "ThrottlingException", 600).await;
    submit(&clients, 10).await;
    eventually("a retry", || async {
        (counter(&stack, "invocations").await > 0).then_some(())
    })
    .await;
    stack.enable_mapping(false).await;
    stack.no_faults().await;
    stack.enable_mapping(true).await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 10);
    assert_eq!(counter(&stack, "records_discarded").await, 0);
}

#[tokio::test]
async fn a_queue_that_is_away_for_a_while_is_told_of_a_discard_all_the_same() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![("maximum_retry_attempts", json!(0))],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    stack.fault("sqs", "ServiceUnavailable", 600).await;
    stack.put("k", "not an event").await;
    submit(&clients, 10).await;
    hit_more_than(&stack, "ServiceUnavailable", 1).await;
    stack.no_faults().await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.persisted, audit.poison_discarded), (10, 1));
    assert_eq!(counter(&stack, "discards_lost").await, 0);
}
