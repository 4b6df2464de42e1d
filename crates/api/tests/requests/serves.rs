//! A function that serves one part of the API. A request of the other part comes to it only if the
//! routes of the front door are wrong.

use serde_json::{Value, json};

use crate::world::{ORDER, Response, World, from, request, submit, with_header};

const ID: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";

fn cancel() -> Value {
    request("POST", &format!("/orders/{ID}/cancel"))
}

fn get() -> Value {
    request("GET", &format!("/orders/{ID}"))
}

/// The operations that were called on a service.
fn calls(world: &World, service: &str) -> usize {
    let hits = world.aws.faults().hits();
    hits.iter()
        .filter(|(called, _, _)| called.name() == service)
        .count()
}

fn assert_is_to_be_sent_again(answer: &Response) {
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1")),
        "{}",
        answer.body
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_that_writes_accepts_orders_and_cancels() {
    let world = World::new("none").that_writes();
    assert_eq!(world.send(submit(ORDER)).await.status, 202);
    assert_eq!(world.send(cancel()).await.status, 202);
    assert_eq!(world.intents().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_read_at_a_function_that_writes_never_looks_as_if_there_were_no_order() {
    let world = World::new("none").that_writes();
    world.fault("dynamodb", "timeout");
    for read in [get(), with_header(get(), "prefer", "wait=5")] {
        let answer = world.send(read).await;
        assert_is_to_be_sent_again(&answer);
        assert_eq!(answer.text("type"), "urn:problem:orders:unavailable");
        assert_eq!(answer.header("preference-applied"), None);
    }
    assert_eq!(calls(&world, "dynamodb"), 0, "the table is not asked");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_reads_shows_an_order() {
    let world = World::new("none");
    let accepted = world.send(submit(ORDER)).await;
    world.consume().await;
    let world = world.that_reads();
    let path = format!("/orders/{}", accepted.text("order_id"));
    assert_eq!(world.send(request("GET", &path)).await.status, 200);
    assert_eq!(world.send(get()).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_write_at_a_function_that_reads_is_told_that_nothing_happened() {
    let world = World::new("none").that_reads();
    world.fault("kinesis", "timeout");
    for write in [submit(ORDER), submit("no JSON"), cancel()] {
        let answer = world.send(write).await;
        assert_is_to_be_sent_again(&answer);
        assert_eq!(answer.text("type"), "urn:problem:orders:not-accepted");
    }
    assert_eq!(calls(&world, "kinesis"), 0, "the stream is not asked");
    assert_eq!(world.records().len(), 0);
}

// The route that a stray request took may have no authorizer. A 401 would tell the client to log in
// anew, although its token is sound.
#[tokio::test(start_paused = true)]
async fn a_request_at_the_wrong_function_is_not_a_question_of_its_caller() {
    let writes = World::new("jwt:sub").that_writes();
    assert_is_to_be_sent_again(&writes.send(get()).await);
    assert_eq!(writes.send(submit(ORDER)).await.status, 401);
    let reads = World::new("jwt:sub").that_reads();
    assert_is_to_be_sent_again(&reads.send(submit(ORDER)).await);
    assert_eq!(reads.send(get()).await.status, 401);
    assert_eq!(reads.send(from(get(), "ann")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn the_document_of_the_api_is_there_without_stream_and_table() {
    for part in [
        World::new("none").that_writes(),
        World::new("none").that_reads(),
    ] {
        for service in ["kinesis", "dynamodb"] {
            part.fault(service, "timeout");
        }
        let answer = part.send(request("GET", "/openapi.json")).await;
        assert_eq!(answer.status, 200);
        assert_eq!((calls(&part, "kinesis"), calls(&part, "dynamodb")), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn other_paths_and_methods_are_answered_alike_by_each_part() {
    let parts = [
        World::new("none"),
        World::new("none").that_writes(),
        World::new("none").that_reads(),
    ];
    for (method, path, expected, allow) in [
        ("GET", "/orders", 405, Some("POST")),
        ("GET", "/orders/batch", 405, Some("POST")),
        ("DELETE", "/orders/x", 405, Some("GET")),
        ("GET", "/orders/x/cancel", 405, Some("POST")),
        ("GET", "/orders/x/y", 404, None),
        ("GET", "/", 404, None),
    ] {
        let mut bodies = vec![];
        for part in &parts {
            let answer = part.send(request(method, path)).await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (expected, allow),
                "{method} {path}"
            );
            bodies.push(answer.body);
        }
        assert_eq!(bodies, [&bodies[0]; 3].map(|body| json!(body)));
    }
}
