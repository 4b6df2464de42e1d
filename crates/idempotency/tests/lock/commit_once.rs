//! Work that decides on a transaction, which is committed once, and what every caller is told.

use std::time::Duration;

use idempotency::{
    CommitOnce, Error, Failure, HowLost, Lease, LeaseOptions, NoAnswer, Refusal, StoreError,
    Transaction,
};
use tokio::time::Instant;

use crate::world::{Fate, Holder, PAYLOAD, TIMEOUT, World, deadline, fingerprint, item, key};

type Outcome = Result<CommitOnce<String, String>, Error>;
type Decision = Result<Transaction<'static, String, String>, Failure<String>>;

async fn commit_once<W>(holder: &Holder, payload: &str, work: W) -> Outcome
where
    W: AsyncFnOnce(&Lease) -> Decision,
{
    let (key, print) = (key(), fingerprint(payload));
    holder
        .table
        .commit_once(&key, &print, deadline(), work)
        .await
}

/// Decides at once to write this item, whose condition is that there is none.
async fn put(holder: &Holder, id: &str) -> Outcome {
    let work = async |_: &Lease| Ok(Transaction::new([item(id, true)], format!("put {id}")));
    commit_once(holder, PAYLOAD, work).await
}

fn committed(id: &str) -> Outcome {
    Ok(CommitOnce::Committed(format!("put {id}")))
}

fn replayed(result: &str) -> Outcome {
    Ok(CommitOnce::Replayed(Ok(result.to_owned())))
}

fn lost(how: HowLost) -> Outcome {
    let failure = None;
    Ok(CommitOnce::LeaseLost { failure, how })
}

