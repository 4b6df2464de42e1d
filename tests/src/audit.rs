//! The promise, checked: what clients were told against what is in stream, table and queue.
//!
//! Nothing that was acknowledged is lost: each accepted intent is applied, a duplicate, a recorded
//! conflict, a cancel that the row refuses, or lies in a discarded range and is still in the
//! stream. Nothing is doubled: one order a key, no more intents in the stream than calls were made.
//! Nothing comes from nowhere: each row holds what an intent of the stream says, and each intent
//! says what a client has asked for.

use std::collections::{BTreeMap, BTreeSet};

use orders::{Action, Fingerprint, Intent, IntentId, OrderId, Row};

use crate::{Call, Evidence, StreamRecord, Told, What};

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Calls that were answered 202.
    pub accepted: usize,
    /// What became of these calls.
    pub became: Accepted,
    /// Orders that these calls were about and of which there is a row with content.
    pub persisted: usize,
    /// Of these, the cancelled ones.
    pub cancelled: usize,
    /// Accepted submits beyond the first one of the same order, absorbed by the one row.
    pub absorbed: usize,
    /// Calls that were turned away with a 4xx.
    pub turned_away: usize,
    /// Calls that were answered 503, or by the gateway.
    pub unavailable: usize,
    /// Records that lie in discarded ranges and can never be applied.
    pub poison_discarded: usize,
    /// Intents that lie in discarded ranges and are not applied: to be put back.
    pub recoverable: BTreeSet<IntentId>,
    /// What was accepted and is nowhere.
    pub lost: Vec<String>,
    /// What is there more than once.
    pub doubled: Vec<String>,
    /// What is there and was never sent.
    pub unexplained: Vec<String>,
}

/// What became of the calls that were answered 202. Each is counted in one place, so the sum is
/// [`Audit::accepted`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The first submit of an order, which is applied.
    pub persisted: usize,
    /// A further submit of an order, which its row has absorbed or recorded as a conflict.
    pub repeated: usize,
    /// The first cancel of an order, which is applied or refused by the row.
    pub cancels: usize,
    /// A further cancel of an order, likewise.
    pub cancels_repeated: usize,
    /// An intent that lies in a discarded range and is not applied: to be put back.
    pub discarded: usize,
    /// An intent that is nowhere.
    pub lost: usize,
}

impl Accepted {
    /// How many calls these are.
    #[must_use]
    pub fn sum(&self) -> usize {
        let submits = self.persisted + self.repeated;
        submits + self.cancels + self.cancels_repeated + self.discarded + self.lost
    }
}

impl Audit {
    /// Compares the calls of clients with what is there now; what was there `before` the first call
    /// is not theirs.
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
    /// With what is.
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
                // What it may have left in the stream has an order id that only the stream knows.
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
                "{surplus} orders in the stream of which no client was told, from {unnamed} calls without an answer"
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
                        && matches!(&intent.action, Action::Submit { owner, order, fingerprint }
                            if *owner == submitted.owner
                                && *order == submitted.content
                                && *fingerprint == submitted.fingerprint
                                && Fingerprint::of(owner, order) == *fingerprint)
                });
                if !is_said {
                    self.unexplained
                        .push(format!("no intent says what the row {order_id} holds"));
                }
            }
            for (caller, register) in &row.cancels {
                let said = intents.by_id.get(&register.intent);
                let is_said = said.is_some_and(|intent| {
                    intent.order_id == *order_id
                        && matches!(&intent.action, Action::Cancel { caller: said } if said.hash() == *caller)
                });
                if !is_said {
                    self.unexplained
                        .push(format!("no intent cancels the order {order_id}"));
                }
            }
        }
    }

    /// An intent is what was asked for in the call that it was the answer to, or in one of which
    /// nobody knows what came of it.
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
                    "intent {id} about {} is not what a client has asked for",
                    intent.order_id
                ));
            }
        }
    }
}

/// The intents of the stream, each once however often it stands there.
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

/// Whether the row shows that the intent has had its effect, or that it has none.
fn is_applied(intent: &Intent, rows: &BTreeMap<OrderId, Row>) -> bool {
    let Some(row) = rows.get(&intent.order_id) else {
        return false;
    };
    match (&intent.action, &row.submitted) {
        (Action::Submit { .. }, None) => false,
        (Action::Submit { fingerprint, .. }, Some(submitted)) => {
            submitted.fingerprint == *fingerprint
                || row.conflicts.contains(fingerprint)
                || row.conflicts_truncated
        }
        (Action::Cancel { caller }, submitted) => {
            row.cancel_of(caller).is_some()
                || submitted
                    .as_ref()
                    .is_some_and(|order| order.owner != *caller)
        }
    }
}

#[cfg(test)]
mod tests {
    use event_source_mapping::SequenceNumber;
    use orders::{Caller, NewOrder, Step, Timestamp, next_step};

    use super::*;
    use crate::{Discarded, ORDER};

    const OTHER: &str = r#"{"customer_id": "c-2", "currency": "EUR", "items": [{"sku": "B", "quantity": 1, "unit_price": 5}]}"#;

