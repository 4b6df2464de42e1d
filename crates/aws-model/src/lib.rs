//! An in-process model of the AWS services that the order service uses: Kinesis Data Streams and
//! SQS (ours, the part that the service and ordinary clients need) and DynamoDB (from `dynoxide`).
//!
//! [`Aws`] is the whole model behind one call, [`Aws::call`]: synchronous, without a thread or task
//! of its own. Time and randomness come from what it was given, with two exceptions that lie in
//! dynoxide: a table's creation date and the ten minutes for which a `ClientRequestToken` counts go
//! by the machine's clock. On that call stands an SDK HTTP client ([`Aws::http_client`]), so that
//! production code runs against the model in one process with its serialization, retries and
//! timeouts; an HTTP server needs no more than to carry out what a [`Reply`] says.
//!
//! All services speak AWS JSON (Kinesis 1.1, DynamoDB and SQS 1.0), which is what the Rust SDK,
//! boto3 and the AWS CLI send. CBOR (the Java SDK's Kinesis client) and SQS's query protocol are
//! not spoken: their clients, and those of other services, are told so in a form that they can
//! parse ([`Aws::foreign`]). Any credentials are accepted, the account is `000000000000`, and a
//! region is only the name in an ARN: all share one state.
//!
//! ```
//! use aws_model::{Aws, ModelOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let aws = Aws::new(ModelOptions::default())?;
//! aws.kinesis().create_stream("order-intents", 2, 24)?;
//! let client = aws_sdk_kinesis::Client::new(&aws.sdk_config());
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept in memory
//! - Kinesis records until the stream's retention has passed, at most
//!   [`KinesisOptions::shard_capacity_bytes`] a shard: what does not fit is refused as throttled,
//!   and nothing that was accepted is dropped.
//! - SQS messages until they are deleted, or their queue's retention (4 days by default) has
//!   passed.
//! - DynamoDB items until they are deleted, in SQLite in memory.
//! - Faults: at most one for each service and kind, and a counter for each.
//!
//! Iterators and receipt handles leave nothing behind.

mod aws;
pub mod clock;
mod dynamodb;
pub mod event_source;
mod failure;
mod fault;
mod http_client;
mod input;
pub mod kinesis;
mod random;
mod send;
mod service;
pub mod sqs;
mod unsupported;

pub use aws::{Aws, Late, ModelOptions, Reply, StartError, Waiting};
pub use clock::{Clock, ManualClock, TokioClock};
pub use dynamodb::DynamoDb;
pub use failure::Failure;
pub use fault::{
    ActiveFault, AwsError, Fault, FaultError, FaultKind, Faults, MAX_FAULT_SECONDS,
    MAX_SLOWNESS_MILLIS, Silence,
};
pub use kinesis::{Kinesis, KinesisOptions};
pub use send::ConnectionClosed;
pub use service::{ACCOUNT, DEFAULT_REGION, Service};
pub use sqs::Sqs;
