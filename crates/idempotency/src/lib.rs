#![doc = include_str!("../README.md")]

mod backoff;
mod cache;
mod commit;
mod error;
#[cfg(test)]
mod expressions;
mod fingerprint;
mod json;
mod key;
mod lease;
mod lease_options;
#[cfg(test)]
mod model;
mod once;
mod record;
mod stored;
mod table;
mod transition;
mod write;

pub use commit::{Commit, Refusal, RefusedItem};
pub use error::{Error, PASSING_CODES, StoreError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use key::{Key, KeyError, MAX_NAMESPACE};
pub use lease::{Begin, Lease, Settled};
pub use lease_options::{MAX_RESULT_BYTES, Settings, SettingsError};
pub use once::{Failure, HowLost, Outcome};
pub use stored::{Digest, Replay, Stored};
pub use table::LeaseTable;
