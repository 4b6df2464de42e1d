//! The fate of records. The consumer runs with the real SDK client over the in-process model of
//! AWS.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod environment;
mod expressions;
mod invoice;
mod lock;
mod poison;
mod requests;
mod world;
