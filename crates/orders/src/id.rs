//! Identifiers of orders and intents, and the client's key from which an order id can be derived.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::caller::Caller;
#[cfg(test)]
use crate::schema::{KEY, UUID, whole};

/// The id of an order, a UUID in its one canonical form, in lower case and with hyphens (RFC 9562
/// §4).
///
/// It is random, or derived from caller and key ([`OrderId::for_key`]), in a batch with the order's
/// position ([`OrderId::for_position`]). It is the partition key of the stream and the key of the
/// table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OrderId(
    #[cfg_attr(test, schemars(with = "String", regex(pattern = whole(UUID)), extend("format" = "uuid")))]
     Uuid,
);

/// The id of an intent, a UUID. It is made once, before the event is first sent, so that it is the
/// same however often the event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IntentId(
    #[cfg_attr(test, schemars(with = "String", regex(pattern = whole(UUID)), extend("format" = "uuid")))]
     Uuid,
);

/// The value of an `Idempotency-Key` header. It has 1–255 visible ASCII characters (0x21–0x7E)
/// without a comma.
///
/// Gateways join the values of a repeated header with commas (RFC 9110 §5.3). A client that sent
/// its key twice would get another order than by sending it once, and a short key three times would
/// pass for a long one.
///
/// `Debug` shows no content. Where no caller is known the key alone scopes the order, like a
/// password.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IdempotencyKey(
    #[cfg_attr(test, schemars(length(min = IdempotencyKey::UNSCOPED_MIN, max = IdempotencyKey::MAX), regex(pattern = KEY)))]
     String,
);

impl OrderId {
    /// A UUIDv4 (RFC 9562 §5.4) of 16 random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(random).into_uuid())
    }

    /// A UUIDv8 (RFC 9562 §5.8) over the SHA-256 of issuer, caller and key. The same three always
    /// name the same order. So a client that lost an answer and repeats the request lands on the
    /// same row.
    ///
    /// `issuer` is who vouches for the caller's name. Each part is preceded by its length (eight
    /// bytes, big-endian), so that no two triples run together to the same bytes.
    ///
    /// ```
    /// # use orders::{Caller, IdempotencyKey, OrderId};
    /// let key = IdempotencyKey::parse("f0e1d2c3b4a5968778695a").ok_or("key")?;
    /// let id = OrderId::for_key("", &Caller::anonymous(), &key);
    /// assert_eq!(id, OrderId::for_key("", &Caller::anonymous(), &key));
    /// assert_eq!(id.to_string().as_bytes()[14], b'8'); // the version
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn for_key(issuer: &str, caller: &Caller, key: &IdempotencyKey) -> Self {
        Self::derived(&[issuer, caller.as_str(), &key.0])
    }

    /// The id of the order at this position of a batch, counted from 0. It is derived as in
    /// [`for_key`](Self::for_key), with the position in decimal digits as the fourth part.
    ///
    /// A batch that is sent again unchanged names the same orders. Four parts with their lengths
    /// never make the bytes of three parts, so no order of a batch is the order that the key names
    /// by itself.
    ///
    /// ```
    /// # use orders::{Caller, IdempotencyKey, OrderId};
    /// let key = IdempotencyKey::parse("f0e1d2c3b4a5968778695a").ok_or("key")?;
    /// let at = |position| OrderId::for_position("", &Caller::anonymous(), &key, position);
    /// assert_eq!(at(0), at(0));
    /// assert_ne!(at(0), at(1));
    /// assert_ne!(at(0), OrderId::for_key("", &Caller::anonymous(), &key));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn for_position(
        issuer: &str,
        caller: &Caller,
        key: &IdempotencyKey,
        position: usize,
    ) -> Self {
        Self::derived(&[issuer, caller.as_str(), &key.0, &position.to_string()])
    }

    fn derived(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Reads the canonical form, or `None`. Other spellings of the same UUID are refused, because
    /// one order has one name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        canonical(text).map(Self)
    }
}

impl IntentId {
    /// A UUIDv4 (RFC 9562 §5.4) of 16 random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(random).into_uuid())
    }

    /// Reads the canonical form, or `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        canonical(text).map(Self)
    }
}

impl IdempotencyKey {
    /// The fewest characters of a key that is scoped by nothing but itself. In base64url, 22
    /// characters carry 128 bits.
    pub const UNSCOPED_MIN: usize = 22;

    /// The most characters of a key.
    pub const MAX: usize = 255;

    /// Takes a header's value as a key, or `None` if it is empty, too long, not all visible ASCII,
    /// or has a comma.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_of_key = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_of_key))
            .then(|| Self(text.to_owned()))
    }

    /// True if the key is long enough to be unguessable by itself.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.0.len() >= Self::UNSCOPED_MIN
    }
}

