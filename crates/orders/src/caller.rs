//! The caller, which is the identity that the front door vouches for.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::json::Json;
#[cfg(test)]
use crate::schema::NO_CONTROLS;
use crate::violation::{Code, Pointer, Violations};

/// The most bytes of a caller's name. It is the length that IAM allows for an ARN, the longest of
/// the identities in use.
const MAX_BYTES: usize = 2_048;

/// A caller's name, of 1–2,048 bytes without control characters.
///
/// The caller who submits an order owns it. Names are compared byte for byte. `Debug` shows no
/// name, because a name may be personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Caller(
    // A schema counts characters, of which a name has no more than bytes.
    #[cfg_attr(test, schemars(length(min = 1, max = MAX_BYTES), regex(pattern = NO_CONTROLS)))]
    String,
);

impl Caller {
    /// The caller of a service that knows no callers. The order id is the capability there.
    #[must_use]
    pub fn anonymous() -> Self {
        Self("anonymous".to_owned())
    }

    /// Takes a name as a caller's, or `None` if it is empty, too long or holds control characters.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        ((1..=MAX_BYTES).contains(&name.len()) && !name.chars().any(char::is_control))
            .then(|| Self(name.to_owned()))
    }

    /// Reads a name from a part of a document. `None` only if a violation was noted.
    pub(crate) fn from_json(
        json: &Json,
        at: &Pointer<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let caller = json.as_str().and_then(Self::parse);
        if caller.is_none() {
            violations.add(at, Code::Format, "must be a caller's name");
        }
        caller
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 16 hex digits of the name's SHA-256, which name the caller's cancel register in
    /// the row.
    #[must_use]
    pub fn hash(&self) -> String {
        Sha256::digest(self.0.as_bytes())[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// True if the text has the form of a [`hash`](Self::hash).
    pub(crate) fn is_hash(text: &str) -> bool {
        let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.len() == 16 && text.bytes().all(is_hex)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({})", self.hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_neither_empty_nor_unbounded_nor_unprintable() {
        assert!(Caller::parse("").is_none());
        assert!(Caller::parse("a\nb").is_none());
        assert!(Caller::parse(&"a".repeat(MAX_BYTES)).is_some());
        assert!(Caller::parse(&"a".repeat(MAX_BYTES + 1)).is_none());
    }

    #[test]
    fn the_hash_is_the_beginning_of_sha_256() {
        // printf anonymous | sha256sum
        assert_eq!(Caller::anonymous().hash(), "2f183a4e64493af3");
    }

    #[test]
    fn debug_shows_the_hash_and_no_name() {
        let shown = format!("{:?}", Caller::anonymous());
        assert_eq!(shown, "Caller(2f183a4e64493af3)");
    }
}
