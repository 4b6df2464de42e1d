//! Why an event can never be applied.

use crate::violation::{Code, Violation};

/// Why a record's data can never be applied, however often it is delivered.
///
/// Its text and [`code`](Poison::code) hold no content of the event and may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// The data is not a JSON document.
    #[error("the data is not JSON")]
    NotJson,
    /// A CloudEvents attribute is missing, malformed or not the value it has to be (CloudEvents 1.0
    /// §3).
    #[error("the CloudEvents attribute `{0}` is missing or malformed")]
    Attribute(&'static str),
    /// An attribute appears twice, so the event says two things.
    #[error("an attribute of the envelope appears more than once")]
    DuplicateAttribute,
    /// The type is unknown, or a version of it that is newer than this service.
    #[error("the event type is not known")]
    UnknownType,
    /// The data breaks rules of its type.
    #[error("the data breaks {} rule(s), the first: {}", .0.len(), .0.first().map_or(Code::Type, |first| first.code))]
    Data(Vec<Violation>),
    /// The fingerprint was made by a rule that is newer than this service.
    #[error("the version of the fingerprint is not known")]
    UnknownFingerprintVersion,
    /// The fingerprint is not that of the data, so one of them was altered.
    #[error("the fingerprint does not match the data")]
    FingerprintMismatch,
}

impl Poison {
    /// A short name for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Attribute(_) => "bad_attribute",
            Self::DuplicateAttribute => "duplicate_attribute",
            Self::UnknownType => "unknown_type",
            Self::Data(_) => "invalid_data",
            Self::UnknownFingerprintVersion => "unknown_fingerprint_version",
            Self::FingerprintMismatch => "fingerprint_mismatch",
        }
    }
}
