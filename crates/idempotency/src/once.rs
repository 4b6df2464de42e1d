//! Does a piece of work once, by lease, work and settlement, or returns what came of it before.

use std::pin::pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::lease::{Begin, Lease, Settled};
use crate::stored::{Digest, Stored};
use crate::table::LeaseTable;
use crate::{Error, Fingerprint, Key, StoreError};

/// The result of [`LeaseTable::once`]. `R` is what a duplicate gets, which is the result itself or
/// its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Once<T, E, R = T> {
    /// The work ran now and came to this. A result is kept. The work has [chosen](Failure) what
    /// becomes of a failure.
    Executed(Result<T, E>),
    /// It ran before, and this is what was kept of it.
    Replayed(Result<R, E>),
    /// Somebody else is at it, or has died at it. Try again.
    InProgress {
        /// After this time, at the latest, the other lease is over.
        retry_after: Duration,
    },
    /// The key belongs to a request with another fingerprint. Trying again does not help, because
    /// the sender has used a key twice.
    Mismatch,
    /// The work ran, or was cut off, and it is not known that the lease was settled. Try again
    /// later. [`how`](HowLost) says what the next request finds, which is not always a result.
    LeaseLost {
        /// The result of the work, which may be kept nowhere. It is `None` if the work was cut off.
        result: Option<Result<T, E>>,
        /// How the lease was lost.
        how: HowLost,
    },
}

/// How a lease was lost, with what the next request of this key finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HowLost {
    /// The work was still running when the rest of the lease was needed for settling it. It was
    /// dropped at its last `await`, and it is not known whether its effect happened. Nothing was
    /// written.
    ///
    /// The lease is left to end by itself. Until then the next request finds the key in progress.
    /// After that it gets a lease of its own, with one [takeover](Lease::takeovers) more, and
    /// **the work is done again**. No result is in the table.
    TimeUp,
    /// Somebody has taken the lease over, since it had ended by that one's clock. The write of this
    /// holder was refused, and none of its attempts will be done later.
    ///
    /// The next request finds what the other holder has made of it, or that one still at it. What
    /// this holder's work came to is kept nowhere.
    TakenOver,
    /// The last write was sent, and DynamoDB said neither yes nor no. It may have been done, and
    /// an attempt that is still under way may do it later. With [`StoreError::NoTime`] it was not
    /// sent, because time was up before.
    ///
    /// If it is done, the next request finds what was kept, or a free key after a release. If it is
    /// never done, the next request finds the same as after [`TimeUp`](Self::TimeUp).
    Unconfirmed(StoreError),
}

/// How the work failed, and what is to become of the key. The work chooses for every error, since
/// only the work knows whether its effect may have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// Nothing has happened, and the key is free at once.
    Release(E),
    /// The work can never succeed. The failure is kept and given to every duplicate.
    Keep(E),
    /// It is not known whether the effect happened (a call that timed out). The lease ends at once,
    /// and the next holder [learns of it](Lease::takeovers). If that cannot be written, the lease
    /// ends by itself.
    Abandon(E),
}

/// Turns the error of a `Result` into a [`Failure`], so that work can use `?`.
///
/// ```
/// # use idempotency::{Failure, Lease, OrFailure as _};
/// # fn check(amount: u64) -> Result<(), String> { Ok(()) }
/// # async fn connect() -> Result<(), String> { Ok(()) }
/// # async fn pay(amount: u64) -> Result<String, String> { Ok(String::new()) }
/// async fn work(_: &Lease) -> Result<String, Failure<String>> {
///     check(1299).or_keep()?;             // no: for good
///     connect().await.or_release()?;      // nothing has happened
///     pay(1299).await.or_abandon()        // who knows
/// }
/// ```
///
/// A failure is kept as JSON, so its type needs serde. Where an error has no JSON form, map it to
/// a reason of your own before.
pub trait OrFailure<T, E> {
    /// [`Failure::Release`], which says that nothing has happened.
    ///
    /// # Errors
    /// The error, as a failure.
    fn or_release(self) -> Result<T, Failure<E>>;

