//! The service from outside, where the real binaries serve over HTTP, from a request to a row. The
//! tests run on the embedded stack, and on LocalStack or AWS with the functions as they are
//! deployed (docs/testing.md).

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt as _, stream};
use orders::{Caller, Intent, IntentId, OrderId, Timestamp};
use serde_json::{Value, json};
use tests::{
    Evidence, FactsEvidence, ORDER, Stack, StackOptions, Target, eventually, key, submit_intent,
};

const OTHER_ORDER: &str = r#"{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "B-2", "quantity": 1, "unit_price": 5}]}"#;

/// A stack that knows callers, each named by `X-Local-Caller`.
async fn with_callers() -> Stack {
    Stack::start_with(StackOptions {
        caller: Some("jwt:sub"),
        ..StackOptions::default()
    })
    .await
}

#[tokio::test]
async fn an_order_is_accepted_then_persisted_then_read() {
    let stack = Stack::start().await;
    let accepted = stack.submit(&[], ORDER).await;
    assert_eq!(accepted.status, 202);
    let id = accepted.text("order_id");
    assert_eq!(
        accepted.header("location"),
        Some(format!("/orders/{id}").as_str())
    );
    assert_eq!(accepted.header("retry-after"), Some("1"));

    let order = stack.persisted(id, &[]).await;
    let mut expected: Value = serde_json::from_str(ORDER).unwrap();
    for (name, value) in [
        ("order_id", json!(id)),
        ("status", json!("placed")),
        ("total", json!(2598)),
        ("accepted_at", accepted.body["accepted_at"].clone()),
        ("fingerprint", accepted.body["fingerprint"].clone()),
        ("conflicts", json!([])),
    ] {
        expected[name] = value;
    }
    assert_eq!(order.body, expected);

    let row = stack.row(id).await.unwrap();
    assert_eq!(
        row["submit_intent"],
        AttributeValue::S(accepted.text("intent_id").to_owned())
    );
}

#[tokio::test]
async fn who_prefers_to_wait_reads_the_order_with_the_first_request() {
    let stack = Stack::start().await;
    let id = stack.accepted().await;
    let order = stack.read(&id, &[("prefer", "wait=5")]).await;
    assert_eq!(
        (order.status, order.header("preference-applied")),
        (200, Some("wait=5"))
    );
}

#[tokio::test]
async fn a_client_that_has_the_order_gets_a_304_until_the_order_changes() {
    let stack = Stack::start().await;
    let id = stack.accepted().await;
    let order = stack.persisted(&id, &[]).await;
    let tag = order.header("etag").unwrap();
    let unless_it_is = [("if-none-match", tag)];
    let same = stack.read(&id, &unless_it_is).await;
    assert_eq!((same.status, same.header("etag")), (304, Some(tag)));
    assert_eq!(same.body, json!(null));
    assert_eq!(stack.cancel(&id, &[]).await.status, 202);
    let changed = eventually("the cancel", || async {
        Some(stack.read(&id, &unless_it_is).await).filter(|answer| answer.status == 200)
    })
    .await;
    assert_eq!(changed.body["status"], "cancelled");
    assert_ne!(changed.header("etag"), Some(tag));
}

#[tokio::test]
async fn a_key_sent_twice_makes_one_order() {
    let stack = Stack::start().await;
    let key = key();
    let first = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    let second = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.text("order_id"), second.text("order_id"));
    assert_ne!(first.text("intent_id"), second.text("intent_id"));

    let id = first.text("order_id");
    stack.persisted(id, &[]).await;
    stack.drained().await;
    let order = stack.read(id, &[]).await;
    assert_eq!(order.body["conflicts"], json!([]));
    assert_eq!(rows(&stack).await, 1);
}

#[tokio::test]
async fn a_batch_sent_twice_under_a_key_makes_one_order_a_position() {
    let stack = Stack::start().await;
    let key = key();
    let batch = format!("{{\"orders\": [{ORDER}, {{}}, {OTHER_ORDER}]}}");
    let mut answers = vec![];
    for _ in 0..2 {
        let answer = stack.batch(&[("idempotency-key", &key)], &batch).await;
        assert_eq!(answer.status, 207, "{}", answer.body);
        let results = answer.body["results"].as_array().unwrap();
        let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
        assert_eq!(statuses, [202, 422, 202]);
        let problem = &results[1]["problem"];
        assert_eq!(problem["errors"][0]["pointer"], "#/orders/1/customer_id");
        answers.push([&results[0], &results[2]].map(|result| {
            let text = |field: &str| result[field].as_str().unwrap().to_owned();
            (text("order_id"), text("fingerprint"), text("location"))
        }));
    }
    assert_eq!(answers[0], answers[1]);
    for (id, fingerprint, location) in &answers[0] {
        stack.persisted(id, &[]).await;
        let order = stack.send("GET", location, &[], "").await;
        assert_eq!(order.body["fingerprint"], *fingerprint);
    }
    stack.drained().await;
    for (id, ..) in &answers[0] {
        assert_eq!(stack.read(id, &[]).await.body["conflicts"], json!([]));
    }
    assert_eq!(rows(&stack).await, 2);
}

