//! The laws that have to hold when a run is over.
//!
//! - The audit of the black-box tests passes, and each intent has its order's id as its key.
//! - The queue was told of all poison, and an outage within the budget has discarded nothing.
//! - Discarded intents are applied when they are put back.
//! - The table then agrees with the stream.

use std::collections::{BTreeMap, BTreeSet};

use ::tests::{Audit, Call, Evidence};
use bytes::Bytes;
use orders::{Caller, Cancel, Fingerprint, IntentKind, NewOrder, OrderId, Submit};

use crate::plan::{Function, Plan};
use crate::resources::{STREAM, evidence};
use crate::world::World;

/// The most conflicts that a row records. If there are more, the row says only that there are more.
const MAX_CONFLICTS: usize = 10;

/// Ends a run, and checks the laws. Returns the evidence at the very end.
///
/// 1. The faults end, and the records that are left are worked off.
/// 2. The audit and the other laws are checked.
/// 3. The discarded records are put back and worked off.
/// 4. The table is compared with the stream.
pub(crate) async fn settle(world: &World, plan: &Plan, calls: &[Call]) -> Evidence {
    world.aws.faults().clear();
    world
        .laws
        .trace
        .line("the faults are over, the remaining records have to be worked off");
    world.drain().await;
    let seen = evidence(&world.aws, Vec::new());
    let audit = look(world, calls, &seen);
    let poison = seen
        .records
        .iter()
        .filter(|record| record.intent().is_none())
        .count();
    if audit.poison_discarded < poison {
        let told = format!("{} of {poison} records", audit.poison_discarded);
        world.laws.broken("the queue is told of all poison", told);
    }
    let functions = [Function::Consumer, Function::Notifier, Function::Shipping];
    let discarded: u64 = functions
        .map(|function| world.discarded(function))
        .iter()
        .sum();
    if plan.is_within_budget && discarded > 0 {
        world.laws.broken(
            "an outage within the budget discards nothing",
            format!("{discarded} records"),
        );
    }

    // From here on no wire breaks. A wire that broke at every retry of a record would make the
    // mapping discard the record again, although the consumer works.
    world.lambda.wire.calm();
    put_back(world, STREAM, &seen);
    world.drain().await;
    let seen = evidence(&world.aws, seen.discards);
    let audit = Audit::of(calls, &Evidence::default(), &seen);
    if !audit.recoverable.is_empty() {
        world.laws.broken(
            "discarded intents are applied when they are put back",
            format!("{:?}", audit.recoverable),
        );
    }
    for finding in unlike_the_stream(&seen) {
        world
            .laws
            .broken("the table says what the stream says", finding);
    }
    seen
}

fn look(world: &World, calls: &[Call], evidence: &Evidence) -> Audit {
    let audit = Audit::of(calls, &Evidence::default(), evidence);
    for (law, findings) in [
        ("nothing acknowledged is lost", &audit.lost),
        ("nothing is doubled", &audit.doubled),
        ("nothing comes from nowhere", &audit.unexplained),
    ] {
        for finding in findings {
            world.laws.broken(law, finding);
        }
    }
    for record in &evidence.records {
        let order_id = record.intent().map(|intent| intent.order_id.to_string());
        if order_id.is_some_and(|order_id| order_id != record.partition_key) {
            world.laws.broken(
                "an intent lies under its order's key",
                &record.partition_key,
            );
        }
    }
    audit
}

/// Puts the records in the ranges of all discards into their stream again, poison too. A person who
/// was told by the queue does the same.
pub(crate) fn put_back(world: &World, stream: &str, evidence: &Evidence) {
    for record in &evidence.records {
        if evidence.is_discarded(record) {
            let data = Bytes::from(record.data.clone());
            let put = world
                .aws
                .kinesis()
                .put_record(stream, &record.partition_key, data);
            put.expect("the discarded records are far below the shard's limits");
        }
    }
}

/// The contents of all intents about one order, whatever their sequence in time.
#[derive(Default)]
struct Said {
    /// Each owner and content once. They are compared as they are, and not by their fingerprints.
    submits: Vec<(Caller, NewOrder)>,
    cancels: BTreeSet<String>,
}

