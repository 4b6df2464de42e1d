//! The table of locks. Each call is one conditional write, tried again until time is up, and this
//! says what DynamoDB's answers mean.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use conditional_write::{Answer, ItemKey, Write, answer_of_update, update_item};
use tokio::time::{Instant, sleep, timeout};

use crate::cache::Cache;
use crate::error::{NoAnswer, ServiceError, Source};
use crate::lease_options::{LeaseOptions, Plan};
use crate::record::Foreign;
use crate::{Key, StoreError};

/// A DynamoDB table that holds locks. It is a cheap handle, whose clones share the client and the
/// cache.
///
/// The table needs a partition key that is a string, and its time to live should be enabled on the
/// attribute `ttl`. It needs the permission `dynamodb:UpdateItem`, and those for the items of
/// [`commit_with`](crate::Lease::commit_with). It must not be a global table with replicas that are
/// written to. The last writer wins there, which voids every condition.
#[derive(Clone)]
pub struct LeaseTable {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) name: String,
    pub(crate) options: LeaseOptions,
    cache: Mutex<Cache>,
    invocation: Mutex<Option<Invocation>>,
    has_warned: AtomicBool,
}

/// The place where the items are.
pub(crate) enum Store {
    DynamoDb(Client),
    #[cfg(feature = "test-util")]
    Memory(crate::InMemoryTable),
}

/// The invocation that a lease was last asked for in.
#[derive(Clone, Copy)]
struct Invocation {
    deadline: Instant,
    /// How much time was left when its deadline was first seen.
    whole: Duration,
}

/// A call, or all attempts at it, that gave neither a yes nor a no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoVerdict {
    pub(crate) error: StoreError,
    /// True if the write may have been done, or may still be.
    pub(crate) maybe_done: bool,
}

impl std::fmt::Debug for LeaseTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseTable")
            .field("name", &self.inner.name)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

