//! Large and odd orders that break no rule. Each passes from the request to the stream, the row,
//! the answer to its owner and the fact, and none of its characters and digits changes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use tests::{FactsEvidence, Stack, StreamRecord, eventually, records};

/// The largest body.
const MAX_BODY: usize = 64 * 1_024;
const MAX_PRICE: u64 = 1_000_000_000_000;

/// Characters that some program changes, escapes, drops or takes for others. A name may have them.
const ODD: [&str; 27] = [
    "a",
    " ",
    "\"",
    "\\",
    "/",
    "</script>",
    "'",
    "%00",
    "$",
    "{}",
    // Characters of two, three and four bytes in UTF-8, and the last of them all.
    "é",
    "€",
    "😀",
    "\u{10ffff}",
    // A letter and its accent as two characters, the same as one, and a flag of two.
    "e\u{301}",
    "\u{1e9b}\u{323}",
    "🇪🇺",
    "👩\u{200d}👩\u{200d}👧",
    // Marks for the direction of the text, which are not shown.
    "\u{200e}\u{200f}\u{202e}\u{2066}",
    // Ends of lines, but not of JSON's.
    "\u{2028}",
    "\u{2029}",
    // White space and marks that trimming takes away.
    "\u{a0}\u{3000}",
    "\u{feff}",
    "\u{200b}",
    // Characters that are none, or that stand for unreadable ones.
    "\u{fffe}\u{ffff}",
    "\u{fffd}",
    "\u{e000}",
];

/// Characters that only a note may have.
const ODD_IN_NOTES: [&str; 6] = [
    "\0",
    "\u{1}\u{1f}",
    "\r\n\t",
    "\u{7f}",
    "\u{85}",
    "\u{1b}[31m",
];

/// The text, again and again up to so many characters.
fn filled(text: &str, characters: usize) -> String {
    text.chars().cycle().take(characters).collect()
}

fn item(sku: &str, quantity: u64, unit_price: u64) -> Value {
    json!({"sku": sku, "quantity": quantity, "unit_price": unit_price})
}

fn order(customer_id: &str, items: Vec<Value>, note: Option<&str>) -> Value {
    let mut order = json!({"customer_id": customer_id, "currency": "EUR", "items": items});
    if let Some(note) = note {
        order["note"] = json!(note);
    }
    order
}

/// The documents to be sent.
fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    for odd in ODD {
        let first = filled(odd, 1);
        let (short, long) = (
            item(&first, 1, 0),
            item(&filled(odd, 64), 10_000, MAX_PRICE),
        );
        documents.push(order(&first, vec![short], None).to_string());
        let note = filled(odd, 500);
        documents.push(order(&filled(odd, 64), vec![long], Some(&note)).to_string());
    }
    for odd in ODD_IN_NOTES {
        let note = filled(odd, 500);
        documents.push(order("c-1", vec![item("A", 1, 1)], Some(&note)).to_string());
    }
    documents.push(order("c-1", vec![item("A", 1, 1)], Some("")).to_string());
    for currency in ["AED", "CLF", "JPY", "KWD", "ZWG"] {
        let mut order = order("c-1", vec![item("A", 1, 1)], None);
        order["currency"] = json!(currency);
        documents.push(order.to_string());
    }
    // The dearest order, with the largest total that there is.
    let dearest = item("A", 10_000, MAX_PRICE);
    documents.push(order("c-1", vec![dearest; 100], None).to_string());
    let cheapest = item("A", 1, 0);
    documents.push(order("c-1", vec![cheapest; 100], None).to_string());
    // The largest order.
    let astral = filled("😀", 64);
    let items = (0..100).map(|n| item(&astral, n + 1, MAX_PRICE - n));
    let largest = order(&astral, items.collect(), Some(&filled("\u{10ffff}", 500)));
    documents.push(largest.to_string());
    // Characters as escapes, and white space up to the largest body, before, within and behind.
    let escaped = r#"{"\u0063ustomer_id":"\ud83d\ude00\u0041\/\u2028","currency":"EUR","items":[{"sku":"\"\\\/\u00e9","quantity":7,"unit_price":9}],"note":"\b\f\n\r\t\u0000"}"#;
    documents.push(escaped.to_owned());
    let spaced = format!("\n\t {}", escaped.replacen(':', " :\r\n", 1));
    let spaces = MAX_BODY - spaced.len();
    let spaced = spaced + &" ".repeat(spaces);
    documents.push(spaced);
    documents
}

