//! The lock in every order of events: holders that crash at any step, stall beyond their lease and wake up late, clocks
//! that disagree, requests that arrive late or whose answers are lost. Checked by `stateright`.
//!
//! The model has no lock of its own: its holders call the functions of `transition.rs`, and its table carries out the writes
//! that these make ([`Write::apply_to`], which `tests` compares with DynamoDB's).

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use stateright::{Checker, Expectation, Model, Path, Property};

use crate::record::{Body, Record, State};
use crate::transition::{self, Answer, Claim, Fenced, Next};
use crate::write::{Item, Refused, Write};

/// How long a lease lasts, and by how much clocks may differ before the lock's promises weaken, in the model's unit of time.
const LEASE: u64 = 2;
const SKEW: u64 = 1;

const HAPPENS: &str = "acts or commits";
const FENCED: &str = "a late holder is fenced off";
const ACTS_TWICE: &str = "acts twice";

/// What is checked.
#[derive(Clone, Debug)]
struct Lock {
    work: Work,
    holders: usize,
    /// How often each holder is asked: a redelivery is a further call.
    calls: u8,
    /// How many requests that go unanswered are sent again, all holders together.
    resends: u8,
    /// The last moment.
    end: u64,
    /// Every clock is ahead of the true time by 0 up to this.
    ahead: u64,
    crashes: bool,
    /// A holder may stall between seeing that time is left and acting, and between acting and completing.
    stalls: bool,
    renews: bool,
    /// Whether all that is asked is whether an effect can happen twice.
    only_twice: bool,
}

/// What a holder does with its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// `once`, whose effect lies outside the table.
    Once,
    /// `once`, whose work does nothing where it takes over a lease that was left behind.
    OnceUnlessTakenOver,
    /// `commit_with`.
    CommitWith,
}

/// A value that is cloned, compared and hashed a hundred million times: by its hash, which is made once.
#[derive(Clone, Debug)]
struct Known<T>(Arc<T>, u64);

impl<T: Hash> From<T> for Known<T> {
    fn from(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new(value), hasher.finish())
    }
}

impl<T> Deref for Known<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Hash for Known<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.1.hash(state);
    }
}

impl<T> PartialEq for Known<T> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl<T> Eq for Known<T> {}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    item: Option<Known<Item>>,
    /// By which lease the business items were written, each time.
    commits: Vec<Token>,
    /// The takeovers that each execution of the effect knew of.
    effects: Vec<u64>,
    /// Requests on their way.
    letters: Vec<Letter>,
    resends_left: u8,
    holders: Vec<Holder>,
    /// Whether an answer was wrong: it said done of what was not, or lost of what was.
    lied: bool,
    /// Whether a holder was told that its lease is lost.
    fenced: bool,
}

/// Which holder and which call of it: the owner token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Token {
    holder: usize,
    calls_left: u8,
}

