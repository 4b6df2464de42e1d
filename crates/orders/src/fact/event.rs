//! The event that tells other services of a fact.

use super::{Cancelled, Conflicted, Created, Erased, Fact};
use crate::caller::Caller;
use crate::cloud_event::{self, Incoming, Outgoing};
use crate::fingerprint::Fingerprint;
use crate::id::OrderId;
use crate::json::Members;
use crate::order::{MAX_TOTAL, NewOrder, integer};
use crate::poison::Poison;
use crate::timestamp::Timestamp;
use crate::violation::{Pointer, Violations};

const SOURCE: &str = "orders/notifier";

/// A fact about one order, as other services hear of it.
///
/// The event's id follows from the order and the fact alone. So a subscriber knows a fact that is
/// published more than once by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactEvent {
    /// The order that the fact is about. It is the event's subject, and the record's partition key.
    pub order_id: OrderId,
    /// When the intent was accepted that made the fact true. If the row does not know this time, it
    /// is the time of the change of the row.
    pub time: Timestamp,
    /// The fact.
    pub fact: Fact,
}

impl Fact {
    /// The event's type, which is the kind of the fact and its version.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Created(_) => "OrderCreated.v1",
            Self::Cancelled(_) => "OrderCancelled.v1",
            Self::Conflicted(_) => "OrderConflicted.v1",
            Self::Erased(_) => "OrderErased.v1",
        }
    }
}

impl FactEvent {
    /// The event of a fact that a change of the row at `changed_at` announces.
    #[must_use]
    pub fn new(order_id: OrderId, fact: Fact, changed_at: Timestamp) -> Self {
        Self {
            order_id,
            time: fact.accepted_at().unwrap_or(changed_at),
            fact,
        }
    }

    /// The event's id, `<order id>/<name of the fact>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.order_id, self.fact.name())
    }

    /// The event as JSON. Below 1 MiB, the stream's limit for a record, whatever the order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Outgoing {
            id: self.id(),
            source: SOURCE,
            type_name: self.fact.type_name(),
            order_id: self.order_id,
            has_partition_key: false,
            time: self.time,
            traceparent: None,
            data: &self.fact,
        }
        .encode()
    }

    /// Reads an event from a record's data.
    ///
    /// Attributes and fields that are not known are left alone, because a publisher may add some. A
    /// subscriber should also leave alone an event of a type that it does not know
    /// ([`Poison::UnknownType`]).
    ///
    /// # Errors
    /// [`Poison`] with the reason. It never panics, whatever the bytes.
    pub fn decode(data: &[u8]) -> Result<Self, Poison> {
        let document = cloud_event::document(data)?;
        let event = Incoming::of(&document)?;
        let read = match event.type_name {
            "OrderCreated.v1" => created,
            "OrderCancelled.v1" => cancelled,
            "OrderConflicted.v1" => conflicted,
            "OrderErased.v1" => erased,
            _ => return Err(Poison::UnknownType),
        };
        let at = Pointer::Root.field("data");
        let mut violations = Violations::default();
        let fact = event
            .data
            .object(&at, &mut violations)
            .and_then(|mut members| read(&mut members, event.time, &at, &mut violations));
        let fact = match fact {
            Some(fact) if violations.is_empty() => fact,
            _ => return Err(Poison::Data(violations.into_vec())),
        };
        let read = Self {
            order_id: event.order_id,
            time: event.time,
            fact,
        };
        if read.id() == event.id {
            Ok(read)
        } else {
            Err(Poison::Attribute("id"))
        }
    }
}

fn created(
    members: &mut Members<'_>,
    accepted_at: Timestamp,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<Fact> {
    let owner = owner(members, at, violations);
    let fingerprint = fingerprint(members, at, violations);
    let total = members
        .require("total", at, violations)
        .and_then(|json| integer(json, 0, MAX_TOTAL, &at.field("total"), violations));
    // The publisher may know fields of an order that this version does not know.
    let mut of_the_order = Violations::default();
    let order = members
        .require("order", at, violations)
        .and_then(|json| NewOrder::from_json(json, &at.field("order"), &mut of_the_order));
    violations.extend_but_unknown(of_the_order);
    Some(Fact::Created(Created {
        accepted_at,
        owner: owner?,
        fingerprint: fingerprint?,
        total: total?,
        order: order?,
    }))
}

fn cancelled(
    members: &mut Members<'_>,
    accepted_at: Timestamp,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<Fact> {
    let owner = owner(members, at, violations)?;
    Some(Fact::Cancelled(Cancelled { accepted_at, owner }))
}

fn conflicted(
    members: &mut Members<'_>,
    _: Timestamp,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<Fact> {
    let fingerprint = fingerprint(members, at, violations)?;
    Some(Fact::Conflicted(Conflicted { fingerprint }))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "each kind is read by a function of the same form"
)]
fn erased(_: &mut Members<'_>, _: Timestamp, _: &Pointer<'_>, _: &mut Violations) -> Option<Fact> {
    Some(Fact::Erased(Erased {}))
}

fn owner(
    members: &mut Members<'_>,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<Caller> {
    let json = members.require("owner", at, violations)?;
    Caller::from_json(json, &at.field("owner"), violations)
}

fn fingerprint(
    members: &mut Members<'_>,
    at: &Pointer<'_>,
    violations: &mut Violations,
) -> Option<Fingerprint> {
    let json = members.require("fingerprint", at, violations)?;
    Fingerprint::from_json(json, &at.field("fingerprint"), violations)
}
