//! A function's log: one JSON object a line on standard output, which Lambda takes to CloudWatch Logs.

use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;

/// Reads `LOG_LEVEL`.
pub(crate) fn level(text: &str) -> Result<LevelFilter, String> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("must be error, warn, info, debug or trace".to_owned()),
    }
}

/// Sets the log up for this process.
///
/// The level is the service's own. The crates below stay at warnings whatever it is: the SDK's and the runtime's
/// finer levels quote requests and events, and with them order content. Of the runtime also its span is kept, which
/// puts Lambda's request id on every line.
pub(crate) fn init(level: LevelFilter) {
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("lambda_runtime", LevelFilter::INFO)
        // It repeats what `serve` has logged of an invocation that failed.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_targets(
            ["api", "consumer", "function", "keyed_batch", "notifier"].map(|name| (name, level)),
        );
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    // A second call in one process (a test) keeps the first log.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(targets)
        .try_init();
    panic::set_hook(Box::new(|panic| {
        // The message of a panic may quote what was being worked on; its place says as much to who mends it.
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_of_five_words() {
        assert_eq!(level("WARN"), Ok(LevelFilter::WARN));
        assert_eq!(
            level("verbose"),
            Err("must be error, warn, info, debug or trace".to_owned())
        );
        assert!(level("").is_err());
    }
}
