//! Changes of a DynamoDB table as Lambda sends them, and the response to a batch of them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use keyed_batch::{
    BatchRecord, Disposition, DynamoDbEvent, DynamoDbRecord, KinesisRecord, MissingIdentifier,
    RecordReport, UNREADABLE_DATA, Verdict, process, process_in_chunks,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{limits, ms, record, within};

/// A record of the event in "Process DynamoDB records with Lambda".
fn change(order_id: &str, sequence_number: &str) -> Value {
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_323_600,
            "Keys": {"order_id": {"S": order_id}},
            "OldImage": {"order_id": {"S": order_id}, "state": {"S": "old"}},
            "NewImage": {"order_id": {"S": order_id}, "state": {"S": "new"}},
            "SequenceNumber": sequence_number,
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES"
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-11-22T05:00:00.000"
    })
}

fn read(records: Vec<Value>) -> Vec<DynamoDbRecord> {
    let event: DynamoDbEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    event.records
}

fn dispositions(records: &[RecordReport]) -> Vec<Disposition> {
    records.iter().map(|record| record.disposition).collect()
}

fn with(change: impl FnOnce(&mut Value)) -> DynamoDbRecord {
    let mut record = self::change("a", "111");
    change(&mut record);
    read(vec![record]).remove(0)
}

