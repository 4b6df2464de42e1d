//! The orders table: one conditional write a call, and what DynamoDB's answers mean for a record.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use function::attribute_value;
use kinesis_batch::Verdict;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// The row would become larger than DynamoDB allows (400 KB).
    ItemTooLarge,
    /// No answer, or one that broke off: the write may have been done.
    NoAnswer,
    /// DynamoDB answered with this error code: too many requests, a failure of its own, or an environment that is not
    /// as it has to be (a permission, the table, its key).
    Failed(&'static str),
}

impl TableError {
    /// What the error means for the record: only an item that is too large is poison.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::ItemTooLarge => Verdict::Reject("item_too_large"),
            Self::NoAnswer => Verdict::Retry("no_answer"),
            Self::Failed(code) => Verdict::Retry(code),
        }
    }
}

impl Table {
    /// The table of this name, by a client of its own.
    ///
    /// The client's own retries are off: `kinesis-batch` retries, with the invocation's deadline in view, and one
    /// record's bad luck does not use up a budget that all share.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, name: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(REQUEST_TIMEOUT)
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self {
            client: aws_sdk_dynamodb::Client::from_conf(config),
            name,
        }
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
    let SdkError::ServiceError(answer) = error else {
        return Err(TableError::NoAnswer);
    };
    if let UpdateItemError::ConditionalCheckFailedException(refused) = answer.err() {
        let row = refused.item().filter(|item| !item.is_empty());
        return Ok(Answer::Refused(row.map(attribute_value::item_from_sdk)));
    }
    let code = answer.err().code().unwrap_or("unknown");
    let message = answer.err().message().unwrap_or_default();
    Err(sort(code, message))
}

/// The error codes by name, so that a log line says what to mend and holds nothing that was received. From the DynamoDB
/// developer guide, "Error handling with DynamoDB", and the common errors of the API reference.
const CODES: [&str; 17] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InternalFailure",
    "InternalServerError",
    "InvalidSignatureException",
    "ItemCollectionSizeLimitExceededException",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "UnrecognizedClientException",
    "ValidationException",
];

fn sort(code: &str, message: &str) -> TableError {
    // DynamoDB has no code of its own for it; both of its sentences, for an item and for an update, say this.
    if code == "ValidationException" && message.contains("exceeded the maximum allowed size") {
        return TableError::ItemTooLarge;
    }
    let known = CODES.into_iter().find(|known| *known == code);
    TableError::Failed(known.unwrap_or("unknown_error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_is_too_large_is_poison() {
        for message in [
            "Item size has exceeded the maximum allowed size",
            "Item size to update has exceeded the maximum allowed size",
        ] {
            let error = sort("ValidationException", message);
            assert_eq!(error.verdict(), Verdict::Reject("item_too_large"));
        }
    }

    #[test]
    fn nothing_of_the_environment_is_poison() {
        for code in [
            "AccessDeniedException",
            "ResourceNotFoundException",
            "KMSAccessDeniedException",
            "KMSDisabledException",
            "ExpiredTokenException",
            "UnrecognizedClientException",
            "ValidationException",
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "RequestLimitExceeded",
            "InternalServerError",
            "ServiceUnavailable",
            "NobodyKnowsThisException",
        ] {
            let error = sort(code, "The provided key element does not match the schema");
            assert!(matches!(error.verdict(), Verdict::Retry(_)), "{code}");
        }
    }
}
