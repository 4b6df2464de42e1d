//! The properties that always hold of many holders at once, over a wire that misbehaves, in
//! schedules drawn at random.

use std::cell::RefCell;
use std::time::Duration;

use idempotency::{
    Begin, Commit, CommitOnce, Failure, HowLost, Lease, LeaseOptions, Once, Transaction,
};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::world::{Fate, PAYLOAD, World, fingerprint, item, key};

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        5 => Just(Fate::Arrives),
        1 => Just(Fate::LostRequest),
        1 => Just(Fate::LostAnswer),
        1 => Just(Fate::Silence),
        1 => Just(Fate::SilenceAfterwards),
        1 => Just(Fate::Late),
        1 => Just(Fate::Refused(400, "ThrottlingException")),
        1 => Just(Fate::Refused(500, "InternalServerError")),
    ]
}

/// A request, with its time, its clock, and how long its work takes.
#[derive(Clone, Debug)]
struct Request {
    at: Duration,
    ahead: i64,
    works_for: Duration,
    /// The time that its invocation has.
    timeout: Duration,
    /// True if it asks for all of it in one call.
    in_one: bool,
    fails: bool,
    dies: bool,
}

fn request(most_ahead: i64) -> impl Strategy<Value = Request> {
    (
        0_u64..90_000,
        0..=most_ahead,
        // Some work fits into its invocation's time, and some does not.
        (
            0_u64..40_000,
            prop::sample::select(vec![1, 2, 3, 30, 30, 30]),
        ),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(at, ahead, (works_for, timeout), in_one, fails, dies)| Request {
                at: Duration::from_millis(at),
                ahead,
                works_for: Duration::from_millis(works_for * timeout / 30),
                timeout: Duration::from_secs(timeout),
                in_one,
                fails,
                dies,
            },
        )
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Lets what is late arrive now and then, for as long as anybody is at it.
async fn deliver_now_and_then(world: &World) -> ! {
    loop {
        sleep(Duration::from_secs(7)).await;
        world.deliver_late().await;
    }
}

async fn while_delivering<T>(world: &World, future: impl Future<Output = T>) -> T {
    tokio::select! {
        done = future => done,
        _ = deliver_now_and_then(world) => unreachable!(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_transaction_is_committed_once_and_everybody_is_told_the_truth(
        requests in prop::collection::vec(request(100_000), 1..8),
        script in prop::collection::vec(fate(), 0..60),
    ) {
        run(async {
            let world = World::new();
            world.script(script);
            let committed = RefCell::new(vec![]);
            let lost = RefCell::new(vec![]);
            let ask = async |n: usize, request: &Request| {
                sleep(request.at).await;
                let holder = world.holder();
                holder.set_clock(request.ahead);
                if request.in_one {
                    let work = async |_: &Lease| {
                        sleep(request.works_for).await;
                        if request.dies {
                            return Err(Failure::Abandon(()));
                        }
                        if request.fails {
                            return Err(Failure::Release(()));
                        }
                        Ok(Transaction::new([item(&n.to_string(), false)], n))
                    };
                    let (key, print) = (key(), fingerprint(PAYLOAD));
                    let deadline = Instant::now() + request.timeout;
                    match holder.table.commit_once(&key, &print, deadline, work).await {
                        Ok(CommitOnce::Committed(n)) => committed.borrow_mut().push(n),
                        Ok(CommitOnce::LeaseLost { how: HowLost::TakenOver | HowLost::TimeUp, .. } | CommitOnce::Failed(())) => lost.borrow_mut().push(n),
                        Ok(CommitOnce::Refused(refusal)) => panic!("{refusal:?}"),
                        _ => {}
                    }
                    return;
                }
                let Ok(Begin::Leased(lease)) = holder.begin_within(request.timeout).await else { return };
                sleep(request.works_for).await;
                if request.dies {
                    lease.leave_behind();
                    return;
                }
                if request.fails {
                    let _ = lease.release().await;
                    return;
                }
                // The item has no condition, so the lock alone has to keep it from being written
                // twice.
                match lease.commit_with(vec![item(&n.to_string(), false)], &n).await {
                    Commit::Committed => committed.borrow_mut().push(n),
                    Commit::LeaseLost => lost.borrow_mut().push(n),
                    Commit::Unconfirmed(_) => {}
                    Commit::Refused { refusal, .. } => panic!("{refusal:?}"),
                }
            };
            let asked = requests.iter().enumerate().map(|(n, request)| ask(n, request));
            while_delivering(&world, futures::future::join_all(asked)).await;
            world.deliver_late().await;
            let written: Vec<usize> = world.items("items").iter().map(|item| item["id"]["S"].as_str().unwrap().parse().unwrap()).collect();
            assert!(written.len() <= 1, "{written:?}");
            for n in committed.into_inner() {
                assert_eq!(written, [n]);
            }
            for n in lost.into_inner() {
                assert!(!written.contains(&n));
            }
            if let [n] = written[..] {
                // And the result that is kept is that of the items that were written.
                tokio::time::advance(Duration::from_secs(200)).await;
                world.script([]);
                let Begin::Replayed(stored) = world.holder().begin().await.unwrap() else { panic!("not replayed") };
                assert_eq!(stored.result::<usize, ()>(), Ok(Ok(n)));
            }
        });
    }

    #[test]
    fn work_is_done_twice_only_by_those_who_know_that_it_may_be(
        requests in prop::collection::vec(request(100_000), 1..8),
        script in prop::collection::vec(fate(), 0..60),
    ) {
        run(async {
            let world = World::new();
            world.script(script);
            // The takeovers that each execution knew of, in the order in which they happened.
            let effects = RefCell::new(vec![]);
            let executed = RefCell::new(vec![]);
            let ask = async |n: usize, request: &Request| {
                sleep(request.at).await;
                let holder = world.holder();
                holder.set_clock(request.ahead);
                let work = async |lease: &Lease| {
                    sleep(request.works_for / 2).await;
                    if request.fails {
                        return Err(Failure::Release("not now".to_owned()));
                    }
                    effects.borrow_mut().push(lease.takeovers());
                    sleep(request.works_for / 2).await;
                    if request.dies {
                        return Err(Failure::Abandon("died".to_owned()));
                    }
                    Ok(n.to_string())
                };
                if let Ok(Once::Executed(Ok(result))) = holder.once_within(request.timeout, work).await {
                    executed.borrow_mut().push(result);
                }
            };
            let asked = requests.iter().enumerate().map(|(n, request)| ask(n, request));
            while_delivering(&world, futures::future::join_all(asked)).await;
            world.deliver_late().await;
            let unknowing = effects.borrow().iter().filter(|known| **known == 0).count();
            assert!(unknowing <= 1, "{:?}", effects.borrow());
            // Nobody is told that it has executed, and then finds somebody else's result.
            let executed = executed.into_inner();
            assert!(executed.len() <= 1, "{executed:?}");
            if let [result] = &executed[..] {
                tokio::time::advance(Duration::from_secs(200)).await;
                world.script([]);
                let again = world.holder().once(PAYLOAD, async |_| panic!("again")).await;
                assert_eq!(again, Ok(Once::Replayed(Ok(result.clone()))));
            }
        });
    }

    #[test]
    fn with_good_clocks_and_a_sound_wire_work_is_done_once(
        requests in prop::collection::vec(request(1_000), 1..8),
    ) {
        run(async {
            let world = World::new();
            let effects = RefCell::new(0);
            let ask = async |request: &Request| {
                sleep(request.at).await;
                let holder = world.holder_with(LeaseOptions::default().cache_bytes(10_000));
                holder.set_clock(request.ahead);
                let work = async |_: &Lease| {
                    if request.fails {
                        return Err(Failure::Release("not now".to_owned()));
                    }
                    sleep(request.works_for.min(request.timeout.mul_f64(0.94))).await;
                    *effects.borrow_mut() += 1;
                    Ok("done".to_owned())
                };
                let _ = holder.once_within(request.timeout, work).await;
            };
            futures::future::join_all(requests.iter().map(ask)).await;
            assert!(*effects.borrow() <= 1);
        });
    }
}
