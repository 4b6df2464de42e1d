//! Black-box tests of the whole service. This library starts the service in its own processes, as a
//! user does, or deploys it to LocalStack or AWS. It talks to the service over HTTP and through
//! AWS's SDK.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is test code: a panic is the report"
)]

mod audit;
mod binaries;
mod clients;
mod deployment;
mod evidence;
mod facts;
mod http;
pub mod output;
mod stack;
mod target;

pub use crate::http::Answer;
pub use audit::{Accepted, Audit};
pub use binaries::{function, repository};
pub use clients::{Call, Clients, Told, What};
pub use evidence::{Discarded, Evidence, StreamRecord, records, rows};
pub use facts::{FactsAudit, FactsEvidence};
pub use stack::{QUEUE, STREAM, Stack, StackOptions, TABLE};
pub use target::Target;

use std::time::Duration;

use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Timestamp};
use tokio::time::{Instant, sleep};

/// An order within every limit.
pub const ORDER: &str = r#"{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}"#;

/// An order that differs from every other by its number.
#[must_use]
pub fn order(number: usize) -> String {
    format!(
        r#"{{"customer_id": "c-{number}", "currency": "EUR", "items": [{{"sku": "A-{number}", "quantity": 1, "unit_price": 1299}}]}}"#
    )
}

/// The intent of submitting an order to a new id, as the API would make the intent.
///
/// # Panics
/// If the order breaks a rule.
#[must_use]
pub fn submit_intent(order: &str) -> Intent {
    let random = || uuid::Uuid::new_v4().into_bytes();
    Intent::submit(
        IntentId::from_random(random()),
        OrderId::from_random(random()),
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        Caller::anonymous(),
        NewOrder::parse(order.as_bytes()).unwrap(),
    )
}

/// A fresh `Idempotency-Key`.
#[must_use]
pub fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Asks again and again until there is a value.
///
/// # Panics
/// If there is no value within a minute. The message has `what`, which names the awaited event.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl FnMut() -> F,
) -> T {
    eventually_within(Duration::from_secs(60), what, look).await
}

/// Asks again and again until there is a value.
///
/// # Panics
/// If there is no value within this time. The message has `what`, which names the awaited event.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let give_up = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        let waited = patience.as_secs();
        assert!(Instant::now() < give_up, "{waited} s passed without {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
