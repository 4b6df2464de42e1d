//! Errors, sorted by what the caller has to do about them.

use std::ops::Deref;
use std::sync::Arc;

use crate::Digest;

/// The reason why there is not a [`Once`](crate::Once). The work was not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too little time is left to do the work and settle it. Nothing is held. Try again in a later
    /// invocation.
    #[error("too little time is left")]
    NoTime,
    /// The table gave no usable answer. Try again later.
    ///
    /// If it was [unanswered](StoreError::Unanswered), a lease may have been taken that nobody
    /// knows to hold. Until it ends, and at the latest at the deadline, others find the key in
    /// progress.
    #[error("no verdict from the lease table \"{table}\"")]
    Store {
        /// The name of the table.
        table: String,
        /// The reason.
        source: StoreError,
    },
    /// The work was done before and must not be done again, but its result was not kept. The result
    /// was too large, had no JSON form, or was made by
    /// [`once_digest`](crate::LeaseTable::once_digest). The value is the digest of its JSON, if it
    /// had one.
    #[error("the work was done, but its result was not kept")]
    ResultNotKept(Option<Digest>),
    /// The work was done before and must not be done again, but the JSON that was kept of its
    /// result is not of this type. The type has changed since. Make the type read the JSON of older
    /// versions.
    ///
    /// The source may quote the result. Log the [`code`](Self::code) where a result is somebody's
    /// data.
    #[error("the work was done, but its result cannot be read")]
    UnreadableResult(#[source] JsonError),
}

/// Why the table gave neither a yes nor a no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Time was up before the first attempt.
    #[error("time was up before the call")]
    NoTime,
    /// There was no answer, for this reason, although the call was tried again until time was up.
    /// The write may have been done.
    #[error("no answer while there was time")]
    Unanswered(#[source] NoAnswer),
    /// DynamoDB answered with this error until time was up. Its code is one of [`PASSING_CODES`],
    /// or its status is 500 or more.
    #[error("busy for as long as there was time")]
    Busy(#[source] ServiceError),
    /// DynamoDB answered with this error, which trying again at once does not change. It is a
    /// missing permission, table or KMS key, or a key schema that is not as the
    /// [options](crate::LeaseOptions) say.
    #[error("not usable as it is")]
    Environment(#[source] ServiceError),
    /// The item under this key is not a lock, or is one that a newer version of this crate has
    /// written.
    #[error("the item is not a lock")]
    Foreign,
}

/// Why a call has no answer. Two are equal if they have the same [`code`](Self::code), whatever
/// their sources say.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// None came within the [longest time](crate::LeaseOptions::call_timeout) for a call.
    #[error("the call timed out")]
    Timeout,
    /// The connection failed. The request may have arrived.
    #[error("the connection failed")]
    Connection(#[source] Source),
    /// The request was not sent, for want of credentials or of an endpoint.
    #[error("the request was not sent")]
    NotSent(#[source] Source),
    /// The answer is not one of DynamoDB's.
    #[error("the answer cannot be read")]
    Unreadable(#[source] Source),
    /// DynamoDB refused a transaction, but had not answered an attempt before it. That attempt may
    /// still arrive.
    #[error("an earlier attempt was not answered")]
    EarlierAttempt,
}

/// An error that DynamoDB answered with. Two are equal if they have the same code and the same
/// status.
///
/// Its source is the SDK's error. DynamoDB's message in it may quote the request, so log the
/// [`code`](Self::code).
#[derive(Clone, Debug, thiserror::Error)]
#[error("DynamoDB answered {status} {code}")]
pub struct ServiceError {
    code: String,
    status: u16,
    source: Source,
}

/// An error of `serde_json`. Two are equal if they are of one category and at one place.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(Arc<serde_json::Error>);

/// An error of the AWS SDK. Its clones share it, and it dereferences to the error.
#[derive(Clone, Debug)]
pub struct Source(Arc<dyn std::error::Error + Send + Sync>);

/// The error codes of DynamoDB that pass by themselves. A call that is answered with one is tried
/// again until its time is up. So is a call that is answered with a status from 500, whatever its
/// code. The documented codes of that kind are named here all the same.
///
/// Collected from the errors of `GetItem`, `PutItem`, `UpdateItem`, `DeleteItem` and
/// `TransactWriteItems` and from "Common Errors" (API reference), from "Error handling with
/// DynamoDB", "OK to retry?" (developer guide), and from what the AWS SDKs try again ("Retry
/// behavior" in their reference guide, and the classifier of the Rust SDK).
///
/// | | why it passes |
/// |---|---|
/// | throttling | there are fewer requests later |
/// | conflicts | the other write ends |
/// | failures of the service | AWS mends them |
/// | credentials that have expired | the next attempt may be signed with new ones |
/// | a signature that is too old or too new | the next attempt is signed anew |
///
/// DynamoDB does not have its own code for a KMS that throttles, which is a `ThrottlingException`
/// like others. Kinesis has one, `KMSThrottlingException`. It is here in case that DynamoDB ever
/// sends it.
///
/// One code that the developer guide calls retryable is left out. An
/// `ItemCollectionSizeLimitExceededException` lasts until somebody deletes something. Somebody also
/// has to mend `AccessDeniedException`, `ResourceNotFoundException`, `ValidationException`, and
/// every code that is not listed.
pub const PASSING_CODES: &[&str] = &[
    // Throttling.
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "KMSThrottlingException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    // Conflicts.
    "ReplicatedWriteConflictException",
    "TransactionConflictException",
    "TransactionInProgressException",
    // Failures of the service, and requests that it did not wait for.
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    // Credentials and signatures.
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

impl StoreError {
    /// Sorts an error that DynamoDB answered with.
    pub(crate) fn of(error: ServiceError) -> Self {
        if error.status >= 500 || PASSING_CODES.contains(&error.code()) {
            Self::Busy(error)
        } else {
            Self::Environment(error)
        }
    }

    /// True if trying again at once may help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Busy(_))
    }

    /// A stable code, for logs and as a reason of `keyed_batch::Verdict::Retry`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTime => "lease_table_no_time",
            Self::Unanswered(_) => "lease_table_unanswered",
            Self::Busy(_) => "lease_table_busy",
            Self::Environment(_) => "lease_table_not_usable",
            Self::Foreign => "lease_table_foreign_item",
        }
    }
}

impl NoAnswer {
    /// A stable code, for logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection(_) => "connection",
            Self::NotSent(_) => "not_sent",
            Self::Unreadable(_) => "unreadable_answer",
            Self::EarlierAttempt => "earlier_attempt",
        }
    }
}

