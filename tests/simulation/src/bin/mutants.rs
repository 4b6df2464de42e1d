//! `make mutants`: puts each mistake into the service and says which law catches it, after how many
//! seeds. Exit code 1 if one is not caught.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;

use simulation::{Mutant, Plan, run};

/// A mistake that this many seeds do not show is not caught.
const SEEDS: u64 = 1_000;

fn main() -> ExitCode {
    let mut missed = 0;
    println!("{:<26} {:>5}  caught by", "mutant", "seeds");
    for mutant in Mutant::ALL {
        let caught = (1..=SEEDS).find_map(|seed| {
            let outcome = run(&Plan::of(seed).with(mutant));
            let violation = outcome.violations.into_iter().next()?;
            Some((seed, violation.law))
        });
        let name = format!("{mutant:?}");
        match caught {
            Some((seeds, law)) => println!("{name:<26} {seeds:>5}  {law}"),
            None => {
                println!("{name:<26} {:>5}  NOT CAUGHT", "-");
                missed += 1;
            }
        }
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
