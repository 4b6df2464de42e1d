//! Facts, which are true of an order and stay true. They are a pure function of its row.
//!
//! A change of a row announces the facts of the new row that the old row did not have. So each fact
//! is announced by exactly one change, however the row came about. A deletion is the exception. It
//! announces a fact that no row shows.

mod event;

use serde::Serialize;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
#[cfg(test)]
use crate::order::MAX_TOTAL;
use crate::order::NewOrder;
use crate::row::Row;
use crate::timestamp::Timestamp;

pub use event::FactEvent;

/// Something that is true of an order. In JSON it is the event's `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// The order exists.
    Created(Created),
    /// The order's owner has cancelled it.
    Cancelled(Cancelled),
    /// Another order was submitted under the same id, and is not the order.
    Conflicted(Conflicted),
    /// The order's row was deleted.
    Erased(Erased),
}

/// The fact that an order exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Created {
    /// When the submit was accepted. It is the event's time.
    #[serde(skip)]
    pub accepted_at: Timestamp,
    /// The caller who owns the order.
    pub owner: Caller,
    /// The fingerprint of owner and order.
    pub fingerprint: Fingerprint,
    /// The sum of quantity × unit price over all items, in minor units of the currency.
    #[cfg_attr(test, schemars(range(min = 0, max = MAX_TOTAL)))]
    pub total: u64,
    /// The order.
    pub order: NewOrder,
}

/// The fact that an order is cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cancelled {
    /// When the cancel was accepted, which may be before the submit was. It is the event's time.
    #[serde(skip)]
    pub accepted_at: Timestamp,
    /// The caller who owns the order and cancelled it.
    pub owner: Caller,
}

/// The fact that another order was submitted under the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conflicted {
    /// The fingerprint of the other order and its owner.
    pub fingerprint: Fingerprint,
}

/// The fact that an order's row was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Erased {}

impl Fact {
    /// The name of the fact, by which the facts of one order differ. It is `created`, `cancelled`,
    /// `conflicted/<fingerprint>` or `erased`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Created(_) => "created".to_owned(),
            Self::Cancelled(_) => "cancelled".to_owned(),
            Self::Conflicted(conflicted) => format!("conflicted/{}", conflicted.fingerprint),
            Self::Erased(_) => "erased".to_owned(),
        }
    }

    /// When the intent was accepted that made this true, if the row knows it.
    #[must_use]
    pub fn accepted_at(&self) -> Option<Timestamp> {
        match self {
            Self::Created(created) => Some(created.accepted_at),
            Self::Cancelled(cancelled) => Some(cancelled.accepted_at),
            Self::Conflicted(_) | Self::Erased(_) => None,
        }
    }

    /// The facts that a change of a row announces, in the sequence in which they are to be
    /// published. `None` is a row that does not exist.
    ///
    /// A change may announce several facts. A submit that meets its owner's waiting cancel
    /// announces `created` and `cancelled`. A change may also announce none, such as a cancel that
    /// comes before its submit, or the deletion of a row that never had an order.
    #[must_use]
    pub fn announced_by(old: Option<&Row>, new: Option<&Row>) -> Vec<Self> {
        let before = old.map(Row::facts).unwrap_or_default();
        match new {
            None if before.is_empty() => Vec::new(),
            None => vec![Self::Erased(Erased {})],
            Some(new) => {
                let known: Vec<String> = before.iter().map(Self::name).collect();
                let mut facts = new.facts();
                facts.retain(|fact| !known.contains(&fact.name()));
                facts
            }
        }
    }
}

impl Row {
    /// The facts of the order, of which `created` is the first. A row without an order has none.
    ///
    /// Of more than ten conflicts the row records ten, so further ones are not facts.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let Some(submitted) = &self.submitted else {
            return Vec::new();
        };
        let created = Fact::Created(Created {
            accepted_at: submitted.accepted_at,
            owner: submitted.owner.clone(),
            fingerprint: submitted.fingerprint.clone(),
            total: submitted.content.total(),
            order: submitted.content.clone(),
        });
        let cancelled = self.cancel_of(&submitted.owner).map(|cancel| {
            Fact::Cancelled(Cancelled {
                accepted_at: cancel.accepted_at,
                owner: submitted.owner.clone(),
            })
        });
        let conflicted = self.conflicts.iter().map(|fingerprint| {
            Fact::Conflicted(Conflicted {
                fingerprint: fingerprint.clone(),
            })
        });
        [created]
            .into_iter()
            .chain(cancelled)
            .chain(conflicted)
            .collect()
    }
}