    fn submit(order: u8, intent: u8, content: &str) -> Intent {
        Intent::submit(
            IntentId::from_random([intent; 16]),
            OrderId::from_random([order; 16]),
            Timestamp::parse("2026-11-22T05:00:00.000Z").unwrap(),
            Caller::anonymous(),
            NewOrder::parse(content.as_bytes()).unwrap(),
        )
    }

    fn cancel(order: u8, intent: u8) -> Intent {
        let time = Timestamp::parse("2026-11-22T05:00:01.000Z").unwrap();
        let (id, order_id) = (
            IntentId::from_random([intent; 16]),
            OrderId::from_random([order; 16]),
        );
        Intent::cancel(id, order_id, time, Caller::anonymous())
    }

    /// A stream with these records, and a table to which those of them that `applied` picks were
    /// applied.
    fn evidence(intents: &[Intent], applied: impl Fn(&Intent) -> bool) -> Evidence {
        let mut items = BTreeMap::new();
        for intent in intents.iter().filter(|intent| applied(intent)) {
            loop {
                let item = items.get(&intent.order_id);
                let row = item.map(|item| Row::from_item(item).unwrap());
                match next_step(intent, row.as_ref()) {
                    Step::Done(_) => break,
                    Step::Write { write, .. } => match write.apply_to(item) {
                        Ok(item) => {
                            items.insert(intent.order_id, item);
                            break;
                        }
                        Err(_) => {
                            assert!(item.is_some(), "the first write of a row is not refused")
                        }
                    },
                }
            }
        }
        let records = intents
            .iter()
            .enumerate()
            .map(|(place, intent)| StreamRecord {
                shard_id: "shardId-000000000000".into(),
                sequence_number: number(place),
                partition_key: intent.order_id.to_string(),
                data: intent.encode(),
            });
        Evidence {
            records: records.collect(),
            rows: items
                .into_iter()
                .map(|(id, item)| (id, Row::from_item(&item).unwrap()))
                .collect(),
            discards: vec![],
        }
    }

    fn number(place: usize) -> SequenceNumber {
        SequenceNumber::parse(&(place + 1).to_string()).unwrap()
    }

    fn accepted(intent: &Intent, key: Option<&str>) -> Call {
        let mut what = What::from(intent);
        if let What::Submit { key: place, .. } = &mut what {
            *place = key.map(str::to_owned);
        }
        Call {
            what,
            told: Told::Accepted(intent.order_id, intent.id),
        }
    }

    fn failed(intent: &Intent, key: Option<&str>) -> Call {
        Call {
            told: Told::Failed,
            ..accepted(intent, key)
        }
    }

    fn audit(calls: &[Call], evidence: &Evidence) -> Audit {
        Audit::of(calls, &Evidence::default(), evidence)
    }

    #[test]
    fn what_is_applied_once_duplicate_conflicting_or_cancelled_is_kept() {
        let first = submit(1, 1, ORDER);
        let intents = [
            first,
            submit(1, 2, ORDER),
            submit(1, 3, OTHER),
            cancel(1, 4),
        ];
        let calls: Vec<Call> = intents
            .iter()
            .map(|intent| accepted(intent, Some("k")))
            .collect();
        let audit = audit(&calls, &evidence(&intents, |_| true));
        audit.assert_kept();
        let expected = Audit {
            accepted: 4,
            became: Accepted {
                persisted: 1,
                repeated: 2,
                cancels: 1,
                ..Accepted::default()
            },
            persisted: 1,
            cancelled: 1,
            absorbed: 2,
            ..Audit::default()
        };
        assert_eq!(audit, expected);
    }

    #[test]
    fn an_accepted_intent_without_an_effect_is_lost() {
        for intent in [submit(1, 2, ORDER), cancel(1, 2)] {
            let intents = [submit(2, 1, ORDER), intent];
            let calls = intents.clone().map(|intent| accepted(&intent, None));
            let evidence = evidence(&intents, |intent| *intent != intents[1]);
            assert_eq!(audit(&calls, &evidence).lost.len(), 1);
        }
    }

    #[test]
    fn an_unrecorded_conflict_is_lost() {
        let intents = [submit(1, 1, ORDER), submit(1, 2, OTHER)];
        let calls = intents.clone().map(|intent| accepted(&intent, None));
        let evidence = evidence(&intents, |intent| *intent == intents[0]);
        assert_eq!(audit(&calls, &evidence).lost.len(), 1);
    }

    #[test]
    fn an_accepted_intent_that_is_not_in_the_stream_is_lost() {
        let call = accepted(&submit(1, 1, ORDER), None);
        assert_eq!(audit(&[call], &Evidence::default()).lost.len(), 1);
    }

