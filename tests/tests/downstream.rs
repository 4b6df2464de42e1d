//! Facts of orders reach a downstream service, although functions die and the stream of facts is
//! away.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::{Command, Output};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use orders::Row;
use serde_json::{Value, json};
use tests::{Clients, Evidence, FactsEvidence, Stack, StackOptions, eventually, function, order};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(120);

/// The number of records that a mapping has discarded.
async fn discarded(stack: &Stack, function: &str) -> u64 {
    let counters = &stack.state().await["mappings"][function]["counters"];
    counters["records_discarded"].as_u64().unwrap()
}

/// Ends the stack's faults when a call of a service was hit this often.
async fn end_faults_after(stack: &Stack, service: &str, calls: u64) {
    eventually("hits of the fault", || async {
        let state = stack.state().await;
        let hits = state["faults"]["hits"].as_array()?;
        let of_service = hits.iter().filter(|hit| hit["service"] == service);
        let hit: u64 = of_service.filter_map(|hit| hit["calls"].as_u64()).sum();
        (hit >= calls).then_some(())
    })
    .await;
    stack.no_faults().await;
}

#[tokio::test]
async fn three_thousand_orders_become_as_many_shipments_although_every_function_is_killed_all_the_while()
 {
    const ORDERS: usize = 3_000;
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    // Each call is slow enough for a batch to be killed between its calls.
    stack.slow("dynamodb", 5, 600).await;
    let submit = async {
        let calls = stream::iter(0..ORDERS).map(async |number| {
            let answer = clients.submit(None, &order(number)).await;
            assert_eq!(answer.status, 202);
            if number % 10 == 0 {
                let cancelled = clients.cancel(answer.text("order_id")).await;
                assert_eq!(cancelled.status, 202);
            }
        });
        calls.buffer_unordered(40).collect::<Vec<()>>().await;
    };
    let kill = async {
        loop {
            for function in ["consumer", "notifier", "shipping"] {
                sleep(Duration::from_millis(150)).await;
                stack.disturb(function, "kill").await;
            }
        }
    };
    tokio::select! {
        () = submit => {}
        () = kill => {}
    }
    stack.no_faults().await;
    stack.drained_within(PATIENCE).await;
    // Four deaths in a row discard a batch of intents. Its records are still in the stream.
    let evidence = Evidence::gather(&stack).await;
    evidence.replay_discarded(&stack).await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(
        (audit.accepted, audit.persisted),
        (ORDERS + ORDERS / 10, ORDERS)
    );
    let state = stack.state().await;
    for function in ["consumer", "notifier", "shipping"] {
        let counters = &state["functions"][function]["counters"];
        assert!(
            counters["crashes"].as_u64() >= Some(3),
            "{function}: {counters}"
        );
    }

    let facts = stack.facts_settled_within(PATIENCE).await;
    assert_eq!(
        (facts.expected, facts.shipments),
        (ORDERS + ORDERS / 10, ORDERS)
    );
}

#[tokio::test]
async fn while_the_stream_of_facts_is_away_orders_are_accepted_and_their_facts_come_later() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![("notifier_timeout_seconds", json!(3))],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    let away = json!({"service": "kinesis", "error": "InternalFailure", "rate": 1, "seconds": 600,
        "resource": "order-facts"});
    stack.inject(&away).await;
    for number in 0..20 {
        assert_eq!(clients.submit(None, &order(number)).await.status, 202);
    }
    stack.drained().await;
    assert_eq!(clients.audit().await.persisted, 20);
    // The outage is longer than an invocation of the notifier, so Lambda delivers changes again.
    eventually("a second invocation", || async {
        let counters = &stack.state().await["mappings"]["notifier"]["counters"];
        (counters["batches_partially_failed"].as_u64() >= Some(2)).then_some(())
    })
    .await;
    let state = stack.state().await;
    let shards = state["streams"][1]["shards"].as_array().unwrap();
    assert!(shards.iter().all(|shard| shard["records"] == 0), "{state}");
    stack.no_faults().await;
    let audit = stack.facts_settled_within(PATIENCE).await;
    assert_eq!((audit.expected, audit.shipments), (20, 20));
    assert_eq!(discarded(&stack, "notifier").await, 0);
}

