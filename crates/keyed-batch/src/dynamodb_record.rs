//! The event that Lambda invokes a function with for changes of a DynamoDB table.
//!
//! Only keys, images, sequence number, time, and the one who deleted an item are read. A field that
//! nobody uses then cannot fail a batch, whatever AWS adds to it or changes about it.
//!
//! Source: "Process DynamoDB records with Lambda",
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html>, and
//! the DynamoDB developer guide, "DynamoDB Streams and Time to Live".

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use serde::Deserialize;
use serde_json::Value;

use crate::record::{Sealed, StreamRecord, Text};

/// A batch of changes, as Lambda sends it, in the sequence of a shard.
///
/// Reading fails where the JSON is not an event of a DynamoDB stream, because it has no `Records`,
/// or because one of them has no object `dynamodb`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DynamoDbEvent {
    /// The records.
    #[serde(rename = "Records")]
    pub records: Vec<DynamoDbRecord>,
}

/// One change of one item of a table.
///
/// `Debug` shows neither images nor keys, as both may be personal data.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(from = "Envelope")]
pub struct DynamoDbRecord {
    /// The item's key as JSON, sorted by the names of its attributes. It is empty if the event has
    /// none, which DynamoDB never sends.
    key: String,
    /// The record's number in its shard, a decimal of 21 to 40 digits (DynamoDB API reference,
    /// `StreamRecord`). It is empty if the event has none, which DynamoDB never sends.
    pub sequence_number: String,
    /// The item before the change, with an object such as `{"S": "a"}` for each attribute. `None`
    /// if there was no item, or the stream has no old images.
    pub old_image: Option<Value>,
    /// The item after the change. `None` if there is no item any more, or the stream has no new
    /// images.
    pub new_image: Option<Value>,
    /// When the change happened, since the Unix epoch, to the second. `None` if the event does not
    /// say it.
    pub approximate_creation: Option<Duration>,
    /// The kind of the change. `None` if the event says another one.
    pub kind: Option<ChangeKind>,
    /// True if DynamoDB deleted the item because its time to live had ended.
    pub is_expiry: bool,
}

/// The kind of a change (`eventName`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// There was no item before.
    Insert,
    /// The item was changed.
    Modify,
    /// The item was deleted.
    Remove,
}

impl ChangeKind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "INSERT" => Some(Self::Insert),
            "MODIFY" => Some(Self::Modify),
            "REMOVE" => Some(Self::Remove),
            _ => None,
        }
    }
}

impl DynamoDbRecord {
    /// A change of an item with this key, for tests. The key is the event's `Keys`. The images give
    /// the kind.
    #[must_use]
    pub fn new(
        keys: &Value,
        sequence_number: impl Into<String>,
        old_image: Option<Value>,
        new_image: Option<Value>,
    ) -> Self {
        let kind = match (&old_image, &new_image) {
            (None, _) => ChangeKind::Insert,
            (Some(_), Some(_)) => ChangeKind::Modify,
            (Some(_), None) => ChangeKind::Remove,
        };
        Self {
            key: canonical(keys).unwrap_or_default(),
            sequence_number: sequence_number.into(),
            old_image,
            new_image,
            kind: Some(kind),
            approximate_creation: None,
            is_expiry: false,
        }
    }
}

impl fmt::Debug for DynamoDbRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbRecord")
            .field("sequence_number", &self.sequence_number)
            .finish_non_exhaustive()
    }
}

impl Sealed for DynamoDbRecord {}

impl StreamRecord for DynamoDbRecord {
    type Response = DynamoDbEventResponse;

    fn key(&self) -> &str {
        &self.key
    }

    fn sequence_number(&self) -> &str {
        &self.sequence_number
    }

    /// The event does not name the shard.
    fn shard_id(&self) -> Option<&str> {
        None
    }

    fn is_readable(&self) -> bool {
        !self.key.is_empty()
    }

    fn respond(failed: Vec<String>) -> DynamoDbEventResponse {
        let failure = |number| {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(number);
            failure
        };
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failed.into_iter().map(failure).collect();
        response
    }
}

/// A record's place in the event's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    dynamodb: Change,
    #[serde(default)]
    event_name: Text,
    #[serde(default)]
    user_identity: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    #[serde(default)]
    keys: Value,
    #[serde(default)]
    sequence_number: Text,
    #[serde(default)]
    old_image: Value,
    #[serde(default)]
    new_image: Value,
    #[serde(default)]
    approximate_creation_date_time: Value,
}

impl From<Envelope> for DynamoDbRecord {
    fn from(envelope: Envelope) -> Self {
        let Change {
            keys,
            sequence_number,
            old_image,
            new_image,
            approximate_creation_date_time,
        } = envelope.dynamodb;
        let seconds = approximate_creation_date_time.as_f64();
        Self {
            key: canonical(&keys).unwrap_or_default(),
            sequence_number: sequence_number.0.unwrap_or_default(),
            old_image: Some(old_image).filter(Value::is_object),
            new_image: Some(new_image).filter(Value::is_object),
            approximate_creation: seconds
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            kind: envelope.event_name.0.as_deref().and_then(ChangeKind::named),
            is_expiry: envelope.user_identity["principalId"] == "dynamodb.amazonaws.com",
        }
    }
}

/// Keys as one text, sorted by name, so that their sequence in the event does not matter.
fn canonical(keys: &Value) -> Option<String> {
    let keys: BTreeMap<&String, &Value> = keys.as_object()?.iter().collect();
    (!keys.is_empty()).then(|| serde_json::json!(keys).to_string())
}
