//! The laws that have to hold while a run goes on. The laws that have to hold when the run is over
//! are in `final_laws.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_model::{Aws, Service};
use conditional_write::Item;
use keyed_batch::KinesisEvent;
use orders::{Intent, IntentId, Row};
use serde_json::{Value, json};

use crate::resources::TABLE;
use crate::trace::Trace;

/// A law that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the law.
    pub law: &'static str,
    /// The observation that breaks the law.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.seen)
    }
}

/// The laws, with the observations so far.
#[derive(Clone, Debug)]
pub(crate) struct Laws {
    pub(crate) trace: Trace,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    violations: Vec<Violation>,
    /// The intents of the batch that each environment works on. They are sorted by key, and the
    /// intents of one key are in the sequence of the stream.
    batches: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// The place of the intent that was written last, for each environment and key.
    reached: BTreeMap<(String, String), usize>,
    /// The number of writes that somebody waits for, for each environment and key.
    writing: BTreeMap<(String, String), usize>,
    /// Each row as it was seen last.
    rows: BTreeMap<String, Row>,
    /// Each row's item as it is, and as it was before its last write.
    items: BTreeMap<String, (Value, Value)>,
    /// The number of the first write of each intent.
    first_writes: BTreeMap<String, u64>,
    /// The number of writes to the table, whatever their results.
    writes: u64,
    /// The number of records that the consumer was invoked with. A record counts at each delivery.
    deliveries: u64,
    /// The numbers of faults, by kind.
    counts: BTreeMap<String, u64>,
}

/// An invocation in which an environment works on a batch. The invocation ends when this value is
/// dropped.
pub(crate) struct InvocationInProgress {
    laws: Laws,
    environment: String,
}

/// A write that somebody waits for. The wait ends when this value is dropped.
pub(crate) struct WriteInProgress {
    laws: Laws,
    place: (String, String),
}

impl Laws {
    pub(crate) fn new(trace: Trace) -> Self {
        Self {
            trace,
            state: Arc::default(),
        }
    }

    pub(crate) fn broken(&self, law: &'static str, seen: impl Into<String>) {
        let violation = Violation {
            law,
            seen: seen.into(),
        };
        self.trace.line(format_args!("BROKEN   {violation}"));
        self.lock().violations.push(violation);
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    /// The row as it was seen last.
    pub(crate) fn row(&self, key: &str) -> Option<Row> {
        self.lock().rows.get(key).cloned()
    }

    /// The number of the first write of this intent, counted over all writes of the run.
    pub(crate) fn first_write(&self, intent: IntentId) -> Option<u64> {
        self.lock().first_writes.get(&intent.to_string()).copied()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.lock().writes
    }

    pub(crate) fn deliveries(&self) -> u64 {
        self.lock().deliveries
    }

    /// Counts this many faults of this kind.
    pub(crate) fn count(&self, kind: &str, times: u64) {
        *self.lock().counts.entry(kind.to_owned()).or_default() += times;
    }

    /// The numbers of faults so far, by kind.
    pub(crate) fn counted(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    pub(crate) fn invocation_begins(
        &self,
        environment: &str,
        event: &KinesisEvent,
    ) -> InvocationInProgress {
        let mut batch: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in &event.records {
            if let Ok(intent) = Intent::decode(record.data()) {
                let intents = batch.entry(intent.order_id.to_string()).or_default();
                intents.push(intent.id.to_string());
            }
        }
        let mut state = self.lock();
        state.deliveries += event.records.len() as u64;
        state.batches.insert(environment.to_owned(), batch);
        drop(state);
        InvocationInProgress {
            laws: self.clone(),
            environment: environment.to_owned(),
        }
    }

    /// Notes that the consumer begins to write to a row. A law is broken if the environment already
    /// waits for a write to this key. A law is also broken if the written intent comes before the
    /// intent that was written last.
    pub(crate) fn write_begins(&self, environment: &str, key: &str, body: &str) -> WriteInProgress {
        let place = (environment.to_owned(), key.to_owned());
        let mut state = self.lock();
        state.writes += 1;
        let writing = state.writing.entry(place.clone()).or_default();
        *writing += 1;
        let is_concurrent = *writing > 1;
        let batch = state.batches.get(environment);
        let intents = batch.and_then(|batch| batch.get(key)).into_iter().flatten();
        // The same intent may be in the batch more than once.
        let written = intents
            .enumerate()
            .filter(|(_, intent)| body.contains(*intent));
        let (places, written): (Vec<usize>, Vec<String>) = written
            .map(|(place, intent)| (place, intent.clone()))
            .unzip();
        let number = state.writes;
        for intent in written {
            state.first_writes.entry(intent).or_insert(number);
        }
        let reached = state.reached.entry(place.clone()).or_default();
        let next = places.iter().copied().find(|place| place >= reached);
        *reached = next.unwrap_or(*reached);
        let is_late = next.is_none() && !places.is_empty();
        drop(state);
        if is_concurrent {
            self.broken(
                "a key's records never run concurrently",
                format!("{environment}, {key}"),
            );
        }
        if is_late {
            self.broken(
                "a key's records run in their sequence",
                format!("{environment}, {key}"),
            );
        }
        WriteInProgress {
            laws: self.clone(),
            place,
        }
    }

    /// The item that an eventually consistent read may still see. It is the item as it was before
    /// its last write, or null if there was none.
    pub(crate) fn item_before(&self, key: &str) -> Value {
        self.lock()
            .items
            .get(key)
            .map(|(_, before)| before.clone())
            .unwrap_or_default()
    }

    /// Looks at a row after a write, whether or not the write had an effect. A law is broken if the
    /// row cannot be read, or if a register of the row is gone or has another value than before.
    pub(crate) fn row_may_have_changed(&self, aws: &Aws, key: &str) {
        let input =
            json!({"TableName": TABLE, "Key": {"order_id": {"S": key}}, "ConsistentRead": true});
        let Ok(output) = aws.operate(Service::DynamoDb, "GetItem", &input) else {
            return;
        };
        let Some(item) = output.get("Item").and_then(Value::as_object) else {
            return;
        };
        let now = Value::Object(item.clone());
        let mut state = self.lock();
        let items = state.items.entry(key.to_owned()).or_default();
        if items.0 != now {
            items.1 = std::mem::replace(&mut items.0, now);
        }
        drop(state);
        let row = match Row::from_item(&Item::from_json(item)) {
            Ok(row) => row,
            Err(error) => return self.broken("every row can be read", format!("{key}: {error}")),
        };
        let before = self.lock().rows.insert(key.to_owned(), row.clone());
        let Some(before) = before else {
            return;
        };
        let grew = (before.submitted.is_none() || before.submitted == row.submitted)
            && before
                .cancels
                .iter()
                .all(|(caller, register)| row.cancels.get(caller) == Some(register))
            && before.conflicts.is_subset(&row.conflicts)
            && (row.conflicts_truncated || !before.conflicts_truncated);
        if !grew {
            self.broken(
                "a register is written once",
                format!("{key} was {before:?}, is {row:?}"),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InvocationInProgress {
    fn drop(&mut self) {
        let mut state = self.laws.lock();
        state.batches.remove(&self.environment);
        state
            .reached
            .retain(|(environment, _), _| *environment != self.environment);
    }
}

impl Drop for WriteInProgress {
    fn drop(&mut self) {
        let mut state = self.laws.lock();
        if let Some(writing) = state.writing.get_mut(&self.place) {
            *writing -= 1;
        }
    }
}
