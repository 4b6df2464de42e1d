//! The example against the local stack. This is the usual recipe, with real HTTP between two
//! consumers and AWS's APIs.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use base64::Engine as _;
use idempotency::Once;
use keyed_batch::KinesisEvent;
use serde_json::{Value, json};
use tests::Stack;
use tokio::time::Instant;

#[expect(dead_code, reason = "its main is not run here")]
#[path = "../../crates/idempotency/examples/process_record.rs"]
mod example;

use example::{Consumer, Poison, Receipt, Refusal, Unworkable};

const LOCKS: &str = "charge-locks";

struct World {
    stack: Stack,
    queue_url: String,
}

impl World {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let key = KeySchemaElement::builder()
            .attribute_name("id")
            .key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S);
        let table = stack.dynamodb().create_table().table_name(LOCKS);
        let table = table
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap());
        table.send().await.unwrap();
        let queue = stack.sqs().create_queue().queue_name("charges");
        let queue_url = queue.send().await.unwrap().queue_url.unwrap();
        Self { stack, queue_url }
    }

    fn consumer(&self) -> Consumer {
        Consumer::new(self.stack.config(), LOCKS, &self.queue_url)
    }

    /// The ids and order ids of the charges that were sent.
    async fn charges(&self) -> Vec<(String, String)> {
        let charges = self.messages().await.into_iter();
        let charge = |(id, body): (String, String)| {
            let body: Value = serde_json::from_str(&body).unwrap();
            (id, body["order_id"].as_str().unwrap().to_owned())
        };
        charges.map(charge).collect()
    }

    /// The ids and bodies of the messages that were sent.
    async fn messages(&self) -> Vec<(String, String)> {
        let mut all = vec![];
        loop {
            let receive = self.stack.sqs().receive_message();
            let receive = receive
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .visibility_timeout(600);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            for message in messages {
                all.push((message.message_id.unwrap(), message.body.unwrap()));
            }
        }
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn order(n: usize) -> Vec<u8> {
    json!({"order_id": format!("o-{n}"), "amount": n + 1})
        .to_string()
        .into_bytes()
}

/// An event as Lambda sends it.
fn event(records: impl IntoIterator<Item = (String, Vec<u8>)>) -> KinesisEvent {
    let record = |(index, (key, data)): (usize, (String, Vec<u8>))| {
        json!({
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": key, "sequenceNumber": (1_000 + index).to_string(),
                "approximateArrivalTimestamp": 1_795_323_600.123,
                "data": base64::engine::general_purpose::STANDARD.encode(data)},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
            "eventID": format!("shardId-000000000000:{}", 1_000 + index), "awsRegion": "us-east-1",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
        })
    };
    let records: Vec<_> = records.into_iter().enumerate().map(record).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_records_delivered_three_times_by_two_consumers_at_once_are_each_charged_once() {
    let world = World::start().await;
    let (one, other) = (world.consumer(), world.consumer());
    let deliver = async |consumer: &Consumer, order_of: fn(usize) -> usize| {
        let mut rounds = vec![];
        for _ in 0..3 {
            let records = (0..100).map(|n| (format!("k-{}", order_of(n)), order(order_of(n))));
            rounds.push(event(records));
        }
        // A record whose order another delivery is charging waits for the end of that lease, or is
        // left to the next invocation. So invocations are short here.
        let until_done = rounds.iter().map(async |event| {
            for _ in 0..100 {
                let soon = Instant::now() + Duration::from_secs(20);
                let summary = consumer.handle(event, soon).await.summary;
                assert_eq!(summary.rejected + summary.panicked, 0, "{summary:?}");
                if summary.done == 100 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("records are not done after 100 invocations");
        });
        // All three deliveries of a consumer are under way at once, too.
        futures::future::join_all(until_done).await;
    };
    tokio::join!(deliver(&one, |n| n), deliver(&other, |n| 99 - n));

    let charges = world.charges().await;
    assert_eq!(charges.len(), 100);
    let orders: BTreeSet<_> = charges.iter().map(|(_, order_id)| order_id).collect();
    assert_eq!(orders.len(), 100);
    // A later delivery is answered with the result of the one execution.
    for n in [0, 42, 99] {
        let outcome = one.process_record(&order(n), deadline()).await.unwrap();
        let Once::Replayed(Ok(Receipt { amount, message_id })) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(amount, n as u64 + 1);
        assert!(charges.contains(&(message_id, format!("o-{n}"))));
    }
    assert_eq!(world.charges().await, []);
}

#[tokio::test]
async fn orders_whose_numbers_differ_in_the_last_digit_are_charged_apart_and_as_they_are() {
    let world = World::start().await;
    let consumer = world.consumer();
    let orders = [
        r#"{"order_id": 18446744073709551617, "amount": 5}"#,
        r#"{"order_id": 18446744073709551618, "amount": 5}"#,
        r#"{"order_id": "o-1", "amount": 5, "weight": 0.1}"#,
    ];
    for order in orders {
        for _ in 0..2 {
            let outcome = consumer.process_record(order.as_bytes(), deadline()).await;
            assert!(matches!(
                outcome,
                Ok(Once::Executed(Ok(_)) | Once::Replayed(Ok(_)))
            ));
        }
    }
    let heavier = orders[2].replace("0.1", "0.1000000000000000055");
    let other = consumer
        .process_record(heavier.as_bytes(), deadline())
        .await;
    assert!(matches!(other, Ok(Once::Mismatch)));
    let sent: BTreeSet<_> = world
        .messages()
        .await
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert_eq!(sent, orders.map(str::to_owned).into());
}

#[tokio::test]
async fn records_that_cannot_be_charged_are_told_apart() {
    let world = World::start().await;
    let consumer = world.consumer();
    let process = async |data: &str| consumer.process_record(data.as_bytes(), deadline()).await;
    assert!(matches!(
        process("{").await,
        Err(Unworkable::Poison(Poison::NotAnOrder(_)))
    ));
    // Without a key nothing is done, because it would be done once a delivery.
    for data in [
        "{}",
        r#"{"order_id": null, "amount": 5}"#,
        r#"{"order_id": ""}"#,
    ] {
        let outcome = process(data).await;
        assert!(
            matches!(outcome, Err(Unworkable::Poison(Poison::NoOrderId(_)))),
            "{data}"
        );
    }
    let nothing = r#"{"order_id": "o-1", "amount": 0}"#;
    let refused = Err(Refusal::NoAmount);
    assert!(matches!(process(nothing).await, Ok(Once::Executed(result)) if result == refused));
    assert!(matches!(process(nothing).await, Ok(Once::Replayed(result)) if result == refused));
    let other = process(r#"{"order_id": "o-1", "amount": 7}"#).await;
    assert!(matches!(other, Ok(Once::Mismatch)));
    assert_eq!(world.charges().await, []);
}

#[tokio::test]
async fn a_charge_that_goes_unanswered_is_not_sent_again_but_put_before_a_person() {
    let world = World::start().await;
    let consumer = world.consumer();
    world.stack.fault("sqs", "lost-answer", 600).await;
    // The invocation ends early, so that the lease does too.
    let soon = Instant::now() + Duration::from_secs(4);
    let outcome = consumer.process_record(&order(7), soon).await.unwrap();
    assert!(
        matches!(
            outcome,
            Once::Executed(Err(Refusal::MayBeCharged)) | Once::LeaseLost { result: None, .. }
        ),
        "{outcome:?}"
    );
    world.stack.no_faults().await;
    assert_eq!(world.charges().await.len(), 1);
    let next = tests::eventually("the lease being over", || async {
        match consumer.process_record(&order(7), deadline()).await {
            Ok(Once::InProgress { .. }) => None,
            other => Some(other),
        }
    });
    let next = next.await;
    let refused = Err(Refusal::MayBeCharged);
    assert!(
        matches!(&next, Ok(Once::Executed(result)) if *result == refused),
        "{next:?}"
    );
    let later = consumer.process_record(&order(7), deadline()).await;
    assert!(
        matches!(&later, Ok(Once::Replayed(result)) if *result == refused),
        "{later:?}"
    );
    assert_eq!(world.charges().await, []);
}
