//! The files of the corpus, and the bytes that they stand for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tests::repository;

/// The requests over HTTP, in `tests/hostile/requests.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requests {
    pub(crate) request: Vec<Request>,
}

/// A request, and its answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) why: String,
    /// The port of the local stack.
    #[serde(default)]
    pub(crate) to: Port,
    /// The bytes, written as [`bytes`] reads them.
    pub(crate) send: String,
    /// The behaviour of the client behind the last byte.
    #[serde(default)]
    pub(crate) then: Then,
    /// The statuses of the answers, in their sequence. With none of them the connection is closed.
    pub(crate) status: Vec<u16>,
    /// Headers of the last answer. An empty value stands for a header that is not there.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Port {
    /// The port of the HTTP API.
    #[default]
    Api,
    /// The port of the AWS APIs and of the controls.
    Aws,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    /// Reads the answers.
    #[default]
    Read,
    /// Says that it sends no more, and reads the answers.
    Close,
    /// Reads the answers and is patient, because the server waits for more.
    Wait,
}

/// The events, in `tests/hostile/events.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    pub(crate) event: Vec<Event>,
}

/// An event at the function `api`, and its result.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) why: String,
    /// The settings of the function besides the names of stream and table.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// The bytes of the event, written as [`bytes`] reads them. If it is missing, the event is made
    /// of the fields below.
    pub(crate) event: Option<String>,
    /// Method and path.
    #[serde(default)]
    pub(crate) request: String,
    /// Members of `headers`, as JSON.
    #[serde(default)]
    pub(crate) headers: String,
    /// Members of `requestContext`, as JSON.
    #[serde(default)]
    pub(crate) context: String,
    /// Members of the event, as JSON.
    #[serde(default)]
    pub(crate) members: String,
    /// The status of the answer, or the type of the error with which the invocation fails.
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) fails: Option<String>,
    /// A text that `Location` begins with.
    #[serde(default)]
    pub(crate) location: Option<String>,
}

/// The rows of ../../hostile that another test has, because they are no single request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Elsewhere {
    pub(crate) scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) why: String,
    /// The file and the function, separated by `::`.
    pub(crate) tests: Vec<String>,
}

/// Reads a file of the corpus.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = repository().join("tests/hostile").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A part of a request, which is bytes or a pause.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Pause(Duration),
}

/// The pause of a slow client.
const PAUSE: Duration = Duration::from_millis(20);

/// The bytes of a request. A line of its head ends in CR and LF, and its body is as it is written.
/// These notations stand for what a file cannot show.
///
/// | notation | meaning |
/// |---|---|
/// | `«xFF»`, `«CR»`, `«LF»` | a byte |
/// | `«1000×ab»` | a thousand times these two characters |
/// | `«length»` | the number of bytes in the body, plus or minus a number, as in `«length-1»` |
/// | `«order»` | a valid order with the mark in it |
/// | `«persisted»` | the id of an order that can be read |
/// | `«uuid»` | a new UUID |
/// | `«pause»` | a pause of 20 ms |
pub(crate) fn bytes(text: &str, persisted: &str) -> Vec<Piece> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let has_body = head.len() < text.len();
    let body = expanded(body, persisted, 0);
    let length = body.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => bytes.len(),
        Piece::Pause(_) => 0,
    });
    let length: usize = length.sum();
    // It stands for the end of a line, also within a notation.
    let head = head.replace('\n', "⏎") + if has_body { "⏎⏎" } else { "" };
    let mut pieces = expanded(&head, persisted, length);
    pieces.extend(body);
    pieces
}

/// Bytes without any head.
pub(crate) fn expanded(text: &str, persisted: &str, length: usize) -> Vec<Piece> {
    let mut pieces = vec![Piece::Bytes(Vec::new())];
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('«') {
        let Some((notation, behind)) = behind.split_once('»') else {
            panic!("a notation has no end");
        };
        append(&mut pieces, &with_line_ends(before));
        rest = behind;
        match notation {
            "CR" => append(&mut pieces, b"\r"),
            "LF" => append(&mut pieces, b"\n"),
            "order" => append(&mut pieces, ORDER.as_bytes()),
            "persisted" => append(&mut pieces, persisted.as_bytes()),
            "uuid" => append(&mut pieces, uuid::Uuid::new_v4().to_string().as_bytes()),
            "pause" => {
                pieces.push(Piece::Pause(PAUSE));
                pieces.push(Piece::Bytes(Vec::new()));
            }
            _ => append(&mut pieces, &other(notation, length)),
        }
    }
    append(&mut pieces, &with_line_ends(rest));
    pieces
}

/// An order whose customer is the mark.
pub(crate) const ORDER: &str = r#"{"customer_id": "c-zq7marker", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}"#;

fn other(notation: &str, length: usize) -> Vec<u8> {
    if let Some(offset) = notation.strip_prefix("length") {
        let offset: i64 = if offset.is_empty() {
            0
        } else {
            offset.parse().unwrap()
        };
        let length = i64::try_from(length).unwrap() + offset;
        return length.to_string().into_bytes();
    }
    if let Some(digits) = notation.strip_prefix('x') {
        return vec![u8::from_str_radix(digits, 16).unwrap()];
    }
    let Some((count, text)) = notation.split_once('×') else {
        panic!("«{notation}» is no notation of the corpus");
    };
    with_line_ends(&text.repeat(count.parse().unwrap()))
}

fn with_line_ends(text: &str) -> Vec<u8> {
    text.replace('⏎', "\r\n").into_bytes()
}

fn append(pieces: &mut [Piece], bytes: &[u8]) {
    if let Some(Piece::Bytes(last)) = pieces.last_mut() {
        last.extend_from_slice(bytes);
    }
}

#[test]
fn a_notation_stands_for_bytes_that_a_file_cannot_show() {
    let all = |text| {
        let mut all = Vec::new();
        for piece in bytes(text, "ID") {
            match piece {
                Piece::Bytes(bytes) => all.extend(bytes),
                Piece::Pause(_) => all.extend(b"|"),
            }
        }
        all
    };
    let text = "A /«persisted»\n«2×a: b\n»Length: «length-1»\n\na\n«3×bc»«xFF»«pause»«LF»";
    let expected = b"A /ID\r\na: b\r\na: b\r\nLength: 9\r\n\r\na\nbcbcbc\xff|\n";
    assert_eq!(all(text), expected);
    assert_eq!(all("A\n"), b"A\r\n");
}
