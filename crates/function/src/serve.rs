//! Invocations in, answers out, and nothing of what is in them into logs or error messages.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::environment::StartError;

/// Why an invocation failed as a whole, for Lambda to act upon. Its text is fixed, whatever was in the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The event is not what this function is invoked with.
    #[error("the event cannot be read")]
    UnreadableEvent,
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
    /// The batch holds a record that failed and cannot be named.
    #[error("a failed record cannot be named")]
    UnnamedRecord,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self {
            error_type: format!("{failure:?}"),
            error_message: failure.to_string(),
        }
    }
}

/// Serves invocations until Lambda ends the process.
///
/// The event is deserialized here and a panic is caught here, because the runtime would put the offending value or the
/// panic's message into its log and into the error that it reports.
///
/// # Errors
/// [`StartError::Runtime`] if Lambda's Runtime API fails.
pub async fn serve<E, R, H>(handler: H) -> Result<(), StartError>
where
    E: DeserializeOwned,
    R: Serialize,
    H: AsyncFn(E, Context) -> Result<R, Failure>,
{
    let handler = &handler;
    let service = service_fn(move |event: LambdaEvent<Value>| {
        // Boxed, because the runtime's layers around an SDK call nest deeper than the compiler follows.
        Box::pin(async move {
            let Ok(payload) = serde_json::from_value(event.payload) else {
                tracing::error!("the event cannot be read");
                return Err(Failure::UnreadableEvent);
            };
            // The hook has logged where.
            AssertUnwindSafe(handler(payload, event.context))
                .catch_unwind()
                .await
                .unwrap_or(Err(Failure::Panicked))
        })
    });
    lambda_runtime::run(service)
        .await
        .map_err(|error| StartError::Runtime(error.to_string()))
}
