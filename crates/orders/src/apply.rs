//! What to do with an intent, given what is known of its row.
//!
//! There is no lock and no state beside the row. The consumer knows nothing at first and tries the write that would
//! apply the intent; if the row refuses it, DynamoDB returns the row, and the row says what became of the intent or
//! which write is next. Every step may be repeated after a crash: a write that was done is refused the second time,
//! and the refusal reads as done.

use std::collections::BTreeMap;

use crate::fingerprint::Fingerprint;
use crate::intent::{Action, Intent};
use crate::row::{
    ACCEPTED_AT, CONFLICTS, CONFLICTS_TRUNCATED, CONTENT, FINGERPRINT, INTENT, MAX_CONFLICTS,
    OWNER, Row, SUBMIT_INTENT, Submitted, order_to_value,
};
use crate::write::{Change, Condition, Value, Write};

/// What to do next with an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try this write. If it is done, so is the intent, with this outcome; if it is refused, ask again with the row
    /// that refused it.
    Write {
        /// The write.
        write: Write,
        /// What became of the intent if the write is done.
        outcome: Outcome,
    },
    /// The intent is done.
    Done(Outcome),
}

/// What became of an intent. All of them are final, none is an error of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect now.
    Applied,
    /// This very intent took effect before: a redelivery, or a retry after an answer that was lost.
    AlreadyApplied,
    /// Another intent that says the same took effect before: the client sent it twice.
    Duplicate,
    /// The id stands for another order.
    Conflict(Conflict),
    /// The order is somebody else's; the row was not touched.
    Refused,
}

/// What the row keeps of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Its fingerprint, since now.
    Recorded,
    /// Its fingerprint, since an earlier delivery.
    AlreadyRecorded,
    /// Only that there were more than ten.
    Truncated,
}

/// The next step for an intent, given its row as far as known: `None` before the first attempt, or if there is no row.
///
/// A write that this returns for a row is never refused by that same row, so each refusal means that the row has
/// changed in between; and since its registers are written once, that happens at most four times.
#[must_use]
pub fn next_step(intent: &Intent, row: Option<&Row>) -> Step {
    let none = Row::default();
    let row = row.unwrap_or(&none);
    match &intent.action {
        Action::Submit {
            owner,
            order,
            fingerprint,
        } => {
            let Some(stored) = &row.submitted else {
                let text = |text: &str| Value::S(text.to_owned());
                return Step::Write {
                    write: Write {
                        order_id: intent.order_id,
                        change: Change::Set(vec![
                            (FINGERPRINT.to_owned(), text(fingerprint.as_str())),
                            (OWNER.to_owned(), text(owner.as_str())),
                            (CONTENT.to_owned(), order_to_value(order)),
                            (SUBMIT_INTENT.to_owned(), Value::S(intent.id.to_string())),
                            (
                                ACCEPTED_AT.to_owned(),
                                Value::S(intent.accepted_at.to_string()),
                            ),
                        ]),
                        condition: Condition::Absent(FINGERPRINT.to_owned()),
                    },
                    outcome: Outcome::Applied,
                };
            };
            if is_same(stored, fingerprint) {
                let own = stored.intent == intent.id;
                Step::Done(if own {
                    Outcome::AlreadyApplied
                } else {
                    Outcome::Duplicate
                })
            } else {
                record_conflict(intent, fingerprint, row)
            }
        }
        Action::Cancel { caller } => {
            if let Some(register) = row.cancel_of(caller) {
                let own = register.intent == intent.id;
                return Step::Done(if own {
                    Outcome::AlreadyApplied
                } else {
                    Outcome::Duplicate
                });
            }
            if row
                .submitted
                .as_ref()
                .is_some_and(|submitted| submitted.owner != *caller)
            {
                return Step::Done(Outcome::Refused);
            }
            let register = Row::cancel_attribute(caller);
            Step::Write {
                write: Write {
                    order_id: intent.order_id,
                    change: Change::Set(vec![(
                        register.clone(),
                        Value::M(BTreeMap::from([
                            (INTENT.to_owned(), Value::S(intent.id.to_string())),
                            (
                                ACCEPTED_AT.to_owned(),
                                Value::S(intent.accepted_at.to_string()),
                            ),
                        ])),
                    )]),
                    condition: Condition::All(vec![
                        Condition::Absent(register),
                        Condition::Any(vec![
                            Condition::Absent(OWNER.to_owned()),
                            Condition::Equals(OWNER.to_owned(), caller.as_str().to_owned()),
                        ]),
                    ]),
                },
                outcome: Outcome::Applied,
            }
        }
    }
}

/// Whether the stored order and a submit with this fingerprint are the same order.
fn is_same(stored: &Submitted, fingerprint: &Fingerprint) -> bool {
    if stored.fingerprint.version() == fingerprint.version() {
        stored.fingerprint == *fingerprint
    } else {
        // Fingerprints by different rules say nothing about each other. An intent's is always by the current one.
        Fingerprint::of(&stored.owner, &stored.content) == *fingerprint
    }
}

fn record_conflict(intent: &Intent, fingerprint: &Fingerprint, row: &Row) -> Step {
    let fingerprint_text = || fingerprint.as_str().to_owned();
    let exists = || Condition::Present(FINGERPRINT.to_owned());
    if row.conflicts.contains(fingerprint) {
        Step::Done(Outcome::Conflict(Conflict::AlreadyRecorded))
    } else if row.conflicts.len() < MAX_CONFLICTS {
        Step::Write {
            write: Write {
                order_id: intent.order_id,
                change: Change::Add(CONFLICTS, fingerprint_text()),
                // `<>` and `NOT contains` are true of a missing attribute and `size` of one fails: hence the guards.
                condition: Condition::All(vec![
                    exists(),
                    Condition::Differs(FINGERPRINT.to_owned(), fingerprint_text()),
                    Condition::Lacks(CONFLICTS.to_owned(), fingerprint_text()),
                    Condition::Any(vec![
                        Condition::Absent(CONFLICTS.to_owned()),
                        Condition::Smaller(CONFLICTS.to_owned(), MAX_CONFLICTS),
                    ]),
                ]),
            },
            outcome: Outcome::Conflict(Conflict::Recorded),
        }
    } else if row.conflicts_truncated {
        Step::Done(Outcome::Conflict(Conflict::Truncated))
    } else {
        Step::Write {
            write: Write {
                order_id: intent.order_id,
                change: Change::Set(vec![(CONFLICTS_TRUNCATED.to_owned(), Value::Bool(true))]),
                condition: Condition::All(vec![
                    exists(),
                    Condition::Absent(CONFLICTS_TRUNCATED.to_owned()),
                ]),
            },
            outcome: Outcome::Conflict(Conflict::Truncated),
        }
    }
}
