//! The laws about facts that have to hold when a run is over.
//!
//! - Each fact that a change announces is published and has a mark, unless the change was
//!   discarded. After a discard the command `announce --missing` keeps the promise.
//! - Nothing else is published. The facts of an order came in their sequence, unless a change of
//!   the order was discarded.
//! - Each order that was created has one shipment, and no other order has one.

use std::collections::{BTreeMap, BTreeSet};

use ::tests::{Discarded, Evidence, StreamRecord};
use aws_model::ChangePosition;
use conditional_write::Item;
use event_source_mapping::SequenceNumber;
use keyed_batch::Limits;
use notifier::announce::{Announcer, Which};
use notifier::{Announcements, FactsStream};
use orders::{Fact, FactEvent, OrderId, Row, Timestamp};
use orders_table::client_for_writes;
use serde_json::Value;

use crate::fact_laws::{FactsSeen, facts_between, order_id};
use crate::final_laws::put_back;
use crate::plan::Function;
use crate::resources::{
    ANNOUNCEMENTS, CHANGES_QUEUE, FACTS_QUEUE, FACTS_STREAM, SHIPMENTS, START, TABLE, discards,
    items, records,
};
use crate::run::FactCounts;
use crate::world::World;

/// A change of an order's row, with the facts that it announces.
struct Change {
    order_id: OrderId,
    facts: Vec<Fact>,
    is_discarded: bool,
}

/// Checks the laws about facts at the end of a run, when all streams are worked off and no wire
/// breaks.
///
/// 1. The facts of the changes are compared with the stream and the marks.
/// 2. Facts whose change was discarded are announced, and discarded facts are put back.
/// 3. Stream and shipments are compared with the changes.
pub(crate) async fn settle_facts(world: &World) -> FactCounts {
    let changes = changes(world);
    let fact_laws = &world.lambda.wire.fact_laws;
    fact_laws.facts_may_have_come(&world.aws);
    let missing = missing(world, &fact_laws.stream());
    let announced_by = |change: &Change| {
        let order_id = change.order_id;
        let ids = change.facts.iter();
        ids.map(move |fact| format!("{order_id}/{}", fact.name()))
            .collect::<Vec<_>>()
    };
    for change in changes.iter().filter(|change| !change.is_discarded) {
        for id in announced_by(change) {
            if missing.contains(&id) {
                world
                    .laws
                    .broken("a fact without a discard is published and marked", id);
            }
        }
    }
    let discarded: BTreeSet<OrderId> = changes
        .iter()
        .filter(|change| change.is_discarded)
        .map(|change| change.order_id)
        .collect();

    let mut announced_again = 0;
    if !discarded.is_empty() {
        announced_again = announce_missing(world, &missing).await;
    }
    let evidence = Evidence {
        records: records(&world.aws, FACTS_STREAM),
        discards: discards(&world.aws, FACTS_QUEUE),
        ..Evidence::default()
    };
    put_back(world, FACTS_STREAM, &evidence);
    world.drain().await;

    fact_laws.facts_may_have_come(&world.aws);
    let stream = fact_laws.stream();
    for id in self::missing(world, &stream) {
        world
            .laws
            .broken("a fact of a row is published and marked", id);
    }
    for id in stream.events.keys() {
        if !fact_laws.is_worked_off(id) {
            world.laws.broken("a fact reaches the subscriber", id);
        }
    }
    for (law, finding) in unlike_the_changes(&changes, &discarded, &stream)
        .into_iter()
        .chain(wrong_shipments(&stream, &items(&world.aws, SHIPMENTS)))
    {
        world.laws.broken(law, finding);
    }
    FactCounts {
        runs: 1,
        facts: stream.events.len() as u64,
        repetitions: stream.repetitions,
        changes_discarded: world.discarded(Function::Notifier),
        announced_again,
        facts_discarded: world.discarded(Function::Shipping),
        shipments: items(&world.aws, SHIPMENTS).len() as u64,
    }
}

