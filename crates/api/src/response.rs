//! An answer on its way to API Gateway.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::{HeaderName, HeaderValue, StatusCode, header};
use orders::IntentId;
use serde::Serialize;

use crate::problem::Problem;

/// A status, headers, and a JSON document.
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    intent_id: Option<IntentId>,
}

impl Answer {
    /// An answer with this document.
    pub(crate) fn json(
        status: StatusCode,
        content_type: &'static str,
        document: &impl Serialize,
    ) -> Result<Self, Problem> {
        let body = serde_json::to_string(document).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::internal()
        })?;
        Ok(Self::text(status, content_type, body))
    }

    /// An answer with a document that is written already.
    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let headers = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            // What an order says may be personal data, and what it is now it may not be a moment later.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        Self {
            status,
            headers,
            body,
            intent_id: None,
        }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// For the log.
    pub(crate) fn about(mut self, intent_id: IntentId) -> Self {
        self.intent_id = Some(intent_id);
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(crate) fn intent_id(&self) -> Option<String> {
        self.intent_id.map(|id| id.to_string())
    }

    pub(crate) fn into_event(self) -> ApiGatewayV2httpResponse {
        let mut event = ApiGatewayV2httpResponse::default();
        event.status_code = self.status.as_u16().into();
        event.headers = self.headers.into_iter().collect();
        event.body = Some(Body::Text(self.body));
        event
    }
}
