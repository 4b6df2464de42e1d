//! `POST /orders/{id}/cancel` accepts a cancel.

use orders::{Intent, OrderId};
use serde::Serialize;

use crate::Api;
use crate::caller::Identity;
use crate::problem::Problem;
use crate::request::Request;
use crate::response::Response;
use crate::stream::Stream;

const IF_UNKNOWN: &str = "Send the request again. An order can be cancelled only once.";

/// The response says no more than every 202 does.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Cancel"))]
pub(crate) struct NoFields {}

impl Api {
    /// This path does not read. The row knows whether the order exists and who owns it. A cancel of
    /// somebody else's order is accepted and has no effect, so the answer tells a stranger nothing.
    pub(crate) async fn cancel(
        &self,
        stream: &Stream,
        request: &Request<'_>,
        identity: Identity,
        order_id: OrderId,
    ) -> Result<Response, Problem> {
        let (intent_id, now) = (self.origins.intent_id(), self.now()?);
        let intent = Intent::cancel(intent_id, order_id, now, identity.caller)
            .in_trace(request.traceparent());
        self.accept(stream, &intent, request, IF_UNKNOWN).await?;
        Response::accepted(&intent, request.base_path(), NoFields {})
    }
}
