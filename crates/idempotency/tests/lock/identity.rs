//! The same request and another one are told apart, whatever form a payload has.

use std::cell::Cell;
use std::collections::BTreeMap;

use idempotency::{Failure, Fingerprint, FingerprintError, Key, KeyError, NotJson, Once};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use crate::world::{World, deadline, fingerprint, key};

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// Values that are easily taken for one another, as JSON.
const ALIKE: &[&str] = &[
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551617",
    "18446744073709551618",
    "-9223372036854775808",
    "-9223372036854775809",
    "-9223372036854775810",
    "9007199254740992",
    "9007199254740993",
    "9007199254740992.0",
    "340282366920938463463374607431768211454",
    "340282366920938463463374607431768211455",
    "340282366920938463463374607431768211456",
    "0",
    "-0",
    "0.0",
    "-0.0",
    "1",
    "1.0",
    "1.00",
    "10",
    "1e1",
    "1e-1",
    "0.1",
    "0.1000000000000000055",
    "0.30000000000000004",
    "0.3",
    "1e308",
    "1e400",
    "1e401",
    "-1e400",
    "1e-400",
    "5e-324",
    "\"1\"",
    "\"1.0\"",
    "\"0.1\"",
    "\"18446744073709551617\"",
    "\"n1\"",
    "\"t1\"",
    "\"\"",
    "\" \"",
    "\"true\"",
    "\"null\"",
    "\"[]\"",
    "\"\\u00e9\"",
    "\"e\\u0301\"",
    "\"\\u0000\"",
    "true",
    "false",
    "null",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "[\"a\",\"b\"]",
    "[\"a,b\"]",
    "[\"a\\\",\\\"b\"]",
    "\"a,b\"",
    "[1,2]",
    "[12]",
    "[1.2]",
    "{\"a\":1}",
    "{\"a\":1.0}",
    "{\"a\":\"1\"}",
    "{\"a\":null}",
    "{\"\":null}",
    "{\"a\":{\"b\":1}}",
    "{\"a\":{},\"b\":1}",
    "{\"$serde_json::private::Number\":\"1\"}",
    "{\"$serde_json::private::RawValue\":\"1\"}",
];

#[test]
fn two_values_never_have_one_fingerprint() {
    for (place, one) in ALIKE.iter().enumerate() {
        for other in &ALIKE[place + 1..] {
            for around in ["X", "{\"id\":X}", "[0,X]", "{\"a\":[{\"b\":X}],\"c\":1}"] {
                let [one, other] = [one, other].map(|json| around.replace('X', json));
                let [first, second] =
                    [&one, &other].map(|json| Fingerprint::of_json(json.as_bytes()).unwrap());
                assert_ne!(first, second, "{one} {other}");
                let read = |json: &str| serde_json::from_str::<Value>(json).ok();
                if let (Some(first), Some(second)) = (read(&one), read(&other))
                    && let (Ok(first), Ok(second)) =
                        (Fingerprint::of(&first), Fingerprint::of(&second))
                {
                    assert_ne!(first, second, "{one} {other}");
                }
            }
        }
    }
}

#[test]
fn two_values_never_have_one_key() {
    for (place, one) in ALIKE.iter().enumerate() {
        for other in &ALIKE[place + 1..] {
            for (around, pointer) in [
                ("X", ""),
                ("{\"id\":X}", "/id"),
                ("{\"a\":[0,{\"~/\":X}]}", "/a/1/~0~1"),
            ] {
                let [one, other] = [one, other].map(|json| around.replace('X', json));
                let keys = [&one, &other].map(|json| Key::of_json("n", json.as_bytes(), [pointer]));
                if let [Ok(first), Ok(second)] = &keys {
                    assert_ne!(first, second, "{one} {other}");
                }
                let read = |json: &str| serde_json::from_str::<Value>(json).ok();
                if let (Some(first), Some(second)) = (read(&one), read(&other))
                    && let (Ok(first), Ok(second)) = (
                        Key::of_payload("n", &first, [pointer]),
                        Key::of_payload("n", &second, [pointer]),
                    )
                {
                    assert_ne!(first, second, "{one} {other}");
                }
            }
        }
    }
}

