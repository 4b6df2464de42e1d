//! The library's report on a batch. It has what became of each record, and how many ended how.

/// The fate of a record in this invocation.
///
/// It may get more variants, so a `match` needs an arm for them.
/// [`is_failure`](Self::is_failure) is right for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// An attempt ended in [`Verdict::Done`](crate::Verdict::Done).
    Done,
    /// An attempt ended in [`Verdict::Reject`](crate::Verdict::Reject) with this reason.
    Rejected(&'static str),
    /// An attempt panicked, which counts as a rejection. The panic's message is not kept, because
    /// it may quote the record.
    Panicked,
    /// The record was attempted, but time ran out before it was done or rejected.
    ///
    /// The reason is that of the last attempt. It is the reason of its
    /// [`Verdict::Retry`](crate::Verdict::Retry) or [`RetryAfter`](crate::Verdict::RetryAfter), or
    /// [`TIMED_OUT`](crate::TIMED_OUT) if the attempt was cut off.
    Unfinished(&'static str),
    /// The record was left to a later invocation, with this reason. An attempt ended in
    /// [`Verdict::Redeliver`](crate::Verdict::Redeliver), or in a
    /// [`Verdict::RetryAfter`](crate::Verdict::RetryAfter) for which the time did not suffice.
    Deferred(&'static str),
    /// The record was never attempted, because an earlier record of its key was not finished or
    /// was deferred, or because time ran out first.
    NotAttempted,
}

impl Disposition {
    /// True if the record must be reported as failed, which is so unless it is
    /// [`Done`](Disposition::Done).
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Done)
    }
}

/// The fate of one record, and how often it was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordReport {
    /// The fate of the record.
    pub disposition: Disposition,
    /// How often the work was called for the record. The one attempt at a record with unreadable
    /// data counts too, although [`process`](crate::process) does not call the work for it. It is 0
    /// if and only if the record was [`NotAttempted`](Disposition::NotAttempted).
    pub attempts: u32,
}

impl RecordReport {
    /// The report of a record, for tests of code that reads reports.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub const fn new(disposition: Disposition, attempts: u32) -> Self {
        Self {
            disposition,
            attempts,
        }
    }

    pub(crate) const NOT_ATTEMPTED: Self = Self {
        disposition: Disposition::NotAttempted,
        attempts: 0,
    };
}

/// Counts over a batch, for one log line and for metrics.
///
/// `done`, `rejected`, `panicked`, `unfinished`, `deferred` and `not_attempted` add up to
/// `records`. All but `done` were reported as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Records in the batch.
    pub records: usize,
    /// Attempts at all records. `attempts - (records - not_attempted)` of them were retries.
    pub attempts: u64,
    /// Records that ended as [`Disposition::Done`].
    pub done: usize,
    /// Records that ended as [`Disposition::Rejected`].
    pub rejected: usize,
    /// Records that ended as [`Disposition::Panicked`].
    pub panicked: usize,
    /// Records that ended as [`Disposition::Unfinished`].
    pub unfinished: usize,
    /// Records that ended as [`Disposition::Deferred`].
    pub deferred: usize,
    /// Records that ended as [`Disposition::NotAttempted`].
    pub not_attempted: usize,
}

impl Summary {
    /// Counts these records.
    #[must_use]
    pub fn of(records: &[RecordReport]) -> Self {
        let mut summary = Self {
            records: records.len(),
            ..Self::default()
        };
        for record in records {
            summary.attempts += u64::from(record.attempts);
            *match record.disposition {
                Disposition::Done => &mut summary.done,
                Disposition::Rejected(_) => &mut summary.rejected,
                Disposition::Panicked => &mut summary.panicked,
                Disposition::Unfinished(_) => &mut summary.unfinished,
                Disposition::Deferred(_) => &mut summary.deferred,
                Disposition::NotAttempted => &mut summary.not_attempted,
            } += 1;
        }
        summary
    }

    /// Records that were reported as failed.
    #[must_use]
    pub const fn failed(&self) -> usize {
        self.records - self.done
    }
}
