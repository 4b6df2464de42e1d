//! The part of `docs/events.md` that lists the events.

use serde_json::Value;

use super::{Documented, FINGERPRINT, NO_CONTROLS, UUID};

/// The line of the page from which on it is made. The rules before that line are written by hand.
const MARKER: &str = "<!-- From here on the page is made from the types in crates/orders. -->\n";

/// An attribute of an event, or a field of its data.
#[derive(PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) meaning: String,
    type_name: String,
    limits: String,
    is_required: bool,
}

/// The page with its part about these events made anew.
pub(super) fn with_events(page: &str, events: &[Documented]) -> String {
    let (by_hand, _) = page.split_once(MARKER).unwrap();
    let common = common(events);
    let sections = events.iter().map(|event| section(event, &common));
    format!(
        "{by_hand}{MARKER}\nEvery event has these attributes.\n\n{}{}",
        table(&common),
        sections.collect::<String>()
    )
}

/// The attributes that all events have alike.
fn common(events: &[Documented]) -> Vec<Field> {
    let mut fields = events.iter().map(fields);
    let mut common = fields.next().unwrap();
    for fields in fields {
        common.retain(|field| fields.contains(field));
    }
    common
}

fn section(event: &Documented, common: &[Field]) -> String {
    let Documented {
        type_name, golden, ..
    } = event;
    let purpose = meaning(&event.schema);
    let mut fields = fields(event);
    fields.retain(|field| !common.contains(field));
    format!(
        "\n### {type_name}\n\n{purpose}\n[schemas/{type_name}.json](schemas/{type_name}.json) is its \
         schema.\n\n{}\n```json\n{golden}```\n",
        table(&fields)
    )
}

fn table(fields: &[Field]) -> String {
    let rows = fields.iter().map(|field| {
        let is_required = if field.is_required { "yes" } else { "no" };
        format!(
            "| `{}` | {} | {} | {is_required} | {} |\n",
            field.name, field.type_name, field.limits, field.meaning
        )
    });
    format!(
        "| name | type | limits | required | meaning |\n|---|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// The attributes of an event and the fields of its data, in the sequence of its golden file.
pub(super) fn fields(event: &Documented) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(&event.schema, "", &mut fields);
    // A schema has its fields in the sequence of the alphabet.
    fields.sort_by_key(|field| {
        let name = field.name.rsplit('.').next().unwrap();
        let place = event
            .golden
            .find(&format!("\"{}\":", name.trim_end_matches("[]")));
        place.unwrap_or(usize::MAX)
    });
    fields
}

/// Collects the fields of an object, each before its own fields.
fn collect(object: &Value, path: &str, fields: &mut Vec<Field>) {
    let Some(properties) = object["properties"].as_object() else {
        return;
    };
    let required = object["required"].as_array();
    for (name, schema) in properties {
        let (of, suffix) = match &schema["items"] {
            Value::Null => (schema, ""),
            items => (items, "[]"),
        };
        let name_with_path = format!("{path}{name}{suffix}");
        let is_required = required.is_some_and(|names| names.iter().any(|of| of == name));
        fields.push(Field {
            meaning: meaning(schema),
            type_name: schema["type"].as_str().unwrap().to_owned(),
            limits: limits(schema),
            is_required,
            name: name_with_path.clone(),
        });
        collect(of, &format!("{name_with_path}."), fields);
    }
}

fn meaning(schema: &Value) -> String {
    let description = schema["description"].as_str().unwrap_or_default();
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn limits(schema: &Value) -> String {
    let mut limits = Vec::new();
    if let Some(value) = schema.get("const") {
        limits.push(format!("`{value}`"));
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minimum", "maximum", ""),
    ] {
        if let Some(most) = schema[most].as_u64() {
            let least = schema[least].as_u64().unwrap_or(0);
            limits.push(format!("{}–{}{unit}", grouped(least), grouped(most)));
        }
    }
    let format = schema["format"].as_str();
    match (format, schema["pattern"].as_str()) {
        (Some(format), _) => limits.push(format.to_owned()),
        (None, Some(NO_CONTROLS)) => limits.push("no control characters".to_owned()),
        (None, Some(pattern)) => {
            let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
            let pattern = pattern.replace(UUID, "<uuid>");
            let pattern = match pattern.as_str() {
                FINGERPRINT => pattern,
                _ => pattern.replace(FINGERPRINT, "<fingerprint>"),
            };
            limits.push(format!("`{pattern}`"));
        }
        (None, None) => {}
    }
    limits.join(", ")
}

/// A number with a comma after each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}
