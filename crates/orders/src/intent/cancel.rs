//! The intent to cancel an order.

use std::collections::BTreeMap;

use conditional_write::{Change, Condition, Item, Value, Write};
use serde::Serialize;

use super::submit::OWNER;
use super::{Intent, IntentKind};
use crate::caller::Caller;
use crate::id::{IntentId, OrderId};
use crate::json::Json;
use crate::poison::Poison;
use crate::row::{Row, UnreadableRow};
use crate::step::{Outcome, Step};
use crate::timestamp::Timestamp;
use crate::violation::{Pointer, Violations};

/// A cancel's register is this and [`Caller::hash`]. Each caller has one.
const REGISTER_PREFIX: &str = "cancel:";
const INTENT: &str = "intent";
const ACCEPTED_AT: &str = "accepted_at";

/// The wish to cancel an order, if it is the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cancel {
    /// The caller who cancels.
    pub caller: Caller,
}

/// One caller's cancel, as the row keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CancelRegister {
    /// The intent that was applied.
    pub intent: IntentId,
    /// When that intent was accepted.
    pub accepted_at: Timestamp,
}

impl Intent {
    /// The intent to cancel an order as `caller`.
    #[must_use]
    pub fn cancel(id: IntentId, order_id: OrderId, accepted_at: Timestamp, caller: Caller) -> Self {
        let kind = IntentKind::Cancel(Cancel { caller });
        Self::new(id, order_id, accepted_at, kind)
    }
}

impl Cancel {
    pub(super) const TYPE: &str = "OrderCancelIntent.v1";

    pub(super) fn read(data: &Json) -> Result<Self, Poison> {
        let mut violations = Violations::default();
        let at = Pointer::Root.field("data");
        let caller = data.object(&at, &mut violations).and_then(|mut members| {
            let caller = members
                .require("caller", &at, &mut violations)
                .and_then(|json| Caller::from_json(json, &at.field("caller"), &mut violations));
            members.finish(&at, &mut violations);
            caller
        });
        match caller.filter(|_| violations.is_empty()) {
            Some(caller) => Ok(Self { caller }),
            None => Err(Poison::Data(violations.into_vec())),
        }
    }

    /// A cancel may come before its submit. Its register then waits for the order, which is born
    /// cancelled if the register is its owner's.
    pub(super) fn next_step(&self, intent: &Intent, row: &Row) -> Step {
        if let Some(register) = row.cancel_of(&self.caller) {
            return Step::done_before(register.intent == intent.id);
        }
        let owner = row.submitted.as_ref().map(|submitted| &submitted.owner);
        if owner.is_some_and(|owner| *owner != self.caller) {
            return Step::Done(Outcome::Refused);
        }
        let register = register_of(&self.caller);
        let is_not_somebody_elses = Condition::Absent(OWNER.into())
            .or(Condition::Equals(OWNER.into(), self.caller.as_str().into()));
        Step::Write {
            write: Write {
                change: Change::set([(register.clone(), CancelRegister::of(intent).into())]),
                condition: Condition::Absent(register.into()).and(is_not_somebody_elses),
            },
            outcome: Outcome::Applied,
        }
    }
}

/// The name of a caller's register.
fn register_of(caller: &Caller) -> String {
    format!("{REGISTER_PREFIX}{}", caller.hash())
}

impl CancelRegister {
    fn of(intent: &Intent) -> Self {
        Self {
            intent: intent.id,
            accepted_at: intent.accepted_at,
        }
    }

    fn read(value: &Value) -> Option<Self> {
        let Value::M(members) = value else {
            return None;
        };
        let text = |name| members.get(name).and_then(Value::as_s);
        Some(Self {
            intent: IntentId::parse(text(INTENT)?)?,
            accepted_at: Timestamp::parse(text(ACCEPTED_AT)?)?,
        })
    }
}

impl From<CancelRegister> for Value {
    fn from(register: CancelRegister) -> Self {
        Self::M(BTreeMap::from([
            (INTENT.to_owned(), register.intent.to_string().into()),
            (
                ACCEPTED_AT.to_owned(),
                register.accepted_at.to_string().into(),
            ),
        ]))
    }
}

/// The cancel registers of a row, by [`Caller::hash`].
pub(crate) fn cancels(item: &Item) -> Result<BTreeMap<String, CancelRegister>, UnreadableRow> {
    let hashes = item.names().filter_map(|name| {
        let hash = name.strip_prefix(REGISTER_PREFIX)?;
        Caller::is_hash(hash).then_some((name, hash))
    });
    hashes
        .map(|(name, hash)| {
            let register = item.get(name).and_then(CancelRegister::read);
            let register = register.ok_or(UnreadableRow("cancel"))?;
            Ok((hash.to_owned(), register))
        })
        .collect()
}
