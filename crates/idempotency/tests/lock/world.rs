//! Holders with their own clocks over a model of DynamoDB, on tokio's paused clock. The wire
//! between them loses, delays and refuses on demand.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_model::{Aws, Fault, KinesisOptions, Service, TokioClock};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use idempotency::{Begin, Error, Failure, Fingerprint, Key, Lease, LeaseOptions, LeaseTable, Once};
use serde_json::{Value, json};
use tokio::time::Instant;

/// 22 November 2026, 05:00:00 UTC.
pub(crate) const START: u64 = 1_795_323_600_000;
/// An invocation's timeout.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// The usual payload.
pub(crate) const PAYLOAD: &str = "5 EUR";

/// The way that the wire treats one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does the answer.
    Arrives,
    /// The connection breaks before it arrives.
    LostRequest,
    /// The request arrives, and the connection breaks before the answer does.
    LostAnswer,
    /// It never arrives and nothing comes back.
    Silence,
    /// The request arrives, and nothing comes back.
    SilenceAfterwards,
    /// The connection breaks, and the request arrives when [`World::deliver_late`] is called.
    Late,
    /// DynamoDB refuses it with this status and code.
    Refused(u16, &'static str),
    /// DynamoDB cancels the transaction, with one such reason an item.
    Cancelled(&'static [&'static str]),
}

pub(crate) struct World {
    pub(crate) aws: Aws,
    wire: Wire,
}

#[derive(Clone, Debug)]
struct Wire {
    model: SharedHttpClient,
    state: Arc<Mutex<WireState>>,
}

#[derive(Debug, Default)]
struct WireState {
    /// The fates of the calls to come. Calls beyond these arrive.
    script: VecDeque<Fate>,
    /// Operation and body of the calls that were made.
    calls: Vec<(String, Value)>,
    late: Vec<(SharedHttpConnector, HttpRequest)>,
    /// True if client request tokens are taken off.
    forgets_tokens: bool,
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Line {
            connector: self.model.http_connector(settings, components),
            state: self.state.clone(),
        })
    }
}

#[derive(Debug)]
struct Line {
    connector: SharedHttpConnector,
    state: Arc<Mutex<WireState>>,
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connector, state) = (self.connector.clone(), self.state.clone());
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap();
            let (_, operation) = target.rsplit_once('.').unwrap();
            let operation = operation.to_owned();
            let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let mut request = request;
            let fate = {
                let mut state = state.lock().unwrap();
                if state.forgets_tokens && body.get("ClientRequestToken").is_some() {
                    let mut body = body.clone();
                    body.as_object_mut().unwrap().remove("ClientRequestToken");
                    *request.body_mut() = body.to_string().into();
                }
                state.calls.push((operation, body));
                state.script.pop_front().unwrap_or(Fate::Arrives)
            };
            // A network would let others go on meanwhile, so that concurrent holders interleave.
            tokio::task::yield_now().await;
            match fate {
                Fate::Arrives => connector.call(request).await,
                Fate::LostRequest => Err(broken()),
                Fate::LostAnswer => {
                    let _ = connector.call(request).await;
                    Err(broken())
                }
                Fate::Silence => std::future::pending().await,
                Fate::SilenceAfterwards => {
                    let _ = connector.call(request).await;
                    std::future::pending().await
                }
                Fate::Late => {
                    state.lock().unwrap().late.push((connector, request));
                    Err(broken())
                }
                Fate::Refused(status, code) => Ok(refusal(status, code, &[])),
                Fate::Cancelled(reasons) => {
                    Ok(refusal(400, "TransactionCanceledException", reasons))
                }
            }
        })
    }
}

fn refusal(status: u16, code: &str, reasons: &[&str]) -> HttpResponse {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({"Code": code})).collect();
    let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "CancellationReasons": reasons});
    let status = StatusCode::try_from(status).unwrap();
    HttpResponse::new(status, body.to_string().into())
}

fn broken() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

/// One who asks for leases, with its own clock.
pub(crate) struct Holder {
    pub(crate) table: LeaseTable,
    clock: Arc<AtomicI64>,
}

impl Holder {
    /// Does this work once for a payload, within a whole invocation.
    pub(crate) async fn once<W>(
        &self,
        payload: &str,
        work: W,
    ) -> Result<Once<String, String>, Error>
    where
        W: AsyncFnOnce(&Lease) -> Result<String, Failure<String>>,
    {
        let (key, print) = (key(), fingerprint(payload));
        self.table.once(&key, &print, deadline(), work).await
    }

    /// Does this work once for the usual payload, with so much left of the invocation.
    pub(crate) async fn once_within<W>(
        &self,
        left: Duration,
        work: W,
    ) -> Result<Once<String, String>, Error>
    where
        W: AsyncFnOnce(&Lease) -> Result<String, Failure<String>>,
    {
        let (key, print) = (key(), fingerprint(PAYLOAD));
        let deadline = Instant::now() + left;
        self.table.once(&key, &print, deadline, work).await
    }

    /// Begins for the usual payload, within a whole invocation.
    pub(crate) async fn begin(&self) -> Result<Begin, Error> {
        self.begin_within(TIMEOUT).await
    }

    /// Begins for the usual payload with so much left of the invocation.
    pub(crate) async fn begin_within(&self, left: Duration) -> Result<Begin, Error> {
        let (key, print) = (key(), fingerprint(PAYLOAD));
        self.table.begin(&key, &print, Instant::now() + left).await
    }

