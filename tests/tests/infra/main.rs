//! The agreement of `infra/` with the code and the documents. Terraform's own tests are in
//! `infra/tests`. The tests here compare these parts.
//!
//! - The settings, the environment and the time limits of the functions
//! - The routes, the calls and the log lines
//! - The alarms with their sections of the runbook
//! - The prices and the sizes of rows in the documents

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod alarms;
mod calls;
mod environment;
mod facts;
mod logs;
mod operator;
mod prices;
mod routes;
mod rows;
mod settings;
mod source;