#[test]
fn a_change_has_its_key_both_images_and_its_time() {
    let record = with(|_| {});
    assert_eq!(record.key(), r#"{"order_id":{"S":"a"}}"#);
    assert_eq!(record.sequence_number, "111");
    assert_eq!(record.old_image.unwrap()["state"]["S"], "old");
    assert_eq!(record.new_image.unwrap()["state"]["S"], "new");
    let created = Duration::from_secs(1_795_323_600);
    assert_eq!(record.approximate_creation, Some(created));
    assert!(!record.is_expiry);
}

#[test]
fn an_insert_has_no_old_image_and_a_deletion_no_new_image() {
    let inserted = with(|record| {
        record["dynamodb"]
            .as_object_mut()
            .unwrap()
            .remove("OldImage");
    });
    assert_eq!(inserted.old_image, None);
    for nothing in [Value::Null, json!({})] {
        let deleted = with(|record| record["dynamodb"]["NewImage"] = nothing);
        assert_eq!(deleted.new_image, None);
    }
}

#[test]
fn a_deletion_by_the_time_to_live_is_told_from_a_deletion_by_a_caller() {
    let expired = with(|record| {
        record["userIdentity"] =
            json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
    });
    assert!(expired.is_expiry);
    let deleted = with(|record| {
        record["userIdentity"] = json!({"type": "Service", "principalId": "somebody"});
    });
    assert!(!deleted.is_expiry);
}

#[test]
fn keys_are_the_same_whatever_the_sequence_of_their_attributes() {
    let one = json!({"a": {"S": "1"}, "b": {"N": "2"}});
    let other: Value = serde_json::from_str(r#"{"b": {"N": "2"}, "a": {"S": "1"}}"#).unwrap();
    let key = |keys: &Value| DynamoDbRecord::new(keys, "1", None, None).key().to_owned();
    assert_eq!(key(&one), key(&other));
    assert_ne!(key(&one), key(&json!({"a": {"S": "2"}, "b": {"N": "2"}})));
}

/// The key of a change whose item has this number for a key.
fn key_of_number(text: &str) -> String {
    DynamoDbRecord::new(&json!({"n": {"N": text}}), "1", None, None)
        .key()
        .to_owned()
}

#[test]
fn keys_are_the_same_however_a_number_is_written() {
    for (canonical, others) in [
        ("0", &["-0", "+0", "0.0", "00", "0E5", ".0", "0e-400"][..]),
        (
            "1",
            &["1.0", "01", "+1", "1E0", "0.1e1", "10E-1", "1.", "1e+0"],
        ),
        ("-1.5", &["-1.50", "-01.5", "-15e-1", "-0.15E1"]),
        ("100", &["1E2", "100.00", "1e+2", "0.001E5"]),
        ("0.00012", &["1.2E-4", ".00012", "12e-5", "0.000120"]),
        (
            "12345678901234567890123456789012345678",
            &["1.2345678901234567890123456789012345678E37"],
        ),
    ] {
        let key = key_of_number(canonical);
        assert_eq!(key, format!(r#"{{"n":{{"N":"{canonical}"}}}}"#));
        for other in others {
            assert_eq!(key_of_number(other), key, "{other}");
        }
    }
}

#[test]
fn different_numbers_are_different_keys() {
    let numbers = [
        "0", "1", "-1", "10", "0.1", "1.1", "11", "101", "1E125", "1E124", "1E-130",
    ];
    let keys: std::collections::BTreeSet<String> =
        numbers.iter().map(|number| key_of_number(number)).collect();
    assert_eq!(keys.len(), numbers.len());
}

/// A text that DynamoDB would not take for a number stays as it is. Such a text must never be the
/// key of another item, nor cost memory beyond its length.
#[test]
fn what_is_not_a_number_of_dynamodb_is_left_as_it_is() {
    for text in [
        "",
        "-",
        ".",
        "one",
        "1 ",
        "0x1",
        "1e",
        "e1",
        "1.2.3",
        "--1",
        "+-1",
        "1e1.0",
        "\u{661}",
        "NaN",
        "1E126",
        "1E-131",
        "1E999999999",
        "1E-9223372036854775808",
        "1E99999999999999999999",
        "123456789012345678901234567890123456789",
        "1.00000000000000000000000000000000000001",
    ] {
        assert_eq!(key_of_number(text), json!({"n": {"N": text}}).to_string());
    }
}

#[test]
fn a_text_that_looks_like_a_number_is_not_a_number() {
    let key = |value: Value| {
        DynamoDbRecord::new(&json!({"n": value}), "1", None, None)
            .key()
            .to_owned()
    };
    assert_ne!(key(json!({"S": "1"})), key(json!({"S": "1.0"})));
    assert_ne!(key(json!({"S": "1"})), key(json!({"N": "1"})));
    assert_ne!(key(json!({"B": "1000"})), key(json!({"B": "1E3"})));
}

#[tokio::test(start_paused = true)]
async fn changes_of_one_item_stay_in_sequence_also_if_its_number_is_written_differently() {
    let with_number = |number: &str, sequence_number: &str| {
        let mut record = change("a", sequence_number);
        record["dynamodb"]["Keys"] = json!({"order_id": {"S": "a"}, "part": {"N": number}});
        record
    };
    let records = read(vec![
        with_number("1", "111"),
        with_number("2", "222"),
        with_number("1.0", "333"),
    ]);
    let report = process(&records, &limits(8), within(ms(1_000)), |record| async {
        match record.sequence_number.as_str() {
            "111" => Verdict::Retry("throttled"),
            _ => Verdict::Done,
        }
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Unfinished("throttled"),
            Disposition::Done,
            Disposition::NotAttempted
        ]
    );
}

#[test]
fn a_field_that_nobody_uses_cannot_fail_a_batch() {
    let record = with(|record| {
        record["eventName"] = json!(7);
        record["userIdentity"] = json!("somebody");
        record["dynamodb"]["SizeBytes"] = json!({});
        record["dynamodb"]["ApproximateCreationDateTime"] = json!("soon");
    });
    assert_eq!(record.approximate_creation, None);
    assert!(record.is_readable());
}

#[test]
fn neither_images_nor_keys_are_in_the_debug_output() {
    assert_eq!(
        format!("{:?}", with(|_| {})),
        r#"DynamoDbRecord { sequence_number: "111", .. }"#
    );
}

#[tokio::test(start_paused = true)]
async fn the_response_names_the_changes_that_failed() {
    let records = read(vec![
        change("a", "111"),
        change("b", "222"),
        change("a", "333"),
    ]);
    let report = process(&records, &limits(8), within(ms(1_000)), |record| async {
        match record.sequence_number.as_str() {
            "222" => Verdict::Reject("poison"),
            _ => Verdict::Done,
        }
    })
    .await;
    assert_eq!(
        serde_json::to_value(report.response.unwrap()).unwrap(),
        json!({"batchItemFailures": [{"itemIdentifier": "222"}]})
    );
}

#[tokio::test(start_paused = true)]
async fn changes_of_one_item_are_worked_on_in_their_sequence() {
    let records = read(vec![
        change("a", "111"),
        change("b", "222"),
        change("a", "333"),
    ]);
    let report = process(&records, &limits(8), within(ms(1_000)), |record| async {
        match record.key() {
            r#"{"order_id":{"S":"a"}}"# => Verdict::Retry("throttled"),
            _ => Verdict::Done,
        }
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Unfinished("throttled"),
            Disposition::Done,
            Disposition::NotAttempted
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_without_keys_is_rejected_and_its_neighbours_are_not() {
    let mut bad = change("a", "222");
    bad["dynamodb"]["Keys"] = json!([]);
    let records = read(vec![change("a", "111"), bad, change("b", "333")]);
    let most = NonZeroUsize::new(500).unwrap();
    let until = within(ms(1_000));
    let report = process_in_chunks(&records, &limits(8), most, until, |chunk| async move {
        assert_eq!(chunk.records().len(), 2);
        chunk.judge(|record| match record.sequence_number.as_str() {
            "333" => Verdict::Reject("poison"),
            _ => Verdict::Done,
        })
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Done,
            Disposition::Rejected(UNREADABLE_DATA),
            Disposition::Rejected("poison")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn for_a_chunk_of_unreadable_records_the_work_is_not_called() {
    let unreadable: KinesisRecord = serde_json::from_value(json!({
        "kinesis": {"partitionKey": "a", "sequenceNumber": "1", "data": "not base64!"}
    }))
    .unwrap();
    let most = NonZeroUsize::new(500).unwrap();
    let until = within(ms(1_000));
    let report = process_in_chunks(&[unreadable], &limits(8), most, until, |_| async {
        unreachable!("no record can be read")
    })
    .await;
    assert_eq!(
        report.records[0].disposition,
        Disposition::Rejected(UNREADABLE_DATA)
    );
}

#[tokio::test(start_paused = true)]
async fn the_response_to_a_chunked_kinesis_batch_names_the_records_that_failed() {
    let records = [record("a", "1"), record("b", "2"), record("a", "3")];
    let most = NonZeroUsize::new(500).unwrap();
    let until = within(ms(1_000));
    let report = process_in_chunks(&records, &limits(8), most, until, |chunk| async move {
        chunk.judge(|record| match record.partition_key.as_str() {
            "b" => Verdict::Reject("poison"),
            _ => Verdict::Done,
        })
    })
    .await;
    assert_eq!(
        serde_json::to_value(report.response.unwrap()).unwrap(),
        json!({"batchItemFailures": [{"itemIdentifier": "2"}]})
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_change_without_a_number_fails_the_invocation() {
    let mut unnamed = change("a", "111");
    unnamed["dynamodb"]["SequenceNumber"] = Value::Null;
    let records = read(vec![unnamed]);
    let report = process(&records, &limits(8), within(ms(1_000)), |_| async {
        Verdict::Reject("poison")
    })
    .await;
    assert_eq!(report.response, Err(MissingIdentifier));
}

/// A way to write `digits` times ten to `power`.
fn written(digits: u64, power: i32, point: usize, zeros: [usize; 2], plus: bool) -> String {
    let digits = format!("{}{digits}", "0".repeat(zeros[0]));
    let point = point.min(digits.len());
    let (whole, fraction) = digits.split_at(point);
    let fraction = format!("{fraction}{}", "0".repeat(zeros[1]));
    let power = power + i32::try_from(digits.len() - point).unwrap();
    let (sign, power_sign) = if plus {
        ("+", if power < 0 { "" } else { "+" })
    } else {
        ("", "")
    };
    format!("{sign}{whole}.{fraction}E{power_sign}{power}")
}

proptest! {
    /// Two texts are one key if, and only if, they are one number.
    #[test]
    fn a_key_is_the_value_of_its_number(
        one in (0_u64..2_000, -40_i32..40),
        other in (0_u64..2_000, -40_i32..40),
        points in (0_usize..8, 0_usize..8),
        zeros in (0_usize..4, 0_usize..4),
        plus: bool,
    ) {
        let text = |(digits, power), point, zeros| written(digits, power, point, zeros, plus);
        let same = [text(one, points.0, [zeros.0, zeros.1]), text(one, points.1, [zeros.1, zeros.0])];
        prop_assert_eq!(key_of_number(&same[0]), key_of_number(&same[1]), "{:?}", same);
        let trimmed = |(mut digits, mut power): (u64, i32)| {
            while digits > 0 && digits % 10 == 0 {
                (digits, power) = (digits / 10, power + 1);
            }
            (digits, if digits == 0 { 0 } else { power })
        };
        let other_text = text(other, points.1, [zeros.1, zeros.0]);
        prop_assert_eq!(
            key_of_number(&same[0]) == key_of_number(&other_text),
            trimmed(one) == trimmed(other),
            "{} {}", same[0], other_text
        );
    }

    #[test]
    fn any_text_in_place_of_a_number_is_a_key(text in ".*") {
        prop_assert!(!key_of_number(&text).is_empty());
    }

    #[test]
    fn any_json_in_a_change_is_read_or_is_no_event(
        field in prop::sample::select(vec!["Keys", "SequenceNumber", "OldImage", "NewImage", "ApproximateCreationDateTime"]),
        value in prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
        ],
    ) {
        let mut record = change("a", "111");
        record["dynamodb"][field] = value;
        let event = json!({"Records": [record]});
        prop_assert!(serde_json::from_value::<DynamoDbEvent>(event).is_ok());
    }
}
