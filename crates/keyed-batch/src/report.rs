//! What one attempt at a record came to (`Verdict`, said by the user's work) and what became of each record in the end
//! (`Outcome`, said by this crate).

/// What the work says after one attempt at one record.
///
/// A reason is a stable code such as `"throttled"` or `"unknown-type"`: it is logged and makes a good metric dimension.
/// It is a `&'static str` on purpose, so that nothing read from a record can get into it. Detail that is safe to log is
/// logged by the work itself, which has the record at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing is left to do for this record: its effect is there, or it never will be and that is right.
    Done,
    /// Poison: this record can never succeed. It is reported as failed and does not hold back later records of its key.
    Reject(&'static str),
    /// Transient or environmental (throttling, a timeout, a missing permission): the same record may succeed later. It is
    /// attempted again after a back-off while there is time, and holds back the later records of its key until it is
    /// [`Done`](Verdict::Done) or [`Reject`](Verdict::Reject)ed.
    Retry(&'static str),
}

/// The reason of an attempt that was cut off, because it reached
/// [`Settings::attempt_timeout`](crate::Settings::attempt_timeout) or because the invocation's time was up.
/// Whether it had its effect is unknown.
pub const TIMED_OUT: &str = "timed-out";

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An attempt ended in [`Verdict::Done`].
    Done,
    /// An attempt ended in [`Verdict::Reject`] with this reason.
    Rejected(&'static str),
    /// An attempt panicked, which counts as a rejection. The panic's message is not kept: it may quote the record.
    Panicked,
    /// Attempted, but time ran out before it came to anything else. The reason is the last attempt's: its
    /// [`Verdict::Retry`], or [`TIMED_OUT`] if it was cut off.
    Unfinished(&'static str),
    /// Never attempted: an earlier record of its key was not finished, or time ran out first.
    NotAttempted,
}

impl Outcome {
    /// Whether the record must be reported as failed, which is every outcome but [`Done`](Outcome::Done).
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Done)
    }
}

/// One record's outcome and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordReport {
    /// What became of the record.
    pub outcome: Outcome,
    /// How often the work was called for it; 0 if and only if it was [`Outcome::NotAttempted`].
    pub attempts: u32,
}

impl RecordReport {
    pub(crate) const NOT_ATTEMPTED: Self = Self {
        outcome: Outcome::NotAttempted,
        attempts: 0,
    };
}

/// Counts over a batch, for one log line and for metrics. `done`, `rejected`, `panicked`, `unfinished` and
/// `not_attempted` add up to `records`; all but `done` were reported as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Records in the batch.
    pub records: usize,
    /// Calls of the work. `attempts - (records - not_attempted)` of them were retries.
    pub attempts: u64,
    /// Records that ended as [`Outcome::Done`].
    pub done: usize,
    /// Records that ended as [`Outcome::Rejected`].
    pub rejected: usize,
    /// Records that ended as [`Outcome::Panicked`].
    pub panicked: usize,
    /// Records that ended as [`Outcome::Unfinished`].
    pub unfinished: usize,
    /// Records that ended as [`Outcome::NotAttempted`].
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
            *match record.outcome {
                Outcome::Done => &mut summary.done,
                Outcome::Rejected(_) => &mut summary.rejected,
                Outcome::Panicked => &mut summary.panicked,
                Outcome::Unfinished(_) => &mut summary.unfinished,
                Outcome::NotAttempted => &mut summary.not_attempted,
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
