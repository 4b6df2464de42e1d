//! The whole order service on one machine, without Docker or an AWS account: the real function binaries behind Lambda's
//! Runtime API, an HTTP API in front, Kinesis, DynamoDB and SQS in process, and Lambda's poller between them.
//!
//! ```text
//! client ─▶ front_door ─▶ function (api) ──▶ aws_port: Kinesis ─▶ poller ─▶ function (consumer) ──▶ aws_port: DynamoDB
//!             gateway_event      │                                  │              │                  discards ─▶ SQS
//!             gateway_response   └─ execution_environment, a process each: runtime_api, function_log
//! ```
//! [`stack`] starts all of it, [`watchdog`] sees to it that nothing is left behind.

pub mod aws_port;
pub mod banner;
pub mod calls;
pub mod console;
pub mod control;
pub mod execution_environment;
mod extensions_api;
pub mod foreign;
pub mod front_door;
pub mod function;
pub mod function_log;
pub mod gateway_event;
pub mod gateway_response;
pub mod http_server;
pub mod mapping_log;
pub mod options;
pub mod poller;
mod process_tree;
pub mod runtime_api;
pub mod settings;
pub mod stack;
pub mod watchdog;
