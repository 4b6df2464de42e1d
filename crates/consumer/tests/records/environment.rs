//! A failure of the environment is never poison. It is retried within the invocation, and then left
//! to the next one.

use std::time::Duration;

use keyed_batch::Disposition;
use tokio::time::{Instant, sleep};

use crate::world::{TIMEOUT, World, failures, order_id, submit};

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_the_invocation_is_ridden_out() {
    for error in [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "kms-key-disabled",
        "kms-key-denied",
        "timeout",
        "lost-answer",
    ] {
        let world = World::new();
        world.fault(error, 20);
        let report = world.deliver(&[submit(1, 1, "ann", "A").encode()]).await;
        assert_eq!(failures(&report), [0; 0], "{error}");
        assert!(
            report.records[0].attempts > 3,
            "{error}: {:?}",
            report.records[0]
        );
        assert!(world.item(order_id(1)).await.is_some(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_one_is_reported_before_the_deadline_and_is_not_poison() {
    for (error, reason) in [
        ("ProvisionedThroughputExceededException", "table_error"),
        ("InternalServerError", "table_error"),
        ("AccessDeniedException", "table_error"),
        ("ResourceNotFoundException", "table_error"),
        ("timeout", "no_answer"),
    ] {
        let world = World::new();
        world.fault(error, 3_600);
        let began = Instant::now();
        let report = world
            .deliver(&[submit(1, 1, "ann", "A").encode(), b"poison".to_vec()])
            .await;
        assert!(began.elapsed() < TIMEOUT);
        assert_eq!(failures(&report), [0, 1], "{error}");
        let unfinished = report.records[0].disposition;
        // The last attempt may have been cut off by the end of the time.
        assert!(
            unfinished == Disposition::Unfinished(reason)
                || unfinished == Disposition::Unfinished(keyed_batch::TIMED_OUT),
            "{unfinished:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_created_late_gets_what_waited_for_it() {
    let world = World::without_table();
    let batch = [submit(1, 1, "ann", "A").encode()];
    let (report, ()) = tokio::join!(world.deliver(&batch), async {
        sleep(Duration::from_secs(10)).await;
        world.create_table();
    });
    assert_eq!(failures(&report), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_found_done_by_its_own_retry() {
    let world = World::new();
    let intent = submit(1, 1, "ann", "A");
    world.fault("lost-answer", 600);
    let verdict = world.outcome_of(&intent).await;
    assert!(verdict.is_err());
    world.aws.faults().clear();
    assert_eq!(
        world.outcome_of(&intent).await,
        Ok(orders::Outcome::AlreadyApplied)
    );
}

#[tokio::test(start_paused = true)]
async fn one_request_is_one_attempt_whatever_the_sdk_would_do_by_default() {
    let world = World::new();
    world.fault("InternalServerError", 600);
    assert!(world.outcome_of(&submit(1, 1, "ann", "A")).await.is_err());
    assert_eq!(world.calls(), ["UpdateItem"]);
}
