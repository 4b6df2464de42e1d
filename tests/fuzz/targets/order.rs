//! The parser of orders. An order that it takes is within every limit and says what the document
//! says. A document that it refuses is refused for rules that it breaks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orders::{Caller, Code, Fingerprint, NewOrder, ParseError, Violation};
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A text of the dictionary, which stands for content that a client sends.
const MARK: &str = "zq7marker";

fuzz_target!(|bytes: &[u8]| {
    match NewOrder::parse(bytes) {
        Ok(order) => taken(bytes, &order),
        Err(ParseError::NotJson { .. }) => assert!(!is_json(bytes), "it is JSON"),
        Err(ParseError::Invalid(violations)) => {
            assert!(is_json(bytes), "it is not JSON");
            refused(bytes, &violations);
        }
    }
});

fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn taken(bytes: &[u8], order: &NewOrder) {
    let document: Value = serde_json::from_slice(bytes).expect("an order is a JSON document");
    let written = serde_json::to_value(order).expect("an order can be written");
    assert_eq!(written, document, "the order says something else");

    // The same document, with another sequence of its members and other white space.
    let caller = Caller::anonymous();
    let fingerprint = Fingerprint::of(&caller, order);
    for text in [document.to_string(), format!("{document:#}")] {
        let again = NewOrder::parse(text.as_bytes()).expect("the same document");
        assert_eq!(&again, order);
        assert_eq!(Fingerprint::of(&caller, &again), fingerprint);
    }
    let stranger = Caller::parse("somebody else").expect("a name");
    assert_ne!(Fingerprint::of(&stranger, order), fingerprint);
    assert_eq!(Fingerprint::parse(fingerprint.as_str()), Some(fingerprint));

    let is_name = |text: &str| {
        (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    assert!(is_name(order.customer_id()));
    assert!(
        order.currency().len() == 3 && order.currency().bytes().all(|b| b.is_ascii_uppercase())
    );
    assert!(order.note().is_none_or(|note| note.chars().count() <= 500));
    assert!((1..=100).contains(&order.items().len()));
    let mut total = 0_u128;
    for item in order.items() {
        assert!(is_name(item.sku()));
        assert!((1..=10_000).contains(&item.quantity()));
        assert!(item.unit_price() <= 1_000_000_000_000);
        total += u128::from(item.quantity()) * u128::from(item.unit_price());
    }
    assert_eq!(u128::from(order.total()), total);
}

fn refused(bytes: &[u8], violations: &[Violation]) {
    assert!((1..=100).contains(&violations.len()));
    for violation in violations {
        assert!(!violation.detail.contains(MARK), "content is repeated");
    }
    // Of two members of one name a `Value` keeps one, and beyond a hundred nobody is told of them.
    let is_cut = violations.len() == 100;
    let has_duplicates = violations.iter().any(|one| one.code == Code::Duplicate);
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    for violation in violations.iter().filter(|_| !is_cut && !has_duplicates) {
        let fragment = violation.pointer.strip_prefix('#').expect("a fragment");
        assert!(fragment.bytes().all(|byte| byte.is_ascii_graphic()));
        let pointer = percent_decode_str(fragment).decode_utf8().expect("UTF-8");
        let (parent, _) = pointer.rsplit_once('/').unwrap_or_default();
        let is_there = document.pointer(&pointer).is_some();
        if violation.code == Code::Required {
            assert!(!is_there && document.pointer(parent).is_some_and(Value::is_object));
        } else {
            assert!(is_there, "{} is nowhere in the document", violation.pointer);
        }
    }
}
