//! The names of the stack's stream, table and queue.

/// The stream that the API writes to and the consumer reads.
pub const STREAM: &str = "order-intents";
/// The table of orders.
pub const TABLE: &str = "orders";
/// The queue that is told of records that were given up.
pub const QUEUE: &str = "order-intents-discarded";
