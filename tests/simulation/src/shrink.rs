//! Cuts a plan down to a smaller plan that fails in the same way, with fewer disasters, clients and
//! calls.

use crate::plan::Plan;
use crate::run::run;

/// Takes away each disaster, each client and each call that the failure does not need. The failure
/// does not need a part if the first law that is broken stays the same without it. `progress` is
/// called with each smaller plan before the plan is run.
///
/// A plan that does not break a law is returned as it is.
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
