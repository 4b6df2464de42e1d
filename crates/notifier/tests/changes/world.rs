//! A notifier over the models of AWS, on tokio's paused clock. Intents are applied to the orders
//! table, and each change of a row becomes a record as its change stream has it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::event::streams::DynamoDbEventResponse;
use aws_model::kinesis::Position;
use aws_model::{Aws, Fault, KinesisOptions, ModelOptions, Service, TokioClock};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use conditional_write::{Answer, Item};
use keyed_batch::{DynamoDbRecord, Limits, Report};
use notifier::announce::{Announcer, Progress, Which};
use notifier::{Announcements, FactsStream, Notifier};
use orders::{
    Caller, FactEvent, Intent, IntentId, NewOrder, OrderId, Row, Step, Timestamp, next_step,
};
use orders_table::{OrdersTable, client_for_writes};
use serde_json::{Value, json};
use tokio::time::Instant;

/// 22 November 2026, 05:00:00 UTC.
const START: u64 = 1_795_323_600_000;
const STREAM: &str = "order-facts";
const MARKS: &str = "order-announcements";
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) aws: Aws,
    notifier: Notifier,
    orders: OrdersTable,
    calls: Calls,
    numbers: Mutex<u64>,
}

/// A call of the notifier.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

/// The calls of the notifier, in their sequence.
#[derive(Clone, Debug)]
struct Calls {
    wire: SharedHttpClient,
    seen: Arc<Mutex<Vec<Call>>>,
}

impl HttpClient for Calls {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Seen {
            connector: self.wire.http_connector(settings, components),
            seen: self.seen.clone(),
        })
    }
}

#[derive(Debug)]
struct Seen {
    connector: SharedHttpConnector,
    seen: Arc<Mutex<Vec<Call>>>,
}

