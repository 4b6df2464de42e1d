//! The command behind `make load`. It sends a steady rate of orders, and measures the cost of a
//! fact. It compares the latency of submits with and without readers that wait. Then it sends a
//! rising rate until a request is late or not accepted.
//!
//! A latency counts from the time when the request was due, not from the time when it could be
//! sent. An order counts as persisted only if it is in the table.

#![expect(clippy::print_stdout, reason = "a command for people")]

mod facts;
mod readers;
mod run;
mod usage;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use tests::output::broken;
use tests::{FactsEvidence, Stack};

use facts::FactsCost;
use readers::{Beside, LIMIT};
use run::{Run, breaks_no_promise, percentile};
use usage::{Usage, usage};

/// The most tries of a step in the search for the highest rate. A step needs several tries, because
/// a shared machine is away for a second now and then.
const TRIES: usize = 3;
/// The per cent of the processors that other machines may take. If they take more, latencies are
/// the host's.
const MUCH_STOLEN: u64 = 5;
/// How long the facts may take after the orders are persisted.
const LATEST_FACT: Duration = Duration::from_secs(120);

/// Measures latencies at a steady rate of orders, the cost of a fact, latencies beside readers that
/// wait, and the highest rate at which each order is accepted.
///
/// Starts its own stacks. The exit code is 1 if anything is lost or doubled, or if readers that
/// wait slow submits down beyond the limit.
#[derive(Parser)]
#[command(name = "load", verbatim_doc_comment)]
struct Options {
    /// The steady rate, in orders a second
    #[arg(long, env, default_value = "200", value_parser = above_zero())]
    rate: u64,
    /// The duration of the steady rate, in seconds
    #[arg(long, env, default_value = "60", value_parser = above_zero())]
    seconds: u64,
    /// The number of readers that wait at the same time
    #[arg(long, env, default_value = "60", value_parser = above_zero())]
    readers: u64,
    /// The only part to measure
    #[arg(long, env, value_enum)]
    only: Option<Part>,
}

/// A part of the measurement.
#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Latencies at a steady rate
    Steady,
    /// The cost of a fact
    Facts,
    /// Latencies of submits beside readers that wait, and without them
    Readers,
    /// The highest rate at which each order is accepted
    Highest,
}

impl Part {
    /// Measures the part. Returns true if the promise was kept.
    async fn measure(self, rate: u64, seconds: u64, readers: u64) -> bool {
        match self {
            Self::Steady => steady(rate, seconds).await,
            Self::Facts => facts().await,
            Self::Readers => beside_readers(rate, readers).await,
            Self::Highest => highest().await,
        }
    }
}

fn above_zero() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options {
        rate,
        seconds,
        readers,
        only,
    } = Options::parse();
    let parts = only.map_or_else(|| Part::value_variants().to_vec(), |part| vec![part]);
    let mut is_kept = true;
    for part in parts {
        is_kept &= part.measure(rate, seconds, readers).await;
    }
    if is_kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures a steady rate. Returns true if the promise was kept.
async fn steady(rate: u64, seconds: u64) -> bool {
    let stack = Stack::start().await;
    // The first requests start the processes, which should not be measured.
    Run::of(&stack, rate, 2).await;
    let before = usage(&stack).await;
    let run = Run::of(&stack, rate, seconds).await;
    let nothing = FactsEvidence::default();
    let facts = stack.facts_settled_since(&nothing, LATEST_FACT).await;
    let after = usage(&stack).await;
    println!("{rate} orders/s for {seconds} s");
    let (audit, lost) = (&run.audit, run.audit.lost.len());
    line(
        "accepted, persisted, lost",
        &format!("{}, {}, {lost}", audit.accepted, audit.persisted),
    );
    line("not accepted", &audit.unavailable.to_string());
    times("request to 202", &run.acknowledged);
    times("in the median second", &run.median_second());
    times("202 to readable", &run.readable);
    let orders = u32::try_from(rate * seconds).unwrap_or(u32::MAX);
    for (process, after) in &after {
        taken(
            process,
            before.get(process).copied().unwrap_or_default(),
            *after,
            orders,
        );
    }
    line("taken by other machines", &share(run.stolen));
    for finding in facts.findings() {
        println!("  {finding}");
    }
    breaks_no_promise(&run.audit) && facts.findings().is_empty()
}

