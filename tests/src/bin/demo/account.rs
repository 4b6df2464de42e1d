//! The account of the requests, as sums that the reader can check, and the verdict.

use std::process::ExitCode;
use std::time::Duration;

use tests::output::{broken, kept};
use tests::{Audit, FactsAudit};

use crate::POISON;

/// Prints a sum and its summands, so that the reader can check it.
fn equation(sum: (&str, usize), summands: &[(&str, usize)]) {
    println!("  {:<38} {:>6}", sum.0, sum.1);
    for (place, (what, count)) in summands.iter().enumerate() {
        let sign = if place == 0 { '=' } else { '+' };
        println!("    {sign} {what:<34} {count:>6}");
    }
}

/// The number of all calls of the clients.
fn calls(audit: &Audit) -> usize {
    audit.accepted + audit.turned_away + audit.unavailable
}

/// Prints the effects of the requests, as sums that the reader can check.
pub(crate) fn account(audit: &Audit, facts: &FactsAudit) {
    println!("\nThe requests, by their responses");
    equation(
        ("requests", calls(audit)),
        &[
            ("accepted (202)", audit.accepted),
            ("rejected (4xx)", audit.turned_away),
            ("unavailable (5xx), sent again", audit.unavailable),
        ],
    );
    println!("\nThe accepted requests, by their effects");
    let became = audit.became;
    let summands = [
        ("orders persisted", became.persisted),
        ("duplicates absorbed", became.repeated),
        ("cancels applied", became.cancels),
        ("cancels repeated", became.cancels_repeated),
        ("discarded, to be put back", became.discarded),
        ("lost", became.lost),
    ];
    // A summand of zero is left out, except for the lost ones, where a reader would miss it.
    let is_told = |(what, count): &(&str, usize)| *count > 0 || *what == "lost";
    let summands: Vec<_> = summands.into_iter().filter(is_told).collect();
    equation(("accepted (202)", audit.accepted), &summands);
    account_of_facts(facts);
    println!("\nThe rest");
    equation(
        ("records that are not intents", POISON),
        &[("discarded, named by the queue", audit.poison_discarded)],
    );
    let doubled = [
        &audit.doubled,
        &audit.unexplained,
        &facts.doubled,
        &facts.unexplained,
    ];
    let doubled: usize = doubled.into_iter().map(Vec::len).sum();
    println!("  {:<38} {doubled:>6}", "doubled");
}

/// Prints the facts of the orders, and the shipments that follow from them.
fn account_of_facts(facts: &FactsAudit) {
    println!("\nThe facts that other services were told");
    equation(
        ("facts of the orders", facts.expected),
        &[
            ("announced", facts.announced),
            ("lost", facts.expected - facts.announced),
        ],
    );
    equation(
        ("events in the stream of facts", facts.events),
        &[
            ("facts", facts.events - facts.repetitions),
            ("repetitions absorbed by their ids", facts.repetitions),
        ],
    );
    equation(
        ("orders created", facts.orders),
        &[
            ("shipments booked, one an order", facts.shipments),
            ("lost", facts.orders.saturating_sub(facts.shipments)),
        ],
    );
}

/// Prints the verdict on the promise, with each finding that breaks the promise.
pub(crate) fn judge(audit: &Audit, facts: &FactsAudit, took: Duration) -> ExitCode {
    let seconds = took.as_secs();
    let mut findings: Vec<String> = [&audit.lost, &audit.doubled, &audit.unexplained]
        .into_iter()
        .flatten()
        .cloned()
        .chain(facts.findings())
        .collect();
    if audit.became.sum() != audit.accepted {
        findings.push("the accepted calls are not the sum of their effects".into());
    }
    if audit.poison_discarded != POISON {
        findings.push("the queue does not name every record that is not an intent".into());
    }
    if findings.is_empty() {
        let verdict = format!("Nothing lost, nothing doubled ({seconds} s).");
        println!("\n{}", kept(verdict));
        return ExitCode::SUCCESS;
    }
    println!();
    for finding in findings {
        println!("  {finding}");
    }
    println!(
        "{}",
        broken(format!("THE PROMISE IS BROKEN ({seconds} s)."))
    );
    ExitCode::FAILURE
}
