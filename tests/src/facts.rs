//! The audit of the facts. It compares the rows of the orders table with the stream of facts, the
//! announcements and the shipments.
//!
//! - **Nothing is lost.** Each fact of a row is in the stream and has its mark. Each order that was
//!   created has its shipment.
//! - **Nothing is doubled.** All events of a fact have one content, under one id. No shipment was
//!   booked twice.
//! - **Nothing is unexplained.** Each event, each mark and each shipment follows from a row.
//! - **The sequence holds.** Of each order, `created` comes before the other facts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conditional_write::{Item, Value};
use orders::{Fact, FactEvent, OrderId, Row};
use serde_json::json;

use crate::evidence::{StreamRecord, items, records_of, rows};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use tokio::time::{Instant, sleep};

use crate::Stack;

/// The places where the facts of orders show.
#[derive(Clone, Debug, Default)]
pub struct FactsEvidence {
    /// The rows of the orders table.
    pub rows: BTreeMap<OrderId, Row>,
    /// The records of the stream of facts, shard by shard, each shard in its sequence.
    pub records: Vec<StreamRecord>,
    /// The names of each order's facts that have a mark.
    pub marks: BTreeMap<OrderId, BTreeSet<String>>,
    /// The shipments, each with the id of the event that it was booked for.
    pub shipments: BTreeMap<OrderId, String>,
    /// How often the shipment of each order was written. The embedded stack alone knows it.
    pub bookings: BTreeMap<OrderId, usize>,
}

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsAudit {
    /// The number of facts that the rows show.
    pub expected: usize,
    /// The number of these facts that have an event and a mark.
    pub announced: usize,
    /// The number of orders that the rows show.
    pub orders: usize,
    /// The number of events in the stream.
    pub events: usize,
    /// The number of events that repeat an earlier one.
    pub repetitions: usize,
    /// The number of shipments.
    pub shipments: usize,
    /// The facts without an event or a mark, and the orders without a shipment.
    pub lost: Vec<String>,
    /// The events that differ from an earlier one of the same id, and the shipments that were
    /// booked more than once.
    pub doubled: Vec<String>,
    /// The events, marks and shipments that follow from no row.
    pub unexplained: Vec<String>,
    /// The orders of which another fact comes before `created`.
    pub out_of_sequence: Vec<String>,
}

impl FactsEvidence {
    /// Reads the tables and the stream.
    ///
    /// # Panics
    /// If one of them cannot be read, or has content that the service never writes.
    pub async fn gather(stack: &Stack) -> Self {
        let marks = items(stack, stack.announcements_table()).await;
        let shipments = items(stack, stack.shipments_table()).await;
        Self {
            rows: rows(stack).await,
            records: records_of(stack, stack.facts_stream()).await,
            marks: marks
                .iter()
                .map(|item| {
                    let names = item.names().filter(|name| *name != Row::KEY);
                    (order_id(item), names.map(str::to_owned).collect())
                })
                .collect(),
            shipments: shipments
                .iter()
                .map(|item| (order_id(item), text(item, "event_id")))
                .collect(),
            bookings: bookings(stack).await,
        }
    }

    /// The evidence of the orders that are not in `before`.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        let mut old: BTreeSet<OrderId> = before.rows.keys().copied().collect();
        old.extend(before.shipments.keys());
        let keys = before.records.iter().map(|record| &record.partition_key);
        old.extend(keys.filter_map(|key| OrderId::parse(key)));
        let is_new = |id: &OrderId| !old.contains(id);
        self.rows.retain(|id, _| is_new(id));
        self.marks.retain(|id, _| is_new(id));
        self.shipments.retain(|id, _| is_new(id));
        self.bookings.retain(|id, _| is_new(id));
        self.records
            .retain(|record| OrderId::parse(&record.partition_key).is_none_or(|id| is_new(&id)));
        self
    }
}

