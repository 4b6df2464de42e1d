//! The line between an order and anything else, and how a client learns why.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use orders::{Code, NewOrder, ParseError};
use proptest::prelude::*;
use serde_json::{Value, json};

mod generators;
use generators::any_order;

fn sound() -> Value {
    json!({"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]})
}

fn parse(document: &Value) -> Result<NewOrder, ParseError> {
    NewOrder::parse(document.to_string().as_bytes())
}

/// A sound document with the value at this pointer replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = sound();
    *document.pointer_mut(pointer).unwrap() = value;
    document
}

/// Pointer and code of every violation.
fn violations(bytes: &[u8]) -> Vec<(String, Code)> {
    match NewOrder::parse(bytes) {
        Err(ParseError::Invalid(violations)) => violations
            .into_iter()
            .map(|v| (v.pointer, v.code))
            .collect(),
        other => panic!("expected violations, got {other:?}"),
    }
}

fn only_violation(document: &Value) -> (String, Code) {
    let mut all = violations(document.to_string().as_bytes());
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_sound_order_is_read_field_by_field() {
    let mut document = sound();
    document["note"] = json!("leave it at the door");
    let order = parse(&document).unwrap();
    let [item] = order.items() else {
        panic!("one line item, got {}", order.items().len())
    };
    assert_eq!((order.customer_id(), order.currency()), ("c-1", "EUR"));
    assert_eq!(
        (item.sku(), item.quantity(), item.unit_price()),
        ("A-1", 2, 1_299)
    );
    assert_eq!(order.note(), Some("leave it at the door"));
}

#[test]
fn a_field_too_many_refuses_an_order_that_is_sound_without_it() {
    let sound = sound().to_string();
    for (more, pointer, code) in [
        (r#""qantity": 3"#, "#/qantity", Code::Unknown),
        (r#""currency": "EUR""#, "#/currency", Code::Duplicate),
    ] {
        let body = format!("{{{more}, {}", &sound[1..]);
        assert_eq!(violations(body.as_bytes()), [(pointer.to_owned(), code)]);
    }
}

#[test]
fn every_violation_is_reported_at_once_with_a_pointer() {
    let body = br#"{"customer_id": "", "items": [{"sku": "A\n", "quantity": 0, "unit_price": -1},
        {"sku": 7, "quantity": 1.5, "price": 1}, 3], "note": null, "customer_id": "again", "a/b": {}}"#;
    let expected = [
        ("#/customer_id", Code::Length),
        ("#/currency", Code::Required),
        ("#/items/0/sku", Code::Characters),
        ("#/items/0/quantity", Code::Range),
        ("#/items/0/unit_price", Code::Range),
        ("#/items/1/sku", Code::Type),
        ("#/items/1/quantity", Code::Type),
        ("#/items/1/unit_price", Code::Required),
        ("#/items/1/price", Code::Unknown),
        ("#/items/2", Code::Type),
        ("#/note", Code::Type),
        ("#/customer_id", Code::Duplicate),
        ("#/a~1b", Code::Unknown),
    ];
    assert_eq!(
        violations(body),
        expected.map(|(pointer, code)| (pointer.to_owned(), code))
    );
}

#[test]
fn a_violation_never_repeats_what_was_sent() {
    let document = with("/customer_id", json!("secret".repeat(20)));
    let Err(ParseError::Invalid(all)) = parse(&document) else {
        panic!("accepted")
    };
    assert!(!all[0].detail.contains("secret"));
}

#[test]
fn what_is_no_json_is_told_from_json_that_breaks_a_rule() {
    for bytes in [
        &b""[..],
        b"{",
        b"{\"a\":}",
        b"\xff\xfe",
        b"\"\xff\"",
        b"{} x",
        b"01",
        b"\"\\ux\"",
    ] {
        let result = NewOrder::parse(bytes);
        assert!(
            matches!(result, Err(ParseError::NotJson { .. })),
            "{bytes:?}"
        );
    }
    assert_eq!(violations(b"[]"), [("#".to_owned(), Code::Type)]);
}

#[test]
fn json_that_says_what_no_value_can_hold_breaks_a_rule() {
    let nested = "[".repeat(500) + &"]".repeat(500);
    for text in ["{\"note\": \"\\ud800\"}", "{\"note\": 1e999}", &nested] {
        assert_eq!(
            violations(text.as_bytes()),
            [("#".to_owned(), Code::Format)],
            "{text}"
        );
    }
}

#[test]
fn a_syntax_error_is_located() {
    assert_eq!(
        NewOrder::parse(b"{\n  \"a\": ?"),
        Err(ParseError::NotJson { line: 2, column: 8 })
    );
}

#[test]
fn names_have_1_to_64_characters_whatever_their_bytes() {
    for field in ["/customer_id", "/items/0/sku"] {
        assert!(parse(&with(field, json!("é".repeat(64)))).is_ok());
        assert_eq!(
            only_violation(&with(field, json!("é".repeat(65)))),
            (format!("#{field}"), Code::Length)
        );
        assert_eq!(
            only_violation(&with(field, json!(""))),
            (format!("#{field}"), Code::Length)
        );
        assert_eq!(
            only_violation(&with(field, json!("a\u{85}"))),
            (format!("#{field}"), Code::Characters)
        );
    }
}

#[test]
fn a_quantity_is_1_to_10_000() {
    for (quantity, accepted) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        assert_eq!(
            parse(&with("/items/0/quantity", json!(quantity))).is_ok(),
            accepted,
            "{quantity}"
        );
    }
}

#[test]
fn a_unit_price_is_0_to_a_million_million_minor_units() {
    for (price, accepted) in [
        (-1_i64, false),
        (0, true),
        (1_000_000_000_000, true),
        (1_000_000_000_001, false),
        (i64::MAX, false),
    ] {
        assert_eq!(
            parse(&with("/items/0/unit_price", json!(price))).is_ok(),
            accepted,
            "{price}"
        );
    }
}

#[test]
fn a_number_that_is_not_written_as_an_integer_is_refused() {
    for text in ["1.0", "1e2", "-0", "99999999999999999999"] {
        let body = sound().to_string().replace("1299", text);
        assert_eq!(
            violations(body.as_bytes()),
            [("#/items/0/unit_price".to_owned(), Code::Type)],
            "{text}"
        );
    }
    assert_eq!(
        only_violation(&with("/items/0/unit_price", json!("1299"))).1,
        Code::Type
    );
}

#[test]
fn an_order_has_1_to_100_items() {
    let items = |count| {
        Value::Array(vec![
            json!({"sku": "A", "quantity": 1, "unit_price": 1});
            count
        ])
    };
    assert!(parse(&with("/items", items(1))).is_ok());
    assert!(parse(&with("/items", items(100))).is_ok());
    for count in [0, 101] {
        assert_eq!(
            only_violation(&with("/items", items(count))),
            ("#/items".to_owned(), Code::Length)
        );
    }
}

#[test]
fn a_note_is_optional_and_has_at_most_500_characters() {
    let mut document = sound();
    document["note"] = json!("n".repeat(500));
    assert!(parse(&document).is_ok());
    document["note"] = json!("n".repeat(501));
    assert_eq!(
        only_violation(&document),
        ("#/note".to_owned(), Code::Length)
    );
    document["note"] = json!("two\nlines");
    assert_eq!(parse(&document).unwrap().note(), Some("two\nlines"));
}

#[test]
fn a_currency_is_an_upper_case_code_of_iso_4217() {
    for bad in ["eur", "EURO", "ABC", "", "€"] {
        assert_eq!(
            only_violation(&with("/currency", json!(bad))),
            ("#/currency".to_owned(), Code::Currency)
        );
    }
}

#[test]
fn the_total_is_computed_in_minor_units() {
    let document = with(
        "/items",
        json!([{"sku": "A", "quantity": 3, "unit_price": 333}, {"sku": "B", "quantity": 1, "unit_price": 1}]),
    );
    assert_eq!(parse(&document).unwrap().total(), 1_000);
}

#[test]
fn the_total_of_the_dearest_order_does_not_overflow() {
    let dearest =
        vec![json!({"sku": "A", "quantity": 10_000, "unit_price": 1_000_000_000_000_i64}); 100];
    assert_eq!(
        parse(&with("/items", Value::Array(dearest)))
            .unwrap()
            .total(),
        1_000_000_000_000_000_000
    );
}

#[test]
fn a_request_full_of_unknown_fields_is_answered_with_the_first_hundred() {
    let fields: Vec<String> = (0..5_000).map(|n| format!("\"f{n}\":1")).collect();
    assert_eq!(
        violations(format!("{{{}}}", fields.join(",")).as_bytes()).len(),
        100
    );
}

#[test]
fn debug_shows_no_content() {
    let order = parse(&sound()).unwrap();
    assert_eq!(format!("{order:?}"), "NewOrder(1 items)");
    assert_eq!(format!("{:?}", order.items()[0]), "LineItem");
}

proptest! {
    #[test]
    fn every_order_within_the_limits_is_read_and_written_as_itself(document in any_order()) {
        let order = parse(&document).unwrap();
        prop_assert_eq!(&serde_json::to_value(&order).unwrap(), &document);
        prop_assert_eq!(parse(&serde_json::to_value(&order).unwrap()).unwrap(), order);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = NewOrder::parse(&bytes);
    }

    #[test]
    fn a_sound_document_with_a_byte_changed_is_read_or_refused_but_never_panics(at in 0..90_usize, byte in any::<u8>()) {
        let mut bytes = sound().to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = NewOrder::parse(&bytes);
    }
}
