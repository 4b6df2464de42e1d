//! The event in the stream: what a client wants done to an order, in a CloudEvents 1.0 envelope.

use std::fmt;

use serde::Serialize;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
use crate::id::{IntentId, OrderId};
use crate::json::{Json, Members};
use crate::order::NewOrder;
use crate::timestamp::Timestamp;
use crate::violation::{Code, Pointer, Violation, Violations};

const SOURCE: &str = "orders/api";
const SUBMIT: &str = "OrderSubmitIntent.v1";
const CANCEL: &str = "OrderCancelIntent.v1";
const JSON: &str = "application/json";

/// What a caller wants done to one order. It was accepted; what becomes of it the row decides.
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
    /// What is to be done.
    pub action: Action,
}

/// What an intent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set the order's content, once.
    Submit {
        /// Who submits it and so owns it.
        owner: Caller,
        /// The content.
        order: NewOrder,
        /// [`Fingerprint::of`] the two.
        fingerprint: Fingerprint,
    },
    /// Cancel the order, if it is the caller's.
    Cancel {
        /// Who cancels.
        caller: Caller,
    },
}

/// Why a record's data can never be applied, however often it is delivered.
///
/// Its text and [`code`](Poison::code) hold no content of the event and may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// The data is no JSON document.
    #[error("the data is not JSON")]
    NotJson,
    /// A CloudEvents attribute is missing, malformed or not the value it has to be (CloudEvents 1.0 §3).
    #[error("the CloudEvents attribute `{0}` is missing or malformed")]
    Attribute(&'static str),
    /// An attribute stands twice, so the event says two things.
    #[error("an attribute of the envelope stands more than once")]
    DuplicateAttribute,
    /// The type is unknown, or a version of it that is newer than this service.
    #[error("the event type is not known")]
    UnknownType,
    /// The data breaks rules of its type.
    #[error("the data breaks {} rule(s), the first: {}", .0.len(), .0.first().map_or(Code::Type, |first| first.code))]
    Data(Vec<Violation>),
    /// The fingerprint was made by a rule that is newer than this service.
    #[error("the version of the fingerprint is not known")]
    UnknownFingerprintVersion,
    /// The fingerprint is not that of the data: one of them was altered.
    #[error("the fingerprint does not match the data")]
    FingerprintMismatch,
}

impl Poison {
    /// A short name for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Attribute(_) => "bad_attribute",
            Self::DuplicateAttribute => "duplicate_attribute",
            Self::UnknownType => "unknown_type",
            Self::Data(_) => "invalid_data",
            Self::UnknownFingerprintVersion => "unknown_fingerprint_version",
            Self::FingerprintMismatch => "fingerprint_mismatch",
        }
    }
}

impl Intent {
    /// The intent to submit `order` as `owner`.
    #[must_use]
    pub fn submit(
        id: IntentId,
        order_id: OrderId,
        accepted_at: Timestamp,
        owner: Caller,
        order: NewOrder,
    ) -> Self {
        let fingerprint = Fingerprint::of(&owner, &order);
        Self {
            id,
            order_id,
            accepted_at,
            traceparent: None,
            action: Action::Submit {
                owner,
                order,
                fingerprint,
            },
        }
    }

    /// The intent to cancel an order as `caller`.
    #[must_use]
    pub fn cancel(id: IntentId, order_id: OrderId, accepted_at: Timestamp, caller: Caller) -> Self {
        Self {
            id,
            order_id,
            accepted_at,
            traceparent: None,
            action: Action::Cancel { caller },
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

    /// The event as JSON: CloudEvents 1.0 in structured mode, with the partitioning extension. Below 1 MiB, the
    /// stream's limit for a record, whatever the order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let order_id = self.order_id.to_string();
        let (kind, data) = match &self.action {
            Action::Submit {
                owner,
                order,
                fingerprint,
            } => (
                SUBMIT,
                Data::Submit {
                    owner: owner.as_str(),
                    fingerprint: fingerprint.as_str(),
                    order,
                },
            ),
            Action::Cancel { caller } => (
                CANCEL,
                Data::Cancel {
                    caller: caller.as_str(),
                },
            ),
        };
        let event = Event {
            specversion: "1.0",
            id: self.id.to_string(),
            source: SOURCE,
            kind,
            subject: &order_id,
            partitionkey: &order_id,
            time: self.accepted_at.to_string(),
            datacontenttype: JSON,
            traceparent: self.traceparent.as_ref().map(TraceParent::as_str),
            data,
        };
        #[expect(
            clippy::expect_used,
            reason = "strings and integers in structs can always be written as JSON; going on without would accept an order and write nothing"
        )]
        serde_json::to_vec(&event).expect("an intent can be written as JSON")
    }

    /// Reads an event from a record's data.
    ///
    /// Attributes that are not known are left alone, as CloudEvents asks of consumers; fields of `data` that are not
    /// known are poison, for whoever wrote them meant something by them. An event never gets better, so whatever is
    /// wrong with it is [`Poison`].
    ///
    /// # Errors
    /// [`Poison`] with the reason. It never panics, whatever the bytes.
    pub fn decode(data: &[u8]) -> Result<Self, Poison> {
        // Values that are passed over are not looked at closely, so this looks first. RFC 8259
        // §8.1: JSON is UTF-8.
        let data = std::str::from_utf8(data).map_err(|_| Poison::NotJson)?;
        let json =
            Json::parse_members(data.as_bytes(), &ATTRIBUTES).map_err(|_| Poison::NotJson)?;
        // What is wrong with the envelope is told by the attribute's name alone.
        let mut envelope = json
            .object(&Pointer::Root, &mut Violations::default())
            .ok_or(Poison::NotJson)?;
        if envelope.has_duplicates() {
            return Err(Poison::DuplicateAttribute);
        }
        if attribute(&mut envelope, "specversion")? != "1.0" {
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
        let kind = attribute(&mut envelope, "type")?;
        let data = envelope.take("data").ok_or(Poison::Attribute("data"))?;
        let action = match kind {
            SUBMIT => submit(data)?,
            CANCEL => cancel(data)?,
            _ => return Err(Poison::UnknownType),
        };
        Ok(Self {
            id,
            order_id,
            accepted_at,
            traceparent,
            action,
        })
    }
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

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'a str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    partitionkey: &'a str,
    time: String,
    datacontenttype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Submit {
        owner: &'a str,
        fingerprint: &'a str,
        order: &'a NewOrder,
    },
    Cancel {
        caller: &'a str,
    },
}

