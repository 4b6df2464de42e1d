//! Sequence numbers in the shape that Kinesis gives them. They have 56 decimal digits, begin with
//! 49, and are compared as numbers within a shard.
//!
//! kinesalite recovered the layout from numbers that AWS issued. Clients must treat a sequence
//! number as opaque. In hexadecimal a number has these parts, from the top.
//!
//! - `2` (1 digit)
//! - The second in which the shard was created (9 digits)
//! - The shard's last digit (1 digit)
//! - A counter (16 digits)
//! - A byte (2 digits)
//! - The second of arrival (9 digits)
//! - The shard (8 digits)
//! - The version `2` (1 digit)

use std::fmt;
use std::str::FromStr;

/// A record's place in its shard. Sequence numbers are compared as numbers, and not as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    // The sequence of the fields makes the derived comparison numeric.
    high: u64,
    low: u128,
}

/// A text that is not a sequence number. Either the text is not a decimal number without leading
/// zeros, or the number has more than 192 bits. This model issues no number of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sequence number")]
pub struct InvalidSequenceNumber;

const SECONDS: u64 = (1 << 36) - 1;
const COUNTER_LOW: u64 = (1 << 48) - 1;
/// The largest power of ten in 64 bits, 10^19, and its number of zeros.
const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;

impl SequenceNumber {
    /// The number of a record. Within `shard` the numbers compare by `counter`.
    pub(crate) fn new(
        created_seconds: u64,
        shard: u32,
        counter: u64,
        arrival_seconds: u64,
    ) -> Self {
        let shard_digit = u64::from(shard & 0xF);
        Self {
            high: (2 << 56)
                | ((created_seconds & SECONDS) << 20)
                | (shard_digit << 16)
                | (counter >> 48),
            low: (u128::from(counter & COUNTER_LOW) << 80)
                | (u128::from(arrival_seconds & SECONDS) << 36)
                | (u128::from(shard) << 4)
                | 2,
        }
    }

    /// True if the shard created in that second can have issued the number.
    pub(crate) fn is_of(self, created_seconds: u64, shard: u32) -> bool {
        let like = Self::new(created_seconds, shard, self.counter(), 0);
        self.high == like.high && self.low & 0xF_FFFF_FFFF == like.low & 0xF_FFFF_FFFF
    }

    /// The shard that the number itself names.
    pub(crate) fn shard(self) -> u32 {
        u32::try_from((self.low >> 4) & 0xFFFF_FFFF).unwrap_or(u32::MAX)
    }

    pub(crate) fn counter(self) -> u64 {
        let low = u64::try_from((self.low >> 80) & u128::from(COUNTER_LOW)).unwrap_or(COUNTER_LOW);
        ((self.high & 0xFFFF) << 48) | low
    }

    fn limbs(self) -> [u64; 3] {
        [self.high, low_half(self.low >> 64), low_half(self.low)]
    }

    fn from_limbs([high, middle, low]: [u64; 3]) -> Self {
        Self {
            high,
            low: (u128::from(middle) << 64) | u128::from(low),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
fn low_half(value: u128) -> u64 {
    value as u64
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.limbs();
        // 192 bits are at most 58 digits, which make four chunks. The least significant chunk is
        // first.
        let mut chunks = [0_u64; 4];
        for chunk in &mut chunks {
            let mut remainder = 0_u128;
            for limb in &mut limbs {
                let value = (remainder << 64) | u128::from(*limb);
                *limb = low_half(value / u128::from(CHUNK));
                remainder = value % u128::from(CHUNK);
            }
            *chunk = low_half(remainder);
        }
        let mut text = String::with_capacity(4 * CHUNK_DIGITS);
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:0width$}", width = CHUNK_DIGITS));
        }
        let digits = text.trim_start_matches('0');
        f.pad(if digits.is_empty() { "0" } else { digits })
    }
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        if text.is_empty() || (text.len() > 1 && text.starts_with('0')) {
            return Err(InvalidSequenceNumber);
        }
        let mut limbs = [0_u64; 3];
        for byte in text.bytes() {
            if !byte.is_ascii_digit() {
                return Err(InvalidSequenceNumber);
            }
            let mut carry = u128::from(byte - b'0');
            for limb in limbs.iter_mut().rev() {
                let value = u128::from(*limb) * 10 + carry;
                *limb = low_half(value);
                carry = value >> 64;
            }
            if carry != 0 {
                return Err(InvalidSequenceNumber);
            }
        }
        Ok(Self::from_limbs(limbs))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_329_000;

    #[test]
    fn it_has_56_digits_and_begins_with_49() {
        let text = SequenceNumber::new(NOW, 0, 1, NOW).to_string();
        assert_eq!(text.len(), 56);
        assert!(text.starts_with("49"), "{text}");
    }

    #[test]
    fn it_reads_a_number_that_aws_issued() {
        // The first record of the example event in the Lambda developer guide, "Using Lambda with
        // Kinesis".
        let text = "49590338271490256608559692538361571095921575989136588898";
        let number: SequenceNumber = text.parse().unwrap();
        assert_eq!(number.to_string(), text);
        assert_eq!(number.shard(), 6, "the example names shardId-000000000006");
    }

    #[test]
    fn what_is_no_decimal_number_is_refused() {
        for text in ["", "-1", "+1", "01", "1 ", "1.0", "0x1", "four", "٣"] {
            assert_eq!(
                text.parse::<SequenceNumber>(),
                Err(InvalidSequenceNumber),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_largest_number_of_192_bits_is_read_and_the_next_one_refused() {
        let largest = "6277101735386680763835789423207666416102355444464034512895";
        assert_eq!(
            largest.parse::<SequenceNumber>().unwrap().to_string(),
            largest
        );
        let next = "6277101735386680763835789423207666416102355444464034512896";
        assert_eq!(next.parse::<SequenceNumber>(), Err(InvalidSequenceNumber));
        assert_eq!(
            "9".repeat(128).parse::<SequenceNumber>(),
            Err(InvalidSequenceNumber)
        );
    }

    proptest! {
        #[test]
        fn text_and_number_convert_back_and_forth(
            created in 0..=SECONDS, shard: u32, counter: u64, arrival in 0..=SECONDS,
        ) {
            let number = SequenceNumber::new(created, shard, counter, arrival);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
            prop_assert_eq!((number.counter(), number.shard()), (counter, shard));
            prop_assert!(number.is_of(created, shard));
        }

        #[test]
        fn the_counter_orders_a_shards_numbers_whatever_the_time(
            created in 0..=SECONDS, shard: u32, a: u64, b: u64, early in 0..=SECONDS, late in 0..=SECONDS,
        ) {
            prop_assume!(a != b);
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(
                SequenceNumber::new(created, shard, a, late) < SequenceNumber::new(created, shard, b, early)
            );
        }

        #[test]
        fn the_order_is_that_of_the_decimal_numbers(a: (u64, u128), b: (u64, u128)) {
            let [a, b] = [a, b].map(|(high, low)| SequenceNumber { high, low });
            let text = |n: SequenceNumber| format!("{:0>58}", n.to_string());
            prop_assert_eq!(a.cmp(&b), text(a).cmp(&text(b)));
        }

        #[test]
        fn a_number_of_another_shard_or_creation_is_recognised(
            created in 0..SECONDS, shard in 0..u32::MAX, counter: u64,
        ) {
            let number = SequenceNumber::new(created, shard, counter, created);
            prop_assert!(!number.is_of(created + 1, shard));
            prop_assert!(!number.is_of(created, shard + 1));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = text.parse::<SequenceNumber>();
        }
    }
}
