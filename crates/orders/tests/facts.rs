//! The facts that a row shows, the facts that a change announces, and their events.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use orders::{
    Caller, CancelRegister, Fact, FactEvent, Fingerprint, Intent, IntentId, NewOrder, OrderId,
    Poison, Row, Submitted, Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use validation::Validator;

mod generators;
mod validation;

thread_local! {
    static VALIDATOR: Validator = Validator::new();
}

const CREATED: &str = include_str!("golden/created.v1.json");
const CANCELLED: &str = include_str!("golden/cancelled.v1.json");
const CONFLICTED: &str = include_str!("golden/conflicted.v1.json");
const ERASED: &str = include_str!("golden/erased.v1.json");
const SUBMIT: &str = include_str!("golden/submit.v1.json");

fn order_id() -> OrderId {
    OrderId::parse("7d444840-9dc0-41d1-b245-5ffdce74fad2").unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn order(customer: &str) -> NewOrder {
    let items = json!([{"sku": "A-1", "quantity": 2, "unit_price": 1299}]);
    let order = json!({"customer_id": customer, "currency": "EUR", "items": items});
    NewOrder::parse(order.to_string().as_bytes()).unwrap()
}

/// A row with an order of this owner.
fn row(owner: &str) -> Row {
    let owner = Caller::parse(owner).unwrap();
    let content = order("c-1");
    Row {
        submitted: Some(Submitted {
            fingerprint: Fingerprint::of(&owner, &content),
            owner,
            content,
            intent: IntentId::from_random([1; 16]),
            accepted_at: time("2026-11-22T05:00:00.000Z"),
        }),
        ..Row::default()
    }
}

fn cancelled_by(row: &Row, caller: &str) -> Row {
    let register = CancelRegister {
        intent: IntentId::from_random([2; 16]),
        accepted_at: time("2026-11-22T05:00:01.500Z"),
    };
    let mut row = row.clone();
    row.cancels
        .insert(Caller::parse(caller).unwrap().hash(), register);
    row
}

fn conflicting_with(row: &Row, customer: &str) -> Row {
    let mut row = row.clone();
    row.conflicts
        .insert(Fingerprint::of(&Caller::anonymous(), &order(customer)));
    row
}

fn names(facts: &[Fact]) -> Vec<String> {
    facts.iter().map(Fact::name).collect()
}

fn announced(old: Option<&Row>, new: Option<&Row>) -> Vec<String> {
    names(&Fact::announced_by(old, new))
}

#[test]
fn an_order_that_is_placed_is_created() {
    assert_eq!(announced(None, Some(&row("ann"))), ["created"]);
}

#[test]
fn a_cancel_of_an_order_announces_that_alone() {
    let placed = row("ann");
    let cancelled = cancelled_by(&placed, "ann");
    assert_eq!(announced(Some(&placed), Some(&cancelled)), ["cancelled"]);
}

#[test]
fn a_submit_that_meets_its_waiting_cancel_announces_two_facts_in_their_sequence() {
    let waiting = cancelled_by(&Row::default(), "ann");
    let born_cancelled = cancelled_by(&row("ann"), "ann");
    assert_eq!(
        announced(Some(&waiting), Some(&born_cancelled)),
        ["created", "cancelled"]
    );
}

#[test]
fn a_cancel_without_an_order_and_a_strangers_cancel_announce_nothing() {
    let waiting = cancelled_by(&Row::default(), "ann");
    assert_eq!(announced(None, Some(&waiting)), [""; 0]);
    let met = cancelled_by(&row("ann"), "bob");
    assert_eq!(announced(Some(&row("ann")), Some(&met)), [""; 0]);
}

#[test]
fn each_conflict_is_announced_once_by_its_fingerprint() {
    let one = conflicting_with(&row("ann"), "c-2");
    let two = conflicting_with(&one, "c-3");
    let fingerprint = |customer| Fingerprint::of(&Caller::anonymous(), &order(customer));
    let expected = |customer| [format!("conflicted/{}", fingerprint(customer))];
    assert_eq!(
        announced(Some(&row("ann")), Some(&one)),
        expected("c-2"),
        "the first"
    );
    assert_eq!(announced(Some(&one), Some(&two)), expected("c-3"));
}

#[test]
fn the_mark_that_there_are_more_conflicts_announces_nothing() {
    let mut truncated = row("ann");
    truncated.conflicts_truncated = true;
    assert_eq!(announced(Some(&row("ann")), Some(&truncated)), [""; 0]);
}

#[test]
fn a_change_that_changes_nothing_announces_nothing() {
    let row = cancelled_by(&row("ann"), "ann");
    assert_eq!(announced(Some(&row), Some(&row)), [""; 0]);
}

#[test]
fn a_deleted_order_is_erased_and_a_deleted_row_without_an_order_is_nothing() {
    let cancelled = cancelled_by(&row("ann"), "ann");
    assert_eq!(announced(Some(&cancelled), None), ["erased"]);
    let waiting = cancelled_by(&Row::default(), "ann");
    assert_eq!(announced(Some(&waiting), None), [""; 0]);
}

#[test]
fn a_fact_has_the_time_of_its_intent_or_else_of_the_change() {
    let changed_at = time("2026-11-22T06:00:00.000Z");
    let row = conflicting_with(&cancelled_by(&row("ann"), "ann"), "c-2");
    let times: BTreeMap<_, _> = Fact::announced_by(None, Some(&row))
        .into_iter()
        .map(|fact| {
            let event = FactEvent::new(order_id(), fact, changed_at);
            let kind = event.fact.name().split('/').next().unwrap().to_owned();
            (kind, event.time.to_string())
        })
        .collect();
    assert_eq!(times["created"], "2026-11-22T05:00:00.000Z");
    assert_eq!(times["cancelled"], "2026-11-22T05:00:01.500Z");
    assert_eq!(times["conflicted"], "2026-11-22T06:00:00.000Z");
}

#[test]
fn the_facts_of_the_golden_intents_are_written_as_the_golden_events() {
    let submit = Intent::decode(SUBMIT.as_bytes()).unwrap();
    let orders::IntentKind::Submit(data) = submit.kind else {
        unreachable!("it is a submit")
    };
    let row = Row {
        submitted: Some(Submitted {
            fingerprint: data.fingerprint.clone(),
            owner: data.owner.clone(),
            content: data.order,
            intent: submit.id,
            accepted_at: submit.accepted_at,
        }),
        conflicts: BTreeSet::from([data.fingerprint]),
        ..Row::default()
    };
    let row = cancelled_by(&row, data.owner.as_str());
    let written = |old, new, changed_at| -> Vec<Value> {
        Fact::announced_by(old, new)
            .into_iter()
            .map(|fact| FactEvent::new(order_id(), fact, time(changed_at)).encode())
            .map(|event| serde_json::from_slice(&event).unwrap())
            .collect()
    };
    let golden = |text| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        written(None, Some(&row), "2026-11-22T05:00:02.000Z"),
        [golden(CREATED), golden(CANCELLED), golden(CONFLICTED)]
    );
    assert_eq!(
        written(Some(&row), None, "2026-11-22T05:00:03.000Z"),
        [golden(ERASED)]
    );
}

