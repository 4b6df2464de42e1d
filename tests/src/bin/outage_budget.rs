//! The command behind `make outage-budget`. With the shipped settings it measures how long the
//! table may be away before the first record is discarded.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::time::Duration;

use clap::Parser;
use indicatif::ProgressBar;
use tests::{Clients, ORDER, Stack, eventually_within};
use tokio::time::Instant;

/// Measures how long the table may be away before the first record is discarded.
///
/// Starts a stack with the shipped settings, takes the table away, and waits for the discard. This
/// takes about two minutes.
#[derive(Parser)]
#[command(name = "outage-budget", verbatim_doc_comment)]
struct Options {}

#[tokio::main]
async fn main() {
    let Options {} = Options::parse();
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.fault("dynamodb", "ThrottlingException", 3_600).await;
    clients.submit(None, ORDER).await;
    let began = Instant::now();
    let bar =
        ProgressBar::new_spinner().with_message("waiting for the first discard, about two minutes");
    bar.enable_steady_tick(Duration::from_millis(200));
    let state = eventually_within(Duration::from_secs(600), "a discard", || async {
        let state = stack.state().await;
        (state["mapping"]["counters"]["records_discarded"] == 1).then_some(state)
    })
    .await;
    let lasted = began.elapsed().as_secs();
    bar.finish_and_clear();
    let invocations = &state["mapping"]["counters"]["invocations"];
    let calls = &state["faults"]["hits"][0]["calls"];
    println!(
        "discarded after {lasted} s, {invocations} invocations and {calls} calls to the table"
    );
}
