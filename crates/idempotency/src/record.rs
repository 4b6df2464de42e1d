//! A lock's item as it is read and written, with its attributes and the purpose of each.

use conditional_write::{Change, Condition, Item, Name, Value};

use crate::Digest;

/// The attributes of a lock's item besides the table's key. A name is in this list and nowhere
/// else, and an item is made of nothing but [`Attribute`]s. So the
/// [options](crate::LeaseOptions::partition_key) refuse as the name of a key exactly what an item
/// may carry.
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

impl From<Attribute> for Name {
    fn from(attribute: Attribute) -> Self {
        Self::Borrowed(attribute.name())
    }
}

attributes! {
    /// `IN_PROGRESS`, `RELEASED`, `COMPLETED` or `FAILED`.
    State = "state",
    /// The hash of what was asked for.
    Fingerprint = "fingerprint",
    /// The fencing token, which names the holder of the lease, also after the lease was settled. It
    /// is new for every lease.
    Owner = "owner",
    /// The end of the lease, in milliseconds since the Unix epoch on its holder's clock.
    LeaseUntil = "lease_until",
    /// The end of the window in which a duplicate is recognised, in milliseconds since the Unix
    /// epoch.
    ExpiresAt = "expires_at",
    /// The moment from which DynamoDB may delete the item, in seconds since the Unix epoch.
    Ttl = "ttl",
    /// How many leases before this one ended without being settled.
    Takeovers = "takeovers",
    /// The result or failure as JSON.
    Result = "result",
    /// The SHA-256 of the result's JSON, in hexadecimal, where the result itself is not kept.
    Digest = "digest",
}

/// The state of a lock. Only a lock that is settled has something to replay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// Somebody works on it, or has left it behind.
    InProgress,
    /// Given back, because nothing has happened. The item is kept for two reasons. A write of its
    /// holder that was given up and arrives late finds that its time is over, and takeovers are not
    /// forgotten.
    Released,
    /// Done or failed, for good.
    Settled(Ending),
}

/// How a lock was settled, and what is kept of the result or of the failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// Done.
    Completed(Body),
    /// Failed.
    Failed(Body),
}

impl State {
    const IN_PROGRESS: &str = "IN_PROGRESS";
    const RELEASED: &str = "RELEASED";

    fn name(&self) -> &'static str {
        match self {
            Self::InProgress => Self::IN_PROGRESS,
            Self::Released => Self::RELEASED,
            Self::Settled(ending) => ending.name(),
        }
    }

    /// The attributes that say it.
    pub(crate) fn attributes(&self) -> Vec<(Attribute, Value)> {
        match self {
            Self::InProgress | Self::Released => vec![(Attribute::State, self.name().into())],
            Self::Settled(ending) => ending.attributes(),
        }
    }
}

impl Ending {
    const COMPLETED: &str = "COMPLETED";
    const FAILED: &str = "FAILED";

    fn name(&self) -> &'static str {
        match self {
            Self::Completed(_) => Self::COMPLETED,
            Self::Failed(_) => Self::FAILED,
        }
    }

    pub(crate) fn body(&self) -> &Body {
        let (Self::Completed(body) | Self::Failed(body)) = self;
        body
    }

    /// The attributes that say it.
    pub(crate) fn attributes(&self) -> Vec<(Attribute, Value)> {
        let mut attributes = vec![(Attribute::State, self.name().into())];
        match self.body() {
            Body::Nothing => {}
            Body::Json(json) => attributes.push((Attribute::Result, json.as_str().into())),
            Body::Digest(digest) => attributes.push((Attribute::Digest, digest.as_str().into())),
        }
        attributes
    }
}

/// The part of a result that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    /// Nothing, because the result had no JSON form.
    Nothing,
    /// Its JSON.
    Json(String),
    /// The SHA-256 of its JSON.
    Digest(Digest),
}

/// A lock's item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) state: State,
    pub(crate) fingerprint: String,
    pub(crate) owner: String,
    pub(crate) lease_until: u64,
    pub(crate) expires_at: u64,
    pub(crate) ttl: u64,
    pub(crate) takeovers: u64,
}

/// An item that is not a lock's, or is that of a newer version of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign;

impl Record {
    /// The record's attributes, which are all that a lock's item has besides the table's key.
    fn attributes(&self) -> Vec<(Attribute, Value)> {
        let mut attributes = vec![
            (Attribute::Fingerprint, self.fingerprint.as_str().into()),
            (Attribute::Owner, self.owner.as_str().into()),
            (Attribute::LeaseUntil, self.lease_until.into()),
            (Attribute::ExpiresAt, self.expires_at.into()),
            (Attribute::Ttl, self.ttl.into()),
            (Attribute::Takeovers, self.takeovers.into()),
        ];
        attributes.extend(self.state.attributes());
        attributes
    }

