//! The actors, which are holders, each with its own clock. They ask for leases and settle them by
//! the functions of `transition.rs`.

use conditional_write::{Answer, Write};

use super::known::Known;
use super::{LEASE, SKEW, World};
use crate::record::{Body, Ending};
use crate::transition::{self, Attempt, Claim, Fenced, Next};

/// The work that a holder does with its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// `once`, whose effect lies outside the table.
    Once,
    /// `once`, whose work does nothing where it takes over a lease that was left behind.
    OnceUnlessTakenOver,
    /// `commit_with`.
    CommitWith,
}

/// The owner token, made of the holder and its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Token {
    pub(super) holder: usize,
    pub(super) calls_left: u8,
}

impl Token {
    pub(super) fn owner(self) -> String {
        format!("{}{}", name(self.holder), self.calls_left)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    pub(super) ahead: u64,
    pub(super) token: Token,
    pub(super) phase: Phase,
    pub(super) inbox: Option<Known<Answer>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Not called.
    Idle,
    /// Waits for the answer to a claim.
    Claiming {
        claim: Known<Claim>,
        sent: Known<Attempt>,
    },
    /// The holder has the lease. `looked` is true if it has seen on its clock that there is time to
    /// act.
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
pub(super) enum Settling {
    Complete,
    Commit,
    Release,
    Abandon { takeovers: u64 },
}

pub(super) fn name(holder: usize) -> char {
    ['A', 'B', 'C'][holder]
}

impl Holder {
    /// One who is called so many times, with a clock that is so far ahead.
    pub(super) fn new(index: usize, calls: u8, ahead: u64) -> Self {
        Self {
            ahead,
            token: Token {
                holder: index,
                calls_left: calls,
            },
            phase: Phase::Idle,
            inbox: None,
        }
    }

    pub(super) fn clock(&self, now: u64) -> u64 {
        now + self.ahead
    }

    pub(super) fn awaits(&self) -> bool {
        matches!(
            self.phase,
            Phase::Claiming { .. } | Phase::Renewing { .. } | Phase::Settling { .. }
        )
    }

    /// Has acted, or is about to, and the table does not show it yet.
    pub(super) fn is_exposed(&self) -> bool {
        matches!(
            self.phase,
            Phase::Holding { looked: true, .. }
                | Phase::Settling {
                    how: Settling::Complete,
                    ..
                }
        )
    }

    fn wish(&self, now: u64) -> Claim {
        Claim {
            owner: self.token.owner(),
            fingerprint: "f".to_owned(),
            lease_until: self.clock(now) + LEASE,
            expires_at: 1_000,
            ttl: 1_000,
        }
    }
}

/// The steps of the holders.
impl World {
    /// It asks for the lease.
    pub(super) fn call(&mut self, index: usize) {
        let holder = &mut self.holders[index];
        holder.token.calls_left -= 1;
        let claim = holder.wish(self.now);
        let attempt = transition::first(&claim);
        self.attempt(index, claim.into(), attempt);
    }

    fn attempt(&mut self, index: usize, claim: Known<Claim>, attempt: Attempt) {
        let write = Known::from(attempt.write.clone());
        let sent = attempt.into();
        self.holders[index].phase = Phase::Claiming { claim, sent };
        self.send(index, write, false);
    }

    /// It sees that there is time to act.
    pub(super) fn look(&mut self, index: usize) {
        let phase = &mut self.holders[index].phase;
        let Phase::Holding { looked, .. } = phase else {
            panic!("looks without a lease: {phase:?}");
        };
        *looked = true;
    }

    /// It acts and asks to complete.
    pub(super) fn act(&mut self, index: usize, work: Work) {
        let phase = &self.holders[index].phase;
        let Phase::Holding { takeovers, .. } = *phase else {
            panic!("acts without a lease: {phase:?}");
        };
        let how = match work {
            Work::CommitWith => Settling::Commit,
            Work::Once | Work::OnceUnlessTakenOver => {
                self.effects.push(takeovers);
                self.effects.sort_unstable();
                Settling::Complete
            }
        };
        self.settle(index, how);
    }

    /// It acts, is not told what came of it, and asks to abandon.
    pub(super) fn act_unanswered(&mut self, index: usize) {
        let phase = &self.holders[index].phase;
        let Phase::Holding { takeovers, .. } = *phase else {
            panic!("acts without a lease: {phase:?}");
        };
        self.effects.push(takeovers);
        self.effects.sort_unstable();
        self.settle(index, Settling::Abandon { takeovers });
    }

    pub(super) fn settle(&mut self, index: usize, how: Settling) {
        let holder = &mut self.holders[index];
        let owner = holder.token.owner();
        let write = Known::from(match how {
            Settling::Release => transition::release(&owner),
            Settling::Abandon { takeovers } => transition::abandon(&owner, takeovers),
            Settling::Complete | Settling::Commit => {
                transition::settle(&owner, &Ending::Completed(Body::Nothing), 1_000, 1_000)
            }
        });
        holder.phase = Phase::Settling {
            how,
            sent: write.clone(),
        };
        self.send(index, write, how == Settling::Commit);
    }

    /// It asks for more time.
    pub(super) fn renew(&mut self, index: usize) {
        let now = self.now;
        let holder = &mut self.holders[index];
        let Phase::Holding {
            until, takeovers, ..
        } = holder.phase
        else {
            panic!("renews without a lease: {:?}", holder.phase);
        };
        let to = holder.clock(now) + LEASE;
        let sent = Known::from(transition::renew(&holder.token.owner(), to));
        holder.phase = Phase::Renewing {
            until,
            to,
            takeovers,
            sent: sent.clone(),
        };
        self.send(index, sent, false);
    }

    /// It reads the answer.
    pub(super) fn read(&mut self, index: usize) {
        let now = self.now;
        let holder = &mut self.holders[index];
        let answer = holder.inbox.take().unwrap();
        let owner = holder.token.owner();
        match holder.phase.clone() {
            Phase::Claiming { claim, sent } => {
                let clock = holder.clock(now);
                match transition::claim(&claim, &sent, &answer, clock, SKEW).unwrap() {
                    Next::Send(attempt) => self.attempt(index, claim, attempt),
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
            } => match transition::renewed(&owner, &answer).unwrap() {
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
                    Settling::Release | Settling::Abandon { .. } => {
                        transition::released(&owner, &answer)
                    }
                };
                let settled = settled.unwrap();
                self.fenced |= settled == Fenced::Lost;
                if how == Settling::Commit {
                    let is_committed = self.commits.contains(&token);
                    self.lied |= is_committed != (settled == Fenced::Done);
                }
                self.end_call(index);
            }
            phase @ (Phase::Idle | Phase::Holding { .. }) => panic!("awaits nothing: {phase:?}"),
        }
    }

    /// It waits no longer. It sends the same again, or gives up.
    pub(super) fn give_up_waiting(&mut self, index: usize) {
        self.forget(index);
        let holder = &self.holders[index];
        let (sent, is_commit) = match &holder.phase {
            Phase::Claiming { sent, .. } => (sent.write.clone().into(), false),
            Phase::Renewing { sent, .. } => (sent.clone(), false),
            Phase::Settling { sent, how } => (sent.clone(), *how == Settling::Commit),
            phase @ (Phase::Idle | Phase::Holding { .. }) => panic!("awaits nothing: {phase:?}"),
        };
        if self.resends_left > 0 {
            self.resends_left -= 1;
            self.send(index, sent, is_commit);
            return;
        }
        if let Phase::Claiming { .. } = holder.phase {
            // The release makes sure that nothing is held. Nobody waits for it.
            let release = transition::release(&holder.token.owner());
            self.send(index, release.into(), false);
        }
        self.end_call(index);
    }

    /// The call is over, however it ended. The requests that it has sent are still on their way.
    pub(super) fn end_call(&mut self, index: usize) {
        self.forget(index);
        self.holders[index].phase = Phase::Idle;
    }
}
