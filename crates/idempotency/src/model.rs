//! The lock in every sequence of events, checked by `stateright`. Holders crash at any step, stall
//! beyond their lease and wake up late. Clocks disagree, requests arrive late, and their answers
//! are lost.
//!
//! The model does not have its own lock. Its holders call the functions of `transition.rs`, and its
//! table carries out the writes that these make. They are the same values that are sent
//! ([`Write::apply_to`](conditional_write::Write::apply_to)).

mod actors;
mod faults;
mod known;
mod properties;
mod runs;

use std::fmt;

use conditional_write::Item;
use stateright::{Model, Property};

use self::actors::{Holder, Phase, Settling, Token, Work, name};
use self::faults::{Faults, Letter};
use self::known::Known;

/// How long a lease lasts, and by how much clocks may differ before the lock's promises weaken, in
/// the model's unit of time.
const LEASE: u64 = 2;
const SKEW: u64 = 1;

/// The lock, the holders and the faults that are checked.
#[derive(Clone, Debug)]
struct Lock {
    work: Work,
    holders: usize,
    /// How often each holder is asked. A redelivery is a further call.
    calls: u8,
    /// The last moment.
    end: u64,
    renews: bool,
    faults: Faults,
    /// True if the only question is whether an effect can happen twice.
    only_twice: bool,
}

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
    /// True if an answer was wrong, because it said done of work that was not, or lost of work that
    /// was done.
    lied: bool,
    /// True if a holder was told that its lease is lost.
    fenced: bool,
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
    ActUnanswered(usize),
    Fail(usize),
    Renew(usize),
    Crash(usize),
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
            Self::ActUnanswered(holder) => {
                write!(
                    f,
                    "{} acts, hears nothing and asks to abandon",
                    name(*holder)
                )
            }
            Self::Fail(holder) => write!(f, "{} fails and asks to release", name(*holder)),
            Self::Renew(holder) => write!(f, "{} asks for more time", name(*holder)),
            Self::Crash(holder) => write!(f, "{} crashes", name(*holder)),
        }
    }
}

impl Model for Lock {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let ahead = self.faults.ahead;
        let clocks = u64::pow(ahead + 1, u32::try_from(self.holders).unwrap());
        let world = |clocks: u64| World {
            now: 0,
            item: None,
            commits: vec![],
            effects: vec![],
            letters: vec![],
            resends_left: self.faults.resends,
            holders: (0..self.holders)
                .map(|index| {
                    let digit = u64::pow(ahead + 1, u32::try_from(index).unwrap());
                    Holder::new(index, self.calls, clocks / digit % (ahead + 1))
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
            if self.faults.crashes {
                actions.push(Action::Crash(index));
            }
            if holder.inbox.is_some() {
                actions.push(Action::Read(index));
            }
            if holder.awaits() && (self.faults.stalls || !holder.is_exposed()) {
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
                    if self.faults.unanswered {
                        actions.push(Action::ActUnanswered(index));
                    }
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
        if world.now < self.end && (self.faults.stalls || !exposed) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Call(index) => next.call(index),
            Action::Arrive(letter) => next.arrive(&letter),
            Action::Read(index) => next.read(index),
            Action::GiveUpWaiting(index) => next.give_up_waiting(index),
            Action::Crash(index) => next.end_call(index),
            Action::Look(index) => next.look(index),
            Action::Act(index) => next.act(index, self.work),
            Action::ActUnanswered(index) => next.act_unanswered(index),
            Action::Fail(index) => next.settle(index, Settling::Release),
            Action::Renew(index) => next.renew(index),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.asked()
    }
}
