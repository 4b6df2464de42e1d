//! The command behind `make demo`. It sends a thousand orders at once while everything goes wrong
//! that usually does. Then it accounts for each order, and for each fact that other services are
//! told. Every figure comes from the responses, the streams, the tables and the queue.

#![expect(clippy::print_stdout, reason = "a command for people")]

mod account;
mod disasters;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures::{StreamExt as _, stream};
use indicatif::ProgressBar;
use serde_json::Value;
use tests::{Clients, FactsEvidence, Stack, key, order};

use account::{account, judge};
use disasters::{Disasters, Refused, disturb};

const ORDERS: usize = 1_000;
/// One order in this many is sent a second time under its key.
const TWICE: usize = 10;
/// One order in this many is cancelled.
const CANCELLED: usize = 25;
/// One order in this many is followed by a request that breaks a rule.
const INVALID: usize = 50;
/// The number of records in the stream that are not intents.
const POISON: usize = 3;
const AT_ONCE: usize = 50;
/// How long the facts may take after the orders are persisted.
const LATEST_FACT: Duration = Duration::from_secs(120);

/// Sends a thousand orders while everything goes wrong that usually does, and accounts for each.
///
/// Uses the stack that `make run` has started, or starts a stack if none answers.
/// The exit code is 1 if anything is lost or doubled.
#[derive(Parser)]
#[command(name = "demo", verbatim_doc_comment)]
struct Options {
    /// The port of the stack's HTTP API
    #[arg(long, env, default_value_t = 3000)]
    port: u16,
    /// The port of the stack's AWS APIs
    #[arg(long, env, default_value_t = 4566)]
    aws_port: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { port, aws_port } = Options::parse();
    let running = Stack::running(port, aws_port);
    let stack = if running.answers().await {
        println!("Using the stack on port {port}. Its console shows what it does.");
        running
    } else {
        println!("Starting a stack, because none answers on port {port}.");
        println!("To see what a stack does, run `make run` in another terminal, then `make demo`.");
        let stack = Stack::start().await;
        let (port, aws_port) = (stack.port(), stack.aws_port());
        println!("The stack has port {port} for HTTP, and {aws_port} for the AWS APIs.");
        stack
    };
    println!("\n{ORDERS} orders. Of these");
    println!("  {:>4} are sent twice, under one key,", ORDERS / TWICE);
    println!("  {:>4} are cancelled, and", ORDERS / CANCELLED);
    println!(
        "  {:>4} are followed by an invalid request.",
        ORDERS / INVALID
    );

    println!("\nThe disasters meanwhile");
    let clients = Clients::of(&stack).await;
    let before = FactsEvidence::gather(&stack).await;
    let refused_before = Refused::by(&stack).await;
    let disasters = Disasters::new();
    tokio::join!(
        submit(&clients, &disasters.bar),
        disturb(&stack, &disasters)
    );
    drain(&stack, &disasters.bar).await;
    disasters.bar.set_prefix("announcing");
    disasters.bar.set_message("facts");
    let facts = stack.facts_settled_since(&before, LATEST_FACT).await;
    disasters.bar.finish_and_clear();
    let audit = clients.audit().await;
    let refused = Refused::by(&stack).await.since(refused_before);
    disasters.account(refused);
    account(&audit, &facts);
    judge(&audit, &facts, disasters.began.elapsed())
}

async fn submit(clients: &Clients<'_>, bar: &ProgressBar) {
    let orders = stream::iter(0..ORDERS).map(async |number| {
        let key = key();
        let order_id = submit_until_known(clients, &key, number).await;
        if number % TWICE == 0 {
            submit_until_known(clients, &key, number).await;
        }
        if number % CANCELLED == 0 {
            while clients.cancel(&order_id).await.status != 202 {}
        }
        if number % INVALID == 0 {
            let invalid = order(number).replace("EUR", "eur");
            clients.submit(None, &invalid).await;
        }
        bar.inc(1);
    });
    orders.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// Submits an order as a good client does. The client tries again under its key until it is told
/// 202.
async fn submit_until_known(clients: &Clients<'_>, key: &str, number: usize) -> String {
    loop {
        let answer = clients.submit(Some(key), &order(number)).await;
        if answer.status == 202 {
            return answer.text("order_id").to_owned();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until all records of the stream are applied or discarded.
async fn drain(stack: &Stack, bar: &ProgressBar) {
    let drained = stack.drained();
    let show = async {
        bar.set_prefix("persisting");
        bar.set_message("records");
        loop {
            let state = stack.state().await;
            let (stream, mapping) = (&state["stream"], &state["mapping"]);
            let sum = |place: &Value, field: &str| {
                let shards = place["shards"].as_array().into_iter().flatten();
                let values = shards.filter_map(|shard| shard[field].as_u64());
                values.sum::<u64>()
            };
            let read = mapping["counters"]["records_read"].as_u64();
            let unfinished = sum(mapping, "unfinished_records");
            bar.set_length(sum(stream, "records"));
            bar.set_position(read.unwrap_or_default().saturating_sub(unfinished));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = show => {}
    }
}
