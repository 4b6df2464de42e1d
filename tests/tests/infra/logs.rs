//! The lines behind the metrics that Terraform makes of the log. The functions write these lines.

use std::collections::{BTreeMap, BTreeSet};

use std::io::{Result, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tests::{ORDER, Stack, StackOptions, eventually};

use crate::environment::start;
use crate::facts::{World, cancel, order_id, submit};
use crate::source::{Terraform, attribute, template, texts};

/// The fields of every line with this message that a function has written into a stack's log. A
/// line has the form `… function … INFO message field=value …`.
fn lines(stack: &Stack, function: &str, message: &str) -> Vec<BTreeMap<String, String>> {
    let log = stack.log();
    let fields = log.lines().filter_map(|line| {
        let (before, fields) = line.split_once(&format!(" {message} "))?;
        let mut words = before.split([' ', ':']);
        words.find(|word| *word == function)?;
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
        let lines = lines(&stack, "consumer", &message);
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
        let lines = lines(&stack, "consumer", &message("batch"));
        sum(&lines, "unfinished").filter(|sum| *sum > 0)
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
            let lines = lines(&stack, "api", &message);
            let found = lines.iter().any(|line| line["reason"] == reason);
            found.then_some(())
        })
        .await;
    }
}

/// The lines of a part that runs in this process, as JSON.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Collects what this thread logs until the guard is dropped.
    fn collect() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// The lines with this message since the last time.
    fn take(&self, message: &str) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["message"] == message)
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn each_metric_of_the_facts_is_a_number_in_the_notifiers_line_of_a_batch() {
    let (lines, _guard) = Lines::collect();
    let (world, order) = (World::new(), order_id(1));
    let changes = [
        world.apply(&submit(order, 1, "A-1")).await,
        world.apply(&submit(order, 2, "B-2")).await,
        world.apply(&cancel(order, 3)).await,
        world.delete(order),
        world.change(order_id(2), None, Some(json!({"order_id": {"S": "no id"}}))),
    ];
    world.notify(&changes).await;
    let [line] = &lines.take(&message("facts"))[..] else {
        panic!("one batch has one line");
    };
    let fields = fields("facts_metrics");
    assert_eq!(fields.len(), 6, "{fields:?}");
    for field in &fields {
        let expected = u64::from(field != "unfinished");
        assert_eq!(line[field], expected, "{field} in {line}");
    }

    // The second delivery meets an outage that outlasts it.
    world.fault("kinesis", "ProvisionedThroughputExceededException", 60);
    world.notify(&changes[..1]).await;
    assert_eq!(lines.take(&message("facts"))[0]["unfinished"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_failed_attempts_has_the_line_that_the_publish_metrics_count() {
    let (lines, _guard) = Lines::collect();
    let world = World::new();
    let changes = [world.apply(&submit(order_id(1), 1, "A-1")).await];
    for (service, error, level) in [
        ("kinesis", "ProvisionedThroughputExceededException", "WARN"),
        ("kinesis", "AccessDeniedException", "ERROR"),
        ("dynamodb", "ThrottlingException", "WARN"),
        ("dynamodb", "ResourceNotFoundException", "ERROR"),
    ] {
        // The outage ends within the invocation, so the batch is done in the end.
        world.fault(service, error, 5);
        world.notify(&changes).await;
        let logged = lines.take(&message("publish"));
        assert_eq!(logged.len(), 1, "{service} {error}: {logged:?}");
        assert_eq!(logged[0]["level"], level, "{service} {error}");
    }
    world.notify(&changes).await;
    assert!(lines.take(&message("publish")).is_empty());
    assert!(texts(Terraform::all().local("publish_metrics"))[0].is_empty());
}
