//! The row after every schedule. Each interleaving of the conditional writes of a set of intents,
//! with redeliveries and crashes, is compared with a model that is too simple to be wrong.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use conditional_write::{Item, NotDone, Value};
use orders::{
    Caller, Cancel, CancelRegister, Conflict, Fact, Fingerprint, Intent, IntentId, IntentKind,
    NewOrder, OrderId, Outcome, Row, Step, Submit, Submitted, Timestamp, next_step,
};
use proptest::prelude::*;

/// The expected row, each register taken literally.
#[derive(Clone, Debug, Default)]
struct Model(Row);

impl Model {
    fn apply(&mut self, intent: &Intent) -> Outcome {
        let row = &mut self.0;
        match &intent.kind {
            IntentKind::Submit(Submit {
                owner,
                order,
                fingerprint,
            }) => match &row.submitted {
                None => {
                    row.submitted = Some(Submitted {
                        fingerprint: fingerprint.clone(),
                        owner: owner.clone(),
                        content: order.clone(),
                        intent: intent.id,
                        accepted_at: intent.accepted_at,
                    });
                    Outcome::Applied
                }
                Some(first) if first.fingerprint == *fingerprint && first.intent == intent.id => {
                    Outcome::AlreadyApplied
                }
                Some(first) if first.fingerprint == *fingerprint => Outcome::Duplicate,
                Some(_) if row.conflicts.contains(fingerprint) => {
                    Outcome::Conflict(Conflict::AlreadyRecorded)
                }
                Some(_) if row.conflicts.len() < 10 => {
                    row.conflicts.insert(fingerprint.clone());
                    Outcome::Conflict(Conflict::Recorded)
                }
                Some(_) => {
                    row.conflicts_truncated = true;
                    Outcome::Conflict(Conflict::Truncated)
                }
            },
            IntentKind::Cancel(Cancel { caller }) => {
                match (row.cancels.get(&caller.hash()), &row.submitted) {
                    (Some(register), _) if register.intent == intent.id => Outcome::AlreadyApplied,
                    (Some(_), _) => Outcome::Duplicate,
                    (None, Some(submitted)) if submitted.owner != *caller => Outcome::Refused,
                    (None, _) => {
                        row.cancels.insert(
                            caller.hash(),
                            CancelRegister {
                                intent: intent.id,
                                accepted_at: intent.accepted_at,
                            },
                        );
                        Outcome::Applied
                    }
                }
            }
        }
    }
}

/// One delivery of one intent, between two of its writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Delivery {
    known: Option<Rc<Row>>,
    done: bool,
}

/// A row with its deliveries under way, and the model folded over the intents in the order in which
/// they were done.
#[derive(Clone)]
struct World<'a> {
    intents: &'a [Intent],
    item: Option<Rc<Item>>,
    deliveries: Vec<Delivery>,
    model: Rc<Model>,
}

impl<'a> World<'a> {
    fn new(intents: &'a [Intent]) -> Self {
        Self {
            intents,
            item: None,
            deliveries: vec![Delivery::default(); intents.len()],
            model: Rc::default(),
        }
    }

    /// Lets one delivery take its next step, and checks what must be true after every step.
    fn step(&mut self, index: usize) {
        let (intent, delivery) = (&self.intents[index], &mut self.deliveries[index]);
        let outcome = match next_step(intent, delivery.known.as_deref()) {
            Step::Done(outcome) => outcome,
            Step::Write { write, outcome } => match write.apply_to(self.item.as_deref()) {
                Ok(item) => {
                    let old = self.item.replace(Rc::new(item));
                    check_announcement(old.as_deref(), self.item.as_deref());
                    outcome
                }
                Err(NotDone::NotASet) => unreachable!("`conflicts` is a set"),
                Err(NotDone::Refused) => {
                    let row = self.item.as_deref();
                    let row = row.map(|item| Rc::new(Row::from_item(item).unwrap()));
                    assert_ne!(
                        row, delivery.known,
                        "a write was refused by the row that it was made for"
                    );
                    delivery.known = row;
                    return;
                }
            },
        };
        delivery.done = true;
        assert_eq!(
            outcome,
            Rc::make_mut(&mut self.model).apply(intent),
            "the outcome is that of the fold"
        );
        assert_eq!(
            self.row(),
            self.model.0,
            "the row is the fold of the intents in the order they were done"
        );
    }