/// All changes of the orders table, in their sequence.
fn changes(world: &World) -> Vec<Change> {
    let dynamodb = world.aws.dynamodb();
    let shard_id = dynamodb.change_stream_shard(TABLE).unwrap();
    let from = ChangePosition::TrimHorizon;
    let read = dynamodb.read_changes(TABLE, from, usize::MAX).unwrap();
    let ranges: Vec<Discarded> = discards(&world.aws, CHANGES_QUEUE);
    let change = |record: Value| {
        let change = &record["dynamodb"];
        let image = |name: &str| change.get(name);
        let number = change["SequenceNumber"].as_str().unwrap();
        let place = StreamRecord {
            shard_id: shard_id.clone(),
            sequence_number: SequenceNumber::parse(number).unwrap(),
            partition_key: String::new(),
            data: Vec::new(),
        };
        Change {
            order_id: order_id(&change["Keys"]).unwrap(),
            facts: facts_between(image("OldImage"), image("NewImage")),
            is_discarded: ranges.iter().any(|range| range.covers(&place)),
        }
    };
    read.records.into_iter().map(change).collect()
}

/// The ids of the facts of all rows that are not in the stream, or have no mark.
fn missing(world: &World, stream: &FactsSeen) -> BTreeSet<String> {
    let marks: BTreeMap<String, Value> = items(&world.aws, ANNOUNCEMENTS)
        .into_iter()
        .map(|item| (order_id(&item).unwrap().to_string(), item))
        .collect();
    let mut missing = BTreeSet::new();
    for item in items(&world.aws, TABLE) {
        let order_id = order_id(&item).unwrap().to_string();
        let row = Row::from_item(&Item::from_json(item.as_object().unwrap()));
        for fact in row.map(|row| row.facts()).unwrap_or_default() {
            let (name, id) = (fact.name(), format!("{order_id}/{}", fact.name()));
            let is_marked = marks
                .get(&order_id)
                .is_some_and(|marks| !marks[name].is_null());
            if !is_marked || !stream.events.contains_key(&id) {
                missing.insert(id);
            }
        }
    }
    missing
}

/// Announces the facts without a mark, as an operator does after a discard. Returns the number of
/// these facts.
async fn announce_missing(world: &World, missing: &BTreeSet<String>) -> u64 {
    const ENVIRONMENT: &str = "announcer";

    let wire = &world.lambda.wire;
    let _announcing = wire.fact_laws.announcer_begins(ENVIRONMENT, missing);
    let config = world.lambda.config(Function::Notifier, ENVIRONMENT);
    let client = client_for_writes(&config);
    let announcer = Announcer::new(
        client.clone(),
        TABLE,
        FactsStream::new(&config, FACTS_STREAM),
        Announcements::new(client, ANNOUNCEMENTS),
        Limits::default().jitter_seed(Some(world.random.lock().unwrap().u64(..))),
    );
    let now = START + u64::try_from(world.laws.trace.elapsed().as_millis()).unwrap();
    let now = Timestamp::from_unix_millis(now.try_into().unwrap()).unwrap();
    // The future is boxed for the same reason as a request to the api.
    let announced = Box::pin(announcer.run(Which::Missing, now, |_| {})).await;
    match announced {
        Ok(progress) if progress.failed == 0 && progress.unreadable == 0 => progress.facts,
        other => {
            world
                .laws
                .broken("`announce --missing` announces", format!("{other:?}"));
            0
        }
    }
}

/// The places where the facts stream differs from the changes. `discarded` are the orders with a
/// discarded change.
fn unlike_the_changes(
    changes: &[Change],
    discarded: &BTreeSet<OrderId>,
    stream: &FactsSeen,
) -> Vec<(&'static str, String)> {
    let mut findings = Vec::new();
    let mut sequences: BTreeMap<OrderId, Vec<&Fact>> = BTreeMap::new();
    for change in changes {
        let sequence = sequences.entry(change.order_id).or_default();
        sequence.extend(&change.facts);
    }
    for (id, event) in &stream.events {
        let event = FactEvent::decode(event.to_string().as_bytes());
        let is_of_a_change = event.is_ok_and(|event| {
            let facts = sequences.get(&event.order_id);
            facts.is_some_and(|facts| facts.contains(&&event.fact))
        });
        if !is_of_a_change {
            findings.push(("nothing but facts is published", id.clone()));
        }
    }
    for (order_id, facts) in sequences {
        let names: Vec<String> = facts.iter().map(|fact| fact.name()).collect();
        let seen = stream.sequence.get(&order_id.to_string());
        let seen = seen.map(Vec::as_slice).unwrap_or_default();
        if !discarded.contains(&order_id) && names != seen {
            let finding = format!("{order_id}: {seen:?} in place of {names:?}");
            findings.push(("the facts of an order come in their sequence", finding));
        }
    }
    findings
}

