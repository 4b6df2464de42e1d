//! The outcomes of the intents of one batch, counted and written as one line of the log.

use function_runtime::FailedAttempts;
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
    failed: FailedAttempts,
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
        self.failed.count(error.code(), error.passes_by_itself());
    }

    /// Writes the log of the batch.
    pub(crate) fn log(&self, summary: &Summary) {
        self.failed.log();
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
            unfinished = summary.unfinished + summary.deferred + summary.not_attempted,
            "batch"
        );
    }
}
