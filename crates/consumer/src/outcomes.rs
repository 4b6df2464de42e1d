//! The outcomes of the intents of one batch, counted and written as one line of the log.

use std::collections::{BTreeMap, BTreeSet};

use keyed_batch::Summary;
use orders::{Conflict, Outcome};

use crate::ApplyError;

#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    applied: u64,
    already_applied: u64,
    duplicate: u64,
    conflict_recorded: u64,
    conflict_already_recorded: u64,
    conflict_truncated: u64,
    refused: u64,
    /// Attempts that failed, by AWS's error code.
    errors: BTreeMap<String, u64>,
    /// The codes among them that do not pass by themselves.
    to_mend: BTreeSet<String>,
}

impl Outcomes {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::AlreadyApplied => &mut self.already_applied,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Conflict(Conflict::Recorded) => &mut self.conflict_recorded,
            Outcome::Conflict(Conflict::AlreadyRecorded) => &mut self.conflict_already_recorded,
            Outcome::Conflict(Conflict::Truncated) => &mut self.conflict_truncated,
            Outcome::Refused => &mut self.refused,
        } += 1;
    }

    pub(crate) fn count_error(&mut self, error: &ApplyError) {
        *self.errors.entry(error.code().to_owned()).or_default() += 1;
        if !error.passes_by_itself() {
            self.to_mend.insert(error.code().to_owned());
        }
    }

    /// Writes the log of the batch. An outage that was ridden out leaves a trace as well. The codes
    /// are a separate warning, and an error where somebody has to mend the cause.
    pub(crate) fn log(&self, summary: &Summary) {
        let (errors, to_mend) = (&self.errors, &self.to_mend);
        if !to_mend.is_empty() {
            tracing::error!(?errors, ?to_mend, "attempts failed");
        } else if !errors.is_empty() {
            tracing::warn!(?errors, "attempts failed");
        }
        tracing::info!(
            records = summary.records,
            attempts = summary.attempts,
            applied = self.applied,
            already_applied = self.already_applied,
            duplicate = self.duplicate,
            conflict_recorded = self.conflict_recorded,
            conflict_already_recorded = self.conflict_already_recorded,
            conflict_truncated = self.conflict_truncated,
            refused = self.refused,
            rejected = summary.rejected + summary.panicked,
            unfinished = summary.unfinished + summary.not_attempted,
            "batch"
        );
    }
}
