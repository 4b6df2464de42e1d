//! The end of an invocation.

use std::fmt;

/// The way in which an invocation ended. `Debug` does not show the response.
#[derive(Clone, PartialEq, Eq)]
pub enum Completion {
    /// The function returned this payload. [`interpret`](crate::interpret) says what the payload
    /// means.
    Returned(Vec<u8>),
    /// The function ran and failed, by an error or a crash (`X-Amz-Function-Error`).
    FunctionError,
    /// The function ran into its timeout. Lambda treats it as a function error.
    TimedOut,
    /// The function never ran, because it was throttled or the invoke itself failed. The invoke is
    /// retried until the age of the records ends that. It does not count as an attempt (Lambda
    /// developer guide, "Retain discarded batch records for a Kinesis Data Streams event source in
    /// Lambda").
    NotInvoked,
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(payload) => write!(f, "Returned({} bytes)", payload.len()),
            Self::FunctionError => f.write_str("FunctionError"),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::NotInvoked => f.write_str("NotInvoked"),
        }
    }
}
