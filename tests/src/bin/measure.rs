//! The command behind `make measure`. It measures how soon the stack is ready, how soon an order
//! can be read after its 202, and how long and how often a read looks that waits.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt as _, stream};
use serde_json::json;
use tests::{ORDER, Stack, StackOptions};
use tokio::time::{Instant as Due, sleep_until};

const STARTS: usize = 5;
const RUNS: usize = 5;
const ORDERS: usize = 300;
/// The number of reads that wait for an order, and of those that wait for one that does not come.
const WAITS: u32 = 400;
const VAIN_WAITS: u32 = 8;
/// The pause from one order to the next. About five of the reader's eight processes are then busy,
/// so that no read waits for a process.
const BETWEEN: Duration = Duration::from_millis(125);
const WAIT: [(&str, &str); 1] = [("prefer", "wait=5")];
/// An order that nobody submits.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Measures how soon a stack is ready, how soon an order can be read after its 202, and how long
/// and how often a read looks that waits.
#[derive(Parser)]
#[command(name = "measure", verbatim_doc_comment)]
struct Options {}

#[tokio::main]
async fn main() {
    let Options {} = Options::parse();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let _stack = Stack::start().await;
        starts.push(began.elapsed());
    }
    println!(
        "ready after start           median of {STARTS}: {:>4} ms",
        at(&mut starts, 0.5).as_millis()
    );

    let (mut acks, mut halves, mut tails) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let stack = Stack::start().await;
        let (mut ack, mut readable) = (Vec::new(), Vec::new());
        for _ in 0..ORDERS {
            let sent = Instant::now();
            let accepted = stack.submit(&[], ORDER).await;
            assert_eq!(accepted.status, 202);
            let answered = Instant::now();
            ack.push(answered - sent);
            while stack.read(accepted.text("order_id"), &[]).await.status != 200 {}
            readable.push(answered.elapsed());
        }
        acks.push(at(&mut ack, 0.5));
        halves.push(at(&mut readable, 0.5));
        tails.push(at(&mut readable, 0.99));
    }
    println!(
        "request to 202        p50, median of {RUNS} runs: {:>4.1} ms",
        millis(at(&mut acks, 0.5))
    );
    println!(
        "202 to readable       p50, median of {RUNS} runs: {:>4.1} ms",
        millis(at(&mut halves, 0.5))
    );
    println!(
        "202 to readable       p99, median of {RUNS} runs: {:>4.1} ms",
        millis(at(&mut tails, 0.5))
    );
    waits().await;
}

/// Measures reads that wait. The mapping collects each batch for a second, so an order comes up to
/// a second after its 202. That is so on AWS, where Lambda reads a shard once a second.
async fn waits() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![("batching_window_seconds", json!(1))],
        ..StackOptions::default()
    })
    .await;
    for (wait_for, count) in [
        ("an order", WAITS),
        ("an order that does not come", VAIN_WAITS),
    ] {
        let (began, looks_before) = (Due::now(), looks(&stack).await);
        let is_submitted = count == WAITS;
        let reads = stream::iter(0..count).map(async |number| {
            sleep_until(began + BETWEEN * number).await;
            let id = if is_submitted {
                stack.accepted().await
            } else {
                UNKNOWN.to_owned()
            };
            let asked = Instant::now();
            let status = stack.read(&id, &WAIT).await.status;
            assert_eq!(status == 200, is_submitted, "{status}");
            asked.elapsed()
        });
        let held = reads.buffer_unordered(usize::MAX).collect::<Vec<_>>().await;
        let held = held.iter().sum::<Duration>() / count;
        let looks = looks(&stack).await - looks_before;
        println!(
            "a read that waits for {wait_for}, mean of {count}: {:.2} s, {:.2} looks",
            millis(held) / 1_000.0,
            per(looks, count)
        );
    }
}

/// How often the reader has looked at the table.
async fn looks(stack: &Stack) -> u32 {
    let state = stack.state().await;
    let looks = state["functions"]["reader"]["calls"]["dynamodb:GetItem"].as_u64();
    u32::try_from(looks.unwrap_or_default()).unwrap_or(u32::MAX)
}

#[expect(clippy::float_arithmetic, reason = "for a person to read")]
fn per(looks: u32, count: u32) -> f64 {
    f64::from(looks) / f64::from(count)
}

/// The value at this rank.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among a few hundred values"
)]
fn at(values: &mut [Duration], rank: f64) -> Duration {
    values.sort_unstable();
    values[((values.len() - 1) as f64 * rank).round() as usize]
}

#[expect(clippy::float_arithmetic, reason = "for a person to read")]
fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
