//! What is kept of a result: its JSON or a digest of it, and how a duplicate reads it.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::key::hex;
use crate::record::{Body, Record, State};

/// The SHA-256 of a result's JSON, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// Of a result, as it is made when a result is stored: over the JSON that `serde_json` writes. `None` if it has no JSON
    /// form.
    ///
    /// Two values that are equal have the same digest if they serialize in the same order; a `HashMap` does not.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(result: &T) -> Option<Self> {
        let json = serde_json::to_vec(result).ok()?;
        Some(Self::of_json(&json))
    }

    fn of_json(json: &[u8]) -> Self {
        Self(hex(&Sha256::digest(json)))
    }

    /// The digest as text, 64 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is kept of this result, of at most so many bytes.
pub(crate) fn body<T: Serialize + ?Sized>(result: &T, most_bytes: usize) -> Body {
    match serde_json::to_string(result) {
        Ok(json) if json.len() <= most_bytes => Body::Json(json),
        Ok(json) => Body::Digest(Digest::of_json(json.as_bytes()).0),
        // The work is done, whatever its result looks like: losing that would do it twice.
        Err(_) => Body::Nothing,
    }
}

/// What an earlier execution came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Stored {
    pub(crate) record: Record,
}

impl Stored {
    /// The result or the failure that was kept.
    ///
    /// # Errors
    /// [`Error::ResultNotKept`] and [`Error::UnreadableResult`]: in either case the work is done.
    pub fn result<T: DeserializeOwned, E: DeserializeOwned>(&self) -> Result<Result<T, E>, Error> {
        let json = match &self.record.body {
            Body::Json(json) => json,
            Body::Digest(digest) => return Err(Error::ResultNotKept(Some(Digest(digest.clone())))),
            Body::Nothing => return Err(Error::ResultNotKept(None)),
        };
        let read = if self.record.state == State::Failed {
            serde_json::from_str(json).map(Err)
        } else {
            serde_json::from_str(json).map(Ok)
        };
        read.map_err(|_| Error::UnreadableResult)
    }

    /// The digest of the result, whether the result itself was kept or not; or the failure.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub fn digest<E: DeserializeOwned>(&self) -> Result<Result<Digest, E>, Error> {
        match (&self.record.state, &self.record.body) {
            (State::Failed, _) => self.result::<serde::de::IgnoredAny, E>().map(|failure| {
                // A failed record reads as nothing but a failure.
                failure.map(|_| Digest(String::new()))
            }),
            (_, Body::Json(json)) => Ok(Ok(Digest::of_json(json.as_bytes()))),
            (_, Body::Digest(digest)) => Ok(Ok(Digest(digest.clone()))),
            (_, Body::Nothing) => Err(Error::ResultNotKept(None)),
        }
    }
}

/// What the [replay hook](crate::Settings::on_replay) learns.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Replay<'a> {
    /// The namespace of the key.
    pub namespace: &'a str,
    /// Whether it is a failure that is replayed.
    pub is_failure: bool,
    /// Whether it was found in memory, without a call.
    pub from_cache: bool,
    /// When the window ends.
    pub expires_at: SystemTime,
}

impl<'a> Replay<'a> {
    pub(crate) fn of(namespace: &'a str, record: &Record, from_cache: bool) -> Self {
        Self {
            namespace,
            is_failure: record.state == State::Failed,
            from_cache,
            expires_at: SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_millis(record.expires_at))
                .unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(state: State, body: Body) -> Stored {
        Stored {
            record: Record {
                state,
                fingerprint: String::new(),
                owner: String::new(),
                lease_until: 0,
                expires_at: 0,
                ttl: 0,
                takeovers: 0,
                body,
            },
        }
    }

    #[test]
    fn a_result_comes_back_as_it_was() {
        let read = stored(State::Completed, body(&vec![1, 2], 100)).result::<Vec<u8>, String>();
        assert_eq!(read, Ok(Ok(vec![1, 2])));
        let read = stored(State::Failed, body("no funds", 100)).result::<Vec<u8>, String>();
        assert_eq!(read, Ok(Err("no funds".to_owned())));
    }

    #[test]
    fn of_a_result_that_is_too_large_the_digest_is_kept() {
        let text = "x".repeat(100);
        assert!(matches!(body(&text, 102), Body::Json(_)));
        let large = stored(State::Completed, body(&text, 101));
        let digest = Digest::of(&text).unwrap();
        assert_eq!(
            large.result::<String, ()>(),
            Err(Error::ResultNotKept(Some(digest.clone())))
        );
        assert_eq!(large.digest::<()>(), Ok(Ok(digest)));
    }

    #[test]
    fn the_digest_of_a_kept_result_is_that_of_the_result() {
        let kept = stored(State::Completed, body(&7, 100));
        assert_eq!(kept.digest::<()>(), Ok(Ok(Digest::of(&7).unwrap())));
    }

    #[test]
    fn a_failure_is_a_failure_also_to_who_asks_for_the_digest() {
        let failed = stored(State::Failed, body("no", 100));
        assert_eq!(failed.digest::<String>(), Ok(Err("no".to_owned())));
    }

    #[test]
    fn what_is_of_another_type_is_unreadable_and_not_undone() {
        let kept = stored(State::Completed, body("text", 100));
        assert_eq!(kept.result::<u8, ()>(), Err(Error::UnreadableResult));
    }

    #[test]
    fn a_result_without_a_json_form_is_still_a_result() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let kept = stored(State::Completed, body(&map, 100));
        assert_eq!(kept.result::<u8, ()>(), Err(Error::ResultNotKept(None)));
    }
}
