//! A lease that was lost. Its holder writes nothing any more, and the next holder knows that there
//! was another.

use std::time::Duration;

use idempotency::{Begin, Error, Failure, HowLost, Lease, LeaseOptions, Once, Settled};

use crate::world::{Fate, PAYLOAD, TIMEOUT, World};

/// A lease lasts to its holder's deadline, and is taken over a second of skew after it.
const TAKEN_OVER_AFTER: Duration = Duration::from_secs(31);

#[tokio::test(start_paused = true)]
async fn a_late_holder_can_neither_complete_nor_fail_nor_release_nor_renew() {
    for late in ["complete", "fail", "release", "renew"] {
        let world = World::new();
        let (one, other) = (world.holder(), world.holder());
        let lost = one.lease().await;
        // The one is frozen and its timers stop, while the other's clock goes on.
        other.set_clock(31_000);
        let held = other.lease().await;
        assert_eq!(held.takeovers(), 1);
        let before = world.lock();
        let settled = match late {
            "complete" => lost.complete("mine").await,
            "fail" => lost.fail("mine").await,
            "release" => lost.release().await,
            _ => {
                let renewed = lost.renew(TIMEOUT).await;
                lost.leave_behind();
                renewed
            }
        };
        assert_eq!(settled, Settled::LeaseLost, "{late}");
        assert_eq!(world.lock(), before, "{late}");
        assert_eq!(held.complete("theirs").await, Settled::Done);
        let Begin::Replayed(stored) = one.begin().await.unwrap() else {
            panic!("not replayed")
        };
        assert_eq!(stored.result::<String, ()>(), Ok(Ok("theirs".into())));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_taken_over_while_working_learns_it_with_its_result_in_hand() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    // The other's clock is far beyond the skew that is allowed for.
    other.set_clock(60_000);
    let work = async |_: &_| {
        let theirs = other.lease().await;
        assert_eq!(theirs.complete("theirs").await, Settled::Done);
        Ok("mine".to_owned())
    };
    let outcome = one.once(PAYLOAD, work).await;
    let lost = Once::LeaseLost {
        result: Some(Ok("mine".into())),
        how: HowLost::TakenOver,
    };
    assert_eq!(outcome, Ok(lost));
    let again = one.once(PAYLOAD, async |_| Ok(String::new())).await;
    assert_eq!(again, Ok(Once::Replayed(Ok("theirs".into()))));
}

#[tokio::test(start_paused = true)]
async fn every_takeover_is_counted_and_none_is_forgotten_by_a_release() {
    let world = World::new();
    let holder = world.holder();
    for takeovers in [0, 1, 2] {
        let lease = holder.lease().await;
        assert_eq!(lease.takeovers(), takeovers);
        drop(lease);
        tokio::time::advance(TAKEN_OVER_AFTER).await;
    }
    let lease = holder.lease().await;
    assert_eq!(lease.takeovers(), 3);
    assert_eq!(lease.release().await, Settled::Done);
    // The one that was released did nothing, but those before it may have.
    let lease = holder.lease().await;
    assert_eq!(lease.takeovers(), 3);
    assert_eq!(lease.complete("done").await, Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn work_that_looks_for_takeovers_does_not_happen_twice() {
    let world = World::new();
    let holder = world.holder();
    let mut paid = 0;
    // Pays, and dies before it can say so.
    let dying = async |_: &_| {
        paid += 1;
        Err(Failure::Abandon("no answer".to_owned()))
    };
    let _ = holder.once(PAYLOAD, dying).await;
    tokio::time::advance(TAKEN_OVER_AFTER).await;
    let careful = async |lease: &Lease| {
        if lease.takeovers() > 0 {
            return Err(Failure::Keep("to be looked into".to_owned()));
        }
        paid += 1;
        Ok("paid".to_owned())
    };
    let outcome = holder.once(PAYLOAD, careful).await;
    assert_eq!(outcome, Ok(Once::Executed(Err("to be looked into".into()))));
    assert_eq!(paid, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_arrives_after_its_release_takes_nothing() {
    let world = World::new();
    let holder = world.holder();
    // The first attempt is under way for long, and the second one gets through.
    world.script([Fate::Late]);
    let lease = holder.lease().await;
    assert_eq!(lease.release().await, Settled::Done);
    world.deliver_late().await;
    assert_eq!(world.lock()["state"]["S"], "RELEASED");
    assert_eq!(holder.lease().await.release().await, Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn a_takeover_that_arrives_late_does_not_take_the_lease_from_who_has_it_by_then() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    one.lease().await.leave_behind();
    tokio::time::advance(TAKEN_OVER_AFTER).await;
    // The first call meets the old lease, the attempts to take it over are late.
    world.script([Fate::Arrives, Fate::Late, Fate::Silence]);
    let begin = other.begin_within(Duration::from_millis(3_900)).await;
    assert!(matches!(begin, Err(Error::Store { .. })), "{begin:?}");
    let held = one.lease().await;
    let before = world.lock();
    world.deliver_late().await;
    assert_eq!(world.lock(), before);
    assert_eq!(held.complete("done").await, Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn a_lease_may_be_renewed_up_to_the_deadline_and_work_goes_on_for_as_long() {
    let world = World::new();
    let options = LeaseOptions::default().longest_lease(Duration::from_secs(5));
    let (one, other) = (world.holder_with(options), world.holder());
    let start = tokio::time::Instant::now();
    let work = async |lease: &Lease| {
        // A lease of 5 s, less the reserve.
        assert_eq!(lease.work_until() - start, Duration::from_secs(4));
        for seconds in [3, 6, 9] {
            tokio::time::sleep_until(start + Duration::from_secs(seconds)).await;
            assert_eq!(lease.renew(Duration::from_secs(5)).await, Settled::Done);
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let begin = other.begin().await.unwrap();
        assert!(matches!(begin, Begin::InProgress { .. }), "{begin:?}");
        Ok("done".to_owned())
    };
    let outcome = one.once(PAYLOAD, work).await;
    assert_eq!(outcome, Ok(Once::Executed(Ok("done".into()))));
    assert_eq!(start.elapsed(), Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_arrives_late_does_not_shorten_a_longer_one() {
    let world = World::new();
    let options = LeaseOptions::default().longest_lease(Duration::from_secs(5));
    let holder = world.holder_with(options);
    let lease = holder.lease().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    // This holder is late twice over, because all its attempts are still under way.
    world.script([Fate::Late, Fate::Arrives]);
    assert_eq!(lease.renew(Duration::from_secs(4)).await, Settled::Done);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(lease.renew(Duration::from_secs(5)).await, Settled::Done);
    let before = world.lock();
    world.deliver_late().await;
    assert_eq!(world.lock(), before);
    lease.leave_behind();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_kept_alive_outlasts_itself_and_a_dead_holder_is_found_out_soon() {
    let world = World::new();
    let longest = Duration::from_secs(3);
    let options = LeaseOptions::default().longest_lease(longest);
    let (one, other) = (
        world.holder_with(options.clone()),
        world.holder_with(options),
    );
    let work = async |lease: &Lease| {
        let pays = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let begin = other.begin().await.unwrap();
            assert!(matches!(begin, Begin::InProgress { .. }), "{begin:?}");
            "done".to_owned()
        };
        Ok(lease.keep_alive(longest, pays).await.unwrap())
    };
    let outcome = one.once(PAYLOAD, work).await;
    assert_eq!(outcome, Ok(Once::Executed(Ok("done".into()))));

    let world = World::new();
    let options = LeaseOptions::default().longest_lease(longest);
    let (one, other) = (
        world.holder_with(options.clone()),
        world.holder_with(options),
    );
    let dying = async |lease: &Lease| {
        let dies = tokio::time::sleep(Duration::from_secs(10));
        lease.keep_alive(longest, dies).await;
        Ok(String::new())
    };
    let crash = tokio::time::timeout(Duration::from_secs(5), one.once(PAYLOAD, dying));
    assert!(crash.await.is_err());
    // 3 s of the lease since the last renewal and a second of skew, and not the 25 s that are left.
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(other.lease().await.takeovers(), 1);
}

#[tokio::test(start_paused = true)]
async fn work_is_dropped_by_a_renewal_that_is_told_of_a_takeover_and_not_by_one_that_is_not_answered()
 {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    let lease = one.lease().await;
    let each = Duration::from_secs(3);
    world.script([Fate::LostAnswer, Fate::LostRequest]);
    let work = tokio::time::sleep(Duration::from_secs(5));
    assert_eq!(lease.keep_alive(each, work).await, Some(()));
    other.set_clock(60_000);
    let held = other.lease().await;
    let start = tokio::time::Instant::now();
    let work = std::future::pending::<()>();
    assert_eq!(lease.keep_alive(each, work).await, None);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(held.release().await, Settled::Done);
}