#[test]
fn a_golden_event_is_read_and_written_again() {
    for golden in [CREATED, CANCELLED, CONFLICTED, ERASED] {
        let written = FactEvent::decode(golden.as_bytes()).unwrap().encode();
        let (written, golden): (Value, Value) = (
            serde_json::from_slice(&written).unwrap(),
            serde_json::from_str(golden).unwrap(),
        );
        assert_eq!(written, golden);
    }
}

/// The golden event with a change.
fn changed(golden: &str, change: impl FnOnce(&mut Value)) -> Result<FactEvent, Poison> {
    let mut event: Value = serde_json::from_str(golden).unwrap();
    change(&mut event);
    FactEvent::decode(event.to_string().as_bytes())
}

#[test]
fn what_a_newer_publisher_adds_is_left_alone() {
    let expected = FactEvent::decode(CREATED.as_bytes()).unwrap();
    let read = changed(CREATED, |event| {
        event["extension"] = json!("new");
        event["data"]["channel"] = json!("web");
        event["data"]["order"]["priority"] = json!(1);
        event["data"]["order"]["items"][0]["weight"] = json!(3);
    });
    assert_eq!(read, Ok(expected));
}

#[test]
fn a_type_that_is_not_known_is_told_from_a_malformed_event() {
    let read = changed(CREATED, |event| event["type"] = json!("OrderRefunded.v1"));
    assert_eq!(read, Err(Poison::UnknownType));
}

#[test]
fn an_id_that_is_not_the_facts_is_malformed() {
    let read = changed(CREATED, |event| {
        event["id"] = json!("7d444840-9dc0-41d1-b245-5ffdce74fad2/cancelled");
    });
    assert_eq!(read, Err(Poison::Attribute("id")));
}

#[test]
fn data_that_breaks_a_rule_names_the_field() {
    for (golden, pointer) in [
        (CREATED, "/data/owner"),
        (CREATED, "/data/fingerprint"),
        (CREATED, "/data/total"),
        (CREATED, "/data/order"),
        (CREATED, "/data/order/items/0/quantity"),
        (CANCELLED, "/data/owner"),
        (CONFLICTED, "/data/fingerprint"),
    ] {
        let read = changed(golden, |event| {
            *event.pointer_mut(pointer).unwrap() = json!({"not": "this"});
        });
        let Err(Poison::Data(violations)) = read else {
            panic!("{pointer}: {read:?}")
        };
        assert!(
            violations[0].pointer.starts_with(&format!("#{pointer}")),
            "{pointer}: {violations:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_poison(bytes: Vec<u8>) {
        let _ = FactEvent::decode(&bytes);
    }

    #[test]
    fn an_event_is_read_as_it_was_written_and_is_valid_by_its_schema(
        owner in "[^\\p{Cc}]{1,80}",
        content in generators::any_order(),
        customer in "[a-z]{1,8}",
        millis in 0_i64..4_000_000_000_000,
        is_cancelled: bool,
    ) {
        let mut row = conflicting_with(&row(&owner), &customer);
        let submitted = row.submitted.as_mut().unwrap();
        submitted.content = NewOrder::parse(content.to_string().as_bytes()).unwrap();
        if is_cancelled {
            row = cancelled_by(&row, &owner);
        }
        let changed_at = Timestamp::from_unix_millis(millis).unwrap();
        let facts = Fact::announced_by(None, Some(&row));
        for fact in facts.into_iter().chain(Fact::announced_by(Some(&row), None)) {
            let event = FactEvent::new(order_id(), fact, changed_at);
            let written = serde_json::from_slice(&event.encode()).unwrap();
            prop_assert_eq!(FactEvent::decode(&event.encode()), Ok(event));
            prop_assert_eq!(VALIDATOR.with(|validator| validator.validate(&written)), Ok(()));
        }
    }
}