fn ids(world: &World) -> Vec<String> {
    let items = world.items("items");
    let id = |item: &serde_json::Value| item["id"]["S"].as_str().unwrap().to_owned();
    items.iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn the_items_are_written_once_and_a_duplicate_gets_the_result() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    assert_eq!(put(&one, "a").await, committed("a"));
    assert_eq!(world.calls(), ["UpdateItem", "TransactWriteItems"]);
    assert_eq!(put(&one, "b").await, replayed("put a"));
    assert_eq!(put(&other, "c").await, replayed("put a"));
    assert_eq!(world.calls(), ["UpdateItem"; 2]);
    assert_eq!(ids(&world), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_one_attempt_the_items_are_written_once_and_the_caller_is_told() {
    for fate in [
        Fate::LostRequest,
        Fate::LostAnswer,
        Fate::Silence,
        Fate::SilenceAfterwards,
        Fate::Refused(400, "ThrottlingException"),
        Fate::Refused(500, "InternalServerError"),
    ] {
        for place in 0..2 {
            let world = World::new();
            let holder = world.holder();
            let mut script = vec![Fate::Arrives; place];
            script.push(fate.clone());
            world.script(script);
            assert_eq!(put(&holder, "a").await, committed("a"), "{place} {fate:?}");
            assert_eq!(world.calls().len(), 3, "{place} {fate:?}");
            assert_eq!(put(&holder, "b").await, replayed("put a"));
            assert_eq!(ids(&world), ["a"], "{place} {fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_stays_unanswered_is_unconfirmed_and_the_next_request_ends_it() {
    for (fault, first) in [("lost-answer", true), ("timeout", false)] {
        let world = World::new();
        let holder = world.holder();
        let work = async |_: &Lease| {
            world.fault(fault, 600);
            Ok(Transaction::new([item("a", true)], "put a".to_owned()))
        };
        let outcome = commit_once(&holder, PAYLOAD, work).await;
        let Ok(CommitOnce::LeaseLost { failure: None, how }) = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(matches!(
            how,
            HowLost::Unconfirmed(StoreError::Unanswered(_))
        ));
        world.aws.faults().clear();
        tokio::time::advance(Duration::from_secs(31)).await;
        let next = put(&holder, "b").await;
        assert_eq!(
            next,
            if first {
                replayed("put a")
            } else {
                committed("b")
            }
        );
        assert_eq!(ids(&world).len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_too_long_is_cut_off_with_nothing_written_and_the_next_one_is_told() {
    let world = World::new();
    let holder = world.holder();
    let start = Instant::now();
    let pending = async |_: &Lease| std::future::pending().await;
    let outcome = commit_once(&holder, PAYLOAD, pending).await;
    assert_eq!(outcome, lost(HowLost::TimeUp));
    assert_eq!(start.elapsed(), TIMEOUT - Duration::from_millis(1_750));
    assert_eq!(world.calls(), ["UpdateItem"]);
    assert_eq!(world.lock()["state"]["S"], "IN_PROGRESS");
    let early = put(&holder, "a").await;
    assert!(
        matches!(early, Ok(CommitOnce::InProgress { .. })),
        "{early:?}"
    );
    tokio::time::advance(Duration::from_secs(3)).await;
    let work = async |lease: &Lease| {
        assert_eq!(lease.takeovers(), 1);
        Ok(Transaction::new([item("a", true)], "put a".to_owned()))
    };
    assert_eq!(commit_once(&holder, PAYLOAD, work).await, committed("a"));
}

#[tokio::test(start_paused = true)]
async fn who_was_taken_over_while_deciding_writes_nothing() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    other.set_clock(60_000);
    let work = async |_: &Lease| {
        assert_eq!(put(&other, "theirs").await, committed("theirs"));
        Ok(Transaction::new(
            [item("mine", true)],
            "put mine".to_owned(),
        ))
    };
    let outcome = commit_once(&one, PAYLOAD, work).await;
    assert_eq!(outcome, lost(HowLost::TakenOver));
    assert_eq!(ids(&world), ["theirs"]);
    assert_eq!(put(&one, "again").await, replayed("put theirs"));
}

#[tokio::test(start_paused = true)]
async fn an_item_in_the_way_gives_the_key_back_at_once() {
    let world = World::new();
    let holder = world.holder();
    world.put_item("a");
    let outcome = put(&holder, "a").await;
    let Ok(CommitOnce::Refused(refusal)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(refusal.is_only_conditions());
    assert_eq!(world.lock()["state"]["S"], "RELEASED");
    world.delete_item("a");
    assert_eq!(put(&holder, "a").await, committed("a"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_done_is_a_refusal_but_not_of_conditions() {
    let world = World::new();
    let holder = world.holder();
    let twice = async |_: &Lease| {
        Ok(Transaction::new(
            [item("a", true), item("a", true)],
            String::new(),
        ))
    };
    let outcome = commit_once(&holder, PAYLOAD, twice).await;
    let Ok(CommitOnce::Refused(refusal)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(!refusal.is_only_conditions());
    assert!(matches!(refusal, Refusal::Request(error) if error.code() == "ValidationException"));
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_is_found_there_completes_the_lease() {
    let world = World::new();
    let holder = world.holder();
    world.put_item("a");
    let work = async |_: &Lease| {
        let transaction = Transaction::new([item("a", true)], "put a".to_owned());
        Ok(transaction.on_refusal(|refusal| {
            assert!(refusal.is_only_conditions());
            Ok("found a".to_owned())
        }))
    };
    assert_eq!(
        commit_once(&holder, PAYLOAD, work).await,
        replayed("found a")
    );
    assert_eq!(world.lock()["state"]["S"], "COMPLETED");
    assert_eq!(put(&holder, "b").await, replayed("found a"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_chooses_what_becomes_of_the_key_before_the_commit_and_after_a_refusal() {
    for (failure, state, takeovers) in [
        (Failure::Release as fn(String) -> _, "RELEASED", "0"),
        (Failure::Keep, "FAILED", "0"),
        (Failure::Abandon, "RELEASED", "1"),
    ] {
        for is_refused in [false, true] {
            let world = World::new();
            let holder = world.holder();
            world.put_item("a");
            let work = async |_: &Lease| {
                if !is_refused {
                    return Err(failure("no stock".to_owned()));
                }
                let transaction = Transaction::new([item("a", true)], String::new());
                Ok(transaction.on_refusal(move |_| Err(failure("no stock".to_owned()))))
            };
            let outcome = commit_once(&holder, PAYLOAD, work).await;
            assert_eq!(outcome, Ok(CommitOnce::Failed("no stock".into())));
            assert_eq!(world.lock()["state"]["S"], state, "{is_refused}");
            assert_eq!(world.lock()["takeovers"]["N"], takeovers, "{is_refused}");
            let again = put(&holder, "b").await;
            match state {
                "RELEASED" => assert_eq!(again, committed("b")),
                _ => assert_eq!(again, Ok(CommitOnce::Replayed(Err("no stock".into())))),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_whose_settlement_stays_unanswered_is_told_with_the_failure() {
    let world = World::new();
    let holder = world.holder();
    let work = async |_: &Lease| {
        world.fault("timeout", 600);
        Err(Failure::Keep("no stock".to_owned()))
    };
    let outcome = commit_once(&holder, PAYLOAD, work).await;
    let how = HowLost::Unconfirmed(StoreError::Unanswered(NoAnswer::Timeout));
    let failure = Some("no stock".to_owned());
    assert_eq!(outcome, Ok(CommitOnce::LeaseLost { failure, how }));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_behind_an_unanswered_attempt_is_unconfirmed_and_asks_nobody() {
    let world = World::new();
    let holder = world.holder();
    world.put_item("a");
    let work = async |_: &Lease| {
        world.script([Fate::Late]);
        Ok(Transaction::new([item("a", true)], "put a".to_owned())
            .on_refusal(|_| panic!("an earlier attempt may still arrive")))
    };
    let outcome = commit_once(&holder, PAYLOAD, work).await;
    let earlier = StoreError::Unanswered(NoAnswer::EarlierAttempt);
    assert_eq!(outcome, lost(HowLost::Unconfirmed(earlier)));
    world.delete_item("a");
    world.deliver_late().await;
    assert_eq!(put(&holder, "b").await, replayed("put a"));
}

#[tokio::test(start_paused = true)]
async fn another_payload_is_a_mismatch_and_a_lease_in_the_way_is_told() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    let lease = one.lease().await;
    let outcome = put(&other, "a").await;
    assert!(
        matches!(outcome, Ok(CommitOnce::InProgress { .. })),
        "{outcome:?}"
    );
    assert_eq!(lease.complete("done").await, idempotency::Settled::Done);
    let work = async |_: &Lease| -> Decision { panic!("must not run") };
    let outcome = commit_once(&other, "6 EUR", work).await;
    assert_eq!(outcome, Ok(CommitOnce::Mismatch));
    assert_eq!(ids(&world).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_too_little_time_left_nothing_is_decided() {
    let world = World::new();
    let options = LeaseOptions::default().least_work(TIMEOUT);
    let work = async |_: &Lease| -> Decision { panic!("must not run") };
    let outcome = commit_once(&world.holder_with(options), PAYLOAD, work).await;
    assert_eq!(outcome, Err(Error::NoTime));
    assert!(world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_work_may_run_where_futures_have_to_be_send() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let world = World::new();
    let table = world.holder().table;
    let task = is_send(async move {
        let (key, print) = (key(), fingerprint(PAYLOAD));
        let work = async |_: &Lease| {
            tokio::task::yield_now().await;
            Ok::<_, Failure<String>>(Transaction::new([item("a", true)], 7))
        };
        table.commit_once(&key, &print, deadline(), work).await
    });
    assert_eq!(task.await, Ok(CommitOnce::Committed(7)));
}
