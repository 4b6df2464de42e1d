//! The stream of intents. An intent is one `PutRecord`, or an entry of a `PutRecords` (`batch.rs`).
//! A failure says what is known of the intent.

mod batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_kinesis::operation::put_record::PutRecordError;
use aws_sdk_kinesis::primitives::Blob;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::timeout::TimeoutConfig;
use function_runtime::{NoAnswer, PassingErrors, attempts};
use orders::Intent;

use crate::hot_shard::Escape;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest time of one attempt. Kinesis answers within tens of milliseconds, so a call that
/// takes this long is better made again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The least time in which a put is begun. With less time the put would most likely be cut off, and
/// its outcome would be unknown.
const SHORTEST: Duration = Duration::from_millis(100);

/// The stream that intents are put into.
#[derive(Clone, Debug)]
pub struct Stream {
    client: aws_sdk_kinesis::Client,
    name: String,
    escapes: bool,
}

/// The reason why an intent was not acknowledged.
///
/// The error's text says no more than AWS's error code. The source is the SDK's own error, which
/// may quote the request and does not belong into a log.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Kinesis refused every attempt, so the intent is not in the stream.
    #[error("not accepted: {code}")]
    NotAccepted {
        /// AWS's error code for the last attempt, or the reason why there was no answer.
        code: String,
        /// The SDK's error, if the put was begun.
        source: Option<BoxError>,
    },
    /// At least one attempt got no clear answer, so the intent may be in the stream.
    #[error("outcome unknown: {code}")]
    OutcomeUnknown {
        /// AWS's error code for the last attempt, or the reason why there was no answer.
        code: String,
        /// The SDK's error, unless the time was up before the SDK gave one.
        source: Option<BoxError>,
    },
}

impl Refusal {
    /// A short name for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAccepted { .. } => "not_accepted",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
        }
    }

    /// AWS's error code for the last attempt, or the reason why there was no answer.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotAccepted { code, .. } | Self::OutcomeUnknown { code, .. } => code,
        }
    }
}

impl Stream {
    /// The stream of this name, with its own client.
    ///
    /// A put makes up to three attempts. With the back-offs between them they take less than 6 s.
    /// That is less than the function's default timeout of 10 s, so the client is told and not cut
    /// off. A silent attempt is repeated, because an order that is not accepted is a lost sale.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, name: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = attempts::up_to_three(config, timeouts);
        let config = aws_sdk_kinesis::config::Builder::from(&config)
            .retry_partition(attempts::without_shared_budget())
            .retry_classifier(PassingErrors::classifier::<PutRecordError>("kinesis"))
            .build();
        Self {
            client: aws_sdk_kinesis::Client::from_conf(config),
            name,
            escapes: true,
        }
    }

    /// The same stream, of which a full shard is escaped or not. If `escapes` is true, as it is by
    /// default, the last attempt of a put that was throttled goes to another shard. The intents of
    /// an order may then be in two shards. That is safe while all intents commute.
    #[must_use]
    pub fn with_hot_shard_escape(mut self, escapes: bool) -> Self {
        self.escapes = escapes;
        self
    }

    /// Puts an intent into the stream, its order id as the partition key. Every attempt sends the
    /// same event. The last attempt may send it to another shard
    /// ([`Stream::with_hot_shard_escape`]).
    ///
    /// If an answer is lost and the put is tried again, the stream has the event twice. Both copies
    /// have one intent id, and the row takes one.
    ///
    /// # Errors
    /// [`Refusal`] if Kinesis has not acknowledged the intent within `time_left`. It says whether
    /// the intent may be in the stream all the same.
    pub async fn put(&self, intent: &Intent, time_left: Duration) -> Result<(), Refusal> {
        let no_time_left = || NoAnswer::NoTimeLeft.as_str().to_owned();
        if time_left < SHORTEST {
            return Err(Refusal::NotAccepted {
                code: no_time_left(),
                source: None,
            });
        }
        let attempts_made = Attempts::default();
        let partition_key = intent.order_id.to_string();
        let mut request = self
            .client
            .put_record()
            .stream_name(&self.name)
            .partition_key(&partition_key)
            .data(Blob::new(intent.encode()))
            .customize()
            .interceptor(attempts_made.clone());
        if self.escapes {
            request = request.interceptor(Escape::new(partition_key, attempts::MAX_ATTEMPTS));
        }
        let (code, source) = match tokio::time::timeout(time_left, request.send()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => (code_of(&error), Some(error.into())),
            Err(_) => (no_time_left(), None),
        };
        Err(if attempts_made.were_all_refused() {
            Refusal::NotAccepted { code, source }
        } else {
            Refusal::OutcomeUnknown { code, source }
        })
    }
}

/// AWS's error code, or the reason why there was no answer.
fn code_of(error: &SdkError<PutRecordError>) -> String {
    match error {
        SdkError::ServiceError(answer) => answer.err().code().unwrap_or("unknown").to_owned(),
        _ => NoAnswer::of(error).as_str().to_owned(),
    }
}

/// Counts the attempts of one put. The SDK reports the last attempt's error, but an earlier attempt
/// that got no answer may have had its effect.
#[derive(Clone, Debug, Default)]
struct Attempts {
    sent: Arc<AtomicU32>,
    refused: Arc<AtomicU32>,
}

impl Attempts {
    fn were_all_refused(&self) -> bool {
        self.sent.load(Ordering::Relaxed) == self.refused.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context
            .response()
            .is_some_and(|response| is_refusal(response.status().as_u16()))
        {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// True for a 4xx other than 408. With a 4xx Kinesis looked at the request and did nothing. A 5xx
/// may come after the effect, and a 408 says that somebody gave up waiting.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && status != 408
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_4xx_says_that_nothing_happened() {
        for (status, refused) in [
            (400, true),
            (403, true),
            (429, true),
            (408, false),
            (500, false),
            (503, false),
            (200, false),
        ] {
            assert_eq!(is_refusal(status), refused, "{status}");
        }
    }
}
