//! The event in the stream. A written event stays readable, and an unsound event is poison with its
//! reason.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use orders::{Caller, Cancel, Intent, IntentId, IntentKind, NewOrder, OrderId, Poison, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use validation::Validator;

mod generators;
mod validation;

const SUBMIT: &str = include_str!("golden/submit.v1.json");
const CANCEL: &str = include_str!("golden/cancel.v1.json");

thread_local! {
    static VALIDATOR: Validator = Validator::new();
}

fn submit() -> Value {
    serde_json::from_str(SUBMIT).unwrap()
}

fn decode(event: &Value) -> Result<Intent, Poison> {
    Intent::decode(event.to_string().as_bytes())
}

fn submit_with(pointer: &str, value: Value) -> Value {
    let mut event = submit();
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

#[test]
fn the_golden_submit_is_read_field_by_field() {
    let intent = Intent::decode(SUBMIT.as_bytes()).unwrap();
    assert_eq!(
        intent.id.to_string(),
        "3f2b8c1e-5a4d-4e6f-8b7a-9c0d1e2f3a4b"
    );
    assert_eq!(
        intent.order_id.to_string(),
        "7d444840-9dc0-41d1-b245-5ffdce74fad2"
    );
    assert_eq!(intent.accepted_at.to_string(), "2026-11-22T05:00:00.000Z");
    assert_eq!(
        intent.traceparent.unwrap().as_str(),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    );
    let IntentKind::Submit(submit) = intent.kind else {
        panic!("not a submit")
    };
    assert_eq!(submit.owner, Caller::anonymous());
    let order = submit.order;
    assert_eq!(order.items()[1].sku(), "Ü-2");
    assert_eq!(order.total(), 2 * 1_299 + 10_000 * 1_000_000_000_000);
}

#[test]
fn the_golden_cancel_is_read_field_by_field() {
    let intent = Intent::decode(CANCEL.as_bytes()).unwrap();
    assert_eq!(intent.accepted_at.to_string(), "2026-11-22T05:00:01.500Z");
    assert_eq!(intent.traceparent, None);
    assert_eq!(
        intent.kind,
        IntentKind::Cancel(Cancel {
            caller: Caller::anonymous()
        })
    );
}

#[test]
fn what_is_written_today_is_the_golden_event() {
    for golden in [SUBMIT, CANCEL] {
        let written = Intent::decode(golden.as_bytes()).unwrap().encode();
        let (written, golden): (Value, Value) = (
            serde_json::from_slice(&written).unwrap(),
            serde_json::from_str(golden).unwrap(),
        );
        assert_eq!(written, golden);
    }
}

#[test]
fn an_intent_carries_the_trace_that_it_was_put_into() {
    let trace = Intent::decode(SUBMIT.as_bytes()).unwrap().traceparent;
    let traced = Intent::decode(CANCEL.as_bytes())
        .unwrap()
        .in_trace(trace.clone());
    let read = Intent::decode(&traced.encode()).unwrap();
    assert_eq!(read.traceparent, trace);
    assert_eq!(
        format!("{:?}", read.traceparent.unwrap()),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    );
}

#[test]
fn each_kind_of_poison_has_a_short_name_of_its_own() {
    let kinds = [
        (Poison::NotJson, "not_json"),
        (Poison::Attribute("id"), "bad_attribute"),
        (Poison::DuplicateAttribute, "duplicate_attribute"),
        (Poison::UnknownType, "unknown_type"),
        (Poison::Data(vec![]), "invalid_data"),
        (
            Poison::UnknownFingerprintVersion,
            "unknown_fingerprint_version",
        ),
        (Poison::FingerprintMismatch, "fingerprint_mismatch"),
    ];
    for (poison, name) in kinds {
        assert_eq!(poison.code(), name);
    }
}

#[test]
fn unknown_attributes_are_left_alone() {
    let mut event = submit();
    event["tenant"] = json!("t-1");
    event["dataschema"] = json!("https://example.com/order.json");
    assert_eq!(decode(&event), decode(&submit()));
}

#[test]
fn a_malformed_trace_is_left_alone_too() {
    assert_eq!(
        decode(&submit_with("/traceparent", json!("nonsense")))
            .unwrap()
            .traceparent,
        None
    );
}

#[test]
fn an_unknown_field_of_the_data_is_poison() {
    let mut event = submit();
    event["data"]["priority"] = json!("high");
    let Err(Poison::Data(violations)) = decode(&event) else {
        panic!("accepted")
    };
    assert_eq!(violations[0].pointer, "#/data/priority");
}

#[test]
fn an_invalid_order_is_poison_that_points_at_the_field() {
    let Err(Poison::Data(violations)) =
        decode(&submit_with("/data/order/items/0/quantity", json!(0)))
    else {
        panic!("accepted")
    };
    assert_eq!(violations[0].pointer, "#/data/order/items/0/quantity");
}

#[test]
fn a_newer_version_of_a_type_is_poison() {
    for kind in ["OrderSubmitIntent.v2", "OrderShipIntent.v1", ""] {
        assert_eq!(
            decode(&submit_with("/type", json!(kind))),
            Err(Poison::UnknownType),
            "{kind}"
        );
    }
}

#[test]
fn a_fingerprint_that_is_not_of_the_data_is_poison() {
    assert_eq!(
        decode(&submit_with("/data/order/customer_id", json!("c-2"))),
        Err(Poison::FingerprintMismatch)
    );
    assert_eq!(
        decode(&submit_with("/data/owner", json!("mallory"))),
        Err(Poison::FingerprintMismatch)
    );
}

#[test]
fn a_fingerprint_by_a_newer_rule_is_poison() {
    let newer = submit()["data"]["fingerprint"]
        .as_str()
        .unwrap()
        .replacen("1:", "2:", 1);
    assert_eq!(
        decode(&submit_with("/data/fingerprint", json!(newer))),
        Err(Poison::UnknownFingerprintVersion)
    );
}

#[test]
fn a_missing_or_malformed_attribute_is_poison_by_its_name() {
    for name in [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
    ] {
        let mut missing = submit();
        missing.as_object_mut().unwrap().remove(name);
        assert_eq!(decode(&missing), Err(Poison::Attribute(name)));
        assert_eq!(
            decode(&submit_with(&format!("/{name}"), json!(7))),
            Err(Poison::Attribute(name))
        );
    }
    for (name, bad) in [
        ("specversion", "0.3"),
        ("id", "1"),
        ("source", ""),
        ("subject", "order-1"),
        ("time", "yesterday"),
        ("datacontenttype", "text/xml"),
    ] {
        assert_eq!(
            decode(&submit_with(&format!("/{name}"), json!(bad))),
            Err(Poison::Attribute(name))
        );
    }
}

#[test]
fn an_envelope_that_says_two_things_is_poison() {
    let twice = CANCEL.replacen("{", "{\"type\": \"OrderSubmitIntent.v1\",", 1);
    assert_eq!(
        Intent::decode(twice.as_bytes()),
        Err(Poison::DuplicateAttribute)
    );
}

#[test]
fn what_is_no_json_object_is_poison() {
    for data in [&b""[..], b"hello", b"\xff", b"[]", b"null", b"\"{}\""] {
        assert_eq!(Intent::decode(data), Err(Poison::NotJson));
    }
}

#[test]
fn the_text_of_poison_repeats_nothing_of_the_event() {
    let mut event = submit();
    event["data"]["jane@example.com"] = json!("secret");
    event["data"]["order"]["note"] = json!("secret".repeat(200));
    let poison = decode(&event).unwrap_err();
    assert!(
        !poison.to_string().contains("secret") && !poison.to_string().contains("jane"),
        "{poison}"
    );
}

#[test]
fn the_largest_order_makes_a_record_far_below_the_streams_limit() {
    let item = json!({"sku": "\u{10ffff}".repeat(64), "quantity": 10_000, "unit_price": 1_000_000_000_000_u64});
    let order = json!({"customer_id": "\u{10ffff}".repeat(64), "currency": "EUR", "items": vec![item; 100], "note": "\u{1}".repeat(500)});
    let order = NewOrder::parse(order.to_string().as_bytes()).unwrap();
    let caller = Caller::parse(&"\"".repeat(2_048)).unwrap();
    let event = Intent::submit(
        IntentId::from_random([1; 16]),
        OrderId::from_random([2; 16]),
        Timestamp::from_unix_millis(0).unwrap(),
        caller,
        order,
    );
    assert!(
        event.encode().len() < 64 * 1_024,
        "{}",
        event.encode().len()
    );
}

proptest! {
    #[test]
    fn every_intent_is_read_back_as_itself(
        id in any::<[u8; 16]>(), order_id in any::<[u8; 16]>(), millis in 0..4_000_000_000_000_i64,
        caller in "[^\\p{Cc}]{1,80}", order in prop::option::of(generators::any_order()),
    ) {
        let (id, order_id) = (IntentId::from_random(id), OrderId::from_random(order_id));
        let (time, caller) = (Timestamp::from_unix_millis(millis).unwrap(), Caller::parse(&caller).unwrap());
        let intent = match order {
            Some(order) => Intent::submit(id, order_id, time, caller, NewOrder::parse(order.to_string().as_bytes()).unwrap()),
            None => Intent::cancel(id, order_id, time, caller),
        };
        prop_assert_eq!(Intent::decode(&intent.encode()), Ok(intent.clone()));
        let event = serde_json::from_slice(&intent.encode()).unwrap();
        prop_assert_eq!(VALIDATOR.with(|validator| validator.validate(&event)), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_are_poison_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Intent::decode(&bytes).is_err());
    }

    #[test]
    fn a_sound_event_with_a_byte_changed_is_read_or_poison_but_never_panics(at in 0..2_000_usize, byte in any::<u8>()) {
        let mut bytes = SUBMIT.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Intent::decode(&bytes);
    }
}
