//! The lock as its users see it, with the real SDK client over the in-process model of DynamoDB.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod commit;
mod commit_once;
mod fencing;
mod hiccup;
mod identity;
mod log;
mod names;
mod outcomes;
mod recipe;
mod schedules;
mod time;
mod wire;
mod world;
