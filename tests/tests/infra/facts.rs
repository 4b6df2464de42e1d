//! The notifier, the command `announce` and the subscriber `shipping` over the models of AWS, in
//! this process. Their calls are recorded where they leave the SDK.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_model::{Aws, Fault, KinesisOptions, ModelOptions, Service, TokioClock};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use conditional_write::Answer;
use idempotency::{LeaseOptions, LeaseTable};
use keyed_batch::{DynamoDbRecord, KinesisRecord, Limits};
use notifier::announce::{Announcer, Which};
use notifier::{Announcements, FactsStream, Notifier};
use orders::{
    Caller, FactEvent, Intent, IntentId, NewOrder, OrderId, Row, Step, Timestamp, next_step,
};
use orders_table::{OrdersTable, client_for_writes};
use serde_json::{Value, json};
use shipping::Shipping;
use tests::ORDER;
use tokio::time::Instant;

/// 22 November 2026, 05:00:00 UTC.
const START: u64 = 1_795_323_600_000;
const FACTS: &str = "order-facts";
const MARKS: &str = "order-announcements";
const TIMEOUT: Duration = Duration::from_secs(30);

/// The parts behind the orders table, on tokio's paused clock.
pub(crate) struct World {
    aws: Aws,
    numbers: Mutex<u64>,
}

/// The actions that a part of the service has called, such as `dynamodb:UpdateItem`.
#[derive(Clone, Debug, Default)]
struct Actions(Arc<Mutex<BTreeSet<String>>>);

#[derive(Debug)]
struct Recorder {
    wire: SharedHttpClient,
    actions: Actions,
}

impl HttpClient for Recorder {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Recorded {
            connector: self.wire.http_connector(settings, components),
            actions: self.actions.clone(),
        })
    }
}

#[derive(Debug)]
struct Recorded {
    connector: SharedHttpConnector,
    actions: Actions,
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.actions
            .0
            .lock()
            .unwrap()
            .extend(actions(target, &body));
        self.connector.call(request)
    }
}

/// The actions that a call needs. A transaction needs those of the writes that it consists of
/// (DynamoDB developer guide, "Using IAM with DynamoDB transactions").
fn actions(target: &str, body: &Value) -> Vec<String> {
    let (service, operation) = target.split_once('.').unwrap();
    let service = match service {
        "Kinesis_20131202" => "kinesis",
        "DynamoDB_20120810" => "dynamodb",
        other => panic!("{other} is not known here"),
    };
    if operation != "TransactWriteItems" {
        return vec![format!("{service}:{operation}")];
    }
    let items = body["TransactItems"].as_array().unwrap().iter();
    let writes = items.flat_map(|item| item.as_object().unwrap().keys());
    writes
        .map(|write| match write.as_str() {
            "ConditionCheck" => format!("{service}:ConditionCheckItem"),
            write => format!("{service}:{write}Item"),
        })
        .collect()
}