    /// [`Failure::Keep`], which says that the work can never succeed.
    ///
    /// # Errors
    /// The error, as a failure.
    fn or_keep(self) -> Result<T, Failure<E>>;

    /// [`Failure::Abandon`], which says that it is not known whether the effect happened.
    ///
    /// # Errors
    /// The error, as a failure.
    fn or_abandon(self) -> Result<T, Failure<E>>;
}

impl<T, E> OrFailure<T, E> for Result<T, E> {
    fn or_release(self) -> Result<T, Failure<E>> {
        self.map_err(Failure::Release)
    }

    fn or_keep(self) -> Result<T, Failure<E>> {
        self.map_err(Failure::Keep)
    }

    fn or_abandon(self) -> Result<T, Failure<E>> {
        self.map_err(Failure::Abandon)
    }
}

impl LeaseTable {
    /// Does the work if nobody has done it, and otherwise says what came of it.
    ///
    /// A new request costs two calls, and a duplicate one. `deadline` is the invocation's. The work
    /// is given until [`Lease::work_until`] and is dropped then. It may [renew](Lease::renew) its
    /// lease.
    ///
    /// ```no_run
    /// # use idempotency::{Error, Failure, Fingerprint, Key, LeaseTable, Once};
    /// # use std::time::Duration;
    /// # async fn pay(amount: u64, idempotency_key: &str) -> Result<String, String> { Ok(String::new()) }
    /// # async fn example(table: LeaseTable, deadline: tokio::time::Instant) -> Result<(), Box<dyn std::error::Error>> {
    /// let key = Key::new("charge", ["order-7"])?;
    /// let fingerprint = Fingerprint::of(&("order-7", 1299))?;
    /// let outcome = table.once(&key, &fingerprint, deadline, async |lease| {
    ///     if lease.takeovers() > 0 {
    ///         // Somebody has begun this and has not ended it.
    ///         return Err(Failure::Keep("to be looked into".to_owned()));
    ///     }
    ///     pay(1299, lease.key().id()).await.map_err(Failure::Abandon)
    /// });
    /// match outcome.await? {
    ///     Once::Executed(Ok(receipt)) | Once::Replayed(Ok(receipt)) => { /* paid, now or before */ }
    ///     Once::Executed(Err(why)) | Once::Replayed(Err(why)) => { /* not paid, as far as is known */ }
    ///     Once::InProgress { .. } | Once::LeaseLost { .. } => { /* ask again later */ }
    ///     Once::Mismatch => { /* another amount under the same key */ }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Write the work as `async |lease| { .. }`, or as an `async fn` that takes a `&Lease`. A
    /// closure `|lease| async move { .. }` is refused ("lifetime may not live long enough", or "not
    /// general enough"), because its future borrows the lease, and the type of such a closure
    /// cannot say so.
    ///
    /// The work runs in the span `lease`, with the fields `key` and `takeovers` ([log](crate#log)).
    ///
    /// If it panics, or the returned future is dropped, the lease is left behind, as if the process
    /// had died.
    ///
    /// # Errors
    /// [`Error`] if the work was not begun. Everything that comes after its beginning is a
    /// [`Once`].
    pub async fn once<T, E, W>(
        &self,
        key: &Key,
        fingerprint: &Fingerprint,
        deadline: Instant,
        work: W,
    ) -> Result<Once<T, E>, Error>
    where
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned,
        W: AsyncFnOnce(&Lease) -> Result<T, Failure<E>>,
    {
        let complete = async |lease: Lease, result: &T| lease.complete(result).await;
        let begin = self.begin(key, fingerprint, deadline).await?;
        resume(begin, work, complete, Stored::result).await
    }