#[test]
fn a_number_that_may_have_lost_digits_is_refused_by_its_pointer() {
    for number in [
        "18446744073709551616",
        "18446744073709551617",
        "-9223372036854775809",
        "0.1",
        "12.99",
        "1.0",
        "1e3",
        "-0",
        "-0.0",
        "1e-400",
    ] {
        let payload = value(&format!(
            "{{\"order\":{{\"lines\":[1,{{\"a/b\":{number}}}]}}}}"
        ));
        let pointer = "/order/lines/1/a~1b".to_owned();
        let print = Fingerprint::of(&payload);
        assert_eq!(
            print,
            Err(FingerprintError::Float(pointer.clone())),
            "{number}"
        );
        assert!(print.unwrap_err().to_string().contains(&pointer));
        let key = Key::of_payload("n", &payload, [pointer.as_str()]);
        assert_eq!(key, Err(KeyError::NotInteger(pointer.clone())), "{number}");
        assert!(key.unwrap_err().to_string().contains(&pointer));
        // A key is made of what it is made of, whatever is elsewhere.
        assert!(Key::of_payload("n", &payload, ["/order/lines/0"]).is_ok());
        assert_eq!(
            Fingerprint::of(&payload["order"]["lines"][0]),
            Fingerprint::of(&1)
        );
    }
}

#[test]
fn integers_of_any_size_are_told_apart_in_a_text_and_those_of_128_bits_in_a_type() {
    let of = |json: &str| Fingerprint::of_json(json.as_bytes());
    assert_eq!(Fingerprint::of(&u128::MAX), of(&u128::MAX.to_string()));
    assert_eq!(Fingerprint::of(&i128::MIN), of(&i128::MIN.to_string()));
    assert_ne!(
        Fingerprint::of(&u128::MAX),
        Fingerprint::of(&(u128::MAX - 1))
    );
    let long = "7".repeat(1_000);
    let key = |json: &str| Key::of_json("n", json.as_bytes(), [""]).unwrap();
    assert_ne!(key(&long), key(&format!("{}8", &long[1..])));
    for number in ["1.0", "1e3", "-0", "-0.0"] {
        let refused = Err(KeyError::NotInteger("/id".into()));
        let json = format!("{{\"id\":{number}}}");
        assert_eq!(Key::of_json("n", json.as_bytes(), ["/id"]), refused);
    }
}

#[test]
fn a_float_of_any_type_is_refused_and_not_taken_for_null() {
    #[derive(Serialize)]
    struct Line {
        price: f64,
    }
    #[derive(Serialize)]
    enum Order {
        Lines(Vec<Line>),
        Total { amount: f32 },
        Pair(u8, f64),
        Rate(f64),
    }
    let pointer = |payload: &dyn Fn() -> Result<Fingerprint, FingerprintError>| match payload() {
        Err(FingerprintError::Float(pointer)) => pointer,
        other => panic!("{other:?}"),
    };
    for price in [1.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(pointer(&|| Fingerprint::of(&price)), "");
        assert_eq!(pointer(&|| Fingerprint::of(&Some(price))), "");
        let lines = Order::Lines(vec![Line { price }]);
        assert_eq!(pointer(&|| Fingerprint::of(&lines)), "/Lines/0/price");
        assert_eq!(
            pointer(&|| Fingerprint::of(&Order::Pair(1, price))),
            "/Pair/1"
        );
        assert_eq!(pointer(&|| Fingerprint::of(&Order::Rate(price))), "/Rate");
    }
    let total = Order::Total { amount: 0.1 };
    assert_eq!(pointer(&|| Fingerprint::of(&total)), "/Total/amount");
}

#[test]
fn a_name_that_occurs_twice_is_refused_by_its_pointer() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(untagged)]
    enum Name {
        Number(u8),
        Text(&'static str),
    }
    let names = BTreeMap::from([(Name::Number(1), "a"), (Name::Text("1"), "b")]);
    let ambiguous = |pointer: &str| FingerprintError::Ambiguous(pointer.to_owned());
    assert_eq!(Fingerprint::of(&[names]), Err(ambiguous("/0/1")));
    for json in [
        r#"{"a":[{"b":1,"c":2,"b":1}]}"#,
        r#"{"a":[{"b":1,"c":2,"\u0062":2}]}"#,
    ] {
        let print = Fingerprint::of_json(json.as_bytes());
        assert_eq!(print, Err(ambiguous("/a/0/b")));
        let key = |pointer| Key::of_json("n", json.as_bytes(), [pointer]);
        assert_eq!(key("/a/0/b"), Err(KeyError::Ambiguous("/a/0/b".into())));
        assert!(key("/a/0/c").is_ok());
    }
}

#[test]
fn what_is_not_json_has_neither_key_nor_fingerprint() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for json in [
        "",
        " ",
        "{",
        "[1,]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "nul",
        "\"a",
        "\"\\x\"",
        "\"\\ud800\"",
        "1 2",
        "{\"a\":1,}",
        "{a:1}",
        "{1:2}",
        "'a'",
        "NaN",
        "\u{feff}1",
        &deep,
    ] {
        let print = Fingerprint::of_json(json.as_bytes());
        assert!(matches!(print, Err(FingerprintError::NotJson(_))), "{json}");
        let key = Key::of_json("n", json.as_bytes(), [""]);
        assert!(matches!(key, Err(KeyError::NotJson(_))), "{json}");
    }
    let not_utf_8 = Fingerprint::of_json(b"\"\xff\"");
    assert!(matches!(
        not_utf_8,
        Err(FingerprintError::NotJson(NotJson::NotUtf8(_)))
    ));
}

