//! The facts that a batch published, counted and written as one line of the log.

use function_runtime::FailedAttempts;
use keyed_batch::Summary;
use orders::Fact;
use orders_table::TableError;

use crate::facts_stream::NotPublished;

#[derive(Debug, Default)]
pub(crate) struct Published {
    created: u64,
    cancelled: u64,
    conflicted: u64,
    erased: u64,
    failed: FailedAttempts,
}

impl Published {
    pub(crate) fn count(&mut self, fact: &Fact) {
        *match fact {
            Fact::Created(_) => &mut self.created,
            Fact::Cancelled(_) => &mut self.cancelled,
            Fact::Conflicted(_) => &mut self.conflicted,
            Fact::Erased(_) => &mut self.erased,
        } += 1;
    }

    pub(crate) fn count_refusal(&mut self, error: &NotPublished) {
        self.failed.count(error.code(), error.passes_by_itself());
    }

    pub(crate) fn count_table_error(&mut self, error: &TableError) {
        self.failed.count(error.code(), error.passes_by_itself());
    }

    /// Writes a line about the attempts that failed, if some did.
    pub(crate) fn log_failures(&self) {
        self.failed.log();
    }

    /// Writes the log of the batch.
    pub(crate) fn log(&self, summary: &Summary) {
        self.log_failures();
        tracing::info!(
            records = summary.records,
            attempts = summary.attempts,
            created = self.created,
            cancelled = self.cancelled,
            conflicted = self.conflicted,
            erased = self.erased,
            rejected = summary.rejected + summary.panicked,
            unfinished = summary.unfinished + summary.not_attempted,
            "batch"
        );
    }
}
