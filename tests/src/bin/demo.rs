//! `make demo`: a thousand orders at once, with everything going wrong that usually does, and an account of what became of
//! each. Every figure comes from the answers, the stream, the table and the queue.
//!
//! It uses the stack that `make run` has started, or starts one of its own. Exit code 1 if anything is lost or doubled.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tests::{Audit, Clients, Stack, key, order};

const ORDERS: usize = 1_000;
/// One order in so many is sent a second time under its key.
const TWICE: usize = 10;
/// One order in so many is cancelled.
const CANCELLED: usize = 25;
/// One order in so many is followed by a request that breaks a rule.
const INVALID: usize = 50;
const POISON: usize = 3;
const AT_ONCE: usize = 50;

#[tokio::main]
async fn main() -> ExitCode {
    let port = |name: &str, otherwise| {
        let value = std::env::var(name).ok();
        value.map_or(Some(otherwise), |value| value.parse::<u16>().ok())
    };
    let (Some(http), Some(aws)) = (port("PORT", 3000), port("AWS_PORT", 4566)) else {
        eprintln!("demo: PORT and AWS_PORT must be ports");
        return ExitCode::from(2);
    };
    let running = Stack::running(http, aws);
    let stack = if running.answers().await {
        println!("Using the stack on port {http}; look at its console.");
        running
    } else {
        println!(
            "Starting a stack (there is none on port {http}; `make run` in another terminal shows what it does)."
        );
        Stack::start().await
    };
    println!(
        "{ORDERS} orders, {} of them sent twice, {} cancelled, {} invalid requests, {POISON} poison records.\n",
        ORDERS / TWICE,
        ORDERS / CANCELLED,
        ORDERS / INVALID
    );

    let began = Instant::now();
    let clients = Clients::of(&stack).await;
    let bar = ProgressBar::new(ORDERS as u64);
    bar.set_style(style("{prefix:<11} {wide_bar} {pos:>4}/{len} {msg:<42}"));
    bar.set_prefix("submitting");
    tokio::join!(submit(&clients, &bar), disturb(&stack, &bar));
    drain(&stack, &bar).await;
    bar.finish_and_clear();
    let audit = clients.audit().await;
    report(&audit);
    let seconds = began.elapsed().as_secs();
    if audit.lost.is_empty() && audit.doubled.is_empty() && audit.unexplained.is_empty() {
        println!("\nNothing lost, nothing doubled ({seconds} s).");
        ExitCode::SUCCESS
    } else {
        for finding in [&audit.lost, &audit.doubled, &audit.unexplained]
            .into_iter()
            .flatten()
        {
            println!("  {finding}");
        }
        println!("\nTHE PROMISE IS BROKEN ({seconds} s).");
        ExitCode::FAILURE
    }
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

/// What a good client does: under its key it tries again until it is told 202.
async fn submit_until_known(clients: &Clients<'_>, key: &str, number: usize) -> String {
    loop {
        let answer = clients.submit(Some(key), &order(number)).await;
        if answer.status == 202 {
            return answer.text("order_id").to_owned();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What goes wrong meanwhile.
async fn disturb(stack: &Stack, bar: &ProgressBar) {
    let at = async |share: u64| {
        while bar.position() * 100 < share * ORDERS as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    for number in 0..POISON {
        at(10 + 10 * number as u64).await;
        stack.put(&key(), format!("poison {number}")).await;
        bar.set_message(format!("poison record {} put into the stream", number + 1));
    }
    at(40).await;
    stack.fault("dynamodb", "ThrottlingException", 4).await;
    bar.set_message("the table refuses everything for 4 s");
    at(60).await;
    let killed = stack.disturb("consumer", "kill").await;
    bar.set_message(format!("kill -9 of {killed} consumers"));
    at(90).await;
    let killed = stack.disturb("consumer", "kill").await;
    bar.set_message(format!("kill -9 of {killed} consumers, again"));
}

/// Waits until all that was put is applied or discarded.
async fn drain(stack: &Stack, bar: &ProgressBar) {
    let drained = stack.drained();
    let show = async {
        bar.set_prefix("persisting");
        bar.set_message("waiting for the stream to be worked off");
        loop {
            let state = stack.state().await;
            let (stream, mapping) = (&state["stream"], &state["mapping"]);
            let sum = |place: &Value, field: &str| {
                let shards = place["shards"].as_array().into_iter().flatten();
                shards
                    .filter_map(|shard| shard[field].as_u64())
                    .sum::<u64>()
            };
            let read = mapping["counters"]["records_read"]
                .as_u64()
                .unwrap_or_default();
            bar.set_length(sum(stream, "records"));
            bar.set_position(read.saturating_sub(sum(mapping, "unfinished_records")));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = show => {}
    }
}

fn report(audit: &Audit) {
    let lines = [
        ("accepted (202)", audit.accepted),
        ("  orders persisted", audit.persisted),
        ("  of these cancelled", audit.cancelled),
        ("  duplicates absorbed", audit.absorbed),
        ("rejected (4xx)", audit.turned_away),
        ("unavailable (5xx), sent again", audit.unavailable),
        ("poison discarded to the queue", audit.poison_discarded),
        ("orders discarded to the queue", audit.recoverable.len()),
        ("lost", audit.lost.len()),
        ("doubled", audit.doubled.len() + audit.unexplained.len()),
    ];
    for (what, count) in lines {
        println!("  {what:<31} {count:>6}");
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
