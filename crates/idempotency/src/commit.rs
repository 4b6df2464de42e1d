//! Completing a lease and writing business items in one transaction, so that either both happen or
//! neither.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use conditional_write::{Answer, ItemKey, Write, answer_of_cancellation};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::{NoAnswer, ServiceError, Source};
use crate::key::hex;
use crate::record::Ending;
use crate::stored::body;
use crate::table::{NoVerdict, Store, no_verdict};
use crate::transition::{self, Fenced};
use crate::{Lease, StoreError};

/// The cancellation reason of an item whose condition failed.
const CONDITIONAL_CHECK_FAILED: &str = "ConditionalCheckFailed";

/// The result of [`Lease::commit_with`].
/// [`LeaseTable::commit_once`](crate::LeaseTable::commit_once) is this with the rest around it.
#[derive(Debug)]
#[must_use]
pub enum Commit {
    /// The items are written and the lease is completed.
    Committed,
    /// DynamoDB refused, for a reason that lies with the items. Nothing was written. The lease is
    /// still held, and is given back to be failed, released or used for another transaction.
    Refused {
        /// The lease.
        lease: Lease,
        /// The items or the error that were in the way.
        refusal: Refusal,
    },
    /// The lease is somebody else's by now, or was. Nothing was written.
    LeaseLost,
    /// It is not known whether the transaction was committed. Either all of it was, or nothing. An
    /// attempt that is under way may still commit it, as long as nobody takes the lease over. If it
    /// is never committed, the lease ends by itself. The result is the same if DynamoDB refused an
    /// attempt after one that it did not answer, since the unanswered attempt may still arrive.
    Unconfirmed(StoreError),
}

/// Why DynamoDB refused a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// These items were in the way, as their reasons say.
    Items(Vec<RefusedItem>),
    /// The request as a whole cannot be done, for this error of DynamoDB. It is
    /// `ValidationException` for two writes of one item or more than 99 items, or
    /// `AccessDeniedException`.
    Request(ServiceError),
}

impl Refusal {
    /// True if nothing but conditions of items failed. A put whose condition is that there is no
    /// such item has then found one.
    #[must_use]
    pub fn is_only_conditions(&self) -> bool {
        match self {
            Self::Items(items) => items
                .iter()
                .all(|item| item.code == CONDITIONAL_CHECK_FAILED),
            Self::Request(_) => false,
        }
    }
}

/// One item that was in the way of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedItem {
    /// The index of the item among those that were passed, counted from 0.
    pub index: usize,
    /// DynamoDB's code, which is `ConditionalCheckFailed`, `ItemCollectionSizeLimitExceeded` or
    /// `ValidationError` (API reference, TransactWriteItems, "Cancellation reason codes").
    pub code: String,
    /// The item as it is, where the condition failed and the write asked for it by
    /// `ReturnValuesOnConditionCheckFailure`.
    pub item: Option<std::collections::HashMap<String, AttributeValue>>,
}

/// DynamoDB's answer to one attempt.
pub(crate) enum Said {
    Lock(Answer),
    Refused(Refusal),
}

