//! Facts go in, and shipments come out, one for each order.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_model::{Aws, Fault, KinesisOptions, ModelOptions, Service, TokioClock};
use futures::future::join;
use idempotency::{LeaseOptions, LeaseTable};
use keyed_batch::{Disposition, KinesisRecord, Limits, Report};
use orders::{
    Caller, Cancelled, Created, Erased, Fact, FactEvent, Fingerprint, NewOrder, OrderId, Timestamp,
};
use serde_json::{Value, json};
use shipping::Shipping;
use tokio::time::Instant;

/// 22 November 2026, 05:00:00 UTC.
const START: u64 = 1_795_323_600_000;

struct World {
    aws: Aws,
}

impl World {
    fn new() -> Self {
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        for (table, key) in [("locks", "id"), ("shipments", "order_id")] {
            let table = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}]});
            aws.operate(Service::DynamoDb, "CreateTable", &table)
                .unwrap();
        }
        Self { aws }
    }

    /// A subscriber in its own execution environment.
    fn shipping(&self) -> Shipping {
        let limits = Limits::default().jitter_seed(Some(1));
        Shipping::new(self.locks(), "shipments", limits)
    }

    fn locks(&self) -> LeaseTable {
        let clock = self.aws.clock().clone();
        let options = LeaseOptions::default()
            .jitter_seed(Some(1))
            .clock(move || UNIX_EPOCH + Duration::from_millis(clock.now_millis()));
        LeaseTable::new(&self.aws.sdk_config(), "locks", options)
    }

    async fn deliver(&self, facts: &[FactEvent]) -> Report {
        handle(&self.shipping(), facts).await
    }

    /// The bookings of all shipments, each of which is new for every booking.
    fn bookings(&self) -> Vec<String> {
        let scan = json!({"TableName": "shipments", "ConsistentRead": true});
        let output = self.aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
        let items = output["Items"].as_array().unwrap().iter();
        let booking = |item: &Value| item["booking"]["S"].as_str().unwrap().to_owned();
        let mut bookings: Vec<String> = items.map(booking).collect();
        bookings.sort();
        bookings
    }

    /// The order id and the event id of each shipment.
    fn shipments(&self) -> Vec<(String, String)> {
        let scan = json!({"TableName": "shipments", "ConsistentRead": true});
        let output = self.aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
        let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
        let items = output["Items"].as_array().unwrap().iter();
        items
            .map(|item| (text(item, "order_id"), text(item, "event_id")))
            .collect()
    }
}

