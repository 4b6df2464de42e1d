//! One conditional write to a lock's item, as plain data: rendered for DynamoDB by [`Condition::render`], carried out in
//! memory by [`Write::apply_to`], so that what is model-checked is what is sent.

use std::collections::BTreeMap;

use crate::record::Attribute;

/// An attribute's value, of the types that a lock's item uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    /// `S`
    S(String),
    /// `N`
    N(u64),
}

/// A lock's item without its key.
pub(crate) type Item = BTreeMap<Attribute, Value>;

/// One write, done if its condition holds of the item as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Write {
    pub(crate) change: Change,
    pub(crate) condition: Condition,
}

/// What a write changes. Either is an `UpdateItem`, which has to name the whole key of the table
/// and cannot set any of it.
///
/// A `PutItem` would do for the second, but not over a table one of whose keys is called like an
/// attribute of the lock: DynamoDB would take the attribute for the key, and every lease would be
/// an item of its own, which nobody holds yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    /// These attributes are set.
    Set(Item),
    /// Of the lock's attributes the item has these and no others, whatever it had.
    Replace(Item),
}

/// What has to be true of the item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Condition {
    /// There is none.
    Absent,
    /// There is one, and all of these hold of it.
    All(Vec<Test>),
}

/// One comparison; false where the attribute is missing, as in DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Test {
    /// `name = value`
    Equals(Attribute, Value),
    /// `name < number`
    Below(Attribute, u64),
}

/// The condition did not hold of the item as it is, which DynamoDB returns on
/// `ReturnValuesOnConditionCheckFailure=ALL_OLD`; `None` if there is none.
#[cfg(test)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) Option<Item>);

impl Write {
    /// What DynamoDB does: the item afterwards.
    #[cfg(test)]
    pub(crate) fn apply_to(&self, item: Option<&Item>) -> Result<Item, Refused> {
        if !self.condition.holds_of(item) {
            return Err(Refused(item.cloned()));
        }
        Ok(match &self.change {
            Change::Replace(new) => new.clone(),
            Change::Set(attributes) => {
                let mut item = item.cloned().unwrap_or_default();
                item.extend(attributes.clone());
                item
            }
        })
    }
}

impl Condition {
    #[cfg(test)]
    fn holds_of(&self, item: Option<&Item>) -> bool {
        match (self, item) {
            (Self::Absent, item) => item.is_none(),
            (Self::All(_), None) => false,
            (Self::All(tests), Some(item)) => tests.iter().all(|test| match test {
                Test::Equals(attribute, value) => item.get(attribute) == Some(value),
                Test::Below(attribute, limit) => {
                    matches!(item.get(attribute), Some(Value::N(number)) if number < limit)
                }
            }),
        }
    }

    /// The condition as an expression. `key` is the name of the table's partition key.
    pub(crate) fn render(&self, key: &str, aliases: &mut Aliases) -> String {
        let tests = match self {
            Self::Absent => return format!("attribute_not_exists({})", aliases.name(key)),
            Self::All(tests) => tests,
        };
        let tests: Vec<_> = tests
            .iter()
            .map(|test| match test {
                Test::Equals(attribute, value) => {
                    let name = aliases.name(attribute.name());
                    format!("{name} = {}", aliases.value(value.clone()))
                }
                Test::Below(attribute, limit) => {
                    let name = aliases.name(attribute.name());
                    format!("{name} < {}", aliases.value(Value::N(*limit)))
                }
            })
            .collect();
        tests.join(" AND ")
    }
}

impl Change {
    /// The change as an update expression.
    pub(crate) fn render(&self, aliases: &mut Aliases) -> String {
        let (Self::Set(attributes) | Self::Replace(attributes)) = self;
        let assignments: Vec<_> = attributes
            .iter()
            .map(|(attribute, value)| {
                let name = aliases.name(attribute.name());
                format!("{name} = {}", aliases.value(value.clone()))
            })
            .collect();
        let set = format!("SET {}", assignments.join(", "));
        let gone: Vec<_> = match self {
            Self::Set(_) => vec![],
            Self::Replace(item) => Attribute::ALL
                .iter()
                .filter(|attribute| !item.contains_key(attribute))
                .map(|attribute| aliases.name(attribute.name()))
                .collect(),
        };
        if gone.is_empty() {
            return set;
        }
        format!("{set} REMOVE {}", gone.join(", "))
    }
}

/// The aliases handed out so far. Every name is aliased, so that no reserved word (`state`, `owner` and `ttl` are some) can
/// break an expression.
#[derive(Default)]
pub(crate) struct Aliases {
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) values: BTreeMap<String, Value>,
}

impl Aliases {
    fn name(&mut self, name: &str) -> String {
        if let Some((alias, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return alias.clone();
        }
        let alias = format!("#n{}", self.names.len());
        self.names.insert(alias.clone(), name.to_owned());
        alias
    }

    fn value(&mut self, value: Value) -> String {
        let alias = format!(":v{}", self.values.len());
        self.values.insert(alias.clone(), value);
        alias
    }
}
