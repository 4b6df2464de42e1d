//! `make simulate` runs as many seeds as its user likes. It prints the numbers of what was
//! simulated. If a seed breaks a law, it also prints the first one that does, with the smallest
//! plan that still breaks the law.

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

use clap::Parser;
use simulation::{Counts, Plan, run, shrink};
use tests::output::{broken, kept, progress};

/// Runs the service through simulated disasters, each decided by a seed.
///
/// Ends at the first seed that breaks a law, and shrinks its plan. Then the exit code is 1.
#[derive(Parser)]
#[command(name = "simulate", verbatim_doc_comment)]
struct Options {
    /// The number of seeds to run
    #[arg(long, env, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, env, default_value_t = 1)]
    first: u64,
}

fn main() -> ExitCode {
    let Options { seeds, first } = Options::parse();
    let began = Instant::now();
    let bar = progress(seeds, "[{bar:40}] {pos}/{len} seeds {elapsed} {msg}");
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
        None => {
            let verdict = format!("No law is broken by any of {} seeds.", counts.runs);
            println!("\n{}", kept(verdict));
            ExitCode::SUCCESS
        }
        Some(seed) => {
            explain(seed);
            let verdict =
                format!("SEED {seed} BREAKS THE LAWS. Again: FIRST={seed} SEEDS=1 make simulate");
            println!("\n{}", broken(verdict));
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
    let facts = &counts.facts;
    println!(
        "{} seeds with facts: {} facts, {} repetitions, {} changes discarded, {} facts announced again, {} facts discarded, {} shipments",
        facts.runs,
        facts.facts,
        facts.repetitions,
        facts.changes_discarded,
        facts.announced_again,
        facts.facts_discarded,
        facts.shipments
    );
    for (kind, count) in &counts.faults {
        println!("  {count:>8}  {kind}");
    }
}

/// Prints the laws that a seed breaks, and the smallest plan that still breaks the first of them.
fn explain(seed: u64) {
    println!("\nseed {seed} breaks laws:");
    for violation in &run(&Plan::of(seed)).violations {
        println!("  {violation}");
    }
    println!("\nshrinking …");
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
