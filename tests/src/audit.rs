//! The audit, which compares the responses to clients with stream, table and queue. It checks three
//! promises.
//!
//! - **Nothing is lost.** Each accepted intent is applied, a duplicate, a recorded conflict, or a
//!   cancel that the row refuses. Otherwise it is in a discarded range and still in the stream.
//! - **Nothing is doubled.** A key has one order, and the stream has no more intents than calls
//!   were made.
//! - **Nothing is unexplained.** Each row agrees with an intent of the stream, and each intent
//!   agrees with the request of a client.

use std::collections::{BTreeMap, BTreeSet};

use orders::{Cancel, Fingerprint, Intent, IntentId, IntentKind, OrderId, Row, Submit};

use crate::{Call, Evidence, StreamRecord, Told, What};

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The number of calls that were answered 202.
    pub accepted: usize,
    /// The effects of these calls.
    pub became: Accepted,
    /// The number of orders in these calls whose row has content.
    pub persisted: usize,
    /// The number of these orders that are cancelled.
    pub cancelled: usize,
    /// The number of accepted submits that repeat an order. The one row has absorbed them.
    pub absorbed: usize,
    /// The number of calls that were turned away with a 4xx.
    pub turned_away: usize,
    /// The number of calls that were answered 503, or by the gateway.
    pub unavailable: usize,
    /// The number of records in discarded ranges that can never be applied.
    pub poison_discarded: usize,
    /// The intents in discarded ranges that are not applied. They are to be put back.
    pub recoverable: BTreeSet<IntentId>,
    /// The accepted intents that are nowhere.
    pub lost: Vec<String>,
    /// The orders and intents that are there more often than clients asked.
    pub doubled: Vec<String>,
    /// The rows and intents that no client asked for.
    pub unexplained: Vec<String>,
}

/// The effects of the calls that were answered 202. Each call is counted in one place, so the sum
/// is [`Audit::accepted`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The first submit of an order, which is applied.
    pub persisted: usize,
    /// A further submit of an order, which its row has absorbed or recorded as a conflict.
    pub repeated: usize,
    /// The first cancel of an order, which is applied or refused by the row.
    pub cancels: usize,
    /// A further cancel of an order, which is applied or refused likewise.
    pub cancels_repeated: usize,
    /// An intent in a discarded range that is not applied. It is to be put back.
    pub discarded: usize,
    /// An intent that is nowhere.
    pub lost: usize,
}

impl Accepted {
    /// The number of these calls.
    #[must_use]
    pub fn sum(&self) -> usize {
        let submits = self.persisted + self.repeated;
        submits + self.cancels + self.cancels_repeated + self.discarded + self.lost
    }
}

impl Audit {
    /// Compares the calls of clients with the `evidence` after them. The clients have caused
    /// nothing that is in the evidence `before` their first call.
    #[must_use]
    pub fn of(calls: &[Call], before: &Evidence, evidence: &Evidence) -> Self {
        let intents = Intents::in_the_stream(evidence);
        let mut audit = Self::default();
        audit.count(calls, evidence);
        audit.find_lost(calls, before, evidence, &intents);
        let others = Intents::in_the_stream(before);
        audit.find_doubled(calls, &others, &intents);
        audit.find_unexplained(evidence, &intents);
        audit.find_unasked(calls, &others, &intents);
        audit
    }

    /// Fails unless nothing is lost, doubled or unexplained.
    ///
    /// # Panics
    /// If anything is lost, doubled or unexplained, with a list of it.
    pub fn assert_kept(&self) {
        let nothing: [String; 0] = [];
        assert_eq!(self.lost, nothing, "lost");
        assert_eq!(self.doubled, nothing, "doubled");
        assert_eq!(self.unexplained, nothing, "unexplained");
    }

