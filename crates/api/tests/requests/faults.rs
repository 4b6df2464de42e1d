//! The answers to a client when the stream fails.

use std::time::Duration;

use aws_model::Fault;
use function_runtime::{PassingError, PassingErrors};
use serde_json::Value;
use tokio::time::Instant;

use crate::world::{ORDER, Response, World, request, submit, with_header};

const NOT_ACCEPTED: &str = "urn:problem:orders:not-accepted";
const OUTCOME_UNKNOWN: &str = "urn:problem:orders:outcome-unknown";

#[tokio::test(start_paused = true)]
async fn a_stream_that_refuses_is_a_503_and_nothing_is_accepted() {
    for error in [
        "ProvisionedThroughputExceededException",
        "ResourceNotFoundException",
        "AccessDeniedException",
        "KMSAccessDeniedException",
    ] {
        let world = World::new("none");
        world.fault("kinesis", error);
        let answer = world.send(submit(ORDER)).await;
        assert_eq!(
            (answer.status, answer.text("type")),
            (503, NOT_ACCEPTED),
            "{error}"
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.body.get("order_id"), None);
        assert!(world.records().is_empty());
        assert!(
            !answer.body.to_string().contains(error),
            "the client is not told what failed inside"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_answer_is_a_503_that_carries_the_order_id() {
    for error in ["timeout", "lost-answer", "InternalFailure"] {
        let world = World::new("none");
        world.fault("kinesis", error);
        let answer = world.send(submit(ORDER)).await;
        assert_eq!(
            (answer.status, answer.text("type")),
            (503, OUTCOME_UNKNOWN),
            "{error}"
        );
        assert!(answer.text("detail").contains("outcome is unknown"));
        let in_stream = world.intents();
        assert_eq!(in_stream.is_empty(), error != "lost-answer");
        assert!(
            in_stream
                .iter()
                .all(|intent| intent.order_id.to_string() == answer.text("order_id"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_attempt_without_answer_is_still_an_unknown_outcome() {
    let world = World::new("none");
    world.fault("kinesis", "lost-answer");
    let (answer, ()) = tokio::join!(world.send(submit(ORDER)), async {
        // The first attempt was made and its answer was lost. The attempts that follow are refused.
        world.aws.faults().clear();
        world.fault("kinesis", "ProvisionedThroughputExceededException");
    });
    assert_eq!((answer.status, answer.text("type")), (503, OUTCOME_UNKNOWN));
    assert_eq!(world.intents().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_answer_after_a_refusal_is_an_unknown_outcome_too() {
    let world = World::new("none");
    world.fault("kinesis", "ProvisionedThroughputExceededException");
    let (answer, ()) = tokio::join!(world.send(submit(ORDER)), async {
        world.aws.faults().clear();
        world.fault("kinesis", "lost-answer");
    });
    assert_eq!((answer.status, answer.text("type")), (503, OUTCOME_UNKNOWN));
    assert_eq!(world.intents().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_to_do_about_an_unknown_outcome_depends_on_what_was_asked() {
    let world = World::new("none");
    world.fault("kinesis", "lost-answer");
    let key = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
    let cancel = format!("/orders/{key}/cancel");
    for (request, advice) in [
        (
            with_header(submit(ORDER), "idempotency-key", key),
            "Send the request again with the same Idempotency-Key",
        ),
        (
            submit(ORDER),
            "Look the order up by its id. Do not send the request again",
        ),
        (
            request("POST", &cancel),
            "Send the request again. An order can be cancelled only once",
        ),
    ] {
        let answer = world.send(request).await;
        assert_eq!(answer.status, 503);
        assert!(
            answer.text("detail").contains(advice),
            "{}",
            answer.text("detail")
        );
    }
}

/// Sends a request whose first attempt fails like this. The later attempts do not fail.
async fn send_failing_once(world: &World, service: &str, error: &str, request: Value) -> Response {
    world.fault(service, error);
    let (answer, ()) = tokio::join!(world.send(request), async { world.aws.faults().clear() });
    answer
}

#[tokio::test(start_paused = true)]
async fn every_put_has_three_attempts_however_many_were_throttled_before_it() {
    let world = World::new("none");
    for _ in 0..200 {
        world.fault("kinesis", "ProvisionedThroughputExceededException");
        assert_eq!(world.send(submit(ORDER)).await.status, 503);
    }
    let hits: u64 = world.aws.faults().hits().iter().map(|hit| hit.2).sum();
    assert_eq!(hits, 200 * 3);
    world.aws.faults().clear();
    for n in 0..30 {
        let error = "ProvisionedThroughputExceededException";
        let answer = send_failing_once(&world, "kinesis", error, submit(ORDER)).await;
        assert_eq!(answer.status, 202, "put {n}");
    }
}

/// The errors of a service that pass by themselves and that the model can inject. The SDKs also
/// know errors from other services, and the model does not have all of those.
fn injectable(service: &'static str) -> impl Iterator<Item = &'static PassingError> {
    PassingErrors::of(service).filter(move |error| {
        let is_injectable = Fault::new(service, error.code, 1.0, 1).is_ok();
        assert!(
            is_injectable || error.source.contains("/sdkref/"),
            "{service}: {}",
            error.code
        );
        is_injectable
    })
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_stream_that_passes_by_itself_is_tried_again() {
    for error in injectable("kinesis") {
        let world = World::new("none");
        let answer = send_failing_once(&world, "kinesis", error.code, submit(ORDER)).await;
        assert_eq!(answer.status, 202, "{}", error.code);
        assert_eq!(world.records().len(), 1, "{}", error.code);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_table_that_passes_by_itself_is_tried_again() {
    for error in injectable("dynamodb") {
        let world = World::new("none");
        let unknown = request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2");
        let answer = send_failing_once(&world, "dynamodb", error.code, unknown).await;
        assert_eq!(answer.status, 404, "{}", error.code);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_somebody_has_to_mend_is_not_tried_again() {
    for error in ["AccessDeniedException", "ResourceNotFoundException"] {
        let world = World::new("none");
        let answer = send_failing_once(&world, "kinesis", error, submit(ORDER)).await;
        assert_eq!(answer.status, 503, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_gets_a_second_and_a_half_and_a_silent_attempt_is_not_repeated() {
    let world = World::new("none");
    world.fault("dynamodb", "timeout");
    let began = Instant::now();
    let answer = world
        .send(request(
            "GET",
            "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2",
        ))
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        began.elapsed().as_millis() / 10,
        150,
        "{:?}",
        began.elapsed()
    );
    let hits: u64 = world.aws.faults().hits().iter().map(|hit| hit.2).sum();
    assert_eq!(hits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_comes_on_top_of_the_time_that_a_read_gets() {
    let world = World::new("none");
    let unknown = request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2");
    let waiting = with_header(unknown, "prefer", "wait=2");
    let began = Instant::now();
    let (answer, ()) = tokio::join!(world.send(waiting), async {
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        world.fault("dynamodb", "timeout");
    });
    assert_eq!(answer.status, 404);
    assert!(
        began.elapsed() <= Duration::from_millis(3_510),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_is_lost_is_tried_again_with_the_same_event() {
    let world = World::new("none");
    world.fault("kinesis", "lost-answer");
    let (answer, ()) = tokio::join!(world.send(submit(ORDER)), async {
        world.aws.faults().clear()
    });
    assert_eq!(answer.status, 202);
    let intents = world.intents();
    assert_eq!(intents.len(), 2, "a producer's duplicate");
    assert_eq!(intents[0], intents[1]);
    assert_eq!(intents[0].id.to_string(), answer.text("intent_id"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_with_the_key_names_the_order_whose_answer_was_lost() {
    let world = World::new("none");
    let keyed = with_header(
        submit(ORDER),
        "idempotency-key",
        "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11",
    );
    world.fault("kinesis", "lost-answer");
    let lost = world.send(keyed.clone()).await;
    world.aws.faults().clear();
    let retried = world.send(keyed).await;
    assert_eq!((lost.status, retried.status), (503, 202));
    assert_eq!(lost.text("order_id"), retried.text("order_id"));
}

#[tokio::test(start_paused = true)]
async fn the_client_is_told_before_the_function_is_cut_off_however_little_time_it_has() {
    for millis in [10_000, 3_000, 1_000, 700] {
        let world = World::new("none");
        world.fault("kinesis", "timeout");
        world.fault("dynamodb", "timeout");
        for request in [
            submit(ORDER),
            request("GET", "/orders/7d444840-9dc0-41d1-b245-5ffdce74fad2"),
        ] {
            let (began, left) = (Instant::now(), Duration::from_millis(millis));
            assert_eq!(world.send_within(left, request).await.status, 503);
            let took = began.elapsed();
            assert!(
                took <= left - Duration::from_millis(500),
                "{took:?} of {left:?}"
            );
            assert!(took <= Duration::from_secs(6), "{took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_put_in_time_is_not_begun() {
    let world = World::new("none");
    let answer = world
        .send_within(Duration::from_millis(550), submit(ORDER))
        .await;
    assert_eq!((answer.status, answer.text("type")), (503, NOT_ACCEPTED));
    assert!(world.records().is_empty());
}
