//! `make load`: a steady rate of orders, then a rising one until the first that is not accepted. Latencies count from when a
//! request was due, not from when there was time to send it; nothing is assumed to be persisted that is not in the table.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use tests::{Audit, Clients, Stack, order};
use tokio::time::{Instant, sleep, sleep_until};

/// One order in so many is read until it is there.
const READ: u64 = 10;
/// Far more requests than are ever under way at a rate that is held.
const AT_ONCE: usize = 2_000;

#[tokio::main]
async fn main() -> ExitCode {
    let number = |name: &str, otherwise: u64| {
        let value = std::env::var(name).ok();
        value.map_or(Some(otherwise), |value| {
            value.parse().ok().filter(|number| *number > 0)
        })
    };
    let (Some(rate), Some(seconds)) = (number("RATE", 200), number("SECONDS", 60)) else {
        eprintln!("load: RATE (orders a second) and SECONDS must be whole numbers above 0");
        return ExitCode::from(2);
    };

    let stack = Stack::start().await;
    // What is started for the first requests is not what they are about.
    run(&stack, rate, 2).await;
    let before = memory(&stack).await;
    let steady = run(&stack, rate, seconds).await;
    let after = memory(&stack).await;
    println!("{rate} orders/s for {seconds} s");
    println!(
        "  accepted, persisted, lost    {}, {}, {}",
        steady.audit.accepted,
        steady.audit.persisted,
        steady.audit.lost.len()
    );
    println!(
        "  not accepted                 {}",
        steady.audit.unavailable
    );
    line("request to 202", &steady.acknowledged);
    line("202 to readable", &steady.readable);
    for (process, [mebibytes, processes]) in &after {
        let [before, _] = before.get(process).copied().unwrap_or_default();
        println!(
            "  memory of {process:<18} {before} MiB at the start, {mebibytes} MiB at the end, {processes} processes"
        );
    }
    drop(stack);
    if !steady.audit.lost.is_empty() || !steady.audit.doubled.is_empty() {
        println!("THE PROMISE IS BROKEN: {:?}", steady.audit);
        return ExitCode::FAILURE;
    }

    let mut held = 0;
    for step in 1.. {
        let rate = step * 50;
        let stack = Stack::start().await;
        run(&stack, rate, 2).await;
        let run = run(&stack, rate, 5).await;
        if run.audit.unavailable > 0 || run.late > Duration::from_secs(1) {
            let what = if run.audit.unavailable > 0 {
                "answered 5xx"
            } else {
                "more than a second late"
            };
            println!(
                "highest rate held for 5 s      {held}/s (at {rate}/s the first request was {what})"
            );
            break;
        }
        held = rate;
    }
    ExitCode::SUCCESS
}

/// What was seen of a run.
struct Run {
    audit: Audit,
    acknowledged: Vec<Duration>,
    readable: Vec<Duration>,
    /// The longest that a request was answered after it was due.
    late: Duration,
}

async fn run(stack: &Stack, rate: u64, seconds: u64) -> Run {
    let clients = Clients::of(stack).await;
    let (acknowledged, readable) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let bar = ProgressBar::new(rate * seconds).with_prefix(format!("{rate}/s"));
    let template = "{prefix:<8} {wide_bar} {pos}/{len} {elapsed}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let began = Instant::now();
    let due = |number: u64| began + Duration::from_micros(number * 1_000_000 / rate);
    let calls = stream::iter(0..rate * seconds).map(async |number| {
        sleep_until(due(number)).await;
        let content = order(usize::try_from(number).unwrap_or_default());
        let answer = clients.submit(None, &content).await;
        let answered = Instant::now();
        bar.inc(1);
        if answer.status != 202 {
            return;
        }
        push(&acknowledged, answered - due(number));
        if number % READ == 0 {
            while stack.read(answer.text("order_id"), &[]).await.status != 200 {
                sleep(Duration::from_millis(5)).await;
            }
            push(&readable, answered.elapsed());
        }
    });
    calls.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    bar.finish_and_clear();
    stack.drained().await;
    let mut acknowledged = acknowledged.into_inner().unwrap_or_default();
    let mut readable = readable.into_inner().unwrap_or_default();
    acknowledged.sort_unstable();
    readable.sort_unstable();
    Run {
        audit: clients.audit().await,
        late: acknowledged.last().copied().unwrap_or_default(),
        acknowledged,
        readable,
    }
}

fn push(values: &Mutex<Vec<Duration>>, value: Duration) {
    if let Ok(mut values) = values.lock() {
        values.push(value);
    }
}

fn line(what: &str, sorted: &[Duration]) {
    let at = |percent: usize| match sorted.len() {
        0 => 0,
        count => sorted[(count - 1) * percent / 100].as_millis(),
    };
    println!(
        "  {what:<28} p50 {} ms, p99 {} ms, {} measured",
        at(50),
        at(99),
        sorted.len()
    );
}

/// Resident memory in MiB and number of processes, of the stack itself and of each function.
async fn memory(stack: &Stack) -> BTreeMap<String, [u64; 2]> {
    let state = stack.state().await;
    let mut memory = BTreeMap::new();
    let mut count = |name: &str, pid: u64| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes =
            resident.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let sum: &mut [u64; 2] = memory.entry(name.to_owned()).or_default();
        sum[0] += kibibytes.unwrap_or_default() / 1_024;
        sum[1] += 1;
    };
    if let Some(pid) = stack.pid() {
        count("local", pid.into());
    }
    for name in ["api", "consumer"] {
        for process in state["functions"][name]["processes"]
            .as_array()
            .into_iter()
            .flatten()
        {
            count(name, process["pid"].as_u64().unwrap_or_default());
        }
    }
    memory
}
