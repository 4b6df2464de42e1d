//! What became of the intents of one batch: counted, and written as one line of the log.

use kinesis_batch::Summary;
use orders::{Conflict, Outcome};

#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    applied: u64,
    already_applied: u64,
    duplicate: u64,
    conflict: u64,
    refused: u64,
}

impl Outcomes {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::AlreadyApplied | Outcome::Conflict(Conflict::AlreadyRecorded) => {
                &mut self.already_applied
            }
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Conflict(Conflict::Recorded | Conflict::Truncated) => &mut self.conflict,
            Outcome::Refused => &mut self.refused,
        } += 1;
    }

    pub(crate) fn log(&self, summary: &Summary) {
        tracing::info!(
            records = summary.records,
            attempts = summary.attempts,
            applied = self.applied,
            already_applied = self.already_applied,
            duplicate = self.duplicate,
            conflict = self.conflict,
            refused = self.refused,
            rejected = summary.rejected + summary.panicked,
            unfinished = summary.unfinished + summary.not_attempted,
            "batch"
        );
    }
}
