//! The problem document (RFC 9457), which tells a client that something is wrong.
//!
//! There are three kinds, and each tells the client what to do.
//!
//! - 4xx means to mend the request.
//! - 503 with `Retry-After` means to try again.
//! - 500 is a fault of the service that trying again does not mend.
//!
//! No kind says what failed inside.

use http::{HeaderName, HeaderValue, StatusCode, header};
use orders::{OrderId, Violation};
use serde::Serialize;

use crate::caller::CallerSource;

/// The seconds after which to try again. One second is long enough for a throttled shard to
/// recover, and short enough for a person to wait.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A problem on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<Violation>,
    order_id: Option<OrderId>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem that its status code describes fully (RFC 9457 §4.2.1).
    fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self::of_kind(status, "about:blank", title, detail)
    }

    fn of_kind(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            order_id: None,
            header: None,
        }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: &str) -> Self {
        Self::plain(StatusCode::NOT_FOUND, detail)
    }

    /// A 405 names the methods that the path takes (RFC 9110 §15.5.6).
    pub(crate) fn method_not_allowed(allowed: &[&'static str]) -> Self {
        let allowed = allowed.join(", ");
        #[expect(
            clippy::expect_used,
            reason = "methods are constants of the API, and tokens; a 405 without them would be a lie"
        )]
        let allow = HeaderValue::from_str(&allowed).expect("methods are visible ASCII");
        let detail = format!("This path accepts only {allowed}.");
        Self::plain(StatusCode::METHOD_NOT_ALLOWED, detail).with(header::ALLOW, allow)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body must not be larger than {limit} bytes."),
        )
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON, with the header Content-Type: application/json.",
        )
        // A 415 may say which type would have been taken (RFC 9110 §15.5.16 and §12.5.1).
        .with(header::ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// A 401 names the scheme by which to authenticate (RFC 9110 §15.5.2).
    pub(crate) fn caller_required(callers: &CallerSource) -> Self {
        Self::plain(
            StatusCode::UNAUTHORIZED,
            "The request does not identify its caller.",
        )
        .with(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(callers.scheme()),
        )
    }

    /// The body has a syntax error at this line and column.
    pub(crate) fn not_json(line: usize, column: usize) -> Self {
        Self::bad_request(format!(
            "The body is not JSON. The first syntax error is at line {line}, column {column}."
        ))
    }

    pub(crate) fn invalid_order(errors: Vec<Violation>) -> Self {
        let kind = "urn:problem:orders:invalid-order";
        Self::invalid(kind, "Invalid order", "order", errors)
    }

    /// The envelope of a batch breaks rules, and none of its orders was looked at.
    pub(crate) fn invalid_batch(errors: Vec<Violation>) -> Self {
        let kind = "urn:problem:orders:invalid-batch";
        Self::invalid(kind, "Invalid batch", "batch", errors)
    }

    fn invalid(
        kind: &'static str,
        title: &'static str,
        what: &str,
        errors: Vec<Violation>,
    ) -> Self {
        let detail = match errors.len() {
            1 => format!("The {what} breaks one rule."),
            count => format!("The {what} breaks {count} rules."),
        };
        let mut problem = Self::of_kind(StatusCode::UNPROCESSABLE_ENTITY, kind, title, detail);
        problem.errors = errors;
        problem
    }

    /// The stream refused. The request had no effect and may be sent again as it is.
    pub(crate) fn not_accepted() -> Self {
        Self::not_accepted_with("The request was not accepted and had no effect. Send it again.")
    }

    /// The stream refused one order of a batch. `advice` tells the client what to do.
    pub(crate) fn order_not_accepted(advice: &str) -> Self {
        let detail = format!("The order was not accepted and had no effect. {advice}");
        Self::not_accepted_with(detail)
    }

    fn not_accepted_with(detail: impl Into<String>) -> Self {
        Self::of_kind(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:problem:orders:not-accepted",
            "Not accepted",
            detail,
        )
        .with(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// The stream did not answer, so it may have the intent or not. `advice` tells the client what
    /// to do.
    pub(crate) fn outcome_unknown(order_id: OrderId, advice: &'static str) -> Self {
        let detail =
            format!("The outcome is unknown. The request may have been accepted. {advice}");
        let kind = "urn:problem:orders:outcome-unknown";
        let mut problem = Self::of_kind(
            StatusCode::SERVICE_UNAVAILABLE,
            kind,
            "Outcome unknown",
            detail,
        )
        .with(header::RETRY_AFTER, RETRY_AFTER);
        problem.order_id = Some(order_id);
        problem
    }

    pub(crate) fn unavailable() -> Self {
        Self::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "Orders cannot be read at the moment. Try again.",
        )
        .with(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub(crate) fn internal() -> Self {
        Self::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service failed. Please name the request id when you report the failure.",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The order that the problem is about, if the order may exist.
    pub(crate) fn order_id(&self) -> Option<OrderId> {
        self.order_id
    }

    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.header.clone()
    }

    /// The problem document. Its `instance` is API Gateway's id of the request.
    pub(crate) fn document(&self, request_id: Option<&str>) -> impl Serialize {
        #[derive(Serialize)]
        struct Document<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            instance: Option<String>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [Violation],
            #[serde(skip_serializing_if = "Option::is_none")]
            order_id: Option<String>,
        }

        Document {
            kind: self.kind,
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: request_id.map(|id| format!("urn:request:{id}")),
            errors: &self.errors,
            order_id: self.order_id.map(|id| id.to_string()),
        }
    }
}
