//! What can go wrong, sorted by what the caller has to do about it.

use crate::Digest;

/// Why there is no [`Outcome`](crate::Outcome). The work was not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too little time is left to do the work and settle it. Nothing is held. Try again in a later invocation.
    #[error("too little time is left")]
    NoTime,
    /// The table gave no usable answer. Try again later.
    ///
    /// If it was [unanswered](StoreError::Unanswered), a lease may have been taken whose holder is nobody: until it ends, and
    /// at the latest at the deadline, others find the key in progress.
    #[error("the lease table: {0}")]
    Store(#[from] StoreError),
    /// The work was done before and must not be done again, but its result was not kept: it was too large, had no JSON form,
    /// or was done by [`once_digest`](crate::LeaseTable::once_digest). The digest of its JSON, if it had one.
    #[error("the work was done, but its result was not kept")]
    ResultNotKept(Option<Digest>),
    /// The work was done before and must not be done again, but what was kept of it is not of this type: the type has
    /// changed since. Make it read what older versions have written.
    #[error("the work was done, but its result cannot be read")]
    UnreadableResult,
}

/// Why the table gave neither a yes nor a no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Time was up before the first attempt.
    #[error("no time for a call")]
    NoTime,
    /// No answer, for this reason, although it was tried again until time was up: the write may have been done.
    #[error("no answer: {0}")]
    Unanswered(&'static str),
    /// DynamoDB answered with this code until time was up: one of [`PASSING_CODES`], or with a
    /// status from 500.
    #[error("busy: {0}")]
    Busy(String),
    /// DynamoDB answered with this code, which trying again at once does not change: a missing permission, table or KMS
    /// key, a key schema that is not as the [settings](crate::Settings) say.
    #[error("not usable: {0}")]
    Environment(String),
    /// The item under this key is not a lock, or one that a newer version of this crate has written.
    #[error("the item is not a lock")]
    Foreign,
}

/// The error codes of DynamoDB that pass by themselves: a call that is answered with one is tried
/// again until its time is up. So is one that is answered with a status from 500, whatever its
/// code; those that are documented are named here all the same.
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
/// DynamoDB has no code of its own for a KMS that throttles: it is a `ThrottlingException` like
/// others. Kinesis has one, `KMSThrottlingException`, which is here in case that DynamoDB ever says
/// so.
///
/// One code that the developer guide calls retryable is left out: an
/// `ItemCollectionSizeLimitExceededException` lasts until somebody deletes something.
/// `AccessDeniedException`, `ResourceNotFoundException` and `ValidationException` are for somebody
/// to mend, and so is what is not listed.
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
    pub(crate) fn of(code: &str, status: u16) -> Self {
        if status >= 500 || PASSING_CODES.contains(&code) {
            Self::Busy(code.to_owned())
        } else {
            Self::Environment(code.to_owned())
        }
    }

    /// Whether trying again at once may help.
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

impl Error {
    /// A stable code, for logs and as a reason of `keyed_batch::Verdict`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTime => "no_time",
            Self::Store(error) => error.code(),
            Self::ResultNotKept(_) => "result_not_kept",
            Self::UnreadableResult => "unreadable_result",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        for code in PASSING_CODES {
            assert!(StoreError::of(code, 400).is_transient(), "{code}");
        }
        assert!(StoreError::of("NobodyKnowsThisException", 503).is_transient());
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
            assert!(!StoreError::of(code, 400).is_transient(), "{code}");
        }
    }
}
