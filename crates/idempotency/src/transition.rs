//! The lock as a function: what is known of the item → the next conditional write, or what it comes to. No clock, no
//! network; `lease.rs` and `table.rs` do the calls, `model.rs` checks what can come of any order of them.
//!
//! DynamoDB has no clock to compare with, so no condition speaks of time. A caller that is refused reads the item off the
//! refusal, decides by its own clock, and writes on condition that the item is still the one it decided on.

use crate::record::{Attribute, Body, Record, State, held_by, state};
use crate::write::{Change, Condition, Item, Test, Value, Write};

/// DynamoDB's answer to a conditional write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    /// It was done.
    Done,
    /// Its condition did not hold of the item, which is this.
    Refused(Option<Record>),
}

/// A wish for a lease. Nothing in it changes from one attempt to the next, so that a write that is sent again because its
/// answer was lost is the same write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Claim {
    /// A token that nobody else has.
    pub(crate) owner: String,
    pub(crate) fingerprint: String,
    pub(crate) lease_until: u64,
    pub(crate) expires_at: u64,
    pub(crate) ttl: u64,
}

/// What to do about a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Next {
    /// Send this, and ask again with the answer.
    Send(Write),
    /// The lease is ours.
    Held { takeovers: u64 },
    /// It was done, or failed for good, before.
    Settled(Record),
    /// Somebody else's lease lasts this much longer, in milliseconds.
    InProgress { retry_after: u64 },
    /// The key belongs to a request that asks for something else.
    Mismatch,
}

/// The first write of a claim: the lease, if there is no item.
pub(crate) fn first(claim: &Claim) -> Write {
    lease(claim, 0, Condition::Absent)
}

/// What follows from the answer to `sent`. `now` is the caller's clock, `skew` by how much two clocks may differ at most,
/// in milliseconds.
pub(crate) fn claim(claim: &Claim, sent: &Write, answer: Answer, now: u64, skew: u64) -> Next {
    let record = match answer {
        Answer::Done => {
            return Next::Held {
                takeovers: takeovers_of(sent),
            };
        }
        // What was in the way was deleted since, as its time to live was over.
        Answer::Refused(None) => return Next::Send(first(claim)),
        Answer::Refused(Some(record)) => record,
    };
    let over = |time: u64| time.saturating_add(skew) <= now;
    let is_mine = record.owner == claim.owner;
    let is_same = record.fingerprint == claim.fingerprint;
    let takeovers = match record.state {
        // An earlier attempt was done and its answer lost.
        State::InProgress if is_mine => {
            return Next::Held {
                takeovers: record.takeovers,
            };
        }
        State::InProgress if !over(record.lease_until) && is_same => {
            return Next::InProgress {
                retry_after: record.lease_until.saturating_add(skew) - now,
            };
        }
        State::InProgress if !over(record.lease_until) => return Next::Mismatch,
        State::InProgress => record.takeovers.saturating_add(1),
        State::Released => record.takeovers,
        State::Completed | State::Failed => 0,
    };
    if !over(record.expires_at) {
        match record.state {
            // Nothing has happened under this fingerprint or any other.
            State::Released if record.takeovers == 0 => {}
            _ if !is_same => return Next::Mismatch,
            State::Completed | State::Failed => return Next::Settled(record),
            State::InProgress | State::Released => {}
        }
    }
    Next::Send(lease(claim, takeovers, record.unchanged()))
}

fn lease(claim: &Claim, takeovers: u64, condition: Condition) -> Write {
    let record = Record {
        state: State::InProgress,
        fingerprint: claim.fingerprint.clone(),
        owner: claim.owner.clone(),
        lease_until: claim.lease_until,
        expires_at: claim.expires_at,
        ttl: claim.ttl,
        takeovers,
        body: Body::Nothing,
    };
    Write {
        change: Change::Replace(record.to_item()),
        condition,
    }
}

fn takeovers_of(sent: &Write) -> u64 {
    match &sent.change {
        Change::Replace(item) => match item.get(&Attribute::Takeovers) {
            Some(Value::N(takeovers)) => *takeovers,
            _ => 0,
        },
        Change::Set(_) => 0,
    }
}

/// What a write on one's own lease came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fenced {
    /// It was done, now or by an earlier attempt.
    Done,
    /// The lease is not ours any more.
    Lost,
}