    fn row(&self) -> Row {
        self.item
            .as_ref()
            .map(|item| Row::from_item(item).unwrap())
            .unwrap_or_default()
    }

    fn pending(&self) -> Vec<usize> {
        (0..self.deliveries.len())
            .filter(|index| !self.deliveries[*index].done)
            .collect()
    }

    /// Every row that there can be when all deliveries are done, over every interleaving of their
    /// steps.
    fn explore(self) -> Vec<Row> {
        let (mut ends, mut seen, mut open) = (Vec::new(), HashSet::new(), vec![self]);
        while let Some(world) = open.pop() {
            if !seen.insert((world.item.clone(), world.deliveries.clone())) {
                continue;
            }
            let pending = world.pending();
            if pending.is_empty() {
                ends.push(world.row());
            }
            for index in pending {
                let mut next = world.clone();
                next.step(index);
                open.push(next);
            }
        }
        ends
    }

    /// Lets every delivery finish, one after the other.
    fn finish(&mut self) {
        while let Some(index) = self.pending().first().copied() {
            self.step(index);
        }
    }
}

fn order_id() -> OrderId {
    OrderId::from_random([9; 16])
}

fn caller(name: &str) -> Caller {
    Caller::parse(name).unwrap()
}

fn order(sku: usize) -> NewOrder {
    let body = format!(
        r#"{{"customer_id": "c", "currency": "EUR", "items": [{{"sku": "{sku}", "quantity": 1, "unit_price": 1}}]}}"#
    );
    NewOrder::parse(body.as_bytes()).unwrap()
}

fn at(id: u8) -> (IntentId, Timestamp) {
    (
        IntentId::from_random([id; 16]),
        Timestamp::from_unix_millis(i64::from(id)).unwrap(),
    )
}

fn submit(id: u8, owner: &str, sku: usize) -> Intent {
    let (id, time) = at(id);
    Intent::submit(id, order_id(), time, caller(owner), order(sku))
}

fn cancel(id: u8, by: &str) -> Intent {
    let (id, time) = at(id);
    Intent::cancel(id, order_id(), time, caller(by))
}

/// The part of the owner's view that a schedule must not change, which is content, and whether it
/// is cancelled.
fn seen_by(row: &Row, name: &str) -> Option<String> {
    let view = row.view(order_id(), &caller(name))?;
    Some(format!(
        "{} {:?}",
        serde_json::to_string(view.content()).unwrap(),
        view.status()
    ))
}

/// Every multiset of one to `most` members, so redeliveries of one intent are among them.
fn multisets(universe: &[Intent], most: usize) -> Vec<Vec<Intent>> {
    let mut all: Vec<(usize, Vec<Intent>)> = vec![(0, vec![])];
    let mut from = 0;
    for _ in 0..most {
        let to = all.len();
        for index in from..to {
            let (first, set) = all[index].clone();
            for (member, intent) in universe.iter().enumerate().skip(first) {
                let mut larger = set.clone();
                larger.push(intent.clone());
                all.push((member, larger));
            }
        }
        from = to;
    }
    all.into_iter()
        .map(|(_, set)| set)
        .filter(|set| !set.is_empty())
        .collect()
}

/// The submits of different orders among these intents.
fn fingerprints(intents: &[Intent]) -> BTreeSet<Fingerprint> {
    intents
        .iter()
        .filter_map(|intent| match &intent.kind {
            IntentKind::Submit(submit) => Some(submit.fingerprint.clone()),
            IntentKind::Cancel(_) => None,
        })
        .collect()
}

