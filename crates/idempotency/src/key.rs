//! What makes two requests the same request: a namespace and the parts that identify it, hashed.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The longest namespace, in bytes.
pub const MAX_NAMESPACE: usize = 255;

/// Under which key a piece of work is done once.
///
/// In the table it is `<namespace>#<SHA-256 of the parts, in hex>`, so its length is bounded whatever the parts are, and
/// nothing personal in them reaches the table. The parts are hashed with their lengths: `("a", "bc")` and `("ab", "c")` are
/// different keys.
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

/// Why there is no key. A piece of work that cannot be named is not done: doing it without a lock would do it once for
/// every delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The namespace is empty, longer than [`MAX_NAMESPACE`] bytes, or contains `#`.
    #[error("the namespace is empty, too long, or contains '#'")]
    Namespace,
    /// There is no part, or an empty one.
    #[error("the key is missing or has an empty part")]
    Missing,
    /// The payload has nothing at this JSON pointer, or `null`.
    #[error("the payload has no {0}")]
    NotInPayload(String),
    /// The payload has an object or an array at this JSON pointer.
    #[error("{0} is not a string, a number or a boolean")]
    NotScalar(String),
}

impl Key {
    /// The key of these parts. The namespace says what is done (`charge`, `send-receipt`), so that two kinds of work on the
    /// same order have locks of their own; by convention it does not change, or everything is done once more.
    ///
    /// # Errors
    /// [`KeyError::Namespace`] or [`KeyError::Missing`].
    pub fn new<I>(namespace: &str, parts: I) -> Result<Self, KeyError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        if namespace.is_empty() || namespace.len() > MAX_NAMESPACE || namespace.contains('#') {
            return Err(KeyError::Namespace);
        }
        let mut hash = Sha256::new();
        let mut empty = true;
        for part in parts {
            let part = part.as_ref();
            if part.is_empty() {
                return Err(KeyError::Missing);
            }
            hash.update((part.len() as u64).to_be_bytes());
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

    /// The key of what stands at these JSON pointers (RFC 6901) in a payload. Strings count as they are, numbers and
    /// booleans as JSON writes them; so the string `"1"` and the number `1` are the same part.
    ///
    /// ```
    /// use idempotency::{Key, KeyError};
    ///
    /// let payload = serde_json::json!({"order": {"id": "o-1"}, "line": 2});
    /// let key = Key::of_payload("charge", &payload, ["/order/id", "/line"])?;
    /// assert_eq!(key, Key::new("charge", ["o-1", "2"])?);
    ///
    /// let missing = Key::of_payload("charge", &payload, ["/order/number"]);
    /// assert_eq!(missing, Err(KeyError::NotInPayload("/order/number".into())));
    /// # Ok::<_, KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`]; a missing value and `null` are errors, never a skipped lock.
    pub fn of_payload<'a>(
        namespace: &str,
        payload: &Value,
        pointers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, KeyError> {
        let part = |pointer: &str| match payload.pointer(pointer) {
            None | Some(Value::Null) => Err(KeyError::NotInPayload(pointer.to_owned())),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(scalar @ (Value::Bool(_) | Value::Number(_))) => Ok(scalar.to_string()),
            Some(_) => Err(KeyError::NotScalar(pointer.to_owned())),
        };
        let parts = pointers
            .into_iter()
            .map(part)
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(namespace, parts)
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.id[..self.namespace]
    }

    /// The value of the table's partition key: at most [`MAX_NAMESPACE`] + 65 bytes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            for nibble in [byte >> 4, byte & 0xF] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            text
        })
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
        assert_eq!(of("/empty"), Err(KeyError::Missing));
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
