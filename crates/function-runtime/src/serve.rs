//! Takes invocations and returns answers, and keeps their content out of logs and error messages.
//!
//! Lambda's runtime reads an event before a handler sees it. Its error quotes what it cannot read,
//! which may be a header's name, a value or a caller. So a layer takes the event's bytes out of the
//! runtime's reach, and the handler gets them as they came. The same layer cleans what the runtime
//! puts on every line of the log.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::task::{Context as Polling, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::futures::TaskLocalFuture;

use crate::environment::StartError;

/// Why an invocation failed as a whole, for Lambda to act upon. Its text is fixed, whatever was in
/// the event.
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

/// Reads an event, a JSON document.
///
/// # Errors
/// [`Failure::UnreadableEvent`] if the event is not one of this type. The error does not say what
/// it is instead, because that would quote the event.
pub fn read<E: DeserializeOwned>(event: &[u8]) -> Result<E, Failure> {
    serde_json::from_slice(event).map_err(|_| Failure::UnreadableEvent)
}

/// Serves invocations until Lambda ends the process.
///
/// The handler gets each event as the bytes that Lambda sent, and [`read`] makes a value of them. A
/// panic of the handler is caught here, because the runtime would put its message into the log and
/// into the error that it reports. An invocation that fails is one line of the log at level
/// `ERROR`.
///
/// # Errors
/// [`StartError::Runtime`] if Lambda's Runtime API fails.
pub async fn serve<R, H>(handler: H) -> Result<(), StartError>
where
    R: Serialize,
    H: AsyncFn(Bytes, Context) -> Result<R, Failure>,
{
    let handler = &handler;
    let service = service_fn(move |event: LambdaEvent<()>| {
        // Boxed, because the runtime's layers around an SDK call nest deeper than the compiler
        // follows.
        Box::pin(async move {
            let bytes = EVENT.with(RefCell::take);
            AssertUnwindSafe(handler(bytes, event.context))
                .catch_unwind()
                .await
                .unwrap_or(Err(Failure::Panicked))
                .inspect_err(|reason| tracing::error!(%reason, "the invocation failed"))
        })
    });
    Runtime::new(service)
        .layer(TracingLayer::new())
        .layer(OutOfReach)
        .run()
        .await
        .map_err(|source| StartError::Runtime {
            reason: reason(&*source),
            source,
        })
}

tokio::task_local! {
    /// The event of the invocation that is being served.
    static EVENT: RefCell<Bytes>;
}

/// The layer that takes an event out of the runtime's reach. The runtime reads a `null` instead.
struct OutOfReach;

impl<S> Layer<S> for OutOfReach {
    type Service = EventTaken<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EventTaken { inner }
    }
}

struct EventTaken<S> {
    inner: S,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for EventTaken<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<RefCell<Bytes>, S::Future>;

    fn poll_ready(&mut self, polling: &mut Polling<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(polling)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let event = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        let context = &mut invocation.context;
        context.xray_trace_id = context.xray_trace_id.as_deref().and_then(own_trace);
        // The caller of the function chooses it, and nothing here is kept apart by it.
        context.tenant_id = None;
        EVENT.scope(RefCell::new(event), self.inner.call(invocation))
    }
}

/// The fields of a tracing header that AWS X-Ray makes. A client may have added its own fields (AWS
/// X-Ray developer guide, "Tracing header"). The result is `None` if nothing is left.
fn own_trace(header: &str) -> Option<String> {
    let own = ["Root", "Parent", "Sampled"]
        .into_iter()
        .filter_map(|name| {
            let mut fields = header.split(';').filter_map(|field| field.split_once('='));
            let (_, value) = fields.find(|(field, _)| *field == name)?;
            is_xrays(name, value).then(|| format!("{name}={value}"))
        });
    let own: Vec<String> = own.collect();
    (!own.is_empty()).then(|| own.join(";"))
}

/// A root is `1-` and 8 and 24 hex digits, a parent 16 hex digits, and sampled is one digit.
fn is_xrays(name: &str, value: &str) -> bool {
    let are_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match (name, value.split('-').collect::<Vec<_>>().as_slice()) {
        ("Root", ["1", time, random]) => are_hex(time, 8) && are_hex(random, 24),
        ("Parent", [id]) => are_hex(id, 16),
        ("Sampled", [flag]) => ["0", "1"].contains(flag),
        _ => false,
    }
}

/// Why the runtime ended, without the words of what it could not read.
///
/// The runtime reads the headers of an invocation, and everybody who may invoke the function
/// chooses one of them (`ClientContext` of the `Invoke` operation). Its error would quote that
/// header.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        let (line, column) = (error.line(), error.column());
        return format!("a header of an invocation cannot be read, line {line}, column {column}");
    }
    if error.is::<http::header::ToStrError>() || error.is::<std::num::ParseIntError>() {
        return "a header of an invocation cannot be read".to_owned();
    }
    // The other errors are about the connection to the Runtime API, and carry nothing of a
    // client's. The outermost says what failed, and its sources say why.
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_cannot_be_read_is_not_repeated() {
        let quoting = serde_json::from_str::<u8>(r#""MARK""#).unwrap_err();
        assert!(
            quoting.to_string().contains("MARK"),
            "else there is nothing to keep out"
        );
        let reason = reason(&quoting);
        assert!(!reason.contains("MARK"), "{reason}");
        assert!(reason.contains("header"), "{reason}");
    }

    #[test]
    fn an_event_of_another_kind_is_a_failure_of_fixed_words() {
        let failure = read::<u8>(br#""MARK""#).unwrap_err();
        assert_eq!(failure, Failure::UnreadableEvent);
        assert_eq!(
            Diagnostic::from(failure).error_message,
            "the event cannot be read"
        );
    }
}
