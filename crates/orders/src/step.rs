//! The next step for an intent, given what is known of its row.
//!
//! There is no lock and no state beside the row. The consumer knows nothing at first, and tries the
//! write that would apply the intent. If the row refuses, DynamoDB returns the row. The row says
//! what became of the intent, or which write is next. Every step may be repeated after a crash. A
//! write that was done is refused the second time, and the refusal reads as done.

use conditional_write::Write;

use crate::intent::Intent;
use crate::row::Row;

/// The next step for an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try this write to the order's row. If it is done, so is the intent, with this outcome. If it
    /// is refused, ask again with the row that refused it.
    Write {
        /// The write.
        write: Write,
        /// The outcome of the intent if the write is done.
        outcome: Outcome,
    },
    /// The intent is done.
    Done(Outcome),
}

/// The fate of an intent. Every outcome is final, and none is an error of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The intent took effect now.
    Applied,
    /// This very intent took effect before. It is a redelivery, or a retry after an answer that was
    /// lost.
    AlreadyApplied,
    /// Another intent that says the same took effect before, so the client sent it twice.
    Duplicate,
    /// The id belongs to another order.
    Conflict(Conflict),
    /// The order is somebody else's, and the row was not touched.
    Refused,
}

/// The part of a conflict that the row keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The row keeps its fingerprint, since now.
    Recorded,
    /// The row keeps its fingerprint, since an earlier delivery.
    AlreadyRecorded,
    /// The row keeps only that there were more than ten.
    Truncated,
}

/// The next step for an intent, given its row as far as known. The row is `None` before the first
/// attempt, and if there is no row.
///
/// A write that this returns for a row is never refused by that same row. So each refusal means
/// that the row has changed in between. Its registers are written once, so that happens at most
/// four times.
#[must_use]
pub fn next_step(intent: &Intent, row: Option<&Row>) -> Step {
    let none = Row::default();
    intent.kind.next_step(intent, row.unwrap_or(&none))
}

impl Step {
    /// The intent took effect before, either this very one or another that says the same.
    pub(crate) fn done_before(own: bool) -> Self {
        Self::Done(if own {
            Outcome::AlreadyApplied
        } else {
            Outcome::Duplicate
        })
    }
}
