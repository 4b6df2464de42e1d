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
    /// DynamoDB answered with this code until time was up: too many requests, or a failure of its own.
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

impl StoreError {
    /// Sorts an error that DynamoDB answered with ("Error handling with DynamoDB" in its developer guide; API reference,
    /// "Common Errors").
    pub(crate) fn of(code: &str, status: u16) -> Self {
        let busy = status >= 500
            || matches!(
                code,
                "ProvisionedThroughputExceededException"
                    | "ThrottlingException"
                    | "Throttling"
                    | "RequestLimitExceeded"
                    | "TransactionConflictException"
                    | "TransactionInProgressException"
                    | "ReplicatedWriteConflictException"
                    | "InternalServerError"
                    | "ServiceUnavailable"
            );
        if busy {
            Self::Busy(code.to_owned())
        } else {
            Self::Environment(code.to_owned())
        }
    }

    /// Whether trying again at once may help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Busy(_))
    }

    /// A stable code, for logs and as a reason of `kinesis_batch::Verdict::Retry`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTime => "lease-table-no-time",
            Self::Unanswered(_) => "lease-table-unanswered",
            Self::Busy(_) => "lease-table-busy",
            Self::Environment(_) => "lease-table-not-usable",
            Self::Foreign => "lease-table-foreign-item",
        }
    }
}

impl Error {
    /// A stable code, for logs and as a reason of `kinesis_batch::Verdict`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTime => "no-time",
            Self::Store(error) => error.code(),
            Self::ResultNotKept(_) => "result-not-kept",
            Self::UnreadableResult => "unreadable-result",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again_and_what_somebody_must_mend_is_not() {
        for (code, status, transient) in [
            ("ProvisionedThroughputExceededException", 400, true),
            ("ThrottlingException", 400, true),
            ("RequestLimitExceeded", 400, true),
            ("TransactionConflictException", 400, true),
            ("TransactionInProgressException", 400, true),
            ("InternalServerError", 500, true),
            ("NobodyKnowsThisException", 503, true),
            ("AccessDeniedException", 400, false),
            ("ResourceNotFoundException", 400, false),
            ("ValidationException", 400, false),
            ("NobodyKnowsThisException", 400, false),
        ] {
            assert_eq!(
                StoreError::of(code, status).is_transient(),
                transient,
                "{code}"
            );
        }
    }
}
