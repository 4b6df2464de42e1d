//! An API over a model of AWS, on tokio's paused clock. Requests go in, and responses come out.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use api::{Api, BasePath, CallerSource, MaxWait, Origins, Serves, Stream};
use aws_lambda_events::encodings::Body;
use aws_model::kinesis::{Position, Record};
use aws_model::{Aws, Fault, KinesisOptions, ModelOptions, Service, TokioClock};
use conditional_write::Answer;
use orders::{Intent, Row, Step, next_step};
use orders_table::{OrdersTable, client_for_reads, client_for_writes};
use serde_json::{Value, json};

/// 22 November 2026, 05:00:00 UTC.
pub(crate) const START: u64 = 1_795_323_600_000;

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) api: Api,
}

pub(crate) struct Response {
    pub(crate) status: i64,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap()
    }
}

impl World {
    pub(crate) fn new(callers: &str) -> Self {
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        aws.kinesis().create_stream("intents", 2, 24).unwrap();
        let table = json!({"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
        aws.operate(Service::DynamoDb, "CreateTable", &table)
            .unwrap();
        let config = aws.sdk_config();
        let started = tokio::time::Instant::now();
        let api = Api {
            serves: Serves::All(
                Stream::new(&config, "intents".into()),
                OrdersTable::new(client_for_reads(&config), "orders"),
            ),
            callers: CallerSource::parse(callers).unwrap(),
            base_path: BasePath::default(),
            requires_key: false,
            fairness: None,
            max_wait: MaxWait::default(),
            origins: Origins::new(
                || uuid::Uuid::new_v4().into_bytes(),
                move || UNIX_EPOCH + Duration::from_millis(START) + started.elapsed(),
            ),
        };
        Self { aws, api }
    }

    /// The same API, of which the function serves only the writes.
    pub(crate) fn that_writes(mut self) -> Self {
        let Serves::All(stream, _) = self.api.serves else {
            panic!("the API is cut already")
        };
        self.api.serves = Serves::Writes(stream);
        self
    }

    /// The same API, of which the function serves only the reads.
    pub(crate) fn that_reads(mut self) -> Self {
        let Serves::All(_, table) = self.api.serves else {
            panic!("the API is cut already")
        };
        self.api.serves = Serves::Reads(table);
        self
    }

    pub(crate) async fn send(&self, request: Value) -> Response {
        self.send_within(Duration::from_secs(10), request).await
    }

    /// Sends a request to an invocation that has this much time left.
    pub(crate) async fn send_within(&self, time_left: Duration, request: Value) -> Response {
        let event = request.to_string();
        self.answer(event.as_bytes(), time_left).await.unwrap()
    }

    /// Gives the function these bytes of an event. Returns its answer, or the failure of the
    /// invocation.
    pub(crate) async fn answer(
        &self,
        event: &[u8],
        time_left: Duration,
    ) -> Result<Response, function_runtime::Failure> {
        let answer = self.api.answer(event, time_left).await?;
        let body = match answer.body {
            Some(Body::Text(body)) => {
                assert!(
                    body.ends_with("}\n"),
                    "a terminal's prompt begins its own line"
                );
                serde_json::from_str(&body).unwrap()
            }
            None if answer.status_code == 304 => Value::Null,
            other => panic!("{other:?} is no body"),
        };
        Ok(Response {
            status: answer.status_code,
            headers: answer.headers,
            body,
        })
    }

    /// All records of the stream.
    pub(crate) fn records(&self) -> Vec<Record> {
        let kinesis = self.aws.kinesis();
        let shards = kinesis.shards("intents").unwrap();
        let read = |id: &str| kinesis.read("intents", id, Position::TrimHorizon, 10_000);
        shards
            .iter()
            .flat_map(|shard| read(&shard.id).unwrap().records)
            .collect()
    }

    /// All intents of the stream.
    pub(crate) fn intents(&self) -> Vec<Intent> {
        let decode = |record: Record| Intent::decode(&record.data).unwrap();
        self.records().into_iter().map(decode).collect()
    }

    /// Puts the first write of every intent in the stream into the table, as the consumer does.
    pub(crate) async fn consume(&self) {
        let client = client_for_writes(&self.aws.sdk_config());
        let table = OrdersTable::new(client, "orders");
        for intent in self.intents() {
            let Step::Write { write, .. } = next_step(&intent, None) else {
                panic!("no write")
            };
            let answer = table.write(intent.order_id, &write, vec![]).await;
            assert_eq!(answer.unwrap(), Answer::Done);
        }
    }

    /// Takes every intent in the stream to its end, however often the row refuses a write.
    pub(crate) async fn settle(&self) {
        let client = client_for_writes(&self.aws.sdk_config());
        let table = OrdersTable::new(client, "orders");
        for intent in self.intents() {
            let mut row = None;
            while let Step::Write { write, .. } = next_step(&intent, row.as_ref()) {
                let answer = table.write(intent.order_id, &write, vec![]).await;
                let Answer::Refused(item) = answer.unwrap() else {
                    break;
                };
                row = item.map(|item| Row::from_item(&item).unwrap());
            }
        }
    }

    pub(crate) fn fault(&self, service: &str, error: &str) {
        self.aws
            .faults()
            .inject(Fault::new(service, error, 1.0, 600).unwrap());
    }
}

pub(crate) const ORDER: &str = r#"{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}"#;

/// An event as API Gateway's HTTP API makes it of a request without body.
pub(crate) fn request(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": {
            "accountId": "000000000000", "apiId": "api", "domainName": "localhost", "stage": "$default",
            "requestId": "JKJaXmPLvHcESHA=", "time": "22/Nov/2026:05:00:00 +0000", "timeEpoch": 1_795_323_600_000_u64,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
        },
        "isBase64Encoded": false,
    })
}

pub(crate) fn submit(body: &str) -> Value {
    let mut request = with_header(
        request("POST", "/orders"),
        "content-type",
        "application/json",
    );
    request["body"] = json!(body);
    request
}

pub(crate) fn with_header(mut request: Value, name: &str, value: &str) -> Value {
    request["headers"][name] = json!(value);
    request
}

pub(crate) fn with_authorizer(mut request: Value, authorizer: Value) -> Value {
    request["requestContext"]["authorizer"] = authorizer;
    request
}

/// A request from a caller, as the JWT authorizer passes the caller on.
pub(crate) fn from(request: Value, caller: &str) -> Value {
    with_authorizer(
        request,
        json!({"jwt": {"claims": {"iss": "https://issuer", "sub": caller}, "scopes": null}}),
    )
}
