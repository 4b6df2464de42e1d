//! Items in DynamoDB's own JSON, as images of a table's change stream have them.
//!
//! Source: DynamoDB API reference, `AttributeValue`.

use serde_json::{Map, Value as Json};

use crate::{Item, Value};

impl Item {
    /// The item of these attributes, each an object such as `{"S": "text"}`.
    ///
    /// A value of another type than [`Value`] has becomes an attribute that is [there](Item::contains)
    /// and has no value. So does a number that is not an integer of up to 38 digits.
    #[must_use]
    pub fn from_json(attributes: &Map<String, Json>) -> Self {
        let mut item = Self::new();
        for (name, value) in attributes {
            match Value::from_json(value) {
                Some(value) => item.insert(name.clone(), value),
                None => item.insert_other(name.clone()),
            }
        }
        item
    }
}

impl Value {
    /// The value of an object such as `{"S": "text"}`. `None` if it is of a type that is not known
    /// here.
    #[must_use]
    pub fn from_json(value: &Json) -> Option<Self> {
        let mut members = value.as_object()?.iter();
        let (kind, value) = members.next()?;
        if members.next().is_some() {
            return None;
        }
        match kind.as_str() {
            "S" => value.as_str().map(Self::from),
            "N" => value.as_str()?.parse().ok().map(Self::N),
            "BOOL" => value.as_bool().map(Self::from),
            "SS" => {
                let members = value.as_array()?.iter();
                let members: Option<_> = members
                    .map(|member| member.as_str().map(str::to_owned))
                    .collect();
                members.map(Self::Ss)
            }
            "L" => {
                let members: Option<_> = value.as_array()?.iter().map(Self::from_json).collect();
                members.map(Self::L)
            }
            "M" => {
                let members = value.as_object()?.iter();
                let members: Option<_> = members
                    .map(|(name, value)| Some((name.clone(), Self::from_json(value)?)))
                    .collect();
                members.map(Self::M)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_is_read_by_its_letter() {
        for (json, value) in [
            (json!({"S": "text"}), Value::S("text".into())),
            (json!({"N": "-12"}), Value::N(-12)),
            (json!({"BOOL": true}), Value::Bool(true)),
            (
                json!({"SS": ["a", "b"]}),
                Value::Ss(BTreeSet::from(["a".into(), "b".into()])),
            ),
            (json!({"L": [{"N": "1"}]}), Value::L(vec![Value::N(1)])),
            (
                json!({"M": {"a": {"S": "1"}}}),
                Value::M(BTreeMap::from([("a".into(), "1".into())])),
            ),
        ] {
            assert_eq!(Value::from_json(&json), Some(value), "{json}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_there_and_has_no_value() {
        for json in [
            json!({"B": "aGVsbG8="}),
            json!({"NULL": true}),
            json!({"NS": ["1"]}),
            json!({"N": "1.5"}),
            json!({"L": [{"NULL": true}]}),
            json!({"S": "a", "N": "1"}),
            json!({}),
            json!("text"),
        ] {
            let mut attributes = Map::new();
            attributes.insert("a".into(), json.clone());
            let item = Item::from_json(&attributes);
            assert!(item.contains("a"), "{json}");
            assert_eq!(item.get("a"), None, "{json}");
        }
    }
}
