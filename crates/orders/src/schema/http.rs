//! The schemas of the documents of the HTTP API whose types are in this crate.
//!
//! `docs/openapi.json` is made of them by the tests of the crate `api`. These tests read the
//! committed file. The derives of `schemars` are in this crate's own tests only, so another crate
//! cannot ask the types. A feature of this crate for that would compile it, and every crate that
//! uses it, a second time for the tests, or link `schemars` into the functions.

use schemars::transform::Transform as _;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::{Closed, settings};
use crate::currency;
use crate::fingerprint::Fingerprint;
use crate::id::{IdempotencyKey, IntentId, OrderId};
use crate::order::NewOrder;
use crate::timestamp::Timestamp;
use crate::view::OrderView;
use crate::violation::{MAX_VIOLATIONS, Violation};

/// The schemas by name, each with what it means to a client.
pub(super) fn schemas() -> Value {
    let mut generator = settings().into_generator();
    let _ = generator.subschema_for::<OrderView>();
    let _ = generator.subschema_for::<Violation>();
    let _ = generator.subschema_for::<OrderId>();
    let _ = generator.subschema_for::<IntentId>();
    let _ = generator.subschema_for::<Timestamp>();
    let _ = generator.subschema_for::<Fingerprint>();
    let _ = generator.subschema_for::<IdempotencyKey>();
    let mut schemas = Value::Object(generator.take_definitions(true));
    schemas["NewOrder"] = new_order();
    schemas["Violations"] = json!({
        "type": "array",
        "items": {"$ref": "#/$defs/Violation"},
        "minItems": 1,
        "maxItems": MAX_VIOLATIONS,
    });
    for (name, description) in [
        (
            "NewOrder",
            "An order, as a client sends it. Unknown and duplicate fields are errors. Every number is an integer, so 2.0 is an error too.",
        ),
        ("OrderView", "An order, as its owner reads it."),
        (
            "LineItem",
            "One line of an order, which is so many of this article at this price.",
        ),
        ("Status", "The state of an order."),
        ("Violation", "A rule that a document breaks."),
        (
            "Violations",
            "The rules that a document breaks, each field with the first rule that it breaks. At most a hundred are listed.",
        ),
        ("Code", "The rule, for programs."),
        (
            "OrderId",
            "The id of an order, which is a UUID in lower case with hyphens.",
        ),
        (
            "IntentId",
            "The id of an accepted request, which is a UUID.",
        ),
        ("Timestamp", "A time in UTC with milliseconds (RFC 3339)."),
        (
            "Fingerprint",
            "A digest of an order and its owner, by which equal orders are told from others. The part before the colon is the version of the rule that made it.",
        ),
        (
            "IdempotencyKey",
            "A key of visible ASCII characters without a comma. Quotes are part of it. Where the service knows its callers, one character is enough. A key of this length works at every deployment. It must not be guessable, so use a UUID.",
        ),
    ] {
        let schema = &mut schemas[name];
        assert!(schema.is_object(), "{name}");
        schema["description"] = json!(description);
    }
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": schemas})
}

/// The schema of a request. Unlike the schema of a response, it allows no other field, and lists
/// the currencies. A response may have fields that are added later, and a currency that ISO has
/// withdrawn.
fn new_order() -> Value {
    let mut generator = settings()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut schema: Schema = NewOrder::json_schema(&mut generator);
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    Closed.transform(&mut schema);
    let mut schema = schema.to_value();
    let currency = schema["properties"]["currency"].as_object_mut().unwrap();
    currency.remove("pattern");
    currency.insert("enum".to_owned(), json!(currency::CODES[..]));
    schema
}