#[tokio::test]
async fn a_key_sent_with_another_body_is_recorded_as_a_conflict() {
    let stack = Stack::start().await;
    let key = key();
    let first = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    let id = first.text("order_id");
    stack.persisted(id, &[]).await;
    let second = stack
        .submit(&[("idempotency-key", &key)], OTHER_ORDER)
        .await;
    assert_eq!((second.status, second.text("order_id")), (202, id));

    let order = eventually("the conflict", || async {
        Some(stack.read(id, &[]).await).filter(|order| order.body["conflicts"] != json!([]))
    })
    .await;
    assert_eq!(order.body["conflicts"], json!([second.text("fingerprint")]));
    assert_eq!(
        order.body["items"][0]["sku"], "A-1",
        "the first order applied counts"
    );
}

#[tokio::test]
async fn a_cancel_after_the_order_cancels_it() {
    let stack = Stack::start().await;
    let id = stack.accepted().await;
    stack.persisted(&id, &[]).await;
    let cancel = stack.cancel(&id, &[]).await;
    assert_eq!(cancel.status, 202);
    let order = cancelled(&stack, &id, &[]).await;
    assert_eq!(order["cancelled_at"], cancel.body["accepted_at"]);
}

#[tokio::test]
async fn a_cancel_before_the_order_lets_it_be_born_cancelled() {
    let stack = with_callers().await;
    let (ann, key) = (("x-local-caller", "ann"), key());
    // The key fixes the order's id, so the client can cancel the order before submitting it.
    let known = stack
        .submit(&[ann, ("idempotency-key", &key)], ORDER)
        .await
        .text("order_id")
        .to_owned();
    let fresh = with_callers().await;
    fresh.cancel(&known, &[ann]).await;
    fresh.drained().await;
    assert_eq!(
        fresh.read(&known, &[ann]).await.status,
        404,
        "a cancel alone is not an order"
    );
    fresh.submit(&[ann, ("idempotency-key", &key)], ORDER).await;
    let order = fresh.persisted(&known, &[ann]).await;
    assert_eq!(order.text("status"), "cancelled");
}

#[tokio::test]
async fn a_cancel_by_another_caller_changes_nothing_and_tells_him_nothing() {
    let stack = with_callers().await;
    let (ann, mallory) = (("x-local-caller", "ann"), ("x-local-caller", "mallory"));
    let id = stack
        .submit(&[ann], ORDER)
        .await
        .text("order_id")
        .to_owned();
    stack.persisted(&id, &[ann]).await;
    let before = stack.row(&id).await;
    if stack.knows_callers() {
        assert_eq!(stack.cancel(&id, &[mallory]).await.status, 202);
    } else {
        stack.put(&id, cancel_by("mallory", &id).encode()).await;
    }
    stack.drained().await;
    assert_eq!(stack.row(&id).await, before);
    if stack.knows_callers() {
        assert_eq!(stack.read(&id, &[mallory]).await.status, 404);
    }
    assert_eq!(stack.read(&id, &[ann]).await.text("status"), "placed");
}

#[tokio::test]
async fn who_is_required_and_not_named_is_turned_away() {
    let stack = with_callers().await;
    let answer = stack.submit(&[], ORDER).await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer"))
    );
}

#[tokio::test]
async fn poison_between_good_neighbours_is_discarded_and_they_are_all_persisted() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![
            ("shard_count", json!(1)),
            ("batching_window_seconds", json!(1)),
        ],
        ..StackOptions::default()
    })
    .await;
    let (before, after) = (stack.accepted().await, stack.accepted().await);
    let intent = submit_intent(ORDER);
    let of_its_key = intent.order_id.to_string();
    let poison = stack.put(&of_its_key, "not an event").await;
    stack.put(&of_its_key, intent.encode()).await;
    let behind = stack.accepted().await;

    for id in [&before, &after, &of_its_key, &behind] {
        stack.persisted(id, &[]).await;
    }
    let discard = stack.discarded().await;
    let range = &discard["KinesisBatchInfo"];
    // Sequence numbers of one shard have the same number of digits, so they compare as text.
    let [start, end] =
        ["startSequenceNumber", "endSequenceNumber"].map(|field| range[field].as_str().unwrap());
    assert!(
        (start..=end).contains(&poison.as_str()),
        "{poison} is not in {start}..={end}"
    );
    assert_eq!(
        discard["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(
        discard["requestContext"]["approximateInvokeCount"], 4,
        "one try and three retries"
    );
    assert_eq!(
        discard["responseContext"],
        json!({"statusCode": 200, "executedVersion": stack.consumer_version(), "functionError": null})
    );
    assert_eq!(discard["version"], "1.0");
    assert_eq!(range["shardId"], "shardId-000000000000");
    assert_eq!(range["streamArn"], stack.stream_arn().as_str());
}

