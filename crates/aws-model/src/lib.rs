//! An in-process model of the AWS services that the order service uses.
//!
//! - Kinesis Data Streams and SQS are this crate's own code. They have the part that the service
//!   and ordinary clients need.
//! - DynamoDB comes from `dynoxide`. The change streams of tables and their API, DynamoDB Streams,
//!   are this crate's own code.
//!
//! [`Aws`] is the whole model behind one call, [`Aws::call`]. The call is synchronous and uses no
//! thread or task besides the caller's. The model takes time and randomness from its
//! [`ModelOptions`]. Two times go by the machine's clock instead, because they lie in dynoxide.
//! They are a table's creation date and the ten minutes for which a `ClientRequestToken` counts.
//!
//! An SDK HTTP client ([`Aws::http_client`]) makes that call. So production code runs against the
//! model in one process, with its serialization, retries and timeouts. An HTTP server only has to
//! carry out the [`Reply`].
//!
//! All services speak AWS JSON (Kinesis 1.1, the others 1.0), which the Rust SDK, boto3 and
//! the AWS CLI send. The model does not speak CBOR (the Java SDK's Kinesis client) or SQS's query
//! protocol. Clients of these protocols and of other services get a refusal in a form that they can
//! parse ([`Aws::foreign`]). Any credentials are accepted, and the account is `000000000000`. All
//! regions share one state, because a region is only the name in an ARN.
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
//! # Kept in memory
//! - Kinesis records until the stream's retention has passed, at most
//!   [`KinesisOptions::shard_capacity_bytes`] a shard. A record that does not fit is refused as
//!   throttled, and no accepted record is dropped.
//! - SQS messages until they are deleted, or their queue's retention (4 days by default) has
//!   passed.
//! - DynamoDB items until they are deleted, in SQLite in memory.
//! - The records of a table's change stream for 24 hours, if the table has one, at most
//!   [`CHANGE_STREAM_CAPACITY_BYTES`] a table. Beyond that, writes to the table are refused as
//!   throttled.
//! - Faults and counters of hits, at most one of each for each service and kind.
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
mod resource;
mod send;
mod service;
pub mod sqs;
mod unsupported;
mod violations;

pub use aws::{Aws, Late, ModelOptions, Reply, StartError, Waiting};
pub use clock::{Clock, ManualClock, TokioClock};
pub use dynamodb::{CHANGE_STREAM_CAPACITY_BYTES, ChangePosition, DynamoDb, ReadChanges};
pub use failure::Failure;
pub use fault::{
    ActiveFault, AwsError, Fault, FaultError, FaultKind, Faults, MAX_FAULT_SECONDS,
    MAX_SLOWNESS_MILLIS, Silence,
};
pub use kinesis::{Kinesis, KinesisOptions};
pub use send::ConnectionClosed;
pub use service::{ACCOUNT, DEFAULT_REGION, Service};
pub use sqs::Sqs;
