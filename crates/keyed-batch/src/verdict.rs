//! The work's word on one attempt.

use std::time::Duration;

/// The result of the work after one attempt at one record.
///
/// A reason is a stable code in snake_case, such as `"throttled"` or `"unknown_type"`. It is
/// logged, and it suits as the dimension of a metric. It is a `&'static str` on purpose, so that
/// nothing that was read from a record can get into it. The work itself logs the detail that is
/// safe to log, since it has the record at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
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
    /// As [`Retry`](Verdict::Retry), but no sooner than this much later, where the work knows when
    /// it is worth trying. A service may have answered so (`Retry-After`), or a lock that somebody
    /// else holds.
    ///
    /// The back-off applies too, so the wait is the longer of the two. If the time is up by then,
    /// or [too little](crate::Limits::least_attempt) is left, nobody waits for it. The record then
    /// ends as with [`Redeliver`](Verdict::Redeliver).
    RetryAfter(&'static str, Duration),
    /// Not again in this invocation, because the invocation cannot live to see it succeed.
    ///
    /// It is reported as failed. Later records of its key are not attempted, so they come again
    /// behind it. Other keys go on. The batch does not wait for it, and ends when nothing else is
    /// left to do.
    ///
    /// Each early end uses up one of Lambda's retries. An outage that [`Retry`](Verdict::Retry)
    /// rides out within an invocation may use them all up. So it suits a reason that concerns this
    /// record alone and has ended before the last retry.
    Redeliver(&'static str),
}

/// The results of work on a record, which are a [`Verdict`] or a `Result`.
///
/// With a `Result`, the work may use `?`. The error has to say its verdict, which is
/// `From<YourError> for Verdict`. A verdict is an error of itself. `Ok(())` is
/// [`Done`](Verdict::Done), and `Ok` with a verdict is that verdict.
///
/// ```
/// use std::time::Duration;
///
/// use keyed_batch::{Limits, Verdict, work_through};
/// use tokio::time::Instant;
///
/// #[derive(Debug)]
/// enum Failure {
///     NotANumber,
///     Overloaded,
/// }
///
/// impl From<std::num::ParseIntError> for Failure {
///     fn from(_: std::num::ParseIntError) -> Self {
///         Self::NotANumber
///     }
/// }
///
/// impl From<Failure> for Verdict {
///     fn from(failure: Failure) -> Self {
///         match failure {
///             Failure::NotANumber => Self::Reject("not_a_number"),
///             Failure::Overloaded => Self::Retry("overloaded"),
///         }
///     }
/// }
///
/// async fn send(number: u32) -> Result<(), Failure> {
///     if number > 99 { Err(Failure::Overloaded) } else { Ok(()) }
/// }
///
/// async fn work(text: &&str) -> Result<(), Failure> {
///     let number = text.parse()?;
///     send(number).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let until = Instant::now() + Duration::from_secs(3);
/// let reports = work_through(&["7", "seven"], |text| *text, &Limits::default(), until, work).await;
/// assert_eq!(reports.iter().filter(|report| report.disposition.is_failure()).count(), 1);
/// # }
/// ```
///
/// `()` is not a result of work. So a semicolon too many does not make a failure pass for done. An
/// `Ok` with another value is not one either, because it could be a result inside a result.
///
/// ```compile_fail,E0277
/// # use keyed_batch::{Limits, work_through};
/// # async fn example(until: tokio::time::Instant) {
/// work_through(&[1], |number| *number, &Limits::default(), until, async |_| {}).await;
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what became of the record",
    label = "work has to return a `Verdict`, or a `Result<(), E>` with `E: Into<Verdict>`"
)]
pub trait IntoVerdict {
    /// The verdict.
    fn into_verdict(self) -> Verdict;
}

impl IntoVerdict for Verdict {
    fn into_verdict(self) -> Verdict {
        self
    }
}

impl<E: Into<Verdict>> IntoVerdict for Result<(), E> {
    fn into_verdict(self) -> Verdict {
        self.map_or_else(E::into, |()| Verdict::Done)
    }
}

impl<E: Into<Verdict>> IntoVerdict for Result<Verdict, E> {
    fn into_verdict(self) -> Verdict {
        self.unwrap_or_else(E::into)
    }
}

/// The reason of an attempt that was cut off, because it reached
/// [`Limits::attempt_timeout`](crate::Limits::attempt_timeout) or because the invocation's time was
/// up.
///
/// The attempt may have had its effect.
pub const TIMED_OUT: &str = "timed_out";

/// The reason of a record of a chunk that panicked, until the record was attempted by itself.
pub(crate) const PANICKED: &str = "panicked";
