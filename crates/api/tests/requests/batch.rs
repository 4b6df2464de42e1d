//! `POST /orders/batch`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conditional_write::{Item, NotDone};
use orders::{Intent, IntentKind, OrderId, Row, Step, next_step};
use proptest::prelude::*;
use put_records::{MAX_BYTES, MAX_ENTRIES};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::entries::{Call, Entry, Script, THROTTLED};
use crate::world::{ORDER, Response, World, from, request, submit, with_header};

const KEY: &str = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
const NOT_ACCEPTED: &str = "urn:problem:orders:not-accepted";
const OUTCOME_UNKNOWN: &str = "urn:problem:orders:outcome-unknown";
const MEBIBYTE: usize = 1 << 20;

fn order(sku: &str) -> String {
    ORDER.replace("A-1", sku)
}

/// A request with a batch of these orders.
fn batch<O: AsRef<str>>(orders: &[O]) -> Value {
    let orders: Vec<&str> = orders.iter().map(AsRef::as_ref).collect();
    body(&format!("{{\"orders\": [{}]}}", orders.join(", ")))
}

fn body(body: &str) -> Value {
    let mut request = submit(body);
    request["rawPath"] = json!("/orders/batch");
    request["requestContext"]["http"]["path"] = json!("/orders/batch");
    request
}

fn keyed(request: Value) -> Value {
    with_header(request, "idempotency-key", KEY)
}

fn results(answer: &Response) -> &[Value] {
    assert_eq!(answer.status, 207, "{}", answer.body);
    answer.body["results"].as_array().unwrap()
}

fn statuses(answer: &Response) -> Vec<u64> {
    let results = results(answer).iter();
    results
        .map(|result| result["status"].as_u64().unwrap())
        .collect()
}

/// The order ids of the results, of which problems about nothing have none.
fn order_ids(answer: &Response) -> Vec<Option<&str>> {
    let results = results(answer).iter();
    results.map(|result| result["order_id"].as_str()).collect()
}

