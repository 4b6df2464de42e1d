//! The identity of a request, which is the hash of a namespace and the parts that identify the
//! request.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::json::{Ambiguous, Json, NotJson, is_integer};
use crate::key_parts::{KeyParts, Kind};

/// The longest namespace, in bytes.
pub const MAX_NAMESPACE: usize = 255;

/// Under which key a piece of work is done once.
///
/// In the table it is `<namespace>#<SHA-256 of the parts, in hex>`. So its length is bounded
/// whatever the parts are, and nothing personal in them reaches the table. The parts are hashed
/// with their lengths and kinds. `("a", "bc")` and `("ab", "c")` are different keys, and so are the
/// string `"1"` and the number `1` of a payload.
///
/// ```
/// use idempotency::Key;
///
/// let order_id = "o-7";
/// let key = Key::new("charge", [order_id, "line-1"])?;
/// # Ok::<_, idempotency::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    namespace: usize,
    id: String,
}

/// The reason why there is not a key. A piece of work that cannot be named is not done. Without a
/// lock it would be done once for every delivery.
///
/// A JSON pointer in it is one that the caller has passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The namespace is empty, longer than [`MAX_NAMESPACE`] bytes, or contains `#`.
    #[error("the namespace is empty, too long, or contains '#'")]
    Namespace,
    /// A part is empty, or there is none at all.
    #[error("the key is missing or has an empty part")]
    Missing,
    /// The payload has nothing at this JSON pointer, or `null`, or an empty string.
    #[error("the payload has no {0}")]
    NotInPayload(String),
    /// The payload has an object or an array at this JSON pointer.
    #[error("{0} is not a string, a number or a boolean")]
    NotScalar(String),
    /// The number at this JSON pointer is not an integer, or is one that does not fit into 64 bits
    /// and was read as a double. In either case other numbers look the same by now.
    ///
    /// [`Key::of_json`] takes integers of any size. Where a number with a fraction identifies
    /// something, make a string of it.
    #[error("the number at {0} is not an integer, or has lost digits")]
    NotInteger(String),
    /// On the way of this JSON pointer, an object has two members of one name.
    #[error("{0} is in the payload more than once")]
    Ambiguous(String),
    /// The payload is not a JSON text, or is nested more than 128 deep.
    #[error("the payload is not JSON")]
    NotJson(#[from] NotJson),
}

impl KeyError {
    /// A stable code, for logs and as a reason of `keyed_batch::Verdict`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Namespace => "key_namespace",
            Self::Missing => "key_missing",
            Self::NotInPayload(_) => "key_not_in_payload",
            Self::NotScalar(_) => "key_not_scalar",
            Self::NotInteger(_) => "key_not_integer",
            Self::Ambiguous(_) => "key_ambiguous",
            Self::NotJson(_) => "key_payload_not_json",
        }
    }
}

