//! Messages of an SQS queue as Lambda sends them, and the response to a batch of them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use keyed_batch::{
    BatchRecord, Disposition, MissingIdentifier, RecordReport, SqsEvent, SqsMessage,
    UNREADABLE_DATA, Verdict, process, process_in_chunks,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{expect_bugs, limits, ms, within};

/// A message of the FIFO queue's event in "Using Lambda with Amazon SQS".
fn message(group: &str, message_id: &str) -> Value {
    json!({
        "messageId": message_id,
        "receiptHandle": "AQEBBX8nesZEXmkhsmZeyIE8iQAMig7qw",
        "body": "Test message.",
        "attributes": {
            "ApproximateReceiveCount": "2",
            "SentTimestamp": "1573251510774",
            "SequenceNumber": "18849496460467696128",
            "MessageGroupId": group,
            "SenderId": "AIDAIO23YVJENQZJOL4VO",
            "MessageDeduplicationId": "1",
            "ApproximateFirstReceiveTimestamp": "1573251510774"
        },
        "messageAttributes": {"kind": {"stringValue": "new", "dataType": "String"}},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:fifo.fifo",
        "awsRegion": "us-east-2"
    })
}

fn read(records: Vec<Value>) -> Vec<SqsMessage> {
    let event: SqsEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    event.records
}

fn with(change: impl FnOnce(&mut Value)) -> SqsMessage {
    let mut record = message("g", "m");
    change(&mut record);
    read(vec![record]).remove(0)
}

fn dispositions(records: &[RecordReport]) -> Vec<Disposition> {
    records.iter().map(|record| record.disposition).collect()
}

/// Messages with the groups `a`, `b` and `a`, and the ids 1, 2 and 3.
fn three_messages() -> Vec<SqsMessage> {
    read(vec![
        message("a", "1"),
        message("b", "2"),
        message("a", "3"),
    ])
}

#[test]
fn a_message_has_its_id_its_body_its_group_and_its_count_of_receives() {
    let message = with(|_| {});
    assert_eq!(message.message_id, "m");
    assert_eq!(message.body(), "Test message.");
    assert_eq!(message.group_id.as_deref(), Some("g"));
    assert_eq!(message.receive_count, Some(2));
    assert_eq!(message.attributes["kind"]["stringValue"], "new");
}

#[test]
fn the_key_of_a_fifo_queues_message_is_its_group() {
    assert_eq!(with(|_| {}).key(), "g");
    let of_unknown_queue = with(|message| message["eventSourceARN"] = Value::Null);
    assert_eq!(of_unknown_queue.key(), "g");
}

#[test]
fn a_standard_queues_message_is_a_key_by_itself_with_or_without_a_group() {
    let standard = |message: &mut Value| {
        message["eventSourceARN"] = json!("arn:aws:sqs:us-east-2:123456789012:my-queue");
    };
    assert_eq!(with(standard).key(), "m");
    let without_group = with(|message| {
        standard(message);
        message["attributes"] = json!({"ApproximateReceiveCount": "1"});
    });
    assert_eq!(without_group.key(), "m");
}

#[test]
fn a_message_for_tests_is_of_a_fifo_queue_if_it_has_a_group() {
    assert_eq!(SqsMessage::new(Some("g"), "m", "text").key(), "g");
    let message = SqsMessage::new(None, "m", "text");
    assert_eq!((message.key(), message.body()), ("m", "text"));
}

#[test]
fn debug_shows_neither_body_nor_group_nor_attributes() {
    assert_eq!(
        format!("{:?}", with(|_| {})),
        r#"SqsMessage { message_id: "m", receive_count: Some(2), .. }"#
    );
}

