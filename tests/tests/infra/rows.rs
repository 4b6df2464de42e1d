//! The size of an order's row, which decides about its write units. docs/deploy.md has a table of
//! the sizes.

use std::fmt::Write as _;

use conditional_write::{Item, Value};
use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Row, Step, Timestamp, next_step};

use crate::source::read;

/// The bytes of a value (DynamoDB developer guide, "DynamoDB item sizes and formats"). A name in a
/// map counts as `name_bytes` says.
fn size(value: &Value, name_bytes: fn(&str) -> usize) -> usize {
    match value {
        Value::S(text) => text.len(),
        // A byte for each two digits, and one more. Zeros at the end do not count.
        Value::N(number) => {
            let digits = number.unsigned_abs().to_string();
            digits.trim_end_matches('0').len().div_ceil(2) + 1
        }
        Value::Bool(_) => 1,
        Value::Ss(texts) => texts.iter().map(String::len).sum(),
        Value::L(elements) => {
            let elements = elements.iter().map(|element| 1 + size(element, name_bytes));
            3 + elements.sum::<usize>()
        }
        Value::M(members) => {
            let members = members.iter();
            let members =
                members.map(|(name, value)| 1 + name_bytes(name) + size(value, name_bytes));
            3 + members.sum::<usize>()
        }
    }
}

/// The bytes of a row. The name of the key is that of the table, so no new version of the row could
/// shorten it.
fn row_size(row: &Item, order_id: OrderId, name_bytes: fn(&str) -> usize) -> usize {
    let key = Row::KEY.len() + order_id.to_string().len();
    let attributes = row.iter().filter(|(name, _)| *name != Row::KEY);
    let attributes = attributes.map(|(name, value)| name_bytes(name) + size(value, name_bytes));
    key + attributes.sum::<usize>()
}

/// The row of an order with so many items, as the consumer writes it.
fn row(order_id: OrderId, items: usize) -> Item {
    let mut lines = String::new();
    for item in 0..items {
        let comma = if item == 0 { "" } else { "," };
        write!(
            lines,
            r#"{comma}{{"sku": "SKU-{item:07}", "quantity": 12, "unit_price": 12999}}"#
        )
        .unwrap();
    }
    let document =
        format!(r#"{{"customer_id": "customer-000001", "currency": "EUR", "items": [{lines}]}}"#);
    let order = NewOrder::parse(document.as_bytes()).unwrap();
    let owner = Caller::parse("4a4a9ae5-3a11-4bd6-9ac5-6a4c3fd9a9d1").unwrap();
    let accepted_at = Timestamp::parse("2026-11-28T16:13:39.374Z").unwrap();
    let intent_id = IntentId::from_random([7; 16]);
    let intent = Intent::submit(intent_id, order_id, accepted_at, owner, order);
    let Step::Write { write, .. } = next_step(&intent, None) else {
        panic!("a first submit is a write");
    };
    write.apply_to(None).unwrap()
}

#[test]
fn the_rows_in_deploy_md_have_the_sizes_of_the_rows_that_the_consumer_writes() {
    let document = read("docs/deploy.md");
    let head = "| items | row today, bytes | with names of one letter | write units |\n|---|---|---|---|\n";
    let (_, table) = document.split_once(head).unwrap();
    let rows: Vec<&str> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 3, "{rows:?}");
    let order_id = OrderId::from_random([7; 16]);
    for given in rows {
        let cells: Vec<String> = given
            .split('|')
            .map(|cell| cell.trim().replace(',', ""))
            .collect();
        let row = row(order_id, cells[1].parse().unwrap());
        let [today, short] = [str::len, |_: &str| 1].map(|bytes| row_size(&row, order_id, bytes));
        let units = format!("{} and {}", today.div_ceil(1_024), short.div_ceil(1_024));
        assert_eq!(
            cells[2..5],
            [today.to_string(), short.to_string(), units],
            "{given}"
        );
    }
}
