//! The calls that the functions make, recorded on the wire, are allowed by their roles; what their roles allow besides is
//! what the platform does on their behalf, and is listed here with its reason.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use api::{Api, CallerSource, Origins};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_model::kinesis::Position;
use aws_model::{Aws, KinesisSettings, Service, Settings, TokioClock};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use consumer::Consumer;
use orders::Intent;
use serde_json::{Value, json};
use tests::ORDER;

use crate::source::{body, quoted, terraform};

/// 22 November 2026, 05:00:00 UTC.
const START: u64 = 1_795_323_600_000;

/// What a role allows although the function's code never calls it.
const API_SURPLUS: [(&str, &str); 6] = [
    ("kms:GenerateDataKey", "Kinesis encrypts what is put"),
    ("kms:Decrypt", "DynamoDB decrypts what is read"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda traces the invocation"),
    ("xray:PutTelemetryRecords", "Lambda traces the invocation"),
];
const CONSUMER_SURPLUS: [(&str, &str); 16] = [
    ("kinesis:DescribeStream", "the mapping finds the stream"),
    (
        "kinesis:DescribeStreamSummary",
        "the mapping finds the stream",
    ),
    ("kinesis:ListShards", "the mapping finds the shards"),
    ("kinesis:GetShardIterator", "the mapping reads a shard"),
    ("kinesis:GetRecords", "the mapping reads a shard"),
    (
        "kinesis:SubscribeToShard",
        "the mapping reads by enhanced fan-out",
    ),
    (
        "kinesis:DescribeStreamConsumer",
        "the mapping reads by enhanced fan-out",
    ),
    (
        "kms:Decrypt",
        "Kinesis and DynamoDB decrypt, and SQS its data key",
    ),
    ("kms:GenerateDataKey", "SQS or S3 encrypts a discard"),
    ("sqs:SendMessage", "the mapping reports a discard"),
    ("s3:PutObject", "the mapping keeps a discard"),
    ("s3:ListBucket", "the mapping finds the archive"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda traces the invocation"),
    ("xray:PutTelemetryRecords", "Lambda traces the invocation"),
];

/// An HTTP client that passes requests on and keeps the actions they are.
#[derive(Clone, Debug)]
struct Recorder {
    wire: SharedHttpClient,
    actions: Arc<Mutex<BTreeSet<String>>>,
}

impl Recorder {
    fn over(aws: &Aws) -> Self {
        Self {
            wire: aws.http_client(),
            actions: Arc::default(),
        }
    }

    /// The actions recorded so far, as IAM names them.
    fn actions(&self) -> BTreeSet<String> {
        self.actions.lock().unwrap().clone()
    }

    fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .http_client(self.clone())
            .build()
    }
}

impl HttpClient for Recorder {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Recording {
            connector: self.wire.http_connector(settings, components),
            actions: self.actions.clone(),
        })
    }
}

#[derive(Debug)]
struct Recording {
    connector: SharedHttpConnector,
    actions: Arc<Mutex<BTreeSet<String>>>,
}

impl HttpConnector for Recording {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (version, operation) = target.split_once('.').expect("a JSON protocol");
        let service = match version {
            "Kinesis_20131202" => "kinesis",
            "DynamoDB_20120810" => "dynamodb",
            other => panic!("a call to {other}: name its IAM prefix here"),
        };
        let action = format!("{service}:{operation}");
        self.actions.lock().unwrap().insert(action);
        self.connector.call(request)
    }
}

fn request(method: &str, path: &str, headers: &Value, body: &str) -> Value {
    json!({"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": headers, "body": body,
        "isBase64Encoded": false, "routeKey": "$default",
        "requestContext": {"stage": "$default", "http": {"method": method, "path": path}}})
}

