//! The event that Lambda invokes a function with for messages of an SQS queue.
//!
//! Only message id, body, group, count of receives, attributes of the sender and the queue's name
//! are read. A field that nobody uses then cannot fail a batch, whatever AWS adds to it or changes
//! about it.
//!
//! Sources: Lambda developer guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS
//! event source in Lambda",
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.

use std::fmt;

use aws_lambda_events::event::streams::{SqsBatchItemFailure, SqsEventResponse};
use serde::Deserialize;
use serde_json::Value;

use crate::object::{Batch, Object};
use crate::record::{BatchRecord, Sealed};
use crate::text::Text;

/// A batch of messages, as Lambda sends it. The messages of a group are in their sequence.
///
/// Reading fails where the JSON is not an event of SQS, because it has no `Records`, or because one
/// of them has no `messageId`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object<Batch<SqsMessage>>")]
pub struct SqsEvent {
    /// The messages.
    pub records: Vec<SqsMessage>,
}

/// One message of an SQS queue.
///
/// The key of a FIFO queue's message is its group. A message of a standard queue is a key by
/// itself, also if the sender gave it a group. There a group is for fairness and not for sequence
/// (SQS developer guide, "Amazon SQS fair queues").
///
/// `Debug` shows neither body nor group nor attributes, as all may be personal data.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(from = "Object<Envelope>")]
pub struct SqsMessage {
    /// The id that SQS gave the message. It is empty if the event has another value than text,
    /// which SQS never sends.
    pub message_id: String,
    /// The group that the sender gave the message (`MessageGroupId`), if it did.
    pub group_id: Option<String>,
    /// How often SQS has handed out the message so far, this time included
    /// (`ApproximateReceiveCount`). `None` if the event does not say it. When it exceeds the
    /// queue's `maxReceiveCount`, SQS moves the message to the dead-letter queue.
    pub receive_count: Option<u32>,
    /// The attributes that the sender gave the message (`messageAttributes`), with an object such
    /// as `{"stringValue": "a", "dataType": "String"}` for each. Null if the event has none.
    pub attributes: Value,
    /// False if the message is of a standard queue.
    is_fifo: bool,
    /// `None` if the event has no text, which SQS never sends.
    body: Option<String>,
}

impl SqsMessage {
    /// A message for tests. With a group it is of a FIFO queue, and without of a standard queue.
    #[must_use]
    pub fn new(
        group_id: Option<&str>,
        message_id: impl Into<String>,
        body: impl Into<String>,
    ) -> Self {
        Self {
            message_id: message_id.into(),
            group_id: group_id.map(str::to_owned),
            receive_count: Some(1),
            attributes: Value::Null,
            is_fifo: group_id.is_some(),
            body: Some(body.into()),
        }
    }

    /// The text that the sender sent.
    ///
    /// It is empty if the event holds no text. [`process`](crate::process) rejects such a message
    /// before the work sees it.
    #[must_use]
    pub fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for SqsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsMessage")
            .field("message_id", &self.message_id)
            .field("receive_count", &self.receive_count)
            .finish_non_exhaustive()
    }
}

impl Sealed for SqsMessage {}

impl BatchRecord for SqsMessage {
    type Response = SqsEventResponse;

    const IS_QUEUED: bool = true;

    fn key(&self) -> &str {
        match &self.group_id {
            Some(group_id) if self.is_fifo => group_id,
            _ => &self.message_id,
        }
    }

    fn identifier(&self) -> &str {
        &self.message_id
    }

    fn shard_id(&self) -> Option<&str> {
        None
    }

    fn is_readable(&self) -> bool {
        self.body.is_some()
    }

    fn respond(failed: Vec<String>) -> SqsEventResponse {
        let failure = |id| {
            let mut failure = SqsBatchItemFailure::default();
            failure.item_identifier = Some(id);
            failure
        };
        let mut response = SqsEventResponse::default();
        response.batch_item_failures = failed.into_iter().map(failure).collect();
        response
    }
}

/// A message's place in the event's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    message_id: Text,
    #[serde(default)]
    body: Text,
    #[serde(default)]
    attributes: Value,
    #[serde(default)]
    message_attributes: Value,
    #[serde(default, rename = "eventSourceARN")]
    event_source_arn: Text,
}

impl From<Object<Batch<SqsMessage>>> for SqsEvent {
    fn from(Object(Batch { records }): Object<Batch<SqsMessage>>) -> Self {
        Self { records }
    }
}

impl From<Object<Envelope>> for SqsMessage {
    fn from(Object(envelope): Object<Envelope>) -> Self {
        let attribute = |name: &str| envelope.attributes[name].as_str();
        // The name of a FIFO queue ends so (SQS API reference, `CreateQueue`). A message whose
        // queue is unknown keeps the sequence of its group, which does no harm.
        let queue = envelope.event_source_arn.0.as_deref();
        Self {
            group_id: attribute("MessageGroupId").map(str::to_owned),
            receive_count: attribute("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok()),
            message_id: envelope.message_id.0.unwrap_or_default(),
            attributes: envelope.message_attributes,
            is_fifo: queue.is_none_or(|arn| arn.ends_with(".fifo")),
            body: envelope.body.0,
        }
    }
}