/// The places where rows differ from the stream. These things follow for a row when each intent of
/// the stream is applied.
///
/// - The row has one of the submitted orders. If different orders were submitted, it may be any of
///   them.
/// - All the other submitted orders are conflicts.
/// - The order is cancelled if and only if its owner has cancelled it.
fn unlike_the_stream(evidence: &Evidence) -> Vec<String> {
    let mut said: BTreeMap<OrderId, Said> = BTreeMap::new();
    for intent in evidence.records.iter().filter_map(|record| record.intent()) {
        let said = said.entry(intent.order_id).or_default();
        match intent.kind {
            IntentKind::Submit(Submit { owner, order, .. }) => {
                let submit = (owner, order);
                if !said.submits.contains(&submit) {
                    said.submits.push(submit);
                }
            }
            IntentKind::Cancel(Cancel { caller }) => {
                said.cancels.insert(caller.hash());
            }
        }
    }
    let mut findings = Vec::new();
    for (order_id, said) in said {
        let row = evidence.rows.get(&order_id).cloned().unwrap_or_default();
        let stands = row
            .submitted
            .as_ref()
            .map(|order| (&order.owner, &order.content));
        let others: BTreeSet<Fingerprint> = said
            .submits
            .iter()
            .filter(|(owner, order)| stands != Some((owner, order)))
            .map(|(owner, order)| Fingerprint::of(owner, order))
            .collect();
        let placed = said.submits.len() - others.len();
        if placed != said.submits.len().min(1) {
            findings.push(format!(
                "{order_id}: the row has {placed} of {} orders",
                said.submits.len()
            ));
        }
        let is_full = others.len() > MAX_CONFLICTS;
        let is_recorded = row.conflicts.is_subset(&others)
            && row.conflicts.len() == others.len().min(MAX_CONFLICTS)
            && row.conflicts_truncated == is_full;
        if !is_recorded {
            findings.push(format!(
                "{order_id}: {} of {} conflicts are recorded{}",
                row.conflicts.len(),
                others.len(),
                if row.conflicts_truncated {
                    ", and the row says that there are more"
                } else {
                    ""
                }
            ));
        }
        let Some(owner) = row.submitted.map(|order| order.owner.hash()) else {
            // The row keeps every caller's cancel until it has an owner, because each of these
            // callers may turn out to be the owner.
            if !row.cancels.keys().eq(&said.cancels) {
                findings.push(format!(
                    "{order_id}: the cancels that wait for the order are not those of the stream"
                ));
            }
            continue;
        };
        if said.cancels.contains(&owner) != row.cancels.contains_key(&owner) {
            findings.push(format!(
                "{order_id}: the owner's cancel is in the row or in the stream, but not in both"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use ::tests::StreamRecord;
    use event_source_mapping::SequenceNumber;
    use orders::{CancelRegister, Intent, IntentId, Row, Submitted, Timestamp};

    use super::*;

    fn time() -> Timestamp {
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap()
    }

    fn order_id() -> OrderId {
        OrderId::from_random([1; 16])
    }

    fn caller(name: &str) -> Caller {
        Caller::parse(name).unwrap()
    }

    fn content(sku: &str) -> NewOrder {
        let json = format!(
            r#"{{"customer_id": "c", "currency": "EUR", "items": [{{"sku": "{sku}", "quantity": 1, "unit_price": 5}}]}}"#
        );
        NewOrder::parse(json.as_bytes()).unwrap()
    }

    fn submit(number: u8, sku: &str) -> Intent {
        let id = IntentId::from_random([number; 16]);
        Intent::submit(id, order_id(), time(), caller("owner"), content(sku))
    }

    fn cancel(number: u8, name: &str) -> Intent {
        let id = IntentId::from_random([number; 16]);
        Intent::cancel(id, order_id(), time(), caller(name))
    }

    /// The row that follows from a submit of A, a submit of B, and the owner's cancel.
    fn row() -> Row {
        let owner = caller("owner");
        let register = CancelRegister {
            intent: IntentId::from_random([3; 16]),
            accepted_at: time(),
        };
        Row {
            cancels: BTreeMap::from([(owner.hash(), register)]),
            conflicts: BTreeSet::from([Fingerprint::of(&owner, &content("B"))]),
            submitted: Some(Submitted {
                fingerprint: Fingerprint::of(&owner, &content("A")),
                owner,
                content: content("A"),
                intent: IntentId::from_random([1; 16]),
                accepted_at: time(),
            }),
            conflicts_truncated: false,
        }
    }

    fn findings(intents: &[Intent], row: Option<Row>) -> Vec<String> {
        let records = intents
            .iter()
            .zip(1_u64..)
            .map(|(intent, place)| StreamRecord {
                shard_id: "shardId-000000000000".into(),
                sequence_number: SequenceNumber::parse(&place.to_string()).unwrap(),
                partition_key: intent.order_id.to_string(),
                data: intent.encode(),
            });
        unlike_the_stream(&Evidence {
            records: records.collect(),
            rows: row.map(|row| (order_id(), row)).into_iter().collect(),
            discards: vec![],
        })
    }

    fn all() -> [Intent; 3] {
        [submit(1, "A"), submit(2, "B"), cancel(3, "owner")]
    }

    #[test]
    fn a_row_that_follows_from_the_stream_is_as_it_should_be_in_whatever_order() {
        let mut intents = all();
        assert_eq!(findings(&intents, Some(row())), [""; 0]);
        intents.reverse();
        assert_eq!(findings(&intents, Some(row())), [""; 0]);
        let strangers = [&intents[..], &[cancel(4, "stranger")]].concat();
        assert_eq!(findings(&strangers, Some(row())), [""; 0]);
    }

    #[test]
    fn a_missing_row_is_found() {
        assert!(!findings(&all(), None).is_empty());
    }

    #[test]
    fn an_order_that_nobody_sent_is_found() {
        assert!(!findings(&[submit(2, "B")], Some(row())).is_empty());
    }

    #[test]
    fn a_conflict_that_is_not_recorded_is_found() {
        let row = Row {
            conflicts: BTreeSet::new(),
            ..row()
        };
        assert_eq!(findings(&all(), Some(row)).len(), 1);
    }

    #[test]
    fn conflicts_that_count_as_truncated_although_they_are_few_are_found() {
        let row = Row {
            conflicts: BTreeSet::new(),
            conflicts_truncated: true,
            ..row()
        };
        assert_eq!(findings(&all(), Some(row)).len(), 1);
    }

    #[test]
    fn of_more_than_ten_conflicts_any_ten_are_recorded_and_that_there_are_more() {
        let skus: Vec<String> = (0..12).map(|number| format!("B{number}")).collect();
        let mut intents = vec![submit(1, "A"), cancel(3, "owner")];
        intents.extend(
            skus.iter()
                .zip(4..)
                .map(|(sku, number)| submit(number, sku)),
        );
        let recorded = |places: std::ops::Range<usize>, conflicts_truncated| Row {
            conflicts: skus[places]
                .iter()
                .map(|sku| Fingerprint::of(&caller("owner"), &content(sku)))
                .collect(),
            conflicts_truncated,
            ..row()
        };
        for sound in [recorded(0..10, true), recorded(2..12, true)] {
            assert_eq!(findings(&intents, Some(sound)), [""; 0]);
        }
        for bad in [
            recorded(0..10, false),
            recorded(0..9, true),
            recorded(0..11, true),
        ] {
            assert_eq!(findings(&intents, Some(bad)).len(), 1);
        }
    }

    #[test]
    fn a_cancel_of_the_owner_that_is_gone_or_was_never_sent_is_found() {
        let gone = Row {
            cancels: BTreeMap::new(),
            ..row()
        };
        assert_eq!(findings(&all(), Some(gone)).len(), 1);
        assert_eq!(findings(&all()[..2], Some(row())).len(), 1);
    }

    #[test]
    fn a_cancel_that_waits_for_its_order_has_to_be_there() {
        let cancels = [cancel(3, "owner")];
        let waiting = Row {
            cancels: row().cancels,
            ..Row::default()
        };
        assert_eq!(findings(&cancels, Some(waiting)), [""; 0]);
        assert_eq!(findings(&cancels, None).len(), 1);
    }
}
