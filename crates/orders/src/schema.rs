//! The JSON Schemas of the events, made from the types that write them, and their page. The schemas
//! of this crate's documents of the HTTP API are made here too.
//!
//! The derives of `schemars` exist in this crate's own tests only, so no function links them. The
//! documents are committed, and a test compares each with what the types say.

mod http;
mod page;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::cloud_event::Envelope;
use crate::fact::{Cancelled, Conflicted, Created, Erased, Fact, FactEvent};
use crate::intent::{Cancel, Intent, IntentKind, Submit};

/// The texts of `OrderId` and `IntentId`.
pub(crate) const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
/// The texts of `Fingerprint`.
pub(crate) const FINGERPRINT: &str = "[1-9][0-9]{0,3}:[0-9a-f]{64}";
/// The texts of `TraceParent`, and ids that are all zeros.
pub(crate) const TRACE_PARENT: &str = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$";
/// The texts that `Timestamp` is written as.
pub(crate) const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$";
/// The form of the codes that `currency` lists. The list may grow, and the form stays.
pub(crate) const CURRENCY: &str = "^[A-Z]{3}$";
/// A text without control characters (Unicode category Cc).
pub(crate) const NO_CONTROLS: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// Visible ASCII characters without a comma, which `IdempotencyKey` is made of.
pub(crate) const KEY: &str = r"^[\x21-\x2b\x2d-\x7e]+$";

/// The pattern of a text that is this and nothing else. A pattern of JSON Schema finds any part of
/// a text.
pub(crate) fn whole(pattern: &str) -> String {
    format!("^{pattern}$")
}

/// An event with its schema and its golden file.
struct Documented {
    type_name: String,
    golden: &'static str,
    schema: Value,
}

/// The events, in the sequence of the page.
fn events() -> Vec<Documented> {
    let facts = [
        include_str!("../tests/golden/created.v1.json"),
        include_str!("../tests/golden/cancelled.v1.json"),
        include_str!("../tests/golden/conflicted.v1.json"),
        include_str!("../tests/golden/erased.v1.json"),
    ];
    let intents = [
        include_str!("../tests/golden/submit.v1.json"),
        include_str!("../tests/golden/cancel.v1.json"),
    ];
    facts
        .map(fact)
        .into_iter()
        .chain(intents.map(intent))
        .collect()
}

/// The schema of the facts of a golden event's kind.
fn fact(golden: &'static str) -> Documented {
    let event = FactEvent::decode(golden.as_bytes()).unwrap();
    let envelope = match &event.fact {
        Fact::Created(_) => envelope::<Created>(),
        Fact::Cancelled(_) => envelope::<Cancelled>(),
        Fact::Conflicted(_) => envelope::<Conflicted>(),
        Fact::Erased(_) => envelope::<Erased>(),
    };
    let mut id = event.id().replace(&event.order_id.to_string(), UUID);
    if let Fact::Conflicted(conflicted) = &event.fact {
        id = id.replace(conflicted.fingerprint.as_str(), FINGERPRINT);
    }
    documented(golden, envelope, &id)
}

/// The schema of the intents of a golden event's kind. A consumer takes an unknown field of an
/// intent's data for poison.
fn intent(golden: &'static str) -> Documented {
    let intent = Intent::decode(golden.as_bytes()).unwrap();
    let mut envelope = match &intent.kind {
        IntentKind::Submit(_) => envelope::<Submit>(),
        IntentKind::Cancel(_) => envelope::<Cancel>(),
    };
    let data = &mut envelope["properties"]["data"];
    Closed.transform(data.try_into().unwrap());
    documented(golden, envelope, UUID)
}

/// The schema that the types make of an event with this data.
fn envelope<D: JsonSchema>() -> Value {
    settings()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Envelope<'_, D>>()
        .to_value()
}

/// The settings of all schemas.
fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(NoWidths)
}

