//! An answer on its way to API Gateway.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::{HeaderName, HeaderValue, StatusCode, header};
use orders::{Action, Intent, IntentId};
use serde::Serialize;

use crate::problem::{Problem, RETRY_AFTER};

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

    /// The 202 to an intent that is in the stream. `base_path` precedes `/orders` in `Location`.
    pub(crate) fn accepted(intent: &Intent, base_path: &str) -> Result<Self, Problem> {
        #[derive(Serialize)]
        struct Accepted<'a> {
            order_id: String,
            intent_id: String,
            status: &'a str,
            accepted_at: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            fingerprint: Option<&'a str>,
        }

        let document = Accepted {
            order_id: intent.order_id.to_string(),
            intent_id: intent.id.to_string(),
            status: "accepted",
            accepted_at: intent.accepted_at.to_string(),
            fingerprint: match &intent.action {
                Action::Submit { fingerprint, .. } => Some(fingerprint.as_str()),
                Action::Cancel { .. } => None,
            },
        };
        let location = HeaderValue::from_str(&format!("{base_path}/orders/{}", intent.order_id));
        let mut answer = Self::json(StatusCode::ACCEPTED, "application/json", &document)?
            .with(header::LOCATION, location.map_err(|_| Problem::internal())?)
            .with(header::RETRY_AFTER, RETRY_AFTER);
        answer.intent_id = Some(intent.id);
        Ok(answer)
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

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// For the log.
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
