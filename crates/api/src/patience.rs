//! How long and how often a request tries each of its calls to AWS, within the seconds that its client waits.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::retry::RetryPartition;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Kinesis and DynamoDB answer within tens of milliseconds; what takes this long is better asked again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
const MAX_ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

/// The tokens that retries cost, of one client alone. By default the clients of one service and region in a process share
/// them. On Lambda the api has one client of each service, so it is the same there; a simulation and tests have many apis in
/// one process, and what one of them had used up others would lack.
pub(crate) fn own_tokens() -> RetryPartition {
    RetryPartition::custom("api").build()
}

/// The configuration with the api's time-outs and retries.
///
/// Three attempts and the back-offs between them take less than 6 s: less than the function's default timeout of 10 s, so
/// that the client is told rather than cut off.
pub(crate) fn bounded(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
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
