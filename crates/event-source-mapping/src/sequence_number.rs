//! A Kinesis sequence number, which is a decimal number too large for any integer type. It is
//! compared as a number.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The number of digits that Kinesis' pattern `0|([1-9]\d{0,128})` allows (Kinesis API reference,
/// `Record`).
const MAX_DIGITS: usize = 129;

/// A Kinesis sequence number.
///
/// It is kept as text, since Kinesis allows 129 digits (Kinesis API reference, `Record`, pattern
/// `0|([1-9]\d{0,128})`). It is compared as a number, so `9` is less than `10`, and leading zeros
/// do not count. Cloning does not copy the text.
#[derive(Clone)]
pub struct SequenceNumber(Arc<str>);

/// The text is not a sequence number. It is empty, longer than 129 characters, or not all decimal
/// digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sequence number is 1 to 129 decimal digits")]
pub struct NotASequenceNumber;

impl SequenceNumber {
    /// Reads a sequence number.
    ///
    /// # Errors
    /// [`NotASequenceNumber`] unless `text` is 1 to 129 ASCII digits.
    pub fn parse(text: &str) -> Result<Self, NotASequenceNumber> {
        if text.is_empty()
            || text.len() > MAX_DIGITS
            || !text.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(NotASequenceNumber);
        }
        Ok(Self(text.into()))
    }

    /// The text, as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.significant(), other.significant());
        left.len().cmp(&right.len()).then_with(|| left.cmp(right))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SequenceNumber {
    fn eq(&self, other: &Self) -> bool {
        self.significant() == other.significant()
    }
}

impl Eq for SequenceNumber {}

impl Hash for SequenceNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.significant().hash(state);
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SequenceNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> SequenceNumber {
        SequenceNumber::parse(text).unwrap()
    }

    #[test]
    fn numbers_of_different_length_compare_as_numbers_not_as_text() {
        assert!(number("9") < number("10"));
        let digits = "9".repeat(128);
        assert!(number(&digits) < number(&format!("1{}", "0".repeat(128))));
    }

    #[test]
    fn leading_zeros_do_not_count() {
        assert_eq!(number("007"), number("7"));
        assert_eq!(number("000"), number("0"));
        assert!(number("0099") < number("100"));
    }

    #[test]
    fn the_text_is_kept_as_it_was_read() {
        assert_eq!(number("007").to_string(), "007");
    }

    #[test]
    fn what_is_not_1_to_129_digits_is_refused() {
        for text in [
            "",
            "-1",
            "+1",
            "1.0",
            "1e3",
            " 1",
            "one",
            "١",
            &"1".repeat(130),
        ] {
            assert_eq!(
                SequenceNumber::parse(text),
                Err(NotASequenceNumber),
                "{text:?}"
            );
        }
        assert!(SequenceNumber::parse(&"1".repeat(129)).is_ok());
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(left: u128, right: u128, zeros in 0_usize..5) {
            let padded = format!("{}{left}", "0".repeat(zeros));
            prop_assert_eq!(number(&padded).cmp(&number(&right.to_string())), left.cmp(&right));
        }
    }
}
