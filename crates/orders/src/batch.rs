//! A batch of orders, `{"orders": [ORDER, …]}`. Each order is read by itself, so that a bad one
//! does not spoil the others.

use serde::de::IgnoredAny;

use crate::json::Json;
use crate::order::{NewOrder, ParseError, unreadable};
use crate::violation::{Code, Pointer, Violation, Violations};

const ORDERS: &str = "orders";

/// The most orders of a batch.
pub const MAX_ORDERS_OF_BATCH: usize = 100;

/// Reads the orders of a batch in their sequence, of which there are 1 to [`MAX_ORDERS_OF_BATCH`].
///
/// Each is an order or the rules that it breaks, up to a hundred an order. The pointers begin at
/// the batch, as in `#/orders/3/items/0/quantity`. No order may have more than `largest_order`
/// bytes. They are counted as sent, from the order's first character to its last.
///
/// # Errors
/// [`ParseError::NotJson`] if the bytes are not a JSON document. [`ParseError::Invalid`] if the
/// envelope breaks a rule, whatever the orders are. Its unknown and duplicate fields are errors.
pub fn parse_batch(
    bytes: &[u8],
    largest_order: usize,
) -> Result<Vec<Result<NewOrder, Vec<Violation>>>, ParseError> {
    check(bytes)?;
    let orders = sources(bytes)?.into_iter().enumerate();
    Ok(orders
        .map(|(index, source)| order(source, index, largest_order))
        .collect())
}

/// Checks that these bytes are JSON by its grammar (RFC 8259), whatever the values in them are.
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    // JSON is UTF-8 (RFC 8259 §8.1).
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let sound = &bytes[..error.valid_up_to()];
        let mut lines = sound.rsplit(|byte| *byte == b'\n');
        ParseError::NotJson {
            column: lines.next().map_or(0, <[u8]>::len) + 1,
            line: lines.count() + 1,
        }
    })?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(ParseError::NotJson {
            line: error.line(),
            column: error.column(),
        }),
    }
}

fn order(source: &[u8], index: usize, largest: usize) -> Result<NewOrder, Vec<Violation>> {
    let orders = Pointer::Root.field(ORDERS);
    let at = orders.element(index);
    let mut violations = Violations::default();
    let order = if source.len() > largest {
        let detail = format!("must not be larger than {largest} bytes");
        violations.add(&at, Code::Length, detail);
        None
    } else if let Ok(json) = Json::parse(source) {
        NewOrder::from_json(&json, &at, &mut violations)
    } else {
        unreadable(&at, &mut violations);
        None
    };
    match order {
        Some(order) if violations.is_empty() => Ok(order),
        _ => Err(violations.into_vec()),
    }
}

/// The source of each order of a document that is JSON.
fn sources(bytes: &[u8]) -> Result<Vec<&[u8]>, ParseError> {
    let mut violations = Violations::default();
    let invalid = |violations: Violations| Err(ParseError::Invalid(violations.into_vec()));
    let Some(members) = Source(bytes).members() else {
        if Source(bytes).opens_with(b'{') {
            unreadable(&Pointer::Root, &mut violations);
        } else {
            violations.add(&Pointer::Root, Code::Type, "must be an object");
        }
        return invalid(violations);
    };
    let value = members.iter().find(|(name, _)| name == ORDERS);
    let value = value.map(|(_, value)| *value);
    let names = members.into_iter().map(|(name, _)| (name, Json::Null));
    let envelope = Json::Object(names.collect());
    let mut elements = None;
    if let Some(mut members) = envelope.object(&Pointer::Root, &mut violations) {
        members.require(ORDERS, &Pointer::Root, &mut violations);
        let at = Pointer::Root.field(ORDERS);
        match value.map(Source::elements) {
            None => {}
            Some(Some(found)) if (1..=MAX_ORDERS_OF_BATCH).contains(&found.len()) => {
                elements = Some(found);
            }
            Some(Some(_)) => {
                let detail = format!("must have 1 to {MAX_ORDERS_OF_BATCH} elements");
                violations.add(&at, Code::Length, detail);
            }
            Some(None) => violations.add(&at, Code::Type, "must be an array"),
        }
        members.finish(&Pointer::Root, &mut violations);
    }
    match elements {
        Some(elements) if violations.is_empty() => {
            Ok(elements.into_iter().map(|Source(bytes)| bytes).collect())
        }
        _ => invalid(violations),
    }
}

