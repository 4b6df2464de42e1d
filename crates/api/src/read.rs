//! `GET /orders/{id}` shows an order to its owner.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use orders::{OrderId, OrderView};
use orders_table::{OrdersTable, TableError};
use tokio::time::{Instant, sleep};

use crate::Api;
use crate::caller::Identity;
use crate::problem::{Kind, Problem};
use crate::request::Request;
use crate::response::Response;

/// The longest wait, in seconds. A waiting request occupies an execution environment of the
/// function.
pub(crate) const MAX_WAIT: u64 = 5;
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

const PREFER: &str = "prefer";
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

impl Api {
    /// Three cases give the same 404. The order does not exist, it is not stored yet, or it is
    /// somebody else's.
    ///
    /// `Prefer: wait=N` (RFC 7240 §4.3) waits up to N seconds, at most five, for the order to be
    /// there.
    pub(crate) async fn read(
        &self,
        table: &OrdersTable,
        request: &Request<'_>,
        identity: &Identity,
        order_id: OrderId,
    ) -> Result<Response, Problem> {
        let wait = request.header(PREFER).and_then(preferred_wait);
        // The client is told the wait that there is time for.
        let wait = wait.map(|seconds| seconds.min(MAX_WAIT).min(request.time_left().as_secs()));
        let until = Instant::now() + Duration::from_secs(wait.unwrap_or(0));

        let mut found = look(table, request, identity, order_id).await?;
        while found.is_none() && Instant::now() + PAUSE <= until {
            sleep(PAUSE).await;
            found = match look(table, request, identity, order_id).await {
                Ok(found) => found,
                // The first look has answered the question that every request asks. Waiting is an
                // extra.
                Err(_) => break,
            };
        }
        let response = match found {
            Some(view) => Response::json(StatusCode::OK, &view),
            None => {
                let problem = Problem::new(
                    Kind::OrderNotFound,
                    "You have no order with this id, or the order is not stored yet.",
                );
                Response::problem(&problem, request.id())
            }
        };
        Ok(match wait {
            Some(seconds) => {
                let applied = HeaderValue::from_str(&format!("wait={seconds}"));
                response.with(
                    PREFERENCE_APPLIED,
                    applied.map_err(|_| Problem::internal())?,
                )
            }
            None => response,
        })
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

/// N of `wait=N` among the preferences.
fn preferred_wait(preferences: &str) -> Option<u64> {
    preferences.split(',').find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("wait")
            .then(|| seconds(value.trim().trim_matches('"')))?
    })
}

/// A whole number, whose quotes do not matter (RFC 7240 §2). More than 64 bits are as long as the
/// longest wait.
fn seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_found_among_other_preferences() {
        assert_eq!(preferred_wait("wait=3"), Some(3));
        assert_eq!(preferred_wait("wait=\"3\""), Some(3));
        assert_eq!(preferred_wait("wait=99999999999999999999"), Some(u64::MAX));
        assert_eq!(preferred_wait("respond-async, Wait = 10 ; x=y"), Some(10));
        for none in [
            "",
            "wait",
            "wait=soon",
            "wait=-1",
            "await=3",
            "return=minimal",
        ] {
            assert_eq!(preferred_wait(none), None, "{none}");
        }
    }
}
