//! One conditional write to a lock's item, as plain data: rendered for DynamoDB by [`Condition::render`], carried out in
//! memory by [`Write::apply_to`], so that what is model-checked is what is sent.

use std::collections::BTreeMap;

/// An attribute's value, of the types that a lock's item uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    /// `S`
    S(String),
    /// `N`
    N(u64),
}

/// A lock's item without its key: attribute names and values.
pub(crate) type Item = BTreeMap<&'static str, Value>;

/// One write, done if its condition holds of the item as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Write {
    pub(crate) change: Change,
    pub(crate) condition: Condition,
}

/// What a write changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    /// `PutItem`: the item is this, whatever it was.
    Put(Item),
    /// `UpdateItem`: these attributes are set.
    Set(Item),
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
    Equals(&'static str, Value),
    /// `name < number`
    Below(&'static str, u64),
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
            Change::Put(new) => new.clone(),
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
                Test::Equals(name, value) => item.get(name) == Some(value),
                Test::Below(name, limit) => {
                    matches!(item.get(name), Some(Value::N(number)) if number < limit)
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
                Test::Equals(name, value) => {
                    format!("{} = {}", aliases.name(name), aliases.value(value.clone()))
                }
                Test::Below(name, limit) => {
                    format!(
                        "{} < {}",
                        aliases.name(name),
                        aliases.value(Value::N(*limit))
                    )
                }
            })
            .collect();
        tests.join(" AND ")
    }
}

/// The `SET` clause of these attributes.
pub(crate) fn render_set(attributes: &Item, aliases: &mut Aliases) -> String {
    let assignments: Vec<_> = attributes
        .iter()
        .map(|(name, value)| format!("{} = {}", aliases.name(name), aliases.value(value.clone())))
        .collect();
    format!("SET {}", assignments.join(", "))
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
