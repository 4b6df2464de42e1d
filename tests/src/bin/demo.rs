//! `make demo`: a thousand orders at once, with everything going wrong that usually does, and an
//! account of what became of each. Every figure comes from the answers, the stream, the table and
//! the queue.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt as _, stream};
use indicatif::ProgressBar;
use serde_json::Value;
use tests::output::{broken, kept, progress};
use tests::{Audit, Clients, Stack, key, order};

const ORDERS: usize = 1_000;
/// One order in so many is sent a second time under its key.
const TWICE: usize = 10;
/// One order in so many is cancelled.
const CANCELLED: usize = 25;
/// One order in so many is followed by a request that breaks a rule.
const INVALID: usize = 50;
const POISON: usize = 3;
const OUTAGE_SECONDS: u64 = 4;
const AT_ONCE: usize = 50;

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
        println!("Using the stack on port {port}; look at its console.");
        running
    } else {
        println!("Starting a stack, since none answers on port {port}.");
        println!("`make run` in another terminal, and then `make demo`, shows what a stack does.");
        Stack::start().await
    };
    println!("\n{ORDERS} orders. Of these");
    println!("  {:>4} are sent twice, under one key,", ORDERS / TWICE);
    println!("  {:>4} are cancelled, and", ORDERS / CANCELLED);
    println!(
        "  {:>4} are followed by an invalid request.",
        ORDERS / INVALID
    );

    println!("\nWhat goes wrong meanwhile");
    let clients = Clients::of(&stack).await;
    let refused_before = calls_refused(&stack).await;
    let disasters = Disasters::new();
    tokio::join!(
        submit(&clients, &disasters.bar),
        disturb(&stack, &disasters)
    );
    drain(&stack, &disasters.bar).await;
    disasters.bar.finish_and_clear();
    let audit = clients.audit().await;
    let refused = calls_refused(&stack).await - refused_before;
    disasters.account(refused);
    account(&audit);
    judge(&audit, disasters.began.elapsed())
}

/// A disaster. It is said in the present while it happens, and in the past in the end.
#[derive(Clone, Copy)]
enum Disaster {
    /// So many poison records are in the stream with this one.
    Poison(usize),
    Outage,
    /// So many processes are killed.
    Kill(usize),
}

impl Disaster {
    fn happens(self) -> String {
        match self {
            Self::Poison(number) => {
                format!(
                    "a record that is not an intent is put into the stream ({number} of {POISON})"
                )
            }
            Self::Outage => format!("the table refuses every call for {OUTAGE_SECONDS} s"),
            Self::Kill(count) => format!("all {count} consumer processes are killed (kill -9)"),
        }
    }

    fn happened(self, refused: u64) -> String {
        match self {
            Self::Poison(number) => {
                format!(
                    "a record that is not an intent was put into the stream ({number} of {POISON})"
                )
            }
            Self::Outage => format!(
                "the table refused every call for {OUTAGE_SECONDS} s: {refused} calls were refused"
            ),
            Self::Kill(count) => format!("all {count} consumer processes were killed (kill -9)"),
        }
    }
}

/// The calls of the table's that a fault was injected into so far.
async fn calls_refused(stack: &Stack) -> u64 {
    let state = stack.state().await;
    let hits = state["faults"]["hits"].as_array().into_iter().flatten();
    let of_the_table = hits.filter(|hit| hit["service"] == "dynamodb");
    of_the_table.filter_map(|hit| hit["calls"].as_u64()).sum()
}

/// What goes wrong: said while it happens, and again in the end.
struct Disasters {
    began: Instant,
    bar: ProgressBar,
    happened: Mutex<Vec<(Duration, Disaster)>>,
}

