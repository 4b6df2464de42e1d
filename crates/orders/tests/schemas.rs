//! The schemas in `docs/schemas` take the events that the service writes, and refuse others.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;

use orders::{FactEvent, NewOrder};
use serde_json::{Value, json};

use validation::Validator;

mod validation;

const GOLDEN: [&str; 6] = [
    include_str!("golden/created.v1.json"),
    include_str!("golden/cancelled.v1.json"),
    include_str!("golden/conflicted.v1.json"),
    include_str!("golden/erased.v1.json"),
    include_str!("golden/submit.v1.json"),
    include_str!("golden/cancel.v1.json"),
];

fn golden() -> [Value; 6] {
    GOLDEN.map(|text| serde_json::from_str(text).unwrap())
}

/// The pointers to all values in a document, the document itself excepted.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, of)| (name.clone(), of))
            .collect(),
        Value::Array(elements) => (0..)
            .zip(elements)
            .map(|(i, of)| (format!("{i}"), of))
            .collect(),
        _ => Vec::new(),
    };
    let members = members.into_iter();
    members
        .flat_map(|(name, of)| {
            let at = format!("{at}/{name}");
            [vec![at.clone()], pointers(of, &at)].concat()
        })
        .collect()
}

#[test]
fn each_golden_event_is_valid_by_its_schema_and_by_no_other() {
    let validator = Validator::new();
    for event in golden() {
        for type_name in validator.types() {
            let result = validator.validate_as(type_name, &event);
            assert_eq!(result.is_ok(), event["type"] == type_name, "{result:?}");
        }
    }
    let types: BTreeSet<_> = validator.types().into_iter().map(str::to_owned).collect();
    let golden = golden().map(|event| event["type"].as_str().unwrap().to_owned());
    assert_eq!(types, BTreeSet::from(golden));
}

#[test]
fn a_value_of_another_type_is_invalid_wherever_it_is() {
    let validator = Validator::new();
    for sound in golden() {
        let type_name = sound["type"].as_str().unwrap();
        for pointer in pointers(&sound, "") {
            let mut event = sound.clone();
            *event.pointer_mut(&pointer).unwrap() = json!(true);
            let result = validator.validate_as(type_name, &event);
            assert!(result.is_err(), "{type_name} {pointer}");
        }
    }
}

#[test]
fn an_event_without_a_required_attribute_or_field_is_invalid() {
    let optional = ["traceparent", "note"];
    let validator = Validator::new();
    for sound in golden() {
        let type_name = sound["type"].as_str().unwrap();
        for pointer in pointers(&sound, "") {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let mut event = sound.clone();
            let Some(object) = event.pointer_mut(parent).unwrap().as_object_mut() else {
                continue;
            };
            object.remove(name).unwrap();
            let result = validator.validate_as(type_name, &event);
            assert_eq!(
                result.is_ok(),
                optional.contains(&name),
                "{type_name} {pointer}"
            );
        }
    }
}

#[test]
fn unknown_attributes_are_valid_and_unknown_fields_of_facts_too() {
    let validator = Validator::new();
    for mut event in golden() {
        event["tenant"] = json!("t-1");
        assert_eq!(validator.validate(&event), Ok(()));
        let is_fact = FactEvent::decode(event.to_string().as_bytes()).is_ok();
        event["data"]["channel"] = json!("web");
        assert_eq!(validator.validate(&event).is_ok(), is_fact, "{event}");
    }
    let [mut created, .., mut submit, _] = golden();
    for event in [&mut created, &mut submit] {
        event["data"]["order"]["items"][0]["weight"] = json!(3);
    }
    assert_eq!(validator.validate(&created), Ok(()));
    assert!(validator.validate(&submit).is_err());
}

#[test]
fn at_each_limit_the_schema_takes_the_orders_that_the_parser_takes() {
    let validator = Validator::new();
    let item = json!({"sku": "A-1", "quantity": 1, "unit_price": 0});
    let letters = |count| json!("é".repeat(count));
    let items = |count| json!(vec![item.clone(); count]);
    let cases = [
        ("/customer_id", [letters(64), letters(65)]),
        ("/customer_id", [letters(1), letters(0)]),
        ("/customer_id", [json!("c 1"), json!("c\n1")]),
        ("/currency", [json!("USD"), json!("usd")]),
        ("/items", [items(100), items(101)]),
        ("/items", [items(1), items(0)]),
        ("/items/0/sku", [letters(64), letters(65)]),
        ("/items/0/sku", [json!("A\u{a0}"), json!("A\u{9f}")]),
        ("/items/0/quantity", [json!(10_000), json!(10_001)]),
        ("/items/0/quantity", [json!(1), json!(0)]),
        (
            "/items/0/unit_price",
            [json!(1_000_000_000_000_u64), json!(1_000_000_000_001_u64)],
        ),
        ("/items/0/unit_price", [json!(0), json!(-1)]),
        ("/note", [letters(500), letters(501)]),
        ("/note", [json!(""), json!(null)]),
    ];
    for (pointer, values) in cases {
        for (value, is_sound) in values.into_iter().zip([true, false]) {
            let [.., mut submit, _] = golden();
            let order = &mut submit["data"]["order"];
            *order.pointer_mut(pointer).unwrap() = value;
            let parsed = NewOrder::parse(order.to_string().as_bytes());
            assert_eq!(parsed.is_ok(), is_sound, "{pointer} {parsed:?}");
            let result = validator.validate(&submit);
            assert_eq!(result.is_ok(), is_sound, "{pointer} {result:?}");
        }
    }
}
