//! `GET /orders/{id}`.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::world::{ORDER, Response, World, from, request, submit, with_header};

async fn accepted(world: &World, caller: &str) -> Response {
    world.send(from(submit(ORDER), caller)).await
}

fn get(order_id: &str, caller: &str) -> serde_json::Value {
    from(request("GET", &format!("/orders/{order_id}")), caller)
}

#[tokio::test(start_paused = true)]
async fn its_owner_sees_the_order_once_it_is_persisted() {
    let world = World::new("jwt:sub");
    let accepted = accepted(&world, "ann").await;
    let id = accepted.text("order_id");
    assert_eq!(
        world.send(get(id, "ann")).await.status,
        404,
        "accepted, and not yet persisted"
    );
    world.consume().await;
    let answer = world.send(get(id, "ann")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.body,
        json!({
            "order_id": id, "status": "placed", "customer_id": "c-1", "currency": "EUR",
            "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}], "total": 2598,
            "accepted_at": accepted.text("accepted_at"), "fingerprint": accepted.text("fingerprint"), "conflicts": [],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_order_and_another_callers_are_the_same_404() {
    let world = World::new("jwt:sub");
    let theirs = accepted(&world, "ann").await;
    world.consume().await;
    let theirs = world.send(get(theirs.text("order_id"), "bob")).await;
    let unknown = world
        .send(get("7d444840-9dc0-41d1-b245-5ffdce74fad2", "bob"))
        .await;
    assert_eq!((theirs.status, unknown.status), (404, 404));
    assert_eq!(theirs.body, unknown.body);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_came_first_is_no_order() {
    let world = World::new("none");
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    world
        .send(request("POST", &format!("/orders/{id}/cancel")))
        .await;
    world.consume().await;
    assert_eq!(
        world
            .send(request("GET", &format!("/orders/{id}")))
            .await
            .status,
        404
    );
}

#[tokio::test(start_paused = true)]
async fn who_prefers_to_wait_is_answered_as_soon_as_the_order_is_there() {
    let world = World::new("jwt:sub");
    let accepted = accepted(&world, "ann").await;
    let waiting = with_header(get(accepted.text("order_id"), "ann"), "prefer", "wait=4");
    let began = Instant::now();
    let (answer, ()) = tokio::join!(world.send(waiting), async {
        sleep(Duration::from_millis(1_500)).await;
        world.consume().await;
    });
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("preference-applied"), Some("wait=4"));
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_and_is_never_longer_than_five_seconds() {
    let world = World::new("none");
    let began = Instant::now();
    let unknown = request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2");
    let answer = world
        .send(with_header(unknown, "prefer", "wait=3600"))
        .await;
    assert_eq!(
        (answer.status, answer.header("preference-applied")),
        (404, Some("wait=5"))
    );
    let waited = began.elapsed();
    assert!(
        waited > Duration::from_secs(4) && waited <= Duration::from_secs(5),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_is_a_503_to_try_again() {
    let world = World::new("none");
    for error in [
        "ProvisionedThroughputExceededException",
        "InternalServerError",
        "AccessDeniedException",
        "timeout",
    ] {
        world.aws.faults().clear();
        world.fault("dynamodb", error);
        let answer = world
            .send(request(
                "GET",
                "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2",
            ))
            .await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("1")),
            "{error}"
        );
        assert!(
            !answer.body.to_string().contains("Exception"),
            "the client is not told what failed inside"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_cut_to_the_time_there_is_and_ends_as_a_404() {
    let world = World::new("none");
    for millis in (900..3_000).step_by(50) {
        let unknown = request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2");
        let waiting = with_header(unknown, "prefer", "wait=5");
        let left = Duration::from_millis(millis);
        let answer = world.send_within(left, waiting).await;
        let seconds = (millis - 500) / 1_000;
        let applied = format!("wait={seconds}");
        assert_eq!(
            (answer.status, answer.header("preference-applied")),
            (404, Some(applied.as_str()))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_while_a_client_waits_does_not_take_the_answer_back() {
    let world = World::new("none");
    let unknown = request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2");
    let (answer, ()) = tokio::join!(
        world.send(with_header(unknown, "prefer", "wait=5")),
        async {
            sleep(Duration::from_millis(500)).await;
            world.fault("dynamodb", "AccessDeniedException");
        }
    );
    assert_eq!(answer.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_row_of_the_callers_own_that_cannot_be_read_is_a_500() {
    let world = World::new("none");
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    let item = json!({"order_id": {"S": id}, "owner": {"S": "anonymous"}, "fingerprint": {"S": "by hand"}});
    let put = json!({"TableName": "orders", "Item": item});
    world
        .aws
        .operate(aws_model::Service::DynamoDb, "PutItem", &put)
        .unwrap();
    let answer = world.send(request("GET", &format!("/orders/{id}"))).await;
    assert_eq!(
        (answer.status, answer.text("type")),
        (500, "urn:problem:orders:internal-error")
    );
}

// Otherwise a stranger could tell an order that exists from one that does not.
#[tokio::test(start_paused = true)]
async fn another_callers_row_that_cannot_be_read_is_the_404_of_an_unknown_order() {
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    let unknown = World::new("jwt:sub").send(get(id, "bob")).await;
    for item in [
        json!({"owner": {"S": "ann"}, "fingerprint": {"S": "by hand"}}),
        json!({"owner": {"S": "ann"}}),
        json!({"owner": {"S": "ann"}, "content": {"S": "?"}, "conflicts": {"N": "1"}}),
        json!({"owner": {"S": ""}, "fingerprint": {"S": "by hand"}}),
        json!({"owner": {"N": "7"}, "fingerprint": {"S": "by hand"}}),
        json!({"fingerprint": {"S": "by hand"}}),
        json!({"cancel:0123456789abcdef": {"S": "by hand"}}),
    ] {
        let world = World::new("jwt:sub");
        let mut row = item.clone();
        row["order_id"] = json!({"S": id});
        let put = json!({"TableName": "orders", "Item": row});
        world
            .aws
            .operate(aws_model::Service::DynamoDb, "PutItem", &put)
            .unwrap();
        let answer = world.send(get(id, "bob")).await;
        assert_eq!(answer.status, 404, "{item}");
        assert_eq!(answer.body, unknown.body, "{item}");
        assert_eq!(answer.headers, unknown.headers, "{item}");
    }
}