/// How often the shipment of each order was written, by the table's change stream.
async fn bookings(stack: &Stack) -> BTreeMap<OrderId, usize> {
    let mut bookings = BTreeMap::new();
    if stack.is_deployed() {
        return bookings;
    }
    let streams = aws_sdk_dynamodbstreams::Client::new(stack.config());
    let table = stack.shipments_table();
    let listed = streams
        .list_streams()
        .table_name(table)
        .send()
        .await
        .unwrap();
    let arn = listed.streams()[0].stream_arn().unwrap();
    let described = streams.describe_stream().stream_arn(arn).send().await;
    let description = described.unwrap().stream_description.unwrap();
    for shard in description.shards() {
        let request = streams.get_shard_iterator().stream_arn(arn);
        let request = request.set_shard_id(shard.shard_id.clone());
        let request = request.shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut iterator = request.send().await.unwrap().shard_iterator;
        while let Some(next) = iterator {
            let page = streams.get_records().shard_iterator(next).send().await;
            let page = page.unwrap();
            for record in page.records() {
                let keys = record.dynamodb().and_then(|change| change.keys());
                let id = keys.unwrap()[Row::KEY].as_s().unwrap();
                *bookings.entry(OrderId::parse(id).unwrap()).or_default() += 1;
            }
            let is_end = page.records().is_empty();
            iterator = page.next_shard_iterator.filter(|_| !is_end);
        }
    }
    bookings
}

fn order_id(item: &Item) -> OrderId {
    OrderId::parse(&text(item, Row::KEY)).unwrap()
}

