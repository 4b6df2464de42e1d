//! The attribute `content` of a row, which is the order's document as a map.
//!
//! The attribute is made of the order's own [`Serialize`](serde::Serialize), and is read by the
//! rules of a request. So a new field of an order is in the row, or the row cannot be read.

use conditional_write::Value;

use crate::json::Json;
use crate::order::NewOrder;
use crate::violation::{Pointer, Violations};

pub(crate) fn to_value(order: &NewOrder) -> Value {
    #[expect(
        clippy::expect_used,
        reason = "an order's document has strings, integers, lists and maps; a field of another type would be lost in silence"
    )]
    serde_json::to_value(order)
        .ok()
        .and_then(of_json)
        .expect("an order's document is made of strings, integers, truth values, lists and maps")
}

fn of_json(json: serde_json::Value) -> Option<Value> {
    Some(match json {
        serde_json::Value::String(text) => Value::S(text),
        serde_json::Value::Number(number) => Value::N(number.as_i128()?),
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Array(elements) => {
            Value::L(elements.into_iter().map(of_json).collect::<Option<_>>()?)
        }
        serde_json::Value::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, value)| Some((name, of_json(value)?)));
            Value::M(members.collect::<Option<_>>()?)
        }
        serde_json::Value::Null => return None,
    })
}

/// The order of an attribute. It is `None` if the attribute is not a valid order's document.
pub(crate) fn from_value(value: &Value) -> Option<NewOrder> {
    let mut violations = Violations::default();
    NewOrder::from_json(&to_json(value)?, &Pointer::Root, &mut violations)
        .filter(|_| violations.is_empty())
}

/// `None` for a set, which JSON does not have.
fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::S(text) => Json::String(text.clone()),
        Value::N(number) => Json::Integer(*number),
        Value::Bool(_) => Json::Bool,
        Value::L(elements) => Json::Array(elements.iter().map(to_json).collect::<Option<_>>()?),
        Value::M(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| Some((name.clone(), to_json(value)?)));
            Json::Object(members.collect::<Option<_>>()?)
        }
        Value::Ss(_) => return None,
    })
}
