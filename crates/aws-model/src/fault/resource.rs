//! The streams, tables and queues that a call is about. A fault may be limited to one of them.

use serde_json::{Map, Value};

use crate::kinesis::stream_of_iterator;
use crate::service::Service;

/// True if a call with this body is about the stream, table or queue of this name.
///
/// A call that names its resource in another way than AWS's API does is about none. So is a call
/// whose body cannot be read, which the service refuses by itself.
pub(crate) fn concerns(service: Service, body: &[u8], name: &str) -> bool {
    let Ok(Value::Object(input)) = serde_json::from_slice(body) else {
        return false;
    };
    let text = |member: &str| input.get(member).and_then(Value::as_str);
    let is_named = |member: &str| text(member).is_some_and(|given| name_in(given) == name);
    match service {
        Service::Kinesis => {
            is_named("StreamName")
                || is_named("StreamARN")
                || text("ShardIterator")
                    .and_then(stream_of_iterator)
                    .is_some_and(|stream| stream == name)
        }
        Service::Sqs => {
            is_named("QueueName")
                || text("QueueUrl").is_some_and(|url| url.rsplit('/').next() == Some(name))
        }
        Service::DynamoDb => names_table(&input, name),
    }
}

/// True if a call of DynamoDB names the table. A transaction and a batch name several tables.
///
/// Content cannot pass for a table's name. An attribute's value is an object in DynamoDB's JSON,
/// and the name of a table is a text.
fn names_table(input: &Map<String, Value>, name: &str) -> bool {
    let requested = input.get("RequestItems").and_then(Value::as_object);
    let mut requested = requested.into_iter().flat_map(Map::keys);
    requested.any(|table| name_in(table) == name) || has_table_name(input, name)
}

fn has_table_name(input: &Map<String, Value>, name: &str) -> bool {
    input.iter().any(|(member, value)| match value {
        Value::String(text) => member == "TableName" && name_in(text) == name,
        Value::Object(inner) => has_table_name(inner, name),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_object)
            .any(|inner| has_table_name(inner, name)),
        _ => false,
    })
}

/// The name of a stream or table that is given by its name or its ARN. In an ARN the name follows
/// the kind, as in `arn:aws:kinesis:us-east-1:000000000000:stream/name`.
fn name_in(given: &str) -> &str {
    match given.strip_prefix("arn:") {
        Some(arn) => arn.split('/').nth(1).unwrap_or(arn),
        None => given,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stream_is_named_by_its_name_or_its_arn() {
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
        let consumer = "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1";
        for input in [
            json!({"StreamName": "s"}),
            json!({"StreamARN": arn}),
            json!({"StreamARN": consumer}),
        ] {
            let body = input.to_string();
            assert!(concerns(Service::Kinesis, body.as_bytes(), "s"), "{body}");
            assert!(!concerns(Service::Kinesis, body.as_bytes(), "t"), "{body}");
        }
    }

    #[test]
    fn a_queue_is_named_by_its_url() {
        let body = json!({"QueueUrl": "http://localhost:4566/000000000000/q"}).to_string();
        assert!(concerns(Service::Sqs, body.as_bytes(), "q"));
        assert!(!concerns(Service::Sqs, body.as_bytes(), "000000000000"));
    }

    #[test]
    fn each_table_of_a_transaction_or_a_batch_is_named() {
        let transaction = json!({"TransactItems": [
            {"Put": {"TableName": "a", "Item": {"TableName": {"S": "c"}}}},
            {"Update": {"TableName": "b"}},
        ]});
        let batch = json!({"RequestItems": {"a": [], "b": []}});
        for input in [transaction, batch] {
            let body = input.to_string();
            for (table, expected) in [("a", true), ("b", true), ("c", false)] {
                let found = concerns(Service::DynamoDb, body.as_bytes(), table);
                assert_eq!(found, expected, "{table} in {body}");
            }
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_about_nothing() {
        for body in [&b""[..], b"[]", b"{", b"\"s\""] {
            assert!(!concerns(Service::Kinesis, body, "s"));
        }
    }
}
