//! How often a client tries a call again by itself, within the seconds that a caller waits.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use backoff::Backoff;

/// The most attempts of a call.
pub const MAX_ATTEMPTS: u32 = 3;

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

/// The longest wait before each further attempt. The wait itself is drawn between zero and this,
/// by the SDK and by a caller that makes its attempts itself.
pub const BACKOFF: Backoff = Backoff {
    base: FIRST_BACKOFF,
    cap: LONGEST_BACKOFF,
};

/// Up to three attempts a call, with back-offs of at most 50, 100, … 500 ms between them, within
/// these time-outs.
#[must_use]
pub fn up_to_three(config: &SdkConfig, timeouts: TimeoutConfig) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(BACKOFF.base)
        .with_max_backoff(BACKOFF.cap);
    config
        .to_builder()
        .retry_config(retries)
        .timeout_config(timeouts)
        .build()
}

/// No budget of retries. By default a client's calls share one, and a retry that fails costs some
/// of it. A shard that throttles would use up what the puts to healthy shards need. The number of
/// attempts bounds the retries instead, for each call by itself.
#[must_use]
pub fn without_shared_budget() -> RetryPartition {
    RetryPartition::custom("function")
        .token_bucket(TokenBucket::unlimited())
        .build()
}
