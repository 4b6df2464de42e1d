//! The attributes that a write changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Item, Name, NotDone, Value};

/// The clauses of an update expression. No attribute is in two of them, because DynamoDB refuses
/// paths that overlap. The last clause that names an attribute counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    pub(crate) set: BTreeMap<Name, Value>,
    pub(crate) add: BTreeMap<Name, BTreeSet<String>>,
    pub(crate) remove: BTreeSet<Name>,
}

impl Change {
    /// `SET a = value, …`
    #[must_use]
    pub fn set<N: Into<Name>>(attributes: impl IntoIterator<Item = (N, Value)>) -> Self {
        Self::default().and_set(attributes)
    }

    /// `ADD a {member}` adds a member to a set of strings, which is made if there is none.
    #[must_use]
    pub fn add(name: impl Into<Name>, member: impl Into<String>) -> Self {
        Self::default().and_add(name, member)
    }

    /// The same change with these attributes set.
    #[must_use]
    pub fn and_set<N: Into<Name>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, Value)>,
    ) -> Self {
        for (name, value) in attributes {
            let name = name.into();
            self.forget(&name);
            self.set.insert(name, value);
        }
        self
    }

    /// The same change with a member added to a set of strings.
    #[must_use]
    pub fn and_add(mut self, name: impl Into<Name>, member: impl Into<String>) -> Self {
        let name = name.into();
        let members = self.add.get(&name).cloned().unwrap_or_default();
        self.forget(&name);
        let members = members.into_iter().chain([member.into()]).collect();
        self.add.insert(name, members);
        self
    }

    /// `REMOVE a, …` is the same change with these attributes taken away.
    #[must_use]
    pub fn and_remove<N: Into<Name>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            let name = name.into();
            self.forget(&name);
            self.remove.insert(name);
        }
        self
    }

    /// The value that an attribute is set to, if it is set.
    #[must_use]
    pub fn value_of(&self, name: &str) -> Option<&Value> {
        self.set.get(name)
    }

    /// The names of the attributes that the change touches.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.set.keys().chain(self.add.keys()).chain(&self.remove);
        names.map(AsRef::as_ref)
    }

    fn forget(&mut self, name: &str) {
        self.set.remove(name);
        self.add.remove(name);
        self.remove.remove(name);
    }

    pub(crate) fn apply_to(&self, mut item: Item) -> Result<Item, NotDone> {
        for (name, members) in &self.add {
            let mut all = members.clone();
            match item.get(name) {
                Some(Value::Ss(present)) => all.extend(present.iter().cloned()),
                None if !item.contains(name) => {}
                _ => return Err(NotDone::NotASet),
            }
            item.insert(name.clone(), Value::Ss(all));
        }
        for (name, value) in &self.set {
            item.insert(name.clone(), value.clone());
        }
        for name in &self.remove {
            item.remove(name);
        }
        Ok(item)
    }
}
