//! The pipeline's settings, read from the same JSON file as Terraform reads (`infra/pipeline.auto.tfvars.json`), so that
//! the local stack and AWS cannot drift apart.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

/// How the stream, its event source mapping and the two functions are set up.
///
/// Every key of the file is required and no other key is allowed. Ranges are those of Lambda and Kinesis
/// (Lambda API reference, `CreateEventSourceMapping` and `CreateFunction`; Kinesis, `IncreaseStreamRetentionPeriod`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Shards of the stream, 1–500.
    pub shard_count: u32,
    /// How long the stream keeps a record, in hours, 24–8,760.
    pub retention_hours: u32,
    /// Most records in one invocation of the consumer, 1–10,000.
    pub batch_size: u32,
    /// How long a batch is collected before it is sent although not full; 0–300 s.
    pub batching_window: Duration,
    /// Batches of one shard in flight at once, 1–10.
    pub parallelization_factor: u32,
    /// Where the mapping begins to read a shard.
    pub starting_position: StartingPosition,
    /// Retries of a failed batch, 0–10,000; `None` (-1 in the file) is until the records expire.
    pub maximum_retry_attempts: Option<u32>,
    /// Age from which a record is discarded, 60–604,800 s; `None` (-1 in the file) is the stream's retention.
    pub maximum_record_age: Option<Duration>,
    /// Whether a failed batch is split in two before it is retried.
    pub bisect_batch_on_function_error: bool,
    /// Whether the function's answer may name the records that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// After how long an invocation of `api` is ended, 1–900 s.
    pub api_timeout: Duration,
    /// After how long an invocation of `consumer` is ended, 1–900 s.
    pub consumer_timeout: Duration,
    /// Memory of `api` in MB, 128–10,240. Told to the function, not enforced.
    pub api_memory_mb: u32,
    /// Memory of `consumer` in MB, 128–10,240. Told to the function, not enforced.
    pub consumer_memory_mb: u32,
    /// Partition keys that one invocation of `consumer` works on at once, 1–1,000: what the function accepts as
    /// `MAX_IN_FLIGHT`.
    pub consumer_max_in_flight: u32,
}

/// Where the mapping begins to read a shard that it has not read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// At the oldest record that the stream still keeps.
    TrimHorizon,
    /// At the first record put after the mapping was made.
    Latest,
}

/// Why the settings file cannot be used. Each message names the file, and the key where there is one.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The settings file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not a JSON object.
    #[error("{}: {reason}", path.display())]
    NotAnObject {
        /// The settings file.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        reason: String,
    },
    /// A key is missing, unknown or has a value that is not allowed.
    #[error("{}: {key}: {reason}", path.display())]
    Key {
        /// The settings file.
        path: PathBuf,
        /// The key that is wrong.
        key: String,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
}

impl Settings {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a JSON object, lacks a key, has an unknown key, or has a value that Lambda or
    /// Kinesis would refuse. The first error found is returned.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads settings from `text`; `path` is only named in errors.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let not_an_object = |reason: String| SettingsError::NotAnObject {
            path: path.to_owned(),
            reason,
        };
        let keys = match serde_json::from_str(text) {
            Ok(Value::Object(keys)) => keys,
            Ok(_) => return Err(not_an_object("not a JSON object".into())),
            Err(error) => return Err(not_an_object(format!("not JSON: {error}"))),
        };
        let mut file = File { keys };
        file.settings().map_err(|(key, reason)| SettingsError::Key {
            path: path.to_owned(),
            key,
            reason,
        })
    }
}

type KeyError = (String, String);

/// The keys of the file that are not read yet.
struct File {
    keys: Map<String, Value>,
}

impl File {
    fn settings(&mut self) -> Result<Settings, KeyError> {
        let settings = Settings {
            shard_count: self.integer("shard_count", 1..=500)?,
            retention_hours: self.integer("retention_hours", 24..=8_760)?,
            batch_size: self.integer("batch_size", 1..=10_000)?,
            batching_window: self.seconds("batching_window_seconds", 0..=300)?,
            parallelization_factor: self.integer("parallelization_factor", 1..=10)?,
            starting_position: self.starting_position("starting_position")?,
            maximum_retry_attempts: self
                .integer_or_unlimited("maximum_retry_attempts", 0..=10_000)?,
            maximum_record_age: self
                .integer_or_unlimited("maximum_record_age_seconds", 60..=604_800)?
                .map(|seconds| Duration::from_secs(seconds.into())),
            bisect_batch_on_function_error: self.boolean("bisect_batch_on_function_error")?,
            report_batch_item_failures: self.boolean("report_batch_item_failures")?,
            api_timeout: self.seconds("api_timeout_seconds", 1..=900)?,
            consumer_timeout: self.seconds("consumer_timeout_seconds", 1..=900)?,
            api_memory_mb: self.integer("api_memory_mb", 128..=10_240)?,
            consumer_memory_mb: self.integer("consumer_memory_mb", 128..=10_240)?,
            consumer_max_in_flight: self.integer("consumer_max_in_flight", 1..=1_000)?,
        };
        match self.keys.keys().next() {
            Some(key) => Err((key.clone(), "is not a setting of the pipeline".into())),
            None => Ok(settings),
        }
    }

    fn take(&mut self, key: &str) -> Result<Value, KeyError> {
        self.keys
            .remove(key)
            .ok_or_else(|| (key.into(), "is missing".into()))
    }