fn problem_types(answer: &Response) -> Vec<Option<&str>> {
    let results = results(answer).iter();
    results
        .map(|result| result["problem"]["type"].as_str())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_order_of_a_batch_is_answered_like_an_order_by_itself() {
    let world = World::new("none");
    let answer = world.send(batch(&[order("A-1"), order("A-2")])).await;
    assert_eq!(statuses(&answer), [202, 202]);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(answer.header("location"), None);
    let single = world.send(submit(&order("A-2"))).await;
    let result = &results(&answer)[1];
    let fields: BTreeSet<&String> = result.as_object().unwrap().keys().collect();
    let mut expected: BTreeSet<&String> = single.body.as_object().unwrap().keys().collect();
    let location = "location".to_owned();
    expected.insert(&location);
    assert_eq!(fields, expected);
    assert_eq!(result["fingerprint"], single.body["fingerprint"]);
    assert_eq!(result["accepted_at"], "2026-11-22T05:00:00.000Z");
    let order_id = result["order_id"].as_str().unwrap();
    assert_eq!(result["location"], format!("/orders/{order_id}"));
}

#[tokio::test(start_paused = true)]
async fn the_one_side_effect_is_one_record_an_order_in_one_call() {
    let script = Script::default();
    let world = World::new("jwt:sub").scripted(&script);
    let orders = [order("A-1"), order("A-2"), order("A-3")];
    let answer = world.send(from(batch(&orders), "ann")).await;
    let mut ids: Vec<_> = order_ids(&answer).into_iter().flatten().collect();
    assert_eq!(script.made(), [ids.clone()]);
    ids.sort_unstable();
    let mut intents = world.intents();
    intents.sort_by_key(|intent| intent.order_id);
    let of_stream: Vec<_> = intents
        .iter()
        .map(|intent| intent.order_id.to_string())
        .collect();
    assert_eq!(of_stream, ids);
    for (record, intent) in world.records().iter().zip(world.intents()) {
        assert_eq!(record.partition_key, intent.order_id.to_string());
        let IntentKind::Submit(submit) = intent.kind else {
            panic!("not a submit")
        };
        assert_eq!(submit.owner.as_str(), "ann");
    }
    let intent_ids: BTreeSet<_> = intents.iter().map(|intent| intent.id.to_string()).collect();
    let told: BTreeSet<_> = results(&answer)
        .iter()
        .map(|result| result["intent_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, intent_ids);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_order_is_a_422_in_its_place_that_points_into_the_batch() {
    let world = World::new("none");
    let bad = ORDER.replace("\"quantity\": 2", "\"quantity\": 0");
    let answer = world.send(batch(&[ORDER, &bad, "null", ORDER])).await;
    assert_eq!(statuses(&answer), [202, 422, 422, 202]);
    assert_eq!(
        results(&answer)[1],
        json!({"status": 422, "problem": {
            "type": "urn:problem:orders:invalid-order", "title": "Invalid order", "status": 422,
            "detail": "The order breaks one rule.", "instance": "urn:request:JKJaXmPLvHcESHA=",
            "errors": [{"pointer": "#/orders/1/items/0/quantity", "code": "range",
                "detail": "must be an integer from 1 to 10000"}]}})
    );
    assert_eq!(
        results(&answer)[2]["problem"]["errors"][0]["pointer"],
        "#/orders/2"
    );
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(world.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_invalid_orders_is_a_207_and_asks_nothing_of_the_stream() {
    let script = Script::default();
    let world = World::new("none").scripted(&script);
    let within = Duration::from_millis(1);
    let answer = world.send_within(within, batch(&["0", "{}"])).await;
    assert_eq!(statuses(&answer), [422, 422]);
    assert_eq!(script.made().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_envelope_that_breaks_a_rule_is_a_422_and_nothing_is_accepted() {
    let world = World::new("none");
    let many = batch(&[ORDER; 101]);
    for (request, pointer, code) in [
        (body("[]"), "#", "type"),
        (body("{}"), "#/orders", "required"),
        (body(r#"{"orders": []}"#), "#/orders", "length"),
        (many, "#/orders", "length"),
        (
            body(&format!(r#"{{"orders": [{ORDER}], "x": 1}}"#)),
            "#/x",
            "unknown",
        ),
        (
            body(&format!(r#"{{"orders": [{ORDER}], "orders": [{ORDER}]}}"#)),
            "#/orders",
            "duplicate",
        ),
    ] {
        let answer = world.send(request).await;
        assert_eq!(
            (answer.status, answer.text("type")),
            (422, "urn:problem:orders:invalid-batch")
        );
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(
            (&errors[0]["pointer"], &errors[0]["code"]),
            (&json!(pointer), &json!(code))
        );
    }
    assert!(world.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_a_batch_is_told_as_for_one_order() {
    let world = World::new("none");
    let answer = world.send(body("{\"orders\": [}")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text("detail").contains("line 1, column 13"));
    let mut broken = body("no base64 at all!");
    broken["isBase64Encoded"] = json!(true);
    assert_eq!(world.send(broken).await.status, 400);
    let mut untyped = batch(&[ORDER]);
    untyped["headers"] = json!({});
    assert_eq!(world.send(untyped).await.status, 415);
    assert_eq!(
        world.send(request("POST", "/orders/batch")).await.status,
        415
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_mebibyte_is_taken_and_one_byte_more_is_a_413() {
    let world = World::new("none");
    let text = format!("{{\"orders\": [{ORDER}]}}");
    let fill = " ".repeat(MEBIBYTE - text.len());
    assert_eq!(
        statuses(&world.send(body(&format!("{text}{fill}"))).await),
        [202]
    );
    let mut encoded = body(&STANDARD.encode(format!("{text}{fill}")));
    encoded["isBase64Encoded"] = json!(true);
    assert_eq!(statuses(&world.send(encoded).await), [202]);
    let answer = world.send(body(&format!("{text}{fill} "))).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text("detail").contains("1048576"));
}

#[tokio::test(start_paused = true)]
async fn an_order_of_more_than_64_kb_is_a_422_in_its_place() {
    let world = World::new("none");
    let long = ORDER.replace("\"EUR\",", &format!("\"EUR\",{}", " ".repeat(64 * 1024)));
    let answer = world.send(batch(&[ORDER, &long])).await;
    assert_eq!(statuses(&answer), [202, 422]);
    let error = &results(&answer)[1]["problem"]["errors"][0];
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (&json!("#/orders/1"), &json!("length"))
    );
    let fits = ORDER.replace(
        "\"EUR\",",
        &format!("\"EUR\",{}", " ".repeat(64 * 1024 - ORDER.len())),
    );
    assert_eq!(fits.len(), 64 * 1024);
    assert_eq!(statuses(&world.send(batch(&[fits])).await), [202]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_needs_a_caller_as_an_order_does() {
    let world = World::new("jwt:sub");
    assert_eq!(world.send(batch(&[ORDER])).await.status, 401);
    assert_eq!(
        statuses(&world.send(from(batch(&[ORDER]), "ann")).await),
        [202]
    );
    let world = World::new("none");
    for key in ["short", "a key with spaces in it", ",,,,,,,,,,,,,,,,,,,,,,"] {
        let answer = world
            .send(with_header(batch(&[ORDER]), "idempotency-key", key))
            .await;
        assert_eq!(answer.status, 400, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_names_the_orders_of_a_batch_by_their_positions() {
    let world = World::new("jwt:sub");
    let bad = "{}";
    let sent = |orders: &[&str], caller| from(keyed(batch(orders)), caller);
    let first = world.send(sent(&[ORDER, bad, ORDER], "ann")).await;
    let again = world.send(sent(&[ORDER, bad, ORDER], "ann")).await;
    let mended = world.send(sent(&[ORDER, ORDER, ORDER], "ann")).await;
    let others = world.send(sent(&[ORDER, ORDER, ORDER], "bob")).await;
    let alone = world.send(from(keyed(submit(ORDER)), "ann")).await;
    let ids = order_ids(&first);
    assert_eq!(
        (ids[0].is_some(), ids[1], ids[2].is_some()),
        (true, None, true)
    );
    assert_ne!(ids[0], ids[2]);
    assert_eq!(order_ids(&again), ids);
    assert_eq!(order_ids(&mended)[0], ids[0]);
    assert_eq!(
        order_ids(&mended)[2],
        ids[2],
        "the invalid order keeps its position"
    );
    let all: BTreeSet<&str> = [&mended, &others]
        .into_iter()
        .flat_map(order_ids)
        .flatten()
        .chain([alone.text("order_id")])
        .collect();
    assert_eq!(all.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_every_batch_has_new_orders() {
    let world = World::new("none");
    let first = world.send(batch(&[ORDER, ORDER])).await;
    let second = world.send(batch(&[ORDER, ORDER])).await;
    let all: BTreeSet<_> = [&first, &second].into_iter().flat_map(order_ids).collect();
    assert_eq!(all.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn entries_that_the_stream_refused_are_tried_again_for_those_alone() {
    let script = Script::of([
        Call::Entries(vec![Entry::Throttled, Entry::Stored, Entry::Failed]),
        Call::Entries(vec![Entry::Stored, Entry::Throttled]),
    ]);
    let world = World::new("none").scripted(&script);
    let answer = world.send(batch(&[ORDER, ORDER, ORDER])).await;
    assert_eq!(statuses(&answer), [202, 202, 202]);
    let ids: Vec<_> = order_ids(&answer).into_iter().flatten().collect();
    assert_eq!(
        script.made(),
        [
            vec![ids[0], ids[1], ids[2]],
            vec![ids[0], ids[2]],
            vec![ids[2]]
        ]
    );
    assert_eq!(world.records().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_stays_refused_is_not_accepted_and_the_others_are() {
    let refused = || Call::Entries(vec![Entry::Throttled]);
    for (request, advice) in [
        (
            keyed(batch(&[ORDER, ORDER])),
            "Send the whole batch again, unchanged",
        ),
        (
            batch(&[ORDER, ORDER]),
            "Do not send the accepted orders again",
        ),
    ] {
        let script = Script::of([refused(), refused(), refused()]);
        let world = World::new("none").scripted(&script);
        let answer = world.send(request).await;
        assert_eq!(statuses(&answer), [503, 202]);
        assert_eq!(problem_types(&answer), [Some(NOT_ACCEPTED), None]);
        assert_eq!(order_ids(&answer)[0], None);
        let detail = results(&answer)[0]["problem"]["detail"].as_str().unwrap();
        assert!(detail.contains(advice), "{detail}");
        assert!(!answer.body.to_string().contains(THROTTLED));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(script.made().len(), 3, "as many attempts as for one order");
        assert_eq!(world.records().len(), 1);
    }
}

// AWS documents two codes of entries. The one says that the shard took nothing. The other is a
// server error, of which nobody says that it comes before the effect.
#[tokio::test(start_paused = true)]
async fn an_entry_that_failed_inside_kinesis_may_be_there_and_is_never_told_as_refused() {
    for fate in [Entry::Failed, Entry::StoredAndFailed] {
        for (request, advice) in [
            (
                keyed(batch(&[ORDER, ORDER])),
                "Send the whole batch again, unchanged",
            ),
            (batch(&[ORDER, ORDER]), "Look the order up by its id"),
        ] {
            let throttled = || Call::Entries(vec![Entry::Throttled]);
            let script = Script::of([Call::Entries(vec![fate]), throttled(), throttled()]);
            let world = World::new("none").scripted(&script);
            let answer = world.send(request).await;
            assert_eq!(statuses(&answer), [503, 202]);
            assert_eq!(problem_types(&answer)[0], Some(OUTCOME_UNKNOWN));
            let result = &results(&answer)[0];
            assert_eq!(result["order_id"], result["problem"]["order_id"]);
            assert_eq!(script.made()[0][0], result["order_id"].as_str().unwrap());
            let detail = result["problem"]["detail"].as_str().unwrap();
            assert!(detail.contains(advice), "{detail}");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_is_not_accepted_for_each_and_still_a_207() {
    for (code, attempts) in [(THROTTLED, 3), ("AccessDeniedException", 1)] {
        let script = Script::of((0..3).map(|_| Call::Refused(400, code)));
        let world = World::new("none").scripted(&script);
        let answer = world.send(batch(&[ORDER, "{}", ORDER])).await;
        assert_eq!(statuses(&answer), [503, 422, 503], "{code}");
        assert_eq!(problem_types(&answer)[0], Some(NOT_ACCEPTED));
        assert_eq!(script.made().len(), attempts, "{code}");
        assert!(!answer.body.to_string().contains(code));
        assert!(world.records().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_leaves_all_of_its_orders_unknown() {
    for call in [
        Call::Broken(true),
        Call::Broken(false),
        Call::Refused(500, "InternalFailure"),
    ] {
        let script = Script::of([call.clone(), call.clone(), call]);
        let world = World::new("none").scripted(&script);
        let answer = world.send(batch(&[ORDER, ORDER])).await;
        assert_eq!(problem_types(&answer), [Some(OUTCOME_UNKNOWN); 2]);
        assert!(order_ids(&answer).iter().all(Option::is_some));
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_a_later_attempt_acknowledges_is_accepted_with_one_intent() {
    let script = Script::of([
        Call::Broken(true),
        Call::Entries(vec![Entry::StoredAndFailed, Entry::Throttled]),
    ]);
    let world = World::new("none").scripted(&script);
    let answer = world.send(batch(&[ORDER, ORDER])).await;
    assert_eq!(statuses(&answer), [202, 202]);
    let intents = world.intents();
    assert_eq!(intents.len(), 5, "a producer's duplicates");
    let different: BTreeSet<_> = intents
        .iter()
        .map(|intent| (intent.order_id, intent.id))
        .collect();
    assert_eq!(different.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_full_takes_the_rest_of_a_batch_a_second_later() {
    let world = World::new("none");
    // Each of the two shards takes 1 MiB in the second.
    for place in 0..200 {
        let data = vec![0; MEBIBYTE / 20 - 1_000].into();
        let _ = world
            .aws
            .kinesis()
            .put_record("intents", &format!("key-{place}"), data);
    }
    let before = world.records().len();
    let large = ORDER.replace(
        "\"items\"",
        &format!("\"note\": \"{}\", \"items\"", "n".repeat(500)),
    );
    let orders = vec![large; 100];
    let answer = world.send(keyed(batch(&orders))).await;
    let refused = statuses(&answer)
        .iter()
        .filter(|status| **status == 503)
        .count();
    assert!((1..100).contains(&refused), "{refused}");
    assert_eq!(world.records().len() - before, 100 - refused);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = world.send(keyed(batch(&orders))).await;
    assert_eq!(statuses(&again), [202; 100]);
}

#[tokio::test(start_paused = true)]
async fn the_client_of_a_batch_is_told_before_the_function_is_cut_off() {
    for millis in [10_000, 3_000, 1_000, 700] {
        let world = World::new("none");
        world.fault("kinesis", "timeout");
        let (began, left) = (Instant::now(), Duration::from_millis(millis));
        let answer = world.send_within(left, batch(&[ORDER, ORDER])).await;
        assert_eq!(problem_types(&answer), [Some(OUTCOME_UNKNOWN); 2]);
        let took = began.elapsed();
        assert!(
            took <= left - Duration::from_millis(500),
            "{took:?} of {left:?}"
        );
        assert!(took <= Duration::from_secs(6), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_put_in_time_is_a_503_as_a_whole() {
    let script = Script::default();
    let world = World::new("none").scripted(&script);
    let answer = world
        .send_within(Duration::from_millis(550), batch(&[ORDER, "{}"]))
        .await;
    assert_eq!((answer.status, answer.text("type")), (503, NOT_ACCEPTED));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(script.made().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn other_methods_of_the_path_are_told_what_it_takes() {
    let world = World::new("none");
    for method in ["DELETE", "GET"] {
        let answer = world.send(request(method, "/orders/batch")).await;
        let got = (answer.status, answer.header("allow"));
        assert_eq!(got, (405, Some("POST")), "{method}");
    }
}

/// The JSON of an order with as many bytes as an event may make of them.
fn large_order(bytes: usize) -> String {
    let mut items = Vec::new();
    let mut size = 0;
    while size + 400 < bytes && items.len() < 100 {
        let item = format!(
            r#"{{"sku":"{}","quantity":10000,"unit_price":1000000000000}}"#,
            "\u{10ffff}".repeat(64)
        );
        size += item.len() + 1;
        items.push(item);
    }
    format!(
        r#"{{"customer_id":"c","currency":"EUR","items":[{}]}}"#,
        items.join(",")
    )
}

#[tokio::test(start_paused = true)]
async fn the_largest_batch_fits_into_one_call_of_the_stream() {
    let (a_hundred, least) = (large_order(MEBIBYTE / 100 - 20), MEBIBYTE - 60_000);
    // A caller's name counts once an order, each quote twice.
    let caller = "\"".repeat(2_048);
    let world = World::new("jwt:sub");
    let request = batch(&vec![a_hundred; 100]);
    let size = request["body"].as_str().unwrap().len();
    assert!((least..=MEBIBYTE).contains(&size), "{size}");
    let answer = world.send(from(request, &caller)).await;
    let accepted = statuses(&answer)
        .iter()
        .filter(|status| **status == 202)
        .count();
    let records = world.records();
    assert_eq!(accepted, records.len());
    assert!(accepted > 50, "{accepted}");
    let largest = records
        .iter()
        .map(|record| record.data.len() + record.partition_key.len())
        .max();
    let largest = largest.unwrap();
    const { assert!(100 <= MAX_ENTRIES) };
    assert!(largest * 100 <= MAX_BYTES, "{largest}");
    assert!(largest * 100 > size, "the envelopes come on top");
}

#[tokio::test(start_paused = true)]
async fn the_longest_answer_fits_into_an_invocations_response() {
    let world = World::new("none");
    // Every byte of an unknown field's name takes three in a pointer, and each is reported.
    let order = |fields: usize, name: usize| {
        let fields = (0..fields).map(|field| format!("\"{field:02}{}\":0", "%".repeat(name)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    for (fields, name) in [(100, 97), (50, 200), (1, 10_400)] {
        let request = batch(&vec![order(fields, name); 100]);
        let size = request["body"].as_str().unwrap().len();
        assert!((MEBIBYTE - 40_000..=MEBIBYTE).contains(&size), "{size}");
        let event = request.to_string();
        let answer = world
            .api
            .answer(event.as_bytes(), Duration::from_secs(10))
            .await
            .unwrap();
        let response = serde_json::to_string(&answer).unwrap().len();
        assert!(response < 6_000_000, "{response}");
        assert!(response > 3 * MEBIBYTE, "{response}");
    }
}

/// Applies an intent to its row, as the consumer does.
fn apply(intent: &Intent, rows: &mut BTreeMap<OrderId, Item>) {
    let mut known = None;
    loop {
        let Step::Write { write, .. } = next_step(intent, known.as_ref()) else {
            return;
        };
        match write.apply_to(rows.get(&intent.order_id)) {
            Ok(item) => {
                rows.insert(intent.order_id, item);
                return;
            }
            Err(NotDone::NotASet) => unreachable!("`conflicts` is a set"),
            Err(NotDone::Refused) => {
                known = Some(Row::from_item(&rows[&intent.order_id]).unwrap());
            }
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    let entry = prop_oneof![
        2 => Just(Entry::Stored),
        2 => Just(Entry::Throttled),
        1 => Just(Entry::Failed),
        1 => Just(Entry::StoredAndFailed),
    ];
    prop_oneof![
        6 => proptest::collection::vec(entry, 6).prop_map(Call::Entries),
        1 => Just(Call::Refused(400, THROTTLED)),
        1 => Just(Call::Refused(500, "InternalFailure")),
        1 => any::<bool>().prop_map(Call::Broken),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    // The client repeats the whole batch until each valid order is accepted.
    #[test]
    fn any_number_of_retries_with_any_failures_make_one_order_a_position(
        valid in proptest::collection::vec(any::<bool>(), 1..7),
        calls in proptest::collection::vec(call(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let script = Script::of(calls);
            let world = World::new("none").scripted(&script);
            let orders: Vec<String> = valid.iter().enumerate().map(|(place, valid)| match valid {
                true => order(&format!("A-{place}")),
                false => "{}".to_owned(),
            }).collect();
            let mut told: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
            let mut acknowledged = BTreeSet::new();
            loop {
                let answer = world.send(keyed(batch(&orders))).await;
                for (place, result) in results(&answer).iter().enumerate() {
                    if let Some(order_id) = result["order_id"].as_str() {
                        told.entry(place).or_default().insert(order_id.to_owned());
                    }
                    if let Some(intent_id) = result["intent_id"].as_str() {
                        acknowledged.insert(intent_id.to_owned());
                    }
                    assert_eq!(result["status"] == 422, !valid[place]);
                }
                if answer.header("retry-after").is_none() {
                    break;
                }
            }
            let intents = world.intents();
            let in_stream: BTreeSet<String> =
                intents.iter().map(|intent| intent.id.to_string()).collect();
            assert!(acknowledged.is_subset(&in_stream), "nothing acknowledged is lost");
            let mut rows = BTreeMap::new();
            for intent in &intents {
                apply(intent, &mut rows);
            }
            let count = valid.iter().filter(|valid| **valid).count();
            assert_eq!(rows.len(), count, "one order a position");
            for (place, ids) in &told {
                assert_eq!(ids.len(), 1, "a position is told one id");
                let order_id = OrderId::parse(ids.first().unwrap()).unwrap();
                let row = Row::from_item(&rows[&order_id]).unwrap();
                let submitted = row.submitted.unwrap();
                assert_eq!(submitted.content.items()[0].sku(), format!("A-{place}"));
                assert!(row.conflicts.is_empty());
            }
        });
    }
}