/// Narrows the envelope to the events of one type.
fn documented(golden: &'static str, mut schema: Value, id: &str) -> Documented {
    let event: Value = serde_json::from_str(golden).unwrap();
    let type_name = event["type"].as_str().unwrap().to_owned();
    schema["title"] = json!(type_name);
    let description = json!(format!("The data of {type_name}."));
    let purpose = &mut schema["properties"]["data"]["description"];
    schema["description"] = std::mem::replace(purpose, description);
    let properties = schema["properties"].as_object_mut().unwrap();
    properties["id"]["pattern"] = json!(whole(id));
    for name in ["type", "source"] {
        properties[name]["const"] = event[name].clone();
    }
    if event.get("partitionkey").is_some() {
        schema["required"]
            .as_array_mut()
            .unwrap()
            .push(json!("partitionkey"));
    } else {
        properties.remove("partitionkey");
    }
    Documented {
        type_name,
        golden,
        schema,
    }
}

/// Removes the widths of Rust's integers, which are not a format of JSON Schema.
#[derive(Clone, Debug)]
struct NoWidths;

impl Transform for NoWidths {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("type") == Some(&json!("integer")) {
            schema.remove("format");
        }
        transform_subschemas(self, schema);
    }
}

/// Allows no field that is not listed.
struct Closed;

impl Transform for Closed {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("type") == Some(&json!("object")) {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
        transform_subschemas(self, schema);
    }
}

mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use boon::{Compiler, SchemaIndex, Schemas};
    use proptest::prelude::*;

    use super::*;
    use crate::caller::Caller;
    use crate::currency;
    use crate::fingerprint::Fingerprint;
    use crate::id::{IdempotencyKey, OrderId};
    use crate::timestamp::Timestamp;
    use crate::trace_parent::TraceParent;

    /// The variable that makes the test below write the documents.
    const WRITE: &str = "WRITE_DOCUMENTS";
    const COMMAND: &str = "make documents";

    fn docs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    }

    /// The documents as the types say, by path below `docs/`.
    fn documents() -> BTreeMap<String, String> {
        let events = events();
        let page = std::fs::read_to_string(docs().join("events.md")).unwrap();
        let page = page::with_events(&page, &events);
        let schemas = events.iter().map(|event| {
            let path = format!("schemas/{}.json", event.type_name);
            (path, format!("{:#}\n", event.schema))
        });
        let of_http = format!("{:#}\n", http::schemas());
        let others = [
            ("events.md".to_owned(), page),
            ("schemas/http.json".to_owned(), of_http),
        ];
        schemas.chain(others).collect()
    }

    #[test]
    fn the_committed_documents_are_what_the_types_say() {
        for (path, expected) in documents() {
            let file = docs().join(&path);
            if std::env::var_os(WRITE).is_some() {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &expected).unwrap();
            }
            let committed = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(committed == expected, "docs/{path} is old; run {COMMAND}");
        }
    }

    #[test]
    fn there_is_no_schema_of_an_event_that_is_not_written() {
        let files = std::fs::read_dir(docs().join("schemas")).unwrap();
        let files: BTreeSet<String> = files
            .map(|file| format!("schemas/{}", file.unwrap().file_name().display()))
            .collect();
        let documents: BTreeSet<String> = documents().into_keys().collect();
        assert_eq!(files.difference(&documents).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn each_field_says_what_it_means_in_words_for_readers_of_the_page() {
        for event in events() {
            for field in page::fields(&event) {
                assert!(!field.meaning.is_empty(), "{}", field.name);
                assert!(!field.meaning.contains("[`"), "{}", field.meaning);
            }
        }
    }

    /// A validator of texts.
    struct Texts {
        schemas: Schemas,
        index: SchemaIndex,
    }

    impl Texts {
        fn of(schema: &Value) -> Self {
            let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
            compiler.add_resource("text.json", schema.clone()).unwrap();
            let index = compiler.compile("text.json", &mut schemas).unwrap();
            Self { schemas, index }
        }

        fn take(&self, text: &str) -> bool {
            self.schemas.validate(&json!(text), self.index).is_ok()
        }
    }

    /// A text, and all texts that have other characters in place of one, or in front of it.
    fn near(text: &str) -> Vec<String> {
        let others = [
            "", "0", "9", "a", "g", "A", "-", ":", "{", "\n", "\u{7f}", "\u{9f}", "\u{a0}",
        ];
        let mut texts = vec![text.to_owned(), format!("{text}\n"), String::new()];
        for (at, character) in text.char_indices() {
            let (front, rest) = text.split_at(at);
            let behind = &rest[character.len_utf8()..];
            for other in others {
                texts.push(format!("{front}{other}{behind}"));
                texts.push(format!("{front}{other}{rest}"));
            }
        }
        texts
    }

    /// Compares a schema with a parser, on texts near a sound one.
    fn compare(schema: &Value, sound: &str, parses: impl Fn(&str) -> bool) {
        let texts = Texts::of(schema);
        assert!(texts.take(sound));
        for text in near(sound) {
            assert_eq!(texts.take(&text), parses(&text), "{text:?}");
        }
    }

    #[test]
    fn a_schema_takes_the_texts_that_the_parser_takes() {
        let fields = envelope::<Cancel>()["properties"].take();
        let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
        compare(&fields["subject"], id, |text| {
            OrderId::parse(text).is_some()
        });
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        compare(&fields["traceparent"], trace, |text| {
            TraceParent::parse(text).is_some()
        });
        let caller = &fields["data"]["properties"]["caller"];
        compare(caller, "ann é", |text| Caller::parse(text).is_some());
        let callers = Texts::of(caller);
        assert!(callers.take(&"a".repeat(2_048)) && !callers.take(&"a".repeat(2_049)));
        let fields = envelope::<Conflicted>()["properties"]["data"]["properties"].take();
        let digest = "1a2ff5cd4dfad4e3bd8d8848b71bf34859915f6de92b59b9e0bcdb4b1d1d3da2";
        for fingerprint in [format!("1:{digest}"), format!("9999:{digest}")] {
            compare(&fields["fingerprint"], &fingerprint, |text| {
                Fingerprint::parse(text).is_some()
            });
        }
    }

    #[test]
    fn the_schema_of_a_key_takes_the_keys_that_every_deployment_takes() {
        let schemas = http::schemas();
        let keys = Texts::of(&schemas["$defs"]["IdempotencyKey"]);
        let is_taken =
            |text: &str| IdempotencyKey::parse(text).is_some_and(|key| key.stands_alone());
        let sound = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
        for text in near(sound) {
            assert_eq!(keys.take(&text), is_taken(&text), "{text:?}");
        }
        for length in [0, 1, 21, 22, 255, 256] {
            let text = "k".repeat(length);
            assert_eq!(keys.take(&text), is_taken(&text), "{length}");
        }
    }

    #[test]
    fn the_schema_of_an_order_takes_each_listed_currency_and_no_field_besides_its_own() {
        let schemas = http::schemas();
        let orders = Texts::of(&schemas["$defs"]["NewOrder"]);
        let order = |currency: &str, more: &str| {
            format!(
                r#"{{"customer_id": "c", "currency": "{currency}", "items": [{{"sku": "s", "quantity": 1, "unit_price": 0{more}}}]{more}}}"#
            )
        };
        let of = |currency: &str, more: &str| serde_json::from_str(&order(currency, more)).unwrap();
        let takes = |order: &Value| orders.schemas.validate(order, orders.index).is_ok();
        assert!(currency::CODES.iter().all(|code| takes(&of(code, ""))));
        assert!(!takes(&of("EUX", "")));
        assert!(!takes(&of("EUR", r#", "more": 1"#)));
    }

    #[test]
    fn every_listed_currency_has_the_form_of_a_currency() {
        let form = Texts::of(&json!({"pattern": CURRENCY}));
        assert!(currency::CODES.iter().all(|code| form.take(code)));
        assert!(!form.take("eur") && !form.take("EURO"));
    }

    proptest! {
        #[test]
        fn a_schema_takes_every_time_that_is_written(millis in -62_135_596_800_000..=253_402_300_799_999_i64) {
            let times = Texts::of(&envelope::<Cancel>()["properties"]["time"]);
            let time = Timestamp::from_unix_millis(millis).unwrap().to_string();
            prop_assert!(times.take(&time), "{}", time);
        }
    }
}
