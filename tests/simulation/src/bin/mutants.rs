//! `make mutants`: puts each mistake into the service and says which law catches it, after how many
//! seeds.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;

use clap::Parser;
use simulation::{Mutant, Plan, run};
use tests::output::{broken, kept};

/// Puts each mistake into the service and says which law catches it, after how many seeds.
///
/// The exit code is 1 if a mistake is not caught.
#[derive(Parser)]
#[command(name = "mutants", verbatim_doc_comment)]
struct Options {
    /// A mistake that this many seeds do not show is not caught
    #[arg(long, env, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, env, default_value_t = 1)]
    first: u64,
}

fn main() -> ExitCode {
    let Options { seeds, first } = Options::parse();
    let mut missed = 0;
    println!("{:<26} {:>5}  caught by", "mutant", "seeds");
    for mutant in Mutant::ALL {
        let caught = (1..=seeds).find_map(|count| {
            let outcome = run(&Plan::of(first + count - 1).with(mutant));
            let violation = outcome.violations.into_iter().next()?;
            Some((count, violation.law))
        });
        let name = format!("{mutant:?}");
        match caught {
            Some((count, law)) => println!("{name:<26} {count:>5}  {law}"),
            None => {
                println!("{name:<26} {:>5}  {}", "-", broken("NOT CAUGHT"));
                missed += 1;
            }
        }
    }
    let all = Mutant::ALL.len();
    if missed == 0 {
        println!(
            "\n{}",
            kept(format!("Each of the {all} mistakes is caught."))
        );
        ExitCode::SUCCESS
    } else {
        let verdict = format!("{missed} OF {all} MISTAKES ARE NOT CAUGHT.");
        println!("\n{}", broken(verdict));
        ExitCode::FAILURE
    }
}