/// Sends every kind of request, and applies every kind of intent, again and again; gives what the two functions called.
async fn record() -> (BTreeSet<String>, BTreeSet<String>) {
    let aws = Aws::new(Settings {
        clock: Arc::new(TokioClock::starting_at(START)),
        seed: 7,
        kinesis: KinesisSettings::default(),
    })
    .unwrap();
    aws.kinesis().create_stream("intents", 1, 24).unwrap();
    let table = json!({"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
    aws.operate(Service::DynamoDb, "CreateTable", &table)
        .unwrap();

    let of_api = Recorder::over(&aws);
    let api = Api {
        stream: api::Stream::new(&of_api.config(), "intents".into()),
        table: api::Table::new(&of_api.config(), "orders".into()),
        callers: CallerSource::parse("none").unwrap(),
        origins: Origins::new(
            || uuid::Uuid::new_v4().into_bytes(),
            || UNIX_EPOCH + Duration::from_millis(START),
        ),
    };
    let of_consumer = Recorder::over(&aws);
    let table = consumer::Table::new(&of_consumer.config(), "orders".into());
    let consumer = Consumer::new(table, kinesis_batch::Settings::default());

    let send = async |method: &str, path: String, headers: Value, body: &str| {
        let event = request(method, &path, &headers, body);
        let answer = api.answer(event, Duration::from_secs(10)).await;
        (answer.status_code, answer.headers)
    };
    let headers = json!({"content-type": "application/json", "idempotency-key": "0b3f0c52-7b53-4d0c-9f36-52e1c8c1a5d2"});
    let mut location = String::new();
    // One order and twelve others under its key: duplicates, conflicts, and the one that is too many.
    for number in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] {
        let order = ORDER.replace("A-1", &format!("A-{number}"));
        let (status, answer) = send("POST", "/orders".into(), headers.clone(), &order).await;
        assert_eq!(status, 202);
        answer["location"]
            .to_str()
            .unwrap()
            .clone_into(&mut location);
    }
    let cancel = send("POST", format!("{location}/cancel"), json!({}), "").await;
    assert_eq!(cancel.0, 202);
    let read = async |wait: &str| send("GET", location.clone(), json!({"prefer": wait}), "").await;
    assert_eq!(read("wait=1").await.0, 404);
    for _ in 0..2 {
        let shard = aws.kinesis().shards("intents").unwrap().remove(0).id;
        let records = aws
            .kinesis()
            .read("intents", &shard, Position::TrimHorizon, 10_000)
            .unwrap()
            .records;
        assert_eq!(records.len(), 15);
        for record in records {
            let intent = Intent::decode(&record.data).unwrap();
            consumer.apply(&intent).await.unwrap();
        }
    }
    assert_eq!(read("wait=1").await.0, 200);
    (of_api.actions(), of_consumer.actions())
}

/// What a role's policy allows in any setting: the actions in it and in what it is put together from.
fn allowed(role: &str) -> BTreeSet<String> {
    let terraform = terraform();
    let policy = body(
        &terraform,
        &format!("resource \"aws_iam_role_policy\" \"{role}\""),
    );
    let mut actions = actions(policy);
    let parts = policy.split("local.").skip(1);
    for part in parts.filter_map(|rest| rest.split([',', ')', '\n', ' ']).next()) {
        actions.extend(self::actions(body(&terraform, &format!("\n  {part} ="))));
    }
    actions
}

/// The values of `Action = …`.
fn actions(text: &str) -> BTreeSet<String> {
    let values = text
        .lines()
        .filter_map(|line| line.trim_start().split_once('='))
        .filter(|(name, _)| name.trim() == "Action")
        .map(|(_, value)| value);
    values.flat_map(quoted).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn the_functions_call_nothing_that_their_roles_do_not_allow() {
    let (api, consumer) = record().await;
    assert_eq!(
        api,
        ["dynamodb:GetItem", "kinesis:PutRecord"]
            .map(str::to_owned)
            .into()
    );
    assert_eq!(consumer, ["dynamodb:UpdateItem"].map(str::to_owned).into());
    for (role, calls) in [("api", api), ("consumer", consumer)] {
        let allowed = allowed(role);
        assert!(
            calls.is_subset(&allowed),
            "{role}: {:?}",
            calls.difference(&allowed)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_roles_allow_besides_only_what_the_platform_does_for_the_functions() {
    let (api, consumer) = record().await;
    for (role, calls, surplus) in [
        ("api", api, &API_SURPLUS[..]),
        ("consumer", consumer, &CONSUMER_SURPLUS[..]),
    ] {
        let reviewed: BTreeSet<String> = surplus
            .iter()
            .map(|(action, _)| (*action).to_owned())
            .collect();
        let rest: BTreeSet<String> = &allowed(role) - &calls;
        assert_eq!(rest, reviewed, "{role}");
    }
}

#[test]
fn no_action_is_a_pattern() {
    for role in ["api", "consumer"] {
        let patterns: Vec<_> = allowed(role)
            .into_iter()
            .filter(|action| action.contains('*'))
            .collect();
        assert!(patterns.is_empty(), "{role}: {patterns:?}");
    }
}
