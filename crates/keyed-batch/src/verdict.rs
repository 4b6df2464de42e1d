//! The work's word on one attempt.

/// The result of the work after one attempt at one record.
///
/// A reason is a stable code in snake_case, such as `"throttled"` or `"unknown_type"`. It is
/// logged, and it suits as the dimension of a metric. It is a `&'static str` on purpose, so that
/// nothing that was read from a record can get into it. The work itself logs the detail that is
/// safe to log, since it has the record at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing is left to do for this record. Either its effect is there, or it is right that its
    /// effect never will be.
    Done,
    /// Poison, which is a record that can never succeed. It is reported as failed, and it does not
    /// hold back later records of its key.
    Reject(&'static str),
    /// Transient or environmental, such as throttling, a timeout or a missing permission. The same
    /// record may succeed later.
    ///
    /// It is attempted again after a back-off while there is time. Later records of its key wait
    /// until it is [`Done`](Verdict::Done) or [`Reject`](Verdict::Reject)ed.
    Retry(&'static str),
}

/// The reason of an attempt that was cut off, because it reached
/// [`Limits::attempt_timeout`](crate::Limits::attempt_timeout) or because the invocation's time was
/// up.
///
/// The attempt may have had its effect.
pub const TIMED_OUT: &str = "timed_out";

/// The reason of a record of a chunk that panicked, until the record was attempted by itself.
pub(crate) const PANICKED: &str = "panicked";