/// The source of a value, in a document that is JSON by its grammar.
///
/// `serde_json::value::RawValue` is made for this. But its feature changes what
/// `serde_json::Value` reads in the whole build. An object whose one member has a certain name is
/// then no object.
#[derive(Clone, Copy)]
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn opens_with(self, first: u8) -> bool {
        self.0.trim_ascii_start().first() == Some(&first)
    }

    /// The members of an object. `None` if it is not an object, or a name is not Unicode text.
    fn members(self) -> Option<Vec<(String, Self)>> {
        let mut rest = self.inside(b'{')?;
        let mut members = Vec::new();
        while let Some(name) = next(&mut rest, b'}') {
            let name = serde_json::from_slice(name).ok()?;
            let value = next(&mut rest, b'}')?;
            members.push((name, Self(value)));
        }
        Some(members)
    }

    /// The elements of an array, at most one more than a batch has. `None` if it is not an array.
    fn elements(self) -> Option<Vec<Self>> {
        let mut rest = self.inside(b'[')?;
        let elements = std::iter::from_fn(|| next(&mut rest, b']'));
        Some(elements.take(MAX_ORDERS_OF_BATCH + 1).map(Self).collect())
    }

    fn inside(self, first: u8) -> Option<&'a [u8]> {
        let rest = self.0.trim_ascii_start();
        (rest.first() == Some(&first)).then(|| &rest[1..])
    }
}