impl Lease {
    /// Completes the lease with this result, and writes these items, in one `TransactWriteItems`.
    /// This happens **exactly once**, also if the lease has ended, whatever the clocks show. If
    /// somebody has taken the lease over, neither is written.
    ///
    /// At most 99 items, as DynamoDB takes 100, of any tables of the locks' account and region.
    /// Every item costs two write units a KB, the lock too.
    ///
    /// An attempt whose answer is lost is sent again with the same `ClientRequestToken`, so
    /// DynamoDB recognises it for ten minutes. After that the lock recognises it, because it says
    /// that this lease has completed it. Each call of this method has its own token. A conflict
    /// with another transaction, throttling and failures of DynamoDB are tried again while there is
    /// time.
    ///
    /// ```no_run
    /// # async fn example(table: idempotency::LeaseTable, key: idempotency::Key, fingerprint: idempotency::Fingerprint,
    /// #     deadline: tokio::time::Instant, items: Vec<aws_sdk_dynamodb::types::TransactWriteItem>) -> Result<(), idempotency::Error> {
    /// use idempotency::{Begin, Commit};
    ///
    /// match table.begin(&key, &fingerprint, deadline).await? {
    ///     Begin::Leased(lease) => match lease.commit_with(items, &"invoice-7").await {
    ///         Commit::Committed => { /* done, once */ }
    ///         Commit::Refused { lease, refusal } => { let _ = lease.fail(&"out of stock").await; }
    ///         Commit::LeaseLost | Commit::Unconfirmed(_) => { /* ask again later */ }
    ///     },
    ///     Begin::Replayed(stored) => { let invoice = stored.result::<String, String>()?; }
    ///     Begin::InProgress { .. } | Begin::Mismatch => { /* later; never */ }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn commit_with<T: Serialize + ?Sized>(
        mut self,
        items: Vec<TransactWriteItem>,
        result: &T,
    ) -> Commit {
        self.commits = self.commits.saturating_add(1);
        let body = body(result, self.table().options().max_result_bytes);
        let settlement = self.settlement(Ending::Completed(body));
        let lock = self.settling_write(&settlement);
        let token = self.token();
        // Attempts of which it is not known whether they have arrived, or still will. It is atomic
        // so that the future is `Send`.
        let unanswered = AtomicU32::new(0);
        let attempt = async || {
            unanswered.fetch_add(1, Ordering::Relaxed);
            let said = self.send(&lock, &items, &token).await;
            if said
                .as_ref()
                .map_or_else(|error| !error.maybe_done, |_| true)
            {
                unanswered.fetch_sub(1, Ordering::Relaxed);
            }
            said
        };
        let said = self.table().insist(self.end(), attempt).await;
        let answer = match said {
            Ok(Said::Lock(answer)) => answer,
            // The items in the way may be gone by the time that an earlier attempt arrives, and the
            // lease is still ours then.
            Ok(Said::Refused(_)) if unanswered.load(Ordering::Relaxed) > 0 => {
                return self.unconfirmed_commit(StoreError::Unanswered(NoAnswer::EarlierAttempt));
            }
            Ok(Said::Refused(refusal)) => {
                return Commit::Refused {
                    lease: self,
                    refusal,
                };
            }
            Err(NoVerdict {
                error: StoreError::Environment(error),
                maybe_done: false,
            }) => {
                return Commit::Refused {
                    lease: self,
                    refusal: Refusal::Request(error),
                };
            }
            Err(no_verdict) => {
                return self.unconfirmed_commit(no_verdict.error);
            }
        };
        match transition::settled(self.fencing_token(), &answer) {
            Ok(Fenced::Done) => {
                self.mark_settled();
                self.table().cache().insert(self.key().id(), settlement);
                Commit::Committed
            }
            Ok(Fenced::Lost) => {
                self.mark_settled();
                self.log_loss();
                Commit::LeaseLost
            }
            Err(foreign) => self.unconfirmed_commit(foreign.into()),
        }
    }

    fn unconfirmed_commit(mut self, error: StoreError) -> Commit {
        self.mark_settled();
        self.log_unconfirmed(&error);
        Commit::Unconfirmed(error)
    }

    /// The token is the same for every attempt of one commit, and another for the next commit. It
    /// has 32 characters of the 36 that DynamoDB takes.
    fn token(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.fencing_token());
        hash.update(self.commits.to_be_bytes());
        hex(&hash.finalize()[..16])
    }

    async fn send(
        &self,
        lock: &Write,
        items: &[TransactWriteItem],
        token: &str,
    ) -> Result<Said, NoVerdict> {
        let client = match &self.table().inner.store {
            Store::DynamoDb(client) => client,
            #[cfg(feature = "test-util")]
            Store::Memory(table) => return Ok(table.transact(self.key(), lock, items).await),
        };
        let item_key = &self.table().item_key(self.key());
        let lock = lock.update(&self.table().inner.name, item_key);
        let mut all = Vec::with_capacity(items.len() + 1);
        all.push(TransactWriteItem::builder().update(lock).build());
        all.extend_from_slice(items);
        let result = client
            .transact_write_items()
            .set_transact_items(Some(all))
            .client_request_token(token)
            .send()
            .await;
        let error = match result {
            Ok(_) => return Ok(Said::Lock(Answer::Done)),
            Err(error) => Arc::new(error),
        };
        let SdkError::ServiceError(answer) = &*error else {
            return Err(no_verdict(&error));
        };
        let TransactWriteItemsError::TransactionCanceledException(cancelled) = answer.err() else {
            return Err(no_verdict(&error));
        };
        let status = answer.raw().status().as_u16();
        cancellation(cancelled.cancellation_reasons(), item_key, |code| {
            ServiceError::new(code, status, Source::new(error.clone()))
        })
    }
}

/// Reads a cancelled transaction. It has one reason an item, in their sequence, and the lock's
/// comes first. The reason is `None` for an item that was not in the way.
fn cancellation(
    reasons: &[CancellationReason],
    item_key: &ItemKey,
    error: impl FnOnce(&str) -> ServiceError,
) -> Result<Said, NoVerdict> {
    // The lock is also the most important item. If an earlier attempt was done, every other
    // condition may fail because of it.
    let lock = reasons.first();
    if let Some(answer) = lock.and_then(|lock| answer_of_cancellation(lock, item_key)) {
        return Ok(Said::Lock(answer));
    }
    let refused: Vec<_> = reasons
        .iter()
        .enumerate()
        .skip(1)
        .filter_map(|(place, reason)| {
            let code = reason.code()?;
            is_final(code).then(|| RefusedItem {
                index: place - 1,
                code: code.to_owned(),
                item: reason.item.clone(),
            })
        })
        .collect();
    if !refused.is_empty() {
        return Ok(Said::Refused(Refusal::Items(refused)));
    }
    // The reasons that are left pass. They are a conflict, throttling, or a refusal of the lock
    // alone for its size or its table's state. A cancellation without a reason passes too.
    let code = reasons
        .iter()
        .filter_map(CancellationReason::code)
        .find(|code| *code != "None")
        .unwrap_or("TransactionCanceledException");
    let error = if is_final(code) {
        StoreError::Environment(error(code))
    } else {
        StoreError::Busy(error(code))
    };
    Err(NoVerdict {
        error,
        maybe_done: false,
    })
}

/// True if a cancellation reason stays as it is when the transaction is tried again at once.
fn is_final(code: &str) -> bool {
    matches!(
        code,
        CONDITIONAL_CHECK_FAILED | "ItemCollectionSizeLimitExceeded" | "ValidationError"
    )
}
