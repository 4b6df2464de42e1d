//! Reads cannot starve writes. Readers have their own function, so readers that wait take nothing
//! that orders need.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::Value;
use tests::{ORDER, Stack, eventually};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
/// The most processes of one function.
const PROCESSES: usize = 8;
/// The longest time of a submit while readers wait. Without a function for reads, a submit waits
/// five seconds for a process, and then gets a 503. A busy machine alone takes less than this.
const PROMPT: Duration = Duration::from_secs(4);

/// The invocations of each function so far.
fn invocations(state: &Value) -> BTreeMap<String, u64> {
    let functions = state["functions"].as_object().unwrap().iter();
    functions
        .map(|(name, function)| {
            let count = &function["counters"]["invocations"];
            (name.clone(), count.as_u64().unwrap())
        })
        .collect()
}

async fn all_readers_are_busy(stack: &Stack) {
    eventually("a full set of busy readers", || async {
        let state = stack.state().await;
        let processes = state["functions"]["reader"]["processes"].as_array()?;
        let busy = processes.iter().filter(|process| process["busy"] == true);
        (busy.count() == PROCESSES).then_some(())
    })
    .await;
}

/// Reads an unknown order again and again. Returns the first answer that is none of these.
async fn keep_reading(stack: &Stack, headers: &[(&str, &str)], statuses: &[u16]) -> u16 {
    loop {
        let status = stack.read(UNKNOWN, headers).await.status;
        if !statuses.contains(&status) {
            return status;
        }
    }
}

/// Submits orders, ten at a time, and sees that each is accepted at once.
async fn submits_are_prompt(stack: &Stack) {
    for _ in 0..10 {
        let submits = (0..10).map(|_| async {
            let asked = Instant::now();
            let answer = stack.submit(&[], ORDER).await;
            assert_eq!(answer.status, 202, "{}", answer.body);
            let took = asked.elapsed();
            assert!(took < PROMPT, "a submit took {took:?}");
        });
        join_all(submits).await;
    }
}

#[tokio::test]
async fn reads_of_a_silent_table_and_readers_that_wait_make_no_submit_fail_or_slow() {
    let stack = Stack::start().await;
    stack.fault("dynamodb", "timeout", 600).await;
    let wait = [("prefer", "wait=5")];
    let ordinary = join_all((0..40).map(|_| keep_reading(&stack, &[], &[503])));
    let waiting = join_all((0..60).map(|_| keep_reading(&stack, &wait, &[503])));
    let submits = async {
        all_readers_are_busy(&stack).await;
        submits_are_prompt(&stack).await;
        all_readers_are_busy(&stack).await;
    };
    tokio::select! {
        () = submits => {}
        others = ordinary => panic!("reads were answered {others:?}"),
        others = waiting => panic!("waiting reads were answered {others:?}"),
    }
    let state = stack.state().await;
    assert_eq!(state["functions"]["api"]["counters"]["throttles"], 0);
}

#[tokio::test]
async fn three_hundred_readers_that_wait_for_a_sound_table_make_no_submit_fail_or_slow() {
    let stack = Stack::start().await;
    let wait = [("prefer", "wait=5")];
    // A reader is answered 404 after its wait, or 503 if no process was free for five seconds.
    let waiting = join_all((0..300).map(|_| keep_reading(&stack, &wait, &[404, 503])));
    let submits = async {
        all_readers_are_busy(&stack).await;
        submits_are_prompt(&stack).await;
    };
    tokio::select! {
        () = submits => {}
        others = waiting => panic!("waiting reads were answered {others:?}"),
    }
    // When the readers are gone, the orders are there to be read.
    let id = stack.accepted().await;
    assert_eq!(stack.persisted(&id, &[]).await.status, 200);
}

#[tokio::test]
async fn each_route_of_the_api_runs_in_the_function_that_serves_it() {
    let stack = Stack::start().await;
    let mut seen = BTreeSet::new();
    for route in api::ROUTES {
        let path = route.path.replace("{id}", UNKNOWN);
        // Nothing is accepted, so no function behind the stream is invoked.
        stack.fault("kinesis", "AccessDeniedException", 600).await;
        let before = invocations(&stack.state().await);
        let headers = [("content-type", "application/json")];
        let answer = stack.send(route.method, &path, &headers, ORDER).await;
        let after = invocations(&stack.state().await);
        let grown = after.iter().filter(|(name, count)| before[*name] < **count);
        let grown: Vec<&str> = grown.map(|(name, _)| name.as_str()).collect();
        let (function, status) = match (route.method, route.path) {
            (_, "/openapi.json") => ("api", 200),
            // An order is no batch.
            (_, "/orders/batch") => ("api", 422),
            ("GET", _) => ("reader", 404),
            _ => ("api", 503),
        };
        assert_eq!(grown, [function], "{} {path}", route.method);
        assert_eq!(answer.status, status, "{} {path}", route.method);
        seen.insert(function);
    }
    assert_eq!(seen.len(), 2);
    // Neither function has warned that a request came to the wrong one.
    assert!(!stack.log().contains("SERVES"), "{}", stack.log());
}
