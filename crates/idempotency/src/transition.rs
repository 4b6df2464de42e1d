//! The lock as a function from what is known of the item to the next conditional write, or to a
//! result. It has no clock and no network. `lease.rs` and `table.rs` do the calls, and `model.rs`
//! checks what can come of any sequence of them.
//!
//! DynamoDB has no clock to compare with, so no condition speaks of time. A caller that is refused
//! reads the item off the refusal, decides by its own clock, and writes on condition that the item
//! is still the one it decided on.

use conditional_write::{Answer, Change, Condition, Value, Write};

use crate::record::{Attribute, Ending, Foreign, Record, State, held_by};
use crate::stored::Settlement;

/// A wish for a lease. Nothing in it changes from one attempt to the next, so that a write that is
/// sent again because its answer was lost is the same write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    /// A token that nobody else has.
    pub(crate) owner: String,
    pub(crate) fingerprint: String,
    pub(crate) lease_until: u64,
    pub(crate) expires_at: u64,
    pub(crate) ttl: u64,
}

/// One write of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    pub(crate) write: Write,
    /// The takeovers that the lease counts, if it is written.
    pub(crate) takeovers: u64,
}

/// The next step of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    /// Send this, and ask again with the answer.
    Send(Attempt),
    /// The lease is ours.
    Held { takeovers: u64 },
    /// It was done, or failed for good, before.
    Settled(Settlement),
    /// Somebody else's lease lasts this much longer, in milliseconds.
    InProgress { retry_after: u64 },
    /// The key belongs to a request that asks for something else.
    Mismatch,
}

/// The first write of a claim, which takes the lease if there is no item.
pub(crate) fn first(claim: &Claim) -> Attempt {
    lease(claim, 0, Condition::ItemAbsent)
}

/// The step that follows from the answer to `sent`. `now` is the caller's clock, `skew` by how much
/// two clocks may differ at most, in milliseconds.
///
/// # Errors
/// [`Foreign`] if the item that refused the write is not a lock.
pub(crate) fn claim(
    claim: &Claim,
    sent: &Attempt,
    answer: &Answer,
    now: u64,
    skew: u64,
) -> Result<Next, Foreign> {
    let record = match answer {
        Answer::Done => {
            return Ok(Next::Held {
                takeovers: sent.takeovers,
            });
        }
        // The item in the way was deleted since, as its time to live was over.
        Answer::Refused(None) => return Ok(Next::Send(first(claim))),
        Answer::Refused(Some(item)) => Record::from_item(item)?,
    };
    let over = |time: u64| time.saturating_add(skew) <= now;
    let is_mine = record.owner == claim.owner;
    let is_same = record.fingerprint == claim.fingerprint;
    let takeovers = match record.state {
        // An earlier attempt was done and its answer lost.
        State::InProgress if is_mine => {
            return Ok(Next::Held {
                takeovers: record.takeovers,
            });
        }
        State::InProgress if !over(record.lease_until) => {
            return Ok(if is_same {
                Next::InProgress {
                    retry_after: record.lease_until.saturating_add(skew) - now,
                }
            } else {
                Next::Mismatch
            });
        }
        State::InProgress => record.takeovers.saturating_add(1),
        State::Released => record.takeovers,
        State::Settled(_) => 0,
    };
    let condition = record.unchanged();
    if !over(record.expires_at) {
        match record.state {
            // Nothing has happened under this fingerprint or any other.
            State::Released if record.takeovers == 0 => {}
            _ if !is_same => return Ok(Next::Mismatch),
            State::Settled(ending) => {
                return Ok(Next::Settled(Settlement {
                    fingerprint: record.fingerprint,
                    expires_at: record.expires_at,
                    ending,
                }));
            }
            State::InProgress | State::Released => {}
        }
    }
    Ok(Next::Send(lease(claim, takeovers, condition)))
}

fn lease(claim: &Claim, takeovers: u64, condition: Condition) -> Attempt {
    let record = Record {
        state: State::InProgress,
        fingerprint: claim.fingerprint.clone(),
        owner: claim.owner.clone(),
        lease_until: claim.lease_until,
        expires_at: claim.expires_at,
        ttl: claim.ttl,
        takeovers,
    };
    let change = record.replace();
    Attempt {
        write: Write { change, condition },
        takeovers,
    }
}

/// The result of a write on one's own lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fenced {
    /// It was done, now or by an earlier attempt.
    Done,
    /// The lease is not ours any more.
    Lost,
}

/// Settles the lease for good, as `COMPLETED` or `FAILED`.
pub(crate) fn settle(owner: &str, ending: &Ending, expires_at: u64, ttl: u64) -> Write {
    let times = [
        (Attribute::ExpiresAt, Value::from(expires_at)),
        (Attribute::Ttl, Value::from(ttl)),
    ];
    Write {
        change: Change::set(ending.attributes()).and_set(times),
        condition: held_by(owner),
    }
}

/// Reads the answer to [`settle`].
pub(crate) fn settled(owner: &str, answer: &Answer) -> Result<Fenced, Foreign> {
    // Nobody but its owner settles a lease, so it was an earlier attempt of this holder.
    fenced(owner, answer, |state| matches!(state, State::Settled(_)))
}

