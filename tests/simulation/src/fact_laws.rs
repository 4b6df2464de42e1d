//! The laws about facts that have to hold while a run goes on. The laws that have to hold when the
//! run is over are in `final_fact_laws.rs`.
//!
//! The facts of a change are derived here from its rows once more, because the notifier's own
//! derivation is under test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_model::Aws;
use aws_model::kinesis::{Position, SequenceNumber};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use conditional_write::Item;
use keyed_batch::{BatchRecord, DynamoDbRecord, KinesisRecord};
use orders::{Erased, Fact, OrderId, Row};
use serde_json::Value;

use crate::laws::Laws;
use crate::resources::{ANNOUNCEMENTS, FACTS_STREAM, SHIPMENTS, item};

/// The laws about facts, with the observations so far.
#[derive(Clone, Debug)]
pub(crate) struct FactLaws {
    laws: Laws,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The facts that each environment of the notifier may publish in its invocation.
    invocations: BTreeMap<String, Announced>,
    /// The last record of each shard of the facts stream that was looked at.
    looked_at: BTreeMap<String, SequenceNumber>,
    stream: FactsSeen,
    /// The ids of the events that the subscriber has worked off.
    worked_off: BTreeSet<String>,
    /// The booking of each order's shipment.
    bookings: BTreeMap<String, String>,
}

/// The facts in the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct FactsSeen {
    /// The event of each fact when it came first, by the id that it has to have.
    pub(crate) events: BTreeMap<String, Value>,
    /// The names of each order's facts, in the sequence in which they came first.
    pub(crate) sequence: BTreeMap<String, Vec<String>>,
    /// The number of events whose fact was in the stream already.
    pub(crate) repetitions: u64,
    /// True if `announce --missing` has begun.
    has_an_announcer: bool,
}

#[derive(Debug, Default)]
struct Announced {
    /// The ids of the facts that the invocation may publish.
    ids: BTreeSet<String>,
    /// The ids of the facts that the stream has acknowledged to the invocation.
    acknowledged: BTreeSet<String>,
}

/// An invocation of the notifier. The invocation ends when this value is dropped.
pub(crate) struct Announcing {
    laws: FactLaws,
    environment: String,
}

impl FactLaws {
    pub(crate) fn new(laws: Laws) -> Self {
        Self {
            laws,
            state: Arc::default(),
        }
    }

    /// Notes that the notifier is invoked with these changes.
    pub(crate) fn changes_begin(
        &self,
        environment: &str,
        changes: &[DynamoDbRecord],
    ) -> Announcing {
        let ids = changes.iter().flat_map(|change| {
            let (old, new) = (change.old_image.as_ref(), change.new_image.as_ref());
            let order_id = new.or(old).and_then(order_id);
            let facts = facts_between(old, new).into_iter();
            facts.filter_map(move |fact| Some(format!("{}/{}", order_id?, fact.name())))
        });
        let announcing = self.announcing(environment, ids.collect());
        let keys: BTreeSet<&str> = changes.iter().map(DynamoDbRecord::key).collect();
        if keys.len() < changes.len() {
            let what = "notifier: batch with several changes of an order";
            self.laws.count(what, 1);
        }
        announcing
    }

    /// Notes that `announce --missing` begins, and that these facts are missing.
    pub(crate) fn announcer_begins(
        &self,
        environment: &str,
        missing: &BTreeSet<String>,
    ) -> Announcing {
        self.lock().stream.has_an_announcer = true;
        self.announcing(environment, missing.clone())
    }

    /// Notes that the environment may publish the facts with these ids.
    fn announcing(&self, environment: &str, ids: BTreeSet<String>) -> Announcing {
        let announced = Announced {
            ids,
            ..Announced::default()
        };
        self.lock()
            .invocations
            .insert(environment.to_owned(), announced);
        Announcing {
            laws: self.clone(),
            environment: environment.to_owned(),
        }
    }

    /// Notes that an environment puts these events into the facts stream. A law is broken if one of
    /// them is not announced by a change of the batch, or was acknowledged before in the same
    /// invocation.
    pub(crate) fn put_begins(&self, environment: &str, ids: &[String]) {
        let state = self.lock();
        let Some(announced) = state.invocations.get(environment) else {
            return;
        };
        let nowhere: Vec<_> = ids
            .iter()
            .filter(|id| !announced.ids.contains(*id))
            .collect();
        let again: Vec<_> = ids
            .iter()
            .filter(|id| announced.acknowledged.contains(*id))
            .collect();
        let (nowhere, again) = (format!("{nowhere:?}"), format!("{again:?}"));
        drop(state);
        if nowhere != "[]" {
            self.laws
                .broken("a fact is announced by one change", nowhere);
        }
        if again != "[]" {
            self.laws
                .broken("an invocation publishes an acknowledged fact once", again);
        }
    }

