//! Requests that no SDK would send, such as malformed bodies, unknown operations and odd headers.

use aws_model::{Aws, Reply};
use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::world;

fn send(aws: &Aws, target: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let request = Request::post("http://127.0.0.1:4566/").header("x-amz-target", target);
    answer(aws, request.body(body.into()).unwrap())
}

fn answer(aws: &Aws, request: Request<Bytes>) -> Response<Bytes> {
    match aws.call(&request) {
        Reply::Answer(response) => response,
        other => panic!("an answer expected: {other:?}"),
    }
}

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn code_of(response: &Response<Bytes>) -> String {
    let body = json_of(response);
    body["__type"]
        .as_str()
        .unwrap()
        .rsplit('#')
        .next()
        .unwrap()
        .to_owned()
}

const TARGETS: [&str; 14] = [
    "Kinesis_20131202.PutRecord",
    "Kinesis_20131202.PutRecords",
    "Kinesis_20131202.GetRecords",
    "Kinesis_20131202.CreateStream",
    "Kinesis_20131202.SplitShard",
    "Kinesis_20131202.MergeShards",
    "Kinesis_20131202.UpdateShardCount",
    "AmazonSQS.SendMessage",
    "AmazonSQS.ReceiveMessage",
    "DynamoDB_20120810.GetItem",
    "DynamoDBStreams_20120810.DescribeStream",
    "DynamoDBStreams_20120810.GetRecords",
    "DynamoDBStreams_20120810.GetShardIterator",
    "DynamoDBStreams_20120810.ListStreams",
];

#[test]
fn a_body_that_is_not_json_is_a_serialization_exception() {
    let world = world();
    for target in TARGETS {
        for body in ["", "{", "nonsense", "[1]", "\"text\"", "\u{0}"] {
            let response = send(&world.aws, target, body);
            assert_eq!(response.status(), 400, "{target} {body:?}");
            assert_eq!(
                code_of(&response),
                "SerializationException",
                "{target} {body:?}"
            );
        }
    }
}

#[test]
fn a_member_of_the_wrong_type_is_a_serialization_exception_that_does_not_repeat_it() {
    let world = world().with_stream(1);
    for (target, body) in [
        (
            "Kinesis_20131202.PutRecord",
            json!({ "StreamName": 7, "PartitionKey": "k", "Data": "" }),
        ),
        (
            "Kinesis_20131202.PutRecord",
            json!({ "StreamName": "s", "PartitionKey": "k", "Data": "secret!" }),
        ),
        (
            "Kinesis_20131202.PutRecord",
            json!({ "StreamName": "s", "PartitionKey": "k", "Data": 5 }),
        ),
        (
            "Kinesis_20131202.PutRecords",
            json!({ "StreamName": "s", "Records": "secret" }),
        ),
        (
            "Kinesis_20131202.GetRecords",
            json!({ "ShardIterator": "x", "Limit": "secret" }),
        ),
        (
            "AmazonSQS.SendMessage",
            json!({ "QueueUrl": ["secret"], "MessageBody": "m" }),
        ),
        (
            "DynamoDB_20120810.GetItem",
            json!({ "TableName": ["secret"], "Key": {} }),
        ),
        (
            "DynamoDBStreams_20120810.GetRecords",
            json!({ "ShardIterator": "x", "Limit": "secret" }),
        ),
    ] {
        let response = send(&world.aws, target, body.to_string());
        assert_eq!(response.status(), 400, "{target}");
        assert_eq!(code_of(&response), "SerializationException", "{target}");
        assert!(
            !String::from_utf8_lossy(response.body()).contains("secret"),
            "{target}"
        );
    }
}

#[test]
fn a_missing_member_is_named() {
    let world = world().with_stream(1);
    let response = send(
        &world.aws,
        "Kinesis_20131202.PutRecord",
        json!({ "StreamName": "s" }).to_string(),
    );
    assert_eq!(code_of(&response), "ValidationException");
    assert_eq!(
        json_of(&response)["message"],
        "2 validation errors detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be \
         null; Value null at 'data' failed to satisfy constraint: Member must not be null"
    );
    let response = send(&world.aws, "Kinesis_20131202.DescribeStream", "{}");
    assert_eq!(code_of(&response), "InvalidArgumentException");
    let response = send(&world.aws, "AmazonSQS.SendMessage", "{}");
    assert_eq!(
        response.headers()["x-amzn-query-error"],
        "MissingParameter;Sender"
    );
}

