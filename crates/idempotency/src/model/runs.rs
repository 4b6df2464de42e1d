//! The runs, with the holders and faults that are explored, and what is found.

use std::time::Instant;

use stateright::{Checker, Expectation, Model, Path};

use super::actors::{Work, name};
use super::faults::Faults;
use super::properties::{ACTS_TWICE, FENCED, HAPPENS};
use super::{Action, Lock, SKEW, World};

/// Checks everything that is always to hold, and that each sought event can happen. Prints what was
/// explored.
fn check(title: &str, lock: Lock, sought: &[&'static str]) {
    let start = Instant::now();
    let checker = lock.checker().threads(2).spawn_bfs().join();
    let (states, time) = (checker.unique_state_count(), start.elapsed());
    #[expect(
        clippy::print_stdout,
        reason = "what a reader of the test wants to see"
    )]
    {
        println!("{title}: {states} states in {time:.1?}");
    }
    assert!(checker.is_done());
    let discoveries = checker.discoveries();
    for property in checker.model().properties() {
        let found = discoveries.get(property.name);
        if matches!(property.expectation, Expectation::Always) {
            let broken = found.map(|path| format!("broken: {}\n{}", property.name, steps(path)));
            assert_eq!(broken, None, "{title}");
        }
    }
    for name in sought {
        assert!(discoveries.contains_key(name), "{title}: never {name}");
    }
}

/// A shortest way to two executions.
fn shortest_double(lock: Lock) -> String {
    // One thread goes through the states by depth. It goes on for a while after a discovery, and
    // would put a longer way in place of the first, unless nothing else is asked.
    let lock = Lock {
        only_twice: true,
        ..lock
    };
    let found = lock.checker().threads(1).spawn_bfs().join();
    steps(&found.discovery(ACTS_TWICE).unwrap())
}

fn steps(path: &Path<World, Action>) -> String {
    let clocks = path.clone().into_states()[0].holders.clone();
    let clocks = clocks
        .iter()
        .filter(|holder| holder.ahead > 0)
        .map(|holder| {
            format!(
                "0. {}'s clock is {} ahead",
                name(holder.token.holder),
                holder.ahead
            )
        });
    let actions = path.clone().into_actions();
    let actions = actions.iter().enumerate();
    let actions = actions.map(|(index, action)| format!("{}. {action}", index + 1));
    clocks.chain(actions).collect::<Vec<_>>().join("\n")
}

/// Crashes and stalls, good clocks, and a wire that only delays.
const FAULTS: Faults = Faults {
    resends: 0,
    ahead: 0,
    crashes: true,
    stalls: true,
    unanswered: false,
};

/// Two holders among these faults.
fn lock(work: Work) -> Lock {
    Lock {
        work,
        holders: 2,
        calls: 1,
        end: 4,
        renews: false,
        faults: FAULTS,
        only_twice: false,
    }
}

/// Clocks that differ by more than is allowed for.
const BEYOND: u64 = SKEW + 1;

#[test]
fn commit_with_commits_once_whatever_the_clocks_show() {
    let lock = Lock {
        renews: true,
        faults: Faults {
            ahead: BEYOND,
            ..FAULTS
        },
        ..lock(Work::CommitWith)
    };
    check("commit_with, clocks", lock, &[HAPPENS, FENCED]);
}

#[test]
fn commit_with_commits_once_whatever_is_late_lost_or_sent_again() {
    let lock = Lock {
        end: 3,
        faults: Faults {
            resends: 3,
            crashes: false,
            ..FAULTS
        },
        ..lock(Work::CommitWith)
    };
    check("commit_with, lost answers", lock, &[HAPPENS, FENCED]);
}

#[test]
fn commit_with_commits_once_among_three() {
    let lock = Lock {
        holders: 3,
        end: 3,
        ..lock(Work::CommitWith)
    };
    check("commit_with, three holders", lock, &[HAPPENS, FENCED]);
}

#[test]
fn once_acts_once_if_it_is_settled_within_its_lease_and_clocks_differ_by_no_more_than_allowed() {
    let lock = Lock {
        renews: true,
        faults: Faults {
            ahead: SKEW,
            crashes: false,
            stalls: false,
            ..FAULTS
        },
        ..lock(Work::Once)
    };
    check("once, settled in time", lock, &[HAPPENS]);
}

#[test]
fn once_acts_at_most_once_if_its_work_does_nothing_after_a_takeover() {
    let lock = Lock {
        end: 3,
        faults: Faults {
            ahead: BEYOND,
            resends: 1,
            ..FAULTS
        },
        ..lock(Work::OnceUnlessTakenOver)
    };
    check("once, unless taken over", lock, &[HAPPENS, FENCED]);
}

#[test]
fn who_acts_after_an_effect_that_went_unanswered_knows_of_it() {
    let faults = Faults {
        unanswered: true,
        resends: 1,
        stalls: false,
        ..FAULTS
    };
    for (title, work, sought) in [
        ("once, unanswered", Work::Once, &[HAPPENS, ACTS_TWICE][..]),
        (
            "once, unanswered, unless taken over",
            Work::OnceUnlessTakenOver,
            &[HAPPENS],
        ),
    ] {
        let lock = Lock {
            end: 3,
            faults,
            ..lock(work)
        };
        check(title, lock, sought);
    }
}

#[test]
fn once_may_act_twice_but_not_unknowingly() {
    let lock = Lock {
        faults: Faults {
            ahead: BEYOND,
            ..FAULTS
        },
        ..lock(Work::Once)
    };
    check("once", lock, &[HAPPENS, FENCED, ACTS_TWICE]);
}

#[test]
fn the_documentation_shows_the_shortest_ways_to_act_twice() {
    let guide = include_str!("../../guide.md");
    let crash = Lock {
        faults: Faults {
            stalls: false,
            ..FAULTS
        },
        ..lock(Work::Once)
    };
    let stall = Lock {
        faults: Faults {
            crashes: false,
            ..FAULTS
        },
        ..lock(Work::Once)
    };
    let skew = Lock {
        faults: Faults {
            ahead: BEYOND,
            crashes: false,
            stalls: false,
            ..FAULTS
        },
        ..lock(Work::Once)
    };
    for (why, lock) in [("crash", crash), ("stall", stall), ("skew", skew)] {
        let shortest = shortest_double(lock);
        assert!(guide.contains(&shortest), "{why}:\n{shortest}");
    }
}