impl LeaseTable {
    /// The table of this name.
    ///
    /// It makes its own client from the configuration, as [`from_client`](Self::from_client) makes
    /// one from yours.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>, options: LeaseOptions) -> Self {
        Self::from_client(&Client::new(config), name, options)
    }

    /// The table of this name, for a client that you have.
    ///
    /// The table uses a copy of the client that has the same endpoint, credentials, connections,
    /// interceptors and timeouts. Only **the SDK's retries are off** in the copy, whatever the
    /// client says. This crate does the retries itself, with the deadline in view. The SDK's
    /// retries would multiply with these. They also draw on a budget that by default all DynamoDB
    /// clients of a process share for a region. One hot partition would use it up for every key,
    /// and for your other clients too.
    ///
    /// | timeout of the client | here |
    /// |---|---|
    /// | operation, operation attempt | a call that reaches it is tried again, as one that reaches [`call_timeout`](LeaseOptions::call_timeout). It should not be shorter than DynamoDB takes, which is some 100 ms at worst in good times, and longer for a large transaction |
    /// | connect | is part of the call. The SDK's default of 3.1 s is longer than the call's, so the call's counts |
    /// | read | as the operation's |
    #[must_use]
    pub fn from_client(client: &Client, name: impl Into<String>, options: LeaseOptions) -> Self {
        let config = client.config().to_builder();
        let client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
        Self::over(Store::DynamoDb(client), name.into(), options)
    }

    pub(crate) fn over(store: Store, name: String, options: LeaseOptions) -> Self {
        let cache = Mutex::new(Cache::new(options.cache_bytes));
        Self {
            inner: Arc::new(Inner {
                store,
                name,
                options,
                cache,
                invocation: Mutex::new(None),
                has_warned: AtomicBool::new(false),
            }),
        }
    }

    pub(crate) fn options(&self) -> &LeaseOptions {
        &self.inner.options
    }

    /// The wall clock, in milliseconds since the Unix epoch. A time before the epoch counts as the
    /// epoch. Such a clock lags, and a clock that lags only waits for longer.
    pub(crate) fn now(&self) -> u64 {
        let now = (self.inner.options.clock)();
        millis(
            now.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    /// The times of a lease that is taken now. `None` if too little time is left.
    ///
    /// All records of an invocation have the same deadline. So the time that was left when it was
    /// first seen is that of the whole invocation. Where requests with several deadlines are under
    /// way at once, it may be forgotten in between. The shares are then those of the time left.
    pub(crate) fn plan(&self, start: Instant, deadline: Instant) -> Option<Plan> {
        let left = deadline.saturating_duration_since(start);
        let whole = {
            let mut invocation = self
                .inner
                .invocation
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match &*invocation {
                Some(last) if last.deadline == deadline => last.whole.max(left),
                _ => {
                    let whole = left;
                    *invocation = Some(Invocation { deadline, whole });
                    whole
                }
            }
        };
        let plan = self.options().plan(left, whole);
        if plan.is_none()
            && self.options().leaves_no_time_of(whole)
            && !self.inner.has_warned.swap(true, Ordering::Relaxed)
        {
            let (table, whole_millis) = (&self.inner.name, millis(whole));
            tracing::warn!(
                table,
                whole_millis,
                "the lease options leave no time for work in an invocation of this length"
            );
        }
        plan
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the item that is the lock of this key.
    pub(crate) fn item_key(&self, key: &Key) -> ItemKey {
        let options = self.options();
        let item_key = ItemKey::new(options.partition_key.clone(), key.id());
        match &options.sort_key {
            Some((name, value)) => item_key.with_sort_key(name.clone(), value.clone()),
            None => item_key,
        }
    }

    /// Does one conditional write, tried again until `until` where that may help.
    pub(crate) async fn write(
        &self,
        key: &Key,
        write: &Write,
        until: Instant,
    ) -> Result<Answer, NoVerdict> {
        self.insist(until, || self.send(key, write)).await
    }

    /// Tries `attempt` until it gives a verdict, it cannot help to go on, or `until` has come.
    pub(crate) async fn insist<T, F>(
        &self,
        until: Instant,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, NoVerdict>
    where
        F: Future<Output = Result<T, NoVerdict>>,
    {
        let options = self.options();
        let mut jitter = options.backoff.full_jitter(options.jitter_seed);
        let mut last = NoVerdict {
            error: StoreError::NoTime,
            maybe_done: false,
        };
        for failures in 1.. {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let longest = options.call_timeout.min(left);
            // Boxed, because the SDK's futures take several kilobytes.
            let error = match timeout(longest, Box::pin(attempt())).await {
                Ok(Ok(verdict)) => return Ok(verdict),
                Ok(Err(error)) => error,
                Err(_) => NoVerdict {
                    error: StoreError::Unanswered(NoAnswer::Timeout),
                    maybe_done: true,
                },
            };
            last = NoVerdict {
                maybe_done: error.maybe_done || last.maybe_done,
                error: error.error,
            };
            let wait = jitter.draw_after(failures);
            if !last.error.is_transient() || Instant::now() + wait >= until {
                break;
            }
            sleep(wait).await;
        }
        Err(last)
    }

    async fn send(&self, key: &Key, write: &Write) -> Result<Answer, NoVerdict> {
        let client = match &self.inner.store {
            Store::DynamoDb(client) => client,
            #[cfg(feature = "test-util")]
            Store::Memory(table) => return Ok(table.write(key, write).await),
        };
        let item_key = self.item_key(key);
        let update = write.update(&self.inner.name, &item_key);
        let result = update_item(client, update).send().await;
        answer_of_update(result, &item_key).map_err(|error| no_verdict(&Arc::new(error)))
    }
}

impl From<Foreign> for StoreError {
    fn from(_: Foreign) -> Self {
        Self::Foreign
    }
}

/// Sorts an error that is not the refusal of a condition.
pub(crate) fn no_verdict<E>(error: &Arc<SdkError<E>>) -> NoVerdict
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let source = Source::new(error.clone());
    let unanswered = |no_answer, maybe_done| NoVerdict {
        error: StoreError::Unanswered(no_answer),
        maybe_done,
    };
    match &**error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().unwrap_or("unknown");
            NoVerdict {
                error: StoreError::of(ServiceError::new(code, status, source)),
                // The write may have been done, by DynamoDB's own advice for a 5xx ("Error handling
                // with DynamoDB").
                maybe_done: status >= 500,
            }
        }
        SdkError::ConstructionFailure(_) => unanswered(NoAnswer::NotSent(source), false),
        SdkError::TimeoutError(_) => unanswered(NoAnswer::Timeout, true),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            unanswered(NoAnswer::Timeout, true)
        }
        // The request may have gone out before the connection failed.
        SdkError::DispatchFailure(_) => unanswered(NoAnswer::Connection(source), true),
        // An answer that cannot be read, and kinds of errors that the SDK may get.
        _ => unanswered(NoAnswer::Unreadable(source), true),
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