/// Measures the cost of a fact in full batches. Returns true if the promise was kept.
async fn facts() -> bool {
    let cost = FactsCost::measure().await;
    println!("\n{} facts in full batches", cost.facts);
    for (action, calls) in &cost.calls {
        let share = cost.facts_for_each(*calls);
        line(action, &format!("{calls} calls, {share:.1} facts each"));
    }
    let busy = |of| format!("{of:.1?} of processor a fact");
    line("notifier", &busy(cost.notifier));
    line("shipping", &busy(cost.subscriber));
    for finding in &cost.findings {
        println!("  {finding}");
    }
    cost.findings.is_empty()
}

/// Compares submits beside readers that wait with submits without them. Returns true if the promise
/// was kept, and the readers did not slow the submits down beyond the limit.
async fn beside_readers(rate: u64, readers: u64) -> bool {
    let beside = Beside::measure(rate, readers).await;
    println!(
        "\nsubmits beside {readers} waiting readers, {} orders/s",
        beside.rate
    );
    times("without readers", &beside.without.sorted());
    times("with readers", &beside.with.sorted());
    line(
        "not accepted, lost",
        &format!("{}, {}", beside.audit.unavailable, beside.audit.lost.len()),
    );
    let answers = beside.readers.iter();
    let answers: Vec<String> = answers
        .map(|(status, count)| format!("{count} were answered {status}"))
        .collect();
    line("readers", &answers.join(", "));
    let (ratio, median) = (beside.ratio(), beside.ratio_of_median_phases());
    line(
        "p99 with to without",
        &format!("{ratio:.2}, at most {LIMIT}"),
    );
    line("the same, median phases", &format!("{median:.2}"));
    line(
        "without to without",
        &format!("{:.2}, the noise of this run", beside.noise()),
    );
    line("taken by other machines", &share(beside.stolen));
    let is_kept = ratio <= LIMIT && beside.audit.unavailable == 0;
    if !is_kept {
        println!("{}", broken("WAITING READERS SLOW SUBMITS DOWN"));
    }
    breaks_no_promise(&beside.audit) && is_kept
}

/// Looks for the highest rate at which all is accepted in time. Returns true if the promise was
/// kept.
async fn highest() -> bool {
    println!("\nhighest rate, each held for 5 s");
    let mut held = 0;
    for rate in (1..).map(|step| step * 50) {
        let mut tries = 0;
        let run = loop {
            tries += 1;
            let stack = Stack::start().await;
            Run::of(&stack, rate, 2).await;
            let run = Run::of(&stack, rate, 5).await;
            if !breaks_no_promise(&run.audit) {
                return false;
            }
            if run.is_held() || tries == TRIES {
                break run;
            }
        };
        let [half, tail] = [50, 99].map(|percent| percentile(&run.acknowledged, percent));
        let stolen = run.stolen.filter(|stolen| *stolen > MUCH_STOLEN);
        println!(
            "  {rate:>5}/s  p50 {half:>5} ms  p99 {tail:>5} ms  {:<14} {}",
            bar(tail),
            stolen.map_or(String::new(), |stolen| format!(
                "other machines took {stolen} %"
            ))
        );
        if !run.is_held() {
            let why = match run.audit.unavailable {
                0 => "a request was answered more than a second after it was due".to_owned(),
                count => format!("{count} requests were answered 5xx"),
            };
            println!("held: {held}/s.");
            println!("At {rate}/s, in the last of {TRIES} tries, {why}.");
            break;
        }
        held = rate;
    }
    true
}

fn line(what: &str, value: &str) {
    println!("  {what:<26} {value}");
}

fn times(what: &str, sorted: &[Duration]) {
    let [half, tail] = [50, 99].map(|percent| percentile(sorted, percent));
    let count = sorted.len();
    line(
        what,
        &format!("p50 {half} ms, p99 {tail} ms, {count} measured"),
    );
}

/// Prints the usage of the machine by the processes of this name while these orders came.
fn taken(process: &str, before: Usage, after: Usage, orders: u32) {
    let busy = after.busy.saturating_sub(before.busy) / orders;
    let [from, to] = [before, after].map(|usage| usage.bytes >> 20);
    let processes = after.processes;
    line(
        process,
        &format!("{busy:.1?} of processor an order, {processes} processes, {from} to {to} MiB"),
    );
}

/// A bar for a number of milliseconds. Each further block means twice the time.
fn bar(milliseconds: u128) -> String {
    "█".repeat(usize::try_from((milliseconds + 1).ilog2()).unwrap_or_default())
}

fn share(stolen: Option<u64>) -> String {
    match stolen {
        None => "unknown".to_owned(),
        Some(stolen) if stolen > MUCH_STOLEN => {
            format!("{stolen} % of the processors: latencies are the host's")
        }
        Some(stolen) => format!("{stolen} % of the processors"),
    }
}
