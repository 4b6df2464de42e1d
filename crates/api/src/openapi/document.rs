//! The OpenAPI document and the page of problems, made from the types that the handlers use.
//!
//! All of this is in tests, so no function links `schemars`. The documents are committed, and a
//! test compares each with what the types say. The schemas of the types of `orders` come from
//! `docs/schemas/http.json`, which that crate's own tests make of the types (see there for the
//! reason). Each example is the real handler's answer to a request (`examples.rs`).
//!
//! A route is one entry of `operations.rs`, and a kind of problem is one entry of `problems.rs`.
//! The compiler names the entry that is missing.

mod examples;
mod operations;
mod problems;
#[path = "../../tests/requests/world.rs"]
#[allow(dead_code, reason = "the examples use a part of this module")]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use self::examples::{Example, Place};
use self::operations::Operation;
use crate::problem::Kind;
use crate::response::{JSON, PROBLEM};
use crate::route::ROUTES;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The types of `orders`, as the types of this crate refer to them.
pub(crate) mod of_orders {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator};

    macro_rules! types {
        ($($name:ident)+) => {$(
            pub(crate) enum $name {}

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let schema = super::schemas_of_orders()[stringify!($name)].take();
                    schema.try_into().unwrap()
                }
            }
        )+};
    }

    types! { NewOrder OrderView Violations OrderId IntentId Timestamp Fingerprint IdempotencyKey }
}

/// The schemas that `orders` has written, with the references of this document.
fn schemas_of_orders() -> Value {
    let file = docs().join("schemas/http.json");
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.replace("#/$defs/", "#/components/schemas/");
    let mut schemas: Value = serde_json::from_str(&text).unwrap();
    schemas["$defs"].take()
}

/// Collects the schemas of the types that the document refers to.
struct Schemas(SchemaGenerator);

impl Schemas {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .for_serialize()
            .with(|settings| settings.definitions_path = "/components/schemas".into())
            .with_transform(NoWidths);
        Self(settings.into_generator())
    }

    /// A reference to the schema of a type.
    fn of<T: JsonSchema>(&mut self) -> Value {
        self.0.subschema_for::<T>().to_value()
    }

    /// All schemas that were referred to, and those of `orders`.
    fn collected(mut self) -> Map<String, Value> {
        let mut schemas = self.0.take_definitions(true);
        let Value::Object(others) = schemas_of_orders() else {
            panic!("no schemas of orders")
        };
        schemas.extend(others);
        schemas
    }
}

/// Removes the widths of Rust's integers, which are not a format of JSON Schema.
#[derive(Clone, Debug)]
struct NoWidths;

impl Transform for NoWidths {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("type") == Some(&json!("integer")) {
            for keyword in ["format", "minimum", "maximum"] {
                schema.remove(keyword);
            }
        }
        transform_subschemas(self, schema);
    }
}

/// The document as the types and the handlers say.
async fn document() -> Value {
    let examples = examples::answered().await;
    let mut schemas = Schemas::new();
    let mut paths = json!({});
    for route in ROUTES {
        let operation = operations::of(route.endpoint, &mut schemas);
        let place = Place::At(route.endpoint);
        let examples: Vec<&Example> = examples.iter().filter(|of| of.place == place).collect();
        let method = route.method.to_ascii_lowercase();
        paths[route.path][method] = with_responses(operation, &examples, &mut schemas);
    }
    let elsewhere: Vec<&Example> = examples
        .iter()
        .filter(|of| of.place == Place::Elsewhere)
        .collect();
    let responses: Map<String, Value> = [Kind::PathNotFound, Kind::MethodNotAllowed]
        .map(|kind| {
            let response = problem_response(&[kind], &elsewhere, false, &mut schemas);
            (operations::name(kind), response)
        })
        .into_iter()
        .collect();
    let mut document = operations::root();
    document["paths"] = paths;
    document["components"]["responses"] = Value::Object(responses);
    document["components"]["parameters"] = operations::parameters(&mut schemas);
    document["components"]["headers"] = operations::headers();
    let mut schemas = schemas.collected();
    schemas.insert(
        "FrontDoorMessage".to_owned(),
        operations::front_door_message(),
    );
    document["components"]["schemas"] = Value::Object(schemas);
    on_one_line(&mut document);
    document
}

