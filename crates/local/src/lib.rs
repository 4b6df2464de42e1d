//! The whole order service on one machine, without Docker or an AWS account.
//!
//! The real function binaries run behind Lambda's Runtime API, with an HTTP API in front. Kinesis,
//! DynamoDB and SQS run in process. Lambda's poller takes the records from the stream to the
//! consumer.
//!
//! ```text
//! client ─▶ gateway ─▶ lambda (api) ─▶ aws: Kinesis ─▶ mapping ─▶ lambda (consumer) ─▶ aws: DynamoDB
//!              │                                         └─▶ aws: SQS, for discards           ▲
//!              └─────▶ lambda (reader) ───────────────────────────────────────────────────────┘
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`gateway`] | HTTP in, an event in payload format 2.0, HTTP out |
//! | [`lambda`] | functions, their processes, the Runtime API, the function log |
//! | [`mapping`] | the poller from the stream to the function, and the lines that it prints |
//! | [`aws`] | the AWS APIs on one port, and the control of the stack beside them |
//! | [`servers`] | the HTTP server of every port |
//!
//! [`stack`] starts all of it from [`options`] and [`settings`], and [`watchdog`] makes sure that
//! no process is left behind. [`console`] prints the lines, and [`banner`] has the first of them.

pub mod aws;
pub mod banner;
pub mod console;
pub mod gateway;
pub mod lambda;
pub mod mapping;
pub mod options;
pub mod resources;
pub mod servers;
pub mod settings;
pub mod stack;
pub mod watchdog;
