//! The orders table: one conditional write a call, and what DynamoDB's answers mean for a record.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use function::attribute_value;
use orders::{Item, Write};

/// How long one request may take. DynamoDB answers within milliseconds; what takes seconds is better asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The table of order rows.
#[derive(Clone, Debug)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

/// DynamoDB's answer to a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The write was done.
    Done,
    /// The condition did not hold of the row as it is; `None` if there is none.
    Refused(Option<Item>),
}

/// A write that was neither done nor refused, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The row would become larger than DynamoDB allows (400 KB).
    #[error("the item would be too large")]
    ItemTooLarge,
    /// No answer, for this reason: the write may have been done.
    #[error("no answer: {0}")]
    NoAnswer(&'static str),
    /// DynamoDB answered with this error code: too many requests, a failure of its own, or an environment that is not
    /// as it has to be (a permission, the table, its key).
    #[error("{0}")]
    Failed(String),
}

impl TableError {
    /// Sorts an error that DynamoDB answered with.
    #[must_use]
    pub fn of(code: &str, message: &str) -> Self {
        // DynamoDB has no code of its own for it; both of its sentences, for an item and for an update, say this. In a
        // transaction's reasons the code is ValidationError (API reference, TransactWriteItems).
        let is_validation = matches!(code, "ValidationException" | "ValidationError");
        if is_validation && message.contains("exceeded the maximum allowed size") {
            Self::ItemTooLarge
        } else {
            Self::Failed(code.to_owned())
        }
    }
}

/// A DynamoDB client as the consumer needs it.
///
/// The client's own retries are off: `keyed-batch` retries, with the invocation's deadline in view, and one record's
/// bad luck does not use up a budget that all share.
#[must_use]
pub fn client(config: &aws_config::SdkConfig) -> aws_sdk_dynamodb::Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(REQUEST_TIMEOUT)
        .build();
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

impl Table {
    /// The table of this name, written by this [`client`].
    #[must_use]
    pub const fn new(client: aws_sdk_dynamodb::Client, name: String) -> Self {
        Self { client, name }
    }

    /// Does one conditional write: one `UpdateItem`.
    ///
    /// # Errors
    /// [`TableError`] if DynamoDB gave no answer, or one that is neither yes nor no.
    pub async fn write(&self, write: &Write) -> Result<Answer, TableError> {
        let expression = write.expression();
        let values = expression
            .values
            .iter()
            .map(|(alias, value)| (alias.clone(), attribute_value::to_sdk(value)))
            .collect();
        let result = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("order_id", AttributeValue::S(write.order_id.to_string()))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names.into_iter().collect()))
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Answer::Done),
            Err(error) => refusal_or_error(error),
        }
    }
}

fn refusal_or_error<R>(error: SdkError<UpdateItemError, R>) -> Result<Answer, TableError> {
    let answer = match error {
        SdkError::ServiceError(answer) => answer.into_err(),
        other => return Err(TableError::NoAnswer(function::no_answer(&other))),
    };
    if let UpdateItemError::ConditionalCheckFailedException(refused) = &answer {
        let row = refused.item().filter(|item| !item.is_empty());
        return Ok(Answer::Refused(row.map(attribute_value::item_from_sdk)));
    }
    let code = answer.code().unwrap_or("unknown");
    Err(TableError::of(code, answer.message().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use keyed_batch::Verdict;

    use super::*;
    use crate::ApplyError;

    #[test]
    fn an_item_that_is_too_large_is_poison() {
        for message in [
            "Item size has exceeded the maximum allowed size",
            "Item size to update has exceeded the maximum allowed size",
        ] {
            for code in ["ValidationException", "ValidationError"] {
                assert_eq!(TableError::of(code, message), TableError::ItemTooLarge);
            }
        }
    }

    #[test]
    fn nothing_of_the_environment_is_poison() {
        // DynamoDB has no codes of its own for a KMS key that cannot be used: its sentences begin like this.
        for (code, message) in [
            ("AccessDeniedException", "KMS key access denied error"),
            (
                "AccessDeniedException",
                "User is not authorized to perform: dynamodb:UpdateItem",
            ),
            ("ValidationException", "KMS key disabled error"),
            (
                "ValidationException",
                "The provided key element does not match the schema",
            ),
            ("ResourceNotFoundException", "Requested resource not found"),
            ("ExpiredTokenException", ""),
            ("UnrecognizedClientException", ""),
            ("ProvisionedThroughputExceededException", ""),
            ("ThrottlingException", ""),
            ("RequestLimitExceeded", ""),
            ("InternalServerError", ""),
            ("ServiceUnavailable", ""),
            ("NobodyKnowsThisException", ""),
        ] {
            let error = TableError::of(code, message);
            assert_eq!(error, TableError::Failed(code.to_owned()));
            let verdict = ApplyError::from(error).verdict();
            assert!(matches!(verdict, Verdict::Retry(_)), "{code}: {message}");
        }
    }
}
