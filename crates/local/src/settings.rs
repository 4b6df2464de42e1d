//! The pipeline's settings. They are read from the same JSON file that Terraform reads
//! (`infra/pipeline.auto.tfvars.json`), so that the local stack and AWS cannot drift apart.
//!
//! The file is flat, because Terraform's variables are. The keys of a stream, of a mapping and of a
//! function have the same names after a prefix. For example, `facts_shard_count` is the
//! `shard_count` of the stream of facts, and `notifier_batch_size` the `batch_size` of the
//! notifier's mapping. The stream of intents and the consumer's mapping have no prefix.
//!
//! Each range is checked where it belongs. The event source mapping checks its own ranges
//! ([`MappingSettings::mapping`]), and the other ranges are checked here.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use aws_model::kinesis::MAX_SHARDS;
use event_source_mapping as esm;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::mapping::assumptions::{DISCARD_ATTEMPTS, POLL_INTERVAL, RETRY_BACKOFF};

/// The settings of the streams, of their event source mappings and of the functions.
///
/// Every key is required, and no other key is allowed. The ranges are those of Lambda and Kinesis,
/// except for `consumer_max_in_flight`. Their sources are `CreateEventSourceMapping` and
/// `CreateFunction` in the Lambda API reference, and `IncreaseStreamRetentionPeriod` of Kinesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The stream of intents, whose keys have no prefix.
    pub intents: StreamSettings,
    /// The stream of facts, `facts_…`.
    pub facts: StreamSettings,
    /// The functions `api` and `reader`, `api_…`. They are one package.
    pub api: FunctionSettings,
    /// The function `consumer`, `consumer_…`.
    pub consumer: FunctionSettings,
    /// The function `notifier`, `notifier_…`.
    pub notifier: FunctionSettings,
    /// The function `shipping`, `subscriber_…`.
    pub subscriber: FunctionSettings,
    /// The mapping from the stream of intents to `consumer`, whose keys have no prefix.
    pub consumer_mapping: MappingSettings,
    /// The mapping from the table's change stream to `notifier`, `notifier_…`.
    pub notifier_mapping: MappingSettings,
    /// The mapping from the stream of facts to `shipping`, `subscriber_…`.
    pub subscriber_mapping: MappingSettings,
    /// The number of partition keys that one invocation of `consumer` works on at once, 1–1,000.
    /// This is the range that the function accepts as `MAX_IN_FLIGHT`.
    pub consumer_max_in_flight: u32,
}

/// The settings of a Kinesis stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StreamSettings {
    /// The number of the stream's shards, 1–500.
    pub shard_count: u32,
    /// How long the stream keeps a record, in hours.
    pub retention_hours: u32,
}

/// The settings of a function.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FunctionSettings {
    /// The number of seconds after which an invocation is ended, 1–900.
    pub timeout_seconds: u32,
    /// The memory in MB, 128–10,240. The function is told of it, but it is not enforced.
    pub memory_mb: u32,
}

/// The settings of an event source mapping.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MappingSettings {
    /// The text before the keys of this mapping.
    #[serde(skip)]
    prefix: &'static str,
    /// The most records in one invocation.
    pub batch_size: u32,
    /// How long a batch that is not full is collected before it is sent, in seconds.
    pub batching_window_seconds: u32,
    /// The number of batches of one shard in flight at once.
    pub parallelization_factor: u32,
    /// The place where the mapping begins to read a shard, which is `TRIM_HORIZON` or `LATEST`.
    #[serde(deserialize_with = "starting_position")]
    pub starting_position: esm::StartingPosition,
    /// The number of retries of a failed batch. -1 means retries until the records expire.
    pub maximum_retry_attempts: i64,
    /// The age from which a record is discarded, in seconds. -1 means the stream's retention.
    pub maximum_record_age_seconds: i64,
    /// True if a failed batch is split in two before it is retried.
    pub bisect_batch_on_function_error: bool,
    /// True if the function's answer may name the records that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
}

/// A part of the settings, with the keys that it has after its prefix.
trait Section: DeserializeOwned {
    /// The keys, each a field of the type.
    const KEYS: &[&str];
}

impl Section for StreamSettings {
    const KEYS: &[&str] = &["shard_count", "retention_hours"];
}

impl Section for FunctionSettings {
    const KEYS: &[&str] = &["timeout_seconds", "memory_mb"];
}