impl World {
    pub(crate) fn new() -> Self {
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        aws.kinesis().create_stream(FACTS, 1, 24).unwrap();
        for (table, key) in [
            ("orders", "order_id"),
            (MARKS, "order_id"),
            ("shipments", "order_id"),
            ("shipment-locks", "id"),
        ] {
            let table = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}]});
            aws.operate(Service::DynamoDb, "CreateTable", &table)
                .unwrap();
        }
        Self {
            aws,
            numbers: Mutex::new(100),
        }
    }

    /// A configuration of clients whose calls are recorded.
    fn recorded(&self) -> (SdkConfig, Actions) {
        let actions = Actions::default();
        let recorder = Recorder {
            wire: self.aws.http_client(),
            actions: actions.clone(),
        };
        let config = self.aws.sdk_config().into_builder().http_client(recorder);
        (config.build(), actions)
    }

    /// Applies an intent to the orders table, and returns the change of its row.
    pub(crate) async fn apply(&self, intent: &Intent) -> DynamoDbRecord {
        let orders = OrdersTable::new(client_for_writes(&self.aws.sdk_config()), "orders");
        let old = self.row(intent.order_id);
        let mut row = None;
        while let Step::Write { write, .. } = next_step(intent, row.as_ref()) {
            match orders.write(intent.order_id, &write, vec![]).await.unwrap() {
                Answer::Done => break,
                Answer::Refused(item) => row = item.map(|item| Row::from_item(&item).unwrap()),
            }
        }
        let new = self.row(intent.order_id);
        self.change(intent.order_id, old, new)
    }

    /// Deletes a row, and returns the change.
    pub(crate) fn delete(&self, order_id: OrderId) -> DynamoDbRecord {
        let old = self.row(order_id);
        let key = json!({"order_id": {"S": order_id.to_string()}});
        let input = json!({"TableName": "orders", "Key": key});
        self.aws
            .operate(Service::DynamoDb, "DeleteItem", &input)
            .unwrap();
        self.change(order_id, old, None)
    }

    /// A change as the table's change stream has it.
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
        change.approximate_creation = Some(Duration::from_millis(START));
        change
    }

    fn row(&self, order_id: OrderId) -> Option<Value> {
        let key = json!({"order_id": {"S": order_id.to_string()}});
        let input = json!({"TableName": "orders", "Key": key, "ConsistentRead": true});
        let output = self.aws.operate(Service::DynamoDb, "GetItem", &input);
        output.unwrap().get("Item").cloned()
    }

    /// Hands these changes to the notifier as one batch. Returns its actions.
    pub(crate) async fn notify(&self, changes: &[DynamoDbRecord]) -> BTreeSet<String> {
        let (config, actions) = self.recorded();
        let notifier = Notifier::new(
            FactsStream::new(&config, FACTS),
            Announcements::new(client_for_writes(&config), MARKS),
            Limits::default().jitter_seed(Some(1)),
        );
        let _ = notifier.handle(changes, Instant::now() + TIMEOUT).await;
        std::mem::take(&mut actions.0.lock().unwrap())
    }

    /// Runs `announce`. Returns its actions.
    pub(crate) async fn announce(&self, which: Which) -> BTreeSet<String> {
        let (config, actions) = self.recorded();
        let client = aws_sdk_dynamodb::Client::new(&config);
        let announcer = Announcer::new(
            client.clone(),
            "orders",
            FactsStream::new(&config, FACTS),
            Announcements::new(client, MARKS),
            Limits::default().jitter_seed(Some(2)),
        );
        let progress = announcer.run(which, time(), |_| {}).await.unwrap();
        assert_eq!(progress.failed, 0);
        std::mem::take(&mut actions.0.lock().unwrap())
    }

    /// Hands these facts to `shipping` as one batch. Returns its actions.
    pub(crate) async fn ship(&self, facts: &[FactEvent]) -> BTreeSet<String> {
        let (config, actions) = self.recorded();
        let clock = self.aws.clock().clone();
        let options = LeaseOptions::default()
            .jitter_seed(Some(1))
            .clock(move || UNIX_EPOCH + Duration::from_millis(clock.now_millis()));
        let locks = LeaseTable::new(&config, "shipment-locks", options);
        let shipping = Shipping::new(locks, "shipments", Limits::default().jitter_seed(Some(1)));
        let records: Vec<KinesisRecord> = (0..)
            .zip(facts)
            .map(|(number, event): (u32, _)| {
                let key = event.order_id.to_string();
                KinesisRecord::new(key, number.to_string(), event.encode())
            })
            .collect();
        let _ = shipping.handle(&records, Instant::now() + TIMEOUT).await;
        std::mem::take(&mut actions.0.lock().unwrap())
    }

    /// The facts in the stream, in its sequence.
    pub(crate) fn facts(&self) -> Vec<FactEvent> {
        let kinesis = self.aws.kinesis();
        let shards = kinesis.shards(FACTS).unwrap().into_iter();
        let records = shards.flat_map(|shard| {
            let oldest = aws_model::kinesis::Position::TrimHorizon;
            kinesis
                .read(FACTS, &shard.id, oldest, 10_000)
                .unwrap()
                .records
        });
        records
            .map(|record| FactEvent::decode(&record.data).unwrap())
            .collect()
    }

    /// Makes every call of a service fail with this error for some seconds.
    pub(crate) fn fault(&self, service: &str, error: &str, seconds: u64) {
        let fault = Fault::new(service, error, 1.0, seconds).unwrap();
        self.aws.faults().inject(fault);
    }
}

pub(crate) fn order_id(number: u8) -> OrderId {
    OrderId::from_random([number; 16])
}

fn time() -> Timestamp {
    Timestamp::from_unix_millis(START.try_into().unwrap()).unwrap()
}

/// The submit of an order of this sku.
pub(crate) fn submit(order: OrderId, intent: u8, sku: &str) -> Intent {
    let content = NewOrder::parse(ORDER.replace("A-1", sku).as_bytes()).unwrap();
    let id = IntentId::from_random([intent; 16]);
    Intent::submit(id, order, time(), Caller::anonymous(), content)
}

pub(crate) fn cancel(order: OrderId, intent: u8) -> Intent {
    let id = IntentId::from_random([intent; 16]);
    Intent::cancel(id, order, time(), Caller::anonymous())
}
