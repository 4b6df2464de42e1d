//! An invocation as its caller sees it, with its result or the reason why it was refused.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::lambda::execution_environment::{
    InitFailure, InitFailureReason, InvocationEnd, describe_exit,
};
use crate::lambda::function_config::{MAX_PROCESSES, MAX_WAIT};
use crate::lambda::runtime_api::MAX_PAYLOAD;

/// The answer to an invocation for which the function ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The id of the invocation, which no other invocation has.
    pub request_id: String,
    /// The result.
    pub result: FunctionResult,
}

/// The result of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionResult {
    /// The function's response.
    Response(Bytes),
    /// The function reported an error, crashed or could not start. Lambda answers this invocation
    /// with status 200, `FunctionError: Unhandled` and this payload (`errorType`, `errorMessage`).
    Unhandled(Bytes),
    /// The function took too long. To a caller of Lambda this is `Unhandled` too.
    TimedOut(Bytes),
}

/// The reason why an invocation was refused. The function never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// All processes were busy for [`MAX_WAIT`]. On Lambda this is 429, `TooManyRequestsException`.
    #[error("all {MAX_PROCESSES} processes were busy for {} s", MAX_WAIT.as_secs())]
    Throttled,
    /// The event is larger than [`MAX_PAYLOAD`]. On Lambda this is 413, `RequestTooLargeException`.
    #[error("the event is larger than {MAX_PAYLOAD} bytes")]
    EventTooLarge,
    /// The stack is stopping.
    #[error("the stack is stopping")]
    Stopping,
}

impl FunctionResult {
    /// The result of the invocation `request_id`, whose time was limited to `timeout`. Where the
    /// function gave no answer, the payload is Lambda's own.
    pub(crate) fn of(end: InvocationEnd, request_id: &str, timeout: Duration) -> Self {
        match end {
            InvocationEnd::Response(payload) => Self::Response(payload),
            InvocationEnd::Error(payload) => Self::Unhandled(payload),
            InvocationEnd::ResponseTooLarge => Self::Unhandled(error_payload(
                "Function.ResponseSizeTooLarge",
                &format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."
                ),
            )),
            InvocationEnd::TimedOut => Self::TimedOut(error_payload(
                "Sandbox.Timedout",
                &format!(
                    "RequestId: {request_id} Error: Task timed out after {}.00 seconds",
                    timeout.as_secs()
                ),
            )),
            InvocationEnd::Exited(status) => Self::Unhandled(error_payload(
                "Runtime.ExitError",
                &format!(
                    "RequestId: {request_id} Error: Runtime exited with error: {}",
                    describe_exit(status)
                ),
            )),
        }
    }

    /// The result of an invocation for which no process could be started.
    pub(crate) fn not_initialized(failure: &InitFailure) -> Self {
        Self::Unhandled(init_error_payload(failure))
    }
}

/// Lambda's answer if a function could not be initialized.
fn init_error_payload(failure: &InitFailure) -> Bytes {
    let kind = match failure.reason {
        InitFailureReason::Spawn(_) => "Runtime.InvalidEntrypoint",
        InitFailureReason::Exited(_) => "Runtime.ExitError",
        InitFailureReason::Reported(_) => "Runtime.InitError",
        InitFailureReason::TimedOut => "Sandbox.Timedout",
    };
    error_payload(kind, &failure.to_string())
}

fn error_payload(kind: &str, message: &str) -> Bytes {
    Bytes::from(json!({ "errorType": kind, "errorMessage": message }).to_string())
}
