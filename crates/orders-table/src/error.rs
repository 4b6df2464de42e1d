//! The errors of a call to the table, sorted by what the caller must do.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::CancellationReason;
use function_runtime::{NoAnswer, PassingErrors};
use orders::UnreadableRow;

type Source = Box<dyn Error + Send + Sync>;

/// A call that gave no usable answer, as far as is known.
///
/// Its text says no more than AWS's error code. The source is the SDK's own error, which may quote
/// the request and does not belong into a log.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The row would become larger than DynamoDB allows (400 KB). No attempt ever succeeds.
    #[error("the item would be too large")]
    ItemTooLarge,
    /// There was no answer, for this reason, so a write may have been done.
    #[error("no answer: {reason}")]
    NoAnswer {
        /// The reason.
        reason: NoAnswer,
        /// The SDK's error, unless the time was up before the SDK gave one.
        source: Option<Source>,
    },
    /// DynamoDB answered with an error. It had too many requests, it failed itself, or a part of
    /// the environment is not as it has to be (a permission, the table, its key).
    #[error("{code}")]
    Failed {
        /// The error code.
        code: String,
        /// True of a server error (5xx).
        is_server_error: bool,
        /// The SDK's error. There is none where the code is one of a transaction's reasons.
        source: Option<Source>,
    },
    /// The row is not as this version of the service writes it. Somebody else has written into the
    /// row, or a newer version has and was rolled back.
    #[error("the row cannot be read")]
    UnreadableRow(#[from] UnreadableRow),
}

impl TableError {
    /// Sorts an error of the SDK, also of a call to another table.
    pub fn of<E>(error: SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or("unknown").to_owned();
                let message = answer.err().message().unwrap_or_default();
                if is_too_large(&code, message) {
                    return Self::ItemTooLarge;
                }
                Self::Failed {
                    code,
                    is_server_error: answer.raw().status().is_server_error(),
                    source: Some(error.into()),
                }
            }
            _ => Self::NoAnswer {
                reason: NoAnswer::of(&error),
                source: Some(error.into()),
            },
        }
    }

    /// Sorts the reasons of a transaction that was cancelled, and takes the first that is one. An
    /// item that was not in the way has the code `None` (API reference, TransactWriteItems).
    pub(crate) fn of_cancellation(reasons: &[CancellationReason]) -> Self {
        let reason = reasons.iter().find(|reason| reason.code() != Some("None"));
        let code = reason.and_then(CancellationReason::code);
        let message = reason.and_then(CancellationReason::message);
        Self::of_code(code.unwrap_or("unknown"), message.unwrap_or_default())
    }

    /// Sorts an error by the code and the message that DynamoDB answered with.
    #[must_use]
    pub fn of_code(code: &str, message: &str) -> Self {
        if is_too_large(code, message) {
            return Self::ItemTooLarge;
        }
        Self::Failed {
            code: code.to_owned(),
            is_server_error: false,
            source: None,
        }
    }

    /// True if the error passes by itself, by the [list](PassingErrors) that all functions go by.
    /// Otherwise somebody has to mend something.
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Failed {
                code,
                is_server_error,
                ..
            } => *is_server_error || PassingErrors::contain("dynamodb", code),
            Self::ItemTooLarge | Self::UnreadableRow(_) => false,
        }
    }

    /// A short name for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ItemTooLarge => "item_too_large",
            Self::NoAnswer { .. } => "no_answer",
            Self::Failed { .. } => "table_error",
            Self::UnreadableRow(_) => "unreadable_row",
        }
    }

    /// The code to look for. It is AWS's error code where there is one, or else a short name.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NoAnswer { reason, .. } => reason.as_str(),
            Self::Failed { code, .. } => code,
            Self::ItemTooLarge | Self::UnreadableRow(_) => self.reason(),
        }
    }
}

/// DynamoDB does not have its own code for an item that is too large. Both of its sentences, for an
/// item and for an update, say this. In a transaction's reasons the code is `ValidationError` (API
/// reference, TransactWriteItems).
fn is_too_large(code: &str, message: &str) -> bool {
    matches!(code, "ValidationException" | "ValidationError")
        && message.contains("exceeded the maximum allowed size")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

    use super::*;

    fn answered(status: u16, code: &str, message: &str) -> TableError {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let error = UpdateItemError::generic(metadata);
        let status = status.try_into().unwrap();
        let response = aws_sdk_dynamodb::config::http::HttpResponse::new(status, "".into());
        TableError::of(SdkError::service_error(error, response))
    }

    #[test]
    fn an_item_that_is_too_large_never_fits() {
        for message in [
            "Item size has exceeded the maximum allowed size",
            "Item size to update has exceeded the maximum allowed size",
        ] {
            let error = answered(400, "ValidationException", message);
            assert!(matches!(error, TableError::ItemTooLarge));
            let reason = CancellationReason::builder()
                .code("ValidationError")
                .message(message);
            let error = TableError::of_cancellation(&[reason.build()]);
            assert!(matches!(error, TableError::ItemTooLarge));
        }
    }

    #[test]
    fn no_other_refusal_is_taken_for_an_item_that_is_too_large() {
        // DynamoDB does not have its own codes for a KMS key that cannot be used. Its sentences
        // begin like this.
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
            ("NobodyKnowsThisException", ""),
        ] {
            let error = answered(400, code, message);
            assert_eq!((error.reason(), error.code()), ("table_error", code));
        }
    }

    #[test]
    fn a_server_error_passes_by_itself_whatever_its_code() {
        assert!(answered(500, "NobodyKnowsThisException", "").passes_by_itself());
        assert!(!answered(400, "NobodyKnowsThisException", "").passes_by_itself());
        assert!(answered(400, "ThrottlingException", "").passes_by_itself());
        assert!(!answered(400, "AccessDeniedException", "").passes_by_itself());
    }

    #[test]
    fn the_text_says_the_code_and_the_source_the_rest() {
        let error = answered(400, "ValidationException", "MARK");
        assert_eq!(error.to_string(), "ValidationException");
        assert!(error.source().is_some());
    }

    #[test]
    fn of_a_cancelled_transaction_the_first_reason_that_is_one_counts() {
        let reason = |code: &str| CancellationReason::builder().code(code).build();
        let reasons = ["None", "TransactionConflict", "ConditionalCheckFailed"].map(reason);
        let error = TableError::of_cancellation(&reasons);
        assert_eq!(error.code(), "TransactionConflict");
    }
}