/// The operation with its responses and with the examples of its requests.
fn with_responses(operation: Operation, examples: &[&Example], schemas: &mut Schemas) -> Value {
    let mut value = operation.value;
    let mut responses = Map::new();
    for (status, mut response) in operation.successes {
        let successes = examples.iter().filter(|of| of.status == status);
        let successes: Vec<&&Example> = successes.collect();
        let content = &mut response["content"][JSON];
        if operation.has_examples {
            assert!(!successes.is_empty(), "{status} has no example");
            content["examples"] = named(successes.iter().map(|of| (of.name, of.value())));
        }
        if let Some(body) = value.get_mut("requestBody") {
            let sent = successes.iter().map(|of| {
                let body: Value = serde_json::from_str(of.body.as_deref().unwrap()).unwrap();
                (of.name, json!({"summary": of.summary, "value": body}))
            });
            body["content"][JSON]["examples"] = named(sent);
        }
        responses.insert(status.to_string(), response);
    }
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in operation.problems {
        by_status
            .entry(kind.status().as_u16())
            .or_default()
            .push(kind);
    }
    for (status, kinds) in &by_status {
        let is_the_front_doors_too = operation.front_door.contains_key(status);
        let response = problem_response(kinds, examples, is_the_front_doors_too, schemas);
        responses.insert(status.to_string(), response);
    }
    responses.extend(
        operation
            .not_modified
            .map(|response| ("304".to_owned(), response)),
    );
    for (status, when) in operation.front_door {
        let response = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": "", "headers": {}}));
        let description = response["description"].as_str().unwrap();
        let description = format!("{description}\n- From the front door itself: {when}");
        response["description"] = json!(description.trim_start_matches(['\n', '-', ' ']));
        response["content"][JSON] =
            json!({"schema": {"$ref": "#/components/schemas/FrontDoorMessage"}});
        response["headers"]["Apigw-Requestid"] = operations::header("Apigw-Requestid", false);
        if status == 429 || status == 503 {
            response["headers"]["Retry-After"] = operations::header("Retry-After", false);
        }
    }
    value["responses"] = Value::Object(responses);
    value
}

/// The response that carries problems of these kinds, which have one status.
fn problem_response(
    kinds: &[Kind],
    examples: &[&Example],
    is_the_front_doors_too: bool,
    schemas: &mut Schemas,
) -> Value {
    let status = kinds[0].status().as_u16();
    let types: Vec<&str> = kinds.iter().map(|kind| kind.uri()).collect();
    let mut headers = Map::new();
    headers.insert(
        "Cache-Control".to_owned(),
        operations::header("Cache-Control", !is_the_front_doors_too),
    );
    headers.insert(
        "Apigw-Requestid".to_owned(),
        operations::header("Apigw-Requestid", false),
    );
    for kind in kinds {
        for (name, is_required) in problems::headers(*kind) {
            let is_required = *is_required && !is_the_front_doors_too;
            headers.insert((*name).to_owned(), operations::header(name, is_required));
        }
    }
    let description: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let name = kind.uri().rsplit(':').next().unwrap();
            format!("- `{name}`: {}", problems::texts(*kind).when)
        })
        .collect();
    let of_kinds = examples
        .iter()
        .filter(|of| of.kind.is_some_and(|kind| kinds.contains(&kind)));
    let of_kinds: Vec<&&Example> = of_kinds.collect();
    for kind in kinds {
        let has_one = of_kinds.iter().any(|of| of.kind == Some(*kind));
        assert!(has_one, "{kind:?} has no example here");
    }
    json!({
        "description": description.join("\n"),
        "headers": headers,
        "content": {PROBLEM: {
            "schema": {"allOf": [
                schemas.of::<crate::problem::Document<'_>>(),
                {"properties": {"type": {"enum": types}, "status": {"const": status}}},
            ]},
            "examples": named(of_kinds.iter().map(|of| (of.name, of.value()))),
        }},
    })
}

fn named<'n>(entries: impl Iterator<Item = (&'n str, Value)>) -> Value {
    let mut map = Map::new();
    for (name, value) in entries {
        assert!(
            map.insert(name.to_owned(), value).is_none(),
            "{name} is there twice"
        );
    }
    Value::Object(map)
}

/// Joins the lines of each description that is one paragraph. Doc comments break their lines.
fn on_one_line(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text)
                        if name == "description"
                            && !text.contains("\n\n")
                            && !text.contains("\n- ") =>
                    {
                        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    }
                    // An example is as it is.
                    _ if name != "example" && name != "examples" => on_one_line(value),
                    _ => {}
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(on_one_line),
        _ => {}
    }
}

