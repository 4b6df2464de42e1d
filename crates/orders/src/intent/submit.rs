//! The intent to submit an order.

use std::collections::BTreeSet;

use conditional_write::{Change, Condition, Item, Value, Write};
use serde::Serialize;

use super::{Intent, IntentKind};
use crate::caller::Caller;
use crate::content;
use crate::fingerprint::Fingerprint;
use crate::id::{IntentId, OrderId};
use crate::json::Json;
use crate::order::NewOrder;
use crate::poison::Poison;
use crate::row::{Row, UnreadableRow};
use crate::step::{Conflict, Outcome, Step};
use crate::timestamp::Timestamp;
use crate::violation::{Pointer, Violations};

const FINGERPRINT: &str = "fingerprint";
pub(crate) const OWNER: &str = "owner";
const CONTENT: &str = "content";
const SUBMIT_INTENT: &str = "submit_intent";
const ACCEPTED_AT: &str = "accepted_at";
const CONFLICTS: &str = "conflicts";
const CONFLICTS_TRUNCATED: &str = "conflicts_truncated";

/// The most conflicting fingerprints that a row records, so that it stays small however often a
/// client errs.
pub(crate) const MAX_CONFLICTS: usize = 10;

/// The wish to place an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Submit {
    /// The caller who submits the order and so owns it.
    pub owner: Caller,
    /// The fingerprint of owner and order.
    pub fingerprint: Fingerprint,
    /// The order.
    pub order: NewOrder,
}

/// The register of an order's submit, which is five attributes that are set at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Submitted {
    /// The fingerprint of owner and content.
    pub fingerprint: Fingerprint,
    /// The caller who submitted the order.
    pub owner: Caller,
    /// The order.
    pub content: NewOrder,
    /// The intent that was applied.
    pub intent: IntentId,
    /// When that intent was accepted.
    pub accepted_at: Timestamp,
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
        let kind = IntentKind::Submit(Submit::new(owner, order));
        Self::new(id, order_id, accepted_at, kind)
    }
}

impl Submit {
    pub(super) const TYPE: &str = "OrderSubmitIntent.v1";

    /// A submit of this order by this owner.
    #[must_use]
    pub fn new(owner: Caller, order: NewOrder) -> Self {
        Self {
            fingerprint: Fingerprint::of(&owner, &order),
            owner,
            order,
        }
    }

    pub(super) fn read(data: &Json) -> Result<Self, Poison> {
        let mut violations = Violations::default();
        let at = Pointer::Root.field("data");
        let submit = data.object(&at, &mut violations).and_then(|mut members| {
            let owner = members
                .require("owner", &at, &mut violations)
                .and_then(|json| Caller::from_json(json, &at.field("owner"), &mut violations));
            let fingerprint = members
                .require("fingerprint", &at, &mut violations)
                .and_then(|json| {
                    Fingerprint::from_json(json, &at.field("fingerprint"), &mut violations)
                });
            let order = members
                .require("order", &at, &mut violations)
                .and_then(|json| NewOrder::from_json(json, &at.field("order"), &mut violations));
            members.finish(&at, &mut violations);
            Some(Self {
                owner: owner?,
                fingerprint: fingerprint?,
                order: order?,
            })
        });
        let Some(submit) = submit.filter(|_| violations.is_empty()) else {
            return Err(Poison::Data(violations.into_vec()));
        };
        if !submit.fingerprint.is_current() {
            return Err(Poison::UnknownFingerprintVersion);
        }
        if submit.fingerprint != Fingerprint::of(&submit.owner, &submit.order) {
            return Err(Poison::FingerprintMismatch);
        }
        Ok(submit)
    }

    pub(super) fn next_step(&self, intent: &Intent, row: &Row) -> Step {
        match &row.submitted {
            None => Step::Write {
                write: Write {
                    change: Change::set([
                        (FINGERPRINT, self.fingerprint.as_str().into()),
                        (OWNER, self.owner.as_str().into()),
                        (CONTENT, content::to_value(&self.order)),
                        (SUBMIT_INTENT, intent.id.to_string().into()),
                        (ACCEPTED_AT, intent.accepted_at.to_string().into()),
                    ]),
                    condition: Condition::Absent(FINGERPRINT.into()),
                },
                outcome: Outcome::Applied,
            },
            Some(submitted) if submitted.is_same_as(self) => {
                Step::done_before(submitted.intent == intent.id)
            }
            Some(_) => self.record_conflict(row),
        }
    }