impl HttpConnector for Seen {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let (_, operation) = target.split_once('.').unwrap();
        self.seen.lock().unwrap().push(Call {
            operation: operation.to_owned(),
            body: serde_json::from_slice(request.body().bytes().unwrap()).unwrap(),
        });
        self.connector.call(request)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        aws.kinesis().create_stream(STREAM, 1, 24).unwrap();
        for table in ["orders", MARKS] {
            let table = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
            aws.operate(Service::DynamoDb, "CreateTable", &table)
                .unwrap();
        }
        let calls = Calls {
            wire: aws.http_client(),
            seen: Arc::default(),
        };
        let config = aws
            .sdk_config()
            .into_builder()
            .http_client(calls.clone())
            .build();
        let notifier = Notifier::new(
            FactsStream::new(&config, STREAM),
            Announcements::new(client_for_writes(&config), MARKS),
            Limits::default().jitter_seed(Some(1)),
        );
        Self {
            orders: OrdersTable::new(client_for_writes(&aws.sdk_config()), "orders"),
            aws,
            notifier,
            calls,
            numbers: Mutex::new(100),
        }
    }

    /// Applies an intent to the orders table, and returns the change of its row.
    pub(crate) async fn apply(&self, intent: &Intent) -> DynamoDbRecord {
        let old = self.image("orders", intent.order_id);
        let mut row = None;
        while let Step::Write { write, .. } = next_step(intent, row.as_ref()) {
            match self.orders.write(intent.order_id, &write, vec![]).await {
                Ok(Answer::Done) => break,
                Ok(Answer::Refused(item)) => {
                    row = item.map(|item: Item| Row::from_item(&item).unwrap());
                }
                Err(error) => panic!("{error}"),
            }
        }
        let new = self.image("orders", intent.order_id);
        self.change(intent.order_id, old, new)
    }

    /// Deletes a row, and returns the change.
    pub(crate) fn delete(&self, order_id: OrderId) -> DynamoDbRecord {
        let old = self.image("orders", order_id);
        let key = json!({"order_id": {"S": order_id.to_string()}});
        let input = json!({"TableName": "orders", "Key": key});
        self.aws
            .operate(Service::DynamoDb, "DeleteItem", &input)
            .unwrap();
        self.change(order_id, old, None)
    }

    /// A change as the stream has it, at the present second.
    pub(crate) fn change(
        &self,
        order_id: OrderId,
        old: Option<Value>,
        new: Option<Value>,
    ) -> DynamoDbRecord {
        let mut number = self.numbers.lock().unwrap();
        *number += 1;
        let keys = json!({"order_id": {"S": order_id.to_string()}});
        let mut change = DynamoDbRecord::new(&keys, number.to_string(), old, new);
        let seconds = self.aws.clock().now_millis() / 1_000;
        change.approximate_creation = Some(Duration::from_secs(seconds));
        change
    }

    fn image(&self, table: &str, order_id: OrderId) -> Option<Value> {
        let key = json!({"order_id": {"S": order_id.to_string()}});
        let input = json!({"TableName": table, "Key": key, "ConsistentRead": true});
        let output = self.aws.operate(Service::DynamoDb, "GetItem", &input);
        output.unwrap().get("Item").cloned()
    }

    /// Delivers these changes as one batch.
    pub(crate) async fn deliver(
        &self,
        changes: &[DynamoDbRecord],
    ) -> Report<DynamoDbEventResponse> {
        let deadline = Instant::now() + TIMEOUT;
        self.notifier.handle(changes, deadline).await
    }

    /// Delivers these changes as one batch. Every change has to be done.
    pub(crate) async fn notify(&self, changes: &[DynamoDbRecord]) {
        let report = self.deliver(changes).await;
        assert_eq!(failures(&report), [""; 0]);
    }

    /// Announces facts from the rows, at the present time.
    pub(crate) async fn announce(&self, which: Which) -> Progress {
        let config = self.aws.sdk_config();
        let client = aws_sdk_dynamodb::Client::new(&config);
        let announcer = Announcer::new(
            client.clone(),
            "orders",
            FactsStream::new(&config, STREAM),
            Announcements::new(client, MARKS),
            Limits::default().jitter_seed(Some(2)),
        );
        announcer.run(which, time(), |_| {}).await.unwrap()
    }

    /// The facts in the stream, in its sequence. Each lies under its order's key.
    pub(crate) fn facts(&self) -> Vec<FactEvent> {
        let mut facts = Vec::new();
        for shard in self.aws.kinesis().shards(STREAM).unwrap() {
            let read = self
                .aws
                .kinesis()
                .read(STREAM, &shard.id, Position::TrimHorizon, 10_000);
            for record in read.unwrap().records {
                let fact = FactEvent::decode(&record.data).unwrap();
                assert_eq!(record.partition_key, fact.order_id.to_string());
                facts.push(fact);
            }
        }
        facts
    }

    /// The ids of the facts in the stream, without the order's id.
    pub(crate) fn names(&self) -> Vec<String> {
        self.facts().iter().map(|event| event.fact.name()).collect()
    }

    /// The names of the facts of an order that have a mark.
    pub(crate) fn marks(&self, order_id: OrderId) -> Vec<String> {
        let item = self.image(MARKS, order_id).unwrap_or_default();
        let names = item.as_object().into_iter().flat_map(|item| item.keys());
        let names = names.filter(|name| *name != "order_id");
        names.cloned().collect()
    }

    /// The calls of the notifier since the last time.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.seen.lock().unwrap())
    }

    /// Disturbs a share of the calls of a service for some seconds.
    pub(crate) fn inject(&self, service: &str, error: &str, rate: f64, seconds: u64) {
        let fault = Fault::new(service, error, rate, seconds).unwrap();
        self.aws.faults().inject(fault);
    }
}

/// The sequence numbers of the changes that have to come again.
pub(crate) fn failures(report: &Report<DynamoDbEventResponse>) -> Vec<String> {
    let response = report.response.as_ref().unwrap();
    let failures = response.batch_item_failures.iter();
    failures
        .map(|failure| failure.item_identifier.clone().unwrap())
        .collect()
}

pub(crate) fn order_id(number: u8) -> OrderId {
    OrderId::from_random([number; 16])
}

fn time() -> Timestamp {
    Timestamp::parse("2026-11-22T04:59:59.000Z").unwrap()
}

pub(crate) fn submit(order: OrderId, intent: u8, customer: &str) -> Intent {
    let items = json!([{"sku": "A-1", "quantity": 2, "unit_price": 1299}]);
    let content = json!({"customer_id": customer, "currency": "EUR", "items": items});
    let content = NewOrder::parse(content.to_string().as_bytes()).unwrap();
    let id = IntentId::from_random([intent; 16]);
    Intent::submit(id, order, time(), Caller::anonymous(), content)
}

pub(crate) fn cancel(order: OrderId, intent: u8) -> Intent {
    let id = IntentId::from_random([intent; 16]);
    Intent::cancel(id, order, time(), Caller::anonymous())
}
