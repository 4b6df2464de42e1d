//! `POST /orders` accepts a new order.

use std::borrow::Cow;

use orders::{
    Fingerprint, IdempotencyKey, Intent, IntentKind, NewOrder, OrderId, ParseError, Submit,
};
use serde::Serialize;

use crate::Api;
use crate::caller::Identity;
#[cfg(test)]
use crate::openapi::document::of_orders;
use crate::problem::{Kind, Problem};
use crate::request::Request;
use crate::response::Response;
use crate::stream::Stream;

/// The largest order, in bytes, which is the largest body.
pub(crate) const MAX_BODY: usize = 64 * 1024;

const IF_UNKNOWN_WITH_KEY: &str =
    "Send the request again with the same Idempotency-Key. It then remains one order.";
pub(crate) const IF_UNKNOWN_WITHOUT_KEY: &str = "Look the order up by its id. Do not send the request again, because without an Idempotency-Key it could create a second order.";

/// The fields of the response besides those of every 202.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Order"))]
pub(crate) struct Fields {
    /// The fingerprint of the order that was sent.
    #[cfg_attr(test, schemars(with = "of_orders::Fingerprint"))]
    fingerprint: Fingerprint,
}

impl Api {
    pub(crate) async fn submit(
        &self,
        stream: &Stream,
        request: &Request<'_>,
        identity: Identity,
    ) -> Result<Response, Problem> {
        let order = order(request)?;
        let (order_id, if_unknown) = match self.idempotency_key(request, &identity)? {
            Some(key) => {
                let id = OrderId::for_key(&identity.issuer, &identity.caller, &key);
                (id, IF_UNKNOWN_WITH_KEY)
            }
            None => (self.origins.order_id(), IF_UNKNOWN_WITHOUT_KEY),
        };
        let (intent_id, now) = (self.origins.intent_id(), self.now()?);
        let submit = Submit::new(identity.caller, order);
        let fingerprint = submit.fingerprint.clone();
        let intent = Intent::new(intent_id, order_id, now, IntentKind::Submit(submit))
            .in_trace(request.traceparent());
        self.accept(stream, &intent, request, if_unknown).await?;
        Response::accepted(&intent, request.base_path(), Fields { fingerprint })
    }
}

fn order(request: &Request<'_>) -> Result<NewOrder, Problem> {
    let body = json_body(request, MAX_BODY)?;
    NewOrder::parse(&body).map_err(|error| match error {
        ParseError::NotJson { line, column } => Problem::not_json(line, column),
        ParseError::Invalid(violations) => Problem::invalid_order(violations),
    })
}

/// The body of a request that has to be JSON, of at most `largest` bytes.
pub(crate) fn json_body<'r>(
    request: &Request<'r>,
    largest: usize,
) -> Result<Cow<'r, [u8]>, Problem> {
    let body = request
        .body()
        .ok_or_else(|| Problem::new(Kind::MalformedRequest, "The body is not valid base64."))?;
    if body.len() > largest {
        return Err(Problem::too_large(largest));
    }
    if !request.header("content-type").is_some_and(is_json) {
        return Err(Problem::unsupported_media_type());
    }
    Ok(body)
}

/// True for `application/json`, whatever its parameters are. JSON has none that matter (RFC 8259
/// §11).
///
/// A comma comes from a gateway that joined repeated headers, and nobody knows which of the values
/// holds (RFC 9110 §5.3). A parameter may have a comma in quotes, but none needs one here.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    !content_type.contains(',') && essence.trim().eq_ignore_ascii_case("application/json")
}

impl Api {
    /// The key of a request that creates orders.
    pub(crate) fn idempotency_key(
        &self,
        request: &Request<'_>,
        identity: &Identity,
    ) -> Result<Option<IdempotencyKey>, Problem> {
        const NAME: &str = "idempotency-key";
        if !request.has_header(NAME) {
            let problem = Problem::new(
                Kind::IdempotencyKeyRequired,
                "Send an Idempotency-Key. It makes sure that a repeated request remains one order.",
            );
            return if self.requires_key {
                Err(problem)
            } else {
                Ok(None)
            };
        }
        let key = request
            .header(NAME)
            .and_then(IdempotencyKey::parse)
            .ok_or_else(|| {
                Problem::new(Kind::InvalidIdempotencyKey, format!(
                    "Send Idempotency-Key only once. It must have 1 to {} visible ASCII characters and no comma.",
                    IdempotencyKey::MAX
                ))
            })?;
        if !identity.is_known && !key.stands_alone() {
            return Err(Problem::new(
                Kind::InvalidIdempotencyKey,
                format!(
                    "Idempotency-Key must have at least {} characters, as a UUID has. This service does not know its callers, so nobody must be able to guess the key.",
                    IdempotencyKey::UNSCOPED_MIN
                ),
            ));
        }
        Ok(Some(key))
    }
}