impl Key {
    /// The key of these parts. The namespace says what is done (`charge`, `send-receipt`), so that
    /// two kinds of work on the same order have their own locks. By convention it does not change,
    /// or everything is done once more.
    ///
    /// The parts are one value, or a tuple, an array, a slice or a `Vec` of values ([`KeyParts`]).
    /// A number and its text are different parts, as they are in [`of_payload`](Self::of_payload).
    ///
    /// ```
    /// use idempotency::Key;
    ///
    /// let line = Key::new("charge", ("o-7", 2))?;
    /// assert_ne!(line, Key::new("charge", ("o-7", "2"))?);
    /// assert_eq!(Key::new("charge", "o-7")?, Key::new("charge", [String::from("o-7")])?);
    /// # Ok::<_, idempotency::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::Namespace`] or [`KeyError::Missing`].
    pub fn new<'a>(namespace: &str, parts: impl KeyParts<'a>) -> Result<Self, KeyError> {
        let parts = parts.into_parts().into_iter();
        Self::of_parts(namespace, parts.map(|part| Ok((part.kind, part.bytes))))
    }

    fn of_parts<P: AsRef<[u8]>>(
        namespace: &str,
        parts: impl Iterator<Item = Result<(Kind, P), KeyError>>,
    ) -> Result<Self, KeyError> {
        if namespace.is_empty() || namespace.len() > MAX_NAMESPACE || namespace.contains('#') {
            return Err(KeyError::Namespace);
        }
        let mut hash = Sha256::new();
        let mut empty = true;
        for part in parts {
            let (kind, part) = part?;
            let part = part.as_ref();
            if part.is_empty() {
                return Err(KeyError::Missing);
            }
            hash.update((((kind as u64) << 56) | part.len() as u64).to_be_bytes());
            hash.update(part);
            empty = false;
        }
        if empty {
            return Err(KeyError::Missing);
        }
        Ok(Self {
            namespace: namespace.len(),
            id: format!("{namespace}#{}", hex(&hash.finalize())),
        })
    }

    /// The key of the values at these JSON pointers (RFC 6901) in a payload, which are strings,
    /// integers and booleans. The sequence of the pointers counts, and the pointers themselves do
    /// not.
    ///
    /// Two values have the same key if they are the same value of the same kind. The string `"1"`,
    /// the number `1` and `true` are three, and strings are compared byte by byte, without
    /// normalization of Unicode. A string counts as the same part that
    /// [`new`](Self::new) takes:
    ///
    /// ```
    /// use idempotency::{Key, KeyError};
    ///
    /// let payload = serde_json::json!({"order": {"id": "o-1"}, "line": 2});
    /// let key = Key::of_payload("charge", &payload, ["/order/id"])?;
    /// assert_eq!(key, Key::new("charge", ["o-1"])?);
    ///
    /// let missing = Key::of_payload("charge", &payload, ["/order/number"]);
    /// assert_eq!(missing, Err(KeyError::NotInPayload("/order/number".into())));
    /// # Ok::<_, KeyError>(())
    /// ```
    ///
    /// A `Value` holds integers of 64 bits. It has read a larger one as a double, and the numbers
    /// next to it too. Such a number is refused. If you have the text, [`of_json`](Self::of_json)
    /// reads every integer.
    ///
    /// # Errors
    /// [`KeyError`]. A missing value and `null` are errors, never a skipped lock.
    pub fn of_payload<'a>(
        namespace: &str,
        payload: &Value,
        pointers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, KeyError> {
        let part = |pointer: &'a str| match payload.pointer(pointer) {
            None | Some(Value::Null) => Err(KeyError::NotInPayload(pointer.to_owned())),
            Some(Value::String(value)) => text(value, pointer),
            Some(Value::Bool(value)) => Ok((Kind::Bool, value.to_string())),
            Some(Value::Number(number)) => integer(&number.to_string(), pointer),
            Some(Value::Array(_) | Value::Object(_)) => {
                Err(KeyError::NotScalar(pointer.to_owned()))
            }
        };
        Self::of_parts(namespace, pointers.into_iter().map(part))
    }

    /// As [`of_payload`](Self::of_payload), of a JSON text, in which integers may have any number
    /// of digits. Both give the same key where both give one.
    ///
    /// ```
    /// use idempotency::Key;
    ///
    /// let one = Key::of_json("charge", br#"{"id": 18446744073709551617}"#, ["/id"])?;
    /// let other = Key::of_json("charge", br#"{"id": 18446744073709551618}"#, ["/id"])?;
    /// assert_ne!(one, other);
    /// # Ok::<_, idempotency::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`of_payload`](Self::of_payload), and [`KeyError::NotJson`] and [`KeyError::Ambiguous`].
    pub fn of_json<'a>(
        namespace: &str,
        payload: &[u8],
        pointers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, KeyError> {
        let payload = Json::read(payload)?;
        let at = |pointer: &str| match payload.at(pointer) {
            Ok(value) => Ok(value),
            Err(Ambiguous) => Err(KeyError::Ambiguous(pointer.to_owned())),
        };
        let part = |pointer: &'a str| match at(pointer)? {
            None | Some(Json::Null) => Err(KeyError::NotInPayload(pointer.to_owned())),
            Some(Json::Text(value)) => text(value, pointer),
            Some(Json::Bool(value)) => Ok((Kind::Bool, value.to_string())),
            Some(Json::Number(number)) => integer(number, pointer),
            Some(Json::Float) => Err(KeyError::NotInteger(pointer.to_owned())),
            Some(Json::Array(_) | Json::Object(_)) => Err(KeyError::NotScalar(pointer.to_owned())),
        };
        Self::of_parts(namespace, pointers.into_iter().map(part))
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.id[..self.namespace]
    }

    /// The value of the table's partition key, of at most [`MAX_NAMESPACE`] + 65 bytes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// As in the table, which is the namespace and the hash of the parts.
///
/// It has no text of the parts, so it may be logged. A part with few possible values, such as a
/// telephone number, can be found by trying them all.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

fn text(value: &str, pointer: &str) -> Result<(Kind, String), KeyError> {
    if value.is_empty() {
        return Err(KeyError::NotInPayload(pointer.to_owned()));
    }
    Ok((Kind::Text, value.to_owned()))
}

