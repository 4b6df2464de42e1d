//! The operator's policy against the commands of the runbook. Each command of the AWS CLI there has
//! its right, and every further right is listed here with its reason.

use std::collections::BTreeSet;

use crate::calls::allowed;
use crate::source::{MODULE, read};

/// The rights beyond those of the commands that the runbook spells out.
const SURPLUS: [(&str, &str); 15] = [
    ("cloudwatch:GetMetricData", "the dashboard shows metrics"),
    ("cloudwatch:ListMetrics", "the dashboard shows metrics"),
    ("cloudwatch:GetDashboard", "the dashboard"),
    ("cloudwatch:DescribeAlarms", "the state of alarms"),
    ("cloudwatch:DescribeAlarmHistory", "the state of alarms"),
    ("cloudwatch:SetAlarmState", "the drill of deploy.md"),
    ("logs:DescribeLogGroups", "Logs Insights"),
    ("logs:StartQuery", "Logs Insights"),
    ("logs:GetQueryResults", "Logs Insights"),
    ("logs:FilterLogEvents", "the lines of one request"),
    ("kinesis:GetShardIterator", "put-back reads records"),
    ("kinesis:GetRecords", "put-back reads records"),
    ("kinesis:PutRecord", "put-back puts records"),
    ("s3:GetObject", "put-back gets the reports in the archive"),
    ("sqs:GetQueueAttributes", "the number of reports"),
];

/// The rights that a service needs for the commands.
const OF_SERVICES: [(&str, &str); 2] = [
    ("kms:Decrypt", "Kinesis, SQS and S3 decrypt"),
    ("kms:GenerateDataKey", "Kinesis encrypts what is put back"),
];

/// The action of a command of the AWS CLI. High-level commands of S3 have other names than their
/// calls.
fn action(service: &str, command: &str) -> Option<String> {
    let operation = match (service, command) {
        ("s3", "ls") | ("s3api", "list-objects-v2") => "ListBucket".to_owned(),
        ("s3", "cp") => "GetObject".to_owned(),
        ("s3", "rm") => "DeleteObject".to_owned(),
        // The right to delete a batch is the right to delete one.
        ("sqs", "delete-message-batch") => "DeleteMessage".to_owned(),
        (_, "wait") => return None,
        _ => command
            .split('-')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect(),
    };
    let service = if service == "s3api" { "s3" } else { service };
    Some(format!("{service}:{operation}"))
}

/// The actions of the commands in the runbook.
fn commands() -> BTreeSet<String> {
    let runbook = read("docs/runbook.md");
    let rest = runbook.split("aws ").skip(1);
    let commands = rest.filter_map(|rest| {
        let mut words = rest.split([' ', '\n', '`']);
        let (service, command) = (words.next()?, words.next()?);
        let known = [
            "cloudwatch",
            "dynamodb",
            "kinesis",
            "lambda",
            "logs",
            "s3",
            "s3api",
            "sqs",
        ];
        known.contains(&service).then_some((service, command))
    });
    commands
        .filter_map(|(service, command)| action(service, command))
        .collect()
}

#[test]
fn an_operator_may_give_every_command_of_the_runbook() {
    let commands = commands();
    assert!(commands.len() > 6, "{commands:?}");
    let allowed = allowed([MODULE, "aws_iam_policy", "operator"]);
    assert!(
        commands.is_subset(&allowed),
        "{:?}",
        commands.difference(&allowed)
    );
}

#[test]
fn an_operator_may_do_nothing_else_but_what_is_listed() {
    let surplus = SURPLUS.iter().chain(&OF_SERVICES);
    let reviewed: BTreeSet<String> = surplus.map(|(action, _)| (*action).to_owned()).collect();
    let allowed = allowed([MODULE, "aws_iam_policy", "operator"]);
    let unknown: Vec<_> = allowed
        .difference(&(&commands() | &reviewed))
        .cloned()
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(
        reviewed.is_subset(&allowed),
        "{:?}",
        reviewed.difference(&allowed)
    );
}
