//! The reader of Lambda's events in front of the API, through `Api::answer`, with an AWS that
//! answers every call. No event makes the service fail, and nothing of an event is repeated.

#![no_main]

use std::cell::RefCell;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use api::{Api, BasePath, CallerSource, Origins, Serves, Stream};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_lambda_events::encodings::Body;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use orders::{Intent, IntentKind};
use orders_table::{OrdersTable, client_for_reads};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

/// A text of the dictionary, which stands for content that a client sends.
const MARK: &str = "zq7marker";

/// An order that is everybody's, and an order of somebody else whose row cannot be read.
const OWN: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
const FOREIGN: &str = "6b333730-9dc0-41d1-b245-5ffdce74fad2";

/// The statuses that an event may lead to while AWS answers.
const STATUSES: [i64; 9] = [200, 202, 400, 401, 404, 405, 413, 415, 422];

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    static APIS: Vec<(CallerSource, Api)> = apis();
    /// The records that were put since an event came.
    static PUT: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fuzz_target!(init: log(), |bytes: &[u8]| {
    // Only an event with an authorizer can name a caller.
    let names_nobody = !bytes.windows(10).any(|part| part == b"authorizer");
    let document: Option<Value> = serde_json::from_slice(bytes).ok();
    APIS.with(|apis| {
        for (callers, api) in apis {
            if names_nobody && *callers != CallerSource::Nobody {
                continue;
            }
            answered(api, bytes, document.as_ref());
        }
    });
});

fn answered(api: &Api, bytes: &[u8], document: Option<&Value>) {
    PUT.with_borrow_mut(Vec::clear);
    LOG.with_borrow_mut(Vec::clear);
    let answer =
        RUNTIME.with(|runtime| runtime.block_on(api.answer(bytes, Duration::from_secs(10))));
    let put = PUT.take();
    // The request id is the front door's. The log has it, and the answer.
    let request_id = document.and_then(|event| event["requestContext"]["requestId"].as_str());
    let request_id = request_id.unwrap_or_default();
    let log = LOG.with_borrow(|log| String::from_utf8_lossy(log).into_owned());
    assert!(!log.contains(MARK) || request_id.contains(MARK), "{log}");
    let Ok(answer) = answer else {
        assert!(put.is_empty(), "an event that is no request was accepted");
        let is_request = document.is_some_and(|event| {
            event["version"] == "2.0"
                && event["rawPath"].is_string()
                && event["type"].is_null()
                && event["requestContext"]["http"]["method"].is_string()
                && event["isBase64Encoded"].is_boolean()
                && event["headers"].is_object()
        });
        // Of two members of one name the document has one.
        assert!(
            !is_request || has_repetition(bytes, document),
            "a request fails the invocation"
        );
        return;
    };
    assert!(
        STATUSES.contains(&answer.status_code),
        "{}",
        answer.status_code
    );
    let Some(Body::Text(text)) = answer.body else {
        panic!("the answer has no text");
    };
    let mut body: Value = serde_json::from_str(&text).expect("the answer is JSON");
    assert!(text.ends_with("}\n"));
    let location = answer
        .headers
        .get("location")
        .map(|value| value.to_str().expect("a path"));
    match answer.status_code {
        202 => accepted(&body, location.expect("a 202 says where"), &put),
        status => {
            assert!(put.is_empty(), "{status} and accepted");
            assert_eq!(location, None);
            let media_type = if status == 200 {
                "application/json"
            } else {
                "application/problem+json"
            };
            assert_eq!(answer.headers["content-type"], media_type);
        }
    }
    // These repeat the front door's request id and the names of unknown fields.
    if let Some(problem) = body.as_object_mut() {
        problem.remove("instance");
        let errors = problem.get_mut("errors").and_then(Value::as_array_mut);
        for error in errors
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            error.remove("pointer");
        }
    }
    assert!(!body.to_string().contains(MARK), "{body}");
    for (name, value) in &answer.headers {
        // The part of a path before `/orders` is the front door's.
        let is_repeated = value
            .as_bytes()
            .windows(MARK.len())
            .any(|part| part == MARK.as_bytes());
        assert!(name == "location" || !is_repeated, "{name}");
    }
}

