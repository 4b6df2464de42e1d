//! The faults that may happen, and the wire on which requests are late, lost or sent again.

use conditional_write::{Answer, NotDone, Write};

use super::World;
use super::actors::Token;
use super::known::Known;

/// The faults that may happen. Besides, every request may arrive late, and in any sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// How many requests that go unanswered are sent again, all holders together.
    pub(super) resends: u8,
    /// Every clock is ahead of the true time by 0 up to this.
    pub(super) ahead: u64,
    pub(super) crashes: bool,
    /// A holder may stall between seeing that time is left and acting, and between acting and
    /// completing.
    pub(super) stalls: bool,
    /// The answer to the effect may be lost, so that its holder abandons the lease.
    pub(super) unanswered: bool,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Letter {
    pub(super) from: Token,
    /// True if its sender still waits for the answer.
    awaited: bool,
    is_commit: bool,
    write: Known<Write>,
}

impl Letter {
    fn order(&self) -> impl Ord + use<> {
        (self.from, self.awaited, self.is_commit, self.write.rank())
    }
}

/// The ways that requests may go.
impl World {
    pub(super) fn send(&mut self, from: usize, write: Known<Write>, is_commit: bool) {
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

    /// Nobody waits for what was sent so far.
    pub(super) fn forget(&mut self, holder: usize) {
        self.holders[holder].inbox = None;
        for letter in &mut self.letters {
            letter.awaited &= letter.from.holder != holder;
        }
        self.sort_letters();
    }

    /// The table does what a request asks for, and answers everybody who still waits.
    pub(super) fn arrive(&mut self, letter: &Letter) {
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
            Err(NotDone::Refused) => Answer::Refused(self.item.as_deref().cloned()),
            Err(NotDone::NotASet) => panic!("a lock has no sets: {letter:?}"),
        };
        if letter.awaited {
            self.holders[letter.from.holder].inbox = Some(answer.into());
        }
    }
}