impl Token {
    fn owner(self) -> String {
        format!("{}{}", name(self.holder), self.calls_left)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Letter {
    from: Token,
    /// Whether its sender still waits for the answer.
    awaited: bool,
    is_commit: bool,
    write: Known<Write>,
}

impl Letter {
    fn order(&self) -> impl Ord + use<> {
        (self.from, self.awaited, self.is_commit, self.write.1)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Holder {
    ahead: u64,
    token: Token,
    phase: Phase,
    inbox: Option<Known<Answer>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Not called.
    Idle,
    /// Waits for the answer to a claim.
    Claiming {
        claim: Known<Claim>,
        sent: Known<Write>,
    },
    /// Has the lease. `looked`: has seen on its clock that there is time to act.
    Holding {
        until: u64,
        takeovers: u64,
        looked: bool,
        renewed: bool,
    },
    /// Waits for the answer to a renewal.
    Renewing {
        until: u64,
        to: u64,
        takeovers: u64,
        sent: Known<Write>,
    },
    /// Waits for the answer to its last write.
    Settling { how: Settling, sent: Known<Write> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Settling {
    Complete,
    Commit,
    Release,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Call(usize),
    Arrive(Letter),
    Read(usize),
    GiveUpWaiting(usize),
    Look(usize),
    Act(usize),
    Fail(usize),
    Renew(usize),
    Crash(usize),
}

fn name(holder: usize) -> char {
    ['A', 'B', 'C'][holder]
}

/// The words of the traces in the documentation.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => f.write_str("time passes"),
            Self::Call(holder) => write!(f, "{} asks for the lease", name(*holder)),
            Self::Arrive(letter) => write!(f, "{}'s write arrives", name(letter.from.holder)),
            Self::Read(holder) => write!(f, "{} reads the answer", name(*holder)),
            Self::GiveUpWaiting(holder) => write!(f, "{} waits no longer", name(*holder)),
            Self::Look(holder) => write!(f, "{} sees that there is time", name(*holder)),
            Self::Act(holder) => write!(f, "{} acts and asks to complete", name(*holder)),
            Self::Fail(holder) => write!(f, "{} fails and asks to release", name(*holder)),
            Self::Renew(holder) => write!(f, "{} asks for more time", name(*holder)),
            Self::Crash(holder) => write!(f, "{} crashes", name(*holder)),
        }
    }
}

impl Holder {
    fn clock(&self, now: u64) -> u64 {
        now + self.ahead
    }

    fn awaits(&self) -> bool {
        matches!(
            self.phase,
            Phase::Claiming { .. } | Phase::Renewing { .. } | Phase::Settling { .. }
        )
    }

    /// Has acted, or is about to, and the table does not show it yet.
    fn is_exposed(&self) -> bool {
        matches!(
            self.phase,
            Phase::Holding { looked: true, .. }
                | Phase::Settling {
                    how: Settling::Complete,
                    ..
                }
        )
    }
}

impl World {
    fn send(&mut self, from: usize, write: Known<Write>, is_commit: bool) {
        self.letters.push(Letter {
            from: self.holders[from].token,
            awaited: true,
            is_commit,
            write,
        });
        self.sort_letters();
    }

    fn sort_letters(&mut self) {
        self.letters.sort_unstable_by_key(Letter::order);
    }

    /// The call is over, however it ended; what it has sent is still on its way.
    fn end_call(&mut self, holder: usize) {
        self.forget(holder);
        self.holders[holder].phase = Phase::Idle;
    }

    /// Nobody waits for what was sent so far.
    fn forget(&mut self, holder: usize) {
        self.holders[holder].inbox = None;
        for letter in &mut self.letters {
            letter.awaited &= letter.from.holder != holder;
        }
        self.sort_letters();
    }

    fn arrive(&mut self, letter: &Letter) {
        let place = self.letters.iter().position(|known| known == letter);
        self.letters.remove(place.unwrap());
        let answer = match letter.write.apply_to(self.item.as_deref()) {
            Ok(item) => {
                self.item = Some(item.into());
                if letter.is_commit {
                    self.commits.push(letter.from);
                }
                Answer::Done
            }
            Err(Refused(item)) => {
                Answer::Refused(item.map(|item| Record::from_item(&item).unwrap()))
            }
        };
        if letter.awaited {
            self.holders[letter.from.holder].inbox = Some(answer.into());
        }
    }

    fn read(&mut self, index: usize) {
        let now = self.now;
        let holder = &mut self.holders[index];
        let answer = holder.inbox.take().unwrap();
        let owner = holder.token.owner();
        match holder.phase.clone() {
            Phase::Claiming { claim, sent } => {
                match transition::claim(&claim, &sent, (*answer).clone(), holder.clock(now), SKEW) {
                    Next::Send(write) => {
                        let write = Known::from(write);
                        holder.phase = Phase::Claiming {
                            claim,
                            sent: write.clone(),
                        };
                        self.send(index, write, false);
                    }
                    Next::Held { takeovers } => {
                        holder.phase = Phase::Holding {
                            until: claim.lease_until,
                            takeovers,
                            looked: false,
                            renewed: false,
                        };
                    }
                    Next::Settled(_) | Next::InProgress { .. } | Next::Mismatch => {
                        self.end_call(index);
                    }
                }
            }
            Phase::Renewing {
                to,
                takeovers,
                until,
                ..
            } => match transition::renewed(&owner, &answer) {
                Fenced::Done => {
                    holder.phase = Phase::Holding {
                        until: until.max(to),
                        takeovers,
                        looked: false,
                        renewed: true,
                    };
                }
                Fenced::Lost => {
                    self.fenced = true;
                    self.end_call(index);
                }
            },
            Phase::Settling { how, .. } => {
                let token = holder.token;
                let settled = match how {
                    Settling::Complete | Settling::Commit => transition::settled(&owner, &answer),
                    Settling::Release => transition::released(&owner, &answer),
                };
                self.fenced |= settled == Fenced::Lost;
                if how == Settling::Commit {
                    let is_committed = self.commits.contains(&token);
                    self.lied |= is_committed != (settled == Fenced::Done);
                }
                self.end_call(index);
            }
            Phase::Idle | Phase::Holding { .. } => {}
        }
    }

    fn give_up_waiting(&mut self, index: usize) {
        self.forget(index);
        let holder = &mut self.holders[index];
        let (sent, is_commit) = match &holder.phase {
            Phase::Claiming { sent, .. } | Phase::Renewing { sent, .. } => (sent.clone(), false),
            Phase::Settling { sent, how } => (sent.clone(), *how == Settling::Commit),
            Phase::Idle | Phase::Holding { .. } => return,
        };
        if self.resends_left > 0 {
            self.resends_left -= 1;
            self.send(index, sent, is_commit);
            return;
        }
        if let Phase::Claiming { .. } = holder.phase {
            // So that nothing is held; nobody waits for it.
            let release = transition::release(&holder.token.owner());
            self.send(index, release.into(), false);
        }
        self.end_call(index);
    }
}

impl Lock {
    fn wish(holder: &Holder, now: u64) -> Claim {
        Claim {
            owner: holder.token.owner(),
            fingerprint: "f".to_owned(),
            lease_until: holder.clock(now) + LEASE,
            expires_at: 1_000,
            ttl: 1_000,
        }
    }

    fn settle(&self, world: &mut World, index: usize, how: Settling) {
        let holder = &mut world.holders[index];
        let owner = holder.token.owner();
        let write = Known::from(match how {
            Settling::Release => transition::release(&owner),
            Settling::Complete | Settling::Commit => {
                transition::settle(&owner, State::Completed, &Body::Nothing, 1_000, 1_000)
            }
        });
        holder.phase = Phase::Settling {
            how,
            sent: write.clone(),
        };
        world.send(index, write, how == Settling::Commit);
    }
}

impl Model for Lock {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let clocks = u64::pow(self.ahead + 1, u32::try_from(self.holders).unwrap());
        let world = |clocks: u64| World {
            now: 0,
            item: None,
            commits: vec![],
            effects: vec![],
            letters: vec![],
            resends_left: self.resends,
            holders: (0..self.holders)
                .map(|index| {
                    let digit = u64::pow(self.ahead + 1, u32::try_from(index).unwrap());
                    Holder {
                        ahead: clocks / digit % (self.ahead + 1),
                        token: Token {
                            holder: index,
                            calls_left: self.calls,
                        },
                        phase: Phase::Idle,
                        inbox: None,
                    }
                })
                .collect(),
            lied: false,
            fenced: false,
        };
        (0..clocks).map(world).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let mut letters: Vec<_> = world.letters.iter().collect();
        letters.dedup();
        actions.extend(letters.into_iter().cloned().map(Action::Arrive));
        for (index, holder) in world.holders.iter().enumerate() {
            if holder.phase == Phase::Idle {
                if holder.token.calls_left > 0 {
                    actions.push(Action::Call(index));
                }
                continue;
            }
            if self.crashes {
                actions.push(Action::Crash(index));
            }
            if holder.inbox.is_some() {
                actions.push(Action::Read(index));
            }
            if holder.awaits() && (self.stalls || !holder.is_exposed()) {
                actions.push(Action::GiveUpWaiting(index));
            }
            if let Phase::Holding {
                until,
                looked,
                renewed,
                takeovers,
            } = holder.phase
            {
                let does_nothing = self.work == Work::OnceUnlessTakenOver && takeovers > 0;
                // A transaction needs no look at the clock.
                if looked || self.work == Work::CommitWith {
                    actions.push(Action::Act(index));
                } else if holder.clock(world.now) < until && !does_nothing {
                    actions.push(Action::Look(index));
                }
                if !looked {
                    actions.push(Action::Fail(index));
                }
                if self.renews && !renewed && !looked {
                    actions.push(Action::Renew(index));
                }
            }
        }
        let exposed = world.holders.iter().any(Holder::is_exposed);
        if world.now < self.end && (self.stalls || !exposed) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Call(index) => {
                let holder = &mut next.holders[index];
                holder.token.calls_left -= 1;
                let claim = Self::wish(holder, world.now);
                let sent = Known::from(transition::first(&claim));
                holder.phase = Phase::Claiming {
                    claim: claim.into(),
                    sent: sent.clone(),
                };
                next.send(index, sent, false);
            }
            Action::Arrive(letter) => next.arrive(&letter),
            Action::Read(index) => next.read(index),
            Action::GiveUpWaiting(index) => next.give_up_waiting(index),
            Action::Crash(index) => next.end_call(index),
            Action::Look(index) => {
                if let Phase::Holding { looked, .. } = &mut next.holders[index].phase {
                    *looked = true;
                }
            }
            Action::Act(index) => {
                let Phase::Holding { takeovers, .. } = next.holders[index].phase else {
                    return None;
                };
                let how = if self.work == Work::CommitWith {
                    Settling::Commit
                } else {
                    next.effects.push(takeovers);
                    next.effects.sort_unstable();
                    Settling::Complete
                };
                self.settle(&mut next, index, how);
            }
            Action::Fail(index) => {
                self.settle(&mut next, index, Settling::Release);
            }
            Action::Renew(index) => {
                let holder = &mut next.holders[index];
                let Phase::Holding {
                    until, takeovers, ..
                } = holder.phase
                else {
                    return None;
                };
                let to = holder.clock(world.now) + LEASE;
                let sent = Known::from(transition::renew(&holder.token.owner(), to));
                holder.phase = Phase::Renewing {
                    until,
                    to,
                    takeovers,
                    sent: sent.clone(),
                };
                next.send(index, sent, false);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let acts_twice = Property::sometimes(ACTS_TWICE, |_: &Self, world: &World| {
            world.effects.len() > 1
        });
        if self.only_twice {
            return vec![acts_twice];
        }
        vec![
            acts_twice,
            Property::always("commits at most once", |_, world: &World| {
                world.commits.len() <= 1
            }),
            Property::always("a commit is told as it is", |_, world: &World| !world.lied),
            Property::always("who acts after another knows of it", |_, world: &World| {
                world.effects.iter().filter(|known| **known == 0).count() <= 1
            }),
            Property::always("what is completed stays", |_, world: &World| {
                let is_completed = |item: &Item| {
                    Record::from_item(item).is_some_and(|record| record.state == State::Completed)
                };
                world.commits.is_empty() || world.item.as_deref().is_some_and(is_completed)
            }),
            Property::always(
                "acts at most once where it is promised",
                |lock: &Self, world: &World| {
                    let is_promised = lock.work == Work::OnceUnlessTakenOver
                        || (!lock.crashes && !lock.stalls && lock.ahead <= SKEW);
                    !is_promised || world.effects.len() <= 1
                },
            ),
            Property::sometimes(HAPPENS, |_, world: &World| {
                world.effects.len() + world.commits.len() == 1
            }),
            Property::sometimes(FENCED, |_, world: &World| world.fenced),
        ]
    }
}

/// Checks everything that is always to hold, and that what is sought can happen; prints what was explored.
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
    // One thread goes through the states in order of depth. It goes on for a while after a discovery, and would put a longer
    // way in place of the first; unless nothing else is asked.
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

/// Two holders that crash and stall, with good clocks and a wire that only delays.
fn lock(work: Work) -> Lock {
    Lock {
        work,
        holders: 2,
        calls: 1,
        resends: 0,
        end: 4,
        ahead: 0,
        crashes: true,
        stalls: true,
        renews: false,
        only_twice: false,
    }
}

/// Clocks that differ by more than is allowed for.
const BEYOND: u64 = SKEW + 1;

#[test]
fn commit_with_commits_once_whatever_the_clocks_show() {
    let lock = Lock {
        ahead: BEYOND,
        renews: true,
        ..lock(Work::CommitWith)
    };
    check("commit_with, clocks", lock, &[HAPPENS, FENCED]);
}

#[test]
fn commit_with_commits_once_whatever_is_late_lost_or_sent_again() {
    let lock = Lock {
        resends: 3,
        end: 3,
        crashes: false,
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
        ahead: SKEW,
        crashes: false,
        stalls: false,
        renews: true,
        ..lock(Work::Once)
    };
    check("once, settled in time", lock, &[HAPPENS]);
}

#[test]
fn once_acts_at_most_once_if_its_work_does_nothing_after_a_takeover() {
    let lock = Lock {
        ahead: BEYOND,
        resends: 1,
        end: 3,
        ..lock(Work::OnceUnlessTakenOver)
    };
    check("once, unless taken over", lock, &[HAPPENS, FENCED]);
}

#[test]
fn once_may_act_twice_but_not_unknowingly() {
    let lock = Lock {
        ahead: BEYOND,
        ..lock(Work::Once)
    };
    check("once", lock, &[HAPPENS, FENCED, ACTS_TWICE]);
}

#[test]
fn the_documentation_shows_the_shortest_ways_to_act_twice() {
    let readme = include_str!("../README.md");
    let crash = Lock {
        stalls: false,
        ..lock(Work::Once)
    };
    let stall = Lock {
        crashes: false,
        ..lock(Work::Once)
    };
    let skew = Lock {
        ahead: BEYOND,
        crashes: false,
        stalls: false,
        ..lock(Work::Once)
    };
    for (why, lock) in [("crash", crash), ("stall", stall), ("skew", skew)] {
        let shortest = shortest_double(lock);
        assert!(readme.contains(&shortest), "{why}:\n{shortest}");
    }
}
