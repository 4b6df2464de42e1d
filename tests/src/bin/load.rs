//! `make load`: a steady rate of orders, then a rising one until the first that is not accepted. Latencies count from when a
//! request was due, not from when there was time to send it; nothing is assumed to be persisted that is not in the table.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use procfs::{CurrentSI as _, KernelStats, WithCurrentSystemInfo as _};
use tests::{Audit, Clients, Stack, order};
use tokio::time::{Instant, sleep, sleep_until};

/// One order in so many is read until it is there.
const READ: u64 = 10;
/// How often it is then asked whether it is there: reading must not be what the machine is busy with.
const READ_EVERY: Duration = Duration::from_millis(20);
/// Requests under way at most, reads among them: fewer than the front door has connections, of which it closes some beyond that.
const AT_ONCE: usize = 300;
/// A step of the search for the highest rate is tried so often: a shared machine is away for a second now and then.
const TRIES: usize = 3;
/// Per cent of the processors taken by other machines, above which latencies are those of the host.
const MUCH_STOLEN: u64 = 5;

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
    let before = usage(&stack).await;
    let steady = run(&stack, rate, seconds).await;
    let after = usage(&stack).await;
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
    line("in the median second", &median_second(&steady.by_second));
    line("202 to readable", &steady.readable);
    for (process, after) in &after {
        let before = before.get(process).copied().unwrap_or_default();
        let orders = u32::try_from(rate * seconds).unwrap_or(u32::MAX);
        let busy = after.busy.saturating_sub(before.busy) / orders;
        println!(
            "  {process:<28} {busy:.1?} of processor time an order; {} processes, {} MiB at the start, {} MiB at the end",
            after.processes,
            before.bytes >> 20,
            after.bytes >> 20
        );
    }
    println!("  taken by other machines      {}", said(steady.stolen));
    drop(stack);
    if steady.breaks_the_promise() {
        return ExitCode::FAILURE;
    }

    println!("\nhighest rate, each held for 5 s");
    let mut held = 0;
    for rate in (1..).map(|step| step * 50) {
        let mut tries = 0;
        let run = loop {
            tries += 1;
            let stack = Stack::start().await;
            run(&stack, rate, 2).await;
            let run = run(&stack, rate, 5).await;
            if run.breaks_the_promise() {
                return ExitCode::FAILURE;
            }
            if run.is_held() || tries == TRIES {
                break run;
            }
        };
        println!(
            "  {rate:>5}/s  p50 {:>5} ms  p99 {:>5} ms  {:<14} {}",
            at(&run.acknowledged, 50),
            at(&run.acknowledged, 99),
            bar(at(&run.acknowledged, 99)),
            if run.stolen > Some(MUCH_STOLEN) {
                said(run.stolen)
            } else {
                String::new()
            }
        );
        if !run.is_held() {
            let why = match run.audit.unavailable {
                0 => "a request was answered more than a second after it was due".to_owned(),
                count => format!("{count} requests were answered 5xx"),
            };
            println!("held: {held}/s. At {rate}/s, in the last of {TRIES} tries, {why}.");
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
    /// By the second in which the request was due.
    by_second: BTreeMap<u64, Vec<Duration>>,
    readable: Vec<Duration>,
    /// The longest that a request was answered after it was due.
    late: Duration,
    /// Per cent of the processors that other machines of the host took meanwhile, where that is known.
    stolen: Option<u64>,
}

impl Run {
    /// Whether anything was lost or doubled; if so, it is printed.
    fn breaks_the_promise(&self) -> bool {
        let is_broken = !self.audit.lost.is_empty() || !self.audit.doubled.is_empty();
        if is_broken {
            println!("THE PROMISE IS BROKEN: {:?}", self.audit);
        }
        is_broken
    }

    /// Whether every request was accepted in time.
    fn is_held(&self) -> bool {
        self.audit.unavailable == 0 && self.late <= Duration::from_secs(1)
    }
}

async fn run(stack: &Stack, rate: u64, seconds: u64) -> Run {
    let clients = Clients::of(stack).await;
    let (acknowledged, readable) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let by_second = Mutex::new(BTreeMap::<u64, Vec<Duration>>::new());
    let bar = ProgressBar::new(rate * seconds).with_prefix(format!("{rate}/s"));
    let template = "{prefix:<8} {wide_bar} {pos}/{len} {elapsed}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (began, processors) = (Instant::now(), stolen());
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
        if let Ok(mut seconds) = by_second.lock() {
            let second = seconds.entry(number / rate).or_default();
            second.push(answered - due(number));
        }
        if number % READ == 0 {
            while stack.read(answer.text("order_id"), &[]).await.status != 200 {
                sleep(READ_EVERY).await;
            }
            push(&readable, answered.elapsed());
        }
    });
    calls.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    bar.finish_and_clear();
    let stolen = stolen_since(processors);
    stack.drained().await;
    let mut acknowledged = acknowledged.into_inner().unwrap_or_default();
    let mut readable = readable.into_inner().unwrap_or_default();
    acknowledged.sort_unstable();
    readable.sort_unstable();
    Run {
        audit: clients.audit().await,
        late: acknowledged.last().copied().unwrap_or_default(),
        acknowledged,
        by_second: by_second.into_inner().unwrap_or_default(),
        readable,
        stolen,
    }
}

