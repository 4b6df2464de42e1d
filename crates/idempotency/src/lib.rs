#![doc = include_str!("../README.md")]

mod cache;
mod commit;
mod commit_once;
mod error;
mod fingerprint;
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

pub use commit::{Commit, Refusal, RefusedItem};
pub use commit_once::{CommitOnce, Transaction};
pub use error::{Error, JsonError, NoAnswer, PASSING_CODES, ServiceError, Source, StoreError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use json::NotJson;
pub use key::{Key, KeyError, MAX_NAMESPACE};
pub use key_parts::{KeyPart, KeyParts};
pub use lease::{Begin, Lease, Settled};
pub use lease_options::{KeyAttribute, LeaseOptions, LeaseOptionsError, MAX_RESULT_BYTES};
pub use once::{Failure, HowLost, Once, OrFailure};
pub use stored::{Digest, Replay, Stored};
pub use table::LeaseTable;
