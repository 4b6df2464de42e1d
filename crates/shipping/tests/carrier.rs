//! The example whose effect is an HTTP call, against a carrier that fails in every way. It runs in
//! real time, because the calls go over sockets.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_model::{Aws, Fault, KinesisOptions, ModelOptions, Service, TokioClock};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{join, pending};
use futures::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use idempotency::{LeaseOptions, LeaseTable};
use keyed_batch::{Disposition, KinesisRecord};
use orders::{Caller, Created, Fact, FactEvent, Fingerprint, NewOrder, OrderId, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use example::Carrier;

#[expect(dead_code, reason = "its main is not run here")]
#[path = "../examples/carrier.rs"]
mod example;

/// How the carrier treats a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Fine,
    HangsAfterTheEffect,
    ClosesAfterTheEffect,
    FailsAfterTheEffect,
    HangsBefore,
    FailsBefore,
    Busy,
    Refuses,
}

use Mood::{
    Busy, ClosesAfterTheEffect, FailsAfterTheEffect, FailsBefore, Fine, HangsAfterTheEffect,
    HangsBefore, Refuses,
};

/// A carrier with an HTTP interface on this machine.
struct TheirSide {
    honours_keys: bool,
    mood: Box<dyn FnMut() -> Mood>,
    /// The idempotency key of each request.
    requests: Vec<String>,
    /// The order of each parcel. The place of a parcel is its number.
    parcels: Vec<String>,
    by_key: BTreeMap<String, usize>,
}

impl TheirSide {
    fn new(honours_keys: bool, mood: impl FnMut() -> Mood + 'static) -> RefCell<Self> {
        RefCell::new(Self {
            honours_keys,
            mood: Box::new(mood),
            requests: Vec::new(),
            parcels: Vec::new(),
            by_key: BTreeMap::new(),
        })
    }

    /// The number of the order's parcel.
    fn make(&mut self, key: &str, order: String) -> usize {
        if let Some(number) = self.by_key.get(key)
            && self.honours_keys
        {
            return *number;
        }
        self.parcels.push(order);
        self.by_key.insert(key.to_owned(), self.parcels.len() - 1);
        self.parcels.len() - 1
    }

    /// The number of parcels that each order has.
    fn parcels_by_order(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for order in &self.parcels {
            *counts.entry(order.clone()).or_default() += 1;
        }
        counts
    }
}

/// Answers a request. An error closes the connection.
async fn answer(
    theirs: &RefCell<TheirSide>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let status = |status| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Ok(response)
    };
    let key = request.headers()["idempotency-key"].to_str().unwrap();
    let mood = (theirs.borrow_mut().mood)();
    theirs.borrow_mut().requests.push(key.to_owned());
    match mood {
        HangsBefore => return pending().await,
        FailsBefore => return status(StatusCode::INTERNAL_SERVER_ERROR),
        Busy => return status(StatusCode::TOO_MANY_REQUESTS),
        Refuses => return status(StatusCode::UNPROCESSABLE_ENTITY),
        Fine | HangsAfterTheEffect | ClosesAfterTheEffect | FailsAfterTheEffect => {}
    }
    let (order, _) = key.split_once('/').unwrap();
    let number = theirs.borrow_mut().make(key, order.to_owned());
    match mood {
        HangsAfterTheEffect => pending().await,
        ClosesAfterTheEffect => Err("closed"),
        FailsAfterTheEffect => status(StatusCode::BAD_GATEWAY),
        _ => Ok(Response::new(Full::from(format!("parcel {number}")))),
    }
}

/// Serves the carrier's interface for as long as it is polled.
async fn serve(theirs: &RefCell<TheirSide>, listener: TcpListener) {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let service = service_fn(|request| answer(theirs, request));
                let stream = TokioIo::new(accepted.unwrap().0);
                connections.push(http1::Builder::new().serve_connection(stream, service));
            }
            Some(_) = connections.next() => {}
        }
    }
}

