//! The AWS resources of a stack, with their names, and the calls of tests that read and write them.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::primitives::Blob;
use serde_json::Value;

use super::Stack;
use crate::eventually;

/// The name of the embedded stack's stream.
pub const STREAM: &str = "order-intents";
/// The name of the embedded stack's table.
pub const TABLE: &str = "orders";
/// The name of the embedded stack's on-failure queue.
pub const QUEUE: &str = "order-intents-discarded";

impl Stack {
    /// The name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.deployment.as_ref().map_or(STREAM, |of| &of.stream)
    }

    /// The name of the stream of facts.
    #[must_use]
    pub fn facts_stream(&self) -> &str {
        self.deployment
            .as_ref()
            .map_or("order-facts", |of| &of.facts_stream)
    }

    /// The name of the table of announcements.
    #[must_use]
    pub fn announcements_table(&self) -> &str {
        self.deployment
            .as_ref()
            .map_or("order-announcements", |of| &of.announcements_table)
    }

    /// The name of the subscriber's table of shipments.
    #[must_use]
    pub fn shipments_table(&self) -> &str {
        self.deployment
            .as_ref()
            .map_or("shipments", |of| &of.shipments_table)
    }

    /// The ARN of the stream.
    #[must_use]
    pub fn stream_arn(&self) -> String {
        self.deployment.as_ref().map_or_else(
            || format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"),
            |of| of.stream_arn.clone(),
        )
    }

    /// The name of the table.
    #[must_use]
    pub fn table(&self) -> &str {
        self.deployment.as_ref().map_or(TABLE, |of| &of.table)
    }

    /// The URL of the on-failure queue.
    #[must_use]
    pub fn queue_url(&self) -> String {
        self.deployment.as_ref().map_or_else(
            || format!("http://127.0.0.1:{}/000000000000/{QUEUE}", self.aws_port),
            |of| of.queue_url.clone(),
        )
    }

    /// The version of the consumer that the mapping invokes. A local function has no versions. A
    /// deployed function is invoked by an alias, which names the first version.
    #[must_use]
    pub fn consumer_version(&self) -> &'static str {
        if self.deployment.is_some() {
            "1"
        } else {
            "$LATEST"
        }
    }

    /// An SDK client of the stack's Kinesis.
    #[must_use]
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.config)
    }

    /// An SDK client of the stack's DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// An SDK client of the stack's SQS.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// The SDK's settings for clients of the stack's AWS APIs.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The row of an order, if the order has one.
    ///
    /// # Panics
    /// If the table cannot be read.
    pub async fn row(&self, order_id: &str) -> Option<HashMap<String, AttributeValue>> {
        let key = AttributeValue::S(order_id.to_owned());
        let request = self
            .dynamodb()
            .get_item()
            .table_name(self.table())
            .key("order_id", key);
        request.consistent_read(true).send().await.unwrap().item
    }

    /// Puts data straight into the stream. Returns the sequence number.
    ///
    /// # Panics
    /// If the stream does not take the data.
    pub async fn put(&self, partition_key: &str, data: impl Into<Vec<u8>>) -> String {
        let request = self
            .kinesis()
            .put_record()
            .stream_name(self.stream())
            .partition_key(partition_key);
        request
            .data(Blob::new(data.into()))
            .send()
            .await
            .unwrap()
            .sequence_number
    }

    /// Waits for the next message of the on-failure queue, and takes it.
    ///
    /// # Panics
    /// If no message comes within a minute.
    pub async fn discarded(&self) -> Value {
        let url = self.queue_url();
        eventually("a discard", || async {
            let request = self.sqs().receive_message().queue_url(&url);
            let message = request.send().await.unwrap().messages?.pop()?;
            let request = self.sqs().delete_message().queue_url(&url);
            let handle = message.receipt_handle.unwrap();
            request.receipt_handle(handle).send().await.unwrap();
            serde_json::from_str(message.body.as_deref()?).ok()
        })
        .await
    }
}