    fn count(&mut self, calls: &[Call], evidence: &Evidence) {
        let mut orders = BTreeSet::new();
        for call in calls {
            match (&call.told, &call.what) {
                (Told::Accepted(order_id, _), what) => {
                    self.accepted += 1;
                    let is_first = orders.insert(*order_id);
                    self.absorbed += usize::from(!is_first && matches!(what, What::Submit { .. }));
                }
                (Told::TurnedAway, _) => self.turned_away += 1,
                (Told::Unknown(_) | Told::Unavailable | Told::Failed, _) => self.unavailable += 1,
            }
        }
        for id in &orders {
            let row = evidence.rows.get(id);
            let Some(submitted) = row.and_then(|row| row.submitted.as_ref()) else {
                continue;
            };
            self.persisted += 1;
            let is_cancelled = row.is_some_and(|row| row.cancel_of(&submitted.owner).is_some());
            self.cancelled += usize::from(is_cancelled);
        }
    }

    fn find_lost(
        &mut self,
        calls: &[Call],
        before: &Evidence,
        evidence: &Evidence,
        intents: &Intents,
    ) {
        let place =
            |record: &StreamRecord| (record.shard_id.clone(), record.sequence_number.clone());
        let old: BTreeSet<_> = before.records.iter().map(place).collect();
        for record in &evidence.records {
            if !evidence.is_discarded(record) || old.contains(&place(record)) {
                continue;
            }
            match record.intent() {
                None => self.poison_discarded += 1,
                Some(intent) if !is_applied(&intent, &evidence.rows) => {
                    self.recoverable.insert(intent.id);
                }
                Some(_) => {}
            }
        }
        let mut applied = BTreeSet::new();
        for call in calls {
            let Told::Accepted(order_id, intent_id) = call.told else {
                continue;
            };
            let became = &mut self.became;
            match intents.by_id.get(&intent_id) {
                Some(intent) if is_applied(intent, &evidence.rows) => {
                    let is_cancel = matches!(call.what, What::Cancel { .. });
                    match (is_cancel, applied.insert((order_id, is_cancel))) {
                        (false, true) => became.persisted += 1,
                        (false, false) => became.repeated += 1,
                        (true, true) => became.cancels += 1,
                        (true, false) => became.cancels_repeated += 1,
                    }
                }
                Some(_) if self.recoverable.contains(&intent_id) => became.discarded += 1,
                Some(_) => {
                    became.lost += 1;
                    self.lost.push(format!(
                        "intent {intent_id} about {order_id} is neither applied nor discarded"
                    ));
                }
                None => {
                    became.lost += 1;
                    self.lost.push(format!(
                        "intent {intent_id} about {order_id} is not in the stream"
                    ));
                }
            }
        }
    }

    fn find_doubled(&mut self, calls: &[Call], others: &Intents, intents: &Intents) {
        let mut of_key: BTreeMap<&str, BTreeSet<OrderId>> = BTreeMap::new();
        let mut calls_about: BTreeMap<OrderId, usize> = BTreeMap::new();
        for call in calls {
            if let Told::Accepted(order_id, _) | Told::Unknown(order_id) = call.told {
                *calls_about.entry(order_id).or_default() += 1;
                if let What::Submit { key: Some(key), .. } = &call.what {
                    of_key.entry(key).or_default().insert(order_id);
                }
            }
        }
        let mut unnamed = 0;
        for call in calls.iter().filter(|call| call.told == Told::Failed) {
            let order_id = match &call.what {
                What::Cancel { order_id, .. } => Some(*order_id),
                What::Submit { key, .. } => {
                    let orders = key.as_deref().and_then(|key| of_key.get(key));
                    orders.and_then(|orders| orders.first().copied())
                }
            };
            match order_id {
                Some(order_id) => *calls_about.entry(order_id).or_default() += 1,
                // The call may have left an order in the stream whose id only the stream knows.
                None => unnamed += 1,
            }
        }
        for (key, orders) in of_key {
            if orders.len() > 1 {
                self.doubled
                    .push(format!("{} orders under the key {key}", orders.len()));
            }
        }
        let mut surplus = 0;
        for (order_id, ids) in &intents.of_order {
            match calls_about.get(order_id) {
                Some(calls) if ids.len() > *calls => self.doubled.push(format!(
                    "{} intents about {order_id} from {calls} calls",
                    ids.len()
                )),
                None if !others.of_order.contains_key(order_id) => surplus += 1,
                _ => {}
            }
        }
        if surplus > unnamed {
            self.doubled.push(format!(
                "{surplus} orders in the stream that no client was told of, from {unnamed} calls without a response"
            ));
        }
    }

