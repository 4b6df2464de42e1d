//! The stream, the table and the queue of a run, with their names and contents.

use aws_model::kinesis::Position;
use aws_model::{Aws, Service};
use conditional_write::Item;
use event_source_mapping::SequenceNumber;
use orders::{OrderId, Row};
use serde_json::{Value, json};
use tests::{Discarded, Evidence, StreamRecord};

/// The time at which a run begins, in milliseconds since the Unix epoch. It is 05:00:00 UTC on
/// 22 November 2026.
pub(crate) const START: u64 = 1_795_323_600_000;
pub(crate) const STREAM: &str = "order-intents";
pub(crate) const TABLE: &str = "orders";
pub(crate) const QUEUE_URL: &str = "http://simulation/000000000000/order-intents-discarded";
pub(crate) const QUEUE: &str = "order-intents-discarded";

/// Creates the stream, the queue and the table.
pub(crate) fn create(aws: &Aws, shards: u32) {
    aws.kinesis().create_stream(STREAM, shards, 24).unwrap();
    aws.sqs().create_queue(QUEUE).unwrap();
    let table = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
    aws.operate(Service::DynamoDb, "CreateTable", &table)
        .unwrap();
}

/// Reads everything that stream, table and queue hold, and takes the messages from the queue.
/// `discards` are the messages that were taken from the queue before.
pub(crate) fn evidence(aws: &Aws, discards: Vec<Discarded>) -> Evidence {
    let mut evidence = Evidence {
        discards,
        ..Evidence::default()
    };
    for shard in aws.kinesis().shards(STREAM).unwrap() {
        let read = aws
            .kinesis()
            .read(STREAM, &shard.id, Position::TrimHorizon, 10_000)
            .unwrap();
        evidence
            .records
            .extend(read.records.into_iter().map(|record| StreamRecord {
                shard_id: shard.id.clone(),
                sequence_number:
                    SequenceNumber::parse(&record.sequence_number.to_string()).unwrap(),
                partition_key: record.partition_key,
                data: record.data.to_vec(),
            }));
    }
    let scan = json!({"TableName": TABLE, "ConsistentRead": true});
    let scanned = aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
    for item in scanned["Items"].as_array().unwrap() {
        let id = OrderId::parse(item["order_id"]["S"].as_str().unwrap()).unwrap();
        // A row that cannot be read is left out here, because it broke a law when it was written.
        if let Ok(row) = Row::from_item(&Item::from_json(item.as_object().unwrap())) {
            evidence.rows.insert(id, row);
        }
    }
    loop {
        let receive =
            json!({"QueueUrl": QUEUE_URL, "MaxNumberOfMessages": 10, "VisibilityTimeout": 43_200});
        let received = aws
            .operate(Service::Sqs, "ReceiveMessage", &receive)
            .unwrap();
        let Some(messages) = received["Messages"]
            .as_array()
            .filter(|messages| !messages.is_empty())
        else {
            return evidence;
        };
        for message in messages {
            let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            evidence.discards.push(Discarded::of(&body));
        }
    }
}
