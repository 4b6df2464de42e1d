//! The constraints of Kinesis's input shapes.

use bytes::Bytes;

use super::error::KinesisError;
use super::limits::{MAX_PARTITION_KEY_CHARS, MAX_RECORD_BYTES, MAX_SHARDS};
use crate::violations::Violated;
pub(super) use crate::violations::{Violations, is_decimal};

impl From<Violated> for KinesisError {
    fn from(Violated(message): Violated) -> Self {
        Self::Validation(message)
    }
}

const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

impl Violations {
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
    Ok(violations.finish()?)
}

/// Checks a record that comes without a wire.
pub(super) fn check_record(partition_key: &str, data: &Bytes) -> Result<(), KinesisError> {
    let mut violations = Violations::default();
    violations.partition_key(partition_key, "");
    violations.record_size(data, partition_key, "");
    Ok(violations.finish()?)
}
