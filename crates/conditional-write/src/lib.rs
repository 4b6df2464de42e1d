#![doc = include_str!("../README.md")]
//!
//! # The two sides
//! A [`Write`] is a plain value: a [`Change`] and the [`Condition`] on which it is done.
//! [`Write::expression`] renders it, and [`Write::apply_to`] evaluates it. With the feature
//! `aws-sdk`, [`Write::update`] makes the part of a transaction.
//!
//! # Limits
//!
//! The crate has only the parts of DynamoDB's language that conditional writes need, which are
//! top-level attributes, the operators of [`Condition`] and the clauses of [`Change`]. Values are
//! of the types of [`Value`]. An attribute of another type can be read, and is known by its name
//! alone.

mod change;
mod condition;
mod expression;
mod item;
mod json;
#[cfg(feature = "aws-sdk")]
mod sdk;

use std::borrow::Cow;

pub use change::Change;
pub use condition::Condition;
pub use expression::Expression;
pub use item::{Item, Value};
#[cfg(feature = "aws-sdk")]
pub use sdk::{ItemKey, answer_of_cancellation, answer_of_update, update_item};

// What appears here of other crates, so that a user needs no second copy.
#[cfg(feature = "aws-sdk")]
pub use aws_sdk_dynamodb;
pub use serde_json;

/// The name of an attribute.
pub type Name = Cow<'static, str>;

/// One conditional write to an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Write {
    /// The attributes that are written.
    pub change: Change,
    /// The condition on which they are.
    pub condition: Condition,
}

/// DynamoDB's answer to a conditional write that asks for
/// `ReturnValuesOnConditionCheckFailure=ALL_OLD`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The write was done.
    Done,
    /// The condition did not hold of this item, or of none.
    Refused(Option<Item>),
}

/// Why a write changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// The condition does not hold.
    Refused,
    /// The condition holds, and a member is to be added to something else than a set of strings.
    /// DynamoDB answers with a `ValidationException`.
    NotASet,
}

impl Write {
    /// The write in DynamoDB's expression language. `partition_key` is the name of the table's
    /// partition key.
    #[must_use]
    pub fn expression(&self, partition_key: &str) -> Expression {
        Expression::of(self, partition_key)
    }

    /// The item after the write, as DynamoDB leaves it.
    ///
    /// # Errors
    /// [`NotDone`] if the write changes nothing.
    pub fn apply_to(&self, item: Option<&Item>) -> Result<Item, NotDone> {
        if !self.condition.holds_of(item) {
            return Err(NotDone::Refused);
        }
        self.change.apply_to(item.cloned().unwrap_or_default())
    }
}

impl std::fmt::Display for NotDone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refused => "the condition does not hold of the item",
            Self::NotASet => "a member is to be added to something else than a set of strings",
        })
    }
}

impl std::error::Error for NotDone {}