async fn handle(shipping: &Shipping, facts: &[FactEvent]) -> Report {
    let records: Vec<KinesisRecord> = facts
        .iter()
        .enumerate()
        .map(|(number, event)| {
            let key = event.order_id.to_string();
            KinesisRecord::new(key, number.to_string(), event.encode())
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    shipping.handle(&records, deadline).await
}

fn dispositions(report: &Report) -> Vec<Disposition> {
    let records = report.records.iter();
    records.map(|record| record.disposition).collect()
}

fn time() -> Timestamp {
    Timestamp::from_unix_millis(START.try_into().unwrap()).unwrap()
}

fn created(order: u8) -> FactEvent {
    let owner = Caller::anonymous();
    let items = json!([{"sku": "A-1", "quantity": 2, "unit_price": 1299}]);
    let content = json!({"customer_id": "c-1", "currency": "EUR", "items": items});
    let content = NewOrder::parse(content.to_string().as_bytes()).unwrap();
    let fact = Fact::Created(Created {
        accepted_at: time(),
        fingerprint: Fingerprint::of(&owner, &content),
        total: content.total(),
        owner,
        order: content,
    });
    FactEvent::new(OrderId::from_random([order; 16]), fact, time())
}

fn cancelled(order: u8) -> FactEvent {
    let fact = Fact::Cancelled(Cancelled {
        accepted_at: time(),
        owner: Caller::anonymous(),
    });
    FactEvent::new(OrderId::from_random([order; 16]), fact, time())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_created_gets_a_shipment_that_names_the_fact() {
    let world = World::new();
    let event = created(1);
    let report = world.deliver(std::slice::from_ref(&event)).await;
    assert_eq!(dispositions(&report), [Disposition::Done]);
    assert_eq!(
        world.shipments(),
        [(event.order_id.to_string(), event.id())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fact_that_comes_again_books_nothing_more() {
    let world = World::new();
    let report = world.deliver(&[created(1), created(1)]).await;
    assert_eq!(dispositions(&report), [Disposition::Done; 2]);
    let bookings = world.bookings();
    let report = world.deliver(&[created(1)]).await;
    assert_eq!(dispositions(&report), [Disposition::Done]);
    assert_eq!(world.bookings(), bookings);
}

#[tokio::test(start_paused = true)]
async fn a_fact_that_is_delivered_to_two_environments_at_once_is_booked_once() {
    let world = World::new();
    let (one, other) = (world.shipping(), world.shipping());
    let facts = [created(1)];
    let (one, other) = join(handle(&one, &facts), handle(&other, &facts)).await;
    assert_eq!(dispositions(&one), [Disposition::Done]);
    assert_eq!(dispositions(&other), [Disposition::Done]);
    assert_eq!(world.shipments().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn behind_a_holder_that_died_a_fact_is_left_to_the_next_invocation_and_others_are_booked() {
    let world = World::new();
    let (stuck, other) = (created(1), created(2));
    let Fact::Created(content) = &stuck.fact else {
        unreachable!("an order is created")
    };
    let key = idempotency::Key::new("shipment", [stuck.id()]).unwrap();
    let fingerprint = idempotency::Fingerprint::of(content.fingerprint.as_str()).unwrap();
    // The holder's deadline is ours, and a lease lasts a second longer by another clock.
    let deadline = Instant::now() + Duration::from_secs(30);
    let shipping = world.shipping();
    let lease = world.locks().begin(&key, &fingerprint, deadline).await;
    drop(lease.unwrap());

    let began = Instant::now();
    let facts = [stuck, other, cancelled(1)];
    let report = handle(&shipping, &facts).await;
    let deferred = Disposition::Deferred("in_progress");
    assert_eq!(
        dispositions(&report),
        [deferred, Disposition::Done, Disposition::NotAttempted]
    );
    assert_eq!(report.summary.attempts, 2, "the lock is not polled");
    assert!(began.elapsed() < Duration::from_millis(100));

    // Behind the lease's end at 31 s the next invocation would have no time to book.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let report = handle(&shipping, &facts).await;
    assert_eq!(dispositions(&report)[0], deferred);
    assert!(began.elapsed() < Duration::from_millis(2_100));

    // The one after that has the time, and waits.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let report = handle(&shipping, &facts).await;
    assert_eq!(dispositions(&report), [Disposition::Done; 3]);
    let attempts = report.summary.attempts;
    assert_eq!(attempts, 4, "one for each, and one for the wait");
    assert!(began.elapsed() < Duration::from_millis(31_100));
    assert_eq!(world.shipments().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_facts_book_nothing() {
    let world = World::new();
    let order_id = OrderId::from_random([1; 16]);
    let erased = FactEvent::new(order_id, Fact::Erased(Erased {}), time());
    let report = world.deliver(&[cancelled(1), erased]).await;
    assert_eq!(dispositions(&report), [Disposition::Done; 2]);
    assert_eq!(world.shipments(), []);
}

#[tokio::test(start_paused = true)]
async fn a_fact_of_a_newer_notifier_is_left_alone_and_poison_is_rejected() {
    let world = World::new();
    let mut newer: Value = serde_json::from_slice(&created(1).encode()).unwrap();
    newer["type"] = json!("OrderRefunded.v1");
    let records = [
        KinesisRecord::new("a", "1", newer.to_string()),
        KinesisRecord::new("b", "2", "no JSON"),
    ];
    let deadline = Instant::now() + Duration::from_secs(30);
    let report = world.shipping().handle(&records, deadline).await;
    assert_eq!(
        dispositions(&report),
        [Disposition::Done, Disposition::Rejected("not_json")]
    );
}

#[tokio::test(start_paused = true)]
async fn while_answers_are_lost_each_order_gets_one_shipment() {
    let world = World::new();
    let fault = Fault::new("dynamodb", "lost-answer", 0.3, 60).unwrap();
    world.aws.faults().inject(fault);
    let facts: Vec<FactEvent> = (0..30).map(created).collect();
    let _ = world.deliver(&facts).await;
    let first = world.bookings();
    for _ in 0..2 {
        let _ = world.deliver(&facts).await;
    }
    world.aws.faults().clear();
    let report = world.deliver(&facts).await;
    assert_eq!(report.summary.done, 30);
    let last = world.bookings();
    assert_eq!(last.len(), 30);
    assert!(first.iter().all(|booking| last.contains(booking)));
}

#[tokio::test(start_paused = true)]
async fn a_shipment_whose_lock_has_gone_is_not_booked_again() {
    let world = World::new();
    let event = created(1);
    let _ = world.deliver(std::slice::from_ref(&event)).await;
    let scan = json!({"TableName": "locks"});
    let locks = world.aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
    let key = json!({"id": locks["Items"][0]["id"]});
    let delete = json!({"TableName": "locks", "Key": key});
    world
        .aws
        .operate(Service::DynamoDb, "DeleteItem", &delete)
        .unwrap();
    let bookings = world.bookings();
    let report = world.deliver(&[event]).await;
    assert_eq!(dispositions(&report), [Disposition::Done]);
    assert_eq!(world.bookings(), bookings);
}

#[tokio::test(start_paused = true)]
async fn a_shipment_that_the_table_refuses_for_another_reason_is_not_taken_for_booked() {
    let world = World::new();
    let delete = json!({"TableName": "shipments"});
    let delete = world.aws.operate(Service::DynamoDb, "DeleteTable", &delete);
    delete.unwrap();
    let table = json!({"TableName": "shipments", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "N"}]});
    let create = world.aws.operate(Service::DynamoDb, "CreateTable", &table);
    create.unwrap();
    // It is tried again until there is no time for a booking.
    let report = world.deliver(&[created(1)]).await;
    assert_eq!(dispositions(&report), [Disposition::Deferred("no_time")]);
}
