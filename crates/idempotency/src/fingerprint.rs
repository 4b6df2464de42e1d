//! What a request asks for, so that another request under the same key is told apart from a repetition.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::key::hex;

/// What was asked for, as a hash. A duplicate has the same key and the same fingerprint; the same key with another
/// fingerprint is a [`Mismatch`](crate::Outcome::Mismatch), never a replay and never an execution.
///
/// Make it of what the work depends on, and leave out what differs between deliveries of the same request (time stamps of
/// the delivery, trace ids).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// The payload has no JSON form: a map whose keys are not strings, an integer beyond 64 bits, or a `Serialize` that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload has no JSON form")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of a payload, by its JSON with the fields of every object in order: how a sender orders fields and spells strings does
    /// not count.
    ///
    /// Numbers count as they are, so that no two integers are taken for one; `5` and `5.0` are different. (Canonical JSON by
    /// RFC 8785 reads all numbers as doubles, in which 2⁵³ and 2⁵³ + 1 are the same amount.)
    ///
    /// ```
    /// use idempotency::Fingerprint;
    /// use serde_json::json;
    ///
    /// let one = Fingerprint::of(&json!({"amount": 5, "currency": "EUR"}))?;
    /// let other = Fingerprint::of(&json!({"currency": "EUR", "amount": 5}))?;
    /// assert_eq!(one, other);
    /// # Ok::<_, idempotency::FingerprintError>(())
    /// ```
    ///
    /// # Errors
    /// [`FingerprintError`] if it has no JSON form.
    pub fn of<T: Serialize + ?Sized>(payload: &T) -> Result<Self, FingerprintError> {
        let value = serde_json::to_value(payload).map_err(|_| FingerprintError)?;
        let mut json = String::new();
        write_sorted(&value, &mut json);
        Ok(Self::tagged("json", json.as_bytes()))
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

/// Compact JSON, the fields of objects in the order of their names' bytes, whatever order the `Value` keeps them in.
fn write_sorted(value: &Value, json: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                json.push(if index == 0 { '{' } else { ',' });
                json.push_str(&Value::from(name.as_str()).to_string());
                json.push(':');
                write_sorted(value, json);
            }
            json.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                json.push(if index == 0 { '[' } else { ',' });
                write_sorted(value, json);
            }
            json.push_str(if values.is_empty() { "[]" } else { "]" });
        }
        scalar => json.push_str(&scalar.to_string()),
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
            Fingerprint::of(&json!({"amount": 9_007_199_254_740_992_u64})).unwrap(),
            Fingerprint::of(&json!({"amount": 9_007_199_254_740_993_u64})).unwrap(),
            Fingerprint::of(&json!({"amount": {}})).unwrap(),
            Fingerprint::of(&json!({"amount": []})).unwrap(),
            Fingerprint::of(&json!({"amount": [[], 5]})).unwrap(),
            Fingerprint::of(&json!({"amount": [[5]]})).unwrap(),
            Fingerprint::of_bytes(br#"{"amount":5}"#),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn the_same_payload_spelled_otherwise_has_the_same_fingerprint() {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            Fingerprint::of(&parsed(r#"{"a": [100, {"d": 1, "c": 2}], "b": "\u0041"}"#)),
            Fingerprint::of(&parsed(r#"{"b": "A", "a": [100, {"c": 2, "d": 1}]}"#))
        );
    }

    #[test]
    fn it_is_the_sha_256_of_compact_json_with_its_fields_in_order() {
        // printf '{"a":1}' | sha256sum
        assert_eq!(
            Fingerprint::of(&json!({"a": 1})).unwrap().as_str(),
            "json:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
        );
    }

    #[test]
    fn what_has_no_json_form_has_no_fingerprint() {
        let map = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(Fingerprint::of(&map), Err(FingerprintError));
    }
}
