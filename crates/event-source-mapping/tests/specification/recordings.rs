//! The behaviour that was recorded on AWS on 2025-11-25 and published in LocalStack's snapshot
//! tests
//! (tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_kinesis.snapshot.json).
//! It is reproduced here.

use crate::driver::{
    Driver, FUNCTION, QUEUE, SHARD, STREAM, failures, numbers, options, reporting, success,
};
use event_source_mapping::{Assumptions, Backoff, Completion, DiscardMessage, MappingOptions};
use serde_json::json;
use std::time::Duration;

/// [R] BatchSize 3, MaximumRetryAttempts 3, bisect off. Of six records only the last fails, and it
/// is reported.
#[test]
fn the_last_of_six_records_fails_and_arrives_five_times_every_other_once() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 3,
            maximum_retry_attempts: 3,
            ..reporting()
        },
        6,
    );
    stream.run(|invocation| {
        if numbers(invocation).contains(&13) {
            failures(&[13])
        } else {
            success()
        }
    });

    for record in 8..13 {
        assert_eq!(stream.times_delivered(record), 1, "record {record}");
    }
    assert_eq!(stream.times_delivered(13), 5);
    assert_eq!(stream.discarded(), [(13, 13, 1, 4)]);
}

/// [R] MaximumRetryAttempts 2, one record, which always fails.
#[test]
fn two_retries_make_an_approximate_invoke_count_of_three() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 2,
            ..options()
        },
        1,
    );
    stream.run(|_| Completion::FunctionError);

    assert_eq!(stream.times_delivered(8), 3);
    assert_eq!(stream.discarded(), [(8, 8, 1, 3)]);
}

/// [R] `functionError` is null after a partial response, and `statusCode` 200.
#[test]
fn the_message_after_a_partial_response_is_the_recorded_one() {
    // Without a pause the message carries the time at which the record arrived.
    let backoff = Backoff {
        base: Duration::ZERO,
        cap: Duration::ZERO,
    };
    let assumptions = Assumptions {
        retry_backoff: backoff,
        ..Assumptions::default()
    };
    let options = MappingOptions {
        batch_size: 3,
        maximum_retry_attempts: 3,
        assumptions,
        ..reporting()
    };
    let mut stream = Driver::with_records(options, 6);
    stream.run(|invocation| {
        if numbers(invocation).contains(&13) {
            failures(&[13])
        } else {
            success()
        }
    });

    let expected = json!({
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-4af9-9c0c-0c604cde93a5",
            "functionArn": FUNCTION,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 4
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": null},
        "version": "1.0",
        "timestamp": "2025-11-25T19:03:18.000Z",
        "KinesisBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": "13",
            "endSequenceNumber": "13",
            "approximateArrivalOfFirstRecord": "2025-11-25T19:03:18.000Z",
            "approximateArrivalOfLastRecord": "2025-11-25T19:03:18.000Z",
            "batchSize": 1,
            "streamArn": STREAM
        }
    });
    assert_eq!(stream.discards, std::slice::from_ref(&expected));
    assert_eq!(stream.mapping.options().on_failure.as_deref(), Some(QUEUE));

    let text = serde_json::to_string(&serde_json::from_value::<DiscardMessage>(expected).unwrap())
        .unwrap();
    assert!(
        text.starts_with(r#"{"requestContext":{"requestId":"#)
            && text.contains(r#""functionError":null},"version":"1.0""#)
    );
}

/// [R] `functionError` is `Unhandled` after an exception, and `statusCode` 200 all the same.
#[test]
fn the_message_after_an_exception_says_unhandled_and_200() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_retry_attempts: 1,
            ..options()
        },
        1,
    );
    stream.run(|_| Completion::FunctionError);

    let response =
        json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
    assert_eq!(stream.discards[0]["responseContext"], response);
    assert_eq!(stream.discarded(), [(8, 8, 1, 2)]);
}

/// [D, R] Responses of a function that reports batch item failures, to a batch of one record with
/// the sequence number 8. The second value is true if the batch is done. They were recorded of
/// Kinesis and of DynamoDB streams alike. The recordings of `[]` and of the number are weaker (see
/// [`event_source_mapping::interpret`]).
pub(crate) const RESPONSES: [(&str, bool); 12] = [
    ("null", true),
    (r#""""#, true),
    ("{}", true),
    (r#"{"batchItemFailures": []}"#, true),
    (r#"{"batchItemFailures": null}"#, true),
    ("[]", true),
    (r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#, false),
    (
        r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
        false,
    ),
    (r#"{"batchItemFailures": [{}]}"#, false),
    (r#"{"batchItemFailures": [{"foo": "8"}]}"#, false),
    (r#"{"batchItemFailures": [{"itemIdentifier": 123}]}"#, false),
    (r#"{"batchItemFailures": [{"itemIdentifier": "8"}]}"#, false),
];

/// [D, R]
#[test]
fn each_recorded_shape_of_a_response_ends_a_batch_or_has_it_sent_again() {
    for (response, done) in RESPONSES {
        let mut stream = Driver::with_records(
            MappingOptions {
                maximum_retry_attempts: 2,
                ..reporting()
            },
            1,
        );
        stream.run(|_| Completion::Returned(response.into()));
        let expected: &[_] = if done { &[] } else { &[(8, 8, 1, 3)] };
        assert_eq!(stream.discarded(), expected, "{response}");
        let deliveries = if done { 1 } else { 3 };
        assert_eq!(stream.times_delivered(8), deliveries, "{response}");
    }
}

/// [D] services-kinesis-batchfailurereporting. A function reports failures only if
/// FunctionResponseTypes says so.
#[test]
fn each_recorded_shape_of_a_response_ends_a_batch_where_failures_are_not_asked_for() {
    for (response, _) in RESPONSES {
        let mut stream = Driver::with_records(options(), 1);
        stream.run(|_| Completion::Returned(response.into()));
        assert_eq!(stream.times_delivered(8), 1, "{response}");
        assert!(stream.discards.is_empty(), "{response}");
    }
}

/// [R] `approximateInvokeCount` is 1 for a record that was too old before its first delivery.
#[test]
fn the_message_of_a_record_that_was_never_delivered_says_one_invocation() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..options()
        },
        1,
    );
    stream.wake_after(60_001);
    stream.run(|_| unreachable!("it is too old"));
    assert_eq!(stream.discarded(), [(8, 8, 1, 1)]);
    let context = &stream.discards[0]["requestContext"];
    assert_eq!(context["condition"], "RecordAgeExceeded");
}

/// [R] The condition is `RecordAgeExceeded`, and there is no `responseContext`.
#[test]
fn the_message_of_records_too_old_has_no_response_context() {
    let mut stream = Driver::with_records(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..options()
        },
        1,
    );
    stream.run(|_| Completion::FunctionError);

    let message = &stream.discards[0];
    assert_eq!(message["requestContext"]["condition"], "RecordAgeExceeded");
    assert!(message.get("responseContext").is_none(), "{message}");
}
