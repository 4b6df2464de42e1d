//! The envelope of every event, which is CloudEvents 1.0 in JSON, in structured mode.

use serde::Serialize;

use crate::id::OrderId;
use crate::json::{Json, Members};
use crate::poison::Poison;
#[cfg(test)]
use crate::schema::{TIME, UUID, whole};
use crate::timestamp::Timestamp;
use crate::trace_parent::TraceParent;
use crate::violation::{Pointer, Violations};

const SPECVERSION: &str = "1.0";
const JSON: &str = "application/json";

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

/// An event about one order, to be written.
pub(crate) struct Outgoing<'a, D> {
    pub(crate) id: String,
    pub(crate) source: &'a str,
    pub(crate) type_name: &'a str,
    pub(crate) order_id: OrderId,
    /// True if the event has the partitioning extension (CloudEvents 1.0, "Partitioning").
    pub(crate) has_partition_key: bool,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<&'a TraceParent>,
    pub(crate) data: &'a D,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Envelope<'a, D> {
    /// The version of CloudEvents.
    #[cfg_attr(test, schemars(extend("const" = SPECVERSION)))]
    specversion: &'a str,
    /// The event's id, the same in every copy of the event.
    id: String,
    /// The part of the service that wrote the event.
    source: &'a str,
    /// The kind of the event and its version.
    #[serde(rename = "type")]
    type_name: &'a str,
    /// The id of the order.
    #[cfg_attr(test, schemars(regex(pattern = whole(UUID)), extend("format" = "uuid")))]
    subject: &'a str,
    /// The record's partition key, which is the id of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = whole(UUID)), extend("format" = "uuid")))]
    partitionkey: Option<&'a str>,
    /// The event's time, in UTC and whole milliseconds.
    #[cfg_attr(test, schemars(regex(pattern = TIME), extend("format" = "date-time")))]
    time: String,
    /// The media type of the data.
    #[cfg_attr(test, schemars(extend("const" = JSON)))]
    datacontenttype: &'a str,
    /// The trace that the event belongs to (W3C Trace Context), if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "TraceParent"))]
    traceparent: Option<&'a TraceParent>,
    data: &'a D,
}

impl<D: Serialize> Outgoing<'_, D> {
    /// The event as JSON.
    pub(crate) fn encode(self) -> Vec<u8> {
        let order_id = self.order_id.to_string();
        let envelope = Envelope {
            specversion: SPECVERSION,
            id: self.id,
            source: self.source,
            type_name: self.type_name,
            subject: &order_id,
            partitionkey: self.has_partition_key.then_some(order_id.as_str()),
            time: self.time.to_string(),
            datacontenttype: JSON,
            traceparent: self.traceparent,
            data: self.data,
        };
        #[expect(
            clippy::expect_used,
            reason = "strings and integers in structs can always be written as JSON; going on without would accept an order and write nothing"
        )]
        serde_json::to_vec(&envelope).expect("an event can be written as JSON")
    }
}

/// The attributes of an event about one order that was read, and its data.
pub(crate) struct Incoming<'a> {
    pub(crate) id: &'a str,
    pub(crate) type_name: &'a str,
    pub(crate) order_id: OrderId,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<TraceParent>,
    pub(crate) data: &'a Json,
}

/// Reads a record's data as a JSON document, of which [`Incoming::of`] takes the attributes.
///
/// # Errors
/// [`Poison::NotJson`].
pub(crate) fn document(data: &[u8]) -> Result<Json, Poison> {
    // Values that are passed over are not looked at closely, so this looks first. JSON is UTF-8
    // (RFC 8259 §8.1).
    let data = std::str::from_utf8(data).map_err(|_| Poison::NotJson)?;
    Json::parse_members(data.as_bytes(), &ATTRIBUTES).map_err(|_| Poison::NotJson)
}

impl<'a> Incoming<'a> {
    /// The attributes of a document.
    ///
    /// Attributes that are not known are left alone, as CloudEvents asks of consumers.
    ///
    /// # Errors
    /// [`Poison`] with the name of the attribute that is missing or malformed.
    pub(crate) fn of(document: &'a Json) -> Result<Self, Poison> {
        // A fault of the envelope is told by the attribute's name alone.
        let mut members = document
            .object(&Pointer::Root, &mut Violations::default())
            .ok_or(Poison::NotJson)?;
        if members.has_duplicates() {
            return Err(Poison::DuplicateAttribute);
        }
        if attribute(&mut members, "specversion")? != SPECVERSION {
            return Err(Poison::Attribute("specversion"));
        }
        let id = attribute(&mut members, "id")?;
        if attribute(&mut members, "source")?.is_empty() {
            return Err(Poison::Attribute("source"));
        }
        let order_id = OrderId::parse(attribute(&mut members, "subject")?)
            .ok_or(Poison::Attribute("subject"))?;
        let time =
            Timestamp::parse(attribute(&mut members, "time")?).ok_or(Poison::Attribute("time"))?;
        if attribute(&mut members, "datacontenttype")? != JSON {
            return Err(Poison::Attribute("datacontenttype"));
        }
        let traceparent = members
            .take("traceparent")
            .and_then(Json::as_str)
            .and_then(TraceParent::parse);
        let type_name = attribute(&mut members, "type")?;
        let data = members.take("data").ok_or(Poison::Attribute("data"))?;
        Ok(Self {
            id,
            type_name,
            order_id,
            time,
            traceparent,
            data,
        })
    }
}

fn attribute<'a>(members: &mut Members<'a>, name: &'static str) -> Result<&'a str, Poison> {
    members
        .take(name)
        .and_then(Json::as_str)
        .ok_or(Poison::Attribute(name))
}