impl Disasters {
    fn new() -> Self {
        let bar = progress(
            ORDERS as u64,
            "{prefix:<11} [{bar:50}] {pos:>5}/{len} {msg}",
        );
        bar.set_prefix("submitting");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            began: Instant::now(),
            bar,
            happened: Mutex::default(),
        }
    }

    /// Waits until so many per cent of the orders are accepted.
    async fn wait_for(&self, per_cent: u64) {
        while self.bar.position() * 100 < per_cent * ORDERS as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn happens(&self, disaster: Disaster) {
        let after = self.began.elapsed();
        self.bar.suspend(|| said(after, &disaster.happens()));
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        happened.push((after, disaster));
    }

    fn account(&self, refused: u64) {
        println!("\nWhat went wrong");
        let happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        for (after, disaster) in happened.iter() {
            said(*after, &disaster.happened(refused));
        }
    }
}

fn said(after: Duration, what: &str) {
    let (seconds, tenth) = (after.as_secs(), after.subsec_millis() / 100);
    println!("  {seconds:>4}.{tenth} s  {what}");
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

/// Lets go wrong what usually does.
async fn disturb(stack: &Stack, disasters: &Disasters) {
    for number in 1..=POISON {
        disasters.wait_for(10 * number as u64).await;
        stack.put(&key(), format!("poison {number}")).await;
        disasters.happens(Disaster::Poison(number));
    }
    disasters.wait_for(40).await;
    let error = "ThrottlingException";
    stack.fault("dynamodb", error, OUTAGE_SECONDS).await;
    disasters.happens(Disaster::Outage);
    for per_cent in [60, 90] {
        disasters.wait_for(per_cent).await;
        let killed = stack.disturb("consumer", "kill").await;
        disasters.happens(Disaster::Kill(killed));
    }
}

/// Waits until all that was put is applied or discarded.
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

/// Prints a sum and its summands, so that the reader can check it.
fn equation(sum: (&str, usize), summands: &[(&str, usize)]) {
    println!("  {:<38} {:>6}", sum.0, sum.1);
    for (place, (what, count)) in summands.iter().enumerate() {
        let sign = if place == 0 { '=' } else { '+' };
        println!("    {sign} {what:<34} {count:>6}");
    }
}

/// The calls of the clients, whatever they were told.
fn calls(audit: &Audit) -> usize {
    audit.accepted + audit.turned_away + audit.unavailable
}

fn account(audit: &Audit) {
    println!("\nWhat became of the requests");
    equation(
        ("requests", calls(audit)),
        &[
            ("accepted (202)", audit.accepted),
            ("rejected (4xx)", audit.turned_away),
            ("unavailable (5xx), sent again", audit.unavailable),
        ],
    );
    println!("\nWhat became of what was accepted");
    let became = audit.became;
    let summands = [
        ("orders persisted", became.persisted),
        ("duplicates absorbed", became.repeated),
        ("cancels applied", became.cancels),
        ("cancels repeated", became.cancels_repeated),
        ("discarded, to be put back", became.discarded),
        ("lost", became.lost),
    ];
    // A place where nothing is is told only where something could be missed.
    let is_told = |(what, count): &(&str, usize)| *count > 0 || *what == "lost";
    let summands: Vec<_> = summands.into_iter().filter(is_told).collect();
    equation(("accepted (202)", audit.accepted), &summands);
    println!("\nWhat became of the rest");
    equation(
        ("records that are not intents", POISON),
        &[("discarded, named by the queue", audit.poison_discarded)],
    );
    let doubled = audit.doubled.len() + audit.unexplained.len();
    println!("  {:<38} {doubled:>6}", "doubled");
}

fn judge(audit: &Audit, took: Duration) -> ExitCode {
    let seconds = took.as_secs();
    let mut findings: Vec<String> = [&audit.lost, &audit.doubled, &audit.unexplained]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    if audit.became.sum() != audit.accepted {
        findings.push("the calls that were accepted are not the sum of what became of them".into());
    }
    if audit.poison_discarded != POISON {
        findings.push("the queue does not name every record that is not an intent".into());
    }
    if findings.is_empty() {
        let verdict = format!("Nothing lost, nothing doubled ({seconds} s).");
        println!("\n{}", kept(verdict));
        return ExitCode::SUCCESS;
    }
    println!();
    for finding in findings {
        println!("  {finding}");
    }
    println!(
        "{}",
        broken(format!("THE PROMISE IS BROKEN ({seconds} s)."))
    );
    ExitCode::FAILURE
}
