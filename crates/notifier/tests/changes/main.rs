//! Changes of order rows go in, and facts and their marks come out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod announcing;
mod facts;
mod outages;
mod requests;
mod world;