    fn integer(&mut self, key: &str, allowed: RangeInclusive<u32>) -> Result<u32, KeyError> {
        let value = self.take(key)?;
        integer_in(&value, &allowed).ok_or_else(|| {
            (
                key.into(),
                format!(
                    "is {value}, but must be an integer from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            )
        })
    }

    /// -1 stands for "no limit of its own", as in Lambda's API.
    fn integer_or_unlimited(
        &mut self,
        key: &str,
        allowed: RangeInclusive<u32>,
    ) -> Result<Option<u32>, KeyError> {
        let value = self.take(key)?;
        if value == -1 {
            return Ok(None);
        }
        integer_in(&value, &allowed).map(Some).ok_or_else(|| {
            (
                key.into(),
                format!(
                    "is {value}, but must be -1 or an integer from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            )
        })
    }

    fn seconds(&mut self, key: &str, allowed: RangeInclusive<u32>) -> Result<Duration, KeyError> {
        Ok(Duration::from_secs(self.integer(key, allowed)?.into()))
    }

    fn boolean(&mut self, key: &str) -> Result<bool, KeyError> {
        let value = self.take(key)?;
        value
            .as_bool()
            .ok_or_else(|| (key.into(), format!("is {value}, but must be true or false")))
    }

    fn starting_position(&mut self, key: &str) -> Result<StartingPosition, KeyError> {
        let value = self.take(key)?;
        match value.as_str() {
            Some("TRIM_HORIZON") => Ok(StartingPosition::TrimHorizon),
            Some("LATEST") => Ok(StartingPosition::Latest),
            _ => Err((
                key.into(),
                format!("is {value}, but must be \"TRIM_HORIZON\" or \"LATEST\""),
            )),
        }
    }
}

fn integer_in(value: &Value, allowed: &RangeInclusive<u32>) -> Option<u32> {
    let integer = u32::try_from(value.as_u64()?).ok()?;
    allowed.contains(&integer).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY_FILE: &str = include_str!("../../../infra/pipeline.auto.tfvars.json");

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(text, Path::new("settings.json")).map_err(|error| error.to_string())
    }

    fn parse_with(key: &str, value: Value) -> Result<Settings, String> {
        let mut keys: Map<String, Value> = serde_json::from_str(REPOSITORY_FILE).unwrap();
        keys.insert(key.into(), value);
        parse(&Value::Object(keys).to_string())
    }

    #[test]
    fn the_repositorys_own_file_is_read() {
        let settings = parse(REPOSITORY_FILE).unwrap();
        assert_eq!(settings.shard_count, 2);
        assert_eq!(settings.batch_size, 10);
        assert_eq!(settings.maximum_retry_attempts, Some(3));
        assert_eq!(
            settings.maximum_record_age, None,
            "-1 leaves it to the stream's retention"
        );
        assert_eq!(settings.starting_position, StartingPosition::TrimHorizon);
        assert_eq!(settings.api_timeout, Duration::from_secs(10));
    }

    #[test]
    fn each_key_is_required_and_the_error_names_file_and_key() {
        let keys: Map<String, Value> = serde_json::from_str(REPOSITORY_FILE).unwrap();
        for key in keys.keys() {
            let mut without = keys.clone();
            without.remove(key);
            let error = parse(&Value::Object(without).to_string()).unwrap_err();
            assert_eq!(error, format!("settings.json: {key}: is missing"));
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let error = parse_with("batchsize", 10.into()).unwrap_err();
        assert_eq!(
            error,
            "settings.json: batchsize: is not a setting of the pipeline"
        );
    }

    #[test]
    fn a_value_out_of_range_or_of_another_type_is_refused_with_what_is_allowed() {
        let error = parse_with("batch_size", 0.into()).unwrap_err();
        assert_eq!(
            error,
            "settings.json: batch_size: is 0, but must be an integer from 1 to 10000"
        );
        let error = parse_with("batch_size", "10".into()).unwrap_err();
        assert_eq!(
            error,
            "settings.json: batch_size: is \"10\", but must be an integer from 1 to 10000"
        );
        let error = parse_with("maximum_record_age_seconds", 59.into()).unwrap_err();
        assert!(
            error.ends_with("is 59, but must be -1 or an integer from 60 to 604800"),
            "{error}"
        );
        let error = parse_with("maximum_retry_attempts", (-2).into()).unwrap_err();
        assert!(error.contains("maximum_retry_attempts: is -2"), "{error}");
        let error = parse_with("bisect_batch_on_function_error", 1.into()).unwrap_err();
        assert!(
            error.ends_with("is 1, but must be true or false"),
            "{error}"
        );
        let error = parse_with("starting_position", "AT_TIMESTAMP".into()).unwrap_err();
        assert!(
            error.ends_with("must be \"TRIM_HORIZON\" or \"LATEST\""),
            "{error}"
        );
        let error = parse_with("shard_count", 4_294_967_297_u64.into()).unwrap_err();
        assert!(
            error.contains("shard_count: is 4294967297"),
            "no silent truncation: {error}"
        );
    }

    #[test]
    fn no_more_may_be_in_flight_than_the_consumer_accepts() {
        parse_with("consumer_max_in_flight", 1_000.into()).unwrap();
        let error = parse_with("consumer_max_in_flight", 1_001.into()).unwrap_err();
        assert!(error.contains("from 1 to 1000"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_a_json_object_is_refused_with_the_place() {
        assert_eq!(parse("[]").unwrap_err(), "settings.json: not a JSON object");
        let error = parse("{\n  \"shard_count\": }").unwrap_err();
        assert!(
            error.starts_with("settings.json: not JSON:") && error.contains("line 2"),
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
