//! The specification of the mapping: what AWS documents, what was recorded on AWS, what is assumed,
//! and the laws that hold whatever happens. Sources are marked: `[D]` documented, `[R]` recorded on
//! AWS, `[I]` inferred.
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