impl Section for MappingSettings {
    const KEYS: &[&str] = &[
        "batch_size",
        "batching_window_seconds",
        "parallelization_factor",
        "starting_position",
        "maximum_retry_attempts",
        "maximum_record_age_seconds",
        "bisect_batch_on_function_error",
        "report_batch_item_failures",
    ];
}

#[derive(Deserialize)]
struct MaxInFlight {
    max_in_flight: u32,
}

impl Section for MaxInFlight {
    const KEYS: &[&str] = &["max_in_flight"];
}

fn starting_position<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<esm::StartingPosition, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    enum Name {
        TrimHorizon,
        Latest,
    }
    Ok(match Name::deserialize(deserializer)? {
        Name::TrimHorizon => esm::StartingPosition::TrimHorizon,
        Name::Latest => esm::StartingPosition::Latest,
    })
}

/// The reason why the settings file cannot be used. A message about the file names it, and the key
/// if there is one.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The settings file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file is not JSON, or does not have the settings' shape.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The settings file.
        path: PathBuf,
        /// The fault, with key, line and column where they are known.
        reason: String,
    },
    /// A value is out of its range.
    #[error("{}: {key}: is {value}; it must be {range}", path.display())]
    OutOfRange {
        /// The settings file.
        path: PathBuf,
        /// The key that is wrong.
        key: String,
        /// The value in the file.
        value: i64,
        /// The range that is allowed.
        range: String,
    },
    /// The event source mapping cannot be made for another reason than a setting.
    #[error("the event source mapping: {0}")]
    Mapping(esm::MappingOptionsError),
}

impl Settings {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be read, does not have the settings' shape, or has a value out of the
    /// ranges that [`MappingSettings::mapping`] does not check. The first error found is returned.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads settings from `text`. `path` is only named in errors.
    ///
    /// # Errors
    /// The errors of [`Settings::read`], except that no file is read.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let malformed = |reason: String| SettingsError::Malformed {
            path: path.to_owned(),
            reason,
        };
        let keys: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let settings = Self::of_keys(keys).map_err(malformed)?;
        settings.check(path)?;
        Ok(settings)
    }

    fn of_keys(mut keys: Map<String, Value>) -> Result<Self, String> {
        let keys = &mut keys;
        let mapping = |keys: &mut Map<String, Value>, prefix| {
            let section: MappingSettings = section(keys, prefix)?;
            Ok::<_, String>(MappingSettings { prefix, ..section })
        };
        let MaxInFlight { max_in_flight } = section(keys, "consumer_")?;
        let settings = Self {
            intents: section(keys, "")?,
            facts: section(keys, "facts_")?,
            api: section(keys, "api_")?,
            consumer: section(keys, "consumer_")?,
            notifier: section(keys, "notifier_")?,
            subscriber: section(keys, "subscriber_")?,
            consumer_mapping: mapping(keys, "")?,
            notifier_mapping: mapping(keys, "notifier_")?,
            subscriber_mapping: mapping(keys, "subscriber_")?,
            consumer_max_in_flight: max_in_flight,
        };
        match keys.keys().next() {
            Some(key) => Err(format!("{key}: unknown field `{key}`")),
            None => Ok(settings),
        }
    }

    fn check(&self, path: &Path) -> Result<(), SettingsError> {
        const TIMEOUT: RangeInclusive<u32> = 1..=900;
        const MEMORY: RangeInclusive<u32> = 128..=10_240;
        const RETENTION: RangeInclusive<u32> = 24..=8_760;
        let streams = [("", &self.intents), ("facts_", &self.facts)];
        let streams = streams.into_iter().flat_map(|(prefix, stream)| {
            [
                (prefix, "shard_count", stream.shard_count, 1..=MAX_SHARDS),
                (prefix, "retention_hours", stream.retention_hours, RETENTION),
            ]
        });
        let functions = [
            ("api_", &self.api),
            ("consumer_", &self.consumer),
            ("notifier_", &self.notifier),
            ("subscriber_", &self.subscriber),
        ];
        let functions = functions.into_iter().flat_map(|(prefix, function)| {
            [
                (prefix, "timeout_seconds", function.timeout_seconds, TIMEOUT),
                (prefix, "memory_mb", function.memory_mb, MEMORY),
            ]
        });
        let in_flight = (
            "consumer_",
            "max_in_flight",
            self.consumer_max_in_flight,
            1..=1_000,
        );
        for (prefix, key, value, range) in streams.chain(functions).chain([in_flight]) {
            if !range.contains(&value) {
                return Err(SettingsError::OutOfRange {
                    path: path.to_owned(),
                    key: format!("{prefix}{key}"),
                    value: value.into(),
                    range: format!("{}–{}", range.start(), range.end()),
                });
            }
        }
        Ok(())
    }
}

