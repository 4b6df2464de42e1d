//! The streams, tables and queues of a run, with their names and contents.

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
pub(crate) const QUEUE: &str = "order-intents-discarded";
pub(crate) const FACTS_STREAM: &str = "order-facts";
pub(crate) const ANNOUNCEMENTS: &str = "order-announcements";
pub(crate) const LOCKS: &str = "shipment-locks";
pub(crate) const SHIPMENTS: &str = "shipments";
pub(crate) const CHANGES_QUEUE: &str = "order-changes-discarded";
pub(crate) const FACTS_QUEUE: &str = "order-facts-discarded";

/// The URL of a queue.
pub(crate) fn queue_url(queue: &str) -> String {
    format!("http://simulation/000000000000/{queue}")
}

/// Creates the stream of intents, its queue and the orders table.
pub(crate) fn create(aws: &Aws, shards: u32) {
    aws.kinesis().create_stream(STREAM, shards, 24).unwrap();
    aws.sqs().create_queue(QUEUE).unwrap();
    create_table(aws, TABLE, "order_id");
}

/// Creates the resources of the facts, and begins the change stream of the orders table. Returns
/// the ARN of the change stream.
pub(crate) fn create_facts(aws: &Aws, shards: u32) -> String {
    aws.kinesis()
        .create_stream(FACTS_STREAM, shards, 24)
        .unwrap();
    for queue in [CHANGES_QUEUE, FACTS_QUEUE] {
        aws.sqs().create_queue(queue).unwrap();
    }
    for (table, key) in [
        (ANNOUNCEMENTS, "order_id"),
        (LOCKS, "id"),
        (SHIPMENTS, "order_id"),
    ] {
        create_table(aws, table, key);
    }
    aws.dynamodb().begin_change_stream(TABLE).unwrap()
}

fn create_table(aws: &Aws, name: &str, key: &str) {
    let table = json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}]});
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
    evidence.records = records(aws, STREAM);
    for item in items(aws, TABLE) {
        let id = OrderId::parse(item["order_id"]["S"].as_str().unwrap()).unwrap();
        // A row that cannot be read is left out here, because it broke a law when it was written.
        if let Ok(row) = Row::from_item(&Item::from_json(item.as_object().unwrap())) {
            evidence.rows.insert(id, row);
        }
    }
    evidence.discards.extend(self::discards(aws, QUEUE));
    evidence
}

/// The records of a stream, shard by shard.
pub(crate) fn records(aws: &Aws, stream: &str) -> Vec<StreamRecord> {
    let mut records = Vec::new();
    for shard in aws.kinesis().shards(stream).unwrap() {
        let read = aws
            .kinesis()
            .read(stream, &shard.id, Position::TrimHorizon, 10_000)
            .unwrap();
        records.extend(read.records.into_iter().map(|record| StreamRecord {
            shard_id: shard.id.clone(),
            sequence_number: SequenceNumber::parse(&record.sequence_number.to_string()).unwrap(),
            partition_key: record.partition_key,
            data: record.data.to_vec(),
        }));
    }
    records
}

/// The items of a table.
pub(crate) fn items(aws: &Aws, table: &str) -> Vec<Value> {
    let scan = json!({"TableName": table, "ConsistentRead": true});
    let mut scanned = aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
    assert!(scanned["LastEvaluatedKey"].is_null(), "a page has 1 MB");
    serde_json::from_value(scanned["Items"].take()).unwrap()
}

/// The item of a key, or null if there is none.
pub(crate) fn item(aws: &Aws, table: &str, key: &str) -> Value {
    let input =
        json!({"TableName": table, "Key": {"order_id": {"S": key}}, "ConsistentRead": true});
    let output = aws.operate(Service::DynamoDb, "GetItem", &input);
    output.map_or(Value::Null, |mut output| output["Item"].take())
}

/// Takes the messages from a queue, and returns the ranges that they name.
pub(crate) fn discards(aws: &Aws, queue: &str) -> Vec<Discarded> {
    let mut discards = Vec::new();
    loop {
        let receive = json!({"QueueUrl": queue_url(queue), "MaxNumberOfMessages": 10,
            "VisibilityTimeout": 43_200});
        let received = aws
            .operate(Service::Sqs, "ReceiveMessage", &receive)
            .unwrap();
        let Some(messages) = received["Messages"]
            .as_array()
            .filter(|messages| !messages.is_empty())
        else {
            return discards;
        };
        for message in messages {
            let body = message["Body"].as_str().unwrap();
            let mut message: Value = serde_json::from_str(body).unwrap();
            // The range of a table's stream has the same fields under another name.
            if let Some(range) = message.get("DDBStreamBatchInfo").cloned() {
                message["KinesisBatchInfo"] = range;
            }
            discards.push(Discarded::of(&message));
        }
    }
}
