//! The domain. It has the orders, the intents that change them, and the order row as a set of
//! write-once registers.
//!
//! This crate is pure. It knows no AWS SDK, no clock, no source of randomness and no runtime.
//! Bytes, identifiers and times come in as values. The result is plain data that the functions turn
//! into one call. So everything that decides about money is tested without a network.
//!
//! An order takes this path through the crate:
//!
//! 1. [`NewOrder::parse`] turns a request body into a valid order, or names everything that is
//!    wrong with it. [`parse_batch`] does this for a batch of orders.
//! 2. [`Intent::encode`] writes the event that goes into the stream. [`Intent::decode`] reads it
//!    back and tells a sound event from [`Poison`].
//! 3. [`next_step`] says which conditional [`Write`](conditional_write::Write) applies an intent,
//!    and reads off the row of a refused one what became of it.
//! 4. [`Row::view`] is what the order's owner sees.
//! 5. [`Fact::announced_by`] names the facts that a change of the row announces to other services,
//!    and [`FactEvent::encode`] writes them as events.
//!
//! ```
//! use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Outcome, Row, Step, Timestamp, next_step};
//!
//! let body = br#"{"customer_id": "c-1", "currency": "EUR",
//!                 "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}"#;
//! let order = NewOrder::parse(body)?;
//! assert_eq!(order.total(), 2598);
//!
//! let intent = Intent::submit(
//!     IntentId::from_random([1; 16]),
//!     OrderId::from_random([2; 16]),
//!     Timestamp::parse("2026-11-22T05:00:00.000Z").ok_or("time")?,
//!     Caller::anonymous(),
//!     order,
//! );
//! let delivered = Intent::decode(&intent.encode())?;
//!
//! // Nothing is known of the row, so the first step is the write that creates it …
//! let Step::Write { write, .. } = next_step(&delivered, None) else { unreachable!() };
//! let item = write.apply_to(None)?;
//! // … and a redelivery reads off the row that it is done.
//! let row = Row::from_item(&item)?;
//! assert_eq!(next_step(&delivered, Some(&row)), Step::Done(Outcome::AlreadyApplied));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod caller;
mod cloud_event;
mod content;
mod currency;
mod fact;
mod fingerprint;
mod id;
mod intent;
mod json;
mod order;
mod poison;
mod row;
#[cfg(test)]
mod schema;
mod step;
mod timestamp;
mod trace_parent;
mod view;
mod violation;

pub use batch::{MAX_ORDERS_OF_BATCH, parse_batch};
pub use caller::Caller;
pub use fact::{Cancelled, Conflicted, Created, Erased, Fact, FactEvent};
pub use fingerprint::Fingerprint;
pub use id::{IdempotencyKey, IntentId, OrderId};
// `intent.rs` lists the kinds of intents and their registers.
pub use intent::*;
pub use order::{LineItem, NewOrder, ParseError};
pub use poison::Poison;
pub use row::{Row, UnreadableRow};
pub use step::{Conflict, Outcome, Step, next_step};
pub use timestamp::Timestamp;
pub use trace_parent::TraceParent;
pub use view::{OrderView, Status};
pub use violation::{Code, Violation};
