#![doc = include_str!("../README.md")]
#![doc = include_str!("../guide.md")]

mod cache;
mod commit;
mod commit_once;
mod error;
mod fingerprint;
#[cfg(feature = "test-util")]
mod in_memory;
mod json;
mod key;
mod key_parts;
mod lease;
mod lease_options;
#[cfg(test)]
mod model;
mod once;
mod record;
mod stored;
mod table;
mod transition;
#[cfg(feature = "keyed-batch")]
mod verdict;

pub use commit::{Commit, Refusal, RefusedItem};
pub use commit_once::{CommitOnce, Transaction};
pub use error::{Error, JsonError, NoAnswer, PASSING_CODES, ServiceError, Source, StoreError};
pub use fingerprint::{Fingerprint, FingerprintError};
#[cfg(feature = "test-util")]
pub use in_memory::InMemoryTable;
pub use json::NotJson;
pub use key::{Key, KeyError, MAX_NAMESPACE};
pub use key_parts::{KeyPart, KeyParts};
pub use lease::{Begin, Lease, Settled};
pub use lease_options::{KeyAttribute, LeaseOptions, LeaseOptionsError, MAX_RESULT_BYTES};
pub use once::{Failure, HowLost, Once, OrFailure};
pub use stored::{Digest, Replay, Stored};
pub use table::LeaseTable;
#[cfg(feature = "keyed-batch")]
pub use verdict::ToVerdict;

// What appears here of other crates, so that a user needs no second copy.
pub use aws_sdk_dynamodb;
pub use aws_types::SdkConfig;
pub use serde_json;
pub use tokio::time::Instant;
