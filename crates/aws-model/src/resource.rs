//! The streams, tables and queues that a request names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::dynamodb::ShardIterator as ChangeStreamIterator;
use crate::dynamodb::StreamArn;
use crate::kinesis::{ShardIterator, stream_of_token};
use crate::service::Service;

impl Service {
    /// The names of the streams, tables or queues that a request of this service is about. `body`
    /// is the request's body.
    ///
    /// A resource may be named by its name, its ARN or its URL, and a stream also by a shard
    /// iterator or a token of ListShards. A request of DynamoDB Streams is about the table. A batch
    /// or a transaction may be about several tables. A request that names no resource, such as a
    /// listing, and a body that is not a JSON object have none.
    #[must_use]
    pub fn resources(self, body: &[u8]) -> BTreeSet<String> {
        let input: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |member: &str| input[member].as_str();
        let mut names: Vec<Option<String>> = Vec::new();
        match self {
            Self::Kinesis => names.extend([
                text("StreamName").map(str::to_owned),
                text("StreamARN").map(|arn| last(arn, ":stream/")),
                text("ShardIterator")
                    .and_then(ShardIterator::decode)
                    .map(|iterator| iterator.stream),
                text("NextToken").and_then(stream_of_token),
            ]),
            Self::Sqs => names.extend([
                text("QueueName").map(str::to_owned),
                text("QueueUrl").map(|url| last(url, "/")),
            ]),
            Self::DynamoDb => {
                names.push(text("TableName").map(table_of));
                let tables = input["RequestItems"].as_object().into_iter().flatten();
                names.extend(tables.map(|(table, _)| Some(table_of(table))));
                let actions = input["TransactItems"].as_array().into_iter().flatten();
                let actions = actions.filter_map(Value::as_object).flatten();
                names.extend(actions.map(|(_, of)| of["TableName"].as_str().map(table_of)));
            }
            Self::DynamoDbStreams => names.extend([
                text("TableName").map(str::to_owned),
                text("StreamArn")
                    .and_then(StreamArn::read)
                    .map(|arn| arn.table),
                text("ShardIterator")
                    .and_then(ChangeStreamIterator::decode)
                    .map(|iterator| iterator.arn.table),
            ]),
        }
        names.into_iter().flatten().collect()
    }
}

/// The part behind the last separator, or the whole text.
fn last(text: &str, separator: &str) -> String {
    text.rsplit(separator).next().unwrap_or(text).to_owned()
}

/// The table's name, which may be given as an ARN.
fn table_of(text: &str) -> String {
    last(text, ":table/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Aws, ModelOptions};

    fn named(service: Service, input: &Value) -> Vec<String> {
        let names = service.resources(input.to_string().as_bytes());
        names.into_iter().collect()
    }

    #[test]
    fn a_resource_is_named_by_name_arn_or_url() {
        for (service, input) in [
            (Service::Kinesis, json!({ "StreamName": "r" })),
            (
                Service::Kinesis,
                json!({ "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/r" }),
            ),
            (Service::Sqs, json!({ "QueueName": "r" })),
            (
                Service::Sqs,
                json!({ "QueueUrl": "http://localhost:4566/000000000000/r" }),
            ),
            (Service::DynamoDb, json!({ "TableName": "r", "Key": {} })),
            (
                Service::DynamoDb,
                json!({ "TableName": "arn:aws:dynamodb:us-east-1:000000000000:table/r" }),
            ),
            (Service::DynamoDbStreams, json!({ "TableName": "r" })),
            (
                Service::DynamoDbStreams,
                json!({ "StreamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/r/stream/x" }),
            ),
        ] {
            assert_eq!(named(service, &input), ["r"], "{service} {input}");
        }
    }

    #[test]
    fn a_batch_or_a_transaction_is_about_each_of_its_tables() {
        let batch = json!({ "RequestItems": { "a": [], "b": [] } });
        assert_eq!(named(Service::DynamoDb, &batch), ["a", "b"]);
        let transaction = json!({ "TransactItems": [
            { "Put": { "TableName": "b" } },
            { "ConditionCheck": { "TableName": "a" } },
            { "Delete": { "TableName": "b" } },
        ] });
        assert_eq!(named(Service::DynamoDb, &transaction), ["a", "b"]);
    }

    #[test]
    fn a_listing_and_a_body_that_is_not_json_name_no_resource() {
        for service in Service::ALL {
            for body in ["{}", "[]", "nonsense", ""] {
                assert!(
                    service.resources(body.as_bytes()).is_empty(),
                    "{service} {body}"
                );
            }
        }
    }

    #[test]
    fn iterators_and_tokens_name_their_stream() {
        let aws = Aws::new(ModelOptions::default()).unwrap();
        aws.kinesis().create_stream("intents", 2, 24).unwrap();
        let operate = |service, operation, input| aws.operate(service, operation, &input).unwrap();
        let input = json!({ "StreamName": "intents", "ShardId": "shardId-000000000000",
            "ShardIteratorType": "LATEST" });
        let mut iterator = operate(Service::Kinesis, "GetShardIterator", input);
        assert_eq!(named(Service::Kinesis, &iterator), ["intents"]);
        let input = json!({ "StreamName": "intents", "MaxResults": 1 });
        let page = operate(Service::Kinesis, "ListShards", input);
        let input = json!({ "NextToken": page["NextToken"] });
        assert_eq!(named(Service::Kinesis, &input), ["intents"]);

        let table = json!({ "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }] });
        operate(Service::DynamoDb, "CreateTable", table);
        let arn = aws.dynamodb().begin_change_stream("orders").unwrap();
        let shard = aws.dynamodb().change_stream_shard("orders");
        let input = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST" });
        iterator = operate(Service::DynamoDbStreams, "GetShardIterator", input);
        assert_eq!(named(Service::DynamoDbStreams, &iterator), ["orders"]);
    }
}
