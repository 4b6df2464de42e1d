//! The event in the stream, which says in a CloudEvents 1.0 envelope what a client wants done to an
//! order.
//!
//! Each kind of intent is a file below `intent/`, with its type name, its data both ways, its next
//! step and its register in the row. [`IntentKind`] lists the kinds.

mod cancel;
mod submit;

use serde::Serialize;

use crate::cloud_event::{self, Incoming, Outgoing};
use crate::id::{IntentId, OrderId};
use crate::json::Json;
use crate::poison::Poison;
use crate::row::Row;
use crate::step::Step;
use crate::timestamp::Timestamp;
use crate::trace_parent::TraceParent;

pub(crate) use cancel::cancels;
pub use cancel::{Cancel, CancelRegister};
#[cfg(test)]
pub(crate) use submit::MAX_CONFLICTS;
pub(crate) use submit::{OWNER, conflicts, submitted, were_conflicts_truncated};
pub use submit::{Submit, Submitted};

const SOURCE: &str = "orders/api";

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
        Outgoing {
            id: self.id.to_string(),
            source: SOURCE,
            type_name: self.kind.type_name(),
            order_id: self.order_id,
            has_partition_key: true,
            time: self.accepted_at,
            traceparent: self.traceparent.as_ref(),
            data: &self.kind,
        }
        .encode()
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
        let document = cloud_event::document(data)?;
        let event = Incoming::of(&document)?;
        let id = IntentId::parse(event.id).ok_or(Poison::Attribute("id"))?;
        let kind = IntentKind::read(event.type_name, event.data)?;
        Ok(Self::new(id, event.order_id, event.time, kind).in_trace(event.traceparent))
    }
}
