//! The problem document (RFC 9457), which tells a client that something is wrong.
//!
//! Each problem has a [`Kind`], whose URI programs go by. `docs/problems.md` lists the kinds. The
//! status tells a client what to do.
//!
//! - Any other 4xx means to mend the request.
//! - 429 and 503 with `Retry-After` mean to try again.
//! - 500 is a fault of the service that trying again does not mend.
//!
//! No problem says what failed inside.

use http::{HeaderName, HeaderValue, StatusCode, header};
use orders::{OrderId, Violation};
use serde::Serialize;

use crate::caller::CallerSource;
use crate::fairness::OverLimit;
#[cfg(test)]
use crate::openapi::document::of_orders;

mod kind;

pub(crate) use kind::Kind;

/// The seconds after which to try again. One second is long enough for a throttled shard to
/// recover, and short enough for a person to wait.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A problem on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Violation>,
    order_id: Option<OrderId>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this kind. `detail` is for people, and may differ from case to case.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            order_id: None,
            headers: Vec::new(),
        }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
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
        Self::new(Kind::MethodNotAllowed, detail).with(header::ALLOW, allow)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            Kind::BodyTooLarge,
            format!("The body must not be larger than {limit} bytes."),
        )
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(
            Kind::UnsupportedMediaType,
            "The body must be JSON, with the header Content-Type: application/json.",
        )
        // A 415 may say which type would have been taken (RFC 9110 §15.5.16 and §12.5.1).
        .with(header::ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// A 401 names the scheme by which to authenticate (RFC 9110 §15.5.2).
    pub(crate) fn caller_required(callers: &CallerSource) -> Self {
        Self::new(
            Kind::CallerRequired,
            "The request does not identify its caller.",
        )
        .with(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(callers.scheme()),
        )
    }

    /// The body has a syntax error at this line and column.
    pub(crate) fn not_json(line: usize, column: usize) -> Self {
        let detail = format!(
            "The body is not JSON. The first syntax error is at line {line}, column {column}."
        );
        Self::new(Kind::MalformedJson, detail)
    }

    pub(crate) fn invalid_order(errors: Vec<Violation>) -> Self {
        Self::invalid(Kind::InvalidOrder, "order", errors)
    }

    /// The envelope of a batch breaks rules, and none of its orders was looked at.
    pub(crate) fn invalid_batch(errors: Vec<Violation>) -> Self {
        Self::invalid(Kind::InvalidBatch, "batch", errors)
    }

    fn invalid(kind: Kind, what: &str, errors: Vec<Violation>) -> Self {
        let detail = match errors.len() {
            1 => format!("The {what} breaks one rule."),
            count => format!("The {what} breaks {count} rules."),
        };
        let mut problem = Self::new(kind, detail);
        problem.errors = errors;
        problem
    }

    /// The caller has sent more requests than its limit allows. The two further headers are those
    /// of the IETF's draft "`RateLimit` header fields for HTTP"
    /// (draft-ietf-httpapi-ratelimit-headers-10).
    pub(crate) fn too_many_requests(over: &OverLimit) -> Self {
        let per_second = over.per_second;
        let seconds = over.wait.as_secs() + u64::from(over.wait.subsec_nanos() > 0);
        let detail = format!(
            "A caller may send {per_second} requests in a second. Send the request again after Retry-After."
        );
        let policy = format!("\"caller\";q={per_second};w=1");
        let state = format!("\"caller\";r=0;t={seconds}");
        let mut problem = Self::new(Kind::TooManyRequests, detail)
            .with(header::RETRY_AFTER, HeaderValue::from(seconds));
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                problem = problem.with(name, value);
            }
        }
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
        Self::new(Kind::NotAccepted, detail).with(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// The stream did not answer, so it may have the intent or not. `advice` tells the client what
    /// to do.
    pub(crate) fn outcome_unknown(order_id: OrderId, advice: &'static str) -> Self {
        let detail =
            format!("The outcome is unknown. The request may have been accepted. {advice}");
        let mut problem =
            Self::new(Kind::OutcomeUnknown, detail).with(header::RETRY_AFTER, RETRY_AFTER);
        problem.order_id = Some(order_id);
        problem
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(
            Kind::Unavailable,
            "Orders cannot be read at the moment. Try again.",
        )
        .with(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            Kind::InternalError,
            "The service failed. Please name the request id when you report the failure.",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The order that the problem is about, if the order may exist.
    pub(crate) fn order_id(&self) -> Option<OrderId> {
        self.order_id
    }

    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.headers.clone()
    }

    /// The problem document. Its `instance` is API Gateway's id of the request.
    pub(crate) fn document(&self, request_id: Option<&str>) -> Document<'_> {
        Document {
            kind: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            instance: request_id.map(|id| format!("urn:request:{id}")),
            errors: &self.errors,
            order_id: self.order_id.map(|id| id.to_string()),
        }
    }
}

/// The problem document, as it is written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Problem"))]
pub(crate) struct Document<'a> {
    /// The URI of the type of the problem. Programs go by it.
    #[serde(rename = "type")]
    #[cfg_attr(test, schemars(extend("format" = "uri")))]
    kind: &'a str,
    /// The title of the type, which never differs.
    title: &'a str,
    /// The status of the response.
    status: u16,
    /// The problem at hand, for people. The text may change.
    detail: &'a str,
    /// The front door's id of the request. Name it when you report a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String", extend("format" = "uri")))]
    instance: Option<String>,
    /// The rules that the order breaks.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(test, schemars(with = "of_orders::Violations"))]
    errors: &'a [Violation],
    /// The id of the order whose outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "of_orders::OrderId"))]
    order_id: Option<String>,
}
