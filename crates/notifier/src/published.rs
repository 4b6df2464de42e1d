//! The facts that a batch published, counted and written as one line of the log.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Attempts that failed, by AWS's error code.
    errors: BTreeMap<String, u64>,
    /// The codes among them that do not pass by themselves.
    to_mend: BTreeSet<String>,
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
        self.count_error(error.code(), error.passes_by_itself());
    }

    pub(crate) fn count_table_error(&mut self, error: &TableError) {
        self.count_error(error.code(), error.passes_by_itself());
    }

    fn count_error(&mut self, code: &str, passes_by_itself: bool) {
        *self.errors.entry(code.to_owned()).or_default() += 1;
        if !passes_by_itself {
            self.to_mend.insert(code.to_owned());
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
