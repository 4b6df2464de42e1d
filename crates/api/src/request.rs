//! What the routes read of an event in API Gateway's payload format 2.0.

use std::borrow::Cow;
use std::time::Duration;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpRequestContext};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use orders::TraceParent;
use tokio::time::Instant;

/// What stays of an invocation's time for the answer to be written and to travel.
const MARGIN: Duration = Duration::from_millis(500);

/// One request.
pub(crate) struct Request<'a> {
    event: &'a ApiGatewayV2httpRequest,
    /// When the answer has to be ready.
    until: Instant,
}

impl<'a> Request<'a> {
    pub(crate) fn new(event: &'a ApiGatewayV2httpRequest, time_left: Duration) -> Self {
        Self {
            event,
            until: Instant::now() + time_left.saturating_sub(MARGIN),
        }
    }

    /// Time that may still be spent on calls.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(crate) fn context(&self) -> &'a ApiGatewayV2httpRequestContext {
        &self.event.request_context
    }

    /// API Gateway's id of the request, which its access log has too.
    pub(crate) fn id(&self) -> Option<&'a str> {
        self.context().request_id.as_deref()
    }

    pub(crate) fn method(&self) -> &'a Method {
        &self.context().http.method
    }

    /// The path without the stage's name, which API Gateway leaves in front of it unless the stage is `$default`.
    pub(crate) fn path(&self) -> &'a str {
        let path = self.event.raw_path.as_deref().unwrap_or_default();
        let stage = self.context().stage.as_deref().unwrap_or_default();
        path.strip_prefix('/')
            .and_then(|path| path.strip_prefix(stage))
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path)
    }

    /// A header's value, if it is there and visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.event.headers.get(name)?.to_str().ok()
    }

    /// Whether the header is there, readable or not.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.event.headers.contains_key(name)
    }

    /// The body, or `None` if API Gateway says it is base64 and it is not.
    pub(crate) fn body(&self) -> Option<Cow<'a, [u8]>> {
        let body = self.event.body.as_deref().unwrap_or_default();
        if self.event.is_base64_encoded {
            STANDARD.decode(body).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(body.as_bytes()))
        }
    }

    /// The trace that the client is in.
    pub(crate) fn traceparent(&self) -> Option<TraceParent> {
        self.header("traceparent").and_then(TraceParent::parse)
    }
}
