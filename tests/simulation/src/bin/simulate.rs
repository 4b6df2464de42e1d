//! `make simulate`: as many seeds as one likes; what was simulated, and the first seed that breaks
//! a law with what it takes to.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a command for people, with figures for them to read"
)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use simulation::{Counts, Plan, run, shrink};

fn main() -> ExitCode {
    let number = |name: &str, otherwise: u64| {
        let value = std::env::var(name).ok();
        value.map_or(Some(otherwise), |value| value.parse().ok())
    };
    let (Some(seeds), Some(first)) = (number("SEEDS", 2_000), number("FIRST", 1)) else {
        eprintln!("simulate: SEEDS and FIRST must be whole numbers");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let bar = ProgressBar::new(seeds);
    let template = "{wide_bar} {pos}/{len} seeds {elapsed} {msg}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let (counts, failed) = (Mutex::new(Counts::default()), Mutex::new(None::<u64>));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let outcome = run(&Plan::of(seed));
                    if let Ok(mut counts) = counts.lock() {
                        counts.add(&outcome.counts);
                        let rate = counts.deliveries as f64 / began.elapsed().as_secs_f64();
                        bar.set_message(format!("{rate:.0} deliveries/s"));
                    }
                    bar.inc(1);
                    if !outcome.violations.is_empty() {
                        stop.store(true, Ordering::Relaxed);
                        if let Ok(mut failed) = failed.lock() {
                            *failed = Some(failed.map_or(seed, |other| other.min(seed)));
                        }
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let failed = failed.into_inner().ok().flatten();
    let counts = counts.into_inner().unwrap_or_default();
    report(&counts, began.elapsed().as_secs_f64());
    match failed {
        None => ExitCode::SUCCESS,
        Some(seed) => {
            explain(seed);
            ExitCode::FAILURE
        }
    }
}

fn report(counts: &Counts, seconds: f64) {
    let hours = counts.simulated.as_secs_f64() / 3_600.0;
    println!(
        "{} seeds in {seconds:.0} s, {:.1} seeds/s: {hours:.0} simulated hours",
        counts.runs,
        counts.runs as f64 / seconds
    );
    println!(
        "{} intents, {} deliveries, {} writes, {} records discarded",
        counts.intents, counts.deliveries, counts.writes, counts.discarded
    );
    for (kind, count) in &counts.faults {
        println!("  {count:>8}  {kind}");
    }
}

/// What broke, with as little as it takes.
fn explain(seed: u64) {
    println!("\nseed {seed} breaks laws:");
    for violation in &run(&Plan::of(seed)).violations {
        println!("  {violation}");
    }
    println!("again: FIRST={seed} SEEDS=1 make simulate\n\nshrinking …");
    let mut runs = 0;
    let smallest = shrink(&Plan::of(seed), |_| runs += 1);
    let outcome = run(&smallest);
    for line in &outcome.trace {
        println!("{line}");
    }
    println!("\nseed {seed}, after {runs} runs to shrink it:");
    for violation in &outcome.violations {
        println!("  {violation}");
    }
    println!(
        "{:#?}\n{:#?}\n{:#?}",
        smallest.pipeline, smallest.clients, smallest.disasters
    );
}
