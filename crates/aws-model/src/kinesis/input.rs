//! The input shapes of Kinesis's operations, read from JSON.
//!
//! A member that AWS requires is optional here if its absence is a violation. The violation is then
//! reported together with other violations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::error::KinesisError;
use super::hash_range::hash_key;
use super::violations::{Violations, is_decimal};
use crate::input::{self, Unreadable};
use crate::service::ACCOUNT;

pub(super) const HASH_KEY_PATTERN: &str = "0|([1-9]\\d{0,38})";

/// Reads the input of an operation.
pub(super) fn read<T: DeserializeOwned>(operation: &str, body: &[u8]) -> Result<T, KinesisError> {
    input::read(body).map_err(|unreadable| match unreadable {
        Unreadable::Unknown(member) => {
            KinesisError::InvalidArgument(input::not_modelled(&member, operation))
        }
        other => KinesisError::Serialization(other.serialization_message()),
    })
}

/// The stream that a request names, by name, by ARN or by both.
#[derive(Debug)]
pub(super) struct StreamRef {
    pub(super) name: Option<String>,
    pub(super) arn: Option<String>,
}

/// Declares the input of an operation on a stream. The input has its own members, the members that
/// name the stream, and no others. With serde's flattening it would accept any others.
macro_rules! of_a_stream {
    ($(pub(super) struct $name:ident { $($(#[$attribute:meta])* pub(super) $member:ident: $type:ty,)* })*) => {
        $(
            #[derive(Debug, Deserialize)]
            #[serde(rename_all = "PascalCase", deny_unknown_fields)]
            pub(super) struct $name {
                stream_name: Option<String>,
                #[serde(rename = "StreamARN")]
                stream_arn: Option<String>,
                $($(#[$attribute])* pub(super) $member: $type,)*
            }

            impl $name {
                /// Takes out the members that name the stream.
                pub(super) fn stream(&mut self) -> StreamRef {
                    StreamRef { name: self.stream_name.take(), arn: self.stream_arn.take() }
                }
            }
        )*
    };
}

impl StreamRef {
    pub(super) fn given(&self) -> bool {
        self.name.is_some() || self.arn.is_some()
    }

    /// Adds the violations of the constraints of the members that name the stream.
    pub(super) fn check(&self, violations: &mut Violations) {
        if let Some(name) = &self.name {
            violations.stream_name(name);
        }
    }

    /// The stream's name. Members that name no stream, break a constraint or contradict each other
    /// are refused.
    pub(super) fn name(&self) -> Result<String, KinesisError> {
        match (&self.name, &self.arn) {
            (None, None) => Err(KinesisError::InvalidArgument(
                "Either StreamName or StreamARN must be specified.".to_owned(),
            )),
            (None, Some(arn)) => stream_of_arn(arn),
            (Some(name), arn) => {
                let mut violations = Violations::default();
                violations.stream_name(name);
                violations.finish()?;
                if let Some(arn) = arn
                    && stream_of_arn(arn)? != *name
                {
                    return Err(KinesisError::InvalidArgument(
                        "StreamARN does not match StreamName.".to_owned(),
                    ));
                }
                Ok(name.clone())
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct CreateStream {
    pub(super) stream_name: Option<String>,
    pub(super) shard_count: Option<i64>,
    pub(super) stream_mode_details: Option<StreamModeDetails>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct StreamModeDetails {
    pub(super) stream_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct UpdateStreamMode {
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) stream_mode_details: Option<StreamModeDetails>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListStreams {
    pub(super) limit: Option<i64>,
    pub(super) exclusive_start_stream_name: Option<String>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetRecords {
    pub(super) shard_iterator: Option<String>,
    pub(super) limit: Option<i64>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ShardFilter {
    #[serde(rename = "Type")]
    pub(super) kind: Option<String>,
    pub(super) shard_id: Option<String>,
    pub(super) timestamp: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RecordToPut {
    #[serde(default, deserialize_with = "blob")]
    pub(super) data: Option<Bytes>,
    pub(super) partition_key: Option<String>,
    pub(super) explicit_hash_key: Option<String>,
}

of_a_stream! {
    pub(super) struct StreamOnly {}
    pub(super) struct SetRetention {
        pub(super) retention_period_hours: Option<i64>,
    }
    pub(super) struct DescribeStream {
        pub(super) limit: Option<i64>,
        pub(super) exclusive_start_shard_id: Option<String>,
    }
    pub(super) struct ListShards {
        pub(super) max_results: Option<i64>,
        pub(super) exclusive_start_shard_id: Option<String>,
        pub(super) next_token: Option<String>,
        pub(super) shard_filter: Option<ShardFilter>,
    }
    pub(super) struct SplitShard {
        pub(super) shard_to_split: Option<String>,
        pub(super) new_starting_hash_key: Option<String>,
    }
    pub(super) struct MergeShards {
        pub(super) shard_to_merge: Option<String>,
        pub(super) adjacent_shard_to_merge: Option<String>,
    }
    pub(super) struct UpdateShardCount {
        pub(super) target_shard_count: Option<i64>,
        pub(super) scaling_type: Option<String>,
    }
    pub(super) struct GetShardIterator {
        pub(super) shard_id: Option<String>,
        pub(super) shard_iterator_type: Option<String>,
        pub(super) starting_sequence_number: Option<String>,
        pub(super) timestamp: Option<f64>,
    }
    pub(super) struct PutRecord {
        #[serde(default, deserialize_with = "blob")]
        pub(super) data: Option<Bytes>,
        pub(super) partition_key: Option<String>,
        pub(super) explicit_hash_key: Option<String>,
        pub(super) sequence_number_for_ordering: Option<String>,
    }
    pub(super) struct PutRecords {
        pub(super) records: Option<Vec<RecordToPut>>,
    }
}

fn blob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| serde::de::Error::custom("not Base64"))?;
    Ok(Some(bytes.into()))
}

pub(super) struct CheckedRecord {
    pub(super) partition_key: String,
    pub(super) hash_key: u128,
    pub(super) data: Bytes,
}

impl RecordToPut {
    /// Adds the record's violations of the shape's constraints to `violations`. An `Err` is to be
    /// reported only if there are no violations.
    pub(super) fn check(
        self,
        prefix: &str,
        violations: &mut Violations,
    ) -> Result<CheckedRecord, KinesisError> {
        let missing = |path: &str| format!("{prefix}{path}");
        let partition_key = violations.required(self.partition_key, &missing("partitionKey"));
        if let Some(key) = &partition_key {
            violations.partition_key(key, prefix);
        }
        if let Some(explicit) = &self.explicit_hash_key {
            violations.pattern(
                is_decimal(explicit, 39),
                explicit,
                &missing("explicitHashKey"),
                HASH_KEY_PATTERN,
            );
        }
        match &self.data {
            None => {
                violations.required(None, &missing("data"));
            }
            Some(data) => {
                violations.record_size(data, partition_key.as_deref().unwrap_or_default(), prefix);
            }
        }
        let partition_key = partition_key.unwrap_or_default();
        let hash_key = match self.explicit_hash_key {
            None => hash_key(&partition_key),
            Some(explicit) => explicit.parse().map_err(|_| {
                KinesisError::InvalidArgument(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                     {explicit}"
                ))
            })?,
        };
        Ok(CheckedRecord {
            partition_key,
            hash_key,
            data: self.data.unwrap_or_default(),
        })
    }
}

impl CheckedRecord {
    pub(super) fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// The stream that an ARN names.
pub(super) fn stream_of_arn(arn: &str) -> Result<String, KinesisError> {
    let name = arn
        .strip_prefix("arn:aws:kinesis:")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(_, rest)| rest.split_once(":stream/"))
        .filter(|(account, name)| {
            account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
        });
    match name {
        None => {
            let mut violations = Violations::default();
            violations.pattern(
                false,
                arn,
                "streamARN",
                "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+",
            );
            violations.finish()?;
            Ok(String::new())
        }
        // A stream of another account is out of reach.
        Some((account, name)) if account != ACCOUNT => Err(KinesisError::StreamNotFound {
            stream: name.to_owned(),
        }),
        Some((_, name)) => Ok(name.to_owned()),
    }
}
