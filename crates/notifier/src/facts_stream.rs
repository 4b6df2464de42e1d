//! The stream of facts. Facts of different orders are put together, and each has its own result.

use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use function_runtime::{NoAnswer, PassingErrors};
use orders::FactEvent;
use put_records::{Entry, MAX_BYTES, MAX_ENTRIES, NotPut};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest time of one call. `PutRecords` with its largest payload takes some hundred
/// milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The stream that facts are put into.
#[derive(Clone, Debug)]
pub struct FactsStream {
    client: aws_sdk_kinesis::Client,
    name: String,
}

/// The reason why a fact was not acknowledged. It may be in the stream all the same, and a
/// repetition has the same event id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}")]
pub struct NotPublished {
    code: String,
    passes_by_itself: bool,
}

impl NotPublished {
    /// AWS's error code, or the reason why there was no answer.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// True if the error passes by itself, by the [list](PassingErrors) that all functions go by.
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        self.passes_by_itself
    }

    fn of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Self {
        match error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or("unknown");
                Self::answered(code, answer.raw().status().is_server_error())
            }
            _ => Self {
                code: NoAnswer::of(error).as_str().to_owned(),
                passes_by_itself: true,
            },
        }
    }

    fn answered(code: &str, passes: bool) -> Self {
        Self {
            code: code.to_owned(),
            passes_by_itself: passes || PassingErrors::contain("kinesis", code),
        }
    }
}

impl FactsStream {
    /// The stream of this name, with its own client.
    ///
    /// The client makes one attempt per call, because `keyed_batch` retries what failed, and knows
    /// the invocation's deadline.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, name: impl Into<String>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self {
            client: aws_sdk_kinesis::Client::new(&config),
            name: name.into(),
        }
    }

    /// Puts an event behind the record of this sequence number, and returns its own.
    ///
    /// Kinesis promises increasing numbers for puts in quick succession only where the later put
    /// names the number of the earlier one (API reference, `PutRecord`,
    /// `SequenceNumberForOrdering`).
    ///
    /// # Errors
    /// [`NotPublished`] if Kinesis has not acknowledged the event.
    pub async fn put_behind(
        &self,
        event: &FactEvent,
        sequence_number: &str,
    ) -> Result<String, NotPublished> {
        let put = self
            .client
            .put_record()
            .stream_name(&self.name)
            .partition_key(event.order_id.to_string())
            .sequence_number_for_ordering(sequence_number)
            .data(Blob::new(event.encode()));
        match put.send().await {
            Ok(answer) => Ok(answer.sequence_number),
            Err(error) => Err(NotPublished::of(&error)),
        }
    }

    /// Puts these events, each under its order's id. Returns the sequence number of each, in the
    /// sequence of the events.
    ///
    /// No two of the events may be about one order, because Kinesis does not promise the sequence
    /// of the entries of a call. [`put_behind`](Self::put_behind) is for the next fact of an order.
    pub async fn put(&self, events: &[FactEvent]) -> Vec<Result<String, NotPublished>> {
        let mut results = Vec::with_capacity(events.len());
        let mut entries = Vec::new();
        let mut bytes = 0;
        for event in events {
            let entry = Entry {
                partition_key: event.order_id.to_string(),
                explicit_hash_key: None,
                data: event.encode(),
            };
            if entries.len() == MAX_ENTRIES || bytes + entry.size() > MAX_BYTES {
                results.extend(self.put_entries(&entries).await);
                entries.clear();
                bytes = 0;
            }
            bytes += entry.size();
            entries.push(entry);
        }
        if !entries.is_empty() {
            results.extend(self.put_entries(&entries).await);
        }
        results
    }

    async fn put_entries(&self, entries: &[Entry]) -> Vec<Result<String, NotPublished>> {
        let call = self
            .client
            .put_records()
            .stream_name(&self.name)
            .set_records(Some(entries.iter().map(Entry::to_request).collect()));
        match call.send().await {
            Ok(answer) => put_records::results(&answer, entries.len())
                .into_iter()
                .map(|result| result.map_err(NotPublished::from))
                .collect(),
            Err(error) => vec![Err(NotPublished::of(&error)); entries.len()],
        }
    }
}

impl From<NotPut> for NotPublished {
    fn from(error: NotPut) -> Self {
        let passes = !matches!(error, NotPut::Other(_));
        Self::answered(&error.to_string(), passes)
    }
}
