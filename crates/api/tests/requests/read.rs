//! `GET /orders/{id}`.

use std::collections::BTreeSet;
use std::time::Duration;

use api::MaxWait;
use aws_model::Fault;
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
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
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
    assert_eq!(theirs.headers, unknown.headers);
}

#[tokio::test(start_paused = true)]
async fn every_404_of_a_well_formed_id_says_when_to_ask_again() {
    let world = World::new("jwt:sub");
    let pending = accepted(&world, "ann").await;
    let unknown = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    for (id, caller) in [
        (pending.text("order_id"), "ann"),
        (pending.text("order_id"), "bob"),
        (unknown, "ann"),
    ] {
        for request in [
            get(id, caller),
            with_header(get(id, caller), "prefer", "wait=1"),
        ] {
            let answer = world.send(request).await;
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (404, Some("1"))
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("etag"), None);
        }
    }
    // These do not become orders later.
    for (path, status) in [("/orders/1", 400), ("/order/1", 404)] {
        let answer = world.send(from(request("GET", path), "ann")).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (status, None)
        );
    }
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

/// Waits up to five seconds for an order that is persisted after this time. Returns the answer, the
/// time that it took, and the number of looks at the table.
async fn wait_for(persisted_after: Duration) -> (Response, Duration, u64) {
    let world = World::new("jwt:sub");
    let accepted = accepted(&world, "ann").await;
    let waiting = with_header(get(accepted.text("order_id"), "ann"), "prefer", "wait=5");
    // Every call of the table is counted, and answered a millisecond late.
    world
        .aws
        .faults()
        .inject(Fault::slow("dynamodb", 1, 1.0, 600).unwrap());
    let hits = || {
        world
            .aws
            .faults()
            .hits()
            .iter()
            .map(|hit| hit.2)
            .sum::<u64>()
    };
    let began = Instant::now();
    let mut writes = 0;
    let read = async { (world.send(waiting).await, began.elapsed()) };
    let ((answer, took), ()) = tokio::join!(read, async {
        sleep(persisted_after).await;
        let before = hits();
        world.consume().await;
        writes = hits() - before;
    });
    (answer, took, hits() - writes)
}

