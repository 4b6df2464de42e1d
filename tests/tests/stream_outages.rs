//! Outages of the stream, which refuses, is silent or answers late. The tests check the response to
//! the client, and that a retry under its key ends in one row.

use serde_json::json;
use tests::{Clients, Stack, eventually, key, order};

/// The response to a client while the fault lasts.
enum Seen {
    /// The status is 503, and nothing was accepted.
    Refused,
    /// The status is 503. The response says that the outcome is unknown, and names the order.
    Unknown,
}

/// Submits during the fault, and submits again with the same key after it. Checks that there is one
/// row in the end.
async fn during(stack: &Stack, clients: &Clients<'_>, seen: Seen) {
    let (key, order) = (key(), order(1));
    let first = clients.submit(Some(&key), &order).await;
    assert_eq!(first.status, 503, "{}", first.body);
    assert_eq!(first.header("retry-after"), Some("1"));
    let order_id = first.body["order_id"].as_str();
    match seen {
        Seen::Refused => {
            assert_eq!(order_id, None);
            assert!(
                first.text("detail").contains("was not accepted"),
                "{}",
                first.body
            );
        }
        Seen::Unknown => {
            assert!(order_id.is_some());
            assert!(
                first.text("detail").contains("outcome is unknown"),
                "{}",
                first.body
            );
        }
    }
    stack.no_faults().await;
    let second = clients.submit(Some(&key), &order).await;
    assert_eq!(second.status, 202);
    if let Some(order_id) = order_id {
        assert_eq!(second.text("order_id"), order_id);
    }
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.accepted, audit.persisted), (1, 1));
}

async fn during_fault(error: &str, seen: Seen) {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.fault("kinesis", error, 60).await;
    during(&stack, &clients, seen).await;
}

#[tokio::test]
async fn a_throttled_stream_accepts_nothing_and_says_so() {
    during_fault("ProvisionedThroughputExceededException", Seen::Refused).await;
}

#[tokio::test]
async fn a_stream_that_may_not_be_written_accepts_nothing_and_says_so() {
    during_fault("AccessDeniedException", Seen::Refused).await;
}

#[tokio::test]
async fn a_stream_that_is_missing_accepts_nothing_and_says_so() {
    during_fault("ResourceNotFoundException", Seen::Refused).await;
}

#[tokio::test]
async fn a_stream_whose_key_is_disabled_accepts_nothing_and_says_so() {
    during_fault("KMSDisabledException", Seen::Refused).await;
}

#[tokio::test]
async fn what_passes_by_itself_within_three_attempts_costs_nobody_an_order() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    for error in [
        "KMSThrottlingException",
        "InvalidSignatureException",
        "ExpiredTokenException",
    ] {
        // The fault hits one call of four. So three attempts in a row fail for one order of
        // sixty-four.
        let fault = json!({"service": "kinesis", "error": error, "rate": 0.25, "seconds": 60});
        stack.inject(&fault).await;
        let refused = refused_of(&clients, 60).await;
        assert!(refused <= 8, "{error}: {refused} of 60 refused");
        stack.no_faults().await;
    }
    stack.drained().await;
    clients.audit().await.assert_kept();
}

/// Submits this many orders. Returns the number of orders that were refused.
async fn refused_of(clients: &Clients<'_>, orders: usize) -> usize {
    let mut refused = 0;
    for n in 0..orders {
        let answer = clients.submit(Some(&key()), &order(n)).await;
        assert!([202, 503].contains(&answer.status), "{}", answer.body);
        refused += usize::from(answer.status == 503);
    }
    refused
}

#[tokio::test]
async fn a_stream_that_fails_leaves_the_outcome_unknown() {
    during_fault("InternalFailure", Seen::Unknown).await;
}

#[tokio::test]
async fn a_silent_stream_leaves_the_outcome_unknown() {
    during_fault("timeout", Seen::Unknown).await;
}

#[tokio::test]
async fn a_stream_whose_answers_are_lost_leaves_the_outcome_unknown() {
    during_fault("lost-answer", Seen::Unknown).await;
}

#[tokio::test]
async fn a_stream_that_answers_too_late_leaves_the_outcome_unknown() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.slow("kinesis", 3_000, 60).await;
    during(&stack, &clients, Seen::Unknown).await;
}

#[tokio::test]
async fn a_slow_stream_that_answers_in_time_accepts() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.slow("kinesis", 1_000, 60).await;
    let answer = clients.submit(None, &order(1)).await;
    assert_eq!(answer.status, 202);
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 1);
}

#[tokio::test]
async fn an_api_that_is_killed_in_mid_request_leaves_the_client_to_retry() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.slow("kinesis", 1_000, 60).await;
    let (key, order) = (key(), order(1));
    let (first, ()) = tokio::join!(clients.submit(Some(&key), &order), async {
        eventually("the put", || async {
            let state = stack.state().await;
            (state["faults"]["hits"] != json!([])).then_some(())
        })
        .await;
        stack.disturb("api", "kill").await;
    });
    assert_eq!(first.status, 500, "{}", first.body);
    stack.no_faults().await;
    assert_eq!(clients.submit(Some(&key), &order).await.status, 202);
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.accepted, audit.persisted), (1, 1));
}

#[tokio::test]
async fn while_the_stream_comes_and_goes_every_answer_is_true() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    for error in ["ThrottlingException", "InternalFailure", "lost-answer"] {
        let fault = json!({"service": "kinesis", "error": error, "rate": 0.3, "seconds": 60});
        stack.inject(&fault).await;
    }
    let keys: Vec<String> = (0..60).map(|_| key()).collect();
    let mut told = 0;
    // Every client tries until its order is accepted.
    for (number, key) in keys.iter().enumerate() {
        while clients.submit(Some(key), &order(number)).await.status != 202 {
            told += 1;
        }
    }
    assert!(told > 0, "no fault was ever noticed");
    stack.no_faults().await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.accepted, audit.persisted), (60, 60));
    assert_eq!(audit.unavailable, told);
}
