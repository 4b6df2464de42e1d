//! Items and the values of their attributes.

use std::collections::{BTreeMap, BTreeSet};

use crate::Name;

/// An attribute's value.
///
/// It has its own ordering, so that it can be a part of a model's state. DynamoDB's comparisons
/// are [conditions](crate::Condition).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A string (`S`).
    S(String),
    /// An integer (`N`). DynamoDB keeps 38 digits (developer guide, "Supported data types and
    /// naming rules").
    N(i128),
    /// A truth value (`BOOL`).
    Bool(bool),
    /// A set of strings (`SS`). DynamoDB has no empty sets.
    Ss(BTreeSet<String>),
    /// A list (`L`).
    L(Vec<Value>),
    /// A map (`M`).
    M(BTreeMap<String, Value>),
}

/// The attributes of an item. Of the table's key an item has what the service that made it has put
/// there. DynamoDB returns the key with every item, and a write never changes the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    values: BTreeMap<Name, Value>,
    /// The names of attributes whose values are of other types.
    others: BTreeSet<Name>,
}

impl Value {
    /// The text of an `S`.
    #[must_use]
    pub fn as_s(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of an `N`.
    #[must_use]
    pub fn as_n(&self) -> Option<i128> {
        match self {
            Self::N(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::S(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::N(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::N(number.into())
    }
}

impl Item {
    /// An item without attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True if the item has an attribute of this name, whatever the type of its value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.others.contains(name)
    }

    /// The value of an attribute. It is `None` if there is no such attribute, or if its value is of
    /// a type that [`Value`] does not have. [`contains`](Self::contains) tells the two apart.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Sets an attribute.
    pub fn insert(&mut self, name: impl Into<Name>, value: Value) {
        let name = name.into();
        self.others.remove(&name);
        self.values.insert(name, value);
    }

    /// Notes that there is an attribute of this name, with a value of a type that [`Value`] does
    /// not have.
    pub fn insert_other(&mut self, name: impl Into<Name>) {
        let name = name.into();
        self.values.remove(&name);
        self.others.insert(name);
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, name: &str) {
        self.values.remove(name);
        self.others.remove(name);
    }

    /// The attributes whose values are known, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_ref(), value))
    }

    /// The names of all attributes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.values.keys().chain(&self.others);
        names.map(AsRef::as_ref)
    }
}

impl<N: Into<Name>> FromIterator<(N, Value)> for Item {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(attributes: I) -> Self {
        let mut item = Self::new();
        item.extend(attributes);
        item
    }
}

impl<N: Into<Name>, const L: usize> From<[(N, Value); L]> for Item {
    fn from(attributes: [(N, Value); L]) -> Self {
        attributes.into_iter().collect()
    }
}

impl<N: Into<Name>> Extend<(N, Value)> for Item {
    fn extend<I: IntoIterator<Item = (N, Value)>>(&mut self, attributes: I) {
        for (name, value) in attributes {
            self.insert(name, value);
        }
    }
}
