//! The constraints of Kinesis's input shapes, and the report of all violations in a request, in
//! AWS's words.

use bytes::Bytes;

use super::error::KinesisError;
use super::limits::{MAX_PARTITION_KEY_CHARS, MAX_RECORD_BYTES, MAX_SHARDS};

const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

/// The constraint violations of a request, which are reported together as on AWS.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    pub(super) fn check(
        &mut self,
        holds: bool,
        value: impl std::fmt::Display,
        path: &str,
        constraint: impl FnOnce() -> String,
    ) {
        // AWS lists ten violations at most.
        if !holds && self.0.len() < 10 {
            self.0.push(format!(
                "Value '{value}' at '{path}' failed to satisfy constraint: {}",
                constraint()
            ));
        }
    }

    pub(super) fn pattern(&mut self, holds: bool, value: &str, path: &str, pattern: &str) {
        self.check(holds, value, path, || {
            format!("Member must satisfy regular expression pattern: {pattern}")
        });
    }

    pub(super) fn length_range(
        &mut self,
        length: usize,
        value: &str,
        path: &str,
        least: usize,
        most: usize,
    ) {
        self.check(length <= most, value, path, || {
            format!("Member must have length less than or equal to {most}")
        });
        self.check(length >= least, value, path, || {
            format!("Member must have length greater than or equal to {least}")
        });
    }

    pub(super) fn required(&mut self, value: Option<String>, path: &str) -> Option<String> {
        if value.is_none() && self.0.len() < 10 {
            self.0.push(format!(
                "Value null at '{path}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value
    }

    pub(super) fn stream_name(&mut self, name: &str) {
        self.name(name, "streamName");
    }

    /// Checks a stream's name or a shard's id.
    pub(super) fn name(&mut self, name: &str, path: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        self.pattern(
            !name.is_empty() && name.chars().all(allowed),
            name,
            path,
            NAME_PATTERN,
        );
        self.length_range(name.chars().count(), name, path, 1, 128);
    }

    /// Checks a shard's id that is required.
    pub(super) fn required_name(&mut self, value: Option<String>, path: &str) -> Option<String> {
        let value = self.required(value, path);
        if let Some(name) = &value {
            self.name(name, path);
        }
        value
    }

    /// Checks a number that is required and must be at least `least`.
    pub(super) fn at_least(&mut self, value: Option<i64>, least: i64, path: &str) {
        match value {
            None => {
                self.required(None, path);
            }
            Some(value) => self.check(value >= least, value, path, || {
                format!("Member must have value greater than or equal to {least}")
            }),
        }
    }

    /// Checks a limit, which may be absent or from 1 to `most`.
    pub(super) fn limit(&mut self, value: Option<i64>, path: &str, most: usize) -> Option<usize> {
        let value = value?;
        self.at_least(Some(value), 1, path);
        let converted = usize::try_from(value).unwrap_or(0);
        self.check(converted <= most, value, path, || {
            format!("Member must have value less than or equal to {most}")
        });
        Some(converted)
    }

    pub(super) fn one_of(&mut self, value: &str, path: &str, known: &[&str]) {
        self.check(known.contains(&value), value, path, || {
            format!("Member must satisfy enum value set: [{}]", known.join(", "))
        });
    }

    pub(super) fn partition_key(&mut self, key: &str, prefix: &str) {
        let path = format!("{prefix}partitionKey");
        self.length_range(key.chars().count(), key, &path, 1, MAX_PARTITION_KEY_CHARS);
    }

    /// Checks the size of a record. The limit is for data and partition key together, and AWS
    /// reports it at the data.
    pub(super) fn record_size(&mut self, data: &Bytes, key: &str, prefix: &str) {
        let (length, path) = (data.len(), format!("{prefix}data"));
        self.check(
            length + key.len() <= MAX_RECORD_BYTES,
            format_args!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]"),
            &path,
            || format!("Member must have length less than or equal to {MAX_RECORD_BYTES}"),
        );
    }

    pub(super) fn finish(self) -> Result<(), KinesisError> {
        match self.0.len() {
            0 => Ok(()),
            count => Err(KinesisError::Validation(format!(
                "{count} validation error{} detected: {}",
                if count == 1 { "" } else { "s" },
                self.0.join("; ")
            ))),
        }
    }
}

pub(super) fn is_decimal(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

/// Checks the number of shards that a client asks for.
pub(super) fn check_shard_count(shards: i64, violations: &mut Violations) {
    violations.at_least(Some(shards), 1, "shardCount");
    violations.check(
        shards <= i64::from(MAX_SHARDS),
        shards,
        "shardCount",
        || format!("Member must have value less than or equal to {MAX_SHARDS}"),
    );
}

/// Checks the name and shard count of a stream to be created.
pub(super) fn check_new_stream(name: &str, shards: u32) -> Result<(), KinesisError> {
    let mut violations = Violations::default();
    check_shard_count(i64::from(shards), &mut violations);
    violations.stream_name(name);
    violations.finish()
}

/// Checks a record that comes without a wire.
pub(super) fn check_record(partition_key: &str, data: &Bytes) -> Result<(), KinesisError> {
    let mut violations = Violations::default();
    violations.partition_key(partition_key, "");
    violations.record_size(data, partition_key, "");
    violations.finish()
}