/// Each fact of the new row was a fact of the old row or is announced, and never both. So over any
/// schedule the announced facts are those of the final row, each announced once.
fn check_announcement(old: Option<&Item>, new: Option<&Item>) {
    let row = |item: Option<&Item>| item.map(|item| Row::from_item(item).unwrap());
    let (old, new) = (row(old), row(new));
    let names = |facts: Vec<Fact>| -> Vec<String> { facts.iter().map(Fact::name).collect() };
    let facts = |row: &Option<Row>| names(row.as_ref().map(Row::facts).unwrap_or_default());
    let announced = names(Fact::announced_by(old.as_ref(), new.as_ref()));
    let both: Vec<String> = facts(&old).into_iter().chain(announced.clone()).collect();
    let distinct: BTreeSet<&String> = both.iter().collect();
    assert_eq!(distinct.len(), both.len(), "nothing is announced twice");
    let shown = facts(&new);
    assert_eq!(distinct, shown.iter().collect(), "{old:?} became {new:?}");
    assert!(
        shown.is_empty() || shown[0] == "created",
        "nothing is true of an order that does not exist"
    );
    let first = announced.iter().position(|name| name == "created");
    assert!(first.is_none_or(|first| first == 0), "{announced:?}");
}

/// The properties that a row must have when every intent is done.
fn check_end(row: &Row, intents: &[Intent]) {
    let submitted = fingerprints(intents);
    let winner: BTreeSet<_> = row
        .submitted
        .iter()
        .map(|submitted| submitted.fingerprint.clone())
        .collect();
    assert_eq!(
        winner.len(),
        submitted.len().min(1),
        "exactly one submit wins"
    );
    assert!(winner.is_subset(&submitted));
    let losers: BTreeSet<_> = submitted.difference(&winner).cloned().collect();
    assert!(row.conflicts.is_subset(&losers));
    assert_eq!(
        row.conflicts.len(),
        losers.len().min(10),
        "the others are recorded, up to ten"
    );
    assert_eq!(
        row.conflicts_truncated,
        losers.len() > 10,
        "more than ten are marked"
    );
}

#[test]
fn one_order_looks_the_same_to_its_owner_after_every_interleaving_of_up_to_five_intents() {
    let universe = [
        submit(1, "owner", 1),
        submit(2, "owner", 1),
        cancel(3, "owner"),
        cancel(4, "owner"),
        cancel(5, "stranger"),
    ];
    for intents in multisets(&universe, 5) {
        let rows = World::new(&intents).explore();
        let views: BTreeSet<_> = rows.iter().map(|row| seen_by(row, "owner")).collect();
        assert_eq!(views.len(), 1, "{intents:?} → {views:?}");
        let owners_alone: Vec<Intent> = intents
            .iter()
            .filter(|intent| **intent != universe[4])
            .cloned()
            .collect();
        let without_stranger: BTreeSet<_> = World::new(&owners_alone)
            .explore()
            .iter()
            .map(|row| seen_by(row, "owner"))
            .collect();
        assert_eq!(
            views, without_stranger,
            "a stranger's cancel changes nothing"
        );
        rows.iter().for_each(|row| check_end(row, &intents));
    }
}

#[test]
fn of_different_submits_one_wins_and_the_others_are_recorded_in_every_interleaving_of_up_to_five() {
    let universe = [
        submit(1, "owner", 1),
        submit(2, "owner", 2),
        submit(3, "stranger", 1),
        cancel(4, "owner"),
        cancel(5, "stranger"),
    ];
    for intents in multisets(&universe, 5) {
        for row in World::new(&intents).explore() {
            check_end(&row, &intents);
            for name in ["owner", "stranger"] {
                let other = if name == "owner" { "stranger" } else { "owner" };
                if row.view(order_id(), &caller(name)).is_some() {
                    assert_eq!(seen_by(&row, other), None, "an order has one owner");
                    let cancel = IntentKind::Cancel(Cancel {
                        caller: caller(name),
                    });
                    let cancelled = intents.iter().any(|intent| intent.kind == cancel);
                    assert_eq!(
                        seen_by(&row, name).unwrap().ends_with("Cancelled"),
                        cancelled,
                        "the owner's own cancel counts, and no other"
                    );
                }
            }
        }
    }
}