    /// Notes the answer to a put of these events, before its caller gets the answer.
    pub(crate) fn answered(
        &self,
        environment: &str,
        ids: Vec<String>,
        answer: Option<&HttpResponse>,
    ) {
        let Some(answer) = answer.filter(|answer| answer.status().is_success()) else {
            return;
        };
        if ids.is_empty() {
            return;
        }
        let body = answer.body().bytes().unwrap_or_default();
        let output: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut state = self.lock();
        let Some(announced) = state.invocations.get_mut(environment) else {
            return;
        };
        for (place, id) in ids.into_iter().enumerate() {
            // The answer to a `PutRecord` has no entries, and is about its one event.
            if output["Records"][place]["ErrorCode"].is_null() {
                announced.acknowledged.insert(id);
            }
        }
    }

    /// Looks at the records that came into the facts stream. A law is broken if an event has not
    /// the id and the partition key of its fact, or differs from an earlier event of the same fact.
    pub(crate) fn facts_may_have_come(&self, aws: &Aws) {
        let mut broken = Vec::new();
        let mut state = self.lock();
        let kinesis = aws.kinesis();
        for shard in kinesis.shards(FACTS_STREAM).unwrap() {
            let looked_at = state.looked_at.get(&shard.id);
            let from = looked_at.map_or(Position::TrimHorizon, |last| Position::After(*last));
            let read = kinesis.read(FACTS_STREAM, &shard.id, from, 10_000).unwrap();
            if let Some(last) = read.records.last() {
                state.looked_at.insert(shard.id, last.sequence_number);
            }
            for record in read.records {
                let event: Value = serde_json::from_slice(&record.data).unwrap_or_default();
                broken.extend(state.stream.add(&record.partition_key, event));
            }
        }
        drop(state);
        for (law, seen) in broken {
            self.laws.broken(law, seen);
        }
    }

    /// Looks at the marks of an order after a write. A law is broken if there is a mark whose fact
    /// is not in the stream.
    pub(crate) fn marks_may_have_changed(&self, aws: &Aws, order_id: &str) {
        self.facts_may_have_come(aws);
        let marks = item(aws, ANNOUNCEMENTS, order_id);
        for name in marks
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
        {
            let id = format!("{order_id}/{name}");
            if name != Row::KEY && !self.lock().stream.events.contains_key(&id) {
                self.laws
                    .broken("a mark is only for a fact in the stream", id);
            }
        }
    }

    /// Looks at the shipment of an order after a write. A law is broken if it was booked again.
    pub(crate) fn shipment_may_have_changed(&self, aws: &Aws, order_id: &str) {
        let shipment = item(aws, SHIPMENTS, order_id);
        let Some(booking) = shipment["booking"]["S"].as_str() else {
            return;
        };
        let before = self
            .lock()
            .bookings
            .insert(order_id.to_owned(), booking.to_owned());
        if before.is_some_and(|before| before != booking) {
            self.laws.broken("a shipment is booked once", order_id);
        }
    }

