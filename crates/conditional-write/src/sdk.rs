//! Writes and answers in the types of the AWS SDK.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, Update,
};

use crate::{Answer, Item, Value, Write};

/// The key of one item, which is the partition key, and the sort key of a table that has one. Both
/// are strings.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemKey {
    partition_key: String,
    attributes: HashMap<String, AttributeValue>,
}

impl ItemKey {
    /// The key of a table that has no sort key, by the name of its partition key and the value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let partition_key = name.into();
        let value = AttributeValue::S(value.into());
        Self {
            attributes: HashMap::from([(partition_key.clone(), value)]),
            partition_key,
        }
    }

    /// The same key with this sort key.
    #[must_use]
    pub fn with_sort_key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = AttributeValue::S(value.into());
        self.attributes.insert(name.into(), value);
        self
    }

    /// The key as a request takes it.
    #[must_use]
    pub fn attributes(&self) -> HashMap<String, AttributeValue> {
        self.attributes.clone()
    }

    /// The item of this key as a response has it, without the key. It is `None` if there is none.
    #[must_use]
    pub fn item(&self, attributes: Option<&HashMap<String, AttributeValue>>) -> Option<Item> {
        // Some endpoints return an item without attributes where there is none.
        let attributes = attributes.filter(|attributes| !attributes.is_empty())?;
        let mut item = Item::from(attributes);
        for name in self.attributes.keys() {
            item.remove(name);
        }
        Some(item)
    }
}

impl Write {
    /// The write to the item of this key, as a part of a `TransactWriteItems`. [`update_item`]
    /// makes it a request by itself. The write asks for the old item where the condition does not
    /// hold.
    ///
    /// # Panics
    /// Never. An `Update` without one of its required members does not build, and this one has all
    /// of them.
    #[must_use]
    pub fn update(&self, table_name: impl Into<String>, key: &ItemKey) -> Update {
        let expression = self.expression(&key.partition_key);
        let values = expression.values.into_iter();
        let values: HashMap<_, _> = values.map(|(alias, value)| (alias, value.into())).collect();
        let update = Update::builder()
            .table_name(table_name)
            .set_key(Some(key.attributes()))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names.into_iter().collect()))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        #[expect(
            clippy::expect_used,
            reason = "the required members are the key, the update expression and the table's name, all set above"
        )]
        update.expect("an update has its required members")
    }
}

/// The `UpdateItem` that does this update by itself.
#[must_use]
pub fn update_item(client: &Client, update: Update) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name(update.table_name)
        .set_key(Some(update.key))
        .update_expression(update.update_expression)
        .set_condition_expression(update.condition_expression)
        .set_expression_attribute_names(update.expression_attribute_names)
        .set_expression_attribute_values(update.expression_attribute_values)
        .set_return_values_on_condition_check_failure(
            update.return_values_on_condition_check_failure,
        )
}

/// DynamoDB's answer to an [`update_item`] of this key.
///
/// # Errors
/// The SDK's error, if it is neither a yes nor a no.
pub fn answer_of_update<R>(
    result: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
    key: &ItemKey,
) -> Result<Answer, SdkError<UpdateItemError, R>> {
    let error = match result {
        Ok(_) => return Ok(Answer::Done),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
            Ok(Answer::Refused(key.item(refused.item())))
        }
        _ => Err(error),
    }
}

/// The refusal that a cancelled transaction reports of its update of this key. It is `None` if the
/// condition of that update was not in the way (API reference, TransactWriteItems, "Cancellation
/// reason codes").
#[must_use]
pub fn answer_of_cancellation(reason: &CancellationReason, key: &ItemKey) -> Option<Answer> {
    (reason.code() == Some("ConditionalCheckFailed"))
        .then(|| Answer::Refused(key.item(reason.item.as_ref())))
}

impl From<Value> for AttributeValue {
    fn from(value: Value) -> Self {
        match value {
            Value::S(text) => Self::S(text),
            Value::N(number) => Self::N(number.to_string()),
            Value::Bool(truth) => Self::Bool(truth),
            Value::Ss(set) => Self::Ss(set.into_iter().collect()),
            Value::L(list) => Self::L(list.into_iter().map(Self::from).collect()),
            Value::M(map) => {
                let members = map.into_iter();
                Self::M(members.map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

impl Value {
    /// A value of a response. It is `None` if the value, or a part of it, is of a type that
    /// [`Value`] does not have.
    #[must_use]
    pub fn of(value: &AttributeValue) -> Option<Self> {
        Some(match value {
            AttributeValue::S(text) => Self::S(text.clone()),
            AttributeValue::N(number) => Self::N(number.parse().ok()?),
            AttributeValue::Bool(truth) => Self::Bool(*truth),
            AttributeValue::Ss(set) => Self::Ss(set.iter().cloned().collect()),
            AttributeValue::L(list) => Self::L(list.iter().map(Self::of).collect::<Option<_>>()?),
            AttributeValue::M(map) => {
                let members = map.iter();
                let members = members.map(|(name, value)| Some((name.clone(), Self::of(value)?)));
                Self::M(members.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

impl From<&HashMap<String, AttributeValue>> for Item {
    fn from(attributes: &HashMap<String, AttributeValue>) -> Self {
        let mut item = Self::new();
        for (name, value) in attributes {
            match Value::of(value) {
                Some(value) => item.insert(name.clone(), value),
                None => item.insert_other(name.clone()),
            }
        }
        item
    }
}