#[test]
fn the_eleventh_conflict_is_marked_and_not_recorded() {
    let intents: Vec<Intent> = (1..=13).map(|n| submit(n, "owner", n.into())).collect();
    let mut world = World::new(&intents);
    world.finish();
    check_end(&world.row(), &intents);
    assert_eq!(world.row().conflicts.len(), 10);
    assert!(world.row().conflicts_truncated);
}

#[test]
fn a_cancel_that_comes_first_meets_its_submit() {
    let intents = [cancel(1, "owner"), submit(2, "owner", 1)];
    let mut world = World::new(&intents);
    world.step(0);
    assert_eq!(
        world.row().view(order_id(), &caller("owner")),
        None,
        "it is no order yet"
    );
    world.step(1);
    assert!(
        seen_by(&world.row(), "owner")
            .unwrap()
            .ends_with("Cancelled")
    );
}

#[test]
fn an_order_stored_by_an_older_fingerprint_rule_is_compared_by_its_content() {
    let first = submit(1, "owner", 1);
    let Step::Write { write, .. } = next_step(&first, None) else {
        panic!("no write")
    };
    let mut item = write.apply_to(None).unwrap();
    item.insert("fingerprint", Value::S(format!("9:{}", "0".repeat(64))));
    let row = Row::from_item(&item).unwrap();
    assert_eq!(
        next_step(&submit(2, "owner", 1), Some(&row)),
        Step::Done(Outcome::Duplicate)
    );
    assert!(matches!(
        next_step(&submit(3, "owner", 2), Some(&row)),
        Step::Write {
            outcome: Outcome::Conflict(Conflict::Recorded),
            ..
        }
    ));
}

#[test]
fn one_intent_id_with_two_contents_is_a_conflict_and_no_redelivery() {
    let intents = [submit(1, "owner", 1), submit(1, "owner", 2)];
    let mut world = World::new(&intents);
    world.finish();
    assert_eq!(world.row().conflicts.len(), 1);
}

#[test]
fn a_row_reads_back_what_the_writes_said() {
    let intents = [
        submit(1, "owner", 1),
        submit(2, "owner", 2),
        cancel(3, "owner"),
    ];
    let mut world = World::new(&intents);
    (0..3).chain(1..2).for_each(|index| world.step(index));
    let view =
        serde_json::to_value(world.row().view(order_id(), &caller("owner")).unwrap()).unwrap();
    let conflict = Fingerprint::of(&caller("owner"), &order(2));
    assert_eq!(
        view,
        serde_json::json!({
            "order_id": order_id().to_string(), "status": "cancelled", "customer_id": "c", "currency": "EUR",
            "items": [{"sku": "1", "quantity": 1, "unit_price": 1}], "total": 1,
            "accepted_at": "1970-01-01T00:00:00.001Z", "cancelled_at": "1970-01-01T00:00:00.003Z",
            "fingerprint": Fingerprint::of(&caller("owner"), &order(1)).as_str(), "conflicts": [conflict.as_str()],
        })
    );
}

#[test]
fn attributes_that_are_not_the_services_are_left_alone() {
    let mut item = Item::new();
    for name in [
        "order_id",
        "shipped_by",
        "cancel:reason",
        "cancel:",
        "cancel:0123456789abcdeF",
    ] {
        item.insert_other(name);
    }
    assert_eq!(Row::from_item(&item), Ok(Row::default()));
}

#[test]
fn an_attribute_of_the_services_with_a_value_of_another_type_makes_the_row_unreadable() {
    let cancel = format!("cancel:{}", caller("owner").hash());
    for (name, named) in [
        ("owner", "fingerprint"),
        ("conflicts", "conflicts"),
        (&cancel, "cancel"),
    ] {
        let mut item = Item::new();
        item.insert_other(name.to_owned());
        assert_eq!(
            Row::from_item(&item).unwrap_err().to_string(),
            format!("the row's attribute `{named}` is missing or malformed")
        );
    }
}

