//! The stream of facts. Facts of different orders are put together, and each has its own result.

use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use function_runtime::{NoAnswer, PassingErrors};
use orders::FactEvent;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest time of one call. `PutRecords` with its largest payload takes some hundred
/// milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The most entries of one `PutRecords` (Kinesis API reference, `PutRecords`).
pub const MAX_ENTRIES: usize = 500;
/// The most bytes that are put in one call, data and partition keys together. `PutRecords` takes
/// 10 MiB, and takes 5 MiB of streams with the older limit (Kinesis API reference, `PutRecords`).
const MAX_BYTES: usize = 5 << 20;

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

    fn answered(code: &str, is_server_error: bool) -> Self {
        Self {
            code: code.to_owned(),
            passes_by_itself: is_server_error || PassingErrors::contain("kinesis", code),
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
            let (key, data) = (event.order_id.to_string(), event.encode());
            let size = key.len() + data.len();
            if entries.len() == MAX_ENTRIES || bytes + size > MAX_BYTES {
                results.extend(self.put_entries(std::mem::take(&mut entries)).await);
                bytes = 0;
            }
            bytes += size;
            entries.push((key, data));
        }
        if !entries.is_empty() {
            results.extend(self.put_entries(entries).await);
        }
        results
    }

    async fn put_entries(
        &self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Vec<Result<String, NotPublished>> {
        let count = entries.len();
        let entries = entries.into_iter().map(|(key, data)| {
            #[expect(
                clippy::expect_used,
                reason = "the required members are the data and the key, both set here"
            )]
            PutRecordsRequestEntry::builder()
                .partition_key(key)
                .data(Blob::new(data))
                .build()
                .expect("an entry has its required members")
        });
        let call = self
            .client
            .put_records()
            .stream_name(&self.name)
            .set_records(Some(entries.collect()));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(NotPublished::of(&error)); count],
        };
        let results = answer.records().iter().map(|entry| {
            match (entry.error_code(), entry.sequence_number()) {
                // The codes of an entry are `ProvisionedThroughputExceededException` and
                // `InternalFailure`, which is a server error.
                (Some(code), _) => Err(NotPublished::answered(code, code == "InternalFailure")),
                (None, Some(number)) => Ok(number.to_owned()),
                (None, None) => Err(NotPublished::answered("number_missing", true)),
            }
        });
        let missing = Err(NotPublished::answered("entry_missing", true));
        results
            .chain(std::iter::repeat(missing))
            .take(count)
            .collect()
    }
}