/// The second whose slowest requests are the median of all seconds': what a machine that is away for some seconds is otherwise.
fn median_second(by_second: &BTreeMap<u64, Vec<Duration>>) -> Vec<Duration> {
    let mut seconds: Vec<Vec<Duration>> = by_second.values().cloned().collect();
    for second in &mut seconds {
        second.sort_unstable();
    }
    seconds.sort_unstable_by_key(|second| at(second, 99));
    let median = seconds.len() / 2;
    seconds.into_iter().nth(median).unwrap_or_default()
}

fn push(values: &Mutex<Vec<Duration>>, value: Duration) {
    if let Ok(mut values) = values.lock() {
        values.push(value);
    }
}

fn line(what: &str, sorted: &[Duration]) {
    println!(
        "  {what:<28} p50 {} ms, p99 {} ms, {} measured",
        at(sorted, 50),
        at(sorted, 99),
        sorted.len()
    );
}

/// A percentile in milliseconds.
fn at(sorted: &[Duration], percent: usize) -> u128 {
    match sorted.len() {
        0 => 0,
        count => sorted[(count - 1) * percent / 100].as_millis(),
    }
}

/// A length for milliseconds: each further block is twice the time.
fn bar(milliseconds: u128) -> String {
    "█".repeat(usize::try_from((milliseconds + 1).ilog2()).unwrap_or_default())
}

/// What the processes of a function, or of the stack itself, take.
#[derive(Clone, Copy, Default)]
struct Usage {
    processes: u64,
    /// Resident.
    bytes: u64,
    /// Processor time, of user and system.
    busy: Duration,
}

async fn usage(stack: &Stack) -> BTreeMap<String, Usage> {
    let state = stack.state().await;
    let mut usage = BTreeMap::new();
    let mut count = |name: &str, pid: u64| {
        let process = procfs::process::Process::new(i32::try_from(pid).unwrap_or_default());
        let Ok(stat) = process.and_then(|process| process.stat()) else {
            return;
        };
        let sum: &mut Usage = usage.entry(name.to_owned()).or_default();
        sum.processes += 1;
        sum.bytes += stat.rss_bytes().get();
        sum.busy += ticks(stat.utime + stat.stime);
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
    usage
}

/// Processor time so far: what other machines of the host took of this one's, and all of it.
fn stolen() -> Option<[u64; 2]> {
    let total = KernelStats::current().ok()?.total;
    let stolen = total.steal?;
    let idle = total.idle + total.iowait.unwrap_or_default();
    let interrupts = total.irq.unwrap_or_default() + total.softirq.unwrap_or_default();
    let busy = total.user + total.nice + total.system + interrupts;
    Some([stolen, busy + idle + stolen])
}

/// What share of this machine's processors others took since then, in per cent.
fn stolen_since(then: Option<[u64; 2]>) -> Option<u64> {
    let ([stolen_then, all_then], [stolen, all]) = (then?, stolen()?);
    (stolen.saturating_sub(stolen_then) * 100).checked_div(all.saturating_sub(all_then))
}

fn said(stolen: Option<u64>) -> String {
    match stolen {
        None => "unknown".to_owned(),
        Some(stolen) if stolen > MUCH_STOLEN => {
            format!("{stolen} % of the processors: latencies are the host's")
        }
        Some(stolen) => format!("{stolen} % of the processors"),
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1_000 / procfs::ticks_per_second())
}