/// Takes the next value off the inside of an array or an object, of which a name is a value too.
/// `None` at the end.
fn next<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let separators = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b':');
    let begin = rest.iter().position(|byte| !separators(byte))?;
    let from = &rest[begin..];
    if from.first() == Some(&end) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(from).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, behind) = from.split_at(values.byte_offset());
    *rest = behind;
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDER: &str = r#"{"customer_id": "c", "currency": "EUR", "items": [{"sku": "A", "quantity": 1, "unit_price": 5}]}"#;
    const LARGEST: usize = 64 * 1024;

    fn parse(text: &str) -> Result<Vec<Result<NewOrder, Vec<Violation>>>, ParseError> {
        parse_batch(text.as_bytes(), LARGEST)
    }

    /// The rules that the envelope breaks, as pointer and code.
    fn broken(text: &str) -> Vec<(String, Code)> {
        match parse(text) {
            Err(ParseError::Invalid(violations)) => violations
                .into_iter()
                .map(|violation| (violation.pointer, violation.code))
                .collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn each_order_is_read_by_itself_and_keeps_its_place() {
        let bad = ORDER.replace("\"quantity\": 1", "\"quantity\": 0");
        let orders = parse(&format!(
            r#"{{"orders": [{ORDER}, {bad}, 1e999, {ORDER}]}}"#
        ))
        .unwrap();
        let whole = NewOrder::parse(ORDER.as_bytes()).unwrap();
        assert_eq!(orders[0].as_ref(), Ok(&whole));
        assert_eq!(orders[3].as_ref(), Ok(&whole));
        let at = |place: usize| {
            let violation = &orders[place].as_ref().unwrap_err()[0];
            (violation.pointer.as_str(), violation.code)
        };
        assert_eq!(at(1), ("#/orders/1/items/0/quantity", Code::Range));
        assert_eq!(at(2), ("#/orders/2", Code::Format));
    }

    #[test]
    fn an_envelope_breaks_its_rules_whatever_the_orders_are() {
        let many = ["0"; 101].join(",");
        for (text, pointer, code) in [
            ("[]", "#", Code::Type),
            ("7", "#", Code::Type),
            ("{}", "#/orders", Code::Required),
            (r#"{"orders": null}"#, "#/orders", Code::Type),
            (r#"{"orders": {}}"#, "#/orders", Code::Type),
            (r#"{"orders": []}"#, "#/orders", Code::Length),
            (
                &format!(r#"{{"orders": [{many}]}}"#),
                "#/orders",
                Code::Length,
            ),
            (
                r#"{"orders": [0], "order": 1e999}"#,
                "#/order",
                Code::Unknown,
            ),
            (
                r#"{"orders": [0], "orders": [0]}"#,
                "#/orders",
                Code::Duplicate,
            ),
            (
                r#"{"orders": [0], "\u006frders": [0]}"#,
                "#/orders",
                Code::Duplicate,
            ),
            (r#"{"orders": [0], "\ud800": 1}"#, "#", Code::Format),
        ] {
            assert_eq!(broken(text), [(pointer.to_owned(), code)], "{text}");
        }
    }

    #[test]
    fn a_hundred_orders_are_a_batch() {
        let orders = [ORDER; 100].join(",");
        let orders = parse(&format!(r#"{{"orders": [{orders}]}}"#)).unwrap();
        assert_eq!(orders.iter().filter(|order| order.is_ok()).count(), 100);
    }

    #[test]
    fn a_batch_that_is_no_json_is_told_with_its_place() {
        for text in [
            "",
            "{",
            r#"{"orders": [}"#,
            r#"{"orders": []} 1"#,
            r#"{"orders": [0 0]}"#,
        ] {
            assert!(
                matches!(parse(text), Err(ParseError::NotJson { .. })),
                "{text}"
            );
        }
        let column = parse_batch(b"{\"orders\": [}", LARGEST).unwrap_err();
        assert_eq!(
            column,
            ParseError::NotJson {
                line: 1,
                column: 13
            }
        );
        let latin = parse_batch(b"{\"orders\":\n [\"\xe9\"]}", LARGEST).unwrap_err();
        assert_eq!(latin, ParseError::NotJson { line: 2, column: 4 });
    }

    #[test]
    fn an_order_counts_its_own_bytes_and_no_others() {
        let most = ORDER.len();
        let text = format!("{{\"orders\" : [ \n {ORDER}   ,\t{ORDER} \r]\n, \"x\": 1}}")
            .replace(", \"x\": 1", "");
        let orders = parse_batch(text.as_bytes(), most).unwrap();
        assert!(orders.iter().all(Result::is_ok), "{orders:?}");
        let orders = parse_batch(text.as_bytes(), most - 1).unwrap();
        let violation = &orders[1].as_ref().unwrap_err()[0];
        assert_eq!(
            (violation.pointer.as_str(), violation.code),
            ("#/orders/1", Code::Length)
        );
    }

    #[test]
    fn levels_without_end_spoil_their_order_alone() {
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
        let orders = parse_batch(
            format!(r#"{{"orders": [{deep}, {ORDER}]}}"#).as_bytes(),
            1 << 20,
        );
        let orders = orders.unwrap();
        assert_eq!(orders[0].as_ref().unwrap_err()[0].code, Code::Format);
        assert!(orders[1].is_ok());
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            Just("1e999".to_owned()),
            r#"[\]\[{}",:\\ a-c]{0,6}"#.prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            let spaced =
                (inner, "[ \t\r\n]{0,2}").prop_map(|(json, space)| format!("{space}{json}{space}"));
            prop_oneof![
                proptest::collection::vec(spaced.clone(), 0..4)
                    .prop_map(|parts| format!("[{}]", parts.join(","))),
                proptest::collection::vec(("[a-c:,}]{0,2}", spaced), 0..4).prop_map(|members| {
                    let members = members
                        .iter()
                        .map(|(name, json)| format!("{name:?}:{json}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_source_of_each_element_is_what_was_sent(
            elements in proptest::collection::vec((json(), "[ \t\r\n]{0,2}"), 1..5),
        ) {
            let texts: Vec<&str> = elements.iter().map(|(json, _)| json.as_str()).collect();
            let spaced: Vec<String> = elements
                .iter()
                .map(|(json, space)| format!("{space}{json}{space}"))
                .collect();
            let batch = format!("{{\"orders\":[{}]}}", spaced.join(","));
            prop_assert!(check(batch.as_bytes()).is_ok());
            let sources = sources(batch.as_bytes()).unwrap();
            let sources: Vec<&str> =
                sources.iter().map(|source| std::str::from_utf8(source).unwrap()).collect();
            prop_assert_eq!(sources, texts);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_batch(&bytes, 10);
        }

        #[test]
        fn no_text_of_jsons_characters_makes_it_panic(text in r#"[\[\]{}",:\\ 0e\-u]{0,40}"#) {
            let text = format!("{{\"orders\":[{text}]}}");
            let _ = parse_batch(text.as_bytes(), 10);
        }
    }
}
