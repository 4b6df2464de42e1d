//! Decides on some writes once and commits them, or returns what came of it before.
//!
//! It has no transition of its own. It is [`LeaseTable::begin`], the work, [`Lease::commit_with`],
//! and for a refusal one more settlement of the lease that is still held. The model checks each of
//! them (`Work::CommitWith` in `model/actors.rs`).

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::commit::{Commit, Refusal};
use crate::lease::{Begin, Lease};
use crate::once::{Failure, HowLost, run, settle_failure};
use crate::table::LeaseTable;
use crate::{Error, Fingerprint, Key};

/// The writes that the work of [`LeaseTable::commit_once`] has decided on, and its result.
///
/// ```
/// # use aws_sdk_dynamodb::types::TransactWriteItem;
/// use idempotency::{Failure, Transaction};
///
/// # fn example(shipment: TransactWriteItem) -> Transaction<'static, String, String> {
/// // The shipment's own condition is that there is none yet.
/// Transaction::new([shipment], "o-7".to_owned()).on_refusal(|refusal| {
///     if refusal.is_only_conditions() {
///         Ok("o-7".to_owned()) // it is there
///     } else {
///         Err(Failure::Release("refused".to_owned()))
///     }
/// })
/// # }
/// ```
#[must_use]
pub struct Transaction<'a, T, E> {
    items: Vec<TransactWriteItem>,
    result: T,
    on_refusal: Option<OnRefusal<'a, T, E>>,
}

type OnRefusal<'a, T, E> = Box<dyn FnOnce(Refusal) -> Result<T, Failure<E>> + Send + 'a>;

impl<'a, T, E> Transaction<'a, T, E> {
    /// Writes these items, and keeps this result. There may be 99 items, as
    /// [`Lease::commit_with`] says.
    pub fn new(items: impl IntoIterator<Item = TransactWriteItem>, result: T) -> Self {
        Self {
            items: items.into_iter().collect(),
            result,
            on_refusal: None,
        }
    }

    /// Decides what a refusal of the items means. `Ok` says that the effect is there already. The
    /// lease is completed with that result, and the outcome is [`CommitOnce::Replayed`]. A failure
    /// chooses what becomes of the key, as the work's own failures do.
    ///
    /// Without this, a refusal gives the key back and is [`CommitOnce::Refused`].
    pub fn on_refusal(
        mut self,
        decide: impl FnOnce(Refusal) -> Result<T, Failure<E>> + Send + 'a,
    ) -> Self {
        self.on_refusal = Some(Box::new(decide));
        self
    }
}

impl<T: fmt::Debug, E> fmt::Debug for Transaction<'_, T, E> {
    /// It shows no item, because an item may be somebody's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("items", &self.items.len())
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

/// The result of [`LeaseTable::commit_once`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum CommitOnce<T, E> {
    /// The items are written now, and the result is kept.
    Committed(T),
    /// It was done before, and this is what was kept of it. Or the items were refused, and
    /// [`Transaction::on_refusal`] found the effect there.
    Replayed(Result<T, E>),
    /// The work, or `on_refusal`, failed and has [chosen](Failure) what becomes of the key. Nothing
    /// was written.
    Failed(E),
    /// DynamoDB refused, for a reason that lies with the items. Nothing was written. The key was
    /// given back. If that went unanswered too, the lease ends by itself.
    Refused(Refusal),
    /// Somebody else is at it, or has died at it. Try again.
    InProgress {
        /// After this time, at the latest, the other lease is over.
        retry_after: Duration,
    },
    /// The key belongs to a request with another fingerprint. Trying again does not help, because
    /// the sender has used a key twice.
    Mismatch,
    /// The work ran, or was cut off, and the lease was not settled as it was to be.
    ///
    /// | `how` | the items |
    /// |---|---|
    /// | [`TakenOver`](HowLost::TakenOver), [`TimeUp`](HowLost::TimeUp) | are not written, and never will be by this call |
    /// | [`Unconfirmed`](HowLost::Unconfirmed) | are all written, or none is. A request that is under way may still write them, as long as nobody takes the lease over |
    ///
    /// If the work or `on_refusal` failed, or `on_refusal` found the effect there, no item is
    /// written in any of the cases.
    LeaseLost {
        /// The failure, if there was one.
        failure: Option<E>,
        /// How the lease was lost.
        how: HowLost,
    },
}

