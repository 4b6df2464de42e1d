//! The event that Lambda invokes a function with for records of a Kinesis stream.
//!
//! Only the parts that a consumer uses are read, which are partition key, sequence number, data and
//! shard. A field that nobody uses then cannot fail a batch, whatever AWS adds to it or changes
//! about it.
//!
//! Source: "Process Amazon Kinesis Data Streams records with Lambda",
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html>.

use std::fmt;

use aws_lambda_events::event::streams::KinesisEventResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::object::{Batch, Object};
use crate::record::{BatchRecord, Sealed};
use crate::text::Text;

/// A batch of records, as Lambda sends it, in the sequence of a shard.
///
/// Reading fails where the JSON is not an event of Kinesis, because it has no `Records`, or because
/// one of them has no object `kinesis`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Object<Batch<KinesisRecord>>")]
pub struct KinesisEvent {
    /// The records.
    pub records: Vec<KinesisRecord>,
}

/// One record of a Kinesis stream.
///
/// `Debug` shows neither data nor partition key, as both may be personal data.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Object<Envelope>")]
pub struct KinesisRecord {
    /// The key by which the producer chose the shard. It has 1–256 characters (Kinesis API
    /// reference, `PutRecord`). It is empty if the event has none, which Kinesis never sends.
    pub partition_key: String,
    /// The record's number in its shard, a decimal of up to 129 digits (Kinesis API reference,
    /// `Record`). It is empty if the event has none, which Kinesis never sends.
    pub sequence_number: String,
    /// `shardId-000000000000`, if the event says it.
    pub shard_id: Option<String>,
    /// `None` if the event holds no valid base64, which Kinesis never sends.
    data: Option<Vec<u8>>,
}

impl KinesisRecord {
    /// A record of no particular shard, for tests.
    #[must_use]
    pub fn new(
        partition_key: impl Into<String>,
        sequence_number: impl Into<String>,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            partition_key: partition_key.into(),
            sequence_number: sequence_number.into(),
            shard_id: None,
            data: Some(data.into()),
        }
    }

    /// The bytes that the producer put. They are up to 1 MiB, or 10 MiB where the stream allows it
    /// (Kinesis API reference, `UpdateMaxRecordSize`).
    ///
    /// It is empty if the event holds no valid base64. [`process`](crate::process) rejects such a
    /// record before the work sees it.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }
}

impl Sealed for KinesisRecord {}

impl BatchRecord for KinesisRecord {
    type Response = KinesisEventResponse;

    const IS_QUEUED: bool = false;

    fn key(&self) -> &str {
        &self.partition_key
    }

    fn identifier(&self) -> &str {
        &self.sequence_number
    }

    fn shard_id(&self) -> Option<&str> {
        self.shard_id.as_deref()
    }

    fn is_readable(&self) -> bool {
        self.data.is_some()
    }

    fn respond(failed: Vec<String>) -> KinesisEventResponse {
        let mut response = KinesisEventResponse::default();
        response.set_failures(failed);
        response
    }
}

impl fmt::Debug for KinesisRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KinesisRecord")
            .field("sequence_number", &self.sequence_number)
            .field("shard_id", &self.shard_id)
            .finish_non_exhaustive()
    }
}

/// A record's place in the event's JSON.
#[derive(Deserialize)]
struct Envelope {
    kinesis: Object<Payload>,
    /// `shardId-000000000000:<sequence number>`.
    #[serde(default, rename = "eventID")]
    event_id: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    partition_key: Text,
    #[serde(default)]
    sequence_number: Text,
    #[serde(default)]
    data: Text,
}

impl From<Object<Batch<KinesisRecord>>> for KinesisEvent {
    fn from(Object(Batch { records }): Object<Batch<KinesisRecord>>) -> Self {
        Self { records }
    }
}

impl From<Object<Envelope>> for KinesisRecord {
    fn from(Object(Envelope { kinesis, event_id }): Object<Envelope>) -> Self {
        let Object(kinesis) = kinesis;
        let shard_id = event_id
            .0
            .as_deref()
            .and_then(|id| id.rsplit_once(':'))
            .map(|(shard_id, _)| shard_id.to_owned());
        Self {
            partition_key: kinesis.partition_key.0.unwrap_or_default(),
            sequence_number: kinesis.sequence_number.0.unwrap_or_default(),
            shard_id,
            // The error is not kept, because it quotes a byte of the data.
            data: kinesis.data.0.and_then(|text| STANDARD.decode(text).ok()),
        }
    }
}
