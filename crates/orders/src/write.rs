//! One conditional write to the order row, as plain data: what changes, on what condition.
//!
//! [`Write::expression`] renders it for DynamoDB's `UpdateItem` (or for an `Update` inside a `TransactWriteItems`);
//! [`Write::apply_to`] is what that call does, as a pure function, so that everything built on the row can be tested
//! against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::OrderId;

/// A DynamoDB attribute value, of the types that the row uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// `S`: a string.
    S(String),
    /// `N`: an integer.
    N(i64),
    /// `BOOL`: a truth value.
    Bool(bool),
    /// `SS`: a set of strings, never empty.
    Ss(BTreeSet<String>),
    /// `L`: a list.
    L(Vec<Value>),
    /// `M`: a map.
    M(BTreeMap<String, Value>),
    /// A value of a type that the row never uses, or a number that is no 64-bit integer: somebody else's attribute.
    Foreign,
}

/// A DynamoDB item: attribute names and values.
pub type Item = BTreeMap<String, Value>;

/// One conditional `UpdateItem` on an order's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The order whose row is written.
    pub order_id: OrderId,
    /// What is written.
    pub change: Change,
    /// Under which condition.
    pub condition: Condition,
}

/// What a write changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set these attributes.
    Set(Vec<(String, Value)>),
    /// Add this member to this string set, which is made if there is none.
    Add(&'static str, String),
}

/// What must be true of the row for a write to be done. Each is one operator of DynamoDB's condition expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `attribute_not_exists(a)`
    Absent(String),
    /// `attribute_exists(a)`
    Present(String),
    /// `a = s`, false where `a` is missing.
    Equals(String, String),
    /// `a <> s`, which DynamoDB holds to be true where `a` is missing.
    Differs(String, String),
    /// `NOT contains(a, s)`, true where `a` is missing.
    Lacks(String, String),
    /// `size(a) < n`, false where `a` is missing.
    Smaller(String, usize),
    /// `(c AND …)`
    All(Vec<Condition>),
    /// `(c OR …)`
    Any(Vec<Condition>),
}

/// A refused write: the condition did not hold of the row as it is, which DynamoDB returns on
/// `ReturnValuesOnConditionCheckFailure=ALL_OLD`. `None` if there is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Option<Item>);

/// A write in the words of DynamoDB's `UpdateItem`. Every name is aliased, so that no reserved word and no character
/// of a name can break an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateExpression {
    /// `UpdateExpression`
    pub update: String,
    /// `ConditionExpression`
    pub condition: String,
    /// `ExpressionAttributeNames`
    pub names: BTreeMap<String, String>,
    /// `ExpressionAttributeValues`
    pub values: BTreeMap<String, Value>,
}

impl Write {
    /// The write in DynamoDB's expression language.
    #[must_use]
    pub fn expression(&self) -> UpdateExpression {
        let mut out = Rendered::default();
        let update = match &self.change {
            Change::Set(attributes) => {
                let assignments: Vec<String> = attributes
                    .iter()
                    .map(|(name, value)| {
                        format!("{} = {}", out.name(name), out.value(value.clone()))
                    })
                    .collect();
                format!("SET {}", assignments.join(", "))
            }
            Change::Add(name, member) => {
                let set = Value::Ss(BTreeSet::from([member.clone()]));
                format!("ADD {} {}", out.name(name), out.value(set))
            }
        };
        let condition = out.condition(&self.condition);
        UpdateExpression {
            update,
            condition,
            names: out.names,
            values: out.values,
        }
    }

    /// What the call does to a row: the row afterwards, or the refusal with the row as it is.
    ///
    /// # Errors
    /// [`Refused`] if the condition does not hold.
    pub fn apply_to(&self, row: Option<&Item>) -> Result<Item, Refused> {
        let none = Item::new();
        if !self.condition.holds_of(row.unwrap_or(&none)) {
            return Err(Refused(row.cloned()));
        }
        let mut item = row.cloned().unwrap_or_default();
        item.entry("order_id".to_owned())
            .or_insert_with(|| Value::S(self.order_id.to_string()));
        match &self.change {
            Change::Set(attributes) => item.extend(attributes.iter().cloned()),
            Change::Add(name, member) => match item.get_mut(*name) {
                Some(Value::Ss(set)) => {
                    set.insert(member.clone());
                }
                _ => {
                    item.insert(
                        (*name).to_owned(),
                        Value::Ss(BTreeSet::from([member.clone()])),
                    );
                }
            },
        }
        Ok(item)
    }
}

impl Condition {
    fn holds_of(&self, row: &Item) -> bool {
        match self {
            Self::Absent(name) => !row.contains_key(name),
            Self::Present(name) => row.contains_key(name),
            Self::Equals(name, text) => {
                matches!(row.get(name), Some(Value::S(value)) if value == text)
            }
            Self::Differs(name, text) => {
                !matches!(row.get(name), Some(Value::S(value)) if value == text)
            }
            Self::Lacks(name, member) => {
                !matches!(row.get(name), Some(Value::Ss(set)) if set.contains(member))
            }
            Self::Smaller(name, limit) => {
                matches!(row.get(name), Some(Value::Ss(set)) if set.len() < *limit)
            }
            Self::All(parts) => parts.iter().all(|part| part.holds_of(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds_of(row)),
        }
    }
}

/// The aliases handed out so far.
#[derive(Default)]
struct Rendered {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
}

impl Rendered {
    /// `#` and the name up to its first character that may not stand in an alias. The names of the row differ in
    /// that part within any one write.
    fn name(&mut self, name: &str) -> String {
        let word: String = name
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let alias = format!("#{word}");
        self.names.insert(alias.clone(), name.to_owned());
        alias
    }

    /// An alias for a value, the same one for the same value.
    fn value(&mut self, value: Value) -> String {
        if let Some((alias, _)) = self.values.iter().find(|(_, known)| **known == value) {
            return alias.clone();
        }
        let alias = format!(":v{}", self.values.len());
        self.values.insert(alias.clone(), value);
        alias
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::Present(name) => format!("attribute_exists({})", self.name(name)),
            Condition::Equals(name, text) => format!(
                "{} = {}",
                self.name(name),
                self.value(Value::S(text.clone()))
            ),
            Condition::Differs(name, text) => format!(
                "{} <> {}",
                self.name(name),
                self.value(Value::S(text.clone()))
            ),
            Condition::Lacks(name, member) => format!(
                "NOT contains({}, {})",
                self.name(name),
                self.value(Value::S(member.clone()))
            ),
            Condition::Smaller(name, limit) => {
                let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
                format!(
                    "size({}) < {}",
                    self.name(name),
                    self.value(Value::N(limit))
                )
            }
            Condition::All(parts) => self.joined(parts, " AND "),
            Condition::Any(parts) => self.joined(parts, " OR "),
        }
    }

    fn joined(&mut self, parts: &[Condition], operator: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
        format!("({})", parts.join(operator))
    }
}
