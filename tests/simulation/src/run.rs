//! A run from its start to its report. The clients make their calls while the disasters happen.
//! Then the records that are left are worked off, and the laws are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use crate::clients::Clients;
use crate::disasters::strike;
use crate::final_fact_laws::settle_facts;
use crate::final_laws::settle;
use crate::laws::{Laws, Violation};
use crate::plan::{Function, Plan};
use crate::sequence;
use crate::trace::Trace;
use crate::world::World;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The violations of laws. The list is empty if every law held.
    pub violations: Vec<Violation>,
    /// The events of the run, line by line.
    pub trace: Vec<String>,
    /// The numbers of what happened.
    pub counts: Counts,
}

/// The numbers of what happened in one run, or in several runs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of runs.
    pub runs: u64,
    /// The number of different intents in the stream.
    pub intents: u64,
    /// The number of records that the consumer was invoked with. A record counts at each delivery.
    pub deliveries: u64,
    /// The number of writes to the table that were tried.
    pub writes: u64,
    /// The number of records in discards.
    pub discarded: u64,
    /// The numbers of the facts.
    pub facts: FactCounts,
    /// The simulated time.
    pub simulated: Duration,
    /// The number of faults of each kind. A fault is a call, an invocation, a read or a record that
    /// was hit, or a disaster of pollers and shards.
    pub faults: BTreeMap<String, u64>,
}

/// The numbers of what happened to facts, in one run or in several runs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactCounts {
    /// The number of runs with the facts' path.
    pub runs: u64,
    /// The number of different facts in the facts stream.
    pub facts: u64,
    /// The number of events in the facts stream whose fact was there already.
    pub repetitions: u64,
    /// The number of changes in discards.
    pub changes_discarded: u64,
    /// The number of facts that `announce --missing` announced.
    pub announced_again: u64,
    /// The number of events of the facts stream in discards.
    pub facts_discarded: u64,
    /// The number of shipments.
    pub shipments: u64,
}

impl FactCounts {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.facts += other.facts;
        self.repetitions += other.repetitions;
        self.changes_discarded += other.changes_discarded;
        self.announced_again += other.announced_again;
        self.facts_discarded += other.facts_discarded;
        self.shipments += other.shipments;
    }
}

impl Counts {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.intents += other.intents;
        self.deliveries += other.deliveries;
        self.writes += other.writes;
        self.discarded += other.discarded;
        self.facts.add(&other.facts);
        self.simulated += other.simulated;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
    }
}

/// Runs a plan to its end. A panic of the service or of the simulation breaks a law.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    // The SDK draws its jitter from the generator of this thread.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let laws = {
        let _clock = runtime.enter();
        Laws::new(Trace::new())
    };
    let local = LocalSet::new();
    let life = AssertUnwindSafe(|| local.block_on(&runtime, live(plan, laws.clone())));
    let counts = catch_unwind(life).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        laws.broken(
            "nothing panics",
            text.unwrap_or("a panic without a message"),
        );
        Counts::default()
    });
    Report {
        violations: laws.violations(),
        trace: laws.trace.take(),
        counts,
    }
}

async fn live(plan: &Plan, laws: Laws) -> Counts {
    let began = Instant::now();
    let world = World::new(plan, laws);
    let clients = Rc::new(Clients::new(
        world.aws.clone(),
        Rc::clone(&world.lambda),
        world.laws.clone(),
        Arc::clone(&world.random),
    ));
    let mut work = JoinSet::new();
    for client in plan.clients.clone() {
        let clients = Rc::clone(&clients);
        work.spawn_local(async move { clients.act(&client).await });
    }
    for disaster in plan.disasters.clone() {
        work.spawn_local(strike(Rc::clone(&world), began, disaster));
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    let calls = clients.calls.take();
    let evidence = settle(&world, plan, &calls).await;
    sequence::check(&world, &clients.acknowledged.take(), &evidence);
    let facts = match plan.pipeline.facts {
        Some(_) => settle_facts(&world).await,
        None => FactCounts::default(),
    };
    let intents = evidence.records.iter().filter_map(|record| record.intent());
    let ids: BTreeSet<_> = intents.map(|intent| intent.id).collect();
    let mut faults: BTreeMap<String, u64> = BTreeMap::new();
    for (service, error, calls) in world.aws.faults().hits() {
        *faults
            .entry(format!("{}: {error}", service.name()))
            .or_default() += calls;
    }
    faults.extend(world.laws.counted());
    Counts {
        runs: 1,
        intents: ids.len().try_into().unwrap(),
        deliveries: world.laws.deliveries(),
        writes: world.laws.writes(),
        discarded: world.discarded(Function::Consumer),
        facts,
        simulated: began.elapsed(),
        faults,
    }
}