    fn find_unexplained(&mut self, evidence: &Evidence, intents: &Intents) {
        for (order_id, row) in &evidence.rows {
            if let Some(submitted) = &row.submitted {
                let said = intents.by_id.get(&submitted.intent);
                let is_said = said.is_some_and(|intent| {
                    intent.order_id == *order_id
                        && intent.accepted_at == submitted.accepted_at
                        && matches!(&intent.kind, IntentKind::Submit(Submit { owner, order, fingerprint })
                            if *owner == submitted.owner
                                && *order == submitted.content
                                && *fingerprint == submitted.fingerprint
                                && Fingerprint::of(owner, order) == *fingerprint)
                });
                if !is_said {
                    self.unexplained
                        .push(format!("no intent explains the row {order_id}"));
                }
            }
            for (caller, register) in &row.cancels {
                let said = intents.by_id.get(&register.intent);
                let is_said = said.is_some_and(|intent| {
                    intent.order_id == *order_id
                        && matches!(&intent.kind, IntentKind::Cancel(Cancel { caller: said }) if said.hash() == *caller)
                });
                if !is_said {
                    self.unexplained
                        .push(format!("no intent cancels the order {order_id}"));
                }
            }
        }
    }

    /// Finds the intents that no client asked for. If a call was answered with the intent's id, the
    /// intent has to agree with that call. Otherwise it has to agree with one of the calls without
    /// a known result.
    fn find_unasked(&mut self, calls: &[Call], others: &Intents, intents: &Intents) {
        let mut answered = BTreeMap::new();
        let mut unknown = Vec::new();
        for call in calls {
            match call.told {
                Told::Accepted(order_id, id) => {
                    answered.insert(id, (order_id, &call.what));
                }
                Told::Unknown(order_id) => unknown.push((Some(order_id), &call.what)),
                Told::Failed => unknown.push((None, &call.what)),
                Told::Unavailable | Told::TurnedAway => {}
            }
        }
        for (id, intent) in &intents.by_id {
            let is_asked_for = match answered.get(id) {
                Some((order_id, what)) => *order_id == intent.order_id && what.is(intent),
                None => unknown.iter().any(|(order_id, what)| {
                    order_id.is_none_or(|id| id == intent.order_id) && what.is(intent)
                }),
            };
            if !is_asked_for && !others.by_id.contains_key(id) {
                self.unexplained.push(format!(
                    "intent {id} about {} is not a client's request",
                    intent.order_id
                ));
            }
        }
    }
}

/// The intents of the stream, each once even if it is there several times.
struct Intents {
    by_id: BTreeMap<IntentId, Intent>,
    of_order: BTreeMap<OrderId, BTreeSet<IntentId>>,
}

impl Intents {
    fn in_the_stream(evidence: &Evidence) -> Self {
        let mut intents = Self {
            by_id: BTreeMap::new(),
            of_order: BTreeMap::new(),
        };
        for intent in evidence.records.iter().filter_map(|record| record.intent()) {
            let ids = intents.of_order.entry(intent.order_id).or_default();
            ids.insert(intent.id);
            intents.by_id.insert(intent.id, intent);
        }
        intents
    }
}

/// True if the row shows that the intent has had its effect, or that it will have none.
fn is_applied(intent: &Intent, rows: &BTreeMap<OrderId, Row>) -> bool {
    let Some(row) = rows.get(&intent.order_id) else {
        return false;
    };
    match (&intent.kind, &row.submitted) {
        (IntentKind::Submit(_), None) => false,
        (IntentKind::Submit(Submit { fingerprint, .. }), Some(submitted)) => {
            submitted.fingerprint == *fingerprint
                || row.conflicts.contains(fingerprint)
                || row.conflicts_truncated
        }
        (IntentKind::Cancel(Cancel { caller }), submitted) => {
            row.cancel_of(caller).is_some()
                || submitted
                    .as_ref()
                    .is_some_and(|order| order.owner != *caller)
        }
    }
}

#[cfg(test)]
mod tests;
