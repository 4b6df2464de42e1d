//! The event that the function receives, and the part of its size that counts towards a batch's 6
//! MB.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::event_source::StreamKind;
use crate::{ArrivalDecimals, EventSource, Record, ShardId};

/// The most bytes in a batch. It is 6 MB, taken as 6 × 1024 × 1024, which is the quota of a
/// synchronous invocation's payload (Lambda developer guide, "Lambda quotas").
///
/// The bytes counted are those of the event as [`payload`] writes it, with base64 data, every field
/// around the data, and the `Records` list. A single record that is larger by itself still makes a
/// batch of one. The invoke then decides what becomes of that record.
pub const MAX_BATCH_BYTES: usize = 6 * 1024 * 1024;

/// `{"Records":[` and `]}`.
const FRAME_BYTES: usize = 14;

/// The JSON that the function is invoked with, which is `{"Records": […]}` as Lambda sends it. The
/// source's ARN decides between two forms, each with its page of the Lambda developer guide.
///
/// - Kinesis ("Using Lambda to process records from Amazon Kinesis Data Streams")
/// - DynamoDB stream ("Using AWS Lambda with Amazon DynamoDB")
///
/// For Kinesis, `approximateArrivalTimestamp` is in seconds with as many decimals as
/// [`EventSource::arrival_decimals`] says. For a DynamoDB stream, each record is the JSON that
/// [`Record::from_change`] was given, with `eventSourceARN` added. Data that is not a JSON object
/// counts as an empty object.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "an empty event would pass for an invocation without records"
)]
pub fn payload(shard_id: &ShardId, records: &[Record], source: &EventSource) -> Vec<u8> {
    let event = StreamEvent {
        records: records
            .iter()
            .map(|record| envelope(shard_id, record, source, true))
            .collect(),
    };
    serde_json::to_vec(&event).expect("JSON can express strings and finite numbers")
}

/// How many bytes `record` adds to the event, the comma before it included.
pub(crate) fn record_bytes(shard_id: &ShardId, record: &Record, source: &EventSource) -> usize {
    let around =
        serde_json::to_vec(&envelope(shard_id, record, source, false)).map_or(0, |json| json.len());
    let data = match source.kind() {
        StreamKind::Kinesis => record.data.len().div_ceil(3) * 4,
        StreamKind::DynamoDb => 0,
    };
    around + data + 1
}

/// True if `records_bytes`, the sum over [`record_bytes`], fits into one batch.
pub(crate) fn fits(records_bytes: usize) -> bool {
    // The first record has no comma before it.
    (FRAME_BYTES + records_bytes).saturating_sub(1) <= MAX_BATCH_BYTES
}

#[derive(Serialize)]
struct StreamEvent<'a> {
    #[serde(rename = "Records")]
    records: Vec<Envelope<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Envelope<'a> {
    Kinesis(KinesisEnvelope<'a>),
    DynamoDb(ChangeEnvelope<'a>),
}

#[derive(Serialize)]
struct ChangeEnvelope<'a> {
    #[serde(flatten)]
    change: Map<String, Value>,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KinesisEnvelope<'a> {
    kinesis: Kinesis<'a>,
    event_source: &'static str,
    event_version: &'static str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    invoke_identity_arn: &'a str,
    aws_region: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis<'a> {
    kinesis_schema_version: &'static str,
    partition_key: &'a str,
    sequence_number: &'a str,
    data: String,
    approximate_arrival_timestamp: f64,
}

/// Makes the envelope of a record. Without its data, a Kinesis record can be measured without
/// encoding the data.
fn envelope<'a>(
    shard_id: &ShardId,
    record: &'a Record,
    source: &'a EventSource,
    with_data: bool,
) -> Envelope<'a> {
    match source.kind() {
        StreamKind::Kinesis => {
            Envelope::Kinesis(kinesis_envelope(shard_id, record, source, with_data))
        }
        StreamKind::DynamoDb => Envelope::DynamoDb(ChangeEnvelope {
            change: serde_json::from_slice(&record.data).unwrap_or_default(),
            event_source_arn: &source.event_source_arn,
        }),
    }
}

fn kinesis_envelope<'a>(
    shard_id: &ShardId,
    record: &'a Record,
    source: &'a EventSource,
    with_data: bool,
) -> KinesisEnvelope<'a> {
    KinesisEnvelope {
        kinesis: Kinesis {
            kinesis_schema_version: "1.0",
            partition_key: &record.partition_key,
            sequence_number: record.sequence_number.as_str(),
            data: if with_data {
                STANDARD.encode(&record.data)
            } else {
                String::new()
            },
            approximate_arrival_timestamp: seconds(
                record.approximate_arrival.as_millis(),
                source.arrival_decimals,
            ),
        },
        event_source: "aws:kinesis",
        event_version: "1.0",
        event_id: format!("{shard_id}:{}", record.sequence_number),
        event_name: "aws:kinesis:record",
        invoke_identity_arn: &source.invoke_identity_arn,
        aws_region: &source.aws_region,
        event_source_arn: &source.event_source_arn,
    }
}

