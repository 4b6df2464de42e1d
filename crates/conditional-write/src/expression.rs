//! Writes in DynamoDB's expression language.

use std::collections::BTreeMap;

use crate::{Change, Condition, Value, Write};

/// A write in the words of `UpdateItem`, and of an `Update` in a `TransactWriteItems`.
///
/// Every name is aliased, so that no reserved word and no character of a name can break an
/// expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// `UpdateExpression`
    pub update: String,
    /// `ConditionExpression`
    pub condition: String,
    /// `ExpressionAttributeNames`
    pub names: BTreeMap<String, String>,
    /// `ExpressionAttributeValues`. DynamoDB does not take an empty map.
    pub values: BTreeMap<String, Value>,
}

impl Expression {
    pub(crate) fn of(write: &Write, partition_key: &str) -> Self {
        let mut aliases = Aliases::default();
        let update = aliases.change(&write.change);
        let condition = aliases.condition(&write.condition, partition_key);
        Self {
            update,
            condition,
            names: aliases.names,
            values: aliases.values,
        }
    }
}

/// The aliases handed out so far.
#[derive(Default)]
struct Aliases {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
}

impl Aliases {
    /// `#` and the name up to the first character that an alias cannot have. A second name that
    /// begins alike gets a number.
    fn name(&mut self, name: &str) -> String {
        if let Some((alias, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return alias.clone();
        }
        let is_allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        let word: String = name.chars().take_while(is_allowed).collect();
        let first = format!("#{word}");
        let further = (2..).map(|number: u64| format!("#{word}_{number}"));
        let alias = std::iter::once(first)
            .filter(|alias| alias.len() > 1)
            .chain(further)
            .find(|alias| !self.names.contains_key(alias));
        // `further` has no end, so there is always one.
        let alias = alias.unwrap_or_default();
        self.names.insert(alias.clone(), name.to_owned());
        alias
    }

    /// An alias for a value, the same one for the same value.
    fn value(&mut self, value: &Value) -> String {
        if let Some((alias, _)) = self.values.iter().find(|(_, known)| *known == value) {
            return alias.clone();
        }
        let alias = format!(":v{}", self.values.len());
        self.values.insert(alias.clone(), value.clone());
        alias
    }

    fn change(&mut self, change: &Change) -> String {
        let mut clauses = vec![];
        let mut clause = |word: &str, parts: Vec<String>| {
            if !parts.is_empty() {
                clauses.push(format!("{word} {}", parts.join(", ")));
            }
        };
        let set = change.set.iter();
        let set = set.map(|(name, value)| format!("{} = {}", self.name(name), self.value(value)));
        clause("SET", set.collect());
        let add = change.add.iter().map(|(name, members)| {
            let members = Value::Ss(members.clone());
            format!("{} {}", self.name(name), self.value(&members))
        });
        clause("ADD", add.collect());
        let remove = change.remove.iter().map(|name| self.name(name));
        clause("REMOVE", remove.collect());
        clauses.join(" ")
    }

    fn condition(&mut self, condition: &Condition, partition_key: &str) -> String {
        match condition {
            Condition::ItemAbsent => format!("attribute_not_exists({})", self.name(partition_key)),
            Condition::ItemPresent => format!("attribute_exists({})", self.name(partition_key)),
            Condition::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::Present(name) => format!("attribute_exists({})", self.name(name)),
            Condition::Equals(name, value) => {
                format!("{} = {}", self.name(name), self.value(value))
            }
            Condition::Differs(name, value) => {
                format!("{} <> {}", self.name(name), self.value(value))
            }
            Condition::Below(name, limit) => {
                format!("{} < {}", self.name(name), self.value(&Value::N(*limit)))
            }
            Condition::Lacks(name, text) => {
                let text = Value::S(text.clone());
                format!("NOT contains({}, {})", self.name(name), self.value(&text))
            }
            Condition::Smaller(name, limit) => {
                let limit = Value::N(i128::try_from(*limit).unwrap_or(i128::MAX));
                format!("size({}) < {}", self.name(name), self.value(&limit))
            }
            Condition::And(first, second) => {
                let first = self.operand_of_and(first, partition_key);
                let second = self.operand_of_and(second, partition_key);
                format!("{first} AND {second}")
            }
            Condition::Or(first, second) => {
                let first = self.condition(first, partition_key);
                let second = self.condition(second, partition_key);
                format!("{first} OR {second}")
            }
        }
    }

    /// `AND` binds more tightly than `OR`. Only parentheses that are needed are written, since
    /// DynamoDB refuses an expression with redundant ones.
    fn operand_of_and(&mut self, operand: &Condition, partition_key: &str) -> String {
        let rendered = self.condition(operand, partition_key);
        match operand {
            Condition::Or(..) => format!("({rendered})"),
            _ => rendered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(change: Change, condition: Condition) -> Write {
        Write { change, condition }
    }

    #[test]
    fn the_clauses_come_in_one_sequence_and_an_empty_one_is_left_out() {
        let change = Change::set([("b", Value::from(1_u64)), ("a", Value::from("x"))])
            .and_add("set", "m")
            .and_remove(["gone"]);
        let expression = write(change, Condition::ItemPresent).expression("id");
        assert_eq!(
            expression.update,
            "SET #a = :v0, #b = :v1 ADD #set :v2 REMOVE #gone"
        );
        assert_eq!(expression.condition, "attribute_exists(#id)");
    }

    #[test]
    fn the_last_clause_that_names_an_attribute_counts() {
        let change = Change::set([("a", Value::from(1_u64))]).and_remove(["a"]);
        let expression = write(change, Condition::ItemAbsent).expression("id");
        assert_eq!(expression.update, "REMOVE #a");
        assert!(expression.values.is_empty());
    }

    #[test]
    fn names_that_begin_alike_have_aliases_of_their_own() {
        let names = ["a:1", "a:2", "a", ":", "é", "a_2"];
        let change = Change::set(names.map(|name| (name, Value::from(name))));
        let expression = write(change, Condition::ItemAbsent).expression("id");
        let mut aliased: Vec<_> = expression.names.values().map(String::as_str).collect();
        aliased.sort_unstable();
        assert_eq!(aliased, [":", "a", "a:1", "a:2", "a_2", "id", "é"]);
        assert!(expression.names.keys().all(|alias| {
            let word = alias.strip_prefix('#').unwrap_or_default();
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        }));
    }
}
