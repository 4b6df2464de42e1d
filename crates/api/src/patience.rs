//! How long and how often a request tries each of its calls to AWS, within the seconds that its client waits.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::retry::{RetryPartition, TokenBucket};

const MAX_ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

const PUT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Kinesis answers within tens of milliseconds; what takes this long is better asked again.
const PUT_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// A read gets this long in all.
const READ_TIMEOUT: Duration = Duration::from_millis(1_500);

/// No budget of retries. By default a client's calls share one, and a retry that fails costs some
/// of it: a shard that throttles would use up what the puts to healthy shards need. What bounds the
/// retries is the number of attempts, for each call by itself.
pub(crate) fn no_shared_budget() -> RetryPartition {
    RetryPartition::custom("api")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// The configuration for puts into the stream.
///
/// Three attempts and the back-offs between them take less than 6 s: less than the function's
/// default timeout of 10 s, so that the client is told rather than cut off. A silent attempt is
/// repeated, because an order that is not accepted is a sale that is lost.
pub(crate) fn for_puts(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(PUT_CONNECT_TIMEOUT)
        .operation_attempt_timeout(PUT_ATTEMPT_TIMEOUT)
        .build();
    with_retries(config, timeouts)
}

/// The configuration for reads of the table.
///
/// A refusal comes quickly, and is tried again while there is time, up to three attempts. A silent
/// attempt uses up all the time, so it is not repeated: a reader can ask again, and an execution
/// environment that waits for a silent table is one that takes no orders.
pub(crate) fn for_reads(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(READ_TIMEOUT)
        .operation_timeout(READ_TIMEOUT)
        .build();
    with_retries(config, timeouts)
}

fn with_retries(config: &SdkConfig, timeouts: TimeoutConfig) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF);
    config
        .to_builder()
        .retry_config(retries)
        .timeout_config(timeouts)
        .build()
}