/// The shipments that are missing or too many.
fn wrong_shipments(stream: &FactsSeen, shipments: &[Value]) -> Vec<(&'static str, String)> {
    let created: BTreeSet<&str> = stream
        .events
        .keys()
        .filter(|id| id.ends_with("/created"))
        .map(String::as_str)
        .collect();
    let booked: BTreeSet<&str> = shipments
        .iter()
        .filter_map(|shipment| shipment["event_id"]["S"].as_str())
        .collect();
    let law = "an order that was created has one shipment";
    let differing = created.symmetric_difference(&booked);
    let mut findings: Vec<_> = differing.map(|id| (law, (*id).to_owned())).collect();
    if booked.len() != shipments.len() {
        findings.push((law, format!("{} of {}", booked.len(), shipments.len())));
    }
    findings
}

#[cfg(test)]
mod tests {
    use orders::{Caller, Cancelled, Created, Fingerprint, NewOrder};
    use serde_json::json;

    use super::*;

    const ORDER: &str = r#"{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 1, "unit_price": 1}]}"#;

    fn id() -> OrderId {
        OrderId::from_random([1; 16])
    }

    fn time() -> Timestamp {
        Timestamp::from_unix_millis(0).unwrap()
    }

    fn created() -> Fact {
        let (owner, order) = (
            Caller::anonymous(),
            NewOrder::parse(ORDER.as_bytes()).unwrap(),
        );
        Fact::Created(Created {
            accepted_at: time(),
            fingerprint: Fingerprint::of(&owner, &order),
            total: order.total(),
            owner,
            order,
        })
    }

    fn cancelled() -> Fact {
        Fact::Cancelled(Cancelled {
            accepted_at: time(),
            owner: Caller::anonymous(),
        })
    }

    fn change(facts: Vec<Fact>) -> Change {
        Change {
            order_id: id(),
            facts,
            is_discarded: false,
        }
    }

    /// The stream with these facts, in this sequence.
    fn stream(facts: &[Fact]) -> FactsSeen {
        let mut stream = FactsSeen::default();
        for fact in facts {
            let event = FactEvent::new(id(), fact.clone(), time());
            let json: Value = serde_json::from_slice(&event.encode()).unwrap();
            assert_eq!(stream.add(&id().to_string(), json), []);
        }
        stream
    }

    fn laws(changes: &[Change], discarded: &[OrderId], stream: &FactsSeen) -> Vec<&'static str> {
        let discarded = discarded.iter().copied().collect();
        let findings = unlike_the_changes(changes, &discarded, stream);
        findings.into_iter().map(|(law, _)| law).collect()
    }

    #[test]
    fn facts_that_follow_from_the_changes_in_their_sequence_are_sound() {
        let changes = [change(vec![created()]), change(vec![cancelled()])];
        let stream = stream(&[created(), cancelled(), created()]);
        assert_eq!(laws(&changes, &[], &stream), [""; 0]);
    }

    #[test]
    fn another_sequence_is_found_unless_a_change_of_the_order_was_discarded() {
        let changes = [change(vec![created()]), change(vec![cancelled()])];
        let stream = stream(&[cancelled(), created()]);
        let law = "the facts of an order come in their sequence";
        assert_eq!(laws(&changes, &[], &stream), [law]);
        assert_eq!(laws(&changes, &[id()], &stream), [""; 0]);
    }

    #[test]
    fn a_fact_of_no_change_is_found() {
        let changes = [change(vec![created()])];
        let stream = stream(&[created(), cancelled()]);
        let laws = laws(&changes, &[id()], &stream);
        assert_eq!(laws, ["nothing but facts is published"]);
    }

    #[test]
    fn a_missing_shipment_and_one_too_many_are_found() {
        let of = |event: &str| json!({"event_id": {"S": format!("{}/{event}", id())}});
        let stream = stream(&[created(), cancelled()]);
        assert_eq!(wrong_shipments(&stream, &[of("created")]), []);
        assert_eq!(wrong_shipments(&stream, &[]).len(), 1);
        let both = [of("created"), of("cancelled")];
        assert_eq!(wrong_shipments(&stream, &both).len(), 1);
        let twice = [of("created"), of("created")];
        assert_eq!(wrong_shipments(&stream, &twice).len(), 1);
    }
}
