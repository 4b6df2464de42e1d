//! The owner's view of an order's row.

use std::fmt;

use serde::Serialize;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
use crate::id::OrderId;
#[cfg(test)]
use crate::intent::MAX_CONFLICTS;
#[cfg(test)]
use crate::order::MAX_TOTAL;
use crate::order::NewOrder;
use crate::row::Row;
#[cfg(test)]
use crate::timestamp::Timestamp;

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Submitted and not cancelled.
    Placed,
    /// Cancelled by its owner.
    Cancelled,
}

/// The owner's view of an order. By `Serialize` it is the body of a 200 in JSON.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OrderView {
    /// The id of the order.
    #[cfg_attr(test, schemars(with = "OrderId"))]
    order_id: String,
    /// The state of the order.
    status: Status,
    #[serde(flatten)]
    content: NewOrder,
    /// The sum of quantity × unit price over all items, in minor units of the currency. Read it as
    /// a 64-bit integer, because a double holds only integers up to about 9 × 10¹⁵ exactly.
    #[cfg_attr(test, schemars(range(min = 0, max = MAX_TOTAL)))]
    total: u64,
    /// The time at which the order was accepted.
    #[cfg_attr(test, schemars(with = "Timestamp"))]
    accepted_at: String,
    /// The time at which the cancel was accepted, which may be before the order. It is there if the
    /// order is cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Timestamp"))]
    cancelled_at: Option<String>,
    /// The fingerprint of the order.
    #[cfg_attr(test, schemars(with = "Fingerprint"))]
    fingerprint: String,
    /// The fingerprints of other orders that were sent under the same id and have no effect.
    #[cfg_attr(test, schemars(with = "Vec<Fingerprint>", length(max = MAX_CONFLICTS)))]
    conflicts: Vec<String>,
    /// True if there were more conflicts than are listed. Otherwise it is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    conflicts_truncated: bool,
}

impl OrderView {
    /// The order's state.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The content of the order.
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
    /// This caller's view of the order. It is `None` unless the order exists and is the caller's.
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
