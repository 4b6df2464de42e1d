//! `make mutants` puts each mistake into the service. It says which law catches the mistake, and
//! after how many seeds.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;
use std::thread;

use clap::Parser;
use simulation::{Mutant, Plan, run};
use tests::output::{broken, kept};

/// Puts each mistake into the service. Says which law catches the mistake, and after how many
/// seeds.
///
/// The exit code is 1 if a mistake is not caught.
#[derive(Parser)]
#[command(name = "mutants", verbatim_doc_comment)]
struct Options {
    /// The number of seeds after which a mistake counts as not caught
    #[arg(long, env, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, env, default_value_t = 1)]
    first: u64,
    /// The only mistake to put in, by its name
    #[arg(long, env)]
    only: Option<String>,
}

fn main() -> ExitCode {
    let Options { seeds, first, only } = Options::parse();
    let is_chosen = |mutant: &Mutant| match &only {
        Some(name) => format!("{mutant:?}") == *name,
        None => true,
    };
    let mutants: Vec<Mutant> = Mutant::ALL.into_iter().filter(is_chosen).collect();
    if mutants.is_empty() {
        eprintln!("mutants: there is no mistake of this name");
        return ExitCode::from(2);
    }
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut missed = 0;
    println!("{:<30} {:>5}  caught by", "mutant", "seeds");
    for mutant in &mutants {
        let name = format!("{mutant:?}");
        match catch(*mutant, first, seeds, workers) {
            Some((count, law)) => println!("{name:<30} {count:>5}  {law}"),
            None => {
                println!("{name:<30} {:>5}  {}", "-", broken("NOT CAUGHT"));
                missed += 1;
            }
        }
    }
    let all = mutants.len();
    if missed == 0 {
        let verdict = format!("Each of the {all} mistakes is caught.");
        println!("\n{}", kept(verdict));
        ExitCode::SUCCESS
    } else {
        let verdict = format!("{missed} OF {all} MISTAKES ARE NOT CAUGHT.");
        println!("\n{}", broken(verdict));
        ExitCode::FAILURE
    }
}

/// The number of seeds after which a law catches the mutant, and the name of the law. As many seeds
/// as there are processors run at once, and the lowest seed that breaks a law counts.
fn catch(mutant: Mutant, first: u64, seeds: u64, workers: usize) -> Option<(u64, &'static str)> {
    (1..=seeds).step_by(workers).find_map(|from| {
        let broken = |count: u64| {
            let outcome = run(&Plan::of(first + count - 1).with(mutant));
            let violation = outcome.violations.into_iter().next()?;
            Some((count, violation.law))
        };
        thread::scope(|scope| {
            let counts = (from..=seeds).take(workers);
            let runs: Vec<_> = counts
                .map(|count| scope.spawn(move || broken(count)))
                .collect();
            let results = runs.into_iter().map(|run| match run.join() {
                Ok(result) => result,
                Err(panicked) => std::panic::resume_unwind(panicked),
            });
            results.collect::<Vec<_>>().into_iter().flatten().next()
        })
    })
}
