//! Ids and hashes without randomness. The same input gives the same result on every machine.

use uuid::Builder;

/// FNV-1a of the parts one after the other, each ended by a byte that no UTF-8 text contains.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    parts
        .into_iter()
        .flat_map(|part| part.iter().chain(&[0xff]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// A UUIDv8 (RFC 9562, section 5.8) of a number below 2^48, such as a time in milliseconds, and the
/// hash of the parts.
pub(crate) fn made_up_uuid<'a>(number: u64, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&number.to_be_bytes()[2..]);
    bytes[8..].copy_from_slice(&hash(parts).to_be_bytes());
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_cut_elsewhere_hash_differently() {
        assert_ne!(hash([&b"ab"[..], b"c"]), hash([&b"a"[..], b"bc"]));
    }

    #[test]
    fn a_made_up_uuid_is_of_version_8_and_begins_with_its_number() {
        let uuid = made_up_uuid(0x0123_4567_89ab, [&b"a"[..]]);
        assert!(uuid.starts_with("01234567-89ab-8000-"), "{uuid}");
        assert_ne!(uuid, made_up_uuid(0x0123_4567_89ab, [&b"b"[..]]));
    }
}