fn text(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(Value::S(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

impl FactsAudit {
    /// Compares the rows with what followed from them.
    #[must_use]
    pub fn of(evidence: &FactsEvidence) -> Self {
        let mut audit = Self::default();
        let facts: BTreeMap<String, (OrderId, Fact)> = evidence
            .rows
            .iter()
            .flat_map(|(id, row)| row.facts().into_iter().map(|fact| (*id, fact)))
            .map(|(id, fact)| (format!("{id}/{}", fact.name()), (id, fact)))
            .collect();
        audit.expected = facts.len();
        let received = audit.read(evidence, &facts);
        for (id, (order_id, fact)) in &facts {
            let marks = evidence.marks.get(order_id);
            let has_mark = marks.is_some_and(|marks| marks.contains(&fact.name()));
            match (received.contains_key(id), has_mark) {
                (true, true) => audit.announced += 1,
                (true, false) => audit.lost.push(format!("{id} has no mark")),
                (false, _) => audit.lost.push(format!("{id} is not in the stream")),
            }
            if matches!(fact, Fact::Created(_)) {
                audit.orders += 1;
                if !evidence.shipments.contains_key(order_id) {
                    audit.lost.push(format!("{order_id} has no shipment"));
                }
            }
        }
        audit.explain(evidence, &facts);
        audit
    }

    /// Reads the events, and returns them by their ids.
    fn read(
        &mut self,
        evidence: &FactsEvidence,
        facts: &BTreeMap<String, (OrderId, Fact)>,
    ) -> BTreeMap<String, FactEvent> {
        let mut received: BTreeMap<String, FactEvent> = BTreeMap::new();
        let mut created = BTreeSet::new();
        for record in &evidence.records {
            self.events += 1;
            let event = match FactEvent::decode(&record.data) {
                Ok(event) => event,
                Err(poison) => {
                    self.unexplained
                        .push(format!("an event that is poison: {poison}"));
                    continue;
                }
            };
            let id = event.id();
            if record.partition_key != event.order_id.to_string() {
                self.unexplained.push(format!("{id} has another key"));
            }
            if facts.get(&id).is_none_or(|(_, fact)| *fact != event.fact) {
                self.unexplained.push(format!("{id} follows from no row"));
            }
            if matches!(event.fact, Fact::Created(_)) {
                created.insert(event.order_id);
            } else if !created.contains(&event.order_id) {
                self.out_of_sequence.push(id.clone());
            }
            match received.get(&id) {
                None => {
                    received.insert(id, event);
                }
                Some(first) => {
                    self.repetitions += 1;
                    // The row does not know when a conflict was recorded. So `announce` gives a
                    // conflict the time of its own run.
                    let is_same_time =
                        first.time == event.time || matches!(event.fact, Fact::Conflicted(_));
                    if first.fact != event.fact || !is_same_time {
                        self.doubled.push(format!("{id} has two contents"));
                    }
                }
            }
        }
        received
    }

    fn explain(&mut self, evidence: &FactsEvidence, facts: &BTreeMap<String, (OrderId, Fact)>) {
        for (order_id, names) in &evidence.marks {
            for name in names {
                let id = format!("{order_id}/{name}");
                if !facts.contains_key(&id) {
                    self.unexplained.push(format!("a mark for {id}"));
                }
            }
        }
        self.shipments = evidence.shipments.len();
        for (order_id, times) in &evidence.bookings {
            if *times != 1 {
                let finding = format!("the shipment of {order_id} was written {times} times");
                self.doubled.push(finding);
            }
        }
        for (order_id, event_id) in &evidence.shipments {
            let created = format!("{order_id}/created");
            if *event_id != created || !facts.contains_key(&created) {
                self.unexplained.push(format!("a shipment for {event_id}"));
            }
        }
    }

    /// All that breaks a promise.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        [
            &self.lost,
            &self.doubled,
            &self.unexplained,
            &self.out_of_sequence,
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
    }

    /// Fails if a promise is broken.
    ///
    /// # Panics
    /// If a promise is broken, with a list of what breaks it.
    pub fn assert_kept(&self) {
        let nothing: [String; 0] = [];
        assert_eq!(self.findings(), nothing);
    }
}

impl Stack {
    /// Waits until all that follows from the rows is there, and no more is on its way. Returns the
    /// audit.
    ///
    /// # Panics
    /// If the consumer does not work off its stream within `patience`, or if something is still
    /// missing after that.
    pub async fn facts_settled_within(&self, patience: Duration) -> FactsAudit {
        let nothing = FactsEvidence::default();
        let audit = self.facts_settled_since(&nothing, patience).await;
        audit.assert_kept();
        audit
    }

    /// Waits as long as [`facts_settled_within`](Self::facts_settled_within) for all that follows
    /// from the orders which are not in `before`. Returns the last audit, whatever it has found.
    ///
    /// # Panics
    /// If the consumer does not work off its stream within `patience`.
    pub async fn facts_settled_since(
        &self,
        before: &FactsEvidence,
        patience: Duration,
    ) -> FactsAudit {
        let give_up = Instant::now() + patience;
        self.drained_within(patience).await;
        loop {
            let read = self.facts_read_while_idle().await;
            let evidence = FactsEvidence::gather(self).await;
            let events = evidence.records.len() as u64;
            let audit = FactsAudit::of(&evidence.since(before));
            // A fact that came in between shows in the count.
            let is_settled = self.is_deployed() || read == Some(events);
            if is_settled && audit.lost.is_empty() || Instant::now() > give_up {
                return audit;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The number of facts that the subscriber's mapping has read, or nothing while a change or a
    /// fact is under way. A deployed mapping does not show its state.
    async fn facts_read_while_idle(&self) -> Option<u64> {
        if self.is_deployed() {
            return None;
        }
        let state = self.state().await;
        let is_idle = ["notifier", "shipping"].iter().all(|function| {
            let shards = state["mappings"][function]["shards"].as_array();
            let mut shards = shards.into_iter().flatten();
            shards.all(|shard| shard["in_flight"] == json!([]) && shard["unfinished_records"] == 0)
        });
        let read = &state["mappings"]["shipping"]["counters"]["records_read"];
        read.as_u64().filter(|_| is_idle)
    }
}

#[cfg(test)]
mod tests {
    use event_source_mapping::SequenceNumber;
    use orders::{Caller, Intent, IntentId, NewOrder, Step, Timestamp, next_step};

    use super::*;
    use crate::ORDER;

    fn order_id() -> OrderId {
        OrderId::from_random([1; 16])
    }

    fn time() -> Timestamp {
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap()
    }

    /// The row of an order that was cancelled.
    fn row() -> Row {
        let id = |number| IntentId::from_random([number; 16]);
        let order = NewOrder::parse(ORDER.as_bytes()).unwrap();
        let submit = Intent::submit(id(1), order_id(), time(), Caller::anonymous(), order);
        let cancel = Intent::cancel(id(2), order_id(), time(), Caller::anonymous());
        let mut item = None;
        for intent in [submit, cancel] {
            let row = item.as_ref().map(|item| Row::from_item(item).unwrap());
            if let Step::Write { write, .. } = next_step(&intent, row.as_ref()) {
                item = Some(write.apply_to(item.as_ref()).unwrap());
            }
        }
        Row::from_item(&item.unwrap()).unwrap()
    }

    fn record(place: usize, event: &FactEvent) -> StreamRecord {
        StreamRecord {
            shard_id: "shardId-000000000000".into(),
            sequence_number: SequenceNumber::parse(&place.to_string()).unwrap(),
            partition_key: event.order_id.to_string(),
            data: event.encode(),
        }
    }

    /// The evidence of one cancelled order, all promises kept.
    fn evidence() -> FactsEvidence {
        let facts = row().facts();
        let names = facts.iter().map(Fact::name).collect();
        let events = facts
            .into_iter()
            .map(|fact| FactEvent::new(order_id(), fact, time()));
        let records = events.enumerate();
        let records = records.map(|(place, event)| record(place, &event));
        FactsEvidence {
            rows: [(order_id(), row())].into(),
            records: records.collect(),
            marks: [(order_id(), names)].into(),
            shipments: [(order_id(), format!("{}/created", order_id()))].into(),
            bookings: [(order_id(), 1)].into(),
        }
    }

    fn audit(break_it: impl FnOnce(&mut FactsEvidence)) -> FactsAudit {
        let mut evidence = evidence();
        break_it(&mut evidence);
        FactsAudit::of(&evidence)
    }

    #[test]
    fn facts_that_are_published_marked_and_shipped_keep_every_promise() {
        let audit = audit(|_| {});
        audit.assert_kept();
        let counts = (
            audit.expected,
            audit.announced,
            audit.events,
            audit.shipments,
        );
        assert_eq!(counts, (2, 2, 2, 1));
    }

    #[test]
    fn a_repetition_is_counted_and_breaks_nothing() {
        let audit = audit(|evidence| evidence.records.push(evidence.records[0].clone()));
        audit.assert_kept();
        assert_eq!((audit.events, audit.repetitions), (3, 1));
    }

    #[test]
    fn a_fact_a_mark_or_a_shipment_that_is_missing_is_lost() {
        assert_eq!(audit(|evidence| drop(evidence.records.pop())).lost.len(), 1);
        assert_eq!(audit(|evidence| evidence.marks.clear()).lost.len(), 2);
        assert_eq!(audit(|evidence| evidence.shipments.clear()).lost.len(), 1);
    }

    #[test]
    fn an_event_that_differs_from_an_earlier_one_is_doubled() {
        let later = Timestamp::parse("2026-11-22T06:00:00.000Z").unwrap();
        let audit = audit(|evidence| {
            let mut event = FactEvent::decode(&evidence.records[0].data).unwrap();
            event.time = later;
            evidence.records.push(record(9, &event));
        });
        assert_eq!(audit.doubled.len(), 1, "{audit:?}");
    }

    #[test]
    fn a_shipment_that_was_booked_again_is_doubled() {
        let audit = audit(|evidence| {
            evidence.bookings.insert(order_id(), 2);
        });
        assert_eq!(audit.doubled.len(), 1, "{audit:?}");
    }

    #[test]
    fn orders_of_before_are_left_out() {
        let before = evidence();
        let audit = FactsAudit::of(&evidence().since(&before));
        assert_eq!(audit, FactsAudit::default());
    }

    #[test]
    fn what_follows_from_no_row_is_unexplained() {
        let without_rows = audit(|evidence| evidence.rows.clear());
        assert_eq!(without_rows.unexplained.len(), 5, "{without_rows:?}");
        let poison = audit(|evidence| evidence.records[0].data = b"{}".to_vec());
        assert_eq!(poison.unexplained.len(), 1);
        let key = audit(|evidence| evidence.records[0].partition_key = "k".into());
        assert_eq!(key.unexplained.len(), 1);
        let shipment = audit(|evidence| {
            evidence.shipments.insert(order_id(), "other".into());
        });
        assert_eq!(shipment.unexplained.len(), 1);
    }

    #[test]
    fn a_cancel_that_is_told_before_its_order_is_out_of_sequence() {
        let audit = audit(|evidence| evidence.records.reverse());
        assert_eq!(audit.out_of_sequence.len(), 1);
    }
}