#[test]
fn an_event_of_another_source_is_refused() {
    for other in [
        json!({}),
        json!({"Records": [{"kinesis": {"sequenceNumber": "1"}}]}),
        json!({"Records": [{"eventID": "1", "dynamodb": {"SequenceNumber": "1"}}]}),
    ] {
        assert!(serde_json::from_value::<SqsEvent>(other).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_names_the_messages_that_failed_by_their_ids() {
    let report = process(
        &three_messages(),
        &limits(8),
        within(ms(1_000)),
        |message| async {
            match message.message_id.as_str() {
                "2" => Verdict::Reject("poison"),
                _ => Verdict::Done,
            }
        },
    )
    .await;
    assert_eq!(
        serde_json::to_string(&report.response.unwrap()).unwrap(),
        r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_in_any_way_holds_back_its_group_and_no_other() {
    expect_bugs();
    for (verdict, disposition) in [
        (
            Some(Verdict::Reject("poison")),
            Disposition::Rejected("poison"),
        ),
        (
            Some(Verdict::Retry("busy")),
            Disposition::Unfinished("busy"),
        ),
        (
            Some(Verdict::Redeliver("busy")),
            Disposition::Deferred("busy"),
        ),
        (None, Disposition::Panicked),
    ] {
        let messages = three_messages();
        let report = process(
            &messages,
            &limits(8),
            within(ms(1_000)),
            |message| async move {
                match message.message_id.as_str() {
                    "1" => verdict.unwrap_or_else(|| std::panic::panic_any("a bug")),
                    _ => Verdict::Done,
                }
            },
        )
        .await;
        assert_eq!(
            dispositions(&report.records),
            [disposition, Disposition::Done, Disposition::NotAttempted]
        );
        assert_eq!(
            serde_json::to_value(report.response.unwrap()).unwrap(),
            json!({"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]})
        );
    }
}

#[tokio::test(start_paused = true)]
async fn in_chunks_a_rejected_message_holds_back_its_group_too() {
    let most = NonZeroUsize::new(10).unwrap();
    let until = within(ms(1_000));
    let messages = three_messages();
    let report = process_in_chunks(&messages, &limits(8), most, until, |chunk| async move {
        chunk.judge(|message| match message.message_id.as_str() {
            "1" => Verdict::Reject("poison"),
            _ => Verdict::Done,
        })
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Rejected("poison"),
            Disposition::Done,
            Disposition::NotAttempted
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_standard_queue_a_rejected_message_holds_back_no_other() {
    let messages: Vec<SqsMessage> = ["1", "2", "3"]
        .map(|id| SqsMessage::new(None, id, "text"))
        .into();
    let report = process(&messages, &limits(1), within(ms(1_000)), |message| async {
        match message.message_id.as_str() {
            "1" => Verdict::Reject("poison"),
            _ => Verdict::Done,
        }
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Rejected("poison"),
            Disposition::Done,
            Disposition::Done
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_without_text_is_rejected_and_the_work_does_not_see_it() {
    let mut bad = message("a", "1");
    bad["body"] = json!(7);
    let messages = read(vec![bad, message("a", "2"), message("b", "3")]);
    let report = process(&messages, &limits(1), within(ms(1_000)), |message| async {
        assert_eq!(message.body(), "Test message.");
        Verdict::Done
    })
    .await;
    assert_eq!(
        dispositions(&report.records),
        [
            Disposition::Rejected(UNREADABLE_DATA),
            Disposition::NotAttempted,
            Disposition::Done
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_without_an_id_fails_the_invocation() {
    let mut unnamed = message("a", "1");
    unnamed["messageId"] = Value::Null;
    let messages = read(vec![unnamed]);
    let report = process(&messages, &limits(1), within(ms(1_000)), |_| async {
        Verdict::Reject("poison")
    })
    .await;
    assert_eq!(report.response, Err(MissingIdentifier));
}

/// How the attempts at a message end. After the last it is done.
type Plan = Vec<Verdict>;

fn any_plan() -> impl Strategy<Value = Plan> {
    let verdict = prop_oneof![
        Just(Verdict::Reject("poison")),
        Just(Verdict::Retry("throttled")),
        Just(Verdict::RetryAfter("busy", ms(5_000))),
        Just(Verdict::Redeliver("in_progress")),
    ];
    prop::collection::vec(verdict, 0..4)
}

proptest! {
    /// A queue deletes what did not fail, and hands out the rest again. The messages of a group are
    /// done in the sequence in which they were sent, whatever fails how often.
    #[test]
    fn the_messages_of_a_group_are_done_in_their_sequence(
        queue in prop::collection::vec((0_u8..4, any_plan()), 0..20),
        most in prop::option::of(1_usize..5),
        in_flight in 1_usize..6,
        millis in 1_u64..500,
    ) {
        let mut left: Vec<SqsMessage> = (0..)
            .zip(&queue)
            .map(|(number, (group, _)): (usize, _)| SqsMessage::new(Some(&format!("g{group}")), number.to_string(), ""))
            .collect();
        let attempts: RefCell<HashMap<usize, usize>> = RefCell::default();
        let done: RefCell<BTreeMap<String, Vec<usize>>> = RefCell::default();
        let work = |message: &SqsMessage| {
            let number: usize = message.message_id.parse().unwrap();
            let mut attempts = attempts.borrow_mut();
            let attempt = attempts.entry(number).or_default();
            *attempt += 1;
            let verdict = queue[number].1.get(*attempt - 1).copied().unwrap_or(Verdict::Done);
            if verdict == Verdict::Done {
                done.borrow_mut().entry(message.key().to_owned()).or_default().push(number);
            }
            verdict
        };
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        for _ in 0..200 {
            let (limits, time) = (limits(in_flight), ms(millis));
            let report = runtime.block_on(async {
                match most.and_then(NonZeroUsize::new) {
                    Some(most) => {
                        process_in_chunks(&left, &limits, most, within(time), async |chunk| chunk.judge(work)).await
                    }
                    None => process(&left, &limits, within(time), async |message| work(message)).await,
                }
            });
            let response = serde_json::to_value(report.response.unwrap()).unwrap();
            let failed: Vec<&str> = response["batchItemFailures"].as_array().unwrap().iter()
                .map(|failure| failure["itemIdentifier"].as_str().unwrap())
                .collect();
            left.retain(|message| failed.contains(&message.message_id.as_str()));
        }
        prop_assert!(left.is_empty(), "every message is done in the end");
        for numbers in done.into_inner().into_values() {
            prop_assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
        }
    }

    #[test]
    fn any_json_in_a_message_is_read(
        field in prop::sample::select(vec!["messageId", "body", "attributes", "messageAttributes", "eventSourceARN"]),
        value in prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
        ],
    ) {
        let mut record = message("a", "1");
        record[field] = value;
        let event = json!({"Records": [record]});
        prop_assert!(serde_json::from_value::<SqsEvent>(event).is_ok());
    }
}
