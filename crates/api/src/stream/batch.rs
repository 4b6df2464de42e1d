//! Many intents in one `PutRecords`, each with its own result.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_kinesis::operation::put_records::PutRecordsError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::retry::RetryConfig;
use function_runtime::attempts::{BACKOFF, MAX_ATTEMPTS};
use function_runtime::{NoAnswer, PassingErrors};
use orders::Intent;
use put_records::{Entry, NotPut};
use tokio::time::Instant;

use super::{Refusal, SHORTEST, Stream, is_refusal};
use crate::hot_shard::hash_key_across;

/// An intent on its way into the stream.
struct Put {
    entry: Entry,
    state: State,
}

/// The knowledge about an intent.
enum State {
    /// No attempt was made.
    Untried,
    /// The stream has it.
    Acknowledged,
    /// It failed at the last attempt.
    Failed(Failed),
}

struct Failed {
    code: String,
    source: Option<BoxError>,
    /// True if an attempt failed in a way that may have had its effect.
    may_be_there: bool,
    /// True if the last attempt failed because the shard is full.
    is_throttled: bool,
}

/// A call that failed as a whole.
enum CallError {
    /// The SDK's error, which is the source of many refusals.
    Sdk(Arc<SdkError<PutRecordsError>>),
    /// The caller's time was up before there was an answer.
    NoTimeLeft,
}

impl Refusal {
    /// The refusal of an intent that was not put, because time was short.
    pub(crate) fn no_time_left() -> Self {
        Self::NotAccepted {
            code: NoAnswer::NoTimeLeft.as_str().to_owned(),
            source: None,
        }
    }
}

impl Stream {
    /// True if there is time to begin a put. Otherwise nothing is put.
    pub(crate) fn has_time(time_left: Duration) -> bool {
        time_left >= SHORTEST
    }

    /// Puts intents into the stream, each under its order id. Returns what became of each, in their
    /// sequence. There may be as many as one `PutRecords` takes, in number and in bytes.
    ///
    /// There are as many attempts as for one intent, with the same back-off. Each further attempt
    /// puts only the intents that are not acknowledged yet. Every attempt sends the same events.
    /// The last attempt sends those whose shard is full to another shard
    /// ([`Stream::with_hot_shard_escape`]).
    ///
    /// # Errors
    /// Each intent that Kinesis has not acknowledged within `time_left` has its own [`Refusal`]. It
    /// says whether that intent may be in the stream all the same. An attempt that gets no clear
    /// answer leaves this open for all of its intents.
    pub async fn put_all(
        &self,
        intents: &[Intent],
        time_left: Duration,
    ) -> Vec<Result<(), Refusal>> {
        let until = Instant::now() + time_left;
        let mut backoff = BACKOFF.full_jitter(None);
        let mut puts: Vec<Put> = intents.iter().map(Put::new).collect();
        for attempt in 1..=MAX_ATTEMPTS {
            if attempt > 1 {
                tokio::time::sleep(backoff.draw_after(attempt - 1)).await;
            }
            let time_left = until.saturating_duration_since(Instant::now());
            let mut left: Vec<&mut Put> = puts.iter_mut().filter(|put| put.is_left()).collect();
            if left.is_empty() || !Self::has_time(time_left) {
                break;
            }
            if attempt == MAX_ATTEMPTS && self.escapes {
                left.iter_mut().for_each(|put| put.escape());
            }
            if !self.attempt(&mut left, time_left).await {
                break;
            }
        }
        puts.into_iter().map(Put::result).collect()
    }

