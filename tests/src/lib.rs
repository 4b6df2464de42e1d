//! Black-box tests of the whole service: this library starts it as a user does, as processes of its own, and talks to
//! it over HTTP and through AWS's SDK.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is test code: a panic is the report"
)]

mod http;
mod stack;

pub use crate::http::Answer;
pub use stack::{QUEUE, STREAM, Stack, StackOptions, TABLE, function, repository};

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// An order within every limit.
pub const ORDER: &str = r#"{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}"#;

/// Asks again and again until there is a value.
///
/// # Panics
/// If there is none within a minute: `what` says what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < give_up, "a minute passed without {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
