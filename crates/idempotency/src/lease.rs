//! Taking a lease, and what its holder may do with it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use conditional_write::{Answer, Write};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::record::{Ending, Foreign};
use crate::stored::{Replay, Settlement, Stored, body};
use crate::table::{LeaseTable, millis};
use crate::transition::{self, Claim, Fenced, Next};
use crate::{Error, Fingerprint, Key, StoreError};

/// How long after the end of everything in it DynamoDB may delete an item. DynamoDB does so by its
/// own clock.
const TTL_SLACK: Duration = Duration::from_secs(3_600);

/// The result of [`LeaseTable::begin`].
#[derive(Debug)]
#[must_use]
pub enum Begin {
    /// The work is yours to do.
    Leased(Lease),
    /// The work was done before, with this result.
    Replayed(Stored),
    /// Somebody else is at the work, or has died at it. The other lease is over this much later at
    /// the latest.
    InProgress {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// The key belongs to a request with another fingerprint.
    Mismatch,
}

/// The result of a write on one's own lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// It was done.
    Done,
    /// The lease is somebody else's by now, or was, or its item has gone. This write was not done,
    /// and none of its attempts will be done later.
    LeaseLost,
    /// DynamoDB said neither yes nor no while there was time. It may have been done, and an attempt
    /// that is still under way may do it later, as long as nobody takes the lease over. If it is
    /// never done, the lease ends when it was to end before. With [`StoreError::NoTime`] it was
    /// not sent.
    Unconfirmed(StoreError),
}

/// The right to do the work of one key, until it ends or is settled.
///
/// It is settled by [`complete`](Self::complete), [`commit_with`](Self::commit_with),
/// [`fail`](Self::fail), [`release`](Self::release) or [`abandon`](Self::abandon). A lease that is
/// dropped is left behind.
/// Others find the key in progress until the lease ends, and the next holder learns of it by
/// [`takeovers`](Self::takeovers).
#[derive(Debug)]
#[must_use]
pub struct Lease {
    table: LeaseTable,
    key: Key,
    fingerprint: String,
    owner: String,
    times: Times,
    /// The end of the lease, in milliseconds after `times.start`. A renewal moves it.
    until: AtomicU64,
    takeovers: u64,
    /// How many transactions were tried with it.
    pub(crate) commits: u32,
    is_settled: bool,
}

/// The moments that matter, on the clock of timers, and a moment at which both clocks were read.
#[derive(Clone, Copy, Debug)]
struct Times {
    start: Instant,
    start_millis: u64,
    /// When Lambda stops the function.
    deadline: Instant,
    /// When every call has returned.
    end: Instant,
    /// How long before the end of the lease or of the time the work is cut off.
    reserve: Duration,
}

impl Times {
    fn wall(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.start);
        self.start_millis.saturating_add(millis(since))
    }

    fn instant(&self, after_start: u64) -> Instant {
        self.start + Duration::from_millis(after_start)
    }
}