mod tests {
    use boon::{Compiler, Schemas as Compiled};

    use super::*;

    /// The variable that makes the test below write the documents.
    const WRITE: &str = "WRITE_DOCUMENTS";
    const COMMAND: &str = "make documents";

    #[tokio::test(start_paused = true)]
    async fn the_committed_documents_are_what_the_types_and_the_handlers_say() {
        let page = std::fs::read_to_string(docs().join("problems.md")).unwrap();
        let documents = [
            ("openapi.json", format!("{:#}\n", document().await)),
            (
                "problems.md",
                problems::page(&page, &examples::answered().await),
            ),
        ];
        for (name, expected) in documents {
            let file = docs().join(name);
            if std::env::var_os(WRITE).is_some() {
                std::fs::write(&file, &expected).unwrap();
            }
            let committed = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(committed == expected, "docs/{name} is old; run {COMMAND}");
        }
    }

    /// The document in which a response has no other field than those that are documented.
    fn closed(mut document: Value) -> Value {
        fn close(value: &mut Value) {
            match value {
                Value::Object(members) => {
                    if members.get("type") == Some(&json!("object"))
                        && members.contains_key("properties")
                    {
                        members.insert("additionalProperties".to_owned(), json!(false));
                    }
                    members.values_mut().for_each(close);
                }
                Value::Array(elements) => elements.iter_mut().for_each(close),
                _ => {}
            }
        }
        close(&mut document["components"]["schemas"]);
        document
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_has_the_documented_headers_and_a_documented_body() {
        let document = closed(document().await);
        let (mut compiled, mut compiler) = (Compiled::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler
            .add_resource("openapi.json", document.clone())
            .unwrap();
        for example in examples::answered().await {
            let at = match (example.place, example.kind) {
                (Place::At(endpoint), _) => {
                    let route = ROUTES
                        .iter()
                        .find(|route| route.endpoint == endpoint)
                        .unwrap();
                    let path = route.path.replace('/', "~1");
                    let method = route.method.to_ascii_lowercase();
                    format!("/paths/{path}/{method}/responses/{}", example.status)
                }
                (Place::Elsewhere, Some(kind)) => {
                    format!("/components/responses/{}", operations::name(kind))
                }
                (Place::Elsewhere, None) => panic!("there is nothing elsewhere"),
            };
            let response = document.pointer(&at).unwrap();
            let headers = response["headers"].as_object().unwrap();
            let documented: BTreeSet<String> = headers
                .keys()
                .map(|name| name.to_ascii_lowercase())
                .collect();
            for name in example
                .headers
                .keys()
                .filter(|name| *name != "content-type")
            {
                assert!(documented.contains(name.as_str()), "{at} has {name}");
            }
            for (name, header) in headers {
                let is_required = header["required"] == true;
                assert!(
                    !is_required || example.headers.contains_key(name),
                    "{at} lacks {name}"
                );
            }
            let media_type = example.headers["content-type"].to_str().unwrap();
            let media_type = media_type.replace('/', "~1");
            let schema = format!("openapi.json#{at}/content/{media_type}/schema");
            let index = compiler
                .compile(
                    &schema.replace('{', "%7B").replace('}', "%7D"),
                    &mut compiled,
                )
                .unwrap();
            let result = compiled.validate(&example.answer, index);
            assert!(result.is_ok(), "{at} {}: {result:?}", example.name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_problem_has_an_example() {
        let examples = examples::answered().await;
        let shown: BTreeSet<Kind> = examples.iter().filter_map(|of| of.kind).collect();
        assert_eq!(shown, Kind::ALL.iter().copied().collect());
    }

    #[test]
    fn uris_are_names_of_this_service_and_each_is_there_once() {
        let uris: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
        assert_eq!(uris.len(), Kind::ALL.len());
        for uri in uris {
            let name = uri.strip_prefix("urn:problem:orders:").unwrap();
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{uri}"
            );
        }
    }

    #[test]
    fn each_reference_of_the_document_leads_to_something() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    found.extend(
                        members
                            .get("$ref")
                            .and_then(Value::as_str)
                            .map(str::to_owned),
                    );
                    members.values().for_each(|value| references(value, found));
                }
                Value::Array(elements) => {
                    elements.iter().for_each(|value| references(value, found))
                }
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(crate::openapi::DOCUMENT).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
