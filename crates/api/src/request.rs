//! The parts of an event in API Gateway's payload format 2.0 that the routes use.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orders::TraceParent;
use tokio::time::Instant;

use crate::base_path::BasePath;
use crate::event::Event;
use crate::route::Route;

/// The time that is kept for writing the answer and sending it.
const MARGIN: Duration = Duration::from_millis(500);

/// One request.
pub(crate) struct Request<'a> {
    event: &'a Event<'a>,
    /// The part before `/orders` in the path, as the client sees it.
    base_path: &'a str,
    /// The path behind it.
    path: &'a str,
    /// The time at which the answer has to be ready.
    until: Instant,
}

impl<'a> Request<'a> {
    pub(crate) fn new(event: &'a Event<'a>, setting: &'a BasePath, time_left: Duration) -> Self {
        let (taken_off, path) = setting.split(event.raw_path(), event.stage(), Route::is_path);
        // At a custom domain the client does not see the stage, nor always the part with which the
        // event's path begins.
        let base_path = if event.is_at_aws_address() {
            taken_off
        } else {
            setting.as_str()
        };
        Self {
            event,
            base_path,
            path,
            until: Instant::now() + time_left.saturating_sub(MARGIN),
        }
    }

    /// The time that may still be spent on calls.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(crate) fn event(&self) -> &'a Event<'a> {
        self.event
    }

    /// API Gateway's id of the request, which its access log has too.
    pub(crate) fn id(&self) -> Option<&'a str> {
        self.event.request_id()
    }

    pub(crate) fn method(&self) -> &'a str {
        self.event.method()
    }

    /// The part before `/orders` in the path that the client used. At AWS's own address it is that
    /// part of the event's path. At a custom domain it is the setting `BASE_PATH`.
    pub(crate) fn base_path(&self) -> &'a str {
        self.base_path
    }

    /// The path without stage and base path.
    pub(crate) fn path(&self) -> &'a str {
        self.path
    }

    /// The value of one of the headers that are [read](crate::event::HEADERS), if it was sent and
    /// is visible ASCII. A gateway joins the values of a repeated header with commas.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let visible = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
        let value = self.event.header(name)?;
        value.bytes().all(visible).then_some(value)
    }

    /// True if the header was sent, readable or not.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.event.header(name).is_some()
    }

    /// The body, or `None` if API Gateway says it is base64 and it is not.
    pub(crate) fn body(&self) -> Option<Cow<'a, [u8]>> {
        let body = self.event.body();
        if self.event.is_base64_encoded() {
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
