//! How long and how often a client of the table tries a call.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use function_runtime::{PassingErrors, attempts};

const WRITE_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// DynamoDB answers within milliseconds. A call that takes seconds is better made again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// A read gets this long in all.
const READ_TIMEOUT: Duration = Duration::from_millis(1_500);

/// A client for [`OrdersTable::write`](crate::OrdersTable::write). It makes one attempt a call, of
/// at most 2 s.
///
/// The client's own retries are off. The batch library retries, with the invocation's deadline in
/// view, and one record's bad luck does not use up a budget that all share.
#[must_use]
pub fn client_for_writes(config: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(WRITE_CONNECT_TIMEOUT)
        .operation_attempt_timeout(WRITE_TIMEOUT)
        .build();
    let config = Builder::from(config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

/// A client for [`OrdersTable::read`](crate::OrdersTable::read). It makes up to three attempts,
/// within 1.5 s in all.
///
/// A refusal comes quickly, and is tried again while there is time. A silent attempt uses up all
/// the time, so it is not repeated. A reader can ask again, and an execution environment that waits
/// for a silent table takes no orders.
#[must_use]
pub fn client_for_reads(config: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(READ_TIMEOUT)
        .operation_timeout(READ_TIMEOUT)
        .build();
    let config = Builder::from(&attempts::up_to_three(config, timeouts))
        .retry_partition(attempts::without_shared_budget())
        .retry_classifier(PassingErrors::classifier::<GetItemError>("dynamodb"))
        .build();
    Client::from_conf(config)
}
