//! What came of a request, as the verdict of `keyed-batch` on a record.

use std::time::Duration;

use keyed_batch::Verdict;

use crate::{CommitOnce, Error, FingerprintError, KeyError, Once};

/// Turns what came of a request into the verdict on its record, with the feature `keyed-batch`.
///
/// Only the caller knows what a failure of the work means. The rest is this table. Match the
/// outcome first where something else is right for you.
///
/// | outcome | verdict |
/// |---|---|
/// | [`Executed(Ok)`](Once::Executed), [`Replayed(Ok)`](Once::Replayed), [`Committed`](CommitOnce::Committed) | `Done` |
/// | `Executed(Err)`, `Replayed(Err)`, [`Failed`](CommitOnce::Failed) | as `on_failure` says |
/// | [`InProgress`](Once::InProgress) | `RetryAfter("in_progress", retry_after)` |
/// | [`LeaseLost`](Once::LeaseLost) | `Retry("lease_lost")`, also if the work has failed |
/// | [`Refused`](CommitOnce::Refused) | `Retry("refused")` |
/// | [`Mismatch`](Once::Mismatch) | `Reject("mismatch")` |
/// | [`Error::ResultNotKept`] | `Done`, because the work is done |
/// | [`Error::NoTime`] | `Redeliver("no_time")`, because an invocation's time only gets less |
/// | each other [`Error`] | `Retry` with its [code](Error::code) |
///
/// A [`KeyError`] and a [`FingerprintError`] are `Reject` with their code. All three errors are
/// `Into<Verdict>`, so `?` works in a function whose error is a `Verdict`.
///
/// ```
/// # use idempotency::{Failure, Fingerprint, Key, LeaseTable, ToVerdict as _};
/// # use keyed_batch::{KinesisRecord, Verdict};
/// # async fn pay(order: &[u8]) -> Result<String, String> { Ok(String::new()) }
/// async fn work(
///     table: &LeaseTable,
///     record: &KinesisRecord,
///     deadline: tokio::time::Instant,
/// ) -> Result<Verdict, Verdict> {
///     let order = record.data();
///     let key = Key::of_json("charge", order, ["/order_id"])?;
///     let fingerprint = Fingerprint::of_json(order)?;
///     let work = async |_: &_| pay(order).await.map_err(Failure::Abandon);
///     let outcome = table.once(&key, &fingerprint, deadline, work).await;
///     Ok(outcome.verdict(|_| Verdict::Retry("not_paid")))
/// }
/// ```
pub trait ToVerdict<E> {
    /// The verdict. `on_failure` is asked about a failure of the work.
    fn verdict(self, on_failure: impl FnOnce(E) -> Verdict) -> Verdict;
}

const LEASE_LOST: Verdict = Verdict::Retry("lease_lost");
const REFUSED: Verdict = Verdict::Retry("refused");
const MISMATCH: Verdict = Verdict::Reject("mismatch");

/// Waits for the lease of another holder. A lease that ends after the time is up is left to the
/// next invocation.
const fn in_progress(retry_after: Duration) -> Verdict {
    Verdict::RetryAfter("in_progress", retry_after)
}

impl<T, E, R> ToVerdict<E> for Once<T, E, R> {
    fn verdict(self, on_failure: impl FnOnce(E) -> Verdict) -> Verdict {
        match self {
            Self::Executed(Ok(_)) | Self::Replayed(Ok(_)) => Verdict::Done,
            Self::Executed(Err(failure)) | Self::Replayed(Err(failure)) => on_failure(failure),
            Self::InProgress { retry_after } => in_progress(retry_after),
            Self::LeaseLost { .. } => LEASE_LOST,
            Self::Mismatch => MISMATCH,
        }
    }
}

impl<T, E> ToVerdict<E> for CommitOnce<T, E> {
    fn verdict(self, on_failure: impl FnOnce(E) -> Verdict) -> Verdict {
        match self {
            Self::Committed(_) | Self::Replayed(Ok(_)) => Verdict::Done,
            Self::Failed(failure) | Self::Replayed(Err(failure)) => on_failure(failure),
            Self::Refused(_) => REFUSED,
            Self::InProgress { retry_after } => in_progress(retry_after),
            Self::LeaseLost { .. } => LEASE_LOST,
            Self::Mismatch => MISMATCH,
        }
    }
}

