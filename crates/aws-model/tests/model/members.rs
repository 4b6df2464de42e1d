//! Every member is either honoured or refused by its name, in every service and at every depth.

use aws_model::Service;
use serde_json::{Value, json};

use crate::support::{World, world};

fn prepared() -> World {
    let world = world().with_stream(1);
    world.aws.sqs().create_queue("q").unwrap();
    let table = json!({ "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
                        "AttributeDefinitions": [{ "AttributeName": "k", "AttributeType": "S" }],
                        "KeySchema": [{ "AttributeName": "k", "KeyType": "HASH" }] });
    world
        .aws
        .operate(Service::DynamoDb, "CreateTable", &table)
        .unwrap();
    world
}

/// Every operation, with its service, its name and an input. The model takes the input, or refuses
/// it for another reason than a member's name.
fn operations() -> Vec<(Service, &'static str, Value)> {
    let stream = json!({ "StreamName": "s" });
    let queue = json!({ "QueueUrl": "http://x/000000000000/q" });
    let table = json!({ "TableName": "table" });
    let mut all = Vec::new();
    for operation in [
        "CreateStream",
        "DecreaseStreamRetentionPeriod",
        "DeleteStream",
        "DescribeStream",
        "DescribeStreamSummary",
        "GetRecords",
        "GetShardIterator",
        "IncreaseStreamRetentionPeriod",
        "ListShards",
        "ListStreams",
        "MergeShards",
        "PutRecord",
        "PutRecords",
        "SplitShard",
        "UpdateShardCount",
        "UpdateStreamMode",
    ] {
        let input = match operation {
            "GetRecords" | "ListStreams" | "UpdateStreamMode" => json!({}),
            _ => stream.clone(),
        };
        all.push((Service::Kinesis, operation, input));
    }
    for operation in [
        "ChangeMessageVisibility",
        "CreateQueue",
        "DeleteMessage",
        "DeleteMessageBatch",
        "DeleteQueue",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListQueues",
        "ReceiveMessage",
        "SendMessage",
    ] {
        let input = match operation {
            "CreateQueue" | "GetQueueUrl" => json!({ "QueueName": "q" }),
            "ListQueues" => json!({}),
            _ => queue.clone(),
        };
        all.push((Service::Sqs, operation, input));
    }
    for operation in [
        "BatchGetItem",
        "BatchWriteItem",
        "CreateTable",
        "DeleteItem",
        "DeleteTable",
        "DescribeTable",
        "GetItem",
        "ListTables",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
        "UpdateTable",
    ] {
        let input = match operation {
            "ListTables" | "BatchGetItem" | "BatchWriteItem" | "TransactGetItems"
            | "TransactWriteItems" => json!({}),
            _ => table.clone(),
        };
        all.push((Service::DynamoDb, operation, input));
    }
    for operation in [
        "DescribeStream",
        "GetRecords",
        "GetShardIterator",
        "ListStreams",
    ] {
        all.push((Service::DynamoDbStreams, operation, json!({})));
    }
    all
}

#[test]
fn every_operation_refuses_a_member_that_it_does_not_know_and_says_which() {
    for (service, operation, mut input) in operations() {
        let world = prepared();
        input["Colour"] = json!("secret");
        let refusal = world.aws.operate(service, operation, &input).unwrap_err();
        assert_eq!(
            refusal.message,
            format!("The member Colour of {operation} is not modelled here"),
            "{service}"
        );
        let code = match service {
            Service::DynamoDb | Service::DynamoDbStreams => "ValidationException",
            Service::Kinesis => "InvalidArgumentException",
            Service::Sqs => "UnsupportedOperation",
        };
        assert_eq!((refusal.code, refusal.status), (code, 400), "{operation}");
    }
}

/// In AWS's protocols null means the same as an absent member.
#[test]
fn an_unknown_member_that_is_null_counts_as_absent() {
    for (service, operation, mut input) in operations() {
        // The creation date of a table comes from the machine's clock, so two answers differ.
        if matches!(operation, "DeleteTable" | "DescribeTable" | "UpdateTable") {
            continue;
        }
        let plain = prepared().aws.operate(service, operation, &input);
        input["Colour"] = Value::Null;
        let with_null = prepared().aws.operate(service, operation, &input);
        assert_eq!(with_null, plain, "{operation}");
    }
}

