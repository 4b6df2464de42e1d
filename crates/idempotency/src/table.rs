//! The table of locks: one conditional write a call, tried again until time is up, and what DynamoDB's answers mean.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Backoff;
use crate::cache::Cache;
use crate::lease_options::Settings;
use crate::record::{Attribute, Record};
use crate::transition::Answer;
use crate::write::{Aliases, Value, Write};
use crate::{Key, StoreError};

/// A DynamoDB table that holds locks. A cheap handle: clones share the client and the cache.
///
/// The table needs a partition key that is a string, and its time to live should be enabled on the
/// attribute `ttl`. Its permissions: `dynamodb:UpdateItem`, and what the items of
/// [`commit_with`](crate::Lease::commit_with) need. It must not be a global table with replicas
/// that are written to: there the last writer wins, which voids every condition.
#[derive(Clone)]
pub struct LeaseTable {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    cache: Mutex<Cache>,
}

/// A call, or all attempts at it, that gave neither a yes nor a no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoVerdict {
    pub(crate) error: StoreError,
    /// Whether the write may have been done, or may still be.
    pub(crate) maybe_done: bool,
}

impl std::fmt::Debug for LeaseTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseTable")
            .field("name", &self.inner.name)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

impl LeaseTable {
    /// The table of this name.
    ///
    /// It makes a client of its own from the configuration, in which the SDK's retries are off: what can be tried again is
    /// tried again here, with the deadline in view. The SDK's retries would multiply with these, and they draw on a budget
    /// that by default all DynamoDB clients of a process share for a region, so that one hot partition would use it up for
    /// every key, and for your other clients too.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>, settings: Settings) -> Self {
        let client = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .build();
        let cache = Mutex::new(Cache::new(settings.cache_bytes));
        Self {
            inner: Arc::new(Inner {
                client: Client::from_conf(client),
                name: name.into(),
                settings,
                cache,
            }),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn now(&self) -> u64 {
        let now = (self.inner.settings.clock)();
        millis(
            now.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn key_attributes(&self, key: &Key) -> HashMap<String, AttributeValue> {
        let settings = self.settings();
        let mut attributes = HashMap::from([(
            settings.partition_key.clone(),
            AttributeValue::S(key.id().to_owned()),
        )]);
        if let Some((name, value)) = &settings.sort_key {
            attributes.insert(name.clone(), AttributeValue::S(value.clone()));
        }
        attributes
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
        let mut backoff = Backoff::new(self.settings());
        let mut last = NoVerdict {
            error: StoreError::NoTime,
            maybe_done: false,
        };
        for retry in 0.. {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let longest = self.settings().call_timeout.min(left);
            // Boxed, because the SDK's futures take several kilobytes.
            let error = match timeout(longest, Box::pin(attempt())).await {
                Ok(Ok(verdict)) => return Ok(verdict),
                Ok(Err(error)) => error,
                Err(_) => NoVerdict {
                    error: StoreError::Unanswered("timeout"),
                    maybe_done: true,
                },
            };
            last = NoVerdict {
                maybe_done: error.maybe_done || last.maybe_done,
                error: error.error,
            };
            let wait = backoff.draw(retry);
            if !last.error.is_transient() || Instant::now() + wait >= until {
                break;
            }
            sleep(wait).await;
        }
        Err(last)
    }

    async fn send(&self, key: &Key, write: &Write) -> Result<Answer, NoVerdict> {
        let mut aliases = Aliases::default();
        let condition = write
            .condition
            .render(&self.settings().partition_key, &mut aliases);
        let update = write.change.render(&mut aliases);
        let (names, values) = to_sdk(aliases);
        let request = self.inner.client.update_item();
        let result = request
            .table_name(&self.inner.name)
            .set_key(Some(self.key_attributes(key)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Answer::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    old_item(refused.item()).map(Answer::Refused)
                }
                _ => Err(no_verdict(&error)),
            },
        }
    }
}

/// The lock that a refusal returns.
pub(crate) fn old_item(
    item: Option<&HashMap<String, AttributeValue>>,
) -> Result<Option<Record>, NoVerdict> {
    let Some(item) = item.filter(|item| !item.is_empty()) else {
        return Ok(None);
    };
    let text = |attribute: Attribute| item.get(attribute.name())?.as_s().ok().cloned();
    let number = |attribute: Attribute| item.get(attribute.name())?.as_n().ok()?.parse().ok();
    let foreign = NoVerdict {
        error: StoreError::Foreign,
        maybe_done: false,
    };
    Record::read(text, number).map(Some).ok_or(foreign)
}

/// Sorts an error that is no refusal of a condition.
pub(crate) fn no_verdict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> NoVerdict {
    let unanswered = |reason, maybe_done| NoVerdict {
        error: StoreError::Unanswered(reason),
        maybe_done,
    };
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().unwrap_or("unknown");
            NoVerdict {
                error: StoreError::of(code, status),
                // DynamoDB's own advice for a 5xx: the write may have been done ("Error handling with DynamoDB").
                maybe_done: status >= 500,
            }
        }
        SdkError::ConstructionFailure(_) => unanswered("not-sent", false),
        SdkError::TimeoutError(_) => unanswered("timeout", true),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => unanswered("timeout", true),
        // Whether the request went out before the connection failed is not known.
        SdkError::DispatchFailure(_) => unanswered("connection", true),
        _ => unanswered("unreadable-answer", true),
    }
}

pub(crate) type Names = Option<HashMap<String, String>>;
pub(crate) type Values = Option<HashMap<String, AttributeValue>>;

/// Aliases as the SDK takes them: an empty map of values is an error to DynamoDB.
pub(crate) fn to_sdk(aliases: Aliases) -> (Names, Values) {
    let values: HashMap<_, _> = aliases
        .values
        .into_iter()
        .map(|(alias, value)| (alias, attribute_value(value)))
        .collect();
    (
        Some(aliases.names.into_iter().collect()),
        Some(values).filter(|values| !values.is_empty()),
    )
}

pub(crate) fn attribute_value(value: Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text),
        Value::N(number) => AttributeValue::N(number.to_string()),
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
