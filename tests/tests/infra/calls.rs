//! The calls of the functions against the rights of their roles. The local stack records the calls
//! while the real binaries do all that they can do. A role also allows the calls that the platform
//! makes on the function's behalf. These rights are listed here with their reasons.

use std::collections::BTreeSet;

use hcl::Expression;
use tests::{ORDER, Stack};

use crate::source::{Terraform, attribute, entries, parts, references, texts};

/// The actions that a role allows although the function's code never calls them.
const API_SURPLUS: [(&str, &str); 6] = [
    ("kms:GenerateDataKey", "Kinesis encrypts what is put"),
    ("kms:Decrypt", "DynamoDB decrypts what is read"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda traces the invocation"),
    ("xray:PutTelemetryRecords", "Lambda traces the invocation"),
];
const CONSUMER_SURPLUS: [(&str, &str); 16] = [
    ("kinesis:DescribeStream", "the mapping finds the stream"),
    (
        "kinesis:DescribeStreamSummary",
        "the mapping finds the stream",
    ),
    ("kinesis:ListShards", "the mapping finds the shards"),
    ("kinesis:GetShardIterator", "the mapping reads a shard"),
    ("kinesis:GetRecords", "the mapping reads a shard"),
    (
        "kinesis:SubscribeToShard",
        "the mapping reads by enhanced fan-out",
    ),
    (
        "kinesis:DescribeStreamConsumer",
        "the mapping reads by enhanced fan-out",
    ),
    (
        "kms:Decrypt",
        "Kinesis and DynamoDB decrypt, and SQS its data key",
    ),
    ("kms:GenerateDataKey", "SQS or S3 encrypts a discard"),
    ("sqs:SendMessage", "the mapping reports a discard"),
    ("s3:PutObject", "the mapping keeps a discard"),
    ("s3:ListBucket", "the mapping finds the archive"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda traces the invocation"),
    ("xray:PutTelemetryRecords", "Lambda traces the invocation"),
];

/// Sends every kind of request, and delivers every kind of intent twice. Returns the calls of the
/// two functions.
async fn record() -> [BTreeSet<String>; 2] {
    let stack = Stack::start().await;
    let key = [("idempotency-key", "0b3f0c52-7b53-4d0c-9f36-52e1c8c1a5d2")];
    let mut id = String::new();
    // One order and twelve other orders come under one key. They are duplicates, conflicts, and the
    // conflict that is too many.
    for number in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] {
        let order = ORDER.replace("A-1", &format!("A-{number}"));
        let answer = stack.submit(&key, &order).await;
        assert_eq!(answer.status, 202);
        answer.text("order_id").clone_into(&mut id);
    }
    assert_eq!(stack.cancel(&id, &[]).await.status, 202);
    stack.drained().await;
    for record in tests::records(&stack).await {
        stack.put(&record.partition_key, record.data).await;
    }
    stack.put("poison", "no JSON").await;
    stack.drained().await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let wait = [("prefer", "wait=1")];
    assert_eq!(stack.read(unknown, &wait).await.status, 404);
    assert_eq!(stack.read(&id, &[]).await.status, 200);
    let state = stack.state().await;
    ["api", "consumer"].map(|function| {
        let calls = state["functions"][function]["calls"].as_object().unwrap();
        calls.keys().cloned().collect()
    })
}

/// The actions that a role's policy allows in any setting. They are the actions in the policy, and
/// in the parts that it is put together from.
fn allowed(role: &str) -> BTreeSet<String> {
    let terraform = Terraform::all();
    let policy = attribute(terraform.resource("aws_iam_role_policy", role), "policy");
    let locals = references(parts(policy), "local");
    let locals = locals.iter().map(|name| terraform.local(name));
    std::iter::once(policy)
        .chain(locals)
        .flat_map(actions)
        .collect()
}

/// The values of `Action` in an expression.
fn actions(expression: &Expression) -> Vec<String> {
    let objects = parts(expression)
        .into_iter()
        .filter(|part| matches!(part, Expression::Object(_)));
    let values = objects
        .flat_map(entries)
        .filter(|(name, _)| name == "Action");
    let actions = values.flat_map(|(_, value)| texts(value));
    actions.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_functions_call_nothing_that_their_roles_do_not_allow() {
    let [api, consumer] = record().await;
    assert_eq!(
        api,
        ["dynamodb:GetItem", "kinesis:PutRecord"]
            .map(str::to_owned)
            .into()
    );
    assert_eq!(consumer, ["dynamodb:UpdateItem"].map(str::to_owned).into());
    for (role, calls) in [("api", api), ("consumer", consumer)] {
        let allowed = allowed(role);
        assert!(
            calls.is_subset(&allowed),
            "{role}: {:?}",
            calls.difference(&allowed)
        );
    }
}

#[tokio::test]
async fn the_roles_allow_besides_only_what_the_platform_does_for_the_functions() {
    let [api, consumer] = record().await;
    for (role, calls, surplus) in [
        ("api", api, &API_SURPLUS[..]),
        ("consumer", consumer, &CONSUMER_SURPLUS[..]),
    ] {
        let reviewed: BTreeSet<String> = surplus
            .iter()
            .map(|(action, _)| (*action).to_owned())
            .collect();
        let rest: BTreeSet<String> = &allowed(role) - &calls;
        assert_eq!(rest, reviewed, "{role}");
    }
}

#[test]
fn no_action_is_a_pattern() {
    for role in ["api", "consumer"] {
        let patterns: Vec<_> = allowed(role)
            .into_iter()
            .filter(|action| action.contains('*'))
            .collect();
        assert!(patterns.is_empty(), "{role}: {patterns:?}");
    }
}