#[tokio::test]
async fn a_consumer_killed_in_mid_batch_loses_nothing_and_doubles_nothing() {
    let stack = Stack::start().await;
    // Writes are done but not acknowledged, so the consumer is killed after its writes had their
    // effect.
    stack.fault("dynamodb", "lost-answer", 60).await;
    let mut accepted = Vec::new();
    for _ in 0..20 {
        accepted.push(stack.submit(&[], ORDER).await);
    }
    eventually("some writes being done", || async {
        let state = stack.state().await;
        let hits = state["faults"]["hits"].as_array()?.clone();
        hits.iter()
            .any(|hit| hit["calls"].as_u64() > Some(5))
            .then_some(())
    })
    .await;
    let pid = eventually("a consumer at work", || async {
        let state = stack.state().await;
        let processes = state["functions"]["consumer"]["processes"]
            .as_array()?
            .clone();
        let busy = processes.iter().find(|process| process["busy"] == true)?;
        busy["pid"].as_u64()
    })
    .await;
    let kill = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(kill.unwrap().success());
    eventually("the crash being noticed", || async {
        let state = stack.state().await;
        let crashes = state["functions"]["consumer"]["counters"]["crashes"].as_u64();
        crashes.filter(|crashes| *crashes > 0)
    })
    .await;
    stack.no_faults().await;
    stack.drained().await;

    for answer in &accepted {
        let row = stack.row(answer.text("order_id")).await.unwrap();
        let intent = answer.text("intent_id").to_owned();
        assert_eq!(row["submit_intent"], AttributeValue::S(intent));
        assert!(!row.contains_key("conflicts"));
    }
    assert_eq!(rows(&stack).await, 20);
    assert_eq!(
        stack.state().await["mapping"]["counters"]["records_discarded"],
        0
    );
    // The redelivery found the earlier writes done, and the consumer's line counts them.
    let log = stack.log();
    let counts = log.split("already_applied=").skip(1);
    assert!(
        counts.into_iter().any(|count| !count.starts_with('0')),
        "{log}"
    );
}

#[tokio::test]
async fn a_stream_that_refuses_is_a_503_and_a_later_retry_is_accepted() {
    let stack = Stack::start().await;
    let key = key();
    stack
        .fault("kinesis", "ProvisionedThroughputExceededException", 60)
        .await;
    let refused = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    stack.no_faults().await;
    let accepted = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    assert_eq!(accepted.status, 202);
    stack.persisted(accepted.text("order_id"), &[]).await;
    assert_eq!(rows(&stack).await, 1);
}

#[tokio::test]
async fn a_stream_that_does_not_answer_is_a_503_that_names_the_order() {
    let stack = Stack::start().await;
    let key = key();
    stack.fault("kinesis", "lost-answer", 60).await;
    let unknown = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    assert_eq!(unknown.status, 503);
    assert!(unknown.text("detail").contains("outcome is unknown"));
    stack.no_faults().await;
    // The record that was put without an answer is applied all the same, and the retry is its
    // duplicate.
    let id = unknown.text("order_id").to_owned();
    stack.persisted(&id, &[]).await;
    let retried = stack.submit(&[("idempotency-key", &key)], ORDER).await;
    assert_eq!(
        (retried.status, retried.text("order_id")),
        (202, id.as_str())
    );
    assert_eq!(rows(&stack).await, 1);
}