impl Source {
    pub(crate) fn new(error: Arc<impl std::error::Error + Send + Sync + 'static>) -> Self {
        Self(error)
    }
}

impl Deref for Source {
    type Target = dyn std::error::Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for NoAnswer {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code()
    }
}

impl Eq for NoAnswer {}

impl ServiceError {
    pub(crate) fn new(code: &str, status: u16, source: Source) -> Self {
        Self {
            code: code.to_owned(),
            status,
            source,
        }
    }

    /// DynamoDB's error code, or the reason for which it cancelled a transaction.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }
}

impl PartialEq for ServiceError {
    fn eq(&self, other: &Self) -> bool {
        (&self.code, self.status) == (&other.code, other.status)
    }
}

impl Eq for ServiceError {}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl PartialEq for JsonError {
    fn eq(&self, other: &Self) -> bool {
        let place = |error: &Self| (error.0.classify(), error.0.line(), error.0.column());
        place(self) == place(other)
    }
}

impl Eq for JsonError {}

impl Error {
    /// A stable code, for logs and as a reason of `keyed_batch::Verdict`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTime => "no_time",
            Self::Store { source, .. } => source.code(),
            Self::ResultNotKept(_) => "result_not_kept",
            Self::UnreadableResult(_) => "unreadable_result",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn answered(code: &str, status: u16) -> StoreError {
        let source = Source::new(Arc::new(std::io::Error::other("the SDK's")));
        StoreError::of(ServiceError::new(code, status, source))
    }

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        for code in PASSING_CODES {
            assert!(answered(code, 400).is_transient(), "{code}");
        }
        assert!(answered("NobodyKnowsThisException", 503).is_transient());
    }

    #[test]
    fn what_somebody_must_mend_is_not() {
        for code in [
            "AccessDeniedException",
            "ConditionalCheckFailedException",
            "IdempotentParameterMismatchException",
            "IncompleteSignature",
            "ItemCollectionSizeLimitExceededException",
            "MissingAuthenticationToken",
            "OptInRequired",
            "ResourceNotFoundException",
            "ValidationException",
            "NobodyKnowsThisException",
        ] {
            assert!(!answered(code, 400).is_transient(), "{code}");
        }
    }

    #[test]
    fn each_error_leads_to_the_one_it_was_made_of() {
        let error = Error::Store {
            table: "locks".to_owned(),
            source: answered("ValidationException", 400),
        };
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(error) = source {
            chain.push(error.to_string());
            source = error.source();
        }
        assert_eq!(
            chain,
            [
                "no verdict from the lease table \"locks\"",
                "not usable as it is",
                "DynamoDB answered 400 ValidationException",
                "the SDK's",
            ]
        );
    }
}
