//! The fingerprint, which tells the same order from another one.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::caller::Caller;
use crate::json::Json;
use crate::order::NewOrder;
#[cfg(test)]
use crate::schema::FINGERPRINT;
use crate::violation::{Code, Pointer, Violations};

/// A digest of an order and its owner, preceded by the version of the rule that made it. It has the
/// form `1:` and 64 hex digits.
///
/// Rule 1 is the SHA-256 of the canonical JSON (RFC 8785) of `{"order": …, "owner": …}` over the
/// *parsed* order, so key order, white space and escapes of the document that was sent do not
/// matter, and everything else does.
///
/// A fingerprint of a rule that this version does not know can be read and compared, but not
/// recomputed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Fingerprint(
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::whole(FINGERPRINT))))] String,
);

/// The rule that new fingerprints are made by.
const VERSION: &str = "1";

impl Fingerprint {
    /// The fingerprint of an order of this owner, by the current rule.
    #[must_use]
    pub fn of(owner: &Caller, order: &NewOrder) -> Self {
        #[derive(Serialize)]
        struct Identity<'a> {
            order: &'a NewOrder,
            owner: &'a str,
        }

        #[expect(
            clippy::expect_used,
            reason = "strings and integers in structs always have a canonical form; were it ever otherwise, going on would make all orders equal"
        )]
        let canonical = serde_json_canonicalizer::to_vec(&Identity {
            order,
            owner: owner.as_str(),
        })
        .expect("an order has a canonical form");
        let digest: String = Sha256::digest(canonical)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self(format!("{VERSION}:{digest}"))
    }

    /// Reads a fingerprint of any version. It is a number of at most four digits, a colon, and 64
    /// lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, digest) = text.split_once(':')?;
        let version_is_sound = (1..=4).contains(&version.len())
            && version.bytes().all(|byte| byte.is_ascii_digit())
            && !version.starts_with('0');
        let digest_is_sound = digest.len() == 64
            && digest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (version_is_sound && digest_is_sound).then(|| Self(text.to_owned()))
    }

    pub(crate) fn from_json(
        json: &Json,
        at: &Pointer<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let fingerprint = json.as_str().and_then(Self::parse);
        if fingerprint.is_none() {
            violations.add(at, Code::Format, "must be a fingerprint");
        }
        fingerprint
    }

    /// The version of the rule, which is the part before the colon.
    #[must_use]
    pub fn version(&self) -> &str {
        self.0.split_once(':').map_or("", |(version, _)| version)
    }

    /// True if this version of the service can recompute the fingerprint.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.version() == VERSION
    }

    /// The text, as events and rows have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(owner: &str, body: &str) -> Fingerprint {
        Fingerprint::of(
            &Caller::parse(owner).unwrap(),
            &NewOrder::parse(body.as_bytes()).unwrap(),
        )
    }

    const BODY: &str = r#"{"customer_id":"c-1","currency":"EUR","items":[{"sku":"A-1","quantity":2,"unit_price":1299}]}"#;

    #[test]
    fn it_is_sha_256_over_canonical_json() {
        // In a shell, `printf '%s' TEXT | sha256sum` makes the same digest of this text.
        let canonical = r#"{"order":{"currency":"EUR","customer_id":"c-1","items":[{"quantity":2,"sku":"A-1","unit_price":1299}]},"owner":"anonymous"}"#;
        let digest: String = Sha256::digest(canonical)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            fingerprint("anonymous", BODY).as_str(),
            format!("1:{digest}")
        );
    }

    #[test]
    fn key_order_white_space_and_escapes_do_not_matter() {
        let same = "{ \"items\" : [ {\"unit_price\":1299,\n\"sku\":\"\\u0041-1\",\"quantity\":2} ], \"currency\":\"EUR\", \"customer_id\":\"c-1\" }";
        assert_eq!(
            fingerprint("anonymous", BODY),
            fingerprint("anonymous", same)
        );
    }

    #[test]
    fn every_field_and_the_owner_matter() {
        let original = fingerprint("anonymous", BODY);
        assert_ne!(original, fingerprint("somebody", BODY));
        for (from, to) in [
            ("c-1", "c-2"),
            ("EUR", "USD"),
            ("A-1", "A-2"),
            (":2,", ":3,"),
            ("1299", "1298"),
            ("]}", r#"],"note":"n"}"#),
            ("]}", r#"],"note":""}"#),
        ] {
            assert_ne!(
                original,
                fingerprint("anonymous", &BODY.replace(from, to)),
                "{from} → {to}"
            );
        }
    }

    #[test]
    fn the_order_of_the_lines_matters() {
        let one = BODY.replace("[{", r#"[{"sku":"B","quantity":1,"unit_price":1},{"#);
        let other = BODY.replace("}]", r#"},{"sku":"B","quantity":1,"unit_price":1}]"#);
        assert_ne!(fingerprint("a", &one), fingerprint("a", &other));
    }

    #[test]
    fn only_the_exact_form_is_a_fingerprint() {
        let sound = format!("1:{}", "a0".repeat(32));
        assert_eq!(Fingerprint::parse(&sound).unwrap().as_str(), sound);
        assert!(
            !Fingerprint::parse(&format!("2:{}", "a0".repeat(32)))
                .unwrap()
                .is_current()
        );
        for bad in [
            "",
            "1:",
            "1",
            &sound[2..],
            &sound.to_uppercase(),
            &sound.replace("1:", "x:"),
            &sound.replace("1:", "01:"),
            &sound.replace("1:", "99999:"),
            &format!("{sound}0"),
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
