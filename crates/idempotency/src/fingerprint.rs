//! The hash of what a request asks for, so that another request under the same key is told apart
//! from a repetition.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::json::{Fault, Json, NotJson, What, serialize};
use crate::key::hex;

/// The hash of the payload. A duplicate has the same key and the same fingerprint. The same key
/// with another fingerprint is a [`Mismatch`](crate::Once::Mismatch), never a replay and never an
/// execution.
///
/// Make it of what the work depends on, and leave out what differs between deliveries of the same
/// request (time stamps of the delivery, trace ids).
///
/// | you have | take | numbers |
/// |---|---|---|
/// | the JSON text | [`of_json`](Self::of_json) | as they are written |
/// | a value without floats | [`of`](Self::of) | integers of any size; a float is an error |
/// | anything else | [`of_bytes`](Self::of_bytes) | |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// The reason why a payload has no fingerprint. Another payload would have the same one.
///
/// Each holds the JSON pointer (RFC 6901) to the value in the way, empty for the payload as a
/// whole. The pointer is made of the payload's names. Where those are somebody's data, log the
/// [`code`](Self::code) instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// There is a floating-point number, and nobody knows what digits it had before it became one.
    ///
    /// serde_json reads numbers with a fraction, an exponent or more than 64 bits as doubles. So
    /// 0.1 and 0.1000000000000000055 are the same `Value`, and 18446744073709551617 and
    /// 18446744073709551618 are the same one too. Use [`Fingerprint::of_json`] if you have the
    /// text. Otherwise use an exact value, such as an amount in cents, or a string.
    #[error("the number at \"{0}\" is a floating-point number, which may have lost digits")]
    Float(String),
    /// A part of the payload has no JSON form. It is a map whose keys are neither strings nor
    /// integers, or a `Serialize` that fails.
    #[error("the payload has no JSON form at \"{0}\"")]
    NoJsonForm(String),
    /// An object has two members of this name, of which readers of JSON take the one or the other
    /// (RFC 8259, section 4).
    #[error("\"{0}\" is in the payload more than once")]
    Ambiguous(String),
    /// The payload is not a JSON text, or is nested more than 128 deep.
    #[error("the payload is not JSON")]
    NotJson(#[from] NotJson),
}

impl FingerprintError {
    /// A stable code, for logs and as a reason of `keyed_batch::Verdict`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Float(_) => "fingerprint_float",
            Self::NoJsonForm(_) => "fingerprint_no_json_form",
            Self::Ambiguous(_) => "fingerprint_ambiguous",
            Self::NotJson(_) => "fingerprint_payload_not_json",
        }
    }
}

impl From<Fault> for FingerprintError {
    fn from(fault: Fault) -> Self {
        match fault.what {
            What::Float => Self::Float(fault.pointer),
            What::NoForm => Self::NoJsonForm(fault.pointer),
            What::SecondMember => Self::Ambiguous(fault.pointer),
        }
    }
}

impl Fingerprint {
    /// The fingerprint of a payload, by its JSON with the members of every object in one sequence.
    /// The sender's sequence of members and its spelling of strings do not count. Two values of
    /// which the JSON is the same are the same payload, such as `None` and `()`, or the key `1` of
    /// a map and the key `"1"`.
    ///
    /// Integers count with all their digits, up to 128 bits. (Canonical JSON by RFC 8785 reads all
    /// numbers as doubles, in which 2⁵³ and 2⁵³ + 1 are the same amount.) Floating-point numbers
    /// are refused, a `Value`'s too.
    ///
    /// ```
    /// use idempotency::{Fingerprint, FingerprintError};
    /// use serde_json::json;
    ///
    /// let one = Fingerprint::of(&json!({"amount": 5, "currency": "EUR"}))?;
    /// let other = Fingerprint::of(&json!({"currency": "EUR", "amount": 5}))?;
    /// assert_eq!(one, other);
    ///
    /// let price = Fingerprint::of(&json!({"items": [{"price": 12.99}]}));
    /// assert_eq!(price, Err(FingerprintError::Float("/items/0/price".into())));
    /// # Ok::<_, FingerprintError>(())
    /// ```
    ///
    /// If serde_json's feature `arbitrary_precision` is on in your build, a `Value` keeps its
    /// numbers as they are written, and then they are taken as [`of_json`](Self::of_json) takes
    /// them.
    ///
    /// # Errors
    /// [`FingerprintError`] if another payload would have the same fingerprint, or it has no JSON
    /// form.
    pub fn of<T: Serialize + ?Sized>(payload: &T) -> Result<Self, FingerprintError> {
        Ok(Self::of_value(&serialize(payload)?)?)
    }

    /// The fingerprint of a payload that is a JSON text. It is made as [`of`](Self::of) makes it,
    /// and is the same for the same payload, but every number counts as it is written. `5`, `5.0`
    /// and `5.00` are different, and `1e5` and `1E+5` are not.
    ///
    /// ```
    /// use idempotency::Fingerprint;
    ///
    /// let one = Fingerprint::of_json(br#"{"price": 12.99, "currency": "EUR"}"#)?;
    /// let other = Fingerprint::of_json(br#"{"currency":"EUR","price":12.99}"#)?;
    /// assert_eq!(one, other);
    /// # Ok::<_, idempotency::FingerprintError>(())
    /// ```
    ///
    /// # Errors
    /// [`FingerprintError::NotJson`], or [`FingerprintError::Ambiguous`] for a name that occurs
    /// twice in one object.
    pub fn of_json(payload: &[u8]) -> Result<Self, FingerprintError> {
        Ok(Self::of_value(&Json::read(payload)?)?)
    }

    fn of_value(payload: &Json) -> Result<Self, Fault> {
        Ok(Self::tagged("json", payload.canonical()?.as_bytes()))
    }

    /// The fingerprint of bytes as they are. It never equals one made by [`of`](Self::of).
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

/// As in the table, which is the rule and the hash of the payload. It may be logged, as a
/// [`Key`](crate::Key) may.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

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
        let map = json!({"a": 1});
        let payload = (map, BTreeMap::from([((1, 2), 3)]));
        let refused = FingerprintError::NoJsonForm("/1".into());
        assert_eq!(Fingerprint::of(&payload), Err(refused));
    }
}
