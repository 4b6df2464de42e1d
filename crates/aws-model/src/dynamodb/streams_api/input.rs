//! The input shapes of DynamoDB Streams, read from JSON, and the constraints of their members.
//!
//! A member that AWS requires is optional here if its absence is a violation. The violation is then
//! reported together with other violations.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::StreamsError;
use crate::input::{self, Unreadable};
use crate::violations::Violations;

/// Reads the input of an operation.
pub(super) fn read<T: DeserializeOwned>(operation: &str, body: &[u8]) -> Result<T, StreamsError> {
    input::read(body).map_err(|unreadable| match unreadable {
        Unreadable::Unknown(member) => {
            StreamsError::Validation(input::not_modelled(&member, operation))
        }
        other => StreamsError::Serialization(other.serialization_message()),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListStreams {
    pub(super) table_name: Option<String>,
    pub(super) limit: Option<i64>,
    pub(super) exclusive_start_stream_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeStream {
    pub(super) stream_arn: Option<String>,
    pub(super) limit: Option<i64>,
    pub(super) exclusive_start_shard_id: Option<String>,
    pub(super) shard_filter: Option<ShardFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ShardFilter {
    #[serde(rename = "Type")]
    pub(super) kind: Option<String>,
    pub(super) shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetShardIterator {
    pub(super) stream_arn: Option<String>,
    pub(super) shard_id: Option<String>,
    pub(super) shard_iterator_type: Option<String>,
    pub(super) sequence_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetRecords {
    pub(super) shard_iterator: Option<String>,
    pub(super) limit: Option<i64>,
}

impl Violations {
    /// Checks a limit, which may be absent. Its upper bound is not a constraint of the shape.
    pub(super) fn positive(&mut self, limit: Option<i64>) {
        if limit.is_some() {
            self.at_least(limit, 1, "limit");
        }
    }

    /// Checks the id of a shard, which may be absent.
    pub(super) fn shard_id(&mut self, id: &Option<String>, path: &str) {
        if let Some(id) = id {
            self.length_range(id.chars().count(), id, path, 28, 65);
        }
    }

    /// Checks the length of a stream's ARN, which may be absent.
    pub(super) fn length_of(&mut self, arn: &Option<String>, path: &str) {
        if let Some(arn) = arn {
            self.length_range(arn.chars().count(), arn, path, 37, 1_024);
        }
    }

    /// Checks the stream's ARN, which is required.
    pub(super) fn required_arn(&mut self, arn: Option<String>) -> String {
        let arn = self.required(arn, "streamArn");
        self.length_of(&arn, "streamArn");
        arn.unwrap_or_default()
    }

    pub(super) fn table_name(&mut self, name: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let matches = !name.is_empty() && name.chars().all(allowed);
        self.pattern(matches, name, "tableName", "[a-zA-Z0-9_.-]+");
        self.length_range(name.chars().count(), name, "tableName", 3, 255);
    }
}