impl LeaseTable {
    /// Takes the lease of this key, or says why not. [`once`](Self::once) and
    /// [`commit_once`](Self::commit_once) are this with the rest around it. Use `begin` directly
    /// where the work does not fit into a closure.
    ///
    /// `deadline` is the invocation's. The lease ends there or after the [longest
    /// lease](crate::LeaseOptions::longest_lease), so a holder whose process Lambda has stopped
    /// holds nothing for longer than it could have worked. Pass the same `deadline` for all records
    /// of an invocation. The table sees by it how long the invocation is, and shares its time out
    /// ([guide](crate#time)).
    ///
    /// A new key and a duplicate cost one call. Where a lease or a result has run out it takes two
    /// calls. The first says so, and the second takes the place of exactly that one.
    ///
    /// # Errors
    /// [`Error::NoTime`] if the time left until the deadline does not suffice, and then nothing is
    /// held. [`Error::Store`] if the table gave no answer.
    pub async fn begin(
        &self,
        key: &Key,
        fingerprint: &Fingerprint,
        deadline: Instant,
    ) -> Result<Begin, Error> {
        let options = self.options();
        let (start, start_millis) = (Instant::now(), self.now());
        let cached = self.cache().get(key.id(), start_millis);
        if let Some(settlement) = cached {
            return Ok(if settlement.fingerprint == fingerprint.as_str() {
                self.replay(key, settlement, true)
            } else {
                mismatch(key)
            });
        }
        let Some(plan) = self.plan(start, deadline) else {
            return Err(Error::NoTime);
        };
        let (lease_end, last_start) = (start + plan.lease, start + plan.last_start);
        let times = Times {
            start,
            start_millis,
            deadline,
            end: start + plan.end,
            reserve: plan.reserve,
        };
        let lease_until = times.wall(lease_end);
        let expires_at = start_millis
            .saturating_add(millis(options.window))
            .max(times.wall(deadline));
        let claim = Claim {
            owner: uuid::Uuid::new_v4().simple().to_string(),
            fingerprint: fingerprint.as_str().to_owned(),
            lease_until,
            expires_at,
            ttl: ttl(expires_at),
        };
        let lease = |takeovers| Lease {
            table: self.clone(),
            key: key.clone(),
            fingerprint: claim.fingerprint.clone(),
            owner: claim.owner.clone(),
            times,
            until: AtomicU64::new(millis(plan.lease)),
            takeovers,
            commits: 0,
            is_settled: false,
        };
        let mut attempt = transition::first(&claim);
        loop {
            let answer = match self.write(key, &attempt.write, last_start).await {
                Ok(answer) => answer,
                Err(no_verdict) => {
                    if no_verdict.maybe_done {
                        // The release makes sure that nothing is held. If it goes unanswered too,
                        // the lease ends by itself.
                        let _ = lease(0).release().await;
                    }
                    return Err(match no_verdict.error {
                        StoreError::NoTime => Error::NoTime,
                        error => self.store_error(error),
                    });
                }
            };
            let skew = millis(options.clock_skew);
            let next = transition::claim(&claim, &attempt, &answer, self.now(), skew);
            attempt = match next.map_err(|foreign| self.store_error(foreign.into()))? {
                Next::Send(next) => next,
                Next::Held { takeovers } => {
                    let lease = lease(takeovers);
                    if Instant::now() > last_start {
                        let _ = lease.release().await;
                        return Err(Error::NoTime);
                    }
                    if takeovers > 0 {
                        tracing::warn!(%key, takeovers, "took over a lease that was left behind");
                    }
                    return Ok(Begin::Leased(lease));
                }
                Next::Settled(settlement) => return Ok(self.replay(key, settlement, false)),
                Next::InProgress { retry_after } => {
                    let retry_after_millis = retry_after;
                    tracing::info!(%key, retry_after_millis, "somebody else has the lease");
                    let retry_after = Duration::from_millis(retry_after);
                    return Ok(Begin::InProgress { retry_after });
                }
                Next::Mismatch => return Ok(mismatch(key)),
            };
        }
    }

    fn store_error(&self, source: StoreError) -> Error {
        let table = self.inner.name.clone();
        Error::Store { table, source }
    }

    fn replay(&self, key: &Key, settlement: Settlement, from_cache: bool) -> Begin {
        if let Some(hook) = &self.options().on_replay {
            hook(&Replay::of(key.namespace(), &settlement, from_cache));
        }
        tracing::debug!(%key, from_cache, "settled before");
        let ending = settlement.ending.clone();
        if !from_cache {
            self.cache().insert(key.id(), settlement);
        }
        Begin::Replayed(Stored { ending })
    }
}

impl Lease {
    /// How many leases of this key ended before without being settled. It is 0 if this is the
    /// first.
    ///
    /// If it is not 0, somebody has begun this work and has died or stalled at it, and **its effect
    /// may have happened**. Work that must never happen twice looks first (asks the payment service
    /// by its idempotency key, say), or does not do it and [fails](Self::fail) for somebody to look
    /// into.
    #[must_use]
    pub fn takeovers(&self) -> u64 {
        self.takeovers
    }

    /// The fencing token, which no other lease has. Pass a service that takes an idempotency key
    /// this token for one execution, or the [key](Self::key) for all of them.
    #[must_use]
    pub fn fencing_token(&self) -> &str {
        &self.owner
    }

