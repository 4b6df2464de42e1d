//! The owner's view of an order's row.

use std::fmt;

use serde::Serialize;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
use crate::id::OrderId;
use crate::order::NewOrder;
use crate::row::Row;

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Submitted and not cancelled.
    Placed,
    /// Cancelled by its owner.
    Cancelled,
}

/// The owner's view of an order. By `Serialize` it is the body of a 200 in JSON.
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