impl LeaseTable {
    /// Writes the items that the work decides on **exactly once**, and otherwise says what came of
    /// it. The items and the completion of the lease are one transaction
    /// ([`Lease::commit_with`]).
    ///
    /// The promise is about the items. The work may read and ask, and it may run more than once. An
    /// effect outside of the items happens as often as the work runs.
    ///
    /// A new request costs an update and a transaction, and a duplicate costs one update.
    /// `deadline` is the invocation's. The work is given until [`Lease::work_until`] and is dropped
    /// then, before anything is written. The lease is left to end by itself. The transaction is
    /// tried again until shortly before the deadline
    /// ([`headroom`](crate::LeaseOptions::headroom)).
    ///
    /// ```no_run
    /// # use aws_sdk_dynamodb::types::TransactWriteItem;
    /// # use idempotency::{CommitOnce, Failure, Fingerprint, Key, LeaseTable, Transaction};
    /// # async fn in_stock() -> Result<bool, String> { Ok(true) }
    /// # fn shipment(token: &str) -> TransactWriteItem { unimplemented!() }
    /// # async fn example(table: LeaseTable, deadline: tokio::time::Instant) -> Result<(), Box<dyn std::error::Error>> {
    /// let key = Key::new("shipment", ["order-7"])?;
    /// let fingerprint = Fingerprint::of(&("order-7", 1299))?;
    /// let outcome = table.commit_once(&key, &fingerprint, deadline, async |lease| {
    ///     if !in_stock().await.map_err(Failure::Release)? {
    ///         return Err(Failure::Keep("out of stock".to_owned()));
    ///     }
    ///     Ok(Transaction::new([shipment(lease.fencing_token())], "shipped".to_owned()))
    /// });
    /// match outcome.await? {
    ///     CommitOnce::Committed(_) | CommitOnce::Replayed(Ok(_)) => { /* written once */ }
    ///     CommitOnce::Failed(why) | CommitOnce::Replayed(Err(why)) => { /* not written */ }
    ///     CommitOnce::Refused(refusal) => { /* an item's own condition failed */ }
    ///     CommitOnce::InProgress { .. } | CommitOnce::LeaseLost { .. } => { /* ask later */ }
    ///     CommitOnce::Mismatch => { /* another order under the same key */ }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If the work panics, or the returned future is dropped, the lease is left behind, as if the
    /// process had died.
    ///
    /// # Errors
    /// [`Error`] if the work was not begun. Everything that comes after its beginning is a
    /// [`CommitOnce`].
    pub async fn commit_once<'a, T, E, W>(
        &self,
        key: &Key,
        fingerprint: &Fingerprint,
        deadline: Instant,
        work: W,
    ) -> Result<CommitOnce<T, E>, Error>
    where
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned,
        W: AsyncFnOnce(&Lease) -> Result<Transaction<'a, T, E>, Failure<E>>,
    {
        let lease = match self.begin(key, fingerprint, deadline).await? {
            Begin::Leased(lease) => lease,
            Begin::Replayed(stored) => return Ok(CommitOnce::Replayed(stored.result()?)),
            Begin::InProgress { retry_after } => {
                return Ok(CommitOnce::InProgress { retry_after });
            }
            Begin::Mismatch => return Ok(CommitOnce::Mismatch),
        };
        Ok(match run(&lease, work).await {
            None => {
                lease.leave_behind();
                lost(None, HowLost::TimeUp)
            }
            Some(Err(failure)) => failed(lease, failure).await,
            Some(Ok(transaction)) => commit(lease, transaction).await,
        })
    }
}

async fn commit<T, E>(lease: Lease, transaction: Transaction<'_, T, E>) -> CommitOnce<T, E>
where
    T: Serialize,
    E: Serialize,
{
    let Transaction {
        items,
        result,
        on_refusal,
    } = transaction;
    let (lease, refusal) = match lease.commit_with(items, &result).await {
        Commit::Committed => return CommitOnce::Committed(result),
        Commit::LeaseLost => return lost(None, HowLost::TakenOver),
        Commit::Unconfirmed(error) => return lost(None, HowLost::Unconfirmed(error)),
        Commit::Refused { lease, refusal } => (lease, refusal),
    };
    let Some(decide) = on_refusal else {
        // Nothing was written, however this ends.
        let _ = lease.release().await;
        return CommitOnce::Refused(refusal);
    };
    match decide(refusal) {
        Err(failure) => failed(lease, failure).await,
        Ok(result) => match HowLost::of(lease.complete(&result).await) {
            None => CommitOnce::Replayed(Ok(result)),
            Some(how) => lost(None, how),
        },
    }
}

async fn failed<T, E: Serialize>(lease: Lease, failure: Failure<E>) -> CommitOnce<T, E> {
    let (failure, settled) = settle_failure(lease, failure).await;
    match HowLost::of(settled) {
        None => CommitOnce::Failed(failure),
        Some(how) => lost(Some(failure), how),
    }
}

const fn lost<T, E>(failure: Option<E>, how: HowLost) -> CommitOnce<T, E> {
    CommitOnce::LeaseLost { failure, how }
}