/// The time in seconds, as the float nearest to the exact quotient. It is written back with the
/// same decimals, because IEEE 754 rounds a division only once. Until the year 2255 a time has
/// fewer microseconds than a float holds exactly (2^53).
#[allow(
    clippy::float_arithmetic,
    reason = "the event has seconds with a fraction; the division is exact but for one rounding"
)]
fn seconds(millis: u64, decimals: ArrivalDecimals) -> f64 {
    match decimals {
        ArrivalDecimals::Three => millis as f64 / 1_000.0,
        ArrivalDecimals::Six => (millis * 1_000 + 456) as f64 / 1_000_000.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{SequenceNumber, Timestamp};

    fn source() -> EventSource {
        EventSource {
            event_source_arn: "arn:aws:kinesis:eu-west-1:123456789012:stream/order-intents".into(),
            aws_region: "eu-west-1".into(),
            invoke_identity_arn: "arn:aws:iam::123456789012:role/lambda-role".into(),
            arrival_decimals: ArrivalDecimals::Three,
        }
    }

    fn record(data: &[u8], partition_key: &str, millis: u64) -> Record {
        Record {
            sequence_number: SequenceNumber::parse(
                "49590338271490256608559692538361571095921575989136588898",
            )
            .unwrap(),
            partition_key: partition_key.into(),
            data: data.to_vec(),
            approximate_arrival: Timestamp::from_millis(millis),
        }
    }

    /// [D] Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data
    /// Streams", example event. [R] LocalStack, test_lambda_integration_kinesis.snapshot.json.
    #[test]
    fn the_event_has_every_field_that_lambda_sends() {
        let shard = ShardId::from("shardId-000000000006");
        let event: Value = serde_json::from_slice(&payload(
            &shard,
            &[record(b"Hello, this is a test.", "1", 1_545_084_650_987)],
            &source(),
        ))
        .unwrap();
        assert_eq!(
            event,
            json!({"Records": [{
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                    "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                    "approximateArrivalTimestamp": 1_545_084_650.987
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "eu-west-1",
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/order-intents"
            }]})
        );
    }

    proptest! {
        /// The crate aws_lambda_events refuses an event with more than three decimals, and with it
        /// the whole batch.
        #[test]
        fn the_arrival_time_is_written_with_at_most_three_decimals(millis in 0_u64..4_102_444_800_000) {
            let shard = ShardId::from("shardId-000000000000");
            let json = String::from_utf8(payload(&shard, &[record(b"", "k", millis)], &source())).unwrap();
            let (_, rest) = json.split_once("\"approximateArrivalTimestamp\":").unwrap();
            let (number, _) = rest.split_once('}').unwrap();
            let (whole, decimals) = number.split_once('.').unwrap();
            prop_assert!(decimals.len() <= 3, "{}", number);
            let written: u64 = format!("{whole}{decimals:0<3}").parse().unwrap();
            prop_assert_eq!(written, millis);
        }

        /// [I] The type of the field is a floating-point number, so a consumer should expect six
        /// decimals.
        #[test]
        fn the_arrival_time_can_have_six_decimals(millis in 0_u64..4_102_444_800_000) {
            let shard = ShardId::from("shardId-000000000000");
            let source = EventSource { arrival_decimals: ArrivalDecimals::Six, ..source() };
            let json = String::from_utf8(payload(&shard, &[record(b"", "k", millis)], &source)).unwrap();
            let (seconds, thousandths) = (millis / 1_000, millis % 1_000);
            let expected = format!("\"approximateArrivalTimestamp\":{seconds}.{thousandths:03}456}}");
            prop_assert!(json.contains(&expected), "{} has no {}", json, expected);
        }

        #[test]
        fn the_bytes_counted_are_those_of_the_event(
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), ".{0,20}", any::<u32>()), 1..6),
        ) {
            let shard = ShardId::from("shardId-000000000000");
            let records: Vec<_> =
                records.iter().map(|(data, key, millis)| record(data, key, u64::from(*millis))).collect();
            let counted: usize = records.iter().map(|record| record_bytes(&shard, record, &source())).sum();
            prop_assert_eq!(FRAME_BYTES + counted - 1, payload(&shard, &records, &source()).len());
        }
    }
}