fn canonical(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    (uuid
        .as_hyphenated()
        .encode_lower(&mut Uuid::encode_buffer())
        == text)
        .then_some(uuid)
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({} characters)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derived(issuer: &str, caller: &str, key: &str) -> OrderId {
        OrderId::for_key(
            issuer,
            &Caller::parse(caller).unwrap(),
            &IdempotencyKey::parse(key).unwrap(),
        )
    }

    #[test]
    fn a_derived_id_is_the_same_in_every_version_of_the_service() {
        // Computed by a separate program from the rule in the documentation. If this changes, a
        // client's retry across a deployment becomes a second order.
        let key = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
        let id = derived("https://issuer.example", "ann", key);
        assert_eq!(id.to_string(), "c0d29c23-b594-882f-b3fa-f676447fc29a");
    }

    #[test]
    fn the_id_of_a_position_is_the_same_in_every_version_of_the_service() {
        // Computed by a separate program from the rule in the documentation.
        let key = IdempotencyKey::parse("0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11").unwrap();
        let caller = Caller::parse("ann").unwrap();
        for (position, id) in [
            (0, "7e7fdb25-9042-8e36-a674-b8a40de1f6b2"),
            (1, "5cdcbdd0-b5ee-8e99-aade-65999d77b4db"),
            (99, "b61ca470-7fe6-883b-902c-ff52df54d751"),
        ] {
            let derived = OrderId::for_position("https://issuer.example", &caller, &key, position);
            assert_eq!(derived.to_string(), id, "{position}");
        }
    }

    #[test]
    fn issuer_caller_and_key_each_make_another_order() {
        let id = derived("i", "c", "k");
        assert_eq!(id, derived("i", "c", "k"));
        assert_ne!(id, derived("j", "c", "k"));
        assert_ne!(id, derived("i", "d", "k"));
        assert_ne!(id, derived("i", "c", "l"));
    }

    #[test]
    fn parts_that_run_together_to_the_same_text_make_different_orders() {
        assert_ne!(derived("a", "bc", "d"), derived("ab", "c", "d"));
        assert_ne!(derived("", "ab", "c"), derived("", "a", "bc"));
    }

    #[test]
    fn a_derived_id_is_a_uuid_of_version_8_and_a_random_one_of_version_4() {
        assert_eq!(derived("", "a", "b").0.get_version_num(), 8);
        assert_eq!(OrderId::from_random([0xff; 16]).0.get_version_num(), 4);
        assert_eq!(IntentId::from_random([0; 16]).0.get_version_num(), 4);
    }

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let text = OrderId::from_random([0xab; 16]).to_string();
        assert_eq!(OrderId::parse(&text).unwrap().to_string(), text);
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
            "../x".into(),
        ] {
            assert_eq!(OrderId::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length_without_a_comma() {
        assert!(IdempotencyKey::parse("k").is_some());
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_some());
        for bad in [
            String::new(),
            "k".repeat(256),
            "a b".into(),
            "ä".into(),
            "a\u{7f}".into(),
            "k,k".into(),
            ",".into(),
        ] {
            assert!(IdempotencyKey::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_the_length_of_a_key_and_not_the_key() {
        let shown = format!("{:?}", IdempotencyKey::parse("secret").unwrap());
        assert_eq!(shown, "IdempotencyKey(6 characters)");
    }

    #[test]
    fn a_key_stands_alone_from_128_bits_on() {
        assert!(
            !IdempotencyKey::parse(&"k".repeat(21))
                .unwrap()
                .stands_alone()
        );
        assert!(
            IdempotencyKey::parse(&"k".repeat(22))
                .unwrap()
                .stands_alone()
        );
    }

    // A header's value as gateways make it of one line or more.
    fn header() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-c,]{0,4}", 1..4).prop_map(|lines| lines.join(","))
    }

    proptest! {
        #[test]
        fn different_headers_issuers_and_callers_never_share_an_order(
            one in ("[ab]{0,3}", "[ab]{1,3}", header()),
            other in ("[ab]{0,3}", "[ab]{1,3}", header()),
        ) {
            let id = |(issuer, caller, key): &(String, String, String)| {
                let key = IdempotencyKey::parse(key)?;
                Some(OrderId::for_key(issuer, &Caller::parse(caller).unwrap(), &key))
            };
            if let (Some(id_of_one), Some(id_of_other)) = (id(&one), id(&other)) {
                prop_assert_eq!(id_of_one == id_of_other, one == other);
            }
        }

        // Texts of few letters and digits run together to the same text as often as can be.
        #[test]
        fn an_order_of_a_batch_is_never_one_of_another_position_batch_or_key(
            one in ("[1a]{0,3}", "[1a]{1,3}", "[1a]{1,3}", proptest::option::of(0..12_usize)),
            other in ("[1a]{0,3}", "[1a]{1,3}", "[1a]{1,3}", proptest::option::of(0..12_usize)),
        ) {
            let id = |(issuer, caller, key, position): &(String, String, String, Option<usize>)| {
                let caller = Caller::parse(caller).unwrap();
                let key = IdempotencyKey::parse(key).unwrap();
                match position {
                    Some(position) => OrderId::for_position(issuer, &caller, &key, *position),
                    None => OrderId::for_key(issuer, &caller, &key),
                }
            };
            prop_assert_eq!(id(&one) == id(&other), one == other);
        }

        #[test]
        fn no_key_is_made_of_lines_that_were_joined(lines in proptest::collection::vec("[!-~]{0,30}", 2..4)) {
            prop_assert_eq!(IdempotencyKey::parse(&lines.join(",")), None);
        }
    }
}