/// A table of locks, and a carrier's address.
struct World {
    aws: Aws,
    address: SocketAddr,
}

impl World {
    fn new(address: SocketAddr) -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(now.as_millis().try_into().unwrap())),
            seed: 7,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        let table = json!({"TableName": "locks", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]});
        let create = aws.operate(Service::DynamoDb, "CreateTable", &table);
        create.unwrap();
        Self { aws, address }
    }

    /// A subscriber in its own execution environment. A lease that is left behind ends soon.
    fn subscriber(&self, honours_keys: bool) -> Carrier {
        let options = LeaseOptions::default()
            .longest_lease(Duration::from_millis(800))
            .clock_skew(Duration::from_millis(10))
            .reserve(Duration::from_millis(200))
            .least_work(Duration::from_millis(100));
        Carrier {
            locks: LeaseTable::new(&self.aws.sdk_config(), "locks", options),
            parcels: format!("http://{}/parcels", self.address).parse().unwrap(),
            honours_keys,
            patience: Duration::from_millis(400),
        }
    }

    /// The results that the locks keep.
    fn kept(&self) -> BTreeSet<String> {
        let scan = json!({"TableName": "locks", "ConsistentRead": true});
        let output = self.aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
        let items = output["Items"].as_array().unwrap().iter();
        let result = |item: &Value| item["result"]["S"].as_str().unwrap_or_default().to_owned();
        items.map(result).collect()
    }
}

/// Runs a test beside the carrier's interface.
async fn beside<F: Future>(
    theirs: &RefCell<TheirSide>,
    test: impl FnOnce(World) -> F,
) -> F::Output {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new(listener.local_addr().unwrap());
    tokio::select! {
        output = test(world) => output,
        () = serve(theirs, listener) => unreachable!("it serves for ever"),
    }
}

fn created(order: u8) -> FactEvent {
    let time = Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap();
    let owner = Caller::anonymous();
    let items = json!([{"sku": "A-1", "quantity": 2, "unit_price": 1299}]);
    let content = json!({"customer_id": "c-1", "currency": "EUR", "items": items});
    let content = NewOrder::parse(content.to_string().as_bytes()).unwrap();
    let fact = Fact::Created(Created {
        accepted_at: time,
        fingerprint: Fingerprint::of(&owner, &content),
        total: content.total(),
        owner,
        order: content,
    });
    FactEvent::new(OrderId::from_random([order; 16]), fact, time)
}