/// Gives the lease back.
pub(crate) fn release(owner: &str) -> Write {
    Write {
        change: Change::set(State::Released.attributes()),
        condition: held_by(owner),
    }
}

/// Reads the answer to [`release`] or [`abandon`].
pub(crate) fn released(owner: &str, answer: &Answer) -> Result<Fenced, Foreign> {
    // An earlier attempt of this holder gave it back.
    fenced(owner, answer, |state| *state == State::Released)
}

/// Ends the lease at once, and counts it as left behind. `takeovers` is what the lease itself
/// counts.
pub(crate) fn abandon(owner: &str, takeovers: u64) -> Write {
    let counted = Value::from(takeovers.saturating_add(1));
    Write {
        change: Change::set(State::Released.attributes())
            .and_set([(Attribute::Takeovers, counted)]),
        condition: held_by(owner),
    }
}

/// Makes the lease last until `lease_until`. It never makes the lease shorter, because an attempt
/// that was given up may arrive late, after a longer renewal.
pub(crate) fn renew(owner: &str, lease_until: u64) -> Write {
    let is_shorter = Condition::Below(Attribute::LeaseUntil.into(), lease_until.into());
    Write {
        change: Change::set([(Attribute::LeaseUntil, Value::from(lease_until))]),
        condition: held_by(owner).and(is_shorter),
    }
}

/// Reads the answer to [`renew`].
pub(crate) fn renewed(owner: &str, answer: &Answer) -> Result<Fenced, Foreign> {
    // It lasts that long already.
    fenced(owner, answer, |state| *state == State::InProgress)
}

