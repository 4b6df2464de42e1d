//! The event in the stream, which says in a CloudEvents 1.0 envelope what a client wants done to an
//! order.
//!
//! Each kind of intent is a file below `intent/`, with its type name, its data both ways, its next
//! step and its register in the row. [`IntentKind`] lists the kinds.

mod cancel;
mod submit;

use serde::Serialize;

use crate::id::{IntentId, OrderId};
use crate::json::{Json, Members};
use crate::poison::Poison;
use crate::row::Row;
use crate::step::Step;
use crate::timestamp::Timestamp;
use crate::trace_parent::TraceParent;
use crate::violation::{Pointer, Violations};

pub(crate) use cancel::cancels;
pub use cancel::{Cancel, CancelRegister};
pub(crate) use submit::{OWNER, conflicts, submitted, were_conflicts_truncated};
pub use submit::{Submit, Submitted};

const SPECVERSION: &str = "1.0";
const SOURCE: &str = "orders/api";
const JSON: &str = "application/json";

/// A caller's accepted wish about one order. The row decides what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The intent's own id, the same in every copy of the event.
    pub id: IntentId,
    /// The order that it is about.
    pub order_id: OrderId,
    /// When the API accepted it.
    pub accepted_at: Timestamp,
    /// The trace that it belongs to, if the client sent one.
    pub traceparent: Option<TraceParent>,
    /// The change that is wanted.
    pub kind: IntentKind,
}

/// The kind of an intent with its data. In JSON it is the event's `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IntentKind {
    /// Sets the order's content, once.
    Submit(Submit),
    /// Cancels the order, if it is the caller's.
    Cancel(Cancel),
}

impl IntentKind {
    /// The event's type, which is the kind and its version.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Submit(_) => Submit::TYPE,
            Self::Cancel(_) => Cancel::TYPE,
        }
    }

    fn read(type_name: &str, data: &Json) -> Result<Self, Poison> {
        match type_name {
            Submit::TYPE => Submit::read(data).map(Self::Submit),
            Cancel::TYPE => Cancel::read(data).map(Self::Cancel),
            _ => Err(Poison::UnknownType),
        }
    }

    pub(crate) fn next_step(&self, intent: &Intent, row: &Row) -> Step {
        match self {
            Self::Submit(submit) => submit.next_step(intent, row),
            Self::Cancel(cancel) => cancel.next_step(intent, row),
        }
    }
}

/// The envelope, which is CloudEvents 1.0 in structured mode, with the partitioning extension.
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'a str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    subject: &'a str,
    partitionkey: &'a str,
    time: String,
    datacontenttype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a TraceParent>,
    data: &'a IntentKind,
}

/// The attributes of an event that are read, and its data.
const ATTRIBUTES: [&str; 9] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "traceparent",
    "data",
];

impl Intent {
    /// The intent to do this to an order, outside of any trace.
    #[must_use]
    pub fn new(id: IntentId, order_id: OrderId, accepted_at: Timestamp, kind: IntentKind) -> Self {
        Self {
            id,
            order_id,
            accepted_at,
            traceparent: None,
            kind,
        }
    }

    /// The same intent as a part of a trace.
    #[must_use]
    pub fn in_trace(self, traceparent: Option<TraceParent>) -> Self {
        Self {
            traceparent,
            ..self
        }
    }

    /// The event as JSON. Below 1 MiB, the stream's limit for a record, whatever the order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let order_id = self.order_id.to_string();
        let event = Event {
            specversion: SPECVERSION,
            id: self.id.to_string(),
            source: SOURCE,
            type_name: self.kind.type_name(),
            subject: &order_id,
            partitionkey: &order_id,
            time: self.accepted_at.to_string(),
            datacontenttype: JSON,
            traceparent: self.traceparent.as_ref(),
            data: &self.kind,
        };
        #[expect(
            clippy::expect_used,
            reason = "strings and integers in structs can always be written as JSON; going on without would accept an order and write nothing"
        )]
        serde_json::to_vec(&event).expect("an intent can be written as JSON")
    }

    /// Reads an event from a record's data.
    ///
    /// Attributes that are not known are left alone, as CloudEvents asks of consumers. Fields of
    /// `data` that are not known are poison, because their writer meant something by them. An event
    /// never gets better, so every fault in it is [`Poison`].
    ///
    /// # Errors
    /// [`Poison`] with the reason. It never panics, whatever the bytes.
    pub fn decode(data: &[u8]) -> Result<Self, Poison> {
        // Values that are passed over are not looked at closely, so this looks first. JSON is UTF-8
        // (RFC 8259 §8.1).
        let data = std::str::from_utf8(data).map_err(|_| Poison::NotJson)?;
        let json =
            Json::parse_members(data.as_bytes(), &ATTRIBUTES).map_err(|_| Poison::NotJson)?;
        // A fault of the envelope is told by the attribute's name alone.
        let mut envelope = json
            .object(&Pointer::Root, &mut Violations::default())
            .ok_or(Poison::NotJson)?;
        if envelope.has_duplicates() {
            return Err(Poison::DuplicateAttribute);
        }
        if attribute(&mut envelope, "specversion")? != SPECVERSION {
            return Err(Poison::Attribute("specversion"));
        }
        let id = IntentId::parse(attribute(&mut envelope, "id")?).ok_or(Poison::Attribute("id"))?;
        if attribute(&mut envelope, "source")?.is_empty() {
            return Err(Poison::Attribute("source"));
        }
        let order_id = OrderId::parse(attribute(&mut envelope, "subject")?)
            .ok_or(Poison::Attribute("subject"))?;
        let accepted_at =
            Timestamp::parse(attribute(&mut envelope, "time")?).ok_or(Poison::Attribute("time"))?;
        if attribute(&mut envelope, "datacontenttype")? != JSON {
            return Err(Poison::Attribute("datacontenttype"));
        }
        let traceparent = envelope
            .take("traceparent")
            .and_then(Json::as_str)
            .and_then(TraceParent::parse);
        let type_name = attribute(&mut envelope, "type")?;
        let data = envelope.take("data").ok_or(Poison::Attribute("data"))?;
        let kind = IntentKind::read(type_name, data)?;
        Ok(Self::new(id, order_id, accepted_at, kind).in_trace(traceparent))
    }
}

fn attribute<'a>(envelope: &mut Members<'a>, name: &'static str) -> Result<&'a str, Poison> {
    envelope
        .take(name)
        .and_then(Json::as_str)
        .ok_or(Poison::Attribute(name))
}
