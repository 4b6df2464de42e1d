//! Entity tags (RFC 9110 §8.8.3), by which a client asks for a document only if it has changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// The bytes of the digest that a tag has. Two of 2⁶⁴ bodies would have the same 128 bits.
const BYTES: usize = 16;

/// The strong validator of a body, without its quotes. It is a digest of the body's bytes.
///
/// It therefore changes whenever the body does, be it by an intent or by a new version of the
/// service. A count of the row's registers would miss the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// The tag of a body.
    pub(crate) fn of(body: &str) -> Self {
        let digest = Sha256::digest(body);
        let bytes: Vec<u8> = digest.into_iter().take(BYTES).collect();
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The value of `ETag`.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("\"{}\"", self.0)).ok()
    }

    /// True if a value of `If-None-Match` is `*`, or lists this tag. The comparison is the weak one
    /// (RFC 9110 §13.1.2), because a cache on the way that compresses bodies makes strong tags
    /// weak.
    ///
    /// A value that breaks the grammar lists nothing. The client then gets the document, which is
    /// never wrong.
    pub(crate) fn is_listed(&self, if_none_match: &str) -> bool {
        if_none_match.trim_matches(OWS) == "*"
            || opaque_tags(if_none_match).is_some_and(|tags| tags.contains(&self.0.as_str()))
    }
}

/// Optional whitespace (RFC 9110 §5.6.3).
const OWS: [char; 2] = [' ', '\t'];

/// The tags of a list, each without `W/` and without quotes. It is `None` if the list breaks the
/// grammar. An element may be empty (RFC 9110 §5.6.1.2), and a tag may have commas.
fn opaque_tags(list: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = list.trim_matches(OWS);
    while !rest.is_empty() {
        if !rest.starts_with(',') {
            let tag = rest.strip_prefix("W/").unwrap_or(rest);
            let (tag, after) = tag.strip_prefix('"')?.split_once('"')?;
            if !tag.bytes().all(is_etagc) {
                return None;
            }
            tags.push(tag);
            rest = after.trim_start_matches(OWS);
        }
        // Between two elements is a comma.
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start_matches(OWS),
            None if rest.is_empty() => break,
            None => return None,
        }
    }
    Some(tags)
}

/// True for a character of a tag. It is visible and not a quote. Characters beyond ASCII are not
/// looked at, because a [request](crate::request::Request::header) has none in its headers.
fn is_etagc(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'~')
}

#[cfg(test)]
mod tests {
    use orders::{
        Caller, CancelRegister, Fingerprint, IntentId, NewOrder, OrderId, Row, Submit, Submitted,
        Timestamp,
    };
    use proptest::prelude::*;

    use super::*;

    /// A tag that a list may name.
    fn tag() -> EntityTag {
        EntityTag("a-tag".to_owned())
    }

    #[test]
    fn a_tag_is_listed_alone_or_among_others_strong_or_weak() {
        for list in [
            r#""a-tag""#,
            r#"W/"a-tag""#,
            r#" "a-tag"	"#,
            r#""b","a-tag""#,
            r#""b", W/"a-tag" , "c""#,
            r#",, "a-tag",,"#,
            r#""comma,inside","a-tag""#,
            r#""","a-tag""#,
            "*",
            " * ",
        ] {
            assert!(tag().is_listed(list), "{list}");
        }
    }

    #[test]
    fn another_tag_is_not_this_one() {
        for list in [
            "",
            ",",
            r#""b""#,
            r#""A-tag""#,
            r#""a-tag ""#,
            r#""a-tag2", W/"a-ta""#,
            r#""x,a-tag""#,
        ] {
            assert!(!tag().is_listed(list), "{list}");
        }
    }

    #[test]
    fn a_list_that_breaks_the_grammar_lists_nothing() {
        for list in [
            "a-tag",
            r#""a-tag"#,
            r#"a-tag""#,
            r#"w/"a-tag""#,
            r#"W/ "a-tag""#,
            r#"W"a-tag""#,
            r#""a-tag" "b""#,
            r#""a-tag""b""#,
            r#""a-tag";q=1"#,
            r#""a-tag", b"#,
            r#""sp ace", "a-tag""#,
            r#"*, "a-tag""#,
            r#""a-tag", *"#,
            "**",
            "*,*",
        ] {
            assert!(!tag().is_listed(list), "{list}");
        }
    }

