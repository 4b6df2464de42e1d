//! Every answer of the API, by the real SDK clients over the in-process model of AWS.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod batch;
mod callers;
mod cancel;
mod entries;
mod events;
mod fairness;
mod faults;
mod hot_shard;
mod openapi;
mod read;
mod serves;
mod submit;
mod world;