#[test]
fn an_unknown_operation_or_service_is_an_unknown_operation_exception_that_names_it() {
    let world = world();
    for (target, named) in [
        ("Kinesis_20131202.SubscribeToShard", "SubscribeToShard"),
        ("AmazonSQS.SendMessageBatch", "SendMessageBatch"),
        ("DynamoDB_20120810.CreateBackup", "CreateBackup"),
        ("DynamoDBStreams_20120810.Subscribe", "Subscribe"),
        ("AWSLambda.Invoke", "AWSLambda.Invoke"),
        ("", "A request without X-Amz-Target"),
    ] {
        let response = send(&world.aws, target, "{}");
        assert_eq!(
            (response.status().as_u16(), code_of(&response)),
            (400, "UnknownOperationException".to_owned())
        );
        assert_eq!(
            json_of(&response)["message"],
            format!("{named} is not modelled here")
        );
    }
    let without_target = Request::post("/").body(Bytes::from_static(b"{}")).unwrap();
    assert_eq!(
        code_of(&answer(&world.aws, without_target)),
        "UnknownOperationException"
    );
}

#[test]
fn every_answer_has_the_services_media_type_and_a_request_id() {
    let world = world();
    for (target, media_type) in [
        ("Kinesis_20131202.ListStreams", "application/x-amz-json-1.1"),
        ("AmazonSQS.ListQueues", "application/x-amz-json-1.0"),
        ("DynamoDB_20120810.ListTables", "application/x-amz-json-1.0"),
        (
            "DynamoDBStreams_20120810.ListStreams",
            "application/x-amz-json-1.0",
        ),
        ("Kinesis_20131202.Nonsense", "application/x-amz-json-1.1"),
    ] {
        let response = send(&world.aws, target, "{}");
        assert_eq!(response.headers()["content-type"], media_type, "{target}");
        assert_eq!(response.headers()["x-amzn-requestid"].len(), 36, "{target}");
    }
}

#[test]
fn a_queue_url_names_the_host_that_the_client_reached() {
    let world = world();
    let request = Request::post("/")
        .header("host", "localhost:4566")
        .header("x-amz-target", "AmazonSQS.CreateQueue")
        .body(Bytes::from_static(br#"{"QueueName":"q"}"#))
        .unwrap();
    assert_eq!(
        json_of(&answer(&world.aws, request)),
        json!({ "QueueUrl": "http://localhost:4566/000000000000/q" })
    );
}

#[test]
fn a_stream_arn_that_is_none_or_of_another_stream_is_refused() {
    let world = world().with_stream(1);
    let code = |member: Value| {
        let response = send(
            &world.aws,
            "Kinesis_20131202.DescribeStreamSummary",
            member.to_string(),
        );
        code_of(&response)
    };
    for arn in [
        "s",
        "stream/s",
        "arn:aws:sqs:us-east-1:000000000000:stream/s",
        "arn:aws:kinesis:us-east-1:0:stream/s",
    ] {
        assert_eq!(
            code(json!({ "StreamARN": arn })),
            "ValidationException",
            "{arn}"
        );
    }
    let other = "arn:aws:kinesis:us-east-1:000000000000:stream/t";
    assert_eq!(
        code(json!({ "StreamName": "s", "StreamARN": other })),
        "InvalidArgumentException"
    );
}

#[test]
fn a_null_member_counts_as_absent() {
    let world = world().with_stream(1);
    let body = json!({ "StreamName": "s", "StreamARN": null, "PartitionKey": "k", "Data": "eA==",
                       "ExplicitHashKey": null });
    assert_eq!(
        send(&world.aws, "Kinesis_20131202.PutRecord", body.to_string()).status(),
        200
    );
}

proptest! {
    #[test]
    fn any_body_is_answered_without_a_panic(
        target in proptest::sample::select(TARGETS.to_vec()), body: Vec<u8>,
    ) {
        let world = world().with_stream(1);
        prop_assert!(send(&world.aws, target, body).status().is_client_error());
    }

    #[test]
    fn any_json_object_is_answered_without_a_panic(
        target in proptest::sample::select(TARGETS.to_vec()),
        members in proptest::collection::btree_map(
            proptest::sample::select(vec![
                "StreamName", "ShardCount", "Data", "PartitionKey", "Records", "ShardIterator", "Limit", "QueueUrl",
                "MessageBody", "DelaySeconds", "TableName", "Key", "ExplicitHashKey", "WaitTimeSeconds",
                "ShardToSplit", "NewStartingHashKey", "ShardToMerge", "AdjacentShardToMerge", "TargetShardCount",
                "ScalingType",
            ]),
            prop_oneof![
                Just(Value::Null),
                any::<i64>().prop_map(Value::from),
                any::<f64>().prop_map(Value::from),
                ".*".prop_map(Value::from),
                Just(json!([{}])),
                Just(json!({ "a": [null] })),
            ],
            0..6,
        ),
    ) {
        let world = world().with_stream(1);
        let response = send(&world.aws, target, serde_json::to_string(&members).unwrap());
        prop_assert!(response.status() == 200 || response.status() == 400);
    }
}
