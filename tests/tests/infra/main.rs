//! What `infra/` deploys is what the code is: its settings, its environment, its routes, its calls,
//! its log lines, its time limits, an entry of the runbook for each alarm, and what the documents
//! say of it. What Terraform itself can check is in `infra/tests`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod alarms;
mod calls;
mod environment;
mod logs;
mod prices;
mod routes;
mod settings;
mod source;
