//! The whole order service on one machine, without Docker or an AWS account: the real function
//! binaries behind Lambda's Runtime API, an HTTP API in front, Kinesis, DynamoDB and SQS in
//! process, and Lambda's poller between them.
//!
//! ```text
//! client ─▶ front_door ─▶ function (api) ──▶ aws_port: Kinesis ─▶ poller ─▶ function (consumer) ──▶ aws_port: DynamoDB
//!             gateway_event      │                                  │              │                  discards ─▶ SQS
//!             gateway_response   └─ execution_environment, a process each: runtime_api, function_log
//! ```
//! [`stack`] starts all of it, [`watchdog`] sees to it that nothing is left behind.

pub mod aws;
pub mod banner;
pub mod console;
pub mod gateway;
pub mod lambda;
pub mod mapping;
pub mod options;
pub mod servers;
pub mod settings;
pub mod stack;
pub mod watchdog;
