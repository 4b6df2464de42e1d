//! The streams, tables and queues of the stack, under the names that they have on this machine.

use aws_model::{Aws, Service};
use serde_json::{Value, json};

use crate::settings::{Settings, StreamSettings};

/// The stream that the api writes to and the consumer reads.
pub const INTENTS_STREAM: &str = "order-intents";
/// The queue that is told of intents that were given up.
pub const INTENTS_QUEUE: &str = "order-intents-discarded";
/// The table of orders. The notifier reads its change stream.
pub const ORDERS_TABLE: &str = "orders";
/// The queue that is told of changes of orders that were given up.
pub const CHANGES_QUEUE: &str = "order-changes-discarded";
/// The stream that the notifier writes to and the subscriber reads.
pub const FACTS_STREAM: &str = "order-facts";
/// The queue that is told of facts that the subscriber gave up.
pub const FACTS_QUEUE: &str = "order-facts-discarded";
/// The table of announcements, which has a mark for each fact that was published.
pub const ANNOUNCEMENTS_TABLE: &str = "order-announcements";
/// The subscriber's table of shipments.
pub const SHIPMENTS_TABLE: &str = "shipments";
/// The subscriber's table of leases.
pub const LOCKS_TABLE: &str = "shipment-locks";

/// How long a table's change stream keeps a record, in hours (DynamoDB developer guide, "Change
/// data capture for DynamoDB Streams").
pub const CHANGE_STREAM_RETENTION_HOURS: u32 = 24;

/// A resource that the model refused to create.
#[derive(Debug, thiserror::Error)]
#[error("{resource} cannot be created: {reason}")]
pub struct NotCreated {
    resource: &'static str,
    reason: String,
}

/// Creates all resources, and returns the ARN of the change stream of the orders table.
///
/// # Errors
/// [`NotCreated`] for the first resource that the model refuses.
pub fn create(aws: &Aws, settings: &Settings) -> Result<String, NotCreated> {
    create_stream(aws, INTENTS_STREAM, &settings.intents)?;
    create_stream(aws, FACTS_STREAM, &settings.facts)?;
    for queue in [INTENTS_QUEUE, CHANGES_QUEUE, FACTS_QUEUE] {
        aws.sqs().create_queue(queue).map_err(refused(queue))?;
    }
    create_table(aws, ANNOUNCEMENTS_TABLE, "order_id", &json!({}))?;
    create_table(aws, LOCKS_TABLE, "id", &json!({}))?;
    let both_images = json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" });
    // By this stream a person or a test sees if a shipment was booked twice.
    create_table(aws, SHIPMENTS_TABLE, "order_id", &both_images)?;
    let orders = create_table(aws, ORDERS_TABLE, "order_id", &both_images)?;
    match orders["TableDescription"]["LatestStreamArn"].as_str() {
        Some(arn) => Ok(arn.to_owned()),
        None => Err(refused(ORDERS_TABLE)("it has no change stream")),
    }
}

fn create_stream(
    aws: &Aws,
    name: &'static str,
    settings: &StreamSettings,
) -> Result<(), NotCreated> {
    aws.kinesis()
        .create_stream(name, settings.shard_count, settings.retention_hours)
        .map_err(refused(name))
}

fn create_table(
    aws: &Aws,
    name: &'static str,
    key: &str,
    stream: &Value,
) -> Result<Value, NotCreated> {
    let mut table = json!({
        "TableName": name,
        "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    if stream["StreamEnabled"] == true {
        table["StreamSpecification"] = stream.clone();
    }
    aws.operate(Service::DynamoDb, "CreateTable", &table)
        .map_err(refused(name))
}

fn refused<E: ToString>(resource: &'static str) -> impl Fn(E) -> NotCreated {
    move |error| NotCreated {
        resource,
        reason: error.to_string(),
    }
}
