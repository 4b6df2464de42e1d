//! The model's promises, as AWS SDK clients, the wire and code in the same process see them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod change_stream;
mod dynamodb;
mod dynamodb_streams;
mod event_source;
mod faults;
mod kinesis;
mod kinesis_limits;
mod kinesis_properties;
mod kinesis_recorded;
mod kinesis_resharding;
mod members;
mod protocols;
mod sqs;
mod support;
mod wire;