/// True if the bytes say more than the document has.
fn has_repetition(bytes: &[u8], document: Option<&Value>) -> bool {
    let quotes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'"').count();
    document.is_none_or(|document| quotes(document.to_string().as_bytes()) < quotes(bytes))
}

/// An answer of 202 is about one record, which is the intent that the answer names.
fn accepted(body: &Value, location: &str, put: &[Value]) {
    let [record] = put else {
        panic!("{} records were put", put.len());
    };
    let data = record["Data"].as_str().expect("a record has data");
    let data = STANDARD.decode(data).expect("data is base64");
    let intent = Intent::decode(&data).expect("the intent can be read");
    assert_eq!(intent.encode(), data);
    let order_id = intent.order_id.to_string();
    assert_eq!(record["PartitionKey"], order_id);
    assert_eq!(body["order_id"], order_id);
    assert_eq!(body["intent_id"], intent.id.to_string());
    assert!(location.ends_with(&format!("/orders/{order_id}")));
    if let IntentKind::Submit(submit) = &intent.kind {
        assert_eq!(body["fingerprint"], submit.fingerprint.as_str());
    }
}

/// An API for each place of a caller's name.
fn apis() -> Vec<(CallerSource, Api)> {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .http_client(SharedHttpClient::new(Answering))
        .build();
    let api = |callers: &str, base_path: &str| {
        let callers = CallerSource::parse(callers).expect("a setting");
        let api = Api {
            serves: Serves::All(
                Stream::new(&config, "intents".into()),
                OrdersTable::new(client_for_reads(&config), "orders"),
            ),
            callers: callers.clone(),
            base_path: BasePath::parse(base_path).expect("a setting"),
            origins: Origins::new(
                || [7; 16],
                || UNIX_EPOCH + Duration::from_millis(1_795_323_600_000),
            ),
        };
        (callers, api)
    };
    vec![
        api("none", ""),
        api("jwt:sub", "/v1"),
        api("lambda:user", ""),
        api("iam", ""),
    ]
}

/// An AWS that takes every record and has two rows.
#[derive(Debug)]
struct Answering;

impl HttpClient for Answering {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Answering)
    }
}

impl HttpConnector for Answering {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body: Value = request
            .body()
            .bytes()
            .and_then(|body| serde_json::from_slice(body).ok())
            .expect("a call is JSON");
        let answer = if body["StreamName"].is_string() {
            PUT.with_borrow_mut(|put| put.push(body));
            json!({"ShardId": "shardId-000000000000", "SequenceNumber": "1"})
        } else {
            match body["Key"]["order_id"]["S"].as_str() {
                Some(OWN) => json!({"Item": row("anonymous")}),
                Some(FOREIGN) => {
                    json!({"Item": {"owner": {"S": "somebody else"}, "content": {"S": MARK}}})
                }
                _ => json!({}),
            }
        };
        let response = http::Response::new(SdkBody::from(answer.to_string()));
        let response = HttpResponse::try_from(response).expect("a response");
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// A row as the consumer writes it.
fn row(owner: &str) -> Value {
    let text = |text: &str| json!({"S": text});
    let item =
        json!({"M": {"sku": text("A-1"), "quantity": {"N": "2"}, "unit_price": {"N": "1299"}}});
    json!({
        "order_id": text(OWN), "owner": text(owner),
        "fingerprint": text("1:a7a1d2ef8f4b44c4d0d4b3a9a1a0a0a7a1d2ef8f4b44c4d0d4b3a9a1a0a0a7a1"),
        "submit_intent": text("3f2b8c1e-5a4d-4e6f-8b7a-9c0d1e2f3a4b"),
        "accepted_at": text("2026-11-22T05:00:00.000Z"),
        "content": {"M": {"customer_id": text("c-1"), "currency": text("EUR"), "items": {"L": [item]}}},
    })
}

/// Keeps the lines that the API logs, as a function's log does.
fn log() {
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Lines);
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("api", LevelFilter::TRACE);
    let subscriber = tracing_subscriber::registry().with(lines).with(targets);
    tracing::subscriber::set_global_default(subscriber).expect("there is no log yet");
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
