//! `POST /orders/{id}/cancel`: a cancel, accepted.

use http::{HeaderValue, StatusCode, header};
use orders::Intent;
use serde::Serialize;

use crate::caller::Identity;
use crate::problem::{Problem, RETRY_AFTER};
use crate::request::Request;
use crate::response::Answer;
use crate::{Api, route};

impl Api {
    /// Whether the order exists and whose it is, the row will know: this path does not read. A cancel of somebody
    /// else's order is accepted and has no effect, so the answer tells a stranger nothing.
    pub(crate) async fn cancel(
        &self,
        request: &Request<'_>,
        identity: Identity,
        order_id: &str,
    ) -> Result<Answer, Problem> {
        #[derive(Serialize)]
        struct Accepted {
            order_id: String,
            intent_id: String,
            status: &'static str,
            accepted_at: String,
        }

        let order_id = route::order_id(order_id)?;
        let intent = Intent::cancel(
            self.origins.intent_id(),
            order_id,
            self.now()?,
            identity.caller,
        )
        .in_trace(request.traceparent());
        self.accept(&intent, request).await?;

        let accepted = Accepted {
            order_id: order_id.to_string(),
            intent_id: intent.id.to_string(),
            status: "accepted",
            accepted_at: intent.accepted_at.to_string(),
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
