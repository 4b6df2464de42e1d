//! `POST /orders`.

use api::Origins;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orders::IntentKind;
use serde_json::{Value, json};

use crate::world::{ORDER, World, from, request, submit, with_header};

const KEY: &str = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";

#[tokio::test(start_paused = true)]
async fn an_order_is_accepted_with_its_id_and_where_to_look() {
    let world = World::new("none");
    let answer = world.send(submit(ORDER)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let location = format!("/orders/{}", answer.text("order_id"));
    assert_eq!(answer.header("location"), Some(location.as_str()));
    let fields: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "accepted_at",
            "fingerprint",
            "intent_id",
            "order_id",
            "status"
        ]
    );
    assert_eq!(answer.text("status"), "accepted");
    assert_eq!(answer.text("accepted_at"), "2026-11-22T05:00:00.000Z");
}

#[tokio::test(start_paused = true)]
async fn the_one_side_effect_is_one_record_keyed_by_order_id() {
    let world = World::new("none");
    let answer = world.send(submit(ORDER)).await;
    let records = world.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].partition_key, answer.text("order_id"));
    let intent = &world.intents()[0];
    assert_eq!(intent.id.to_string(), answer.text("intent_id"));
    assert_eq!(intent.order_id.to_string(), answer.text("order_id"));
    let IntentKind::Submit(submit) = &intent.kind else {
        panic!("not a submit")
    };
    assert_eq!(submit.owner.as_str(), "anonymous");
    assert_eq!(submit.fingerprint.as_str(), answer.text("fingerprint"));
}

