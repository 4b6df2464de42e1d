//! The order row on the wire: the domain's plain values to and from the SDK's.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use orders::{Item, Value};

/// A value for a request.
///
/// [`Value::Foreign`] becomes a null; the service never writes one.
#[must_use]
pub fn to_sdk(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::Bool(truth) => AttributeValue::Bool(*truth),
        Value::Ss(set) => AttributeValue::Ss(set.iter().cloned().collect()),
        Value::L(list) => AttributeValue::L(list.iter().map(to_sdk).collect()),
        Value::M(map) => AttributeValue::M(
            map.iter()
                .map(|(name, value)| (name.clone(), to_sdk(value)))
                .collect(),
        ),
        Value::Foreign => AttributeValue::Null(true),
    }
}

/// A value from a response. What the row does not use (other types, numbers that are no 64-bit integers) becomes
/// [`Value::Foreign`].
#[must_use]
pub fn from_sdk(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::S(text.clone()),
        AttributeValue::N(number) => number.parse().map_or(Value::Foreign, Value::N),
        AttributeValue::Bool(truth) => Value::Bool(*truth),
        AttributeValue::Ss(set) => Value::Ss(set.iter().cloned().collect()),
        AttributeValue::L(list) => Value::L(list.iter().map(from_sdk).collect()),
        AttributeValue::M(map) => Value::M(
            map.iter()
                .map(|(name, value)| (name.clone(), from_sdk(value)))
                .collect(),
        ),
        _ => Value::Foreign,
    }
}

/// An item from a response.
#[must_use]
pub fn item_from_sdk(item: &HashMap<String, AttributeValue>) -> Item {
    item.iter()
        .map(|(name, value)| (name.clone(), from_sdk(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            ".{0,20}".prop_map(Value::S),
            any::<i64>().prop_map(Value::N),
            any::<bool>().prop_map(Value::Bool),
            prop::collection::btree_set(".{0,9}", 1..4).prop_map(Value::Ss),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::L),
                prop::collection::btree_map(".{0,9}", inner, 0..4).prop_map(Value::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_as_itself(value in any_value()) {
            prop_assert_eq!(from_sdk(&to_sdk(&value)), value);
        }
    }

    #[test]
    fn what_the_row_does_not_use_is_foreign() {
        for value in [
            AttributeValue::N("1.5".into()),
            AttributeValue::N("1e40".into()),
            AttributeValue::Ns(vec!["1".into()]),
            AttributeValue::Null(true),
        ] {
            assert_eq!(from_sdk(&value), Value::Foreign);
        }
    }
}