/// Takes the keys of a section out of all keys. The error begins with the key.
fn section<T: Section>(keys: &mut Map<String, Value>, prefix: &str) -> Result<T, String> {
    let mut own = Map::new();
    for key in T::KEYS {
        let with_prefix = format!("{prefix}{key}");
        let value = keys
            .remove(&with_prefix)
            .ok_or_else(|| format!("missing field `{with_prefix}`"))?;
        own.insert((*key).to_owned(), value);
    }
    serde_path_to_error::deserialize(Value::Object(own)).map_err(|error| format!("{prefix}{error}"))
}

impl MappingSettings {
    /// Makes the event source mapping from the stream to the function. The mapping tells the queue
    /// of discards. All three are given by their ARNs. The stream keeps a record for
    /// `retention_hours`, and `path` is only named in errors.
    ///
    /// # Errors
    /// If Lambda would refuse one of the values.
    pub fn mapping(
        &self,
        stream: String,
        retention_hours: u32,
        function: String,
        queue: String,
        path: &Path,
    ) -> Result<esm::Mapping, SettingsError> {
        let mut mapping = esm::MappingOptions::new(stream, function, self.starting_position);
        mapping.batch_size = self.batch_size;
        mapping.maximum_batching_window_in_seconds = self.batching_window_seconds;
        mapping.bisect_batch_on_function_error = self.bisect_batch_on_function_error;
        mapping.maximum_retry_attempts = self.maximum_retry_attempts;
        mapping.maximum_record_age_in_seconds = self.maximum_record_age_seconds;
        mapping.parallelization_factor = self.parallelization_factor;
        if self.report_batch_item_failures {
            mapping
                .function_response_types
                .push(esm::FunctionResponseType::ReportBatchItemFailures);
        }
        mapping.on_failure = Some(queue);
        mapping.stream_retention_hours = retention_hours;
        mapping.assumptions.poll_interval = POLL_INTERVAL;
        mapping.assumptions.retry_backoff = RETRY_BACKOFF;
        mapping.assumptions.discard_delivery_attempts = DISCARD_ATTEMPTS;
        esm::Mapping::new(mapping).map_err(|error| match error {
            esm::MappingOptionsError::OutOfRange {
                parameter,
                value,
                range,
            } => SettingsError::OutOfRange {
                path: path.to_owned(),
                key: self.key(parameter),
                value,
                range: range.to_owned(),
            },
            other => SettingsError::Mapping(other),
        })
    }

