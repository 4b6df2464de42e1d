//! The lines behind the metrics that Terraform makes of the log. The functions write these lines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{ORDER, Stack, StackOptions, eventually};

use crate::environment::start;
use crate::source::{Terraform, attribute, template, texts};

/// The fields of every line with this message in a stack's log. A line has the form `… INFO message
/// field=value …`.
fn lines(stack: &Stack, message: &str) -> Vec<BTreeMap<String, String>> {
    let log = stack.log();
    let fields = log.lines().filter_map(|line| {
        let (_, fields) = line.split_once(&format!(" {message} "))?;
        fields
            .split(' ')
            .map(|field| field.split_once('='))
            .map(|field| field.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect()
    });
    fields.collect()
}

/// The fields of a table of metrics in `metrics.tf`, whose entries have the form `Metric =
/// "field"`.
fn fields(table: &str) -> Vec<String> {
    let terraform = Terraform::all();
    texts(terraform.local(table))
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// The message that a filter's pattern looks for.
fn message(filter: &str) -> String {
    let terraform = Terraform::all();
    let filter = terraform.resource("aws_cloudwatch_log_metric_filter", filter);
    let pattern = template(attribute(filter, "pattern"));
    let (_, rest) = pattern.split_once("$.message = \"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The sum of a field over lines, or `None` if a line does not have the field as a number.
fn sum(lines: &[BTreeMap<String, String>], field: &str) -> Option<u64> {
    let mut values = lines
        .iter()
        .map(|line| line.get(field)?.parse::<u64>().ok());
    values.try_fold(0, |sum, value| Some(sum + value?))
}

/// Filters look for `$.message` and `$.field`, so both have to be at the top of the line's JSON.
#[test]
fn a_line_has_its_message_and_its_fields_at_the_top() {
    let said = start("consumer", &BTreeSet::new());
    let line: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(line["message"], "the function cannot run");
    assert_eq!(line["error"], "setting LOG_LEVEL is missing");
    // Lambda's own filter by level reads these two.
    assert_eq!(line["level"], "ERROR");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[tokio::test]
async fn each_batch_metric_is_a_number_in_the_line_that_its_filter_matches() {
    let stack = Stack::start().await;
    let key = [("idempotency-key", "0b3f0c52-7b53-4d0c-9f36-conflict")];
    let id = stack.submit(&key, ORDER).await.text("order_id").to_owned();
    stack.persisted(&id, &[]).await;
    stack.submit(&key, &ORDER.replace("A-1", "B-2")).await;
    // The poison gets its own batch. Behind a record that is done, it would be delivered once more.
    stack.drained().await;
    stack.put("poison", "poison").await;
    stack.discarded().await;

    let (message, fields) = (message("batch"), fields("batch_metrics"));
    assert!(fields.len() >= 8, "{fields:?}");
    let all = eventually("the lines of all batches", || async {
        let lines = lines(&stack, &message);
        let conflicts = sum(&lines, "conflict_recorded")?;
        (conflicts > 0).then_some(lines)
    })
    .await;
    for field in &fields {
        let sum = sum(&all, field);
        assert!(sum.is_some(), "a line {message:?} has no number {field:?}");
    }
    // The metrics behind alarms count the events that the alarms are about.
    assert_eq!(sum(&all, "applied"), Some(1));
    assert_eq!(sum(&all, "conflict_recorded"), Some(1));
    assert_eq!(
        sum(&all, "rejected"),
        Some(4),
        "once a delivery, with three retries"
    );
}

#[tokio::test]
async fn intents_that_an_outage_leaves_undone_are_in_the_metric_behind_the_alarm() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![("consumer_timeout_seconds", 2.into())],
        ..StackOptions::default()
    })
    .await;
    stack.fault("dynamodb", "AccessDeniedException", 60).await;
    stack.submit(&[], ORDER).await;
    eventually("an unfinished intent in the log", || async {
        sum(&lines(&stack, &message("batch")), "unfinished").filter(|sum| *sum > 0)
    })
    .await;
}

#[tokio::test]
async fn each_put_metric_is_a_reason_in_the_line_that_its_filter_matches() {
    let stack = Stack::start().await;
    let message = message("put");
    let reasons = fields("put_metrics");
    assert_eq!(reasons, ["not_accepted", "outcome_unknown"]);
    for (error, reason) in [
        ("ProvisionedThroughputExceededException", "not_accepted"),
        ("InternalFailure", "outcome_unknown"),
    ] {
        stack.fault("kinesis", error, 60).await;
        assert_eq!(stack.submit(&[], ORDER).await.status, 503);
        stack.no_faults().await;
        eventually("the line of the refused put", || async {
            let lines = lines(&stack, &message);
            let found = lines.iter().any(|line| line["reason"] == reason);
            found.then_some(())
        })
        .await;
    }
}
