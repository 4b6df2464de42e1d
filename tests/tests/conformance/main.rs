//! The behaviour of AWS's own APIs that production code and the lease lock rely on, which is each
//! call, limit and error code. The tests use the clients of the functions. They pass on the
//! embedded models, on LocalStack and on AWS (docs/testing.md lists the differences).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod change_streams;
mod dynamodb;
mod kinesis;
mod leases;
mod sqs;
mod transactions;

use std::time::Duration;

use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Timestamp};

/// The time that a call of the api may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time that an answer may take. It is long, because a busy LocalStack may be slow, and the
/// tests check what AWS answers and not how fast.
const SLOWEST_ANSWER: Duration = Duration::from_secs(30);

fn random() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}

fn submit(order_id: OrderId, order: &str) -> Intent {
    Intent::submit(
        IntentId::from_random(random()),
        order_id,
        Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
        Caller::anonymous(),
        NewOrder::parse(order.as_bytes()).unwrap(),
    )
}

/// Ids that no other test has.
fn two_ids() -> [String; 2] {
    [random(), random()].map(|random| OrderId::from_random(random).to_string())
}
