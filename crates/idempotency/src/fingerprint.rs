//! What a request asks for, so that another request under the same key is told apart from a repetition.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::key::hex;

/// What was asked for, as a hash. A duplicate has the same key and the same fingerprint; the same key with another
/// fingerprint is a [`Mismatch`](crate::Outcome::Mismatch), never a replay and never an execution.
///
/// Make it of what the work depends on, and leave out what differs between deliveries of the same request (time stamps of
/// the delivery, trace ids).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// The payload has no JSON form: a map whose keys are not strings, a number that is not finite, or a `Serialize` that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload has no canonical JSON form")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of a payload, by its canonical JSON (RFC 8785): the order of fields and the spelling of numbers do not count.
    ///
    /// ```
    /// use idempotency::Fingerprint;
    /// use serde_json::json;
    ///
    /// let one = Fingerprint::of(&json!({"amount": 5, "currency": "EUR"}))?;
    /// let other = Fingerprint::of(&json!({"currency": "EUR", "amount": 5.0}))?;
    /// assert_eq!(one, other);
    /// # Ok::<_, idempotency::FingerprintError>(())
    /// ```
    ///
    /// # Errors
    /// [`FingerprintError`] if it has no JSON form.
    pub fn of<T: Serialize + ?Sized>(payload: &T) -> Result<Self, FingerprintError> {
        serde_json_canonicalizer::to_vec(&payload)
            .map(|json| Self::tagged("json", &json))
            .map_err(|_| FingerprintError)
    }

    /// Of bytes as they are. Never equal to one made by [`of`](Self::of).
    #[must_use]
    pub fn of_bytes(payload: &[u8]) -> Self {
        Self::tagged("raw", payload)
    }

    /// The tag names the rule, so that a later rule cannot be taken for this one.
    fn tagged(rule: &str, bytes: &[u8]) -> Self {
        Self(format!("{rule}:{}", hex(&Sha256::digest(bytes))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn payloads_that_differ_have_different_fingerprints() {
        let all = [
            Fingerprint::of(&json!({"amount": 5})).unwrap(),
            Fingerprint::of(&json!({"amount": 6})).unwrap(),
            Fingerprint::of(&json!({"amount": "5"})).unwrap(),
            Fingerprint::of_bytes(br#"{"amount":5}"#),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn the_same_payload_spelled_otherwise_has_the_same_fingerprint() {
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(
            Fingerprint::of(&parsed(r#"{"a": 1e2, "b": "\u0041"}"#)),
            Fingerprint::of(&parsed(r#"{"b": "A", "a": 100}"#))
        );
    }

    #[test]
    fn it_is_the_sha_256_of_the_canonical_json() {
        // printf '{"a":1}' | sha256sum
        assert_eq!(
            Fingerprint::of(&json!({"a": 1})).unwrap().as_str(),
            "json:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
        );
    }

    #[test]
    fn what_has_no_json_form_has_no_fingerprint() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(Fingerprint::of(&map), Err(FingerprintError));
    }
}
