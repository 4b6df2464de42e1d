//! `make outage-budget`: how long the table may be away, with the settings shipped, before the first record is discarded.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::time::Duration;

use indicatif::ProgressBar;
use tests::{Clients, ORDER, Stack, eventually_within};
use tokio::time::Instant;

#[tokio::main]
async fn main() {
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