/// Reads an answer for the owner of a lease. `was_done` tells of the state of an item that
/// still is its own whether an earlier attempt has made it so.
fn fenced(
    owner: &str,
    answer: &Answer,
    was_done: impl FnOnce(&State) -> bool,
) -> Result<Fenced, Foreign> {
    let item = match answer {
        Answer::Done => return Ok(Fenced::Done),
        Answer::Refused(None) => return Ok(Fenced::Lost),
        Answer::Refused(Some(item)) => item,
    };
    let record = Record::from_item(item)?;
    Ok(if record.owner == owner && was_done(&record.state) {
        Fenced::Done
    } else {
        Fenced::Lost
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Body;

    const SKEW: u64 = 10;

    fn wish(owner: &str) -> Claim {
        Claim {
            owner: owner.into(),
            fingerprint: "f".into(),
            lease_until: 1_000,
            expires_at: 5_000,
            ttl: 6,
        }
    }

    fn record(state: State, owner: &str) -> Record {
        Record {
            state,
            fingerprint: "f".into(),
            owner: owner.into(),
            lease_until: 1_000,
            expires_at: 5_000,
            ttl: 6,
            takeovers: 2,
        }
    }

    fn completed() -> State {
        State::Settled(Ending::Completed(Body::Json("1".into())))
    }

    fn failed() -> State {
        State::Settled(Ending::Failed(Body::Json("1".into())))
    }

    fn refused(record: &Record) -> Answer {
        Answer::Refused(Some(record.to_item()))
    }

    fn at(now: u64, record: Record) -> Next {
        let wish = wish("me");
        claim(&wish, &first(&wish), &refused(&record), now, SKEW).unwrap()
    }

    fn takeover(next: Next) -> (Condition, u64) {
        match next {
            Next::Send(attempt) => (attempt.write.condition, attempt.takeovers),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lease_lasts_to_its_end_and_the_skew_beyond_it() {
        let theirs = record(State::InProgress, "them");
        let left = |now| at(now, theirs.clone());
        assert_eq!(left(0), Next::InProgress { retry_after: 1_010 });
        assert_eq!(left(1_009), Next::InProgress { retry_after: 1 });
        assert_eq!(takeover(left(1_010)), (theirs.unchanged(), 3));
    }

    #[test]
    fn a_settled_record_is_replayed_to_the_end_of_its_window_and_the_skew_beyond_it() {
        for state in [completed(), failed()] {
            let done = record(state.clone(), "them");
            let State::Settled(ending) = state else {
                panic!("{state:?}")
            };
            let settlement = Settlement {
                fingerprint: "f".into(),
                expires_at: 5_000,
                ending,
            };
            assert_eq!(at(5_009, done.clone()), Next::Settled(settlement));
            assert_eq!(takeover(at(5_010, done.clone())), (done.unchanged(), 0));
        }
    }

    #[test]
    fn another_fingerprint_is_a_mismatch_while_the_lease_or_the_window_lasts() {
        let other = |state| Record {
            fingerprint: "g".into(),
            ..record(state, "them")
        };
        for (now, state) in [
            (0, State::InProgress),
            (1_010, State::InProgress),
            (5_009, State::InProgress),
            (0, completed()),
            (5_009, failed()),
        ] {
            let next = at(now, other(state.clone()));
            assert_eq!(next, Next::Mismatch, "{now} {state:?}");
        }
        assert_eq!(takeover(at(5_010, other(State::InProgress))).1, 3);
        assert_eq!(takeover(at(5_010, other(completed()))).1, 0);
    }

    #[test]
    fn a_lease_that_outlives_its_window_is_in_progress_all_the_same() {
        let long = Record {
            lease_until: 9_000,
            ..record(State::InProgress, "them")
        };
        assert_eq!(at(5_010, long), Next::InProgress { retry_after: 4_000 });
    }

    #[test]
    fn ones_own_lease_is_held_however_late_the_answer_comes() {
        for now in [0, 1_010, 5_010] {
            let mine = record(State::InProgress, "me");
            assert_eq!(at(now, mine), Next::Held { takeovers: 2 });
        }
    }

    #[test]
    fn a_lease_whose_item_was_deleted_meanwhile_is_claimed_anew() {
        let wish = wish("me");
        let sent = lease(&wish, 3, record(State::InProgress, "them").unchanged());
        let next = claim(&wish, &sent, &Answer::Refused(None), 2_000, SKEW);
        assert_eq!(next, Ok(Next::Send(first(&wish))));
    }

    #[test]
    fn times_at_the_end_of_all_time_do_not_overflow() {
        let last = Record {
            lease_until: u64::MAX,
            expires_at: u64::MAX,
            takeovers: u64::MAX,
            ..record(State::InProgress, "them")
        };
        assert_eq!(
            at(0, last),
            Next::InProgress {
                retry_after: u64::MAX
            }
        );
    }

    #[test]
    fn only_the_owner_of_a_lease_in_progress_may_write() {
        let writes = [
            settle("me", &Ending::Completed(Body::Nothing), 9, 9),
            release("me"),
            abandon("me", 2),
            renew("me", 2_000),
        ];
        for write in writes {
            let holds = |record: Record| write.apply_to(Some(&record.to_item())).is_ok();
            assert!(holds(record(State::InProgress, "me")), "{write:?}");
            assert!(!holds(record(State::InProgress, "them")), "{write:?}");
            assert!(!holds(record(completed(), "me")), "{write:?}");
            assert!(!holds(record(failed(), "me")), "{write:?}");
            assert!(!holds(record(State::Released, "me")), "{write:?}");
            assert!(write.apply_to(None).is_err(), "{write:?}");
        }
    }

    #[test]
    fn a_released_lease_is_free_at_once_and_forgets_no_takeover() {
        let mine = record(State::InProgress, "me").to_item();
        let left = release("me").apply_to(Some(&mine)).unwrap();
        let left = Record::from_item(&left).unwrap();
        assert_eq!(takeover(at(0, left.clone())), (left.unchanged(), 2));
    }

    #[test]
    fn an_abandoned_lease_is_free_at_once_and_its_next_holder_knows_of_it() {
        let mine = record(State::InProgress, "me").to_item();
        let left = abandon("me", 2).apply_to(Some(&mine)).unwrap();
        let left = Record::from_item(&left).unwrap();
        assert_eq!(takeover(at(0, left.clone())), (left.unchanged(), 3));
        assert_eq!(released("me", &refused(&left)), Ok(Fenced::Done));
        let other = Record {
            fingerprint: "g".into(),
            ..left
        };
        assert_eq!(at(0, other), Next::Mismatch);
    }

    #[test]
    fn a_released_lease_that_took_over_nothing_is_free_for_any_payload() {
        let left = |takeovers| Record {
            fingerprint: "g".into(),
            takeovers,
            ..record(State::Released, "them")
        };
        assert_eq!(takeover(at(0, left(0))).1, 0);
        assert_eq!(at(0, left(1)), Next::Mismatch);
        assert_eq!(takeover(at(5_010, left(1))).1, 1);
    }

    #[test]
    fn a_renewal_that_arrives_late_does_not_shorten_the_lease() {
        let mine = record(State::InProgress, "me");
        for until in [999, 1_000] {
            assert!(renew("me", until).apply_to(Some(&mine.to_item())).is_err());
            assert_eq!(renewed("me", &refused(&mine)), Ok(Fenced::Done));
        }
    }

    #[test]
    fn an_item_that_is_not_a_lock_is_neither_claimed_nor_taken_for_ones_own() {
        let foreign = Answer::Refused(Some(conditional_write::Item::new()));
        let wish = wish("me");
        assert_eq!(claim(&wish, &first(&wish), &foreign, 0, SKEW), Err(Foreign));
        for read in [settled, released, renewed] {
            assert_eq!(read("me", &foreign), Err(Foreign));
        }
    }

    #[test]
    fn a_new_lease_leaves_nothing_of_the_record_before_it() {
        let digest = Body::Digest(crate::Digest::of("1").unwrap());
        for before in [
            State::InProgress,
            State::Released,
            completed(),
            failed(),
            State::Settled(Ending::Completed(digest)),
        ] {
            let before = record(before, "them").to_item();
            let change = lease(&wish("me"), 3, Condition::ItemPresent).write;
            let after = change.apply_to(Some(&before)).unwrap();
            let expected = Record {
                takeovers: 3,
                ..record(State::InProgress, "me")
            };
            assert_eq!(after, expected.to_item());
        }
    }
}
