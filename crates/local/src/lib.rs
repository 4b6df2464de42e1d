//! The whole order service on one machine, without Docker or an AWS account: the real function binaries behind Lambda's
//! Runtime API, an HTTP API in front, Kinesis, DynamoDB and SQS in process, and Lambda's poller between them.

pub mod console;
pub mod execution_environment;
pub mod front_door;
pub mod function;
pub mod function_log;
pub mod gateway_event;
pub mod gateway_response;
pub mod http_server;
pub mod options;
pub mod runtime_api;
pub mod settings;
pub mod watchdog;