    /// As [`once`](Self::once), but only the digest of a result is kept. Use it for results that
    /// are large or must not be kept. A duplicate learns that the work was done, and can compare.
    ///
    /// # Errors
    /// As [`once`](Self::once).
    pub async fn once_digest<T, E, W>(
        &self,
        key: &Key,
        fingerprint: &Fingerprint,
        deadline: Instant,
        work: W,
    ) -> Result<Once<T, E, Digest>, Error>
    where
        T: Serialize,
        E: Serialize + DeserializeOwned,
        W: AsyncFnOnce(&Lease) -> Result<T, Failure<E>>,
    {
        let complete = async |lease: Lease, result: &T| lease.complete_with_digest(result).await;
        let begin = self.begin(key, fingerprint, deadline).await?;
        resume(begin, work, complete, Stored::digest).await
    }
}

/// Does the work if the lease is ours. Otherwise says why not, and reads what was kept.
async fn resume<T, E, R, W>(
    begin: Begin,
    work: W,
    complete: impl AsyncFnOnce(Lease, &T) -> Settled,
    read: impl FnOnce(&Stored) -> Result<Result<R, E>, Error>,
) -> Result<Once<T, E, R>, Error>
where
    E: Serialize,
    W: AsyncFnOnce(&Lease) -> Result<T, Failure<E>>,
{
    Ok(match begin {
        Begin::Leased(lease) => {
            let result = run(&lease, work).await;
            settle(lease, result, complete).await
        }
        Begin::Replayed(stored) => Once::Replayed(read(&stored)?),
        Begin::InProgress { retry_after } => Once::InProgress { retry_after },
        Begin::Mismatch => Once::Mismatch,
    })
}

/// Runs the work until its time is up, which a renewal puts off. Returns `None` if the work was cut
/// off.
pub(crate) async fn run<T, E, W>(lease: &Lease, work: W) -> Option<Result<T, Failure<E>>>
where
    W: AsyncFnOnce(&Lease) -> Result<T, Failure<E>>,
{
    let (key, takeovers) = (lease.key(), lease.takeovers());
    let span = tracing::info_span!("lease", %key, takeovers);
    let mut work = pin!(work(lease).instrument(span));
    loop {
        let until = lease.work_until();
        if let Ok(result) = timeout_at(until, work.as_mut()).await {
            return Some(result);
        }
        if lease.work_until() <= until {
            tracing::warn!(%key, "the work was cut off: time is up");
            return None;
        }
    }
}

async fn settle<T, E, R>(
    lease: Lease,
    result: Option<Result<T, Failure<E>>>,
    complete: impl AsyncFnOnce(Lease, &T) -> Settled,
) -> Once<T, E, R>
where
    E: Serialize,
{
    let (result, settled) = match result {
        None => {
            lease.leave_behind();
            return Once::LeaseLost {
                result: None,
                how: HowLost::TimeUp,
            };
        }
        Some(Ok(result)) => {
            let settled = complete(lease, &result).await;
            (Ok(result), settled)
        }
        Some(Err(failure)) => {
            let (failure, settled) = settle_failure(lease, failure).await;
            (Err(failure), settled)
        }
    };
    match HowLost::of(settled) {
        None => Once::Executed(result),
        Some(how) => Once::LeaseLost {
            result: Some(result),
            how,
        },
    }
}

/// Does with the lease what the failure has chosen.
pub(crate) async fn settle_failure<E: Serialize>(
    lease: Lease,
    failure: Failure<E>,
) -> (E, Settled) {
    match failure {
        Failure::Release(failure) => (failure, lease.release().await),
        Failure::Keep(failure) => {
            let settled = lease.fail(&failure).await;
            (failure, settled)
        }
        Failure::Abandon(failure) => {
            // Nothing is claimed of the lease. If this write fails, the lease ends by itself, and
            // the next holder learns the same.
            let _ = lease.abandon().await;
            (failure, Settled::Done)
        }
    }
}

impl HowLost {
    /// How a lease was lost that was to be settled. `None` if it is settled.
    pub(crate) fn of(settled: Settled) -> Option<Self> {
        match settled {
            Settled::Done => None,
            Settled::LeaseLost => Some(Self::TakenOver),
            Settled::Unconfirmed(error) => Some(Self::Unconfirmed(error)),
        }
    }
}