    /// Notes that the subscriber has worked off these records.
    pub(crate) fn worked_off<'a>(&self, records: impl Iterator<Item = &'a KinesisRecord>) {
        let ids = records.filter_map(|record| {
            let event = serde_json::from_slice(record.data()).ok()?;
            Some(pinned_id(&event))
        });
        self.lock().worked_off.extend(ids);
    }

    /// True if the subscriber has worked off an event of this id.
    pub(crate) fn is_worked_off(&self, id: &str) -> bool {
        self.lock().worked_off.contains(id)
    }

    /// The facts in the stream.
    pub(crate) fn stream(&self) -> FactsSeen {
        self.lock().stream.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FactsSeen {
    /// Adds an event that came under this key, and returns the laws that it breaks.
    pub(crate) fn add(&mut self, partition_key: &str, event: Value) -> Vec<(&'static str, String)> {
        let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
        let (id, subject) = (text("id"), text("subject"));
        let name = match &*text("type") {
            "OrderCreated.v1" => "created".to_owned(),
            "OrderCancelled.v1" => "cancelled".to_owned(),
            "OrderErased.v1" => "erased".to_owned(),
            _ => format!(
                "conflicted/{}",
                event["data"]["fingerprint"].as_str().unwrap_or_default()
            ),
        };
        let mut broken = Vec::new();
        if id != format!("{subject}/{name}") {
            broken.push((
                "a fact has one event id",
                format!("{id} of {subject}/{name}"),
            ));
        }
        if partition_key != subject {
            let seen = format!("{partition_key} of {subject}");
            broken.push(("a fact lies under its order's key", seen));
        }
        match self.events.get(&id) {
            None => {
                self.sequence.entry(subject).or_default().push(name);
                self.events.insert(id, event);
            }
            Some(first) => {
                self.repetitions += 1;
                // The row does not know the time of a conflict. A change says when it was recorded,
                // and the announcer knows only the present.
                let has_its_time = !(self.has_an_announcer && name.starts_with("conflicted/"));
                let is_same = |member: &str| first[member] == event[member];
                if !is_same("data") || !is_same("source") || has_its_time && !is_same("time") {
                    broken.push(("a repetition of a fact has its content", id));
                }
            }
        }
        broken
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        self.laws.lock().invocations.remove(&self.environment);
    }
}

/// The order of an event, and the name of its fact. They are read from the event's subject, type
/// and data, because its id is under test.
fn fact_of(event: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = match &*text(&event["type"]) {
        "OrderCreated.v1" => "created".to_owned(),
        "OrderCancelled.v1" => "cancelled".to_owned(),
        "OrderErased.v1" => "erased".to_owned(),
        _ => format!("conflicted/{}", text(&event["data"]["fingerprint"])),
    };
    (text(&event["subject"]), name)
}

/// The id that the event of a fact has to have.
pub(crate) fn pinned_id(event: &Value) -> String {
    let (order_id, name) = fact_of(event);
    format!("{order_id}/{name}")
}

/// The facts of the new row that the old row does not have. `Erased` if there is no row any more.
pub(crate) fn facts_between(old: Option<&Value>, new: Option<&Value>) -> Vec<Fact> {
    let facts = |image: Option<&Value>| {
        let row = image.and_then(Value::as_object);
        let row = row.and_then(|row| Row::from_item(&Item::from_json(row)).ok());
        row.map(|row| row.facts()).unwrap_or_default()
    };
    let before = facts(old);
    if new.is_none() && !before.is_empty() {
        return vec![Fact::Erased(Erased {})];
    }
    let mut after = facts(new);
    after.retain(|fact| !before.contains(fact));
    after
}

/// The order id of an image of a row.
pub(crate) fn order_id(image: &Value) -> Option<OrderId> {
    OrderId::parse(image[Row::KEY]["S"].as_str()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trace::Trace;

    fn event(id: &str, kind: &str, data: Value) -> Value {
        json!({"id": id, "source": "orders/notifier", "type": kind, "subject": "o", "time": "t",
            "data": data})
    }

    fn created() -> Value {
        event("o/created", "OrderCreated.v1", json!({"total": 1}))
    }

    fn conflicted(time: &str) -> Value {
        let data = json!({"fingerprint": "1:f"});
        let mut event = event("o/conflicted/1:f", "OrderConflicted.v1", data);
        event["time"] = json!(time);
        event
    }

    fn laws(broken: &[(&'static str, String)]) -> Vec<&'static str> {
        broken.iter().map(|(law, _)| *law).collect()
    }

    #[test]
    fn a_fact_and_its_repetition_break_no_law_and_are_counted() {
        let mut seen = FactsSeen::default();
        assert_eq!(seen.add("o", created()), []);
        assert_eq!(seen.add("o", conflicted("t")), []);
        assert_eq!(seen.add("o", created()), []);
        assert_eq!(seen.repetitions, 1);
        assert_eq!(seen.sequence["o"], ["created", "conflicted/1:f"]);
    }

    #[test]
    fn another_event_id_or_partition_key_is_found() {
        let mut seen = FactsSeen::default();
        let broken = seen.add("o", event("x", "OrderCancelled.v1", json!({})));
        assert_eq!(laws(&broken), ["a fact has one event id"]);
        let broken = seen.add("o/created", created());
        assert_eq!(laws(&broken), ["a fact lies under its order's key"]);
    }

    #[test]
    fn a_repetition_with_other_content_is_found() {
        for member in ["data", "source", "time"] {
            let mut seen = FactsSeen::default();
            assert_eq!(seen.add("o", created()), []);
            let mut other = created();
            other[member] = json!("other");
            let broken = seen.add("o", other);
            assert_eq!(laws(&broken), ["a repetition of a fact has its content"]);
        }
    }

    fn answer(body: Value) -> HttpResponse {
        HttpResponse::new(200.try_into().unwrap(), body.to_string().into())
    }

    #[test]
    fn an_acknowledged_fact_that_is_published_again_and_one_of_no_change_are_found() {
        let laws = Laws::new(Trace::new());
        let fact_laws = FactLaws::new(laws.clone());
        let broken = || {
            let violations = laws.violations().into_iter();
            violations
                .map(|violation| violation.law)
                .collect::<Vec<_>>()
        };
        let ids = ["o/created".to_owned(), "p/created".to_owned()];
        let announcing = fact_laws.announcing("notifier-0", ids.iter().cloned().collect());
        fact_laws.put_begins("notifier-0", &ids);
        let records = json!([{"ErrorCode": "InternalFailure"}, {"SequenceNumber": "1"}]);
        let answer = answer(json!({"FailedRecordCount": 1, "Records": records}));
        fact_laws.answered("notifier-0", ids.to_vec(), Some(&answer));
        fact_laws.put_begins("notifier-0", &ids[..1]);
        assert_eq!(broken(), [""; 0]);
        fact_laws.put_begins("notifier-0", &ids[1..]);
        fact_laws.put_begins("notifier-0", &["q/created".to_owned()]);
        let published_once = "an invocation publishes an acknowledged fact once";
        let announced_once = "a fact is announced by one change";
        assert_eq!(broken(), [published_once, announced_once]);
        drop(announcing);
    }

    #[test]
    fn only_the_announcer_gives_a_conflict_another_time() {
        let mut seen = FactsSeen::default();
        assert_eq!(seen.add("o", conflicted("t")), []);
        assert_eq!(seen.add("o", conflicted("later")).len(), 1);
        seen.has_an_announcer = true;
        assert_eq!(seen.add("o", conflicted("later")), []);
    }
}
