//! `POST /orders/{id}/cancel`: a cancel, accepted.

use orders::Intent;

use crate::caller::Identity;
use crate::problem::{Problem, Retry};
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
        let order_id = route::order_id(order_id)?;
        let (intent_id, now) = (self.origins.intent_id(), self.now()?);
        let intent = Intent::cancel(intent_id, order_id, now, identity.caller)
            .in_trace(request.traceparent());
        self.accept(&intent, request, Retry::Cancel).await?;
        Answer::accepted(&intent, request.base_path())
    }
}
