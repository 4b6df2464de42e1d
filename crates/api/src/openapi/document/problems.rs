//! The words about each kind of problem, and the page `docs/problems.md`, which is made of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::examples::Example;
use crate::problem::Kind;

/// The line of the page from which on it is made. The text before that line is written by hand.
const MARKER: &str = "<!-- From here on the page is made from the code in crates/api. -->\n";

/// The words about a kind.
pub(super) struct Texts {
    /// When the problem is answered.
    pub(super) when: &'static str,
    /// The action of a client in this case.
    pub(super) action: &'static str,
}

/// The words about a kind.
pub(super) fn texts(kind: Kind) -> Texts {
    let (when, action) = match kind {
        Kind::MalformedRequest => (
            "The request cannot be read. A header is not text, or the body is not the base64 that the front door announced.",
            "Mend the request. Send headers in ASCII.",
        ),
        Kind::MalformedJson => (
            "The body is not JSON. `detail` has the line and the column of the first error.",
            "Mend the request.",
        ),
        Kind::InvalidIdempotencyKey => (
            "The `Idempotency-Key` is empty, too long, has a comma or another character that is not allowed, or was sent twice. Where callers are not known, it is also too short.",
            "Send one key of 22 to 255 visible ASCII characters, such as a UUID.",
        ),
        Kind::IdempotencyKeyRequired => (
            "The deployment takes orders with an `Idempotency-Key` only, and there is none.",
            "Send a key, and the same key whenever the request is repeated.",
        ),
        Kind::InvalidOrderId => (
            "The id in the path is not a UUID in lower case with hyphens.",
            "Use the `order_id` or the `Location` of the 202 as it is.",
        ),
        Kind::CallerRequired => (
            "The service knows its callers, and the request names none.",
            "Authenticate by the scheme that `WWW-Authenticate` names.",
        ),
        Kind::PathNotFound => (
            "The API has no such path.",
            "Mend the path. Compare it with the OpenAPI document.",
        ),
        Kind::OrderNotFound => (
            "The order does not exist, is not stored yet, or is somebody else's. The answer is the same in each case.",
            "After a 202, read again after `Retry-After`, or wait with `Prefer: wait=N`. Otherwise give up.",
        ),
        Kind::MethodNotAllowed => (
            "The path does not take the method.",
            "Use a method that `Allow` names.",
        ),
        Kind::BodyTooLarge => (
            "The body is larger than the route allows.",
            "Send less at once. `detail` has the limit in bytes.",
        ),
        Kind::UnsupportedMediaType => (
            "The body is not sent as `application/json`, or `Content-Type` was sent twice.",
            "Send one `Content-Type: application/json`.",
        ),
        Kind::InvalidOrder => (
            "The body is JSON that breaks rules of an order. `errors` lists them.",
            "Mend the order at each `pointer`.",
        ),
        Kind::InvalidBatch => (
            "The envelope of a batch breaks rules, so none of its orders was looked at. `errors` lists the rules.",
            "Mend the batch. It has 1 to 100 orders in `orders`, and no other field.",
        ),
        Kind::TooManyRequests => (
            "The caller has sent more requests in a second than the deployment allows. Nothing happened.",
            "Send the same request again after `Retry-After`.",
        ),
        Kind::InternalError => (
            "The service failed, and will fail again in the same way.",
            "Report the failure with its `instance`.",
        ),
        Kind::NotAccepted => (
            "Nothing was accepted, and nothing happened.",
            "Send the same request again after `Retry-After`.",
        ),
        Kind::OutcomeUnknown => (
            "The request may have been accepted. `order_id` names the order.",
            "With a key, or for a cancel, send the same request again. Without a key, look the order up by `order_id`.",
        ),
        Kind::Unavailable => (
            "Orders cannot be read at the moment.",
            "Read again after `Retry-After`.",
        ),
    };
    Texts { when, action }
}

/// The headers of a kind's responses, each with true if all of them have it.
pub(super) fn headers(kind: Kind) -> &'static [(&'static str, bool)] {
    match kind {
        Kind::CallerRequired => &[("WWW-Authenticate", true)],
        Kind::OrderNotFound => &[("Retry-After", true), ("Preference-Applied", false)],
        Kind::MethodNotAllowed => &[("Allow", true)],
        Kind::UnsupportedMediaType => &[("Accept", true)],
        Kind::TooManyRequests => &[
            ("Retry-After", true),
            ("RateLimit", true),
            ("RateLimit-Policy", true),
        ],
        Kind::NotAccepted | Kind::OutcomeUnknown | Kind::Unavailable => &[("Retry-After", true)],
        _ => &[],
    }
}

/// The page with its part about the kinds and the codes made anew.
pub(super) fn page(page: &str, examples: &[Example]) -> String {
    let (by_hand, _) = page.split_once(MARKER).unwrap();
    let mut page = format!("{by_hand}{MARKER}\n| type | status | title |\n|---|---|---|\n");
    for kind in Kind::ALL {
        let (uri, status, title) = (kind.uri(), kind.status().as_u16(), kind.title());
        let name = anchor(*kind);
        page.push_str(&format!("| [`{uri}`](#{name}) | {status} | {title} |\n"));
    }
    for kind in Kind::ALL {
        let Texts { when, action } = texts(*kind);
        let example = examples.iter().find(|of| of.kind == Some(*kind)).unwrap();
        let answer = serde_json::to_string_pretty(&example.answer).unwrap();
        page.push_str(&format!(
            "\n## {}\n\n{}\n{}\n{}\n\n```json\n{answer}\n```\n",
            anchor(*kind),
            wrapped(&format!(
                "- **Type**: `{}`, status {}.",
                kind.uri(),
                kind.status().as_u16()
            )),
            wrapped(&format!("- **When**: {when}")),
            wrapped(&format!("- **What to do**: {action}")),
        ));
    }
    page.push_str("\n## Codes of violations\n\nEach entry of `errors` has one of these codes.\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in codes() {
        page.push_str(&format!("| `{code}` | {meaning} |\n"));
    }
    page
}

/// The last part of a kind's URI, which is its heading too.
fn anchor(kind: Kind) -> &'static str {
    kind.uri().rsplit(':').next().unwrap()
}

/// The codes of violations, each with its meaning.
fn codes() -> Vec<(String, String)> {
    let schemas = super::schemas_of_orders();
    let codes = schemas["Code"]["oneOf"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let codes: Vec<_> = codes
        .map(|code| (text(&code["const"]), text(&code["description"])))
        .collect();
    let distinct: BTreeSet<_> = codes.iter().map(|(code, _)| code).collect();
    assert_eq!(distinct.len(), codes.len());
    codes
}

/// A list entry in lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(format!("  {word}"));
        } else if line.is_empty() {
            line.push_str(word);
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}