#[tokio::test]
async fn while_a_mark_cannot_be_written_the_fact_goes_out_and_the_mark_follows() {
    let stack = Stack::start().await;
    let away = json!({"service": "dynamodb", "error": "ThrottlingException", "rate": 1,
        "seconds": 600, "resource": "order-announcements"});
    stack.inject(&away).await;
    stack.accepted().await;
    eventually("the shipment", || async {
        let scan = stack.dynamodb().scan().table_name(stack.shipments_table());
        (scan.send().await.unwrap().count == 1).then_some(())
    })
    .await;
    end_faults_after(&stack, "dynamodb", 5).await;
    let audit = stack.facts_settled_within(PATIENCE).await;
    assert_eq!((audit.expected, audit.shipments), (1, 1));
}

#[tokio::test]
async fn a_subscriber_that_lost_its_table_for_a_while_books_each_shipment_once() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    // Half of the transactions are carried out and not answered.
    let lost = json!({"service": "dynamodb", "error": "lost-answer", "rate": 0.5, "seconds": 600,
        "resource": "shipments"});
    stack.inject(&lost).await;
    for number in 0..20 {
        assert_eq!(clients.submit(None, &order(number)).await.status, 202);
    }
    end_faults_after(&stack, "dynamodb", 3).await;
    let audit = stack.facts_settled_within(PATIENCE).await;
    assert_eq!(audit.shipments, 20);
}

/// Runs the command `announce` against the stack.
async fn announce(stack: &Stack, which: &str) -> Output {
    let mut command = Command::new(function("announce"));
    command
        .arg(which)
        .env(
            "AWS_ENDPOINT_URL",
            format!("http://127.0.0.1:{}", stack.aws_port()),
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "announce")
        .env("AWS_SECRET_ACCESS_KEY", "local");
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn facts_of_a_discarded_change_are_announced_from_the_row_by_a_command() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![
            ("notifier_timeout_seconds", json!(2)),
            ("notifier_maximum_retry_attempts", json!(0)),
        ],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    let away = json!({"service": "kinesis", "error": "InternalFailure", "rate": 1, "seconds": 600,
        "resource": "order-facts"});
    stack.inject(&away).await;
    for number in 0..10 {
        assert_eq!(clients.submit(None, &order(number)).await.status, 202);
    }
    eventually("the discards", || async {
        (discarded(&stack, "notifier").await == 10).then_some(())
    })
    .await;
    stack.no_faults().await;

    let output = announce(&stack, "--missing").await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        said.starts_with("rows read: 10, facts published: 10, orders announced: 10"),
        "{said}"
    );
    let audit = stack.facts_settled_within(PATIENCE).await;
    assert_eq!((audit.events, audit.shipments), (10, 10));

    let again = announce(&stack, "--all").await;
    assert!(again.status.success(), "{again:?}");
    let audit = stack.facts_settled_within(PATIENCE).await;
    assert_eq!(
        (audit.events, audit.repetitions, audit.shipments),
        (20, 10, 10)
    );
}

#[tokio::test]
async fn an_order_that_is_deleted_is_told_as_erased_with_its_id_alone() {
    let stack = Stack::start().await;
    let order_id = stack.accepted().await;
    let facts = stack.facts_settled_within(PATIENCE).await;
    assert_eq!((facts.events, facts.shipments), (1, 1));
    let delete = stack.dynamodb().delete_item().table_name(stack.table());
    let key = aws_sdk_dynamodb::types::AttributeValue::S(order_id.clone());
    delete.key(Row::KEY, key).send().await.unwrap();
    let erased = eventually("the fact", || async {
        let records = FactsEvidence::gather(&stack).await.records;
        let event: Value = serde_json::from_slice(&records.get(1)?.data).unwrap();
        Some(event)
    })
    .await;
    assert_eq!(erased["type"], "OrderErased.v1");
    assert_eq!(erased["id"], format!("{order_id}/erased"));
    assert_eq!(erased["data"], json!({}));
}