fn integer(number: &str, pointer: &str) -> Result<(Kind, String), KeyError> {
    if !is_integer(number) {
        return Err(KeyError::NotInteger(pointer.to_owned()));
    }
    Ok((Kind::Number, number.to_owned()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 0xf].map(|nibble| DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(digits).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    #[test]
    fn a_key_is_its_namespace_and_a_hash_of_fixed_length() {
        let key = Key::new("charge", ["x".repeat(10_000)]).unwrap();
        assert_eq!(key.namespace(), "charge");
        assert_eq!(key.id().len(), "charge#".len() + 64);
        assert!(key.id().starts_with("charge#"));
    }

    #[test]
    fn the_hash_is_that_of_the_length_prefixed_parts() {
        // printf '\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\2bc' | sha256sum
        let key = Key::new("n", ["a", "bc"]).unwrap();
        assert_eq!(
            key.id(),
            "n#3fafa1cf2f19a7c1129beb20cf0983f73a489a221fc0dd2f16d1be292d089205"
        );
    }

    #[test]
    fn a_number_and_a_boolean_of_a_payload_are_hashed_with_their_kinds() {
        let payload = serde_json::json!({"number": 2, "bool": true, "text": "2"});
        for (pointer, hash) in [
            // printf '\1\0\0\0\0\0\0\0012' | sha256sum
            (
                "/number",
                "5d56f4ecd1c1fb76a6258421b48d9058281ac5af8355f75612c4b660d146a42d",
            ),
            // printf '\2\0\0\0\0\0\0\4true' | sha256sum
            (
                "/bool",
                "fe27f4245d1aa8bda15ba203a8458ab6364490164fedfadbc554eaf45af358c0",
            ),
            // printf '\0\0\0\0\0\0\0\0012' | sha256sum
            (
                "/text",
                "25af8dcacaa1d2a02c5b816b1b9b11170ac46366770f7173f5c61311653b8082",
            ),
        ] {
            let key = Key::of_payload("n", &payload, [pointer]).unwrap();
            assert_eq!(key.id(), format!("n#{hash}"), "{pointer}");
        }
    }

    #[test]
    fn a_number_that_is_passed_is_the_number_of_a_payload_and_not_its_text() {
        let payload = serde_json::json!({"n": -2, "b": true, "t": "2"});
        let of = |pointers: &[&'static str]| {
            Key::of_payload("n", &payload, pointers.iter().copied()).unwrap()
        };
        for key in [
            Key::new("n", -2),
            Key::new("n", [-2_i64]),
            Key::new("n", (-2_i128,)),
            Key::new("n", vec![-2_i8]),
        ] {
            assert_eq!(key.unwrap(), of(&["/n"]));
        }
        assert_ne!(Key::new("n", "-2").unwrap(), of(&["/n"]));
        let mixed = Key::new("n", (-2, "2", true, String::from("2"))).unwrap();
        assert_eq!(mixed, of(&["/n", "/t", "/b", "/t"]));
    }

    #[test]
    fn texts_and_bytes_in_any_form_are_the_same_part() {
        let owned = String::from("abc");
        let texts = [owned.clone(), owned.clone()];
        let one = Key::new("n", "abc").unwrap();
        for key in [
            Key::new("n", &owned),
            Key::new("n", owned.clone()),
            Key::new("n", [&owned]),
            Key::new("n", [b"abc"]),
            Key::new("n", [b"abc".to_vec()]),
            Key::new("n", &texts[..1]),
            Key::new("n", &["abc"][..]),
            Key::new("n", vec!["abc"]),
            Key::new("n", ("abc",)),
        ] {
            assert_eq!(key.unwrap(), one);
        }
    }

    #[test]
    fn a_key_is_shown_without_its_parts() {
        let key = Key::new("charge", "secret").unwrap();
        assert_eq!(key.to_string(), key.id());
        assert!(!format!("{key} {key:?}").contains("secret"));
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_counts() {
        let keys = [
            Key::new("n", ["a", "bc"]),
            Key::new("n", ["ab", "c"]),
            Key::new("n", ["abc"]),
            Key::new("m", ["abc"]),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(keys[index + 1..].iter().all(|other| other != key));
        }
    }

    #[test]
    fn a_missing_key_is_an_error() {
        assert_eq!(Key::new("n", NONE), Err(KeyError::Missing));
        assert_eq!(Key::new("n", [""]), Err(KeyError::Missing));
        assert_eq!(Key::new("n", ["a", ""]), Err(KeyError::Missing));
        let payload = serde_json::json!({"id": null, "empty": "", "list": [1]});
        let of = |pointer| Key::of_payload("n", &payload, [pointer]);
        assert_eq!(of("/id"), Err(KeyError::NotInPayload("/id".into())));
        assert_eq!(of("/other"), Err(KeyError::NotInPayload("/other".into())));
        assert_eq!(of("/empty"), Err(KeyError::NotInPayload("/empty".into())));
        assert_eq!(of("/list"), Err(KeyError::NotScalar("/list".into())));
        assert_eq!(of(""), Err(KeyError::NotScalar(String::new())));
        assert_eq!(Key::of_payload("n", &payload, NONE), Err(KeyError::Missing));
    }

    #[test]
    fn a_namespace_is_bounded_and_cannot_forge_another() {
        for namespace in ["", "a#b", &"n".repeat(256)] {
            assert_eq!(Key::new(namespace, ["a"]), Err(KeyError::Namespace));
        }
        assert!(Key::new(&"n".repeat(255), ["a"]).is_ok());
    }
}