    /// The key that is leased.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The moment until which the work may go on. The time after it until the lease ends is for
    /// settling it.
    ///
    /// The lease also ends by the wall clock, because the others go by that. If the wall clock has
    /// been set forward meanwhile, this moment moves up.
    #[must_use]
    pub fn work_until(&self) -> Instant {
        let ends = self.times.instant(self.until.load(Ordering::Relaxed));
        // The time by which the wall clock has gone ahead of the timers' clock, because it was set
        // or the process was frozen.
        let now = Instant::now();
        let ahead = self.table.now().saturating_sub(self.times.wall(now));
        let last = ends.min(self.times.end);
        let reserve = self.times.reserve + Duration::from_millis(ahead);
        last.checked_sub(reserve).unwrap_or(self.times.start)
    }

    /// Makes the lease last for `longer` from now, but not beyond the deadline. The lease never
    /// becomes shorter. It takes one call.
    pub async fn renew(&self, longer: Duration) -> Settled {
        let ends = (Instant::now() + longer.min(self.table.options().longest_lease))
            .min(self.times.deadline);
        let write = transition::renew(&self.owner, self.times.wall(ends));
        let settled = self
            .insist_on(&write, |answer| transition::renewed(&self.owner, answer))
            .await;
        if settled == Settled::Done {
            let after_start = millis(ends.saturating_duration_since(self.times.start));
            self.until.fetch_max(after_start, Ordering::Relaxed);
        }
        settled
    }

    /// Does this work, and [renews](Self::renew) the lease meanwhile, a third of `each` after the
    /// last renewal. Each renewal is for `each`, and none goes beyond the deadline.
    ///
    /// It is for work that takes longer than the [longest
    /// lease](crate::LeaseOptions::longest_lease). With a short lease and this, others find out
    /// soon that a holder has died. Without it they wait for the dead holder's deadline. Two thirds
    /// of `each` are then left for a renewal that has to be tried again.
    ///
    /// The work is dropped if a renewal says that the lease is lost. A renewal that goes unanswered
    /// is only tried again later. The renewals go on in the same task as the work. Work that blocks
    /// its thread is not renewed, and neither is a process that is frozen.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use idempotency::{Failure, Lease, LeaseOptions};
    /// # async fn pay() -> Result<String, String> { Ok(String::new()) }
    /// let options = LeaseOptions::default().longest_lease(Duration::from_secs(3));
    /// let each = Duration::from_secs(3);
    /// let work = async |lease: &Lease| match lease.keep_alive(each, pay()).await {
    ///     Some(paid) => paid.map_err(Failure::Abandon),
    ///     None => Err(Failure::Abandon("lost the lease".to_owned())),
    /// };
    /// # let _: Option<Result<String, Failure<String>>> = None;
    /// # fn check(_: impl AsyncFnOnce(&Lease) -> Result<String, Failure<String>>) {}
    /// # check(work);
    /// ```
    ///
    /// Returns `None` if the lease was lost before the work was done.
    pub async fn keep_alive<T>(&self, each: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let pause = (each / 3).max(Duration::from_millis(1));
        loop {
            if let Ok(result) = timeout(pause, work.as_mut()).await {
                return Some(result);
            }
            let mut renewal = pin!(self.renew(each));
            // The work goes on while the renewal is under way.
            let renewed = poll_fn(|context| {
                if let Poll::Ready(result) = work.as_mut().poll(context) {
                    return Poll::Ready(Ok(result));
                }
                renewal.as_mut().poll(context).map(Err)
            });
            match renewed.await {
                Ok(result) => return Some(result),
                Err(Settled::LeaseLost) => return None,
                Err(Settled::Done | Settled::Unconfirmed(_)) => {}
            }
        }
    }

    /// The work is done. Keeps its result for the window, in one call.
    pub async fn complete<T: Serialize + ?Sized>(self, result: &T) -> Settled {
        let body = body(result, self.table.options().max_result_bytes);
        self.settle(Ending::Completed(body)).await
    }

    /// The work is done. Keeps the digest of its result for the window, in one call.
    pub async fn complete_with_digest<T: Serialize + ?Sized>(self, result: &T) -> Settled {
        self.settle(Ending::Completed(body(result, 0))).await
    }