#[test]
fn a_pointer_finds_in_a_text_what_it_finds_in_a_value() {
    let json =
        r#"{"a":[10,{"b/c":"x","d~e":7,"":true}],"0":"zero","00":1,"~1":2,"n":null,"e":"","o":{}}"#;
    for pointer in [
        "",
        "/",
        "/a",
        "/a/0",
        "/a/1/b~1c",
        "/a/1/d~0e",
        "/a/1/",
        "/a/00",
        "/a/01",
        "/a/+0",
        "/a/-",
        "/a/2",
        "/0",
        "/00",
        "/~01",
        "/n",
        "/e",
        "/o",
        "/x",
        "/a/1/b/c",
        "a",
        "0",
        "/a/0/0",
        "/a/18446744073709551616",
    ] {
        let in_text = Key::of_json("n", json.as_bytes(), [pointer]);
        assert_eq!(
            in_text,
            Key::of_payload("n", &value(json), [pointer]),
            "{pointer}"
        );
    }
    let of = |pointers: &[&'static str]| {
        Key::of_json("n", json.as_bytes(), pointers.iter().copied()).unwrap()
    };
    assert_ne!(of(&["/0", "/a/0"]), of(&["/a/0", "/0"]));
    assert_ne!(of(&["/0"]), of(&["/0", "/0"]));
}

#[test]
fn keys_and_fingerprints_of_strings_and_integers_are_those_of_rows_that_exist() {
    // This is the fingerprint that version 0.1.0 made, which is the SHA-256 of the quoted text.
    let payload = json!({"b": [1, -2, "x\n\u{e9}", null, true], "a": {"c": u64::MAX, "": {}}});
    let print = format!("{:?}", Fingerprint::of(&payload).unwrap());
    // {"a":{"":{},"c":18446744073709551615},"b":[1,-2,"x\né",null,true]}
    assert!(
        print.contains("json:8834bbbf5ce98454928bd902d645b4625550f4f325db07fba2c62f6debec668e"),
        "{print}"
    );
    let key = Key::of_payload("charge", &json!({"id": "o-7"}), ["/id"]).unwrap();
    assert_eq!(key, Key::new("charge", ["o-7"]).unwrap());
}

/// As serde_json hands over its numbers if `arbitrary_precision` is on.
struct Number(&'static str);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        const NAME: &str = "$serde_json::private::Number";
        let mut number = serializer.serialize_struct(NAME, 1)?;
        number.serialize_field(NAME, self.0)?;
        number.end()
    }
}

