//! A lock's item as it is read and written: which attributes it has, and what each is for.

use crate::write::{Condition, Item, Test, Value};

/// Attribute names besides the table's key.
pub(crate) mod attribute {
    /// `IN_PROGRESS`, `RELEASED`, `COMPLETED` or `FAILED`.
    pub(crate) const STATE: &str = "state";
    /// What was asked for.
    pub(crate) const FINGERPRINT: &str = "fingerprint";
    /// The fencing token: who holds the lease, or held it when it was settled. New for every lease.
    pub(crate) const OWNER: &str = "owner";
    /// When the lease ends: milliseconds since the Unix epoch on its holder's clock.
    pub(crate) const LEASE_UNTIL: &str = "lease_until";
    /// When the window ends in which a duplicate is recognised: milliseconds since the Unix epoch.
    pub(crate) const EXPIRES_AT: &str = "expires_at";
    /// When DynamoDB may delete the item: seconds since the Unix epoch.
    pub(crate) const TTL: &str = "ttl";
    /// How many leases before this one ended without being settled.
    pub(crate) const TAKEOVERS: &str = "takeovers";
    /// The result or failure as JSON.
    pub(crate) const RESULT: &str = "result";
    /// The SHA-256 of the result's JSON, in hexadecimal, where the result itself is not kept.
    pub(crate) const DIGEST: &str = "digest";
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// Somebody works on it, or has left it behind.
    InProgress,
    /// Given back: nothing has happened. The item stays, so that a write of its holder that was given up and arrives late
    /// finds that its time is over, and so that takeovers are not forgotten.
    Released,
    /// Done; for good.
    Completed,
    /// Failed; for good.
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Released => "RELEASED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// What is kept of a result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Body {
    /// Nothing: it had no JSON form.
    Nothing,
    /// Its JSON.
    Json(String),
    /// The SHA-256 of its JSON, in hexadecimal.
    Digest(String),
}

impl Body {
    pub(crate) fn attribute(&self) -> Option<(&'static str, Value)> {
        match self {
            Self::Nothing => None,
            Self::Json(json) => Some((attribute::RESULT, Value::S(json.clone()))),
            Self::Digest(digest) => Some((attribute::DIGEST, Value::S(digest.clone()))),
        }
    }
}

/// A lock's item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    pub(crate) state: State,
    pub(crate) fingerprint: String,
    pub(crate) owner: String,
    pub(crate) lease_until: u64,
    pub(crate) expires_at: u64,
    pub(crate) ttl: u64,
    pub(crate) takeovers: u64,
    pub(crate) body: Body,
}

impl Record {
    pub(crate) fn to_item(&self) -> Item {
        let mut item = Item::from([
            (attribute::STATE, state(self.state)),
            (attribute::FINGERPRINT, Value::S(self.fingerprint.clone())),
            (attribute::OWNER, Value::S(self.owner.clone())),
            (attribute::LEASE_UNTIL, Value::N(self.lease_until)),
            (attribute::EXPIRES_AT, Value::N(self.expires_at)),
            (attribute::TTL, Value::N(self.ttl)),
            (attribute::TAKEOVERS, Value::N(self.takeovers)),
        ]);
        item.extend(self.body.attribute());
        item
    }

    /// Reads an item by a lookup of its string and number attributes; `None` if it is not a lock's.
    pub(crate) fn read(
        text: impl Fn(&str) -> Option<String>,
        number: impl Fn(&str) -> Option<u64>,
    ) -> Option<Self> {
        let stored = text(attribute::STATE)?;
        let states = [
            State::InProgress,
            State::Released,
            State::Completed,
            State::Failed,
        ];
        let state = states.into_iter().find(|state| state.name() == stored)?;
        Some(Self {
            state,
            fingerprint: text(attribute::FINGERPRINT)?,
            owner: text(attribute::OWNER)?,
            lease_until: number(attribute::LEASE_UNTIL)?,
            expires_at: number(attribute::EXPIRES_AT)?,
            ttl: number(attribute::TTL)?,
            takeovers: number(attribute::TAKEOVERS)?,
            body: match (text(attribute::RESULT), text(attribute::DIGEST)) {
                (Some(json), _) => Body::Json(json),
                (None, Some(digest)) => Body::Digest(digest),
                (None, None) => Body::Nothing,
            },
        })
    }

    #[cfg(test)]
    pub(crate) fn from_item(item: &Item) -> Option<Self> {
        let text = |name: &str| match item.get(name) {
            Some(Value::S(text)) => Some(text.clone()),
            _ => None,
        };
        let number = |name: &str| match item.get(name) {
            Some(Value::N(number)) => Some(*number),
            _ => None,
        };
        Self::read(text, number)
    }

    /// That the item still is this one: whoever takes over a lease takes over the one that was seen, and not another which
    /// has come in its place or has been renewed since.
    ///
    /// No item ever becomes again what it was before, so a takeover that arrives late does nothing. The owner alone does not
    /// suffice for that: a holder that does not know of its first lease yet may take the key back from its successor. The
    /// number of takeovers has grown by then.
    pub(crate) fn unchanged(&self) -> Condition {
        Condition::All(vec![
            Test::Equals(attribute::OWNER, Value::S(self.owner.clone())),
            Test::Equals(attribute::STATE, state(self.state)),
            Test::Equals(attribute::LEASE_UNTIL, Value::N(self.lease_until)),
            Test::Equals(attribute::TAKEOVERS, Value::N(self.takeovers)),
        ])
    }
}

/// That the lease is held by this owner: the fence before each later write.
pub(crate) fn held_by(owner: &str) -> Vec<Test> {
    vec![
        Test::Equals(attribute::OWNER, Value::S(owner.to_owned())),
        Test::Equals(attribute::STATE, state(State::InProgress)),
    ]
}

pub(crate) fn state(state: State) -> Value {
    Value::S(state.name().to_owned())
}