    /// Makes one call for these intents. False if a further attempt would be in vain.
    async fn attempt(&self, puts: &mut [&mut Put], time_left: Duration) -> bool {
        // This client's own retries would put acknowledged entries again.
        let once = aws_sdk_kinesis::config::Builder::new().retry_config(RetryConfig::disabled());
        let call = self
            .client
            .put_records()
            .stream_name(&self.name)
            .set_records(Some(
                puts.iter().map(|put| put.entry.to_request()).collect(),
            ))
            .customize()
            .config_override(once)
            .send();
        let error = match tokio::time::timeout(time_left, call).await {
            Ok(Ok(answer)) => {
                let results = put_records::results(&answer, puts.len());
                for (put, result) in puts.iter_mut().zip(results) {
                    match result {
                        Ok(_) => put.state = State::Acknowledged,
                        Err(error) => put.failed_alone(&error),
                    }
                }
                return true;
            }
            Ok(Err(error)) => CallError::Sdk(Arc::new(error)),
            Err(_) => CallError::NoTimeLeft,
        };
        for put in puts.iter_mut() {
            put.failed(
                error.code(),
                error.source(),
                error.may_have_had_its_effect(),
            );
        }
        error.passes_by_itself()
    }
}

impl Put {
    fn new(intent: &Intent) -> Self {
        Self {
            entry: Entry {
                partition_key: intent.order_id.to_string(),
                explicit_hash_key: None,
                data: intent.encode(),
            },
            state: State::Untried,
        }
    }

    /// Sends the intent to another shard if its shard is full.
    fn escape(&mut self) {
        if matches!(
            &self.state,
            State::Failed(Failed {
                is_throttled: true,
                ..
            })
        ) {
            self.entry.explicit_hash_key = Some(hash_key_across(&self.entry.partition_key));
        }
    }

    fn is_left(&self) -> bool {
        !matches!(self.state, State::Acknowledged)
    }

    /// The entry failed in a call that did not.
    fn failed_alone(&mut self, error: &NotPut) {
        self.failed(
            error.to_string(),
            Some(error.clone().into()),
            !error.is_refusal(),
        );
        if let State::Failed(failed) = &mut self.state {
            failed.is_throttled = *error == NotPut::Throttled;
        }
    }

    fn failed(&mut self, code: String, source: Option<BoxError>, may_be_there: bool) {
        let was_there = matches!(&self.state, State::Failed(before) if before.may_be_there);
        self.state = State::Failed(Failed {
            code,
            source,
            may_be_there: may_be_there || was_there,
            is_throttled: false,
        });
    }

    fn result(self) -> Result<(), Refusal> {
        match self.state {
            State::Acknowledged => Ok(()),
            State::Untried => Err(Refusal::no_time_left()),
            State::Failed(Failed {
                code,
                source,
                may_be_there: false,
                ..
            }) => Err(Refusal::NotAccepted { code, source }),
            State::Failed(Failed {
                code,
                source,
                may_be_there: true,
                ..
            }) => Err(Refusal::OutcomeUnknown { code, source }),
        }
    }
}

impl CallError {
    fn code(&self) -> String {
        match self {
            Self::Sdk(error) => match &**error {
                SdkError::ServiceError(answer) => {
                    answer.err().code().unwrap_or("unknown").to_owned()
                }
                _ => NoAnswer::of(error).as_str().to_owned(),
            },
            Self::NoTimeLeft => NoAnswer::NoTimeLeft.as_str().to_owned(),
        }
    }

    fn source(&self) -> Option<BoxError> {
        match self {
            Self::Sdk(error) => Some(Arc::clone(error).into()),
            Self::NoTimeLeft => None,
        }
    }

    fn may_have_had_its_effect(&self) -> bool {
        match self {
            Self::Sdk(error) => match &**error {
                SdkError::ConstructionFailure(_) => false,
                SdkError::ServiceError(answer) => !is_refusal(answer.raw().status().as_u16()),
                _ => true,
            },
            Self::NoTimeLeft => true,
        }
    }

    fn passes_by_itself(&self) -> bool {
        match self {
            Self::Sdk(error) => match &**error {
                SdkError::ConstructionFailure(_) => false,
                SdkError::ServiceError(answer) => {
                    answer.raw().status().is_server_error()
                        || PassingErrors::contain("kinesis", &self.code())
                }
                _ => true,
            },
            Self::NoTimeLeft => false,
        }
    }
}
