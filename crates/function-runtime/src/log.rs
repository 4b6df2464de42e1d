//! A function's log. It is one JSON object a line on standard output, which Lambda takes to
//! CloudWatch Logs.

use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;

/// The crates of the service that write to the log. A test compares them with the crates that
/// depend on `tracing`, so that the lines of a new crate do not vanish.
const OURS: [&str; 7] = [
    "api",
    "consumer",
    "function_runtime",
    "idempotency",
    "keyed_batch",
    "notifier",
    "shipping",
];

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
/// The level is the service's own. The crates below stay at warnings whatever it is, because the
/// SDK's and the runtime's finer levels quote requests and events, and with them order content. The
/// runtime's span is kept too, because it puts Lambda's request id on every line.
pub(crate) fn init(level: LevelFilter) {
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("lambda_runtime", LevelFilter::INFO)
        // It repeats what `serve` has logged of an invocation that failed.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_targets(OURS.map(|name| (name, level)));
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
        // The message of a panic may quote what was being worked on. Its place says as much to the
        // person who mends it.
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
    fn the_level_is_that_of_every_crate_that_writes_to_the_log() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut expected = vec![];
        for folder in std::fs::read_dir(crates).unwrap() {
            let manifest = folder.unwrap().path().join("Cargo.toml");
            let Ok(manifest) = std::fs::read_to_string(manifest) else {
                continue;
            };
            let lines = || {
                manifest
                    .lines()
                    .take_while(|line| *line != "[dev-dependencies]")
            };
            let is_tracing = |line: &str| {
                line.starts_with("tracing.workspace") || line.starts_with("tracing = ")
            };
            if lines().any(is_tracing) {
                let name = lines().find_map(|line| line.strip_prefix("name = "));
                expected.push(name.unwrap().trim_matches('"').replace('-', "_"));
            }
        }
        expected.sort();
        assert_eq!(expected, OURS);
    }

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
