//! Evidence that breaks each of the promises, and evidence that keeps them.

use event_source_mapping::SequenceNumber;
use orders::{Caller, NewOrder, Step, Timestamp, next_step};

use super::*;
use crate::{Discarded, ORDER};

const OTHER: &str = r#"{"customer_id": "c-2", "currency": "EUR", "items": [{"sku": "B", "quantity": 1, "unit_price": 5}]}"#;

fn submit(order: u8, intent: u8, content: &str) -> Intent {
    Intent::submit(
        IntentId::from_random([intent; 16]),
        OrderId::from_random([order; 16]),
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        Caller::anonymous(),
        NewOrder::parse(content.as_bytes()).unwrap(),
    )
}

fn cancel(order: u8, intent: u8) -> Intent {
    let time = Timestamp::parse("2026-11-22T05:00:01.000Z").unwrap();
    let (id, order_id) = (
        IntentId::from_random([intent; 16]),
        OrderId::from_random([order; 16]),
    );
    Intent::cancel(id, order_id, time, Caller::anonymous())
}

/// A stream with these records, and a table. The intents that `applied` picks were applied to the
/// table.
fn evidence(intents: &[Intent], applied: impl Fn(&Intent) -> bool) -> Evidence {
    let mut items = BTreeMap::new();
    for intent in intents.iter().filter(|intent| applied(intent)) {
        loop {
            let item = items.get(&intent.order_id);
            let row = item.map(|item| Row::from_item(item).unwrap());
            match next_step(intent, row.as_ref()) {
                Step::Done(_) => break,
                Step::Write { write, .. } => match write.apply_to(item) {
                    Ok(item) => {
                        items.insert(intent.order_id, item);
                        break;
                    }
                    Err(_) => {
                        assert!(item.is_some(), "the first write of a row is not refused")
                    }
                },
            }
        }
    }
    let records = intents
        .iter()
        .enumerate()
        .map(|(place, intent)| StreamRecord {
            shard_id: "shardId-000000000000".into(),
            sequence_number: number(place),
            partition_key: intent.order_id.to_string(),
            data: intent.encode(),
        });
    Evidence {
        records: records.collect(),
        rows: items
            .into_iter()
            .map(|(id, item)| (id, Row::from_item(&item).unwrap()))
            .collect(),
        discards: vec![],
    }
}

fn number(place: usize) -> SequenceNumber {
    SequenceNumber::parse(&(place + 1).to_string()).unwrap()
}

fn accepted(intent: &Intent, key: Option<&str>) -> Call {
    let mut what = What::from(intent);
    if let What::Submit { key: place, .. } = &mut what {
        *place = key.map(str::to_owned);
    }
    Call {
        what,
        told: Told::Accepted(intent.order_id, intent.id),
    }
}

fn failed(intent: &Intent, key: Option<&str>) -> Call {
    Call {
        told: Told::Failed,
        ..accepted(intent, key)
    }
}

fn audit(calls: &[Call], evidence: &Evidence) -> Audit {
    Audit::of(calls, &Evidence::default(), evidence)
}

#[test]
fn what_is_applied_once_duplicate_conflicting_or_cancelled_is_kept() {
    let first = submit(1, 1, ORDER);
    let intents = [
        first,
        submit(1, 2, ORDER),
        submit(1, 3, OTHER),
        cancel(1, 4),
    ];
    let calls: Vec<Call> = intents
        .iter()
        .map(|intent| accepted(intent, Some("k")))
        .collect();
    let audit = audit(&calls, &evidence(&intents, |_| true));
    audit.assert_kept();
    let expected = Audit {
        accepted: 4,
        became: Accepted {
            persisted: 1,
            repeated: 2,
            cancels: 1,
            ..Accepted::default()
        },
        persisted: 1,
        cancelled: 1,
        absorbed: 2,
        ..Audit::default()
    };
    assert_eq!(audit, expected);
}

#[test]
fn an_accepted_intent_without_an_effect_is_lost() {
    for intent in [submit(1, 2, ORDER), cancel(1, 2)] {
        let intents = [submit(2, 1, ORDER), intent];
        let calls = intents.clone().map(|intent| accepted(&intent, None));
        let evidence = evidence(&intents, |intent| *intent != intents[1]);
        assert_eq!(audit(&calls, &evidence).lost.len(), 1);
    }
}

#[test]
fn an_unrecorded_conflict_is_lost() {
    let intents = [submit(1, 1, ORDER), submit(1, 2, OTHER)];
    let calls = intents.clone().map(|intent| accepted(&intent, None));
    let evidence = evidence(&intents, |intent| *intent == intents[0]);
    assert_eq!(audit(&calls, &evidence).lost.len(), 1);
}

#[test]
fn an_accepted_intent_that_is_not_in_the_stream_is_lost() {
    let call = accepted(&submit(1, 1, ORDER), None);
    assert_eq!(audit(&[call], &Evidence::default()).lost.len(), 1);
}

