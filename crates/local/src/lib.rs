//! The whole order service on one machine, without Docker or an AWS account: the real function
//! binaries behind Lambda's Runtime API, an HTTP API in front, Kinesis, DynamoDB and SQS in
//! process, and Lambda's poller between them.
//!
//! ```text
//! client ─▶ gateway ─▶ lambda (api) ─▶ aws: Kinesis ─▶ mapping ─▶ lambda (consumer) ─▶ aws: DynamoDB
//!                                                        └─▶ aws: SQS, for discards
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`gateway`] | HTTP in, an event in payload format 2.0, HTTP out |
//! | [`lambda`] | functions, their processes, the Runtime API, the function log |
//! | [`mapping`] | the poller from the stream to the function, and the lines that it prints |
//! | [`aws`] | the AWS APIs on one port, and the control of the stack beside them |
//! | [`servers`] | the HTTP server of every port |
//!
//! [`stack`] starts all of it from [`options`] and [`settings`], and [`watchdog`] sees to it that
//! no process is left behind. [`console`] prints the lines, and [`banner`] the first ones.

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
