//! The routing of records. The MD5 of a partition key, read as a 128-bit number, falls into exactly
//! one shard's hash key range.
//!
//! Sources: Kinesis developer guide, "Key concepts", partition key, and API reference,
//! `HashKeyRange`.

use md5::{Digest, Md5};

/// The hash keys of one shard, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The lowest hash key.
    pub start: u128,
    /// The highest hash key.
    pub end: u128,
}

impl HashRange {
    /// True if a hash key falls into the range.
    #[must_use]
    pub fn contains(self, hash_key: u128) -> bool {
        (self.start..=self.end).contains(&hash_key)
    }
}

/// The hash key of a partition key, which is the key's MD5 with the most significant byte first.
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// The ranges of a new stream's shards. Each range has the width ⌊2^128 / shards⌋, and the last
/// range also gets the remainder.
pub(crate) fn split(shards: u32) -> Vec<HashRange> {
    let count = u128::from(shards.max(1));
    if count == 1 {
        return vec![HashRange {
            start: 0,
            end: u128::MAX,
        }];
    }
    // This is ⌊2^128 / n⌋ without 2^128. It differs from ⌊(2^128 − 1) / n⌋ if and only if n divides
    // 2^128.
    let width = u128::MAX / count + u128::from(u128::MAX % count == count - 1);
    (0..count)
        .map(|i| HashRange {
            start: i * width,
            end: if i == count - 1 {
                u128::MAX
            } else {
                (i + 1) * width - 1
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(shards: u32) -> Vec<(String, String)> {
        split(shards)
            .iter()
            .map(|range| (range.start.to_string(), range.end.to_string()))
            .collect()
    }

    fn pair(start: &str, end: &str) -> (String, String) {
        (start.to_owned(), end.to_owned())
    }

    #[test]
    fn two_and_three_shards_split_as_aws_splits_them() {
        assert_eq!(
            text(2),
            [
                pair("0", "170141183460469231731687303715884105727"),
                pair(
                    "170141183460469231731687303715884105728",
                    "340282366920938463463374607431768211455"
                ),
            ]
        );
        assert_eq!(
            text(3),
            [
                pair("0", "113427455640312821154458202477256070484"),
                pair(
                    "113427455640312821154458202477256070485",
                    "226854911280625642308916404954512140969"
                ),
                pair(
                    "226854911280625642308916404954512140970",
                    "340282366920938463463374607431768211455"
                ),
            ]
        );
    }

    #[test]
    fn a_partition_key_hashes_to_its_md5() {
        // RFC 1321, A.5, lists the MD5 of "a" and of the empty text.
        assert_eq!(hash_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
        assert_eq!(hash_key(""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    }

    proptest! {
        #[test]
        fn every_hash_key_falls_into_exactly_one_shard(shards in 1_u32..=500, hash_key: u128) {
            let ranges = split(shards);
            prop_assert_eq!(ranges.iter().filter(|range| range.contains(hash_key)).count(), 1);
        }

        #[test]
        fn the_ranges_cover_everything_without_a_gap(shards in 1_u32..=500) {
            let ranges = split(shards);
            prop_assert_eq!(ranges.len(), shards as usize);
            prop_assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, u128::MAX));
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].end + 1, pair[1].start);
            }
        }
    }
}
