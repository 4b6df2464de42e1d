//! Lost answers, lost requests, throttling and outages, at each call.

use std::cell::Cell;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use idempotency::{
    Begin, Commit, Error, HowLost, LeaseOptions, NoAnswer, Once, PASSING_CODES, Settled, StoreError,
};
use tokio::time::Instant;

use crate::world::{Fate, PAYLOAD, World, fingerprint, item};

/// The fates after which a call is tried again.
const PASSING: [Fate; 6] = [
    Fate::LostRequest,
    Fate::LostAnswer,
    Fate::Silence,
    Fate::SilenceAfterwards,
    Fate::Refused(400, "ThrottlingException"),
    Fate::Refused(500, "InternalServerError"),
];

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_one_attempt_the_work_is_done_once_and_kept() {
    for place in 0..3 {
        for fate in PASSING {
            let world = World::new();
            let holder = world.holder();
            let runs = Cell::new(0);
            let work = async |lease: &idempotency::Lease| {
                runs.set(runs.get() + 1);
                assert_eq!(lease.takeovers(), 0);
                // A renewal, so that each kind of write is hit.
                assert_eq!(lease.renew(Duration::from_secs(60)).await, Settled::Done);
                Ok("done".to_owned())
            };
            // A renewal beyond the deadline is up to the deadline, which the lease reaches already.
            let mut script = vec![Fate::Arrives; place];
            script.push(fate.clone());
            world.script(script);
            let outcome = holder.once(PAYLOAD, work).await;
            let done = Once::Executed(Ok("done".into()));
            assert_eq!(outcome, Ok(done), "{place} {fate:?}");
            assert_eq!(runs.get(), 1);
            assert_eq!(world.calls().len(), 4, "{place} {fate:?}");
            let again = holder.once(PAYLOAD, async |_| panic!("again")).await;
            assert_eq!(again, Ok(Once::Replayed(Ok("done".into()))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_takeover_whose_answer_is_lost_is_still_known_to_be_one() {
    for fate in PASSING {
        let world = World::new();
        let holder = world.holder();
        holder.lease().await.leave_behind();
        tokio::time::advance(Duration::from_secs(31)).await;
        world.script([Fate::Arrives, fate.clone()]);
        let lease = holder.lease().await;
        assert_eq!(lease.takeovers(), 1, "{fate:?}");
        assert_eq!(lease.release().await, Settled::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_or_failure_whose_answer_is_lost_is_one_all_the_same() {
    for fate in PASSING {
        let world = World::new();
        let holder = world.holder();
        let lease = holder.lease().await;
        world.script([fate.clone()]);
        assert_eq!(lease.release().await, Settled::Done, "{fate:?}");
        let lease = holder.lease().await;
        world.script([fate.clone()]);
        assert_eq!(lease.fail("no").await, Settled::Done, "{fate:?}");
        assert_eq!(world.lock()["state"]["S"], "FAILED");
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_stays_unanswered_is_unconfirmed_and_found_done_by_the_next_request() {
    let world = World::new();
    let holder = world.holder();
    let start = Instant::now();
    let work = async |_: &_| {
        world.fault("lost-answer", 600);
        Ok("done".to_owned())
    };
    let outcome = holder.once(PAYLOAD, work).await;
    assert!(
        matches!(
            &outcome,
            Ok(Once::LeaseLost {
                result: Some(Ok(result)),
                how: HowLost::Unconfirmed(StoreError::Unanswered(NoAnswer::Connection(_))),
            }) if result == "done"
        ),
        "{outcome:?}"
    );
    assert!(start.elapsed() <= Duration::from_millis(29_250));
    world.aws.faults().clear();
    let again = holder.once(PAYLOAD, async |_| panic!("again")).await;
    assert_eq!(again, Ok(Once::Replayed(Ok("done".into()))));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_ridden_out_while_there_is_time() {
    for error in [
        "ProvisionedThroughputExceededException",
        "InternalServerError",
        "timeout",
        "lost-answer",
    ] {
        let world = World::new();
        world.fault(error, 20);
        let holder = world.holder();
        let outcome = holder.once(PAYLOAD, async |_| Ok("done".into())).await;
        let done = Once::Executed(Ok("done".into()));
        assert_eq!(outcome, Ok(done), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_lasts_is_told_in_time_and_nothing_is_held_after_it() {
    for (fault, expected) in [
        ("ThrottlingException", "ThrottlingException"),
        ("timeout", "timeout"),
        ("lost-answer", "connection"),
    ] {
        let world = World::new();
        world.fault(fault, 600);
        let start = Instant::now();
        let begin = world.holder().begin().await;
        let told = match &begin {
            Err(Error::Store {
                source: StoreError::Busy(error),
                ..
            }) => error.code(),
            Err(Error::Store {
                source: StoreError::Unanswered(no_answer),
                ..
            }) => no_answer.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected);
        assert!(start.elapsed() <= Duration::from_millis(29_250), "{fault}");
        world.aws.faults().clear();
        // With lost answers the claim had arrived, and so has its release.
        let lease = world.holder().lease().await;
        assert_eq!(lease.takeovers(), 0, "{fault}");
        lease.leave_behind();
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_that_passes_by_itself_is_tried_again_at_every_call() {
    for code in PASSING_CODES {
        for place in 0..2 {
            let world = World::new();
            let mut script = vec![Fate::Arrives; place];
            script.push(Fate::Refused(400, code));
            world.script(script);
            let lease = world.holder().lease().await;
            let commit = lease.commit_with(vec![item("a", true)], "done").await;
            assert!(matches!(commit, Commit::Committed), "{code} {commit:?}");
            assert_eq!(world.calls().len(), 3, "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_must_mend_is_told_at_once() {
    for code in [
        "AccessDeniedException",
        "ItemCollectionSizeLimitExceededException",
        "ResourceNotFoundException",
        "ValidationException",
    ] {
        let world = World::new();
        world.script([Fate::Refused(400, code)]);
        let start = Instant::now();
        let begin = world.holder().begin().await;
        assert!(
            matches!(&begin, Err(Error::Store { source: StoreError::Environment(error), .. })
                if error.code() == code && error.status() == 400),
            "{begin:?}"
        );
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(world.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_leads_to_the_error_of_the_sdk() {
    let world = World::new();
    world.script([Fate::Refused(400, "AccessDeniedException")]);
    let error = world.holder().begin().await.unwrap_err();
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
        error.source()
    });
    let mut sdk = chain.filter_map(|error| error.downcast_ref::<SdkError<UpdateItemError>>());
    let code = sdk.next().and_then(SdkError::code);
    assert_eq!(code, Some("AccessDeniedException"));
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_that_took_too_long_holds_nothing() {
    let world = World::new();
    let options = LeaseOptions::default().reserve(Duration::from_secs(1));
    let holder = world.holder_with(options.least_work(Duration::from_millis(500)));
    // A lease that is granted in the last moment is not worth beginning with.
    world.script([Fate::SilenceAfterwards]);
    let begin = holder.begin_within(Duration::from_millis(4_250)).await;
    assert!(
        matches!(
            begin,
            Err(Error::Store {
                source: StoreError::Unanswered(_),
                ..
            })
        ),
        "{begin:?}"
    );
    assert_eq!(world.calls(), ["UpdateItem"; 2]);
    assert_eq!(world.lock()["state"]["S"], "RELEASED");
    let begin = holder.begin().await;
    assert!(matches!(begin, Ok(Begin::Leased(_))), "{begin:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_do_not_draw_on_a_budget_that_all_keys_share() {
    let world = World::new();
    let holder = world.holder();
    // The SDK's own budget of 500 is used up by a hundred retries.
    for n in 0..30 {
        let key = idempotency::Key::new("charge", [format!("order-{n}")]).unwrap();
        world.script(vec![Fate::Refused(400, "ThrottlingException"); 20]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let print = fingerprint(PAYLOAD);
        let begin = holder.table.begin(&key, &print, deadline).await;
        let Ok(Begin::Leased(lease)) = begin else {
            panic!("not leased")
        };
        assert_eq!(world.calls().len(), 21);
        lease.leave_behind();
    }
}