/// Delivers these facts as one batch.
async fn deliver(subscriber: &Carrier, facts: &[FactEvent]) -> Vec<Disposition> {
    let records: Vec<KinesisRecord> = (0..)
        .zip(facts)
        .map(|(number, event)| {
            let (key, number) = (event.order_id.to_string(), format!("{number}"));
            KinesisRecord::new(key, number, event.encode())
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(4);
    let report = subscriber.handle(&records, deadline).await;
    let records = report.records.iter();
    records.map(|record| record.disposition).collect()
}

/// A mood from these at random, the same ones in each run.
fn any_of<const N: usize>(seed: u64, moods: [Mood; N]) -> impl FnMut() -> Mood {
    let mut random = fastrand::Rng::with_seed(seed);
    move || moods[random.usize(..N)]
}

const EVERY_FAILURE: [Mood; 9] = [
    Fine,
    Fine,
    Fine,
    HangsAfterTheEffect,
    ClosesAfterTheEffect,
    FailsAfterTheEffect,
    HangsBefore,
    FailsBefore,
    Busy,
];

#[tokio::test]
async fn a_carrier_that_honours_keys_makes_one_parcel_for_each_order() {
    let theirs = TheirSide::new(true, any_of(1, EVERY_FAILURE));
    let facts: Vec<FactEvent> = (0..20).map(created).collect();
    beside(&theirs, async |world| {
        let fault = Fault::new("dynamodb", "lost-answer", 0.1, 60).unwrap();
        world.aws.faults().inject(fault);
        let (one, other) = (world.subscriber(true), world.subscriber(true));
        // Every fact is delivered to two environments at once, until all are done.
        loop {
            let (one, other) = join(deliver(&one, &facts), deliver(&other, &facts)).await;
            if one
                .iter()
                .chain(&other)
                .all(|end| *end == Disposition::Done)
            {
                break;
            }
        }
        world.aws.faults().clear();
        let requests = theirs.borrow().requests.len();
        assert_eq!(deliver(&one, &facts).await, [Disposition::Done; 20]);
        assert_eq!(
            theirs.borrow().requests.len(),
            requests,
            "a result is replayed"
        );
        // Each lock keeps the number of its order's parcel.
        let numbers = (0..20).map(|number| format!("\"parcel {number}\""));
        assert_eq!(world.kept(), numbers.collect());
    })
    .await;
    let theirs = theirs.borrow();
    let orders = facts.iter().map(|event| (event.order_id.to_string(), 1));
    assert_eq!(theirs.parcels_by_order(), orders.collect());
    let ids: BTreeSet<String> = facts.iter().map(FactEvent::id).collect();
    assert_eq!(
        theirs.requests.iter().cloned().collect::<BTreeSet<_>>(),
        ids
    );
    assert!(theirs.requests.len() > 20, "no request failed");
}

#[tokio::test]
async fn a_carrier_that_ignores_keys_makes_at_most_one_if_a_takeover_ends_the_attempts() {
    let theirs = TheirSide::new(false, any_of(2, EVERY_FAILURE));
    let facts: Vec<FactEvent> = (0..20).map(created).collect();
    let ends = beside(&theirs, async |world| {
        let subscriber = world.subscriber(false);
        loop {
            let ends = deliver(&subscriber, &facts).await;
            if !ends
                .iter()
                .any(|end| matches!(end, Disposition::Unfinished(_) | Disposition::Deferred(_)))
            {
                return ends;
            }
        }
    })
    .await;
    let parcels = theirs.borrow().parcels_by_order();
    assert!(parcels.values().all(|count| *count == 1), "{parcels:?}");
    let mut asked = 0;
    for (event, end) in facts.iter().zip(&ends) {
        match end {
            Disposition::Done => assert!(parcels.contains_key(&event.order_id.to_string())),
            end => {
                assert_eq!(*end, Disposition::Rejected("ask_the_carrier"));
                asked += 1;
            }
        }
    }
    assert!(asked > 0 && asked < 20, "{ends:?}");
}

#[tokio::test]
async fn a_carrier_that_ignores_keys_makes_another_parcel_after_an_answer_that_was_lost() {
    let mut moods = [ClosesAfterTheEffect, Fine].into_iter();
    let theirs = TheirSide::new(false, move || moods.next().unwrap_or(Fine));
    let ends = beside(&theirs, async |world| {
        deliver(&world.subscriber(true), &[created(1)]).await
    })
    .await;
    assert_eq!(ends, [Disposition::Done]);
    assert!(theirs.borrow().parcels.len() > 1);
}

#[tokio::test]
async fn a_busy_carrier_is_asked_again_at_once_and_is_no_takeover() {
    let mut moods = [Busy, Fine].into_iter();
    let theirs = TheirSide::new(false, move || moods.next().unwrap_or(Fine));
    let ends = beside(&theirs, async |world| {
        deliver(&world.subscriber(false), &[created(1)]).await
    })
    .await;
    assert_eq!(ends, [Disposition::Done]);
}

#[tokio::test]
async fn an_order_that_the_carrier_refuses_is_asked_for_once() {
    let theirs = TheirSide::new(true, || Refuses);
    beside(&theirs, async |world| {
        for _ in 0..2 {
            let ends = deliver(&world.subscriber(true), &[created(1)]).await;
            assert_eq!(ends, [Disposition::Rejected("refused_by_the_carrier")]);
        }
    })
    .await;
    assert_eq!(theirs.borrow().requests.len(), 1);
}
