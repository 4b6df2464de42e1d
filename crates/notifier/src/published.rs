//! The facts that a batch published. They are known to later attempts of the batch, and are counted
//! for one line of the log.

use std::collections::{BTreeMap, BTreeSet};

use function_runtime::FailedAttempts;
use keyed_batch::Summary;
use orders::{Fact, FactEvent, OrderId};
use orders_table::TableError;

use crate::facts_stream::NotPublished;

#[derive(Debug, Default)]
pub(crate) struct Published {
    created: u64,
    cancelled: u64,
    conflicted: u64,
    erased: u64,
    /// The puts that failed.
    puts: FailedAttempts,
    /// The writes of marks that failed.
    marks: FailedAttempts,
    /// The ids of the events that were acknowledged.
    ids: BTreeSet<String>,
    /// The sequence number of each order's last fact.
    last: BTreeMap<OrderId, String>,
}

impl Published {
    /// Takes note of an event that the stream has acknowledged, with its sequence number.
    pub(crate) fn acknowledged(&mut self, event: &FactEvent, sequence_number: String) {
        self.count(&event.fact);
        self.ids.insert(event.id());
        self.last.insert(event.order_id, sequence_number);
    }

    /// True if an event of this id was acknowledged in this batch.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The sequence number of an order's last fact in this batch.
    pub(crate) fn last_of(&self, order_id: OrderId) -> Option<String> {
        self.last.get(&order_id).cloned()
    }

    fn count(&mut self, fact: &Fact) {
        *match fact {
            Fact::Created(_) => &mut self.created,
            Fact::Cancelled(_) => &mut self.cancelled,
            Fact::Conflicted(_) => &mut self.conflicted,
            Fact::Erased(_) => &mut self.erased,
        } += 1;
    }

    pub(crate) fn count_refusal(&mut self, error: &NotPublished) {
        self.puts.count(error.code(), error.passes_by_itself());
    }

    pub(crate) fn count_table_error(&mut self, error: &TableError) {
        self.marks.count(error.code(), error.passes_by_itself());
    }

    /// The number of facts that were acknowledged.
    pub(crate) fn facts(&self) -> u64 {
        self.created + self.cancelled + self.conflicted + self.erased
    }

    /// The puts that failed.
    pub(crate) fn failed_puts(&self) -> &FailedAttempts {
        &self.puts
    }

    /// The writes of marks that failed.
    pub(crate) fn failed_marks(&self) -> &FailedAttempts {
        &self.marks
    }

    /// Writes the log of the batch.
    pub(crate) fn log(&self, summary: &Summary) {
        self.puts.log();
        self.marks.log();
        tracing::info!(
            records = summary.records,
            attempts = summary.attempts,
            created = self.created,
            cancelled = self.cancelled,
            conflicted = self.conflicted,
            erased = self.erased,
            rejected = summary.rejected + summary.panicked,
            unfinished = summary.unfinished + summary.deferred + summary.not_attempted,
            "batch"
        );
    }
}