#[test]
fn numbers_of_arbitrary_precision_are_those_of_the_text() {
    for number in [
        "18446744073709551617",
        "0.1000000000000000055",
        "1e+400",
        "-0",
        "5",
    ] {
        let payload = BTreeMap::from([("id", [Number(number)])]);
        let json = format!("{{\"id\":[{}]}}", number.replace('+', ""));
        let in_text = Fingerprint::of_json(json.as_bytes());
        assert_eq!(Fingerprint::of(&payload), in_text, "{number}");
    }
    for number in ["", "1,2", "1}", "01", "\"1\"", "NaN"] {
        let refused = Err(FingerprintError::NoJsonForm("/0".into()));
        assert_eq!(Fingerprint::of(&[Number(number)]), refused, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_orders_whose_numbers_differ_in_the_last_digit_are_two_works() {
    let world = World::new();
    let holder = world.holder();
    let runs = Cell::new(0);
    for json in [
        r#"{"id":18446744073709551617}"#,
        r#"{"id":18446744073709551618}"#,
    ] {
        let key = Key::of_json("charge", json.as_bytes(), ["/id"]).unwrap();
        let print = Fingerprint::of_json(json.as_bytes()).unwrap();
        for _ in 0..2 {
            let work = async |_: &_| {
                runs.set(runs.get() + 1);
                Ok::<_, Failure<String>>(json.to_owned())
            };
            let outcome = holder.table.once(&key, &print, deadline(), work).await;
            let (Once::Executed(result) | Once::Replayed(result)) = outcome.unwrap() else {
                panic!("neither executed nor replayed")
            };
            assert_eq!(result, Ok(json.to_owned()));
        }
    }
    assert_eq!(runs.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_number_is_replayed_with_all_its_digits() {
    let numbers = (
        31.245270191439438_f64,
        f32::MIN_POSITIVE,
        u128::MAX,
        i128::MIN,
        -0.0_f64,
    );
    let world = World::new();
    let holder = world.holder();
    let work = async |_: &_| Ok::<_, Failure<String>>(numbers);
    for outcome in [Once::Executed(Ok(numbers)), Once::Replayed(Ok(numbers))] {
        let (key, print) = (key(), fingerprint("5 EUR"));
        let done = holder.table.once(&key, &print, deadline(), work).await;
        assert_eq!(done, Ok(outcome));
    }
}

/// A JSON text, its numbers of any form, and the same with the members of its objects in the
/// sequence of other names.
fn json_text() -> impl Strategy<Value = (String, String)> {
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,2})",
        "-?[1-9][0-9]{14,40}",
        "(1844674407370955161|922337203685477580|900719925474099)[0-9]{1,2}",
        "-?(0|[1-9][0-9]{0,2})\\.[0-9]{1,20}",
        "-?[1-9]e-?[0-9]{1,3}",
    ];
    let string =
        prop_oneof!["[ab~/1]{0,2}", any::<String>()].prop_map(|text| Value::from(text).to_string());
    let plain = prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned);
    let leaf =
        prop_oneof![3 => number, 1 => string, 1 => plain].prop_map(|text| (text.clone(), text));
    leaf.prop_recursive(3, 12, 4, |inner| {
        let array = prop::collection::vec(inner.clone(), 0..4).prop_map(|values| {
            let join = |texts: Vec<String>| format!("[{}]", texts.join(","));
            let (ones, others) = values.into_iter().unzip();
            (join(ones), join(others))
        });
        let object = prop::collection::btree_map("[abc]{1,2}", inner, 0..4).prop_map(|members| {
            let write = |(name, value): (&String, &String)| format!(" \"{name}\" : {value}");
            let ones: Vec<_> = members
                .iter()
                .map(|(name, (one, _))| write((name, one)))
                .collect();
            let others = members
                .iter()
                .rev()
                .map(|(name, (_, other))| write((name, other)));
            let others: Vec<_> = others.collect();
            (
                format!("{{{}}}", ones.join(",")),
                format!("{{{}}}", others.join(",")),
            )
        });
        prop_oneof![array, object]
    })
}

proptest! {
    #[test]
    fn the_same_payload_in_another_sequence_is_the_same_and_another_one_is_not(
        (one, reordered) in json_text(), (other, _) in json_text(),
    ) {
        let of_text = |json: &str| Fingerprint::of_json(json.as_bytes()).unwrap();
        prop_assert_eq!(of_text(&one), of_text(&reordered));
        prop_assert_eq!(of_text(&one) == of_text(&other), one == other);
        // 1e400 has no `Value`.
        let read = |json: &str| serde_json::from_str::<Value>(json).ok();
        for json in [&one, &reordered, &other] {
            // A value has the fingerprint of its text or none.
            if let Some(value) = read(json) && let Ok(print) = Fingerprint::of(&value) {
                prop_assert_eq!(print, of_text(json));
            }
        }
    }

    #[test]
    fn two_payloads_never_share_a_key((one, _) in json_text(), (other, _) in json_text()) {
        let of_text = |json: &str| Key::of_json("n", json.as_bytes(), [""]).ok();
        if let (Some(first), Some(second)) = (of_text(&one), of_text(&other)) {
            prop_assert_eq!(first == second, one == other);
        }
        for json in [&one, &other] {
            if let Ok(value) = serde_json::from_str::<Value>(json) && let Ok(key) = Key::of_payload("n", &value, [""]) {
                prop_assert_eq!(Some(key), of_text(json));
            }
        }
    }

    #[test]
    fn one_digit_makes_another_number(digits in "[1-9][0-9]{0,60}", place in 0_usize..61, by in 1_u8..10) {
        let place = place % digits.len();
        let mut other = digits.clone().into_bytes();
        // Another digit, and no zero in front.
        let first = if place == 0 { b'1' } else { b'0' };
        let range = b'9' - first + 1;
        other[place] = first + (other[place] - first + by % range) % range;
        let other = String::from_utf8(other).unwrap();
        prop_assume!(digits != other);
        let [one, other] = [digits, other].map(|digits| format!("{{\"id\":{digits}}}"));
        let key = |json: &str| Key::of_json("n", json.as_bytes(), ["/id"]);
        prop_assert_ne!(key(&one), key(&other));
        let [one, other] = [&one, &other].map(|json| value(json));
        for (is_refused, are_equal) in [
            (Fingerprint::of(&one).is_err() || Fingerprint::of(&other).is_err(), Fingerprint::of(&one) == Fingerprint::of(&other)),
            (Key::of_payload("n", &one, ["/id"]).is_err() || Key::of_payload("n", &other, ["/id"]).is_err(),
                Key::of_payload("n", &one, ["/id"]) == Key::of_payload("n", &other, ["/id"])),
        ] {
            prop_assert!(is_refused || !are_equal);
        }
    }
}