impl<O: ToVerdict<E>, E> ToVerdict<E> for Result<O, Error> {
    fn verdict(self, on_failure: impl FnOnce(E) -> Verdict) -> Verdict {
        match self {
            Ok(outcome) => outcome.verdict(on_failure),
            Err(error) => error.into(),
        }
    }
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Self {
        match error {
            Error::ResultNotKept(_) => Self::Done,
            Error::NoTime => Self::Redeliver(error.code()),
            error => Self::Retry(error.code()),
        }
    }
}

impl From<KeyError> for Verdict {
    fn from(error: KeyError) -> Self {
        Self::Reject(error.code())
    }
}

impl From<FingerprintError> for Verdict {
    fn from(error: FingerprintError) -> Self {
        Self::Reject(error.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fingerprint, HowLost, Key, Refusal};

    const RETRY_AFTER: Duration = Duration::from_secs(1);

    fn failed(reason: &'static str) -> Verdict {
        Verdict::Reject(reason)
    }

    #[test]
    fn what_came_of_once_is_a_verdict() {
        let verdict = |once: Once<(), &'static str>| Ok::<_, Error>(once).verdict(failed);
        let how = || HowLost::TimeUp;
        let lost = |result| Once::LeaseLost { result, how: how() };
        for (once, expected) in [
            (Once::Executed(Ok(())), Verdict::Done),
            (Once::Replayed(Ok(())), Verdict::Done),
            (Once::Executed(Err("no")), Verdict::Reject("no")),
            (Once::Replayed(Err("no")), Verdict::Reject("no")),
            (
                Once::InProgress {
                    retry_after: RETRY_AFTER,
                },
                Verdict::RetryAfter("in_progress", RETRY_AFTER),
            ),
            (lost(None), Verdict::Retry("lease_lost")),
            (lost(Some(Err("no"))), Verdict::Retry("lease_lost")),
            (Once::Mismatch, Verdict::Reject("mismatch")),
        ] {
            assert_eq!(verdict(once.clone()), expected, "{once:?}");
        }
    }

    #[test]
    fn what_came_of_commit_once_is_a_verdict() {
        let verdict = |once: CommitOnce<(), &'static str>| Ok::<_, Error>(once).verdict(failed);
        let how = HowLost::TakenOver;
        for (once, expected) in [
            (CommitOnce::Committed(()), Verdict::Done),
            (CommitOnce::Replayed(Ok(())), Verdict::Done),
            (CommitOnce::Failed("no"), Verdict::Reject("no")),
            (CommitOnce::Replayed(Err("no")), Verdict::Reject("no")),
            (
                CommitOnce::Refused(Refusal::Items(vec![])),
                Verdict::Retry("refused"),
            ),
            (
                CommitOnce::InProgress {
                    retry_after: RETRY_AFTER,
                },
                Verdict::RetryAfter("in_progress", RETRY_AFTER),
            ),
            (
                CommitOnce::LeaseLost {
                    failure: Some("no"),
                    how,
                },
                Verdict::Retry("lease_lost"),
            ),
            (CommitOnce::Mismatch, Verdict::Reject("mismatch")),
        ] {
            assert_eq!(verdict(once.clone()), expected, "{once:?}");
        }
    }

    #[test]
    fn an_error_is_a_verdict_by_whether_the_work_is_done_or_may_be_later() {
        let verdict = |error| Err::<Once<(), &'static str>, _>(error).verdict(failed);
        assert_eq!(verdict(Error::NoTime), Verdict::Redeliver("no_time"));
        assert_eq!(verdict(Error::ResultNotKept(None)), Verdict::Done);
        let no_key = Verdict::from(Key::new("n", "").unwrap_err());
        assert_eq!(no_key, Verdict::Reject("key_missing"));
        let no_print = Verdict::from(Fingerprint::of(&0.1).unwrap_err());
        assert_eq!(no_print, Verdict::Reject("fingerprint_float"));
    }
}
