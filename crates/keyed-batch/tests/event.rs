//! The parts of Lambda's event that are read, and those that are not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use keyed_batch::{
    Disposition, DynamoDbEvent, KinesisEvent, SqsEvent, UNREADABLE_DATA, Verdict, process,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{limits, ms, record_json, within};

fn event(records: &[Value]) -> serde_json::Result<KinesisEvent> {
    serde_json::from_str(&json!({"Records": records}).to_string())
}

#[test]
fn key_number_data_and_shard_of_each_record_are_read() {
    let event = event(&[record_json("a", "101"), record_json("b", "102")]).unwrap();
    let read: Vec<_> = event
        .records
        .iter()
        .map(|record| {
            (
                &*record.partition_key,
                &*record.sequence_number,
                record.data(),
            )
        })
        .collect();
    assert_eq!(read, [("a", "101", &b"hello"[..]), ("b", "102", b"hello")]);
    let shard_id = event.records[0].shard_id.as_deref();
    assert_eq!(shard_id, Some("shardId-000000000007"));
}

#[test]
fn a_time_of_arrival_with_more_than_three_decimals_fails_nothing() {
    let mut record = record_json("a", "101");
    record["kinesis"]["approximateArrivalTimestamp"] = json!(1_795_323_600.123_456);
    assert_eq!(event(&[record]).unwrap().records.len(), 1);
}

// Serde reads a struct from an array too, its fields in their sequence. Such an event would pass
// for an empty batch, and its records would be lost.
#[test]
fn an_array_is_neither_an_event_nor_a_part_of_one() {
    for text in [
        "[[]]",
        r#"[[{"kinesis": {"partitionKey": "a", "sequenceNumber": "1", "data": ""}}]]"#,
        r#"{"Records": [[{"partitionKey": "a", "sequenceNumber": "1", "data": ""}, "e"]]}"#,
        r#"{"Records": [{"kinesis": ["a", "1", ""]}]}"#,
    ] {
        assert!(
            serde_json::from_str::<KinesisEvent>(text).is_err(),
            "{text}"
        );
    }
    for text in [
        "[[]]",
        r#"{"Records": [[{"Keys": {"a": {"S": "a"}}, "SequenceNumber": "1"}]]}"#,
        r#"{"Records": [{"dynamodb": [{"a": {"S": "a"}}, "1"]}]}"#,
    ] {
        assert!(
            serde_json::from_str::<DynamoDbEvent>(text).is_err(),
            "{text}"
        );
    }
    for text in ["[[]]", r#"{"Records": [["m-1", "body"]]}"#] {
        assert!(serde_json::from_str::<SqsEvent>(text).is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(1e300)),
        ".{0,9}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({"a": [null]})),
    ]
}

proptest! {
    // Only what is used is read, so nothing else can fail a batch.
    #[test]
    fn whatever_is_in_the_fields_that_nobody_uses_the_record_is_the_same(value in any_json(), remove: bool) {
        let plain = event(&[record_json("a", "101")]).unwrap();
        let unused = [
            "/kinesis/kinesisSchemaVersion", "/kinesis/approximateArrivalTimestamp", "/eventSource", "/eventVersion",
            "/eventName", "/invokeIdentityArn", "/awsRegion", "/eventSourceARN",
        ];
        for pointer in unused {
            let mut record = record_json("a", "101");
            if remove {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                record.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            } else {
                *record.pointer_mut(pointer).unwrap() = value.clone();
            }
            record["kinesis"]["encryptionType"] = value.clone();
            record["new"] = value.clone();
            prop_assert_eq!(&event(&[record]).unwrap(), &plain, "{}", pointer);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_used_and_is_not_text_fails_its_record_alone() {
    for value in [
        json!(5),
        json!(true),
        json!(null),
        json!({"a": [1]}),
        json!([{}]),
        json!(1.5),
    ] {
        let mut records = vec![
            record_json("a", "101"),
            record_json("b", "102"),
            record_json("c", "103"),
        ];
        records[1]["kinesis"]["data"] = value.clone();
        records[2]["eventID"] = value.clone();
        let records = event(&records).unwrap().records;
        assert_eq!(records[2].shard_id, None);
        let report = process(&records, &limits(1), within(ms(1_000)), |_| async {
            Verdict::Done
        })
        .await;
        let response = serde_json::to_value(report.response.unwrap()).unwrap();
        assert_eq!(
            response,
            json!({"batchItemFailures": [{"itemIdentifier": "102"}]}),
            "{value}"
        );
        let mut key = record_json("a", "101");
        key["kinesis"]["partitionKey"] = value.clone();
        assert_eq!(event(&[key]).unwrap().records[0].partition_key, "");
        let mut unnamed = record_json("a", "101");
        unnamed["kinesis"]["sequenceNumber"] = value;
        assert_eq!(event(&[unnamed]).unwrap().records[0].sequence_number, "");
    }
}

#[test]
fn an_event_of_another_source_is_refused() {
    for other in [
        json!({}),
        json!(null),
        json!({"Records": [{"messageId": "m", "body": "{}", "eventSource": "aws:sqs"}]}),
        json!({"Records": [{"eventID": "1", "dynamodb": {"SequenceNumber": "1"}}]}),
    ] {
        assert!(
            serde_json::from_value::<KinesisEvent>(other.clone()).is_err(),
            "{other}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_is_not_base64_fails_its_record_and_the_work_does_not_see_it() {
    let mut broken = record_json("a", "102");
    broken["kinesis"]["data"] = json!("%");
    let mut absent = record_json("a", "103");
    absent["kinesis"].as_object_mut().unwrap().remove("data");
    let records = event(&[
        record_json("a", "101"),
        broken,
        absent,
        record_json("a", "104"),
    ])
    .unwrap()
    .records;
    let report = process(&records, &limits(1), within(ms(1_000)), |record| {
        assert_eq!(record.data(), b"hello");
        async { Verdict::Done }
    })
    .await;
    let dispositions: Vec<Disposition> = report
        .records
        .iter()
        .map(|record| record.disposition)
        .collect();
    let unreadable = Disposition::Rejected(UNREADABLE_DATA);
    assert_eq!(
        dispositions,
        [Disposition::Done, unreadable, unreadable, Disposition::Done]
    );
}

#[test]
fn debug_shows_neither_data_nor_partition_key() {
    let shown = format!("{:?}", event(&[record_json("ann", "101")]).unwrap());
    assert!(shown.contains("101"), "{shown}");
    assert!(
        !shown.contains("ann") && !shown.contains("hello"),
        "{shown}"
    );
    assert!(!shown.contains("104, 101, 108"), "{shown}");
}
