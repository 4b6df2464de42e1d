//! A stranger learns nothing about an order. Every answer about somebody else's order is the answer
//! about an id that nobody has.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tests::{ORDER, Stack, StackOptions, TABLE};

use crate::wire::{Answer, ask};

/// Requests about an order, with the id to be put in. Each is a first line and further headers.
const QUESTIONS: [(&str, &str); 16] = [
    ("GET /orders/ID", ""),
    ("GET /orders/ID?a=b", ""),
    ("GET /orders/ID", "Prefer: wait=0\r\n"),
    ("GET /orders/ID", "If-None-Match: *\r\n"),
    ("GET /orders/ID", "If-None-Match: \"1\", W/\"2\"\r\n"),
    ("GET /orders/ID", "If-Match: *\r\n"),
    (
        "GET /orders/ID",
        "If-Modified-Since: Sun, 22 Nov 2026 05:00:00 GMT\r\n",
    ),
    ("GET /orders/ID", "Range: bytes=0-0\r\n"),
    ("GET /orders/ID", "Accept: text/html\r\n"),
    ("HEAD /orders/ID", ""),
    ("OPTIONS /orders/ID", ""),
    ("PUT /orders/ID", "Content-Length: 0\r\n"),
    ("DELETE /orders/ID", ""),
    ("GET /orders/ID/cancel", ""),
    ("POST /orders/ID/cancel", "Content-Length: 0\r\n"),
    ("POST /orders/ID/cancel", "Content-Length: 2\r\n\r\n{}"),
];

/// The answer without what differs from one request to the next.
fn shape(answer: &Answer, id: &str) -> (u16, Value, Value) {
    let mut headers = json!(answer.headers);
    for name in ["date", "apigw-requestid"] {
        headers.as_object_mut().unwrap().remove(name);
    }
    let mut body = answer.json();
    if let Some(members) = body.as_object_mut() {
        for name in ["instance", "intent_id", "accepted_at"] {
            members.remove(name);
        }
    }
    let anonymous =
        |value: Value| serde_json::from_str(&value.to_string().replace(id, "ID")).unwrap();
    (answer.status, anonymous(headers), anonymous(body))
}

async fn asked(stack: &Stack, caller: &str, question: (&str, &str), id: &str) -> Answer {
    let (line, headers) = question;
    let line = line.replace("ID", id);
    let body = if headers.contains("\r\n\r\n") {
        ""
    } else {
        "\r\n"
    };
    let caller = if caller.is_empty() {
        String::new()
    } else {
        format!("X-Local-Caller: {caller}\r\n")
    };
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{caller}{headers}{body}");
    ask(stack.port(), request).await
}

/// Fails unless the answers about all ids are alike.
async fn tell_nothing_apart(stack: &Stack, caller: &str, ids: &[(&str, String)]) {
    for question in QUESTIONS {
        let mut expected = None;
        for (what, id) in ids {
            let answer = asked(stack, caller, question, id).await;
            assert!(
                answer.status < 500,
                "{question:?} about {what}: {}",
                answer.text
            );
            let shape = shape(&answer, id);
            let expected = expected.get_or_insert_with(|| shape.clone());
            assert_eq!(&shape, expected, "{question:?} about {what}");
        }
    }
    // A wait ends no sooner for an order that is there.
    for (what, id) in ids {
        let begun = Instant::now();
        let question = ("GET /orders/ID", "Prefer: wait=1\r\n");
        let answer = asked(stack, caller, question, id).await;
        assert_eq!(answer.status, 404, "{what}");
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(700), "{what}: {waited:?}");
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Puts a row of this owner that this version of the service cannot read.
async fn put_unreadable_row(stack: &Stack, owner: &str) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    let request = stack.dynamodb().put_item().table_name(TABLE);
    let request = request
        .item("order_id", text(&id))
        .item("owner", text(owner));
    let request = request.item("content", text("of a later version"));
    request.send().await.unwrap();
    id
}

#[tokio::test]
async fn somebody_elses_order_is_answered_as_an_id_that_nobody_has() {
    let stack = Stack::start_with(StackOptions {
        caller: Some("jwt:sub"),
        ..StackOptions::default()
    })
    .await;
    let ann = [("x-local-caller", "ann")];
    let placed = stack.submit(&ann, ORDER).await.text("order_id").to_owned();
    let cancelled = stack.submit(&ann, ORDER).await.text("order_id").to_owned();
    stack.cancel(&cancelled, &ann).await;
    let items: Vec<_> = (0..100)
        .map(|n| json!({"sku": format!("{n:064}"), "quantity": 1, "unit_price": n}))
        .collect();
    let large =
        json!({"customer_id": "c-1", "currency": "EUR", "items": items, "note": "n".repeat(500)});
    let large = stack
        .submit(&ann, &large.to_string())
        .await
        .text("order_id")
        .to_owned();
    for id in [&placed, &cancelled, &large] {
        stack.persisted(id, &ann).await;
    }
    let only_cancelled = uuid::Uuid::new_v4().to_string();
    stack.cancel(&only_cancelled, &ann).await;
    stack.drained().await;
    stack.enable_mapping(false).await;
    let pending = stack.submit(&ann, ORDER).await.text("order_id").to_owned();
    let unreadable = put_unreadable_row(&stack, "ann").await;
    let ids = [
        ("an unknown order", uuid::Uuid::new_v4().to_string()),
        ("a placed order", placed.clone()),
        ("a cancelled order", cancelled),
        ("a large order", large),
        ("a cancel without an order", only_cancelled),
        ("a pending order", pending),
        ("a row that cannot be read", unreadable),
    ];
    tell_nothing_apart(&stack, "bob", &ids).await;
    // Nobody, and a caller whose name is that of everybody, are told to say who they are.
    for caller in ["", "anonymous"] {
        let mut shapes = Vec::new();
        for (_, id) in &ids {
            let answer = asked(&stack, caller, ("GET /orders/ID", ""), id).await;
            assert_eq!(answer.status, 401);
            shapes.push(shape(&answer, id));
        }
        assert!(
            shapes.iter().all(|shape| *shape == shapes[0]),
            "{shapes:#?}"
        );
    }
    // The stranger's cancels, which were all accepted, leave the order as it is. The consumer waits
    // for a version that can read the row, so the row goes first.
    let (_, unreadable) = ids.last().unwrap();
    let request = stack.dynamodb().delete_item().table_name(TABLE);
    request
        .key("order_id", text(unreadable))
        .send()
        .await
        .unwrap();
    stack.enable_mapping(true).await;
    stack.drained().await;
    assert_eq!(stack.read(&placed, &ann).await.text("status"), "placed");
}

#[tokio::test]
async fn where_no_caller_is_known_a_pending_order_is_answered_as_an_id_that_nobody_has() {
    let stack = Stack::start().await;
    stack.enable_mapping(false).await;
    let pending = stack.submit(&[], ORDER).await.text("order_id").to_owned();
    let ids = [
        ("an unknown order", uuid::Uuid::new_v4().to_string()),
        ("a pending order", pending),
    ];
    tell_nothing_apart(&stack, "", &ids).await;
}
