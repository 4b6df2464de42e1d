//! The text that `local` prints when everything is ready. It says what runs where, and has commands
//! to try the service with.

use aws_model::{ACCOUNT, DEFAULT_REGION};

use crate::resources::{
    CHANGES_QUEUE, FACTS_QUEUE, FACTS_STREAM, INTENTS_QUEUE, INTENTS_STREAM, ORDERS_TABLE,
    SHIPMENTS_TABLE,
};
use crate::settings::{Settings, StreamSettings};

/// The text, for the ports that are really open.
///
/// The commands can be copied as they are, except that `ORDER_ID` is to be replaced. The SQS
/// command names its endpoint, because version 1 of the AWS CLI does not take it from the
/// environment for SQS. The region is exported under the one name that both versions read.
#[must_use]
pub fn banner(port: u16, aws_port: u16, settings: &Settings) -> String {
    let http = format!("http://127.0.0.1:{port}");
    let aws = format!("http://127.0.0.1:{aws_port}");
    let (intents, facts) = (shards(&settings.intents), shards(&settings.facts));
    format!(
        r#"
The order service is ready.

  {http:<28} HTTP API: reads to the function reader, all else to api
  {aws:<28} Kinesis, DynamoDB with its streams, and SQS; any credentials
    stream {INTENTS_STREAM} ({intents}) → function consumer → table {ORDERS_TABLE}
    changes of {ORDERS_TABLE} → function notifier → stream {FACTS_STREAM} ({facts})
    facts → function shipping → table {SHIPMENTS_TABLE}
    queues {INTENTS_QUEUE}, {CHANGES_QUEUE}, {FACTS_QUEUE}:
      records that a function could not process

Submit an order, read it, cancel it:

  curl -i {http}/orders -H 'Content-Type: application/json' -d '{{
    "customer_id": "c-1", "currency": "EUR",
    "items": [{{"sku": "A-1", "quantity": 2, "unit_price": 1299}}]}}'
  curl -i {http}/orders/ORDER_ID
  curl -i -X POST {http}/orders/ORDER_ID/cancel

Look inside, disturb it:

  export AWS_ENDPOINT_URL={aws} AWS_DEFAULT_REGION={DEFAULT_REGION}
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws dynamodb scan --table-name {ORDERS_TABLE}
  aws dynamodb scan --table-name {SHIPMENTS_TABLE}
  aws kinesis describe-stream-summary --stream-name {INTENTS_STREAM}
  aws --endpoint-url {aws} sqs receive-message \
    --queue-url {aws}/{ACCOUNT}/{INTENTS_QUEUE}
  curl {aws}/_local/state
  curl {aws}/_local/faults \
    -d '{{"service": "kinesis", "error": "timeout", "rate": 1, "seconds": 30}}'

Ctrl-C stops everything. Times are UTC.

"#
    )
}

fn shards(stream: &StreamSettings) -> String {
    match stream.shard_count {
        1 => "1 shard".to_owned(),
        several => format!("{several} shards"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn settings(shard_count: u32) -> Settings {
        let shipped = include_str!("../../../infra/pipeline.auto.tfvars.json");
        let mut settings = Settings::parse(shipped, Path::new("settings.json")).unwrap();
        settings.intents.shard_count = shard_count;
        settings.facts.shard_count = shard_count;
        settings
    }

    /// The variables that the printed lines export.
    fn exports(text: &str) -> BTreeMap<&str, &str> {
        let lines = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("export "));
        lines
            .flat_map(|line| line.split(' '))
            .map(|variable| variable.split_once('=').unwrap())
            .collect()
    }

    #[test]
    fn what_is_to_be_exported_is_all_that_either_version_of_the_aws_cli_needs() {
        let expected = [
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        assert_eq!(exports(&banner(3000, 4566, &settings(2))), expected.into());
    }

    #[test]
    fn the_ports_and_the_shards_are_those_that_were_given() {
        let text = banner(1, 2, &settings(1));
        assert!(text.contains("curl -i http://127.0.0.1:1/orders "));
        assert!(text.contains("curl http://127.0.0.1:2/_local/state"));
        assert!(text.contains("(1 shard)"));
    }

    #[test]
    fn every_line_fits_into_100_columns() {
        for line in banner(65_535, 65_535, &settings(500)).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
