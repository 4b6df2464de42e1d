//! The condition that must be true of an item for a write to be done.

use crate::{Item, Name, Value};

/// A condition. Each variant is one operator of DynamoDB's condition expressions (developer guide,
/// "Condition and filter expressions, operators, and functions in DynamoDB").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// There is no item. In DynamoDB's words, this is `attribute_not_exists` of the table's
    /// partition key.
    ItemAbsent,
    /// There is an item. In DynamoDB's words, this is `attribute_exists` of the table's partition
    /// key.
    ItemPresent,
    /// `attribute_not_exists(a)`
    Absent(Name),
    /// `attribute_exists(a)`
    Present(Name),
    /// `a = value`, false where `a` is missing.
    Equals(Name, Value),
    /// `a <> value`, true where `a` is missing.
    Differs(Name, Value),
    /// `a < number`, false where `a` is missing or is not a number.
    Below(Name, i128),
    /// `NOT contains(a, text)`, true where `a` is missing.
    Lacks(Name, String),
    /// `size(a) < number` of a set, a list, a map or a string, whose size is counted in UTF-16 code
    /// units. It is false where `a` is missing.
    Smaller(Name, usize),
    /// `c AND d`
    And(Box<Condition>, Box<Condition>),
    /// `c OR d`
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    /// This condition and another one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    /// This condition or another one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }

    /// True if the condition holds of this item, or of there being none.
    #[must_use]
    pub fn holds_of(&self, item: Option<&Item>) -> bool {
        let value = |name: &str| item.and_then(|item| item.get(name));
        let contains = |name: &str| item.is_some_and(|item| item.contains(name));
        match self {
            Self::ItemAbsent => item.is_none(),
            Self::ItemPresent => item.is_some(),
            Self::Absent(name) => !contains(name),
            Self::Present(name) => contains(name),
            Self::Equals(name, other) => value(name) == Some(other),
            Self::Differs(name, other) => value(name) != Some(other),
            Self::Below(name, limit) => {
                matches!(value(name), Some(Value::N(number)) if number < limit)
            }
            Self::Lacks(name, text) => match value(name) {
                Some(Value::S(value)) => !value.contains(text),
                Some(Value::Ss(set)) => !set.contains(text),
                Some(Value::L(list)) => !list.iter().any(|value| value.as_s() == Some(text)),
                _ => true,
            },
            Self::Smaller(name, limit) => match value(name) {
                Some(Value::S(text)) => text.encode_utf16().count() < *limit,
                Some(Value::Ss(set)) => set.len() < *limit,
                Some(Value::L(list)) => list.len() < *limit,
                Some(Value::M(map)) => map.len() < *limit,
                _ => false,
            },
            Self::And(first, second) => first.holds_of(item) && second.holds_of(item),
            Self::Or(first, second) => first.holds_of(item) || second.holds_of(item),
        }
    }
}
