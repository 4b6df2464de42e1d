//! The order row, a set of registers each of which is written once, and what its owner sees of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
use crate::id::{IntentId, OrderId};
use crate::json::Json;
use crate::order::{LineItem, NewOrder};
use crate::timestamp::Timestamp;
use crate::violation::{Pointer, Violations};
use crate::write::{Item, Value};

pub(crate) const FINGERPRINT: &str = "fingerprint";
pub(crate) const OWNER: &str = "owner";
pub(crate) const CONTENT: &str = "content";
pub(crate) const SUBMIT_INTENT: &str = "submit_intent";
pub(crate) const ACCEPTED_AT: &str = "accepted_at";
pub(crate) const CONFLICTS: &str = "conflicts";
pub(crate) const CONFLICTS_TRUNCATED: &str = "conflicts_truncated";
pub(crate) const INTENT: &str = "intent";
const CANCEL_PREFIX: &str = "cancel:";

/// The most conflicting fingerprints that a row records, so that it stays small however often a client errs.
pub(crate) const MAX_CONFLICTS: usize = 10;

/// What intents have said about one order.
///
/// A row without [`submitted`](Self::submitted) is no order yet: a cancel came first and waits for its submit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// What the submit that was applied first set.
    pub submitted: Option<Submitted>,
    /// The cancel registers, by [`Caller::hash`]. Only the owner's counts.
    pub cancels: BTreeMap<String, CancelRegister>,
    /// The fingerprints of other submits of the same id: at most ten.
    pub conflicts: BTreeSet<Fingerprint>,
    /// Whether there were conflicts beyond the ten.
    pub conflicts_truncated: bool,
}

/// The five attributes that a submit sets at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Submitted {
    /// Of owner and content.
    pub fingerprint: Fingerprint,
    /// Who submitted the order.
    pub owner: Caller,
    /// The order.
    pub content: NewOrder,
    /// The intent that was applied.
    pub intent: IntentId,
    /// When that intent was accepted.
    pub accepted_at: Timestamp,
}

/// One caller's cancel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CancelRegister {
    /// The intent that was applied.
    pub intent: IntentId,
    /// When that intent was accepted.
    pub accepted_at: Timestamp,
}

/// A row that this version of the service cannot read: an attribute is missing or not of its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the row's attribute `{0}` is missing or malformed")]
pub struct UnreadableRow(&'static str);

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Submitted and not cancelled.
    Placed,
    /// Cancelled by its owner.
    Cancelled,
}

/// What the owner of an order sees: the body of a 200, in JSON by `Serialize`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct OrderView {
    order_id: String,
    status: Status,
    #[serde(flatten)]
    content: NewOrder,
    total: u64,
    accepted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<String>,
    fingerprint: String,
    conflicts: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    conflicts_truncated: bool,
}

impl OrderView {
    /// Where the order stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What was ordered.
    #[must_use]
    pub fn content(&self) -> &NewOrder {
        &self.content
    }
}

impl fmt::Debug for OrderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderView({}, {:?})", self.order_id, self.status)
    }
}

impl Row {
    /// The attribute that names an order's owner. A read for a caller compares it before the rest.
    pub const OWNER: &str = OWNER;

    /// Reads a row. Attributes that are not the service's are left alone.
    ///
    /// # Errors
    /// [`UnreadableRow`] names the attribute that is missing or malformed. The service never writes such a row.
    pub fn from_item(item: &Item) -> Result<Self, UnreadableRow> {
        let mut row = Self {
            submitted: submitted(item)?,
            ..Self::default()
        };
        for (name, value) in item {
            if let Some(hash) = name
                .strip_prefix(CANCEL_PREFIX)
                .filter(|hash| is_hash(hash))
            {
                row.cancels.insert(
                    hash.to_owned(),
                    cancel_register(value).ok_or(UnreadableRow("cancel"))?,
                );
            }
        }
        if let Some(value) = item.get(CONFLICTS) {
            let Value::Ss(texts) = value else {
                return Err(UnreadableRow(CONFLICTS));
            };
            row.conflicts = texts
                .iter()
                .map(|text| Fingerprint::parse(text))
                .collect::<Option<_>>()
                .ok_or(UnreadableRow(CONFLICTS))?;
        }
        row.conflicts_truncated = item.contains_key(CONFLICTS_TRUNCATED);
        Ok(row)
    }

    /// The name of a caller's cancel register.
    pub(crate) fn cancel_attribute(caller: &Caller) -> String {
        format!("{CANCEL_PREFIX}{}", caller.hash())
    }