    #[test]
    fn what_lies_in_a_discarded_range_can_be_put_back() {
        let intents = [
            submit(1, 1, ORDER),
            submit(2, 2, ORDER),
            submit(3, 3, ORDER),
        ];
        let calls = intents.clone().map(|intent| accepted(&intent, None));
        let mut evidence = evidence(&intents, |intent| *intent == intents[0]);
        evidence.discards.push(Discarded {
            shard_id: "shardId-000000000000".into(),
            start: number(0),
            end: number(1),
        });
        let audit = audit(&calls, &evidence);
        assert_eq!(audit.recoverable, BTreeSet::from([intents[1].id]));
        assert_eq!(audit.lost.len(), 1, "the third one is not in the range");
        let expected = Accepted {
            persisted: 1,
            discarded: 1,
            lost: 1,
            ..Accepted::default()
        };
        assert_eq!(audit.became, expected);
    }

    #[test]
    fn each_accepted_call_is_counted_in_one_place() {
        let intents = [
            submit(1, 1, ORDER),
            submit(1, 2, ORDER),
            cancel(1, 3),
            cancel(1, 4),
            submit(2, 5, ORDER),
            submit(2, 6, ORDER),
            cancel(2, 7),
        ];
        let calls = intents.clone().map(|intent| accepted(&intent, None));
        let mut evidence = evidence(&intents, |intent| intent.order_id == intents[0].order_id);
        evidence.discards.push(Discarded {
            shard_id: "shardId-000000000000".into(),
            start: number(4),
            end: number(5),
        });
        let audit = audit(&calls, &evidence);
        let expected = Accepted {
            persisted: 1,
            repeated: 1,
            cancels: 1,
            cancels_repeated: 1,
            discarded: 2,
            lost: 1,
        };
        assert_eq!(audit.became, expected);
        assert_eq!(audit.became.sum(), audit.accepted);
        assert_eq!(audit.lost.len(), 1);
    }

    #[test]
    fn two_orders_under_one_key_are_doubled() {
        let intents = [submit(1, 1, ORDER), submit(2, 2, ORDER)];
        let calls = intents.clone().map(|intent| accepted(&intent, Some("k")));
        assert_eq!(
            audit(&calls, &evidence(&intents, |_| true)).doubled.len(),
            1
        );
    }

    #[test]
    fn two_intents_from_one_call_are_doubled() {
        let intents = [submit(1, 1, ORDER), submit(1, 2, ORDER)];
        let call = accepted(&intents[1], Some("k"));
        assert_eq!(
            audit(&[call], &evidence(&intents, |_| true)).doubled.len(),
            1
        );
    }

    #[test]
    fn an_order_that_nobody_was_told_of_is_doubled_unless_a_call_failed() {
        let intents = [submit(1, 1, ORDER), submit(2, 2, ORDER)];
        let evidence = evidence(&intents, |_| true);
        let told = accepted(&intents[0], None);
        assert_eq!(
            audit(std::slice::from_ref(&told), &evidence).doubled.len(),
            1
        );
        let failed = failed(&intents[1], None);
        audit(&[told, failed], &evidence).assert_kept();
    }

    #[test]
    fn a_call_that_failed_is_about_its_own_order_alone() {
        let intents = [submit(1, 1, ORDER), submit(1, 2, ORDER)];
        let evidence = evidence(&intents, |_| true);
        let told = accepted(&intents[0], Some("k"));
        let retry = failed(&intents[1], Some("k"));
        audit(&[told.clone(), retry], &evidence).assert_kept();
        for other in [
            failed(&intents[1], None),
            failed(&intents[1], Some("other")),
            failed(&cancel(2, 3), None),
        ] {
            let audit = audit(&[told.clone(), other], &evidence);
            assert_eq!(audit.doubled.len(), 1);
        }
    }

    #[test]
    fn an_intent_that_says_something_else_than_its_client_is_unexplained() {
        let sent = submit(1, 1, ORDER);
        let other = submit(1, 1, OTHER);
        let evidence = evidence(std::slice::from_ref(&other), |_| true);
        assert_eq!(
            audit(&[accepted(&sent, None)], &evidence).unexplained.len(),
            1
        );
        assert_eq!(
            audit(&[failed(&sent, None)], &evidence).unexplained.len(),
            1
        );
        audit(&[failed(&other, None)], &evidence).assert_kept();
        let unknown = |order_id| Call {
            told: Told::Unknown(order_id),
            ..failed(&other, None)
        };
        audit(&[unknown(other.order_id)], &evidence).assert_kept();
        let another = OrderId::from_random([2; 16]);
        assert_eq!(audit(&[unknown(another)], &evidence).unexplained.len(), 1);
    }

    #[test]
    fn a_row_that_no_intent_explains_is_found() {
        let sent = [submit(1, 1, ORDER), cancel(1, 2)];
        let mut evidence = evidence(&sent, |_| true);
        evidence.records.clear();
        assert_eq!(audit(&[], &evidence).unexplained.len(), 2);
        // An intent under the same id that says something else does not explain it.
        let other = submit(1, 1, OTHER);
        evidence.records = self::evidence(std::slice::from_ref(&other), |_| false).records;
        let audit = audit(&[accepted(&other, None)], &evidence);
        assert_eq!(audit.unexplained.len(), 2);
    }
}