fn attribute<'a>(envelope: &mut Members<'a>, name: &'static str) -> Result<&'a str, Poison> {
    envelope
        .take(name)
        .and_then(Json::as_str)
        .ok_or(Poison::Attribute(name))
}

fn submit(data: &Json) -> Result<Action, Poison> {
    let mut violations = Violations::default();
    let at = Pointer::Root.field("data");
    let parts = data.object(&at, &mut violations).and_then(|mut members| {
        let owner = members
            .require("owner", &at, &mut violations)
            .and_then(|json| caller(json, &at.field("owner"), &mut violations));
        let fingerprint = members
            .require("fingerprint", &at, &mut violations)
            .and_then(|json| {
                let fingerprint = json.as_str().and_then(Fingerprint::parse);
                if fingerprint.is_none() {
                    violations.add(
                        &at.field("fingerprint"),
                        Code::Format,
                        "must be a fingerprint",
                    );
                }
                fingerprint
            });
        let order = members
            .require("order", &at, &mut violations)
            .and_then(|json| NewOrder::from_json(json, &at.field("order"), &mut violations));
        members.finish(&at, &mut violations);
        Some((owner?, fingerprint?, order?))
    });
    let Some((owner, fingerprint, order)) = parts.filter(|_| violations.is_empty()) else {
        return Err(Poison::Data(violations.into_vec()));
    };
    if !fingerprint.is_current() {
        return Err(Poison::UnknownFingerprintVersion);
    }
    if fingerprint != Fingerprint::of(&owner, &order) {
        return Err(Poison::FingerprintMismatch);
    }
    Ok(Action::Submit {
        owner,
        order,
        fingerprint,
    })
}

fn cancel(data: &Json) -> Result<Action, Poison> {
    let mut violations = Violations::default();
    let at = Pointer::Root.field("data");
    let caller = data.object(&at, &mut violations).and_then(|mut members| {
        let caller = members
            .require("caller", &at, &mut violations)
            .and_then(|json| caller(json, &at.field("caller"), &mut violations));
        members.finish(&at, &mut violations);
        caller
    });
    match caller.filter(|_| violations.is_empty()) {
        Some(caller) => Ok(Action::Cancel { caller }),
        None => Err(Poison::Data(violations.into_vec())),
    }
}

fn caller(json: &Json, at: &Pointer<'_>, violations: &mut Violations) -> Option<Caller> {
    let caller = json.as_str().and_then(Caller::parse);
    if caller.is_none() {
        violations.add(at, Code::Format, "must be a caller's name");
    }
    caller
}

/// A W3C Trace Context `traceparent` of version 00: trace id, parent id and flags (Trace Context §3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// Reads a header's or an attribute's value, or `None` if it is not of that form or all zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('-').collect();
        let [version, trace, parent, flags] = fields[..] else {
            return None;
        };
        let hex = |field: &str, length: usize| {
            field.len() == length
                && field
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let id = |field: &str, length| hex(field, length) && field.bytes().any(|byte| byte != b'0');
        (version == "00" && id(trace, 32) && id(parent, 16) && hex(flags, 2))
            .then(|| Self(text.to_owned()))
    }

    /// The whole value, 55 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_of_version_00_and_not_all_zeros() {
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(sound).unwrap().as_str(), sound);
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            &sound.to_uppercase(),
            &sound.replace("00-4", "01-4"),
            &sound.replace("00f067aa0ba902b7", "0000000000000000"),
        ] {
            assert!(TraceParent::parse(bad).is_none(), "{bad}");
        }
    }
}
