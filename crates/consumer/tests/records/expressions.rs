//! The domain says what a write does to a row, and DynamoDB has to agree.

use conditional_write::{Answer, Item, NotDone};
use orders::{Intent, Row, Step, next_step};
use proptest::prelude::*;

use crate::world::{World, cancel, order_id, submit};

fn any_intent() -> impl Strategy<Value = Intent> {
    let name = prop::sample::select(vec!["ann", "bob", "mallory"]);
    prop_oneof![
        3 => (1..=60_u8, name.clone(), 0..14_u8).prop_map(|(id, owner, sku)| submit(id, 7, owner, &sku.to_string())),
        1 => (61..=90_u8, name).prop_map(|(id, by)| cancel(id, 7, by)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_dynamodb_does_with_the_expressions_is_what_the_domain_says(intents in prop::collection::vec(any_intent(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let mut expected: Option<Item> = None;
            for intent in &intents {
                let outcome = world.outcome_of(intent).await.unwrap();
                let mut row = None;
                let by_domain = loop {
                    match next_step(intent, row.as_ref()) {
                        Step::Done(outcome) => break outcome,
                        Step::Write { write, outcome } => match write.apply_to(expected.as_ref()) {
                            Ok(item) => {
                                expected = Some(item);
                                break outcome;
                            }
                            Err(NotDone::NotASet) => panic!("`conflicts` is a set"),
                            Err(NotDone::Refused) => row = expected.as_ref().map(|item| Row::from_item(item).unwrap()),
                        },
                    }
                };
                assert_eq!(outcome, by_domain);
                assert_eq!(world.item(order_id(7)).await, expected);
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn every_name_of_every_expression_is_aliased() {
    let world = World::new();
    let mut writes = vec![];
    let mut next = |intent: &Intent, row: Option<&Row>| match next_step(intent, row) {
        Step::Write { write, .. } => writes.push(write),
        Step::Done(_) => panic!("no write"),
    };
    next(&submit(1, 7, "ann", "A"), None);
    next(&cancel(61, 7, "ann"), None);
    for n in 0..=10 {
        world.apply(&[submit(n, 7, "ann", &n.to_string())]).await;
    }
    let full = world.row(order_id(7)).await;
    next(&submit(12, 7, "ann", "12"), Some(&full));
    world.delete(order_id(7)).await;
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    next(
        &submit(2, 7, "ann", "B"),
        Some(&world.row(order_id(7)).await),
    );

    assert_eq!(
        writes.len(),
        4,
        "submit, cancel, the mark of too many conflicts, conflict"
    );
    for write in &writes {
        let expression = write.expression(Row::KEY);
        let words = [
            "SET",
            "ADD",
            "AND",
            "OR",
            "NOT",
            "attribute_exists",
            "attribute_not_exists",
            "contains",
            "size",
        ];
        for text in [&expression.update, &expression.condition] {
            for word in text.split(|c: char| !c.is_ascii_alphanumeric() && !"_#:".contains(c)) {
                let is_alias = word.starts_with(['#', ':']);
                assert!(
                    word.is_empty() || is_alias || words.contains(&word),
                    "{word} in {text}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_refused_by_a_row_without_a_submit() {
    // `<>` and `NOT contains` are true of a missing attribute, so without its guards this write
    // would be done.
    let world = World::new();
    world.apply(&[submit(1, 7, "ann", "A")]).await;
    let row = world.row(order_id(7)).await;
    let Step::Write { write, .. } = next_step(&submit(2, 7, "ann", "B"), Some(&row)) else {
        panic!("no write")
    };
    world.delete(order_id(7)).await;
    world.apply(&[cancel(61, 7, "ann")]).await;
    let cancelled = world.item(order_id(7)).await;
    let answer = world.table.write(order_id(7), &write, vec![]).await;
    assert_eq!(answer.unwrap(), Answer::Refused(cancelled));
}
