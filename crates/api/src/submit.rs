//! `POST /orders`: a new order, accepted.

use http::{HeaderValue, StatusCode, header};
use orders::{Fingerprint, IdempotencyKey, Intent, NewOrder, OrderId, ParseError};
use serde::Serialize;

use crate::Api;
use crate::caller::Identity;
use crate::problem::{Problem, RETRY_AFTER};
use crate::request::Request;
use crate::response::Answer;

/// The largest body, in bytes.
const MAX_BODY: usize = 64 * 1024;

impl Api {
    pub(crate) async fn submit(
        &self,
        request: &Request<'_>,
        identity: &Identity,
    ) -> Result<Answer, Problem> {
        #[derive(Serialize)]
        struct Accepted {
            order_id: String,
            intent_id: String,
            status: &'static str,
            accepted_at: String,
            fingerprint: String,
        }

        let order = order(request)?;
        let order_id = match idempotency_key(request, identity)? {
            Some(key) => OrderId::for_key(&identity.issuer, &identity.caller, &key),
            None => self.origins.order_id(),
        };
        let fingerprint = Fingerprint::of(&identity.caller, &order);
        let intent = Intent::submit(
            self.origins.intent_id(),
            order_id,
            self.now()?,
            identity.caller.clone(),
            order,
        )
        .in_trace(request.traceparent());
        self.accept(&intent, request).await?;

        let accepted = Accepted {
            order_id: order_id.to_string(),
            intent_id: intent.id.to_string(),
            status: "accepted",
            accepted_at: intent.accepted_at.to_string(),
            fingerprint: fingerprint.to_string(),
        };
        let location = HeaderValue::from_str(&format!("/orders/{order_id}"))
            .map_err(|_| Problem::internal())?;
        Ok(
            Answer::json(StatusCode::ACCEPTED, "application/json", &accepted)?
                .with(header::LOCATION, location)
                .with(header::RETRY_AFTER, RETRY_AFTER)
                .about(intent.id),
        )
    }
}

fn order(request: &Request<'_>) -> Result<NewOrder, Problem> {
    let body = request
        .body()
        .ok_or_else(|| Problem::bad_request("The body is not valid base64."))?;
    if body.len() > MAX_BODY {
        return Err(Problem::too_large(MAX_BODY));
    }
    if !request.header("content-type").is_some_and(is_json) {
        return Err(Problem::unsupported_media_type());
    }
    NewOrder::parse(&body).map_err(|error| match error {
        ParseError::NotJson { line, column } => Problem::bad_request(format!(
            "The body is not JSON: syntax error at line {line}, column {column}."
        )),
        ParseError::Invalid(violations) => Problem::invalid_order(violations),
    })
}

/// `application/json`, whatever its parameters: JSON has none that matter (RFC 8259 §11).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn idempotency_key(
    request: &Request<'_>,
    identity: &Identity,
) -> Result<Option<IdempotencyKey>, Problem> {
    const NAME: &str = "idempotency-key";
    if !request.has_header(NAME) {
        return Ok(None);
    }
    let key = request
        .header(NAME)
        .and_then(IdempotencyKey::parse)
        .ok_or_else(|| {
            Problem::bad_request(format!(
                "Idempotency-Key must have 1 to {} visible ASCII characters.",
                IdempotencyKey::MAX
            ))
        })?;
    if !identity.is_known && !key.stands_alone() {
        return Err(Problem::bad_request(format!(
            "Idempotency-Key must have at least {} characters: callers are not known here, so the key alone tells orders apart and has to be unguessable. A UUID does.",
            IdempotencyKey::UNSCOPED_MIN
        )));
    }
    Ok(Some(key))
}
