//! A lock's item as it is read and written: which attributes it has, and what each is for.

use crate::write::{Condition, Item, Test, Value};

/// The attributes of a lock's item besides the table's key. A name is in this list and nowhere
/// else, and an item is made of nothing but [`Attribute`]s: so what an item may carry is what the
/// [settings](crate::Settings::partition_key) refuse as the name of a key.
macro_rules! attributes {
    ($($(#[$doc:meta])+ $attribute:ident = $name:literal,)+) => {
        /// An attribute of a lock's item.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Attribute {
            $($(#[$doc])+ $attribute,)+
        }

        impl Attribute {
            pub(crate) const ALL: &[Self] = &[$(Self::$attribute,)+];

            /// Its name in the table.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$attribute => $name,)+
                }
            }
        }
    };
}

attributes! {
    /// `IN_PROGRESS`, `RELEASED`, `COMPLETED` or `FAILED`.
    State = "state",
    /// What was asked for.
    Fingerprint = "fingerprint",
    /// The fencing token: who holds the lease, or held it when it was settled. New for every lease.
    Owner = "owner",
    /// When the lease ends: milliseconds since the Unix epoch on its holder's clock.
    LeaseUntil = "lease_until",
    /// When the window ends in which a duplicate is recognised: milliseconds since the Unix epoch.
    ExpiresAt = "expires_at",
    /// When DynamoDB may delete the item: seconds since the Unix epoch.
    Ttl = "ttl",
    /// How many leases before this one ended without being settled.
    Takeovers = "takeovers",
    /// The result or failure as JSON.
    Result = "result",
    /// The SHA-256 of the result's JSON, in hexadecimal, where the result itself is not kept.
    Digest = "digest",
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
    pub(crate) fn attribute(&self) -> Option<(Attribute, Value)> {
        match self {
            Self::Nothing => None,
            Self::Json(json) => Some((Attribute::Result, Value::S(json.clone()))),
            Self::Digest(digest) => Some((Attribute::Digest, Value::S(digest.clone()))),
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
            (Attribute::State, state(self.state)),
            (Attribute::Fingerprint, Value::S(self.fingerprint.clone())),
            (Attribute::Owner, Value::S(self.owner.clone())),
            (Attribute::LeaseUntil, Value::N(self.lease_until)),
            (Attribute::ExpiresAt, Value::N(self.expires_at)),
            (Attribute::Ttl, Value::N(self.ttl)),
            (Attribute::Takeovers, Value::N(self.takeovers)),
        ]);
        item.extend(self.body.attribute());
        item
    }

    /// Reads an item by a lookup of its string and number attributes; `None` if it is not a lock's.
    pub(crate) fn read(
        text: impl Fn(Attribute) -> Option<String>,
        number: impl Fn(Attribute) -> Option<u64>,
    ) -> Option<Self> {
        let stored = text(Attribute::State)?;
        let states = [
            State::InProgress,
            State::Released,
            State::Completed,
            State::Failed,
        ];
        let state = states.into_iter().find(|state| state.name() == stored)?;
        Some(Self {
            state,
            fingerprint: text(Attribute::Fingerprint)?,
            owner: text(Attribute::Owner)?,
            lease_until: number(Attribute::LeaseUntil)?,
            expires_at: number(Attribute::ExpiresAt)?,
            ttl: number(Attribute::Ttl)?,
            takeovers: number(Attribute::Takeovers)?,
            body: match (text(Attribute::Result), text(Attribute::Digest)) {
                (Some(json), _) => Body::Json(json),
                (None, Some(digest)) => Body::Digest(digest),
                (None, None) => Body::Nothing,
            },
        })
    }

    #[cfg(test)]
    pub(crate) fn from_item(item: &Item) -> Option<Self> {
        let text = |attribute| match item.get(&attribute) {
            Some(Value::S(text)) => Some(text.clone()),
            _ => None,
        };
        let number = |attribute| match item.get(&attribute) {
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
            Test::Equals(Attribute::Owner, Value::S(self.owner.clone())),
            Test::Equals(Attribute::State, state(self.state)),
            Test::Equals(Attribute::LeaseUntil, Value::N(self.lease_until)),
            Test::Equals(Attribute::Takeovers, Value::N(self.takeovers)),
        ])
    }
}

/// That the lease is held by this owner: the fence before each later write.
pub(crate) fn held_by(owner: &str) -> Vec<Test> {
    vec![
        Test::Equals(Attribute::Owner, Value::S(owner.to_owned())),
        Test::Equals(Attribute::State, state(State::InProgress)),
    ]
}

pub(crate) fn state(state: State) -> Value {
    Value::S(state.name().to_owned())
}
