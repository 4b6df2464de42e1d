//! A consumer over a model of DynamoDB, on tokio's paused clock. Batches go in, and failures come
//! out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_model::{Aws, Fault, KinesisOptions, ModelOptions, Service, TokioClock};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use base64::Engine as _;
use conditional_write::{Item, ItemKey};
use consumer::Consumer;
use keyed_batch::{KinesisEvent, KinesisRecord, Report};
use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Outcome, Row, Timestamp};
use orders_table::{OrdersTable, client_for_writes};
use serde_json::{Value, json};
use tokio::time::Instant;

/// 22 November 2026, 05:00:00 UTC.
const START: u64 = 1_795_323_600_000;
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) consumer: Consumer,
    pub(crate) table: OrdersTable,
    pub(crate) client: aws_sdk_dynamodb::Client,
    calls: Calls,
}

/// The operations that clients have called, in sequence.
#[derive(Clone, Debug)]
struct Calls {
    wire: aws_smithy_runtime_api::client::http::SharedHttpClient,
    operations: Arc<Mutex<Vec<String>>>,
}

impl HttpClient for Calls {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Counted {
            connector: self.wire.http_connector(settings, components),
            operations: self.operations.clone(),
        })
    }
}

#[derive(Debug)]
struct Counted {
    connector: SharedHttpConnector,
    operations: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Counted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        self.operations.lock().unwrap().push(operation.to_owned());
        let connector = self.connector.clone();
        HttpConnectorFuture::new(async move {
            // A network would let others go on meanwhile, so that concurrent applies interleave.
            tokio::task::yield_now().await;
            connector.call(request).await
        })
    }
}

impl World {
    /// A consumer and its table.
    pub(crate) fn new() -> Self {
        let world = Self::without_table();
        world.create_table();
        world
    }

    pub(crate) fn without_table() -> Self {
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        let calls = Calls {
            wire: aws.http_client(),
            operations: Arc::default(),
        };
        let config = aws
            .sdk_config()
            .into_builder()
            .http_client(calls.clone())
            .build();
        let client = client_for_writes(&config);
        let table = OrdersTable::new(client.clone(), "orders");
        let limits = keyed_batch::Limits::default().jitter_seed(Some(1));
        Self {
            consumer: Consumer::new(table.clone(), limits),
            table,
            client,
            aws,
            calls,
        }
    }

    pub(crate) fn create_table(&self) {
        let table = json!({"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
        self.aws
            .operate(Service::DynamoDb, "CreateTable", &table)
            .unwrap();
    }

    /// Delivers these data as one batch, and returns the report.
    pub(crate) async fn deliver(&self, batch: &[Vec<u8>]) -> Report {
        let records = records(batch);
        self.consumer
            .handle(&records, Instant::now() + TIMEOUT)
            .await
    }

    /// Delivers these intents as one batch. Every intent has to be done.
    pub(crate) async fn apply(&self, intents: &[Intent]) {
        let batch: Vec<_> = intents.iter().map(Intent::encode).collect();
        assert_eq!(failures(&self.deliver(&batch).await), [0; 0]);
    }

    /// The outcome of one intent, or the code of the error.
    pub(crate) async fn outcome_of(&self, intent: &Intent) -> Result<Outcome, String> {
        let outcome = self.consumer.apply(intent).await;
        outcome.map_err(|error| error.code().to_owned())
    }

    /// The row as the SDK reads it.
    pub(crate) async fn item(&self, order_id: OrderId) -> Option<Item> {
        let key = ItemKey::new(Row::KEY, order_id.to_string());
        let request = self.client.get_item().table_name("orders");
        let request = request.set_key(Some(key.attributes()));
        key.item(request.send().await.unwrap().item())
    }

    pub(crate) async fn delete(&self, order_id: OrderId) {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(order_id.to_string());
        let request = self.client.delete_item().table_name("orders");
        request.key("order_id", key).send().await.unwrap();
    }

    pub(crate) async fn row(&self, order_id: OrderId) -> Row {
        Row::from_item(&self.item(order_id).await.unwrap()).unwrap()
    }

    /// The operations called since this was last asked.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.operations.lock().unwrap())
    }

    pub(crate) fn fault(&self, error: &str, seconds: u64) {
        let fault = Fault::new("dynamodb", error, 1.0, seconds).unwrap();
        self.aws.faults().inject(fault);
    }
}

/// The indexes in the batch of the records that were reported as failed.
pub(crate) fn failures(report: &Report) -> Vec<usize> {
    let response = report.response.as_ref().unwrap();
    let index = |id: &Option<String>| id.as_deref().unwrap().parse::<usize>().unwrap() - 1_000;
    let failures = response.batch_item_failures.iter();
    failures
        .map(|failure| index(&failure.item_identifier))
        .collect()
}

/// Records as Lambda sends them. The partition key is the subject of the event, if it has one.
fn records(batch: &[Vec<u8>]) -> Vec<KinesisRecord> {
    let record = |(index, data): (usize, &Vec<u8>)| {
        let event: Value = serde_json::from_slice(data).unwrap_or_default();
        let sequence_number = (1_000 + index).to_string();
        json!({
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": event["subject"].as_str().unwrap_or("none"),
                "sequenceNumber": sequence_number, "approximateArrivalTimestamp": 1_795_323_600.123,
                "data": base64::engine::general_purpose::STANDARD.encode(data)},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
            "eventID": format!("shardId-000000000000:{sequence_number}"), "awsRegion": "eu-central-1",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:000000000000:stream/order-intents",
        })
    };
    let records: Vec<Value> = batch.iter().enumerate().map(record).collect();
    let event: KinesisEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    event.records
}

pub(crate) fn order_id(n: u8) -> OrderId {
    OrderId::from_random([n; 16])
}

pub(crate) fn caller(name: &str) -> Caller {
    Caller::parse(name).unwrap()
}

pub(crate) fn order(sku: &str) -> NewOrder {
    let body = json!({"customer_id": "c", "currency": "EUR", "items": [{"sku": sku, "quantity": 2, "unit_price": 5}]});
    NewOrder::parse(body.to_string().as_bytes()).unwrap()
}

/// The submit of order `n` by `owner`. `id` makes the intent.
pub(crate) fn submit(id: u8, n: u8, owner: &str, sku: &str) -> Intent {
    let (id, at) = (IntentId::from_random([id; 16]), timestamp(id));
    Intent::submit(id, order_id(n), at, caller(owner), order(sku))
}

pub(crate) fn cancel(id: u8, n: u8, by: &str) -> Intent {
    let (id, at) = (IntentId::from_random([id; 16]), timestamp(id));
    Intent::cancel(id, order_id(n), at, caller(by))
}

fn timestamp(id: u8) -> Timestamp {
    Timestamp::from_unix_millis(1_795_323_600_000 + i64::from(id)).unwrap()
}
