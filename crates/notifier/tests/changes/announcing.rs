//! Facts are announced again from the rows.

use notifier::announce::{Progress, Which};
use orders::OrderId;

use crate::world::{World, cancel, order_id, submit};

#[tokio::test(start_paused = true)]
async fn facts_without_a_mark_are_published_and_marked_and_others_are_not_repeated() {
    let world = World::new();
    let known = world.apply(&submit(order_id(1), 1, "c-1")).await;
    world.notify(&[known]).await;
    // The changes of these are lost.
    world.apply(&cancel(order_id(1), 2)).await;
    world.apply(&submit(order_id(2), 3, "c-1")).await;
    let progress = world.announce(Which::Missing).await;
    assert_eq!(
        progress,
        Progress {
            rows: 2,
            facts: 2,
            announced: 2,
            ..Progress::default()
        }
    );
    let mut names = world.names();
    names.sort();
    assert_eq!(names, ["cancelled", "created", "created"]);
    assert_eq!(world.marks(order_id(1)), ["cancelled", "created"]);
    assert_eq!(world.marks(order_id(2)), ["created"]);
    assert_eq!(world.announce(Which::Missing).await.facts, 0);
}

#[tokio::test(start_paused = true)]
async fn for_a_new_subscriber_all_facts_come_again_under_their_ids() {
    let world = World::new();
    let mut changes = vec![world.apply(&submit(order_id(1), 1, "c-1")).await];
    changes.push(world.apply(&cancel(order_id(1), 2)).await);
    world.notify(&changes).await;
    let before: Vec<String> = world.facts().iter().map(|event| event.id()).collect();
    assert_eq!(world.announce(Which::All).await.facts, 2);
    let ids: Vec<String> = world.facts().iter().map(|event| event.id()).collect();
    assert_eq!(ids, [before.clone(), before].concat());
}

#[tokio::test(start_paused = true)]
async fn every_page_of_the_table_is_announced() {
    let world = World::new();
    for number in 0..600_u128 {
        let order = OrderId::from_random(number.to_be_bytes());
        world.apply(&submit(order, 1, "c-1")).await;
    }
    let progress = world.announce(Which::Missing).await;
    assert_eq!((progress.rows, progress.facts), (600, 600));
    assert_eq!(world.names().len(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_cancel_is_no_order_and_announces_nothing() {
    let world = World::new();
    world.apply(&cancel(order_id(1), 1)).await;
    let progress = world.announce(Which::All).await;
    assert_eq!((progress.rows, progress.facts), (1, 0));
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_facts_are_refused_is_counted_and_found_by_the_next_run() {
    let world = World::new();
    world.apply(&submit(order_id(1), 1, "c-1")).await;
    world.inject("kinesis", "ResourceNotFoundException", 1.0, 600);
    let progress = world.announce(Which::Missing).await;
    assert_eq!((progress.failed, progress.announced), (1, 0));
    world.aws.faults().clear();
    let progress = world.announce(Which::Missing).await;
    assert_eq!((progress.failed, progress.announced), (0, 1));
}