    fn any_tag() -> impl Strategy<Value = String> {
        prop_oneof![Just(tag().0), "[!#-~]{0,6}"]
    }

    proptest! {
        #[test]
        fn a_tag_is_listed_exactly_if_the_list_was_made_with_it(
            elements in prop::collection::vec((any_tag(), "(W/)?", "[ \t]?,[, \t]?"), 0..6),
        ) {
            let list: String = elements
                .iter()
                .map(|(tag, weak, between)| format!("{weak}\"{tag}\"{between}"))
                .collect();
            let is_listed = elements.iter().any(|(other, ..)| *other == tag().0);
            prop_assert_eq!(tag().is_listed(&list), is_listed, "{}", list);
        }

        #[test]
        fn any_text_is_read_and_lists_only_tags_that_it_has_in_quotes(list in "[\"W/*, \ta-]{0,12}") {
            let tag = EntityTag("a".to_owned());
            let may_be_listed = list.contains("\"a\"") || list.trim_matches(OWS) == "*";
            prop_assert!(may_be_listed || !tag.is_listed(&list), "{}", list);
        }
    }

    fn fingerprint(number: u8) -> Fingerprint {
        let order = format!(
            r#"{{"customer_id": "c-{number}", "currency": "EUR", "items": [{{"sku": "A-1", "quantity": 2, "unit_price": 1299}}]}}"#
        );
        Submit::new(
            Caller::anonymous(),
            NewOrder::parse(order.as_bytes()).unwrap(),
        )
        .fingerprint
    }

    /// A view of an order, of few values in each part, so that two views are often equal.
    fn any_body() -> impl Strategy<Value = String> {
        let parts = (
            prop_oneof![Just(r#""c-1""#), Just(r#""c-2""#)],
            prop_oneof![Just(""), Just(r#", "note": "x""#)],
            any::<bool>(),
            prop::collection::btree_set(0_u8..3, 0..3),
            any::<bool>(),
            0_u8..2,
        );
        parts.prop_map(|(customer, note, is_cancelled, conflicts, conflicts_truncated, second)| {
            let order = format!(
                r#"{{"customer_id": {customer}, "currency": "EUR", "items": [{{"sku": "A-1", "quantity": 2, "unit_price": 1299}}]{note}}}"#
            );
            let caller = Caller::anonymous();
            let submit = Submit::new(caller.clone(), NewOrder::parse(order.as_bytes()).unwrap());
            let accepted_at = Timestamp::parse(&format!("2026-11-22T05:00:0{second}.000Z")).unwrap();
            let intent = IntentId::from_random([7; 16]);
            let cancel = CancelRegister { intent, accepted_at };
            let row = Row {
                submitted: Some(Submitted {
                    fingerprint: submit.fingerprint,
                    owner: caller.clone(),
                    content: submit.order,
                    intent,
                    accepted_at,
                }),
                cancels: is_cancelled.then(|| (caller.hash(), cancel)).into_iter().collect(),
                conflicts: conflicts.into_iter().map(fingerprint).collect(),
                conflicts_truncated,
            };
            let view = row.view(OrderId::from_random([9; 16]), &caller).unwrap();
            serde_json::to_string(&view).unwrap()
        })
    }

    proptest! {
        #[test]
        fn two_views_have_the_same_tag_exactly_if_they_have_the_same_body(
            one in any_body(),
            other in any_body(),
        ) {
            prop_assert_eq!(EntityTag::of(&one) == EntityTag::of(&other), one == other);
        }
    }

    #[test]
    fn a_tag_is_visible_ascii_in_quotes() {
        for body in ["", "{}\n", "ä"] {
            let value = EntityTag::of(body).value().unwrap();
            let value = value.to_str().unwrap();
            assert_eq!(value.len(), 24, "{value}");
            assert!(EntityTag::of(body).is_listed(value), "{value}");
        }
    }
}