#[tokio::test(start_paused = true)]
async fn a_body_in_base64_is_the_same_body() {
    let world = World::new("none");
    let mut request = submit(&STANDARD.encode(ORDER));
    request["isBase64Encoded"] = json!(true);
    let encoded = world.send(request).await;
    let plain = world.send(submit(ORDER)).await;
    assert_eq!((encoded.status, plain.status), (202, 202));
    assert_eq!(encoded.text("fingerprint"), plain.text("fingerprint"));
    let mut broken = submit("no base64 at all!");
    broken["isBase64Encoded"] = json!(true);
    assert_eq!(world.send(broken).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_key_sent_twice_names_one_order_by_two_intents() {
    let world = World::new("none");
    let keyed = with_header(submit(ORDER), "idempotency-key", KEY);
    let (first, second) = (world.send(keyed.clone()).await, world.send(keyed).await);
    assert_eq!(first.text("order_id"), second.text("order_id"));
    assert_ne!(first.text("intent_id"), second.text("intent_id"));
}

#[tokio::test(start_paused = true)]
async fn without_a_key_every_request_is_an_order_of_its_own() {
    let world = World::new("none");
    let (first, second) = (
        world.send(submit(ORDER)).await,
        world.send(submit(ORDER)).await,
    );
    assert_ne!(first.text("order_id"), second.text("order_id"));
}

#[tokio::test(start_paused = true)]
async fn one_key_of_two_callers_names_two_orders() {
    let world = World::new("jwt:sub");
    let keyed = with_header(submit(ORDER), "idempotency-key", "short");
    let first = world.send(from(keyed.clone(), "ann")).await;
    let second = world.send(from(keyed, "bob")).await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_ne!(first.text("order_id"), second.text("order_id"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_empty_too_long_or_unreadable_is_a_400() {
    let world = World::new("jwt:sub");
    for key in ["", &"k".repeat(256), "a key", "schlüssel"] {
        let answer = world
            .send(from(
                with_header(submit(ORDER), "idempotency-key", key),
                "ann",
            ))
            .await;
        assert_eq!(answer.status, 400, "{key:?}");
        assert!(answer.text("detail").contains("Idempotency-Key"));
    }
    assert!(world.records().is_empty());
}

// A gateway joins the values of a repeated header with commas. So two lines with one key would be
// another key than one line, and a short key three times would pass for a long one.
#[tokio::test(start_paused = true)]
async fn a_key_with_a_comma_is_a_400_since_a_gateway_joins_repeated_headers_with_one() {
    let short = ["k123456789"; 3].join(",");
    for (callers, key) in [
        ("none", format!("{KEY},{KEY}").as_str()),
        ("none", &short),
        ("jwt:sub", "k,k"),
        ("jwt:sub", ",k"),
        ("jwt:sub", "k,"),
        ("jwt:sub", ","),
    ] {
        let world = World::new(callers);
        let keyed = with_header(submit(ORDER), "idempotency-key", key);
        let answer = world.send(from(keyed, "ann")).await;
        assert_eq!(answer.status, 400, "{key}");
        assert!(answer.text("detail").contains("comma"), "{key}");
        assert!(world.records().is_empty(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_content_type_that_was_sent_twice_is_a_415_whatever_its_parameters_are() {
    let world = World::new("none");
    for content_type in [
        "application/json,application/json",
        "application/json;charset=utf-8,application/json",
        "application/json;charset=utf-8, text/plain",
        "application/json;q=\"a\",text/plain",
        "application/json;a=\"x,text/plain",
        "application/json;a=\"x,text/plain;b=\"y",
    ] {
        let request = with_header(submit(ORDER), "content-type", content_type);
        assert_eq!(world.send(request).await.status, 415, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_traceparent_that_was_sent_twice_is_none() {
    let world = World::new("none");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let twice = with_header(submit(ORDER), "traceparent", &format!("{parent},{parent}"));
    assert_eq!(world.send(twice).await.status, 202);
    assert_eq!(world.intents()[0].traceparent, None);
}

#[tokio::test(start_paused = true)]
async fn where_callers_are_not_known_a_key_must_be_unguessable() {
    let world = World::new("none");
    let with_key = |length| with_header(submit(ORDER), "idempotency-key", &"k".repeat(length));
    assert_eq!(world.send(with_key(21)).await.status, 400);
    assert_eq!(world.send(with_key(22)).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_json_is_a_400_that_says_where() {
    let answer = World::new("none").send(submit("{\"customer_id\": }")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        answer.text("detail"),
        "The body is not JSON. The first syntax error is at line 1, column 17."
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_breaks_rules_is_a_422_that_points_at_each() {
    let world = World::new("none");
    let answer = world
        .send(submit(
            r#"{"currency": "EUR", "items": [{"sku": "A", "quantity": 0, "unit_price": 1}]}"#,
        ))
        .await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.body,
        json!({
            "type": "urn:problem:orders:invalid-order", "title": "Invalid order", "status": 422,
            "detail": "The order breaks 2 rules.", "instance": "urn:request:JKJaXmPLvHcESHA=",
            "errors": [
                {"pointer": "#/customer_id", "code": "required", "detail": "is required"},
                {"pointer": "#/items/0/quantity", "code": "range", "detail": "must be an integer from 1 to 10000"},
            ],
        })
    );
    assert!(world.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_of_more_than_64_kb_is_a_413() {
    let world = World::new("none");
    let padded = |length: usize| format!("{ORDER}{}", " ".repeat(length - ORDER.len()));
    assert_eq!(world.send(submit(&padded(64 * 1024))).await.status, 202);
    assert_eq!(world.send(submit(&padded(64 * 1024 + 1))).await.status, 413);
    let mut encoded = submit(&STANDARD.encode(padded(64 * 1024 + 1)));
    encoded["isBase64Encoded"] = json!(true);
    assert_eq!(world.send(encoded).await.status, 413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_sent_as_json_is_a_415() {
    let world = World::new("none");
    for content_type in ["text/plain", "application/xml", "application/jsonp", ""] {
        let answer = world
            .send(with_header(submit(ORDER), "content-type", content_type))
            .await;
        assert_eq!(answer.status, 415, "{content_type:?}");
        assert_eq!(answer.header("accept"), Some("application/json"));
    }
    let mut untyped = submit(ORDER);
    untyped["headers"] = json!({});
    assert_eq!(world.send(untyped).await.status, 415);
    let charset = with_header(
        submit(ORDER),
        "content-type",
        "Application/JSON; charset=utf-8",
    );
    assert_eq!(world.send(charset).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn another_method_is_a_405_that_says_which_one_is_allowed() {
    let world = World::new("none");
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    for (method, path, allow) in [
        ("GET", "/orders".to_owned(), "POST"),
        ("DELETE", format!("/orders/{id}"), "GET"),
        ("GET", format!("/orders/{id}/cancel"), "POST"),
    ] {
        let answer = world.send(request(method, &path)).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_path_is_a_404() {
    let world = World::new("none");
    for path in [
        "/",
        "/order",
        "/orders/",
        "/orders/a/b",
        "/orders//cancel",
        "/orders/a/cancel/b",
    ] {
        assert_eq!(
            world.send(request("POST", path)).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stages_name_in_front_of_the_path_is_no_part_of_it() {
    let world = World::new("none");
    let mut staged = submit(ORDER);
    staged["rawPath"] = json!("/prod/orders");
    staged["requestContext"]["stage"] = json!("prod");
    staged["requestContext"]["domainName"] = json!("a1.execute-api.eu-west-1.amazonaws.com");
    let answer = world.send(staged).await;
    assert_eq!(answer.status, 202);
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("/prod/orders/"), "{location}");
}

#[tokio::test(start_paused = true)]
async fn the_clients_trace_goes_on_in_the_event() {
    let world = World::new("none");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    world
        .send(with_header(submit(ORDER), "traceparent", trace))
        .await;
    let event: Value = serde_json::from_slice(&world.records()[0].data).unwrap();
    assert_eq!(event["traceparent"], trace);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_stands_before_1970_is_a_500_and_accepts_nothing() {
    let mut world = World::new("none");
    let past = std::time::UNIX_EPOCH - std::time::Duration::from_secs(1);
    world.api.origins = Origins::new(|| [1; 16], move || past);
    assert_eq!(world.send(submit(ORDER)).await.status, 500);
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn an_order_without_a_key_is_refused_where_a_key_is_required() {
    let mut world = World::new("none");
    world.api.requires_key = true;
    let answer = world.send(submit(ORDER)).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text("detail").contains("Idempotency-Key"),
        "{}",
        answer.body
    );
    assert!(world.records().is_empty());
    let with_key = with_header(submit(ORDER), "idempotency-key", KEY);
    assert_eq!(world.send(with_key).await.status, 202);
}

#[tokio::test]
async fn a_cancel_needs_no_key_where_one_is_required() {
    let mut world = World::new("none");
    world.api.requires_key = true;
    let cancel = request(
        "POST",
        "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2/cancel",
    );
    assert_eq!(world.send(cancel).await.status, 202);
}
