//! The orders table, read only.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use function::{PassingErrors, attribute_value};
use orders::{Caller, OrderId, Row, UnreadableRow};

use crate::patience;

/// The table of order rows.
#[derive(Clone, Debug)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

/// Why a row was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// No answer, for this reason.
    NoAnswer(&'static str),
    /// DynamoDB answered with an error of this code.
    Failed(String),
    /// The row is there, and this version of the service cannot read it.
    Unreadable(UnreadableRow),
}

impl TableError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Unreadable(_))
    }

    /// A short name for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoAnswer(_) => "no_answer",
            Self::Failed(_) => "failed",
            Self::Unreadable(_) => "unreadable_row",
        }
    }

    /// AWS's error code, or why there was no answer.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Failed(code) => Some(code),
            Self::NoAnswer(kind) => Some(kind),
            Self::Unreadable(_) => None,
        }
    }
}

impl Table {
    /// The table of this name, by a client of its own.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, name: String) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(&patience::for_reads(config))
            .retry_partition(patience::no_shared_budget())
            .retry_classifier(PassingErrors::classifier::<GetItemError>("dynamodb"))
            .build();
        Self {
            client: aws_sdk_dynamodb::Client::from_conf(config),
            name,
        }
    }

    /// The row of an order of this owner, by a strongly consistent read: an order that was there
    /// once does not go away again.
    ///
    /// The row of another owner is `None`, as an order that does not exist, and nothing but its
    /// owner is read. So neither an error nor the time that it takes to read a row tells a stranger
    /// that there is one.
    ///
    /// It takes at most 1.5 s: a refusal is tried again within that time, a silent table is not.
    ///
    /// # Errors
    /// [`TableError`] if there is no answer within that time or `time_left`, or none that can be
    /// read.
    pub async fn get(
        &self,
        order_id: OrderId,
        owner: &Caller,
        time_left: Duration,
    ) -> Result<Option<Row>, TableError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("order_id", AttributeValue::S(order_id.to_string()))
            .consistent_read(true)
            .send();
        let answer = tokio::time::timeout(time_left, request)
            .await
            .map_err(|_| TableError::NoAnswer("no_time_left"))?;
        match answer {
            Ok(output) => output
                .item()
                .filter(|item| is_owned_by(item, owner))
                .map(|item| Row::from_item(&attribute_value::item_from_sdk(item)))
                .transpose()
                .map_err(TableError::Unreadable),
            Err(SdkError::ServiceError(error)) => Err(TableError::Failed(
                error.err().code().unwrap_or("unknown").to_owned(),
            )),
            Err(error) => Err(TableError::NoAnswer(function::no_answer(&error))),
        }
    }
}

fn is_owned_by(item: &HashMap<String, AttributeValue>, caller: &Caller) -> bool {
    matches!(item.get(Row::OWNER), Some(AttributeValue::S(owner)) if owner == caller.as_str())
}