#[test]
fn what_lies_in_a_discarded_range_can_be_put_back() {
    let intents = [
        submit(1, 1, ORDER),
        submit(2, 2, ORDER),
        submit(3, 3, ORDER),
    ];
    let calls = intents.clone().map(|intent| accepted(&intent, None));
    let mut evidence = evidence(&intents, |intent| *intent == intents[0]);
    evidence.discards.push(Discarded {
        shard_id: "shardId-000000000000".into(),
        start: number(0),
        end: number(1),
    });
    let audit = audit(&calls, &evidence);
    assert_eq!(audit.recoverable, BTreeSet::from([intents[1].id]));
    assert_eq!(audit.lost.len(), 1, "the third intent is not in the range");
    let expected = Accepted {
        persisted: 1,
        discarded: 1,
        lost: 1,
        ..Accepted::default()
    };
    assert_eq!(audit.became, expected);
}

#[test]
fn each_accepted_call_is_counted_in_one_place() {
    let intents = [
        submit(1, 1, ORDER),
        submit(1, 2, ORDER),
        cancel(1, 3),
        cancel(1, 4),
        submit(2, 5, ORDER),
        submit(2, 6, ORDER),
        cancel(2, 7),
    ];
    let calls = intents.clone().map(|intent| accepted(&intent, None));
    let mut evidence = evidence(&intents, |intent| intent.order_id == intents[0].order_id);
    evidence.discards.push(Discarded {
        shard_id: "shardId-000000000000".into(),
        start: number(4),
        end: number(5),
    });
    let audit = audit(&calls, &evidence);
    let expected = Accepted {
        persisted: 1,
        repeated: 1,
        cancels: 1,
        cancels_repeated: 1,
        discarded: 2,
        lost: 1,
    };
    assert_eq!(audit.became, expected);
    assert_eq!(audit.became.sum(), audit.accepted);
    assert_eq!(audit.lost.len(), 1);
}

#[test]
fn two_orders_under_one_key_are_doubled() {
    let intents = [submit(1, 1, ORDER), submit(2, 2, ORDER)];
    let calls = intents.clone().map(|intent| accepted(&intent, Some("k")));
    assert_eq!(
        audit(&calls, &evidence(&intents, |_| true)).doubled.len(),
        1
    );
}

#[test]
fn two_intents_from_one_call_are_doubled() {
    let intents = [submit(1, 1, ORDER), submit(1, 2, ORDER)];
    let call = accepted(&intents[1], Some("k"));
    assert_eq!(
        audit(&[call], &evidence(&intents, |_| true)).doubled.len(),
        1
    );
}

#[test]
fn an_order_that_nobody_was_told_of_is_doubled_unless_a_call_failed() {
    let intents = [submit(1, 1, ORDER), submit(2, 2, ORDER)];
    let evidence = evidence(&intents, |_| true);
    let told = accepted(&intents[0], None);
    assert_eq!(
        audit(std::slice::from_ref(&told), &evidence).doubled.len(),
        1
    );
    let failed = failed(&intents[1], None);
    audit(&[told, failed], &evidence).assert_kept();
}

#[test]
fn a_call_that_failed_is_about_its_own_order_alone() {
    let intents = [submit(1, 1, ORDER), submit(1, 2, ORDER)];
    let evidence = evidence(&intents, |_| true);
    let told = accepted(&intents[0], Some("k"));
    let retry = failed(&intents[1], Some("k"));
    audit(&[told.clone(), retry], &evidence).assert_kept();
    for other in [
        failed(&intents[1], None),
        failed(&intents[1], Some("other")),
        failed(&cancel(2, 3), None),
    ] {
        let audit = audit(&[told.clone(), other], &evidence);
        assert_eq!(audit.doubled.len(), 1);
    }
}

#[test]
fn an_intent_that_says_something_else_than_its_client_is_unexplained() {
    let sent = submit(1, 1, ORDER);
    let other = submit(1, 1, OTHER);
    let evidence = evidence(std::slice::from_ref(&other), |_| true);
    assert_eq!(
        audit(&[accepted(&sent, None)], &evidence).unexplained.len(),
        1
    );
    assert_eq!(
        audit(&[failed(&sent, None)], &evidence).unexplained.len(),
        1
    );
    audit(&[failed(&other, None)], &evidence).assert_kept();
    let unknown = |order_id| Call {
        told: Told::Unknown(order_id),
        ..failed(&other, None)
    };
    audit(&[unknown(other.order_id)], &evidence).assert_kept();
    let another = OrderId::from_random([2; 16]);
    assert_eq!(audit(&[unknown(another)], &evidence).unexplained.len(), 1);
}

#[test]
fn a_row_that_no_intent_explains_is_found() {
    let sent = [submit(1, 1, ORDER), cancel(1, 2)];
    let mut evidence = evidence(&sent, |_| true);
    evidence.records.clear();
    assert_eq!(audit(&[], &evidence).unexplained.len(), 2);
    // An intent under the same id with another content does not explain the row.
    let other = submit(1, 1, OTHER);
    evidence.records = self::evidence(std::slice::from_ref(&other), |_| false).records;
    let audit = audit(&[accepted(&other, None)], &evidence);
    assert_eq!(audit.unexplained.len(), 2);
}
