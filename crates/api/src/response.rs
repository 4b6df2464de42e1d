//! A response on its way to API Gateway.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::{HeaderName, HeaderValue, StatusCode, header};
use orders::{Intent, IntentId};
use serde::Serialize;

use crate::entity_tag::EntityTag;
#[cfg(test)]
use crate::openapi::document::of_orders;
use crate::problem::{Problem, RETRY_AFTER};

pub(crate) const JSON: &str = "application/json";
/// The media type of a problem document (RFC 9457 §3).
pub(crate) const PROBLEM: &str = "application/problem+json";

/// The header by which a client asks only for what has changed.
pub(crate) const IF_NONE_MATCH: &str = "if-none-match";

const ACCEPTED: &str = "accepted";

/// The document of a 202.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Accepted{F}"))]
pub(crate) struct Accepted<F> {
    /// The id of the order, by which it is read and cancelled.
    #[cfg_attr(test, schemars(with = "of_orders::OrderId"))]
    order_id: String,
    /// The id of this request as an intent. It is another one for each request.
    #[cfg_attr(test, schemars(with = "of_orders::IntentId"))]
    intent_id: String,
    /// The request is kept and will be applied.
    #[cfg_attr(test, schemars(extend("const" = ACCEPTED)))]
    status: &'static str,
    /// The time at which the request was accepted.
    #[cfg_attr(test, schemars(with = "of_orders::Timestamp"))]
    accepted_at: String,
    #[serde(flatten)]
    fields: F,
}

/// For all responses but those that show an order. A problem is gone a moment later, and a 202 may
/// have personal data that nobody asks for again.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// For responses that show an order (RFC 9111 §5.2.2). The client itself may keep its copy, which
/// is what it asks about by `If-None-Match`. `no-store` would forbid that. `no-cache` makes it ask
/// before each use, because an order may be another one a moment later. `private` keeps the order,
/// which may have personal data, out of the caches that several clients share.
const KEPT_BY_THE_CLIENT: HeaderValue = HeaderValue::from_static("private, no-cache");

/// A status, headers, and a JSON document or no body.
pub(crate) struct Response {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<String>,
    intent_id: Option<IntentId>,
}

impl Response {
    /// A response with this document.
    pub(crate) fn json(status: StatusCode, document: &impl Serialize) -> Self {
        Self::of_type(status, JSON, NO_STORE, document)
    }

    /// The 200 that shows a document with its tag. It is a 304 if the client's `If-None-Match`
    /// lists that tag.
    pub(crate) fn shown(
        document: &impl Serialize,
        if_none_match: Option<&str>,
    ) -> Result<Self, Problem> {
        let shown = Self::of_type(StatusCode::OK, JSON, KEPT_BY_THE_CLIENT, document);
        shown.unless_listed(KEPT_BY_THE_CLIENT, if_none_match)
    }

    /// The same for a document that is written already, which is JSON.
    pub(crate) fn written(
        json: &'static str,
        cache_control: HeaderValue,
        if_none_match: Option<&str>,
    ) -> Result<Self, Problem> {
        let headers = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
            (header::CACHE_CONTROL, cache_control.clone()),
        ];
        let shown = Self {
            status: StatusCode::OK,
            headers,
            body: Some(json.to_owned()),
            intent_id: None,
        };
        shown.unless_listed(cache_control, if_none_match)
    }

    /// This 200 with its tag, or a 304 if `If-None-Match` lists the tag (RFC 9110 §13.1.2).
    ///
    /// A 304 has the headers that a cache needs of the 200, and neither a body nor its type
    /// (§15.4.5).
    fn unless_listed(
        self,
        cache_control: HeaderValue,
        if_none_match: Option<&str>,
    ) -> Result<Self, Problem> {
        let tag = EntityTag::of(self.body.as_deref().unwrap_or_default());
        let response = if if_none_match.is_some_and(|condition| tag.is_listed(condition)) {
            Self {
                status: StatusCode::NOT_MODIFIED,
                headers: vec![(header::CACHE_CONTROL, cache_control)],
                body: None,
                intent_id: None,
            }
        } else {
            self
        };
        let value = tag.value().ok_or_else(Problem::internal)?;
        Ok(response.with(header::ETAG, value))
    }

    /// The response that carries a problem. Its `instance` is API Gateway's id of the request.
    pub(crate) fn problem(problem: &Problem, request_id: Option<&str>) -> Self {
        let document = problem.document(request_id);
        let mut response = Self::of_type(problem.status(), PROBLEM, NO_STORE, &document);
        response.headers.extend(problem.headers());
        response
    }

    /// The 202 to an intent that is in the stream, with these fields besides its own. `base_path`
    /// precedes `/orders` in `Location`.
    pub(crate) fn accepted(
        intent: &Intent,
        base_path: &str,
        fields: impl Serialize,
    ) -> Result<Self, Problem> {
        let document = Accepted {
            order_id: intent.order_id.to_string(),
            intent_id: intent.id.to_string(),
            status: ACCEPTED,
            accepted_at: intent.accepted_at.to_string(),
            fields,
        };
        let location = HeaderValue::from_str(&format!("{base_path}/orders/{}", intent.order_id));
        let mut response = Self::json(StatusCode::ACCEPTED, &document)
            .with(header::LOCATION, location.map_err(|_| Problem::internal())?)
            .with(header::RETRY_AFTER, RETRY_AFTER);
        response.intent_id = Some(intent.id);
        Ok(response)
    }

    /// The body ends with a newline, so that a terminal's prompt begins a new line.
    fn of_type(
        status: StatusCode,
        content_type: &'static str,
        cache_control: HeaderValue,
        document: &impl Serialize,
    ) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "every document is a struct of strings, numbers, lists and maps with text keys, which can always be written"
        )]
        let mut body = serde_json::to_string(document).expect("a document can be written as JSON");
        body.push('\n');
        let headers = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (header::CACHE_CONTROL, cache_control),
        ];
        Self {
            status,
            headers,
            body: Some(body),
            intent_id: None,
        }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The intent id, for the log.
    pub(crate) fn intent_id(&self) -> Option<String> {
        self.intent_id.map(|id| id.to_string())
    }

    pub(crate) fn into_event(self) -> ApiGatewayV2httpResponse {
        let mut event = ApiGatewayV2httpResponse::default();
        event.status_code = self.status.as_u16().into();
        event.headers = self.headers.into_iter().collect();
        event.body = self.body.map(Body::Text);
        event
    }
}