    /// Takes the lease.
    pub(crate) async fn lease(&self) -> Lease {
        match self.begin().await.unwrap() {
            Begin::Leased(lease) => lease,
            other => panic!("not leased: {other:?}"),
        }
    }

    /// Puts this one's wall clock so many milliseconds ahead of the true time, or behind.
    pub(crate) fn set_clock(&self, ahead: i64) {
        self.clock.store(ahead, Ordering::SeqCst);
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self::without_table();
        world.create("locks", json!([{"AttributeName": "id", "KeyType": "HASH"}]));
        world.create("items", json!([{"AttributeName": "id", "KeyType": "HASH"}]));
        world
    }

    pub(crate) fn without_table() -> Self {
        let aws = Aws::new(aws_model::ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        let wire = Wire {
            model: aws.http_client(),
            state: Arc::default(),
        };
        Self { aws, wire }
    }

    pub(crate) fn create(&self, name: &str, schema: Value) {
        let attributes: Vec<_> = schema
            .as_array()
            .unwrap()
            .iter()
            .map(|key| json!({"AttributeName": key["AttributeName"], "AttributeType": "S"}))
            .collect();
        let table = json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": schema, "AttributeDefinitions": attributes});
        self.aws
            .operate(Service::DynamoDb, "CreateTable", &table)
            .unwrap();
    }

    /// Puts a business item, as somebody else.
    pub(crate) fn put_item(&self, id: &str) {
        let input = json!({"TableName": "items", "Item": {"id": {"S": id}}});
        let put = self.aws.operate(Service::DynamoDb, "PutItem", &input);
        put.unwrap();
    }

    /// Deletes a business item, as somebody else.
    pub(crate) fn delete_item(&self, id: &str) {
        let input = json!({"TableName": "items", "Key": {"id": {"S": id}}});
        let deleted = self.aws.operate(Service::DynamoDb, "DeleteItem", &input);
        deleted.unwrap();
    }

    pub(crate) fn config(&self) -> SdkConfig {
        self.aws
            .sdk_config()
            .into_builder()
            .http_client(self.wire.clone())
            .build()
    }

    pub(crate) fn holder(&self) -> Holder {
        self.holder_with(LeaseOptions::default())
    }

    pub(crate) fn holder_with(&self, options: LeaseOptions) -> Holder {
        let clock = Arc::new(AtomicI64::new(0));
        let (aws, ahead) = (self.aws.clone(), clock.clone());
        let now = move || {
            let true_time = aws.clock().now_millis();
            let shown = true_time.saturating_add_signed(ahead.load(Ordering::SeqCst));
            SystemTime::UNIX_EPOCH + Duration::from_millis(shown)
        };
        Holder {
            table: LeaseTable::new(
                &self.config(),
                "locks",
                options.clock(now).jitter_seed(Some(1)),
            ),
            clock,
        }
    }

    /// The next calls meet these fates, in this sequence.
    pub(crate) fn script(&self, fates: impl IntoIterator<Item = Fate>) {
        self.wire.state.lock().unwrap().script = fates.into_iter().collect();
    }

    /// From now on DynamoDB does not remember client request tokens, as if ten minutes passed
    /// between any two calls.
    pub(crate) fn forget_tokens(&self) {
        self.wire.state.lock().unwrap().forgets_tokens = true;
    }

    /// Lets the calls that were late arrive, in their sequence. Their answers reach nobody.
    pub(crate) async fn deliver_late(&self) {
        let late = std::mem::take(&mut self.wire.state.lock().unwrap().late);
        for (connector, request) in late {
            connector.call(request).await.unwrap();
        }
    }

    /// The operations called since this was last asked.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.wire.state.lock().unwrap().calls);
        calls.into_iter().map(|(operation, _)| operation).collect()
    }

    /// The operations and bodies of the calls made since this or [`calls`](Self::calls) was last
    /// asked.
    pub(crate) fn calls_with_bodies(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.wire.state.lock().unwrap().calls)
    }

    /// The bodies of the calls made since [`calls`](Self::calls) was last asked.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let state = self.wire.state.lock().unwrap();
        state.calls.iter().map(|(_, body)| body.clone()).collect()
    }

    /// Faults that hit every call for so long.
    pub(crate) fn fault(&self, error: &str, seconds: u64) {
        let fault = Fault::new("dynamodb", error, 1.0, seconds).unwrap();
        self.aws.faults().inject(fault);
    }

    /// The items of a table, as DynamoDB's JSON.
    pub(crate) fn items(&self, table: &str) -> Vec<Value> {
        let scan = json!({"TableName": table, "ConsistentRead": true});
        let scan = self.aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
        scan["Items"].as_array().unwrap().clone()
    }

    /// The one lock there is.
    pub(crate) fn lock(&self) -> Value {
        let items = self.items("locks");
        assert_eq!(items.len(), 1, "{items:?}");
        items[0].clone()
    }
}

pub(crate) fn key() -> Key {
    Key::new("charge", ["order-7"]).unwrap()
}

pub(crate) fn fingerprint(payload: &str) -> Fingerprint {
    Fingerprint::of(payload).unwrap()
}

pub(crate) fn deadline() -> Instant {
    Instant::now() + TIMEOUT
}

/// A put of a business item. With `new`, its condition is that there is none.
pub(crate) fn item(id: &str, new: bool) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("items")
        .item("id", AttributeValue::S(id.to_owned()));
    let put = if new {
        put.condition_expression("attribute_not_exists(id)")
    } else {
        put
    };
    TransactWriteItem::builder()
        .put(put.build().unwrap())
        .build()
}
