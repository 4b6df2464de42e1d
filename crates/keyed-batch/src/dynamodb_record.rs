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
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use serde::Deserialize;
use serde_json::Value;

use crate::object::{Batch, Object};
use crate::record::{BatchRecord, Sealed};
use crate::text::Text;

/// A batch of changes, as Lambda sends it, in the sequence of a shard.
///
/// Reading fails where the JSON is not an event of a DynamoDB stream, because it has no `Records`,
/// or because one of them has no object `dynamodb`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object<Batch<DynamoDbRecord>>")]
pub struct DynamoDbEvent {
    /// The records.
    pub records: Vec<DynamoDbRecord>,
}

/// One change of one item of a table.
///
/// `Debug` shows neither images nor keys, as both may be personal data.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(from = "Object<Envelope>")]
pub struct DynamoDbRecord {
    /// The item's key as JSON, sorted by the names of its attributes. A number is written without
    /// exponent and without zeros before and after it. So `1`, `1.0` and `1E0` are one key. The
    /// text is empty if the event has no key, which DynamoDB never sends.
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

impl BatchRecord for DynamoDbRecord {
    type Response = DynamoDbEventResponse;

    const IS_QUEUED: bool = false;

    fn key(&self) -> &str {
        &self.key
    }

    fn identifier(&self) -> &str {
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
    dynamodb: Object<Change>,
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

/// An image, if there is one. An item has at least its key, so an image without attributes is no
/// image. Some emulators of DynamoDB send one for an item that was not there.
fn image(value: Value) -> Option<Value> {
    match value.as_object() {
        Some(attributes) if !attributes.is_empty() => Some(value),
        _ => None,
    }
}

impl From<Object<Batch<DynamoDbRecord>>> for DynamoDbEvent {
    fn from(Object(Batch { records }): Object<Batch<DynamoDbRecord>>) -> Self {
        Self { records }
    }
}

impl From<Object<Envelope>> for DynamoDbRecord {
    fn from(Object(envelope): Object<Envelope>) -> Self {
        let Change {
            keys,
            sequence_number,
            old_image,
            new_image,
            approximate_creation_date_time,
        } = envelope.dynamodb.0;
        let seconds = approximate_creation_date_time.as_f64();
        Self {
            key: canonical(&keys).unwrap_or_default(),
            sequence_number: sequence_number.0.unwrap_or_default(),
            old_image: image(old_image),
            new_image: image(new_image),
            approximate_creation: seconds
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            kind: envelope.event_name.0.as_deref().and_then(ChangeKind::named),
            is_expiry: envelope.user_identity["principalId"] == "dynamodb.amazonaws.com",
        }
    }
}

/// Keys as one text, sorted by name and with numbers written in one way. So neither the sequence of
/// the attributes in the event matters nor the way in which a number is written.
fn canonical(keys: &Value) -> Option<String> {
    let keys: BTreeMap<&String, Value> = keys
        .as_object()?
        .iter()
        .map(|(name, value)| (name, canonical_value(value)))
        .collect();
    (!keys.is_empty()).then(|| serde_json::json!(keys).to_string())
}

fn canonical_value(value: &Value) -> Value {
    let number = value["N"].as_str().and_then(canonical_number);
    number.map_or_else(
        || value.clone(),
        |number| serde_json::json!({ "N": number }),
    )
}

/// The most significant digits of a number.
const MOST_DIGITS: usize = 38;
/// The powers of ten of a number's first digit.
const MAGNITUDES: RangeInclusive<i64> = -130..=125;

/// A number of DynamoDB without exponent, and without zeros before and after it. `None` if the text
/// is not a number of DynamoDB.
///
/// Source: DynamoDB developer guide, "Supported data types and naming rules", "Number".
fn canonical_number(text: &str) -> Option<String> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse().ok()?),
        None => (text, 0_i64),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let trimmed = digits.len() - digits.trim_end_matches('0').len();
    // The value is `significant` times ten to this power.
    let power = power
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(trimmed).ok()?)?;
    let length = i64::try_from(significant.len()).ok()?;
    let magnitude = power.checked_add(length - 1)?;
    if significant.len() > MOST_DIGITS || !MAGNITUDES.contains(&magnitude) {
        return None;
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    Some(match usize::try_from(length + power) {
        _ if power >= 0 => format!("{sign}{significant}{}", zeros(power)),
        Ok(whole @ 1..) => {
            let (whole, fraction) = significant.split_at(whole);
            format!("{sign}{whole}.{fraction}")
        }
        _ => format!("{sign}0.{}{significant}", zeros(-(length + power))),
    })
}
