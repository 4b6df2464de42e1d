//! Deadlines and clocks. The tests show how long a lease lasts, when work is cut off, and what
//! happens when clocks disagree or jump.

use std::time::Duration;

use idempotency::{Begin, Error, Failure, HowLost, Key, LeaseOptions, Once};
use tokio::time::Instant;

use crate::world::{PAYLOAD, TIMEOUT, World, deadline, fingerprint, key};

#[tokio::test(start_paused = true)]
async fn with_too_little_time_left_nothing_is_begun_or_held() {
    let defaults = LeaseOptions::default();
    let set = defaults
        .clone()
        .headroom(Duration::from_millis(750))
        .reserve(Duration::from_secs(1))
        .least_work(Duration::from_millis(500));
    for (options, most) in [(defaults, 400), (set, 2_250)] {
        let world = World::new();
        let holder = world.holder_with(options);
        for (millis, is_enough) in [(0, false), (most, false), (most + 1, true)] {
            match holder.begin_within(Duration::from_millis(millis)).await {
                Err(Error::NoTime) => assert!(!is_enough, "{millis}"),
                Ok(Begin::Leased(lease)) => {
                    assert!(is_enough, "{millis}");
                    lease.leave_behind();
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(world.calls().is_empty(), !is_enough);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_work_makes_progress_within_the_shortest_timeouts_that_lambda_has() {
    for (seconds, work_millis) in [(1, 500), (2, 1_050), (3, 1_600)] {
        let world = World::new();
        let holder = world.holder();
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let work = async |_: &_| {
            tokio::time::sleep(Duration::from_millis(work_millis)).await;
            Ok::<_, Failure<String>>("done".to_owned())
        };
        let (key, print) = (key(), fingerprint(PAYLOAD));
        let outcome = holder.table.once(&key, &print, deadline, work).await;
        assert_eq!(outcome, Ok(Once::Executed(Ok("done".into()))), "{seconds}");
        // Before keyed-batch stops by its default.
        let margin = Duration::from_millis((seconds * 200).min(500));
        assert!(Instant::now() + margin < deadline);
    }
}

#[tokio::test(start_paused = true)]
async fn late_in_an_invocation_work_is_given_no_less_than_at_its_beginning() {
    let world = World::new();
    let holder = world.holder();
    let deadline = deadline();
    let begin = async |n: u8| {
        let key = Key::new("charge", [n.to_string()]).unwrap();
        let print = fingerprint(PAYLOAD);
        holder.table.begin(&key, &print, deadline).await
    };
    let Ok(Begin::Leased(lease)) = begin(1).await else {
        panic!("not leased")
    };
    lease.leave_behind();
    tokio::time::advance(TIMEOUT - Duration::from_millis(2_250)).await;
    assert!(matches!(begin(2).await, Err(Error::NoTime)));
    // Less is enough for an invocation that has no more.
    let begin = holder.begin_within(Duration::from_millis(2_000)).await;
    assert!(matches!(begin, Ok(Begin::Leased(_))), "{begin:?}");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_in_memory_needs_no_time() {
    let world = World::new();
    let holder = world.holder_with(LeaseOptions::default().cache_bytes(10_000));
    let _ = holder.once(PAYLOAD, async |_| Ok("done".into())).await;
    let begin = holder.begin_within(Duration::ZERO).await;
    assert!(matches!(begin, Ok(Begin::Replayed(_))), "{begin:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_with_the_invocation() {
    let world = World::new();
    world.holder().lease().await.leave_behind();
    let now = world.aws.clock().now_millis();
    let until: u64 = world.lock()["lease_until"]["N"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(until, now + 30_000);
}

#[tokio::test(start_paused = true)]
async fn work_is_cut_off_while_there_is_time_to_settle_and_the_lease_is_left() {
    let world = World::new();
    let holder = world.holder();
    let start = Instant::now();
    let outcome = holder
        .once(PAYLOAD, async |_| std::future::pending().await)
        .await;
    let lost = Once::LeaseLost {
        result: None,
        how: HowLost::TimeUp,
    };
    assert_eq!(outcome, Ok(lost));
    assert_eq!(start.elapsed(), TIMEOUT - Duration::from_millis(1_750));
    // It is not known whether it had its effect, so it is neither completed nor released.
    assert_eq!(world.lock()["state"]["S"], "IN_PROGRESS");
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_by_less_than_the_skew_steal_no_lease() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    other.set_clock(1_000);
    let lease = one.lease().await;
    tokio::time::advance(TIMEOUT - Duration::from_millis(1)).await;
    let begin = other.begin().await.unwrap();
    let retry_after = Duration::from_millis(1);
    assert!(
        matches!(begin, Begin::InProgress { retry_after: left } if left == retry_after),
        "{begin:?}"
    );
    lease.leave_behind();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_lags_only_waits_for_longer() {
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    other.set_clock(-5_000);
    one.lease().await.leave_behind();
    tokio::time::advance(TIMEOUT + Duration::from_secs(5)).await;
    let begin = other.begin().await.unwrap();
    assert!(matches!(begin, Begin::InProgress { .. }), "{begin:?}");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(other.lease().await.takeovers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_clock_is_set_forward_stops_as_early_as_others_may_take_over() {
    let world = World::new();
    let holder = world.holder();
    let lease = holder.lease().await;
    let before = lease.work_until();
    holder.set_clock(10_000);
    assert_eq!(lease.work_until(), before - Duration::from_secs(10));
    // A clock that is set back gains nothing, because the others' clocks have not moved.
    holder.set_clock(-10_000);
    assert_eq!(lease.work_until(), before);
    lease.leave_behind();
}

#[tokio::test(start_paused = true)]
async fn absurd_times_neither_panic_nor_lock_for_ever() {
    let world = World::new();
    let longest = Duration::MAX;
    let options = LeaseOptions::default()
        .window(longest)
        .longest_lease(longest)
        .clock_skew(longest)
        .headroom(longest);
    let begin = world.holder_with(options).begin().await;
    assert!(matches!(begin, Err(Error::NoTime)), "{begin:?}");
    let nothing = Duration::ZERO;
    let options = LeaseOptions::default()
        .window(nothing)
        .longest_lease(nothing)
        .clock_skew(nothing)
        .headroom(nothing)
        .reserve(nothing)
        .least_work(nothing)
        .call_timeout(nothing)
        .backoff(nothing, nothing);
    let holder = world.holder_with(options);
    let begin = holder.begin().await;
    assert!(matches!(begin, Ok(Begin::Leased(_))), "{begin:?}");
    drop(begin);
    // Before the epoch.
    holder.set_clock(i64::MIN / 2);
    let begin = holder.begin().await;
    assert!(!matches!(begin, Err(Error::NoTime)), "{begin:?}");
}
