//! `GET /orders/{id}` shows an order to its owner.

use http::header;
use orders::{OrderId, OrderView};
use orders_table::{OrdersTable, TableError};

use crate::Api;
use crate::caller::Identity;
use crate::problem::{Kind, Problem, RETRY_AFTER};
use crate::request::Request;
use crate::response::{IF_NONE_MATCH, Response};
use crate::wait::Wait;

impl Api {
    /// Three cases give the same 404. The order does not exist, it is not stored yet, or it is
    /// somebody else's. The client may try again later, because of the second case.
    ///
    /// `Prefer: wait=N` waits for the order to be there. An order that is there is answered at
    /// once, also if `If-None-Match` names it as it is. Caches add that header by themselves, and
    /// a read that merely looks whether a copy is fresh must not hold the function for seconds.
    pub(crate) async fn read(
        &self,
        table: &OrdersTable,
        request: &Request<'_>,
        identity: &Identity,
        order_id: OrderId,
    ) -> Result<Response, Problem> {
        let wait = Wait::preferred(request, self.max_wait);
        let look = async || look(table, request, identity, order_id).await;
        let found = match (look().await?, &wait) {
            (None, Some(wait)) => wait.look(look).await,
            (found, _) => found,
        };
        let response = match found {
            Some(view) => Response::shown(&view, request.header(IF_NONE_MATCH))?,
            None => {
                let problem = Problem::new(
                    Kind::OrderNotFound,
                    "You have no order with this id, or the order is not stored yet.",
                );
                Response::problem(&problem, request.id()).with(header::RETRY_AFTER, RETRY_AFTER)
            }
        };
        match wait {
            Some(wait) => wait.applied_to(response),
            None => Ok(response),
        }
    }
}

async fn look(
    table: &OrdersTable,
    request: &Request<'_>,
    identity: &Identity,
    order_id: OrderId,
) -> Result<Option<OrderView>, Problem> {
    let caller = &identity.caller;
    match table.read(order_id, caller, request.time_left()).await {
        Ok(row) => Ok(row.and_then(|row| row.view(order_id, caller))),
        Err(error) => {
            let gateway_request_id = request.id();
            let (reason, code) = (error.reason(), error.code());
            tracing::warn!(gateway_request_id, reason, code, "the table cannot be read");
            Err(match error {
                TableError::UnreadableRow(_) => Problem::internal(),
                _ => Problem::unavailable(),
            })
        }
    }
}