/// The members of an order, of all the members that an answer has.
fn of_order(answer: &Value) -> Value {
    let names = ["customer_id", "currency", "items", "note"];
    let members = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), answer.get(name)?.clone())));
    Value::Object(members.collect::<Map<_, _>>())
}

/// The JSON of an attribute. Numbers keep the digits that the table has.
fn of_attribute(attribute: &AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => json!(text),
        AttributeValue::N(digits) => {
            let number: u64 = digits.parse().unwrap();
            assert_eq!(&number.to_string(), digits);
            json!(number)
        }
        AttributeValue::L(elements) => elements.iter().map(of_attribute).collect(),
        AttributeValue::M(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (name.clone(), of_attribute(value)));
            Value::Object(members.collect())
        }
        other => panic!("an order has no {other:?}"),
    }
}

/// The data of events in which an order was submitted or created, by the order's id.
fn data_by_order(records: &[StreamRecord], kind: &str) -> BTreeMap<String, Value> {
    let events = records
        .iter()
        .map(|record| serde_json::from_slice::<Value>(&record.data).unwrap());
    let events = events.filter(|event| event["type"] == kind);
    events
        .map(|event| {
            (
                event["subject"].as_str().unwrap().to_owned(),
                event["data"].clone(),
            )
        })
        .collect()
}

fn total(order: &Value) -> u64 {
    let items = order["items"].as_array().unwrap();
    let price =
        |item: &Value| item["quantity"].as_u64().unwrap() * item["unit_price"].as_u64().unwrap();
    items.iter().map(price).sum()
}

#[tokio::test]
async fn an_order_at_a_limit_is_the_same_in_stream_row_answer_and_fact() {
    let stack = Stack::start().await;
    let documents = documents();
    assert!(documents.iter().any(|document| document.len() == MAX_BODY));
    let sent = stream::iter(&documents).map(async |document| {
        let answer = stack.submit(&[], document).await;
        assert_eq!(answer.status, 202, "{document}: {}", answer.body);
        (
            answer.text("order_id").to_owned(),
            serde_json::from_str::<Value>(document).unwrap(),
        )
    });
    let sent: HashMap<String, Value> = sent.buffer_unordered(8).collect().await;
    assert_eq!(sent.len(), documents.len());
    let mut largest_total = 0;
    for (id, order) in &sent {
        let answer = stack.persisted(id, &[]).await;
        assert_eq!(&of_order(&answer.body), order, "as its owner reads it");
        assert_eq!(answer.body["total"], total(order));
        largest_total = largest_total.max(total(order));
        let row = stack.row(id).await.unwrap();
        assert_eq!(&of_attribute(&row["content"]), order, "in the row");
    }
    assert_eq!(largest_total, 1_000_000_000_000_000_000);
    let submitted = data_by_order(&records(&stack).await, "OrderSubmitIntent.v1");
    let created = eventually("a fact of each order", || async {
        let records = FactsEvidence::gather(&stack).await.records;
        let created = data_by_order(&records, "OrderCreated.v1");
        (created.len() == sent.len()).then_some(created)
    })
    .await;
    for (id, order) in &sent {
        assert_eq!(&submitted[id]["order"], order, "in the stream");
        assert_eq!(&created[id]["order"], order, "in the fact");
        assert_eq!(created[id]["total"], total(order));
        assert_eq!(created[id]["fingerprint"], submitted[id]["fingerprint"]);
    }
    stack
        .facts_settled_within(Duration::from_secs(60))
        .await
        .assert_kept();
}
