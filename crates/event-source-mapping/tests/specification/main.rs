//! The specification of the mapping. It has the behaviour that AWS documents, that was recorded on
//! AWS, or that is assumed, and the laws that always hold. A mark names the source of a rule.
//!
//! - `[D]` is documented.
//! - `[R]` was recorded on AWS.
//! - `[I]` is inferred.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test reports, also from a function that is not a test itself"
)]

mod batching;
mod destinations;
mod discarding;
mod driver;
mod dynamodb;
mod handover;
mod history;
mod introspection;
mod laws;
mod metrics;
mod reading;
mod recordings;
mod resharding;
mod retrying;
mod stopping;
mod updating;
