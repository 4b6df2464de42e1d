//! The limit of requests for each caller.

use std::time::Duration;

use api::Fairness;
use serde_json::Value;

use crate::world::{ORDER, World, from, request, submit};

fn world(limit: &str) -> World {
    let mut world = World::new("jwt:sub");
    world.api.fairness = Fairness::parse(limit).unwrap();
    world
}

fn by_ann(request: Value) -> Value {
    from(request, "ann")
}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_the_limit_is_told_when_to_come_again_and_is_not_accepted() {
    let world = world("2");
    for _ in 0..2 {
        assert_eq!(world.send(by_ann(submit(ORDER))).await.status, 202);
    }
    let answer = world.send(by_ann(submit(ORDER))).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.text("type"), "urn:problem:orders:too-many-requests");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("ratelimit"), Some(r#""caller";r=0;t=1"#));
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some(r#""caller";q=2;w=1"#)
    );
    assert_eq!(world.intents().len(), 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.send(by_ann(submit(ORDER))).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_one_caller_does_not_stop_another() {
    let world = world("1");
    assert_eq!(world.send(by_ann(submit(ORDER))).await.status, 202);
    assert_eq!(world.send(by_ann(submit(ORDER))).await.status, 429);
    assert_eq!(world.send(from(submit(ORDER), "bob")).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn reads_and_cancels_count_as_submits_do() {
    let world = world("2");
    let order = "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2";
    assert_eq!(world.send(by_ann(request("GET", order))).await.status, 404);
    let cancel = request("POST", &format!("{order}/cancel"));
    assert_eq!(world.send(by_ann(cancel)).await.status, 202);
    assert_eq!(world.send(by_ann(request("GET", order))).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_caller_counts_for_nobody() {
    let world = world("1");
    for _ in 0..3 {
        assert_eq!(world.send(submit(ORDER)).await.status, 401);
    }
    assert_eq!(world.send(by_ann(submit(ORDER))).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_limit_unless_one_is_set() {
    let world = world("off");
    for _ in 0..100 {
        assert_eq!(world.send(by_ann(submit(ORDER))).await.status, 202);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_as_many_requests_as_it_has_orders() {
    let world = world("10");
    let mut batch = submit(&format!("{{\"orders\": [{}]}}", [ORDER; 21].join(", ")));
    batch["rawPath"] = "/orders/batch".into();
    batch["requestContext"]["http"]["path"] = "/orders/batch".into();
    let answer = world.send(by_ann(batch)).await;
    assert_eq!(answer.status, 207, "{}", answer.body);
    assert_eq!(world.intents().len(), 21);
    let answer = world.send(by_ann(submit(ORDER))).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("2"))
    );
}
