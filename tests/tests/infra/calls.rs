//! The calls of the functions against the rights of their roles. The local stack records the calls
//! of the api, the reader and the consumer while the real binaries do all that they can do. The
//! calls of the parts behind the table are recorded in this process. A role also allows the calls
//! that the platform makes on the function's behalf. These rights are listed here with their
//! reasons.

use std::collections::BTreeSet;

use hcl::Expression;
use notifier::announce::Which;
use orders::FactEvent;
use tests::{ORDER, Stack};

use crate::facts::{World, cancel, order_id, submit};
use crate::source::{MODULE, Terraform, attribute, entries, parts, references, texts};

/// The actions that a role allows although the function's code never calls them.
const API_SURPLUS: [(&str, &str); 5] = [
    ("kms:GenerateDataKey", "Kinesis encrypts what is put"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda traces the invocation"),
    ("xray:PutTelemetryRecords", "Lambda traces the invocation"),
];
const READER_SURPLUS: [(&str, &str); 5] = [
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

const NOTIFIER_SURPLUS: [(&str, &str); 11] = [
    ("dynamodb:DescribeStream", "the mapping finds the shards"),
    (
        "dynamodb:ListStreams",
        "the mapping finds the change stream",
    ),
    ("dynamodb:GetShardIterator", "the mapping reads a shard"),
    ("dynamodb:GetRecords", "the mapping reads a shard"),
    (
        "kms:Decrypt",
        "DynamoDB decrypts changes and marks, and SQS its data key",
    ),
    (
        "kms:GenerateDataKey",
        "Kinesis encrypts what is put, and SQS a discard",
    ),
    ("sqs:SendMessage", "the mapping reports a discard"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda traces the invocation"),
    ("xray:PutTelemetryRecords", "Lambda traces the invocation"),
];
const ANNOUNCE_SURPLUS: [(&str, &str); 2] = [
    ("kms:Decrypt", "DynamoDB decrypts orders and marks"),
    ("kms:GenerateDataKey", "Kinesis encrypts what is put"),
];
const SHIPPING_SURPLUS: [(&str, &str); 10] = [
    ("kinesis:DescribeStream", "the mapping finds the stream"),
    (
        "kinesis:DescribeStreamSummary",
        "the mapping finds the stream",
    ),
    ("kinesis:ListShards", "the mapping finds the shards"),
    ("kinesis:GetShardIterator", "the mapping reads a shard"),
    ("kinesis:GetRecords", "the mapping reads a shard"),
    (
        "kms:Decrypt",
        "Kinesis and DynamoDB decrypt, and SQS its data key",
    ),
    ("kms:GenerateDataKey", "SQS encrypts a discard"),
    ("sqs:SendMessage", "the mapping reports a discard"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
];

/// The rights of every function's role where the functions are in a VPC.
const NETWORK: [&str; 6] = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
];

/// The functions whose calls the local stack records. Each has a role of the same name.
const RECORDED: [&str; 3] = ["api", "reader", "consumer"];

/// A part behind the table with its policy, its calls, and its further rights.
struct Part {
    name: &'static str,
    /// The folder, the kind and the name of the policy in Terraform.
    policy: [&'static str; 3],
    calls: BTreeSet<String>,
    surplus: &'static [(&'static str, &'static str)],
}

/// Announces every kind of fact by `announce` and by the notifier, and hands the facts to
/// `shipping`. All of it comes twice.
async fn record_facts() -> [Part; 3] {
    let world = World::new();
    let (one, other) = (order_id(1), order_id(2));
    let mut changes = vec![
        world.apply(&submit(one, 1, "A-1")).await,
        world.apply(&submit(one, 2, "B-2")).await,
        world.apply(&cancel(one, 3)).await,
        world.apply(&cancel(other, 4)).await,
        world.apply(&submit(other, 5, "A-1")).await,
    ];
    let mut announce = world.announce(Which::Missing).await;
    announce.append(&mut world.announce(Which::All).await);
    changes.push(world.delete(other));
    let mut notifier = world.notify(&changes).await;
    notifier.append(&mut world.notify(&changes).await);
    let facts = world.facts();
    let kind = |event: &FactEvent| event.fact.name().split('/').next().unwrap().to_owned();
    let kinds: BTreeSet<String> = facts.iter().map(kind).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let mut shipping = world.ship(&facts).await;
    shipping.append(&mut world.ship(&facts).await);
    let example = "infra/examples/subscriber";
    [
        Part {
            name: "notifier",
            policy: [MODULE, "aws_iam_role_policy", "notifier"],
            calls: notifier,
            surplus: &NOTIFIER_SURPLUS,
        },
        Part {
            name: "announce",
            policy: [MODULE, "aws_iam_policy", "announce"],
            calls: announce,
            surplus: &ANNOUNCE_SURPLUS,
        },
        Part {
            name: "shipping",
            policy: [example, "aws_iam_role_policy", "shipping"],
            calls: shipping,
            surplus: &SHIPPING_SURPLUS,
        },
    ]
}

/// Sends every kind of request, and delivers every kind of intent twice. Returns the calls of the
/// functions of [`RECORDED`].
async fn record() -> [BTreeSet<String>; 3] {
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
    let batch = format!("{{\"orders\": [{ORDER}, {ORDER}]}}");
    assert_eq!(stack.batch(&[], &batch).await.status, 207);
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
    RECORDED.map(|function| {
        let calls = state["functions"][function]["calls"].as_object().unwrap();
        calls.keys().cloned().collect()
    })
}

/// The actions that a role's policy allows in any setting. They are the actions in the policy, and
/// in the parts that it is put together from.
pub(crate) fn allowed(policy: [&str; 3]) -> BTreeSet<String> {
    allowed_but(policy, "")
}

/// The same without the local value of this name.
fn allowed_but([folder, kind, name]: [&str; 3], left_out: &str) -> BTreeSet<String> {
    let terraform = Terraform::folder(folder);
    let policy = attribute(terraform.resource(kind, name), "policy");
    let locals = references(parts(policy), "local");
    let locals = locals.iter().filter(|name| *name != left_out);
    let locals = locals.map(|name| terraform.local(name));
    std::iter::once(policy)
        .chain(locals)
        .flat_map(actions)
        .collect()
}

/// The actions that a recorded function's role allows behind an HTTP API. Only behind a function
/// URL the api has the rights of a reader too.
fn allowed_for(role: &str) -> BTreeSet<String> {
    let left_out = if role == "api" { "read_orders" } else { "" };
    allowed_but([MODULE, "aws_iam_role_policy", role], left_out)
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
    let recorded = record().await;
    let expected = [
        &["kinesis:PutRecord", "kinesis:PutRecords"][..],
        &["dynamodb:GetItem"],
        &["dynamodb:UpdateItem"],
    ];
    for ((role, calls), expected) in RECORDED.into_iter().zip(recorded).zip(expected) {
        assert!(calls.iter().eq(expected), "{role}: {calls:?}");
        let allowed = allowed_for(role);
        assert!(
            calls.is_subset(&allowed),
            "{role}: {:?}",
            calls.difference(&allowed)
        );
    }
}

#[tokio::test]
async fn the_roles_allow_besides_only_what_the_platform_does_for_the_functions() {
    let reviewed = [&API_SURPLUS[..], &READER_SURPLUS, &CONSUMER_SURPLUS];
    for ((role, calls), surplus) in RECORDED.into_iter().zip(record().await).zip(reviewed) {
        let reviewed: BTreeSet<String> = surplus
            .iter()
            .map(|(action, _)| (*action).to_owned())
            .chain(NETWORK.map(str::to_owned))
            .collect();
        let rest: BTreeSet<String> = &allowed_for(role) - &calls;
        assert_eq!(rest, reviewed, "{role}");
    }
}

#[test]
fn the_one_function_behind_a_function_url_may_do_what_api_and_reader_may() {
    let one = allowed([MODULE, "aws_iam_role_policy", "api"]);
    assert_eq!(one, &allowed_for("api") | &allowed_for("reader"));
}

#[tokio::test(start_paused = true)]
async fn the_parts_behind_the_table_call_nothing_that_their_policies_do_not_allow() {
    let [notifier, announce, shipping] = record_facts().await;
    for (part, expected) in [
        (
            &notifier,
            &[
                "dynamodb:UpdateItem",
                "kinesis:PutRecord",
                "kinesis:PutRecords",
            ][..],
        ),
        (
            &announce,
            &[
                "dynamodb:GetItem",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
                "kinesis:PutRecord",
                "kinesis:PutRecords",
            ],
        ),
        (&shipping, &["dynamodb:PutItem", "dynamodb:UpdateItem"]),
    ] {
        let calls: Vec<&str> = part.calls.iter().map(String::as_str).collect();
        assert_eq!(calls, expected, "{}", part.name);
        let allowed = allowed(part.policy);
        assert!(
            part.calls.is_subset(&allowed),
            "{}: {:?}",
            part.name,
            part.calls.difference(&allowed)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_policies_behind_the_table_allow_besides_only_what_the_platform_does() {
    for part in record_facts().await {
        let surplus = part.surplus.iter();
        let mut reviewed: BTreeSet<String> =
            surplus.map(|(action, _)| (*action).to_owned()).collect();
        if part.name == "notifier" {
            reviewed.extend(NETWORK.map(str::to_owned));
        }
        let rest: BTreeSet<String> = &allowed(part.policy) - &part.calls;
        assert_eq!(rest, reviewed, "{}", part.name);
    }
}

#[test]
fn no_action_is_a_pattern() {
    for policy in [
        [MODULE, "aws_iam_role_policy", "api"],
        [MODULE, "aws_iam_role_policy", "reader"],
        [MODULE, "aws_iam_role_policy", "consumer"],
        [MODULE, "aws_iam_role_policy", "notifier"],
        [MODULE, "aws_iam_policy", "announce"],
        [
            "infra/examples/subscriber",
            "aws_iam_role_policy",
            "shipping",
        ],
        [
            "infra/examples/pipe_to_sqs_fifo",
            "aws_iam_role_policy",
            "pipe",
        ],
    ] {
        let allowed = allowed(policy);
        assert!(!allowed.is_empty(), "{policy:?}");
        let patterns: Vec<_> = allowed
            .into_iter()
            .filter(|action| action.contains('*'))
            .collect();
        assert!(patterns.is_empty(), "{policy:?}: {patterns:?}");
    }
}
