//! A value that is cloned, compared and hashed a hundred million times.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A value by its hash, which is made once.
#[derive(Clone, Debug)]
pub(super) struct Known<T>(Arc<T>, u64);

impl<T: Hash> From<T> for Known<T> {
    fn from(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new(value), hasher.finish())
    }
}

impl<T> Known<T> {
    /// Some place among others, the same for equal values.
    pub(super) fn rank(&self) -> u64 {
        self.1
    }
}

impl<T> Deref for Known<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Hash for Known<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.1.hash(state);
    }
}

impl<T> PartialEq for Known<T> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl<T> Eq for Known<T> {}