    /// The change that makes any item this record. Attributes of a lock that the record does not
    /// have are removed.
    ///
    /// It is an `UpdateItem`, which has to name the whole key of the table and cannot set any of
    /// it. A `PutItem` would do, but not over a table one of whose keys has the name of a lock's
    /// attribute. DynamoDB would take the attribute for the key, and every lease would be its own
    /// item, which nobody holds yet.
    pub(crate) fn replace(&self) -> Change {
        let attributes = self.attributes();
        let is_gone = |attribute: &Attribute| !attributes.iter().any(|(name, _)| name == attribute);
        let gone: Vec<_> = Attribute::ALL.iter().copied().filter(is_gone).collect();
        Change::set(attributes).and_remove(gone)
    }

    /// Reads a lock's item, with or without the table's key.
    pub(crate) fn from_item(item: &Item) -> Result<Self, Foreign> {
        let get = |attribute: Attribute| item.get(attribute.name());
        let text = |attribute| get(attribute).and_then(Value::as_s).ok_or(Foreign);
        let number = |attribute| {
            let number = get(attribute).and_then(Value::as_n).ok_or(Foreign)?;
            u64::try_from(number).map_err(|_| Foreign)
        };
        let body = || {
            if item.contains(Attribute::Result.name()) {
                Ok(Body::Json(text(Attribute::Result)?.to_owned()))
            } else if item.contains(Attribute::Digest.name()) {
                let digest = Digest::parse(text(Attribute::Digest)?);
                Ok(Body::Digest(digest.ok_or(Foreign)?))
            } else {
                Ok(Body::Nothing)
            }
        };
        Ok(Self {
            state: match text(Attribute::State)? {
                State::IN_PROGRESS => State::InProgress,
                State::RELEASED => State::Released,
                Ending::COMPLETED => State::Settled(Ending::Completed(body()?)),
                Ending::FAILED => State::Settled(Ending::Failed(body()?)),
                _ => return Err(Foreign),
            },
            fingerprint: text(Attribute::Fingerprint)?.to_owned(),
            owner: text(Attribute::Owner)?.to_owned(),
            lease_until: number(Attribute::LeaseUntil)?,
            expires_at: number(Attribute::ExpiresAt)?,
            ttl: number(Attribute::Ttl)?,
            takeovers: number(Attribute::Takeovers)?,
        })
    }

    /// The condition that the item still is this one. A taker takes over the lease that it has
    /// seen, and not another which has come in its place or has been renewed since.
    ///
    /// No item ever becomes again what it was before, so a takeover that arrives late does nothing.
    /// The owner alone does not suffice for that. A holder that does not know of its first lease
    /// yet may take the key back from its successor. The number of takeovers has grown by then.
    pub(crate) fn unchanged(&self) -> Condition {
        equals(Attribute::Owner, self.owner.as_str())
            .and(equals(Attribute::State, self.state.name()))
            .and(equals(Attribute::LeaseUntil, self.lease_until))
            .and(equals(Attribute::Takeovers, self.takeovers))
    }
}

/// The condition that the lease is held by this owner. It is the fence before each later write.
pub(crate) fn held_by(owner: &str) -> Condition {
    equals(Attribute::Owner, owner).and(equals(Attribute::State, State::IN_PROGRESS))
}

fn equals(attribute: Attribute, value: impl Into<Value>) -> Condition {
    Condition::Equals(attribute.into(), value.into())
}

#[cfg(test)]
impl Record {
    pub(crate) fn to_item(&self) -> Item {
        self.attributes().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_being_written_and_read() {
        let json = || Body::Json("{}".to_owned());
        for state in [
            State::InProgress,
            State::Released,
            State::Settled(Ending::Completed(Body::Nothing)),
            State::Settled(Ending::Completed(json())),
            State::Settled(Ending::Completed(Body::Digest(Digest::of_json(b"{}")))),
            State::Settled(Ending::Failed(json())),
        ] {
            let record = Record {
                state,
                fingerprint: "f".to_owned(),
                owner: "me".to_owned(),
                lease_until: 1_000,
                expires_at: u64::MAX,
                ttl: 6,
                takeovers: 2,
            };
            assert_eq!(Record::from_item(&record.to_item()), Ok(record));
        }
    }

    #[test]
    fn an_item_that_lacks_an_attribute_or_has_one_of_another_type_is_foreign() {
        let record = Record {
            state: State::Settled(Ending::Completed(Body::Json("{}".to_owned()))),
            fingerprint: "f".to_owned(),
            owner: "me".to_owned(),
            lease_until: 1_000,
            expires_at: 5_000,
            ttl: 6,
            takeovers: 2,
        };
        for (name, value) in record.to_item().iter() {
            let mut other = record.to_item();
            other.insert(name.to_owned(), Value::Bool(true));
            assert_eq!(Record::from_item(&other), Err(Foreign), "{name}");
            if let Value::N(_) = value {
                other.insert(name.to_owned(), Value::N(-1));
                assert_eq!(Record::from_item(&other), Err(Foreign), "{name}");
            }
            other.insert_other(name.to_owned());
            assert_eq!(Record::from_item(&other), Err(Foreign), "{name}");
            other.remove(name);
            // Nothing is kept of a result that has no JSON form.
            let may_lack = name == Attribute::Result.name();
            assert_eq!(Record::from_item(&other).is_ok(), may_lack, "{name}");
        }
    }
}
