//! Facts are announced again from the rows.

use std::time::Duration;

use futures::future::join;
use notifier::announce::{Progress, Which};
use orders::OrderId;
use tokio::time::Instant;

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
async fn tables_that_throttle_for_half_a_minute_are_waited_for() {
    let world = World::new();
    world.apply(&submit(order_id(1), 1, "c-1")).await;
    world.inject("dynamodb", "ThrottlingException", 1.0, 30);
    let progress = world.announce(Which::Missing).await;
    assert_eq!((progress.announced, progress.failed), (1, 0));
    assert_eq!(world.marks(order_id(1)), ["created"]);
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

#[tokio::test(start_paused = true)]
async fn an_order_that_is_deleted_before_its_turn_is_not_announced() {
    let world = World::new();
    for order in 1..=2 {
        world.apply(&submit(order_id(order), order, "c-1")).await;
    }
    // The rows are read, and the stream refuses their facts until one row has gone.
    world.inject("kinesis", "ProvisionedThroughputExceededException", 1.0, 5);
    let delete = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.delete(order_id(1))
    };
    let (progress, _) = join(world.announce(Which::All), delete).await;
    assert_eq!((progress.announced, progress.deleted), (1, 1));
    let announced = world.facts();
    let announced: Vec<OrderId> = announced.iter().map(|event| event.order_id).collect();
    assert_eq!(announced, [order_id(2)]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_cancelled_meanwhile_keeps_the_sequence_of_its_facts() {
    let world = World::new();
    let created = world.apply(&submit(order_id(1), 1, "c-1")).await;
    world.inject("kinesis", "ProvisionedThroughputExceededException", 1.0, 5);
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.apply(&cancel(order_id(1), 2)).await
    };
    let (progress, cancelled) = join(world.announce(Which::Missing), cancel).await;
    assert_eq!((progress.facts, progress.announced), (1, 1));
    world.notify(&[created, cancelled]).await;
    assert_eq!(world.names(), ["created", "created", "cancelled"]);
}

/// A world with 600 rows, which are two pages. Twelve of them are orders.
async fn world_with_two_pages() -> World {
    let world = World::new();
    for number in 0..600_u128 {
        let order = OrderId::from_random(number.to_be_bytes());
        let intent = match number {
            number if number % 50 == 0 => submit(order, 1, "c-1"),
            _ => cancel(order, 1),
        };
        world.apply(&intent).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_stops_the_run_after_its_first_page() {
    let world = world_with_two_pages().await;
    world.inject("kinesis", "ResourceNotFoundException", 1.0, 600);
    let begin = Instant::now();
    let progress = world.announce(Which::All).await;
    assert_eq!((progress.rows, progress.announced), (500, 0));
    assert!(progress.is_stopped && progress.failed > 0);
    assert_eq!(
        progress.errors["put ResourceNotFoundException"],
        progress.failed
    );
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_passes_by_itself_stops_no_run() {
    let world = world_with_two_pages().await;
    world.inject("kinesis", "ProvisionedThroughputExceededException", 1.0, 61);
    let progress = world.announce(Which::All).await;
    assert!(!progress.is_stopped && progress.failed > 0 && progress.announced > 0);
    assert_eq!(progress.rows, 600);
    assert_eq!(progress.failed + progress.announced, 12);
}

#[test]
fn progress_is_a_line_that_names_the_errors_and_leaves_out_what_did_not_happen() {
    let mut progress = Progress {
        rows: 500,
        facts: 3,
        announced: 2,
        ..Progress::default()
    };
    assert_eq!(
        progress.to_string(),
        "rows read: 500, facts published: 3, orders announced: 2"
    );
    progress.failed = 1;
    progress
        .errors
        .insert("put AccessDeniedException".to_owned(), 4);
    assert_eq!(
        progress.to_string(),
        "rows read: 500, facts published: 3, orders announced: 2, orders that failed: 1, failed calls: put AccessDeniedException (4)"
    );
}
