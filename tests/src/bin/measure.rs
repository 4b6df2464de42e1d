//! The command behind `make measure`. It measures how soon the stack is ready, and how soon an
//! order can be read after its 202.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::time::{Duration, Instant};

use clap::Parser;
use tests::{ORDER, Stack};

const STARTS: usize = 5;
const RUNS: usize = 5;
const ORDERS: usize = 300;

/// Measures how soon a stack is ready, and how soon an order can be read after its 202.
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