    /// The work has failed for good. Keeps the failure for the window, in one call.
    pub async fn fail<E: Serialize + ?Sized>(self, failure: &E) -> Settled {
        let body = body(failure, self.table.options().max_result_bytes);
        self.settle(Ending::Failed(body)).await
    }

    async fn settle(mut self, ending: Ending) -> Settled {
        let settlement = self.settlement(ending);
        let write = self.settling_write(&settlement);
        let settled = self
            .insist_on(&write, |answer| transition::settled(&self.owner, answer))
            .await;
        self.is_settled = true;
        if settled == Settled::Done {
            self.table.cache().insert(self.key.id(), settlement);
        }
        settled
    }

    /// Nothing has happened. The next request may do the work at once, which then costs one call
    /// more. The release takes one call.
    ///
    /// If this lease was [taken over](Self::takeovers) from somebody, the next holder learns of
    /// that too.
    pub async fn release(mut self) -> Settled {
        let write = transition::release(&self.owner);
        self.is_settled = true;
        self.insist_on(&write, |answer| transition::released(&self.owner, answer))
            .await
    }

    /// It is not known whether the effect happened. The lease ends at once, and its next holder
    /// learns of it by [`takeovers`](Self::takeovers). It takes one call.
    ///
    /// Call it only when nothing of the work goes on here. A request that went unanswered may still
    /// have its effect later, which no lock can know.
    pub async fn abandon(mut self) -> Settled {
        let write = transition::abandon(&self.owner, self.takeovers);
        self.is_settled = true;
        self.insist_on(&write, |answer| transition::released(&self.owner, answer))
            .await
    }

    /// Leaves the lease to end by itself, as if the process had died. Others find the key in
    /// progress until then. The next holder learns of it by [`takeovers`](Self::takeovers). It
    /// takes no call.
    pub fn leave_behind(mut self) {
        self.is_settled = true;
    }

    async fn insist_on(
        &self,
        write: &Write,
        read: impl FnOnce(&Answer) -> Result<Fenced, Foreign>,
    ) -> Settled {
        match self.table.write(&self.key, write, self.times.end).await {
            Ok(answer) => match read(&answer) {
                Ok(Fenced::Done) => Settled::Done,
                Ok(Fenced::Lost) => {
                    self.log_loss();
                    Settled::LeaseLost
                }
                Err(foreign) => self.unconfirmed(foreign.into()),
            },
            Err(no_verdict) => self.unconfirmed(no_verdict.error),
        }
    }

    fn unconfirmed(&self, error: StoreError) -> Settled {
        self.log_unconfirmed(&error);
        Settled::Unconfirmed(error)
    }

    pub(crate) fn log_loss(&self) {
        tracing::warn!(key = %self.key, "the lease was lost: somebody else has taken it over");
    }

    pub(crate) fn log_unconfirmed(&self, error: &StoreError) {
        let reason = error.code();
        tracing::warn!(key = %self.key, reason, "it is not known whether the lease was written");
    }

    /// The lease as it is once it is settled. It is made once, so that every attempt sends the
    /// same.
    pub(crate) fn settlement(&self, ending: Ending) -> Settlement {
        let window = millis(self.table.options().window);
        Settlement {
            fingerprint: self.fingerprint.clone(),
            expires_at: self.table.now().saturating_add(window),
            ending,
        }
    }

    pub(crate) fn settling_write(&self, settlement: &Settlement) -> Write {
        let expires_at = settlement.expires_at;
        transition::settle(&self.owner, &settlement.ending, expires_at, ttl(expires_at))
    }

    pub(crate) fn table(&self) -> &LeaseTable {
        &self.table
    }

    pub(crate) fn end(&self) -> Instant {
        self.times.end
    }

    pub(crate) fn mark_settled(&mut self) {
        self.is_settled = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_settled {
            let key = &self.key;
            tracing::warn!(%key, "a lease was left behind: it ends by itself");
        }
    }
}

fn mismatch(key: &Key) -> Begin {
    tracing::warn!(%key, "another payload came under a key that is in use");
    Begin::Mismatch
}

/// Seconds since the Unix epoch, well after the end of the window.
fn ttl(expires_at: u64) -> u64 {
    expires_at
        .div_ceil(1_000)
        .saturating_add(TTL_SLACK.as_secs())
}
