//! The orders table by the AWS SDK.
//!
//! The domain (`orders`) knows what a row says and which conditional write is next. This crate
//! knows the rest, which is
//!
//! - the clients with their time-outs and attempts,
//! - the strongly consistent read,
//! - the write, by itself or in a transaction,
//! - and the [errors](TableError), sorted by what a caller must do about them.
//!
//! ```no_run
//! # async fn example(intent: orders::Intent) -> Result<(), orders_table::TableError> {
//! use conditional_write::Answer;
//! use orders::{Step, next_step};
//! use orders_table::{OrdersTable, client_for_writes};
//!
//! let client = client_for_writes(&function_runtime::sdk_config().await);
//! let table = OrdersTable::new(client, "orders");
//! if let Step::Write { write, outcome } = next_step(&intent, None) {
//!     match table.write(intent.order_id, &write, vec![]).await? {
//!         Answer::Done => println!("{outcome:?}"),
//!         Answer::Refused(row) => { /* ask `next_step` again, with the row */ }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod read;
mod write;

pub use client::{client_for_reads, client_for_writes};
pub use error::TableError;

/// The table of order rows.
#[derive(Clone, Debug)]
pub struct OrdersTable {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl OrdersTable {
    /// The table of this name, by this client.
    #[must_use]
    pub fn new(client: aws_sdk_dynamodb::Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }
}