    fn record_conflict(&self, row: &Row) -> Step {
        let fingerprint = || self.fingerprint.as_str();
        let is_submitted = || Condition::Present(FINGERPRINT.into());
        let (write, outcome) = if row.conflicts.contains(&self.fingerprint) {
            return Step::Done(Outcome::Conflict(Conflict::AlreadyRecorded));
        } else if row.conflicts.len() < MAX_CONFLICTS {
            // `<>` and `NOT contains` are true of a missing attribute, and `size` of a missing one
            // is not below anything. Hence the guards.
            let has_room = Condition::Absent(CONFLICTS.into())
                .or(Condition::Smaller(CONFLICTS.into(), MAX_CONFLICTS));
            let write = Write {
                change: Change::add(CONFLICTS, fingerprint()),
                condition: is_submitted()
                    .and(Condition::Differs(FINGERPRINT.into(), fingerprint().into()))
                    .and(Condition::Lacks(CONFLICTS.into(), fingerprint().into()))
                    .and(has_room),
            };
            (write, Conflict::Recorded)
        } else if row.conflicts_truncated {
            return Step::Done(Outcome::Conflict(Conflict::Truncated));
        } else {
            let write = Write {
                change: Change::set([(CONFLICTS_TRUNCATED, true.into())]),
                condition: is_submitted().and(Condition::Absent(CONFLICTS_TRUNCATED.into())),
            };
            (write, Conflict::Truncated)
        };
        Step::Write {
            write,
            outcome: Outcome::Conflict(outcome),
        }
    }
}

impl Submitted {
    /// True if the stored order and a submit are the same order.
    fn is_same_as(&self, submit: &Submit) -> bool {
        if self.fingerprint.version() == submit.fingerprint.version() {
            self.fingerprint == submit.fingerprint
        } else {
            // Fingerprints by different rules say nothing about each other. An intent's is always
            // by the current one.
            Fingerprint::of(&self.owner, &self.content) == submit.fingerprint
        }
    }
}

/// The submit register of a row, if the order was submitted.
pub(crate) fn submitted(item: &Item) -> Result<Option<Submitted>, UnreadableRow> {
    let parts = [FINGERPRINT, OWNER, CONTENT, SUBMIT_INTENT, ACCEPTED_AT];
    if !parts.iter().any(|part| item.contains(part)) {
        return Ok(None);
    }
    let text = |name: &'static str| {
        let text = item.get(name).and_then(Value::as_s);
        text.ok_or(UnreadableRow(name))
    };
    Ok(Some(Submitted {
        fingerprint: Fingerprint::parse(text(FINGERPRINT)?).ok_or(UnreadableRow(FINGERPRINT))?,
        owner: Caller::parse(text(OWNER)?).ok_or(UnreadableRow(OWNER))?,
        content: item
            .get(CONTENT)
            .and_then(content::from_value)
            .ok_or(UnreadableRow(CONTENT))?,
        intent: IntentId::parse(text(SUBMIT_INTENT)?).ok_or(UnreadableRow(SUBMIT_INTENT))?,
        accepted_at: Timestamp::parse(text(ACCEPTED_AT)?).ok_or(UnreadableRow(ACCEPTED_AT))?,
    }))
}

/// The fingerprints of other submits that a row has recorded.
pub(crate) fn conflicts(item: &Item) -> Result<BTreeSet<Fingerprint>, UnreadableRow> {
    if !item.contains(CONFLICTS) {
        return Ok(BTreeSet::new());
    }
    let Some(Value::Ss(texts)) = item.get(CONFLICTS) else {
        return Err(UnreadableRow(CONFLICTS));
    };
    let fingerprints = texts.iter().map(|text| Fingerprint::parse(text));
    let fingerprints: Option<_> = fingerprints.collect();
    fingerprints.ok_or(UnreadableRow(CONFLICTS))
}

/// True if there were more conflicts than a row records.
pub(crate) fn were_conflicts_truncated(item: &Item) -> bool {
    item.contains(CONFLICTS_TRUNCATED)
}