    /// The key of the file that sets a parameter of the mapping.
    fn key(&self, parameter: &'static str) -> String {
        let key = match parameter {
            "BatchSize" => "batch_size",
            "MaximumBatchingWindowInSeconds" => "batching_window_seconds",
            "MaximumRecordAgeInSeconds" => "maximum_record_age_seconds",
            "MaximumRetryAttempts" => "maximum_retry_attempts",
            "ParallelizationFactor" => "parallelization_factor",
            other => return other.to_owned(),
        };
        format!("{}{key}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    const REPOSITORY_FILE: &str = include_str!("../../../infra/pipeline.auto.tfvars.json");

    /// Reads settings from `text` and makes a mapping of them, as the start of the stack does.
    fn parse(text: &str) -> Result<Settings, String> {
        let path = Path::new("settings.json");
        let arn = |rest: &str| format!("arn:aws:{rest}");
        let settings = Settings::parse(text, path).map_err(|error| error.to_string())?;
        let kinesis = "kinesis:us-east-1:000000000000:stream/s";
        let change_stream = "dynamodb:us-east-1:000000000000:table/t/stream/s";
        for (mapping, source, hours) in [
            (
                &settings.consumer_mapping,
                kinesis,
                settings.intents.retention_hours,
            ),
            (&settings.notifier_mapping, change_stream, 24),
            (
                &settings.subscriber_mapping,
                kinesis,
                settings.facts.retention_hours,
            ),
        ] {
            mapping
                .mapping(
                    arn(source),
                    hours,
                    arn("lambda:us-east-1:000000000000:function:f"),
                    arn("sqs:us-east-1:000000000000:q"),
                    path,
                )
                .map_err(|error| error.to_string())?;
        }
        Ok(settings)
    }

    fn parse_with(key: &str, value: impl Into<Value>) -> Result<Settings, String> {
        let mut keys: Map<String, Value> = serde_json::from_str(REPOSITORY_FILE).unwrap();
        keys.insert(key.into(), value.into());
        parse(&Value::Object(keys).to_string())
    }

    #[test]
    fn the_repositorys_own_file_is_read() {
        let settings = parse(REPOSITORY_FILE).unwrap();
        assert_eq!(settings.intents.shard_count, 2);
        let mapping = &settings.consumer_mapping;
        assert_eq!(mapping.batch_size, 10);
        assert_eq!(mapping.maximum_retry_attempts, 3);
        assert_eq!(
            mapping.maximum_record_age_seconds, -1,
            "left to the stream's retention"
        );
        assert_eq!(
            mapping.starting_position,
            esm::StartingPosition::TrimHorizon
        );
        assert_eq!(settings.api.timeout_seconds, 10);
        assert_eq!(settings.notifier_mapping.batch_size, 100);
        assert_eq!(settings.subscriber_mapping.parallelization_factor, 1);
    }

    #[test]
    fn each_key_is_required_and_the_error_names_file_and_key() {
        let keys: Map<String, Value> = serde_json::from_str(REPOSITORY_FILE).unwrap();
        for key in keys.keys() {
            let mut without = keys.clone();
            without.remove(key);
            let error = parse(&Value::Object(without).to_string()).unwrap_err();
            let expected = format!("settings.json: missing field `{key}`");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = parse_with("batchsize", 10).unwrap_err();
        let expected = "settings.json: batchsize: unknown field `batchsize`";
        assert!(error.starts_with(expected), "{error}");
    }

    fn is_prefix(text: &str) -> bool {
        text.is_empty() || text.ends_with('_') && text.matches('_').count() == 1
    }

    #[test]
    fn both_ends_of_each_range_are_accepted_and_what_lies_beyond_is_refused_by_file_and_key() {
        for (key, least, most) in [
            ("shard_count", 1, 500),
            ("retention_hours", 24, 8_760),
            ("batch_size", 1, 10_000),
            ("batching_window_seconds", 0, 300),
            ("parallelization_factor", 1, 10),
            ("maximum_retry_attempts", -1, 10_000),
            ("maximum_record_age_seconds", 60, 604_800),
            ("timeout_seconds", 1, 900),
            ("memory_mb", 128, 10_240),
            ("max_in_flight", 1, 1_000),
        ] {
            let shipped: Map<String, Value> = serde_json::from_str(REPOSITORY_FILE).unwrap();
            let with_prefix = |name: &&String| name.strip_suffix(key).is_some_and(is_prefix);
            let keys: Vec<&String> = shipped.keys().filter(with_prefix).collect();
            assert!(!keys.is_empty(), "{key}");
            for key in keys {
                for end in [least, most] {
                    parse_with(key, end).unwrap();
                }
                for beyond in [least - 1, most + 1] {
                    let error = parse_with(key, beyond).unwrap_err();
                    let named = format!("settings.json: {key}: ");
                    assert!(error.starts_with(&named), "{error}");
                    assert!(error.contains(&beyond.to_string()), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused_by_file_and_key() {
        for (key, value) in [
            ("batch_size", Value::from("10")),
            ("batch_size", 1.5.into()),
            ("bisect_batch_on_function_error", 1.into()),
            ("starting_position", "AT_TIMESTAMP".into()),
            ("shard_count", 4_294_967_297_u64.into()),
            ("notifier_batch_size", "100".into()),
            ("subscriber_starting_position", "AT_TIMESTAMP".into()),
            ("consumer_timeout_seconds", Value::Null),
        ] {
            let error = parse_with(key, value).unwrap_err();
            let named = format!("settings.json: {key}: ");
            assert!(error.starts_with(&named), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_json_is_refused_with_the_place() {
        parse("[]").unwrap_err();
        parse(&format!("{REPOSITORY_FILE} {{}}")).unwrap_err();
        let error = parse("{\n  \"shard_count\": }").unwrap_err();
        assert!(
            error.starts_with("settings.json: ") && error.contains("line 2"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Settings::read(Path::new("/nonexistent/settings.json"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("/nonexistent/settings.json: cannot be read:"),
            "{error}"
        );
    }
}