    /// A caller's cancel, if there is one.
    #[must_use]
    pub fn cancel_of(&self, caller: &Caller) -> Option<&CancelRegister> {
        self.cancels.get(&caller.hash())
    }

    /// What this caller sees of the order: nothing, unless it exists and is the caller's.
    #[must_use]
    pub fn view(&self, order_id: OrderId, caller: &Caller) -> Option<OrderView> {
        let submitted = self
            .submitted
            .as_ref()
            .filter(|submitted| submitted.owner == *caller)?;
        let cancel = self.cancel_of(caller);
        Some(OrderView {
            order_id: order_id.to_string(),
            status: if cancel.is_some() {
                Status::Cancelled
            } else {
                Status::Placed
            },
            content: submitted.content.clone(),
            total: submitted.content.total(),
            accepted_at: submitted.accepted_at.to_string(),
            cancelled_at: cancel.map(|cancel| cancel.accepted_at.to_string()),
            fingerprint: submitted.fingerprint.to_string(),
            conflicts: self.conflicts.iter().map(Fingerprint::to_string).collect(),
            conflicts_truncated: self.conflicts_truncated,
        })
    }
}

fn submitted(item: &Item) -> Result<Option<Submitted>, UnreadableRow> {
    let parts = [FINGERPRINT, OWNER, CONTENT, SUBMIT_INTENT, ACCEPTED_AT];
    if !parts.iter().any(|part| item.contains_key(*part)) {
        return Ok(None);
    }
    let text = |name: &'static str| match item.get(name) {
        Some(Value::S(text)) => Ok(text.as_str()),
        _ => Err(UnreadableRow(name)),
    };
    Ok(Some(Submitted {
        fingerprint: Fingerprint::parse(text(FINGERPRINT)?).ok_or(UnreadableRow(FINGERPRINT))?,
        owner: Caller::parse(text(OWNER)?).ok_or(UnreadableRow(OWNER))?,
        content: item
            .get(CONTENT)
            .and_then(order_from_value)
            .ok_or(UnreadableRow(CONTENT))?,
        intent: IntentId::parse(text(SUBMIT_INTENT)?).ok_or(UnreadableRow(SUBMIT_INTENT))?,
        accepted_at: Timestamp::parse(text(ACCEPTED_AT)?).ok_or(UnreadableRow(ACCEPTED_AT))?,
    }))
}

/// What [`Caller::hash`] gives; any other attribute of the prefix is somebody else's.
fn is_hash(text: &str) -> bool {
    text.len() == 16
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn cancel_register(value: &Value) -> Option<CancelRegister> {
    let Value::M(map) = value else { return None };
    let text = |name| match map.get(name) {
        Some(Value::S(text)) => Some(text.as_str()),
        _ => None,
    };
    Some(CancelRegister {
        intent: IntentId::parse(text(INTENT)?)?,
        accepted_at: Timestamp::parse(text(ACCEPTED_AT)?)?,
    })
}

/// The `content` attribute: the order's document as a map.
pub(crate) fn order_to_value(order: &NewOrder) -> Value {
    let text = |text: &str| Value::S(text.to_owned());
    let number = |number: u64| i64::try_from(number).map_or(Value::Foreign, Value::N);
    let line = |item: &LineItem| {
        Value::M(BTreeMap::from([
            ("sku".to_owned(), text(item.sku())),
            ("quantity".to_owned(), number(item.quantity())),
            ("unit_price".to_owned(), number(item.unit_price())),
        ]))
    };
    let mut map = BTreeMap::from([
        ("customer_id".to_owned(), text(order.customer_id())),
        ("currency".to_owned(), text(order.currency())),
        (
            "items".to_owned(),
            Value::L(order.items().iter().map(line).collect()),
        ),
    ]);
    if let Some(note) = order.note() {
        map.insert("note".to_owned(), text(note));
    }
    Value::M(map)
}

/// The way back goes through the same rules as a request.
fn order_from_value(value: &Value) -> Option<NewOrder> {
    let mut violations = Violations::default();
    NewOrder::from_json(&to_json(value), &Pointer::Root, &mut violations)
        .filter(|_| violations.is_empty())
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::S(text) => Json::String(text.clone()),
        Value::N(number) => Json::Integer((*number).into()),
        Value::Bool(_) => Json::Bool,
        Value::L(elements) => Json::Array(elements.iter().map(to_json).collect()),
        Value::M(members) => Json::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        ),
        Value::Ss(_) | Value::Foreign => Json::Null,
    }
}