#[tokio::test]
async fn bad_requests_are_answered_with_problems_and_leave_no_trace() {
    let stack = Stack::start().await;
    let too_large = format!("{ORDER}{}", " ".repeat(70_000));
    let json = ("content-type", "application/json");
    for (status, method, path, headers, body) in [
        (400, "POST", "/orders", &[json][..], "{"),
        (
            400,
            "POST",
            "/orders",
            &[json, ("idempotency-key", "short")],
            ORDER,
        ),
        (413, "POST", "/orders", &[json], too_large.as_str()),
        (
            415,
            "POST",
            "/orders",
            &[("content-type", "text/plain")],
            ORDER,
        ),
        (422, "POST", "/orders", &[json], "{}"),
        (400, "POST", "/orders/batch", &[json], "{"),
        (422, "POST", "/orders/batch", &[json], r#"{"orders": []}"#),
        (404, "GET", "/nowhere", &[], ""),
        (405, "PUT", "/orders", &[], ""),
        (400, "POST", "/orders/no-id/cancel", &[], ""),
    ] {
        let answer = stack.send(method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.body["status"], status);
    }
    assert!(Evidence::gather(&stack).await.records.is_empty());
}

#[tokio::test]
async fn a_spike_of_five_hundred_orders_is_accepted_and_persisted() {
    let stack = Stack::start().await;
    // LocalStack is one Python process, and may need more than the 1.5 s that the API gives each
    // attempt of a put. There a client gets the 503 of an unknown outcome. As the 503 says, the
    // client sends the same request again under its key.
    let is_slow = Target::chosen() == Target::LocalStack;
    let at_once = if is_slow { 5 } else { 50 };
    let orders = stream::iter(0..500).map(async |_| {
        let key = key();
        eventually("the order being accepted", || async {
            let answer = stack.submit(&[("idempotency-key", &key)], ORDER).await;
            let is_known = answer.status == 202 || (is_slow && answer.status == 503);
            assert!(is_known, "{}: {}", answer.status, answer.body);
            (answer.status == 202).then(|| answer.text("order_id").to_owned())
        })
        .await
    });
    let ids: BTreeSet<String> = orders.buffer_unordered(at_once).collect().await;
    assert_eq!(ids.len(), 500);
    // The loop has no time limit for all rows, because the target may be slow.
    let mut persisted = 0;
    while persisted < ids.len() {
        persisted = eventually("the next of five hundred rows", || async {
            Some(rows(&stack).await).filter(|now| *now > persisted)
        })
        .await;
    }
    assert_eq!(rows(&stack).await, ids.len());
}

async fn rows(stack: &Stack) -> usize {
    tests::rows(stack).await.len()
}

/// The intent that the API puts into the stream when this caller cancels an order.
fn cancel_by(caller: &str, order_id: &str) -> Intent {
    Intent::cancel(
        IntentId::from_random(uuid::Uuid::new_v4().into_bytes()),
        OrderId::parse(order_id).unwrap(),
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        Caller::parse(caller).unwrap(),
    )
}

async fn cancelled(stack: &Stack, id: &str, headers: &[(&str, &str)]) -> Value {
    eventually("the order being cancelled", || async {
        Some(stack.read(id, headers).await.body).filter(|order| order["status"] == "cancelled")
    })
    .await
}

#[tokio::test]
async fn an_order_and_its_cancel_become_two_facts_in_sequence_and_one_shipment() {
    let stack = Stack::start_with(StackOptions {
        facts: true,
        ..StackOptions::default()
    })
    .await;
    let order_id = stack.accepted().await;
    let placed = stack.persisted(&order_id, &[]).await;
    assert_eq!(stack.cancel(&order_id, &[]).await.status, 202);
    eventually("the cancel", || async {
        let answer = stack.read(&order_id, &[]).await;
        (answer.body["status"] == "cancelled").then_some(())
    })
    .await;
    let audit = stack.facts_settled_within(Duration::from_secs(120)).await;
    assert_eq!((audit.expected, audit.shipments), (2, 1));

    let evidence = FactsEvidence::gather(&stack).await;
    let events: Vec<Value> = evidence
        .records
        .iter()
        .map(|record| serde_json::from_slice(&record.data).unwrap())
        .collect();
    let created = json!({
        "specversion": "1.0",
        "id": format!("{order_id}/created"),
        "source": "orders/notifier",
        "type": "OrderCreated.v1",
        "subject": order_id,
        "time": placed.body["accepted_at"],
        "datacontenttype": "application/json",
        "data": {
            "owner": "anonymous",
            "fingerprint": placed.body["fingerprint"],
            "total": 2598,
            "order": {
                "customer_id": "c-1",
                "currency": "EUR",
                "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}],
            },
        },
    });
    assert_eq!(events[0], created);
    let names: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(names.first().unwrap().as_str(), Some("OrderCreated.v1"));
    assert_eq!(names.last().unwrap().as_str(), Some("OrderCancelled.v1"));
    let key = evidence.records.first().unwrap();
    assert_eq!(key.partition_key, order_id);
}