#[tokio::test(start_paused = true)]
async fn a_wait_looks_again_when_an_order_is_likely_to_have_come() {
    for (persisted_after, looked_after, looks) in [
        (1, 500, 2),
        (450, 500, 2),
        (550, 750, 3),
        (900, 1_000, 4),
        (1_100, 1_250, 5),
        (1_300, 1_750, 6),
        (2_000, 2_750, 7),
        (3_000, 4_750, 8),
        (4_900, 5_000, 9),
    ] {
        let (answer, took, counted) = wait_for(Duration::from_millis(persisted_after)).await;
        assert_eq!(answer.status, 200, "{persisted_after}");
        let late = took.as_millis() - looked_after;
        assert!(late <= 20, "{persisted_after}: {took:?}");
        assert_eq!(counted, looks, "{persisted_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_there_is_answered_with_the_first_look_whatever_the_client_prefers() {
    let world = World::new("none");
    let id = accepted(&world, "ann").await.text("order_id").to_owned();
    world.consume().await;
    let began = Instant::now();
    let read = with_header(get(&id, "ann"), "prefer", "wait=5");
    let answer = world.send(read).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("preference-applied"), Some("wait=5"));
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_is_a_setting_and_with_0_there_is_no_waiting() {
    let unknown = request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2");
    let waiting = with_header(unknown, "prefer", "wait=8");
    for (longest, applied, seconds) in [
        ("0", None, 0),
        ("1", Some("wait=1"), 1),
        ("7", Some("wait=7"), 7),
        // The client asks for less.
        ("9", Some("wait=8"), 8),
    ] {
        let mut world = World::new("none");
        world.api.max_wait = MaxWait::parse(longest).unwrap();
        let began = Instant::now();
        let answer = world.send(waiting.clone()).await;
        assert_eq!(answer.status, 404, "{longest}");
        assert_eq!(answer.header("preference-applied"), applied, "{longest}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{longest}");
    }
}

fn unless(mut request: serde_json::Value, if_none_match: &str) -> serde_json::Value {
    request["headers"]["if-none-match"] = json!(if_none_match);
    request
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_the_order_as_it_is_gets_a_304_without_a_body() {
    let world = World::new("jwt:sub");
    let id = accepted(&world, "ann").await.text("order_id").to_owned();
    world.consume().await;
    let shown = world.send(get(&id, "ann")).await;
    let tag = shown.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for condition in [
        tag.to_owned(),
        format!("W/{tag}"),
        // A gateway joins repeated headers with a comma.
        format!("\"another\",{tag}"),
        "*".to_owned(),
    ] {
        let answer = world.send(unless(get(&id, "ann"), &condition)).await;
        assert_eq!(answer.status, 304, "{condition}");
        assert_eq!(answer.body, json!(null), "{condition}");
        let names = answer.headers.keys().map(http::HeaderName::as_str);
        let names: BTreeSet<&str> = names.collect();
        assert_eq!(names, ["cache-control", "etag"].into(), "{condition}");
        assert_eq!(answer.header("etag"), Some(tag));
        assert_eq!(
            answer.header("cache-control"),
            shown.header("cache-control")
        );
    }
    for condition in ["\"another\"", tag.trim_matches('"'), "", "*, *", "é"] {
        let answer = world.send(unless(get(&id, "ann"), condition)).await;
        assert_eq!(answer.status, 200, "{condition}");
        assert_eq!(answer.headers, shown.headers, "{condition}");
        assert_eq!(answer.body, shown.body, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tag_changes_when_the_order_is_cancelled_and_when_it_conflicts() {
    let world = World::new("none");
    let key = ("idempotency-key", "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11");
    let keyed = with_header(submit(ORDER), key.0, key.1);
    let id = world.send(keyed.clone()).await.text("order_id").to_owned();
    world.consume().await;
    let read = request("GET", &format!("/orders/{id}"));
    let mut tags = vec![
        world
            .send(read.clone())
            .await
            .header("etag")
            .unwrap()
            .to_owned(),
    ];
    let other = with_header(submit(&ORDER.replace("c-1", "c-2")), key.0, key.1);
    let cancel = request("POST", &format!("/orders/{id}/cancel"));
    for intent in [other, cancel] {
        assert_eq!(world.send(intent).await.status, 202);
        world.settle().await;
        let known = tags.join(", ");
        let answer = world.send(unless(read.clone(), &known)).await;
        assert_eq!(answer.status, 200);
        tags.push(answer.header("etag").unwrap().to_owned());
    }
    // A duplicate changes nothing.
    assert_eq!(world.send(keyed).await.status, 202);
    world.settle().await;
    assert_eq!(world.send(unless(read, &tags[2])).await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn a_condition_tells_a_stranger_nothing() {
    let world = World::new("jwt:sub");
    let id = accepted(&world, "ann").await.text("order_id").to_owned();
    world.consume().await;
    let tag = world.send(get(&id, "ann")).await;
    let tag = tag.header("etag").unwrap();
    let unknown = get("7d444840-9dc0-41d1-b245-5ffdce74fad2", "bob");
    for condition in [tag, "*"] {
        let theirs = world.send(unless(get(&id, "bob"), condition)).await;
        let unknown = world.send(unless(unknown.clone(), condition)).await;
        assert_eq!((theirs.status, unknown.status), (404, 404));
        assert_eq!(theirs.body, unknown.body);
        assert_eq!(theirs.headers, unknown.headers);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_for_the_order_and_not_for_a_change_of_it() {
    let world = World::new("none");
    let id = accepted(&world, "ann").await.text("order_id").to_owned();
    let waiting = with_header(get(&id, "ann"), "prefer", "wait=5");
    // Even `*` waits for an order that is not there yet.
    let (answer, ()) = tokio::join!(world.send(unless(waiting.clone(), "*")), async {
        sleep(Duration::from_millis(700)).await;
        world.consume().await;
    });
    assert_eq!(answer.status, 304);
    let tag = answer.header("etag").unwrap();
    let began = Instant::now();
    let answer = world.send(unless(waiting, tag)).await;
    assert_eq!(
        (answer.status, answer.header("preference-applied")),
        (304, Some("wait=5"))
    );
    assert!(began.elapsed() < Duration::from_millis(100));
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
