//! The promises that the simulation makes about itself, and the laws under a few seeds. The command
//! `make simulate` runs as many seeds as its user likes.

use simulation::{FactCounts, Kind, Plan, run};

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    for seed in 1..=6 {
        let plan = Plan::of(seed);
        let (first, second) = (run(&plan), run(&plan));
        let differing = first
            .trace
            .iter()
            .zip(&second.trace)
            .position(|(a, b)| a != b);
        if let Some(line) = differing {
            let from = line.saturating_sub(1);
            assert_eq!(
                first.trace[from..=line],
                second.trace[from..=line],
                "seed {seed}"
            );
        }
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
    }
}

#[test]
fn a_run_has_at_least_fifty_intents_and_ten_disasters_or_one_outage() {
    for seed in 0..500 {
        let plan = Plan::of(seed);
        assert!(
            plan.disasters.len() >= 10 || plan.is_within_budget,
            "seed {seed}"
        );
        let calls = plan.clients.iter().flat_map(|client| &client.calls);
        let writes = calls.filter(|(_, call)| call.writes()).count();
        assert!(writes >= 50, "seed {seed}: {writes}");
    }
}

#[test]
fn no_law_is_broken_under_the_first_twenty_seeds_and_at_least_ten_things_go_wrong() {
    for seed in 1..=20 {
        let plan = Plan::of(seed);
        let outcome = run(&plan);
        assert_eq!(
            outcome.violations,
            [],
            "seed {seed}: FIRST={seed} SEEDS=1 make simulate"
        );
        let faults = outcome.counts.faults.iter();
        let hits: u64 = faults
            .filter(|(kind, _)| !kind.starts_with("sequence"))
            .map(|(_, count)| count)
            .sum();
        assert!(hits >= 10 || plan.is_within_budget, "seed {seed}: {hits}");
    }
}

#[test]
fn one_seed_in_three_has_the_path_of_the_facts_and_disasters_on_it() {
    for seed in 0..500 {
        let plan = Plan::of(seed);
        let has_facts = plan.pipeline.facts.is_some();
        assert_eq!(has_facts, seed % 3 == 0, "seed {seed}");
        let on_the_path = plan
            .disasters
            .iter()
            .filter(|disaster| match disaster.kind {
                Kind::FactsStream { .. } => true,
                Kind::Crash(function) | Kind::CrashInTheMiddle(function) => {
                    function.is_of_the_facts()
                }
                Kind::Freeze(function, _)
                | Kind::Restart(function, _)
                | Kind::SecondPoller(function, _)
                | Kind::Stop(function, _) => function.is_of_the_facts(),
                Kind::Split(stream, _) | Kind::Merge(stream, _) => stream == "order-facts",
                Kind::Service { .. } | Kind::HotShard(..) => false,
            });
        let has_disasters = on_the_path.count() >= 6;
        assert_eq!(
            has_disasters,
            has_facts && !plan.is_within_budget,
            "seed {seed}"
        );
    }
}

#[test]
fn a_run_with_facts_publishes_them_and_books_shipments_and_another_run_has_none() {
    let with = run(&Plan::of(3)).counts.facts;
    assert_eq!(with.runs, 1);
    assert!(
        with.facts >= with.shipments && with.shipments > 0,
        "{with:?}"
    );
    assert_eq!(run(&Plan::of(2)).counts.facts, FactCounts::default());
}

#[test]
fn a_panic_breaks_a_law_and_leaves_its_words() {
    let mut plan = Plan::of(1);
    plan.pipeline.api_clocks.clear();
    let violations = run(&plan).violations;
    assert_eq!(violations[0].law, "nothing panics");
    assert!(violations[0].seen.contains("zero"), "{violations:?}");
}