#[test]
fn members_that_aws_has_and_the_model_has_not_are_refused_at_any_depth() {
    let queue = "http://x/000000000000/q";
    let key = json!({ "k": { "S": "x" } });
    for (service, operation, input, member) in [
        (
            Service::Kinesis,
            "CreateStream",
            json!({ "StreamName": "t", "ShardCount": 1, "WarmThroughputMiBps": 5 }),
            "WarmThroughputMiBps",
        ),
        (
            Service::Kinesis,
            "CreateStream",
            json!({ "StreamName": "t", "ShardCount": 1, "Tags": { "a": "b" } }),
            "Tags",
        ),
        (
            Service::Kinesis,
            "PutRecords",
            json!({ "StreamName": "s", "Records": [{ "Data": "", "PartitionKey": "k", "Colour": 1 }] }),
            "Colour",
        ),
        (
            Service::Kinesis,
            "ListShards",
            json!({ "StreamName": "s", "ShardFilter": { "Type": "AT_LATEST", "Colour": 1 } }),
            "Colour",
        ),
        (
            Service::Sqs,
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "x", "MessageGroupId": "g" }),
            "MessageGroupId",
        ),
        (
            Service::Sqs,
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "x", "MessageDeduplicationId": "d" }),
            "MessageDeduplicationId",
        ),
        (
            Service::Sqs,
            "ReceiveMessage",
            json!({ "QueueUrl": queue, "ReceiveRequestAttemptId": "d" }),
            "ReceiveRequestAttemptId",
        ),
        (
            Service::DynamoDbStreams,
            "DescribeStream",
            json!({ "ShardFilter": { "Type": "CHILD_SHARDS", "Colour": 1 } }),
            "Colour",
        ),
        (
            Service::DynamoDb,
            "CreateTable",
            json!({ "TableName": "other", "WarmThroughput": {} }),
            "WarmThroughput",
        ),
        (
            Service::DynamoDb,
            "UpdateTable",
            json!({ "TableName": "table", "StreamSpecification": { "StreamEnabled": true, "Colour": 1 } }),
            "Colour",
        ),
        (
            Service::DynamoDb,
            "TransactWriteItems",
            json!({ "TransactItems": [{ "Put": { "TableName": "table", "Item": key, "Colour": 1 } }] }),
            "Colour",
        ),
        (
            Service::DynamoDb,
            "BatchGetItem",
            json!({ "RequestItems": { "table": { "Keys": [key], "Colour": 1 } } }),
            "Colour",
        ),
        (
            Service::DynamoDb,
            "BatchWriteItem",
            json!({ "RequestItems": { "table": [{ "PutRequest": { "Item": key, "Colour": 1 } }] } }),
            "Colour",
        ),
    ] {
        let refusal = prepared()
            .aws
            .operate(service, operation, &input)
            .unwrap_err();
        assert_eq!(
            refusal.message,
            format!("The member {member} of {operation} is not modelled here")
        );
    }
}

/// An item's attributes may have any names.
#[test]
fn an_items_attributes_are_no_members() {
    let world = prepared();
    let item = json!({ "k": { "S": "x" }, "Colour": { "M": { "Shade": { "S": "red" } } } });
    let put = json!({ "TableName": "table", "Item": item });
    world
        .aws
        .operate(Service::DynamoDb, "PutItem", &put)
        .unwrap();
    let batch = json!({ "RequestItems": { "table": [{ "PutRequest": { "Item": item } }] } });
    world
        .aws
        .operate(Service::DynamoDb, "BatchWriteItem", &batch)
        .unwrap();
    let transaction =
        json!({ "TransactItems": [{ "Put": { "TableName": "table", "Item": item } }] });
    world
        .aws
        .operate(Service::DynamoDb, "TransactWriteItems", &transaction)
        .unwrap();
}
