//! What has to hold when a run is over: the audit of the black-box tests, what the queue was told, that what was discarded can be
//! put back, and that the table then says what the stream says.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orders::{Action, Caller, Fingerprint, Intent, NewOrder, OrderId};
use tests::{Audit, Call, Evidence};

use crate::plan::Plan;
use crate::world::{STREAM, World};

/// Works off what is left, looks, puts back what was discarded, works that off, and looks again.
pub(crate) async fn settle(world: &World, plan: &Plan, calls: &[Call]) -> Evidence {
    world.aws.faults().clear();
    world
        .laws
        .trace
        .line("all is over, the rest has to be worked off");
    world.drain().await;
    let evidence = world.evidence(Vec::new());
    let audit = look(world, calls, &evidence);
    let poison = evidence
        .records
        .iter()
        .filter(|record| record.intent().is_none())
        .count();
    if audit.poison_discarded < poison {
        let seen = format!("{} of {poison} records", audit.poison_discarded);
        world.laws.broken("the queue is told of all poison", seen);
    }
    let discarded = world.discarded();
    if plan.is_within_budget && discarded > 0 {
        world.laws.broken(
            "an outage within the budget discards nothing",
            format!("{discarded} records"),
        );
    }

    put_back(world, &evidence);
    world.drain().await;
    let evidence = world.evidence(evidence.discards);
    let audit = look(world, calls, &evidence);
    if !audit.recoverable.is_empty() {
        world.laws.broken(
            "what was discarded is applied when it is put back",
            format!("{:?}", audit.recoverable),
        );
    }
    for finding in unlike_the_stream(&evidence) {
        world
            .laws
            .broken("the table says what the stream says", finding);
    }
    evidence
}

fn look(world: &World, calls: &[Call], evidence: &Evidence) -> Audit {
    let audit = Audit::of(calls, &Evidence::default(), evidence);
    for (law, findings) in [
        ("nothing acknowledged is lost", &audit.lost),
        ("nothing is doubled", &audit.doubled),
        ("nothing comes from nowhere", &audit.unexplained),
    ] {
        for finding in findings {
            world.laws.broken(law, finding);
        }
    }
    audit
}

/// What a person does who was told by the queue: what is an intent goes into the stream again, with its key.
fn put_back(world: &World, evidence: &Evidence) {
    for record in &evidence.records {
        if evidence.is_discarded(record) && record.intent().is_some() {
            let data = Bytes::from(record.data.clone());
            let put = world
                .aws
                .kinesis()
                .put_record(STREAM, &record.partition_key, data);
            put.expect("what was discarded is far below the shard's limits");
        }
    }
}

/// All that the intents about one order say, whatever their order in time.
#[derive(Default)]
struct Said {
    /// Each owner and content once. Compared as they are, not by their fingerprints.
    submits: Vec<(Caller, NewOrder)>,
    cancels: BTreeSet<String>,
}

/// Where rows differ from what follows from the stream when each of its intents is applied: of orders that differ any one may
/// stand, and all others are conflicts; it is cancelled if its owner said so.
fn unlike_the_stream(evidence: &Evidence) -> Vec<String> {
    let mut said: BTreeMap<OrderId, Said> = BTreeMap::new();
    for intent in evidence.records.iter().filter_map(|record| record.intent()) {
        let said = said.entry(intent.order_id).or_default();
        let Intent { action, .. } = intent;
        match action {
            Action::Submit { owner, order, .. } => {
                let submit = (owner, order);
                if !said.submits.contains(&submit) {
                    said.submits.push(submit);
                }
            }
            Action::Cancel { caller } => {
                said.cancels.insert(caller.hash().to_string());
            }
        }
    }
    let mut findings = Vec::new();
    for (order_id, said) in said {
        let row = evidence.rows.get(&order_id).cloned().unwrap_or_default();
        let stands = row
            .submitted
            .as_ref()
            .map(|order| (&order.owner, &order.content));
        let others: BTreeSet<Fingerprint> = said
            .submits
            .iter()
            .filter(|(owner, order)| stands != Some((owner, order)))
            .map(|(owner, order)| Fingerprint::of(owner, order))
            .collect();
        let placed = said.submits.len() - others.len();
        if placed != said.submits.len().min(1) {
            findings.push(format!(
                "{order_id}: {placed} of {} orders stand",
                said.submits.len()
            ));
        }
        if row.conflicts != others && !row.conflicts_truncated {
            findings.push(format!(
                "{order_id}: {} conflicts of {} are recorded",
                row.conflicts.len(),
                others.len()
            ));
        }
        let Some(owner) = row.submitted.map(|order| order.owner.hash().to_string()) else {
            continue;
        };
        if said.cancels.contains(&owner) != row.cancels.contains_key(&owner) {
            findings.push(format!(
                "{order_id}: its owner's cancel is not as the stream has it"
            ));
        }
    }
    findings
}
