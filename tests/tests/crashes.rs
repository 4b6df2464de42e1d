//! Functions die, freeze, panic and run out of time in the middle of their work, and nothing is
//! lost or doubled.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tests::{Clients, Evidence, Stack, StackOptions, eventually, key, order, submit_intent};
use tokio::time::{Instant, sleep};

/// Waits until one of a function's counters has reached this number.
async fn counted(stack: &Stack, function: &str, counter: &str, at_least: u64) {
    eventually(counter, || async {
        let state = stack.state().await;
        let count = state["functions"][function]["counters"][counter].as_u64()?;
        (count >= at_least).then_some(())
    })
    .await;
}

/// Waits until the consumer has a batch.
async fn consumer_at_work(stack: &Stack) {
    eventually("a consumer at work", || async {
        let state = stack.state().await;
        let mut processes = state["functions"]["consumer"]["processes"]
            .as_array()?
            .iter();
        processes
            .any(|process| process["busy"] == true)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_consumer_killed_again_and_again_during_five_thousand_orders_loses_and_doubles_none() {
    const ORDERS: usize = 5_000;
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    // Each write is slow enough for a batch to be killed between its writes.
    stack.slow("dynamodb", 5, 600).await;
    let submit = async {
        let calls = stream::iter(0..ORDERS).map(async |number| {
            let answer = clients.submit(None, &order(number)).await;
            assert_eq!(answer.status, 202);
        });
        calls.buffer_unordered(40).collect::<Vec<()>>().await;
    };
    let kill = async {
        loop {
            sleep(Duration::from_millis(200)).await;
            stack.disturb("consumer", "kill").await;
        }
    };
    tokio::select! {
        () = submit => {}
        () = kill => {}
    }
    stack.no_faults().await;
    stack.drained_within(Duration::from_secs(180)).await;
    counted(&stack, "consumer", "crashes", 5).await;

    // Four deaths in a row discard the batch of that time. Its records are still in the stream.
    let evidence = Evidence::gather(&stack).await;
    evidence.replay_discarded(&stack).await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.accepted, audit.persisted), (ORDERS, ORDERS));
    assert!(audit.recoverable.is_empty());
}

#[tokio::test]
async fn a_consumer_that_freezes_in_mid_batch_times_out_and_its_batch_comes_again() {
    let stack = Stack::start_with(StackOptions {
        settings: vec![("consumer_timeout_seconds", json!(3))],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    stack.slow("dynamodb", 500, 600).await;
    for number in 0..10 {
        clients.submit(None, &order(number)).await;
    }
    consumer_at_work(&stack).await;
    stack.disturb("consumer", "freeze").await;
    counted(&stack, "consumer", "timeouts", 1).await;
    stack.no_faults().await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 10);
}

#[tokio::test]
async fn a_consumer_that_is_thawed_in_time_goes_on() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    stack.slow("dynamodb", 500, 600).await;
    for number in 0..10 {
        clients.submit(None, &order(number)).await;
    }
    consumer_at_work(&stack).await;
    stack.disturb("consumer", "freeze").await;
    // The consumer is frozen for longer than a call to the table may take. When it thaws, its timer
    // has run out although the answer is there.
    sleep(Duration::from_secs(3)).await;
    stack.no_faults().await;
    stack.disturb("consumer", "thaw").await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 10);
    let state = stack.state().await;
    assert_eq!(state["functions"]["consumer"]["counters"]["timeouts"], 0);
}

#[tokio::test]
async fn a_timeout_shorter_than_the_work_makes_progress_with_every_invocation() {
    // Ten writes of one key take eight seconds, one after the other. An invocation has two and a
    // half seconds for them. That is enough for three writes, and for one write on the slowest
    // machine.
    let stack = Stack::start_with(StackOptions {
        settings: vec![
            ("consumer_timeout_seconds", json!(3)),
            ("shard_count", json!(1)),
        ],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    stack.enable_mapping(false).await;
    let key = key();
    for _ in 0..10 {
        clients.submit(Some(&key), &order(1)).await;
    }
    stack.slow("dynamodb", 800, 600).await;
    stack.enable_mapping(true).await;
    stack.drained().await;
    stack.no_faults().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!((audit.persisted, audit.absorbed), (1, 9));
    let counters = &stack.state().await["mapping"]["counters"];
    assert_eq!(counters["records_discarded"], 0, "{counters}");
    assert!(
        counters["batches_partially_failed"].as_u64() >= Some(3),
        "{counters}"
    );
    assert_eq!(
        counters["batches_failed"], 0,
        "the consumer was never cut off: {counters}"
    );
}

#[tokio::test]
async fn a_panic_in_one_record_is_that_records_failure_alone() {
    let stack = Stack::start_with(StackOptions {
        consumer: Some("panicking_consumer"),
        settings: vec![
            ("maximum_retry_attempts", json!(1)),
            ("shard_count", json!(1)),
        ],
        ..StackOptions::default()
    })
    .await;
    let clients = Clients::of(&stack).await;
    stack.enable_mapping(false).await;
    let mut bad: Value = serde_json::from_str(&order(0)).unwrap_or_default();
    bad["note"] = json!("panic");
    let bad = submit_intent(&bad.to_string());
    clients.submit(None, &order(1)).await;
    clients.put(&bad).await;
    for number in 2..6 {
        clients.submit(None, &order(number)).await;
    }
    stack.enable_mapping(true).await;
    stack.drained().await;
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 5);
    assert_eq!(audit.recoverable, [bad.id].into());
    let state = stack.state().await;
    let counters = &state["functions"]["consumer"]["counters"];
    assert_eq!(
        (&counters["crashes"], &counters["errors"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn a_function_is_frozen_between_two_requests_and_answers_the_next_one_all_the_same() {
    let stack = Stack::start().await;
    let clients = Clients::of(&stack).await;
    for number in 0..3 {
        assert_eq!(clients.submit(None, &order(number)).await.status, 202);
        stack.drained().await;
        // The pause is longer than the client's connection pools and timers usually wait.
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            sleep(Duration::from_millis(100)).await;
        }
    }
    let audit = clients.audit().await;
    audit.assert_kept();
    assert_eq!(audit.persisted, 3);
    let state = stack.state().await;
    assert_eq!(state["functions"]["api"]["counters"]["starts"], 1);
}