#[test]
fn more_than_ten_conflicts_are_shown_as_truncated() {
    let intents: Vec<Intent> = (1..=12).map(|n| submit(n, "owner", n.into())).collect();
    let mut world = World::new(&intents);
    let shown = |world: &World<'_>| {
        serde_json::to_value(world.row().view(order_id(), &caller("owner"))).unwrap()
    };
    world.step(0);
    assert_eq!(shown(&world).get("conflicts_truncated"), None);
    world.finish();
    assert_eq!(shown(&world)["conflicts_truncated"], true);
    assert_eq!(shown(&world)["conflicts"].as_array().unwrap().len(), 10);
}

#[test]
fn a_row_that_lacks_a_part_is_unreadable_and_named() {
    let Step::Write { write, .. } = next_step(&submit(1, "owner", 1), None) else {
        panic!("no write")
    };
    let item = write.apply_to(None).unwrap();
    for name in [
        "fingerprint",
        "owner",
        "content",
        "submit_intent",
        "accepted_at",
    ] {
        let mut torn = item.clone();
        torn.remove(name);
        assert_eq!(
            Row::from_item(&torn).unwrap_err().to_string(),
            format!("the row's attribute `{name}` is missing or malformed")
        );
    }
}

/// An intent of one of a few clients that err in every way. Many orders share one id, and there are
/// several callers.
fn any_intent() -> impl Strategy<Value = Intent> {
    let name = prop::sample::select(vec!["owner", "stranger", "third"]);
    prop_oneof![
        3 => (1..=60_u8, name.clone(), 1..=14_usize).prop_map(|(id, owner, sku)| submit(id, owner, sku)),
        1 => (61..=90_u8, name).prop_map(|(id, by)| cancel(id, by)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_schedule_of_any_intents_with_crashes_and_redeliveries_is_a_fold(
        intents in prop::collection::vec(any_intent(), 6..40),
        schedule in prop::collection::vec((any::<prop::sample::Index>(), 0..10_u8), 0..300),
    ) {
        let mut world = World::new(&intents);
        for (index, fate) in schedule {
            let index = index.index(intents.len());
            match fate {
                // A crash before the step, or a redelivery of what was done.
                0 => world.deliveries[index] = Delivery::default(),
                _ if world.deliveries[index].done => {}
                _ => world.step(index),
            }
        }
        let mut steps: BTreeMap<usize, usize> = BTreeMap::new();
        while let Some(index) = world.pending().first().copied() {
            world.step(index);
            let taken = steps.entry(index).or_default();
            *taken += 1;
            prop_assert!(*taken <= 4, "an intent is done after four steps once its row rests");
        }
        check_end(&world.row(), &intents);
    }

    #[test]
    fn one_order_with_its_retries_and_cancels_looks_the_same_whatever_the_order(
        mut ids in prop::collection::vec((1..=90_u8, 0..4_u8), 6..20), seed in any::<prop::sample::Index>(),
    ) {
        let to_intents = |ids: &[(u8, u8)]| -> Vec<Intent> {
            ids.iter().map(|(id, kind)| match kind { 0 | 1 => submit(*id, "owner", 1), 2 => cancel(*id, "owner"), _ => cancel(*id, "stranger") }).collect()
        };
        let run = |intents: Vec<Intent>| {
            let mut world = World::new(&intents);
            world.finish();
            seen_by(&world.row(), "owner")
        };
        let one = run(to_intents(&ids));
        let middle = seed.index(ids.len());
        ids.rotate_left(middle);
        prop_assert_eq!(&one, &run(to_intents(&ids)));
        ids.reverse();
        prop_assert_eq!(&one, &run(to_intents(&ids)));
    }
}