/// Settles the lease for good: `COMPLETED` or `FAILED`.
pub(crate) fn settle(owner: &str, to: State, body: &Body, expires_at: u64, ttl: u64) -> Write {
    let mut attributes = Item::from([
        (Attribute::State, state(to)),
        (Attribute::ExpiresAt, Value::N(expires_at)),
        (Attribute::Ttl, Value::N(ttl)),
    ]);
    attributes.extend(body.attribute());
    Write {
        change: Change::Set(attributes),
        condition: Condition::All(held_by(owner)),
    }
}

/// What the answer to [`settle`] means.
pub(crate) fn settled(owner: &str, answer: &Answer) -> Fenced {
    match answer {
        Answer::Done => Fenced::Done,
        // A lease is settled by nobody but its owner, so it was an earlier attempt of ours.
        Answer::Refused(Some(record))
            if record.owner == owner
                && matches!(record.state, State::Completed | State::Failed) =>
        {
            Fenced::Done
        }
        Answer::Refused(_) => Fenced::Lost,
    }
}

/// Gives the lease back.
pub(crate) fn release(owner: &str) -> Write {
    Write {
        change: Change::Set(Item::from([(Attribute::State, state(State::Released))])),
        condition: Condition::All(held_by(owner)),
    }
}

/// What the answer to [`release`] means.
pub(crate) fn released(owner: &str, answer: &Answer) -> Fenced {
    match answer {
        Answer::Done => Fenced::Done,
        // By an earlier attempt of ours.
        Answer::Refused(Some(record))
            if record.owner == owner && record.state == State::Released =>
        {
            Fenced::Done
        }
        Answer::Refused(_) => Fenced::Lost,
    }
}

/// Makes the lease last until `lease_until`. It never makes it shorter: an attempt that was given up may arrive late, after
/// a longer renewal.
pub(crate) fn renew(owner: &str, lease_until: u64) -> Write {
    let mut tests = held_by(owner);
    tests.push(Test::Below(Attribute::LeaseUntil, lease_until));
    Write {
        change: Change::Set(Item::from([(Attribute::LeaseUntil, Value::N(lease_until))])),
        condition: Condition::All(tests),
    }
}

/// What the answer to [`renew`] means.
pub(crate) fn renewed(owner: &str, answer: &Answer) -> Fenced {
    match answer {
        Answer::Done => Fenced::Done,
        // It lasts that long already.
        Answer::Refused(Some(record))
            if record.owner == owner && record.state == State::InProgress =>
        {
            Fenced::Done
        }
        Answer::Refused(_) => Fenced::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            body: Body::Json("1".into()),
        }
    }

    fn at(now: u64, record: Record) -> Next {
        let wish = wish("me");
        claim(
            &wish,
            &first(&wish),
            Answer::Refused(Some(record)),
            now,
            SKEW,
        )
    }

    fn takeover(next: Next) -> (Condition, u64) {
        match next {
            Next::Send(write) => (write.condition.clone(), takeovers_of(&write)),
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
        for state in [State::Completed, State::Failed] {
            let done = record(state, "them");
            assert_eq!(at(5_009, done.clone()), Next::Settled(done.clone()));
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
            (0, State::Completed),
            (5_009, State::Failed),
        ] {
            assert_eq!(at(now, other(state)), Next::Mismatch, "{now} {state:?}");
        }
        assert_eq!(takeover(at(5_010, other(State::InProgress))).1, 3);
        assert_eq!(takeover(at(5_010, other(State::Completed))).1, 0);
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
        let next = claim(&wish, &sent, Answer::Refused(None), 2_000, SKEW);
        assert_eq!(next, Next::Send(first(&wish)));
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
            settle("me", State::Completed, &Body::Nothing, 9, 9),
            release("me"),
            renew("me", 2_000),
        ];
        for write in writes {
            let holds = |record: Record| write.apply_to(Some(&record.to_item())).is_ok();
            assert!(holds(record(State::InProgress, "me")), "{write:?}");
            assert!(!holds(record(State::InProgress, "them")), "{write:?}");
            assert!(!holds(record(State::Completed, "me")), "{write:?}");
            assert!(!holds(record(State::Failed, "me")), "{write:?}");
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
            assert_eq!(
                renewed("me", &Answer::Refused(Some(mine.clone()))),
                Fenced::Done
            );
        }
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        for body in [
            Body::Nothing,
            Body::Json("{}".into()),
            Body::Digest("0".into()),
        ] {
            let record = Record {
                body,
                ..record(State::Failed, "me")
            };
            assert_eq!(Record::from_item(&record.to_item()), Some(record));
        }
    }
}
