//! The four writes there are, in DynamoDB's words and in what they make of a row.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use std::collections::BTreeMap;

use conditional_write::{Expression, Item, Value, Write};
use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Row, Step, Timestamp, next_step};
use proptest::prelude::*;
use serde_json::json;

mod generators;
use generators::any_order;

fn order_id() -> OrderId {
    OrderId::from_random([7; 16])
}

fn submit(id: u8, sku: &str) -> Intent {
    let order = json!({"customer_id": "c-1", "currency": "EUR", "items": [{"sku": sku, "quantity": 2, "unit_price": 1299}]});
    submit_of(id, &order)
}

fn submit_of(id: u8, order: &serde_json::Value) -> Intent {
    Intent::submit(
        IntentId::from_random([id; 16]),
        order_id(),
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        Caller::anonymous(),
        NewOrder::parse(order.to_string().as_bytes()).unwrap(),
    )
}

fn cancel() -> Intent {
    Intent::cancel(
        IntentId::from_random([9; 16]),
        order_id(),
        Timestamp::parse("2026-11-22T05:00:01.000Z").unwrap(),
        Caller::anonymous(),
    )
}

fn write(intent: &Intent, row: Option<&Item>) -> Write {
    let row = row.map(|item| Row::from_item(item).unwrap());
    match next_step(intent, row.as_ref()) {
        Step::Write { write, .. } => write,
        Step::Done(outcome) => panic!("nothing to write: {outcome:?}"),
    }
}

/// The row after these submits, each of another order.
fn row_of(skus: &[&str]) -> Item {
    let mut row = None;
    for (id, sku) in (0..).zip(skus) {
        let intent = submit(id, sku);
        row = Some(write(&intent, row.as_ref()).apply_to(row.as_ref()).unwrap());
    }
    row.unwrap()
}

fn fingerprint(intent: &Intent) -> Value {
    let row = write(intent, None).apply_to(None).unwrap();
    row.get("fingerprint").unwrap().clone()
}

fn names(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let text = |text: &&str| (*text).to_owned();
    of.iter().map(|(a, n)| (text(a), text(n))).collect()
}

fn values<const N: usize>(of: [(&str, Value); N]) -> BTreeMap<String, Value> {
    of.map(|(alias, value)| (alias.to_owned(), value)).into()
}

fn text(text: &str) -> Value {
    Value::S(text.to_owned())
}

#[test]
fn a_submit_sets_its_five_attributes_where_there_is_no_order_yet() {
    let intent = submit(1, "A-1");
    let content = BTreeMap::from([
        ("customer_id".to_owned(), text("c-1")),
        ("currency".to_owned(), text("EUR")),
        (
            "items".to_owned(),
            Value::L(vec![Value::M(BTreeMap::from([
                ("sku".to_owned(), text("A-1")),
                ("quantity".to_owned(), Value::N(2)),
                ("unit_price".to_owned(), Value::N(1_299)),
            ]))]),
        ),
    ]);
    assert_eq!(
        write(&intent, None).expression(Row::KEY),
        Expression {
            update: "SET #accepted_at = :v0, #content = :v1, #fingerprint = :v2, #owner = :v3, #submit_intent = :v4"
                .to_owned(),
            condition: "attribute_not_exists(#fingerprint)".to_owned(),
            names: names(&[
                ("#accepted_at", "accepted_at"),
                ("#content", "content"),
                ("#fingerprint", "fingerprint"),
                ("#owner", "owner"),
                ("#submit_intent", "submit_intent"),
            ]),
            values: values([
                (":v0", text("2026-11-22T05:00:00.000Z")),
                (":v1", Value::M(content)),
                (":v2", fingerprint(&intent)),
                (":v3", text("anonymous")),
                (":v4", text("01010101-0101-4101-8101-010101010101")),
            ]),
        }
    );
}

#[test]
fn a_cancel_sets_its_register_once_where_the_order_is_not_somebody_elses() {
    let register = BTreeMap::from([
        (
            "intent".to_owned(),
            text("09090909-0909-4909-8909-090909090909"),
        ),
        ("accepted_at".to_owned(), text("2026-11-22T05:00:01.000Z")),
    ]);
    assert_eq!(
        write(&cancel(), None).expression(Row::KEY),
        Expression {
            update: "SET #cancel = :v0".to_owned(),
            condition:
                "attribute_not_exists(#cancel) AND (attribute_not_exists(#owner) OR #owner = :v1)"
                    .to_owned(),
            names: names(&[("#cancel", "cancel:2f183a4e64493af3"), ("#owner", "owner")]),
            values: values([(":v0", Value::M(register)), (":v1", text("anonymous"))]),
        }
    );
}

#[test]
fn a_conflict_adds_its_fingerprint_to_a_set_of_at_most_ten() {
    let other = submit(2, "B-1");
    let Value::S(fingerprint) = fingerprint(&other) else {
        panic!("no text")
    };
    assert_eq!(
        write(&other, Some(&row_of(&["A-1"]))).expression(Row::KEY),
        Expression {
            update: "ADD #conflicts :v0".to_owned(),
            condition: "attribute_exists(#fingerprint) AND #fingerprint <> :v1 AND NOT contains(#conflicts, :v1) AND \
                        (attribute_not_exists(#conflicts) OR size(#conflicts) < :v2)"
                .to_owned(),
            names: names(&[("#conflicts", "conflicts"), ("#fingerprint", "fingerprint")]),
            values: values([
                (":v0", Value::Ss([fingerprint.clone()].into())),
                (":v1", Value::S(fingerprint)),
                (":v2", Value::N(10)),
            ]),
        }
    );
}

#[test]
fn the_first_conflict_beyond_ten_is_marked_once() {
    let skus = ["A", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    assert_eq!(
        write(&submit(99, "11"), Some(&row_of(&skus))).expression(Row::KEY),
        Expression {
            update: "SET #conflicts_truncated = :v0".to_owned(),
            condition:
                "attribute_exists(#fingerprint) AND attribute_not_exists(#conflicts_truncated)"
                    .to_owned(),
            names: names(&[
                ("#conflicts_truncated", "conflicts_truncated"),
                ("#fingerprint", "fingerprint"),
            ]),
            values: values([(":v0", Value::Bool(true))]),
        }
    );
}

#[test]
fn debug_shows_the_state_of_an_order_and_nothing_of_its_content() {
    let row = write(&submit(1, "A-1"), None).apply_to(None).unwrap();
    let view = Row::from_item(&row)
        .unwrap()
        .view(order_id(), &Caller::anonymous());
    assert_eq!(
        format!("{:?}", view.unwrap()),
        "OrderView(07070707-0707-4707-8707-070707070707, Placed)"
    );
}

proptest! {
    #[test]
    fn the_owner_sees_in_the_row_the_very_order_that_was_sent(document in any_order()) {
        let row = write(&submit_of(1, &document), None).apply_to(None).unwrap();
        let view = Row::from_item(&row).unwrap().view(order_id(), &Caller::anonymous()).unwrap();
        prop_assert_eq!(serde_json::to_value(view.content()).unwrap(), document);
    }
}
