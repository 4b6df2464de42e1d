//! Why a call to AWS has no answer.

use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;

/// Why a call to AWS has no answer of its service. Unless the call was not sent, it may have had
/// its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoAnswer {
    /// The SDK could not make a request of the call.
    NotSent,
    /// Nothing came within the client's time.
    Timeout,
    /// There is no connection, or it broke off.
    Connection,
    /// Something came that is not an answer of the service.
    UnreadableAnswer,
    /// The caller's time was up.
    NoTimeLeft,
    /// A failure of a kind that the SDK did not have when this was written.
    Unknown,
}

impl NoAnswer {
    /// The reason of an error of the SDK that is not an answer of the service.
    #[must_use]
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::NotSent,
            SdkError::TimeoutError(_) => Self::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::Timeout,
            // It is not known whether the request went out before the connection failed.
            SdkError::DispatchFailure(_) => Self::Connection,
            SdkError::ResponseError(_) => Self::UnreadableAnswer,
            _ => Self::Unknown,
        }
    }

    /// The reason in snake_case, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::UnreadableAnswer => "unreadable_answer",
            Self::NoTimeLeft => "no_time_left",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
