//! A smaller plan that fails the same way: fewer disasters, clients and calls.

use crate::plan::Plan;
use crate::run::run;

/// Takes away whatever the failure does not need: each disaster, each client, each call, as long as
/// the first law that is broken stays the same. `progress` hears of every run.
///
/// A plan that breaks no law is given back as it is.
#[must_use]
pub fn shrink(plan: &Plan, mut progress: impl FnMut(&Plan)) -> Plan {
    let Some(law) = first_broken(plan) else {
        return plan.clone();
    };
    let mut smallest = plan.clone();
    loop {
        let before = size(&smallest);
        let mut keep_if_it_fails = |candidate: Plan, smallest: &mut Plan| {
            progress(&candidate);
            if first_broken(&candidate) == Some(law) {
                *smallest = candidate;
            }
        };
        for index in (0..smallest.clients.len()).rev() {
            let mut candidate = smallest.clone();
            candidate.clients.remove(index);
            keep_if_it_fails(candidate, &mut smallest);
        }
        for index in (0..smallest.disasters.len()).rev() {
            let mut candidate = smallest.clone();
            candidate.disasters.remove(index);
            keep_if_it_fails(candidate, &mut smallest);
        }
        for client in 0..smallest.clients.len() {
            for call in (0..smallest.clients[client].calls.len()).rev() {
                let mut candidate = smallest.clone();
                candidate.clients[client].calls.remove(call);
                keep_if_it_fails(candidate, &mut smallest);
            }
        }
        if size(&smallest) == before {
            return smallest;
        }
    }
}

fn first_broken(plan: &Plan) -> Option<&'static str> {
    run(plan).violations.first().map(|violation| violation.law)
}

fn size(plan: &Plan) -> usize {
    let calls: usize = plan
        .clients
        .iter()
        .map(|client| 1 + client.calls.len())
        .sum();
    plan.disasters.len() + calls
}
