//! A result as it is kept, which is its JSON or a digest of it, and how a duplicate reads it.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::key::hex;
use crate::record::{Body, Ending};

/// The SHA-256 of a result's JSON, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest of a result, as it is made when the result is stored, over the JSON that
    /// `serde_json` writes. It is `None` if the result has no JSON form.
    ///
    /// Two values that are equal have the same digest if they serialize in the same sequence, which
    /// a `HashMap` does not.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(result: &T) -> Option<Self> {
        let json = serde_json::to_vec(result).ok()?;
        Some(Self::of_json(&json))
    }

    pub(crate) fn of_json(json: &[u8]) -> Self {
        Self(hex(&Sha256::digest(json)))
    }

    /// Reads a digest as it is stored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digest =
            text.len() == 64 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        is_digest.then(|| Self(text.to_owned()))
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

/// The part of this result that is kept, of at most so many bytes.
pub(crate) fn body<T: Serialize + ?Sized>(result: &T, most_bytes: usize) -> Body {
    match serde_json::to_string(result) {
        Ok(json) if json.len() <= most_bytes => Body::Json(json),
        Ok(json) => Body::Digest(Digest::of_json(json.as_bytes())),
        // The work is done, whatever its result looks like. Losing that fact would do the work
        // twice.
        Err(_) => Body::Nothing,
    }
}

/// How a request was settled, as long as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settlement {
    pub(crate) fingerprint: String,
    /// The end of its window, in milliseconds since the Unix epoch.
    pub(crate) expires_at: u64,
    pub(crate) ending: Ending,
}

/// The result or the failure of an earlier execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Stored {
    pub(crate) ending: Ending,
}

impl Stored {
    /// The result or the failure that was kept.
    ///
    /// # Errors
    /// [`Error::ResultNotKept`] and [`Error::UnreadableResult`]. In either case the work is done.
    pub fn result<T: DeserializeOwned, E: DeserializeOwned>(&self) -> Result<Result<T, E>, Error> {
        Ok(match &self.ending {
            Ending::Completed(body) => Ok(read(body)?),
            Ending::Failed(body) => Err(read(body)?),
        })
    }

    /// The digest of the result, whether the result itself was kept or not. Otherwise it is the
    /// failure.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub fn digest<E: DeserializeOwned>(&self) -> Result<Result<Digest, E>, Error> {
        Ok(match &self.ending {
            Ending::Completed(Body::Json(json)) => Ok(Digest::of_json(json.as_bytes())),
            Ending::Completed(Body::Digest(digest)) => Ok(digest.clone()),
            Ending::Completed(Body::Nothing) => return Err(Error::ResultNotKept(None)),
            Ending::Failed(body) => Err(read(body)?),
        })
    }
}

fn read<T: DeserializeOwned>(body: &Body) -> Result<T, Error> {
    match body {
        Body::Json(json) => {
            serde_json::from_str(json).map_err(|error| Error::UnreadableResult(error.into()))
        }
        Body::Digest(digest) => Err(Error::ResultNotKept(Some(digest.clone()))),
        Body::Nothing => Err(Error::ResultNotKept(None)),
    }
}

/// The facts of a replay, for the [hook](crate::LeaseOptions::on_replay).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Replay<'a> {
    /// The namespace of the key.
    pub namespace: &'a str,
    /// True if it is a failure that is replayed.
    pub is_failure: bool,
    /// True if it was found in memory, without a call.
    pub from_cache: bool,
    /// When the window ends.
    pub expires_at: SystemTime,
}

impl<'a> Replay<'a> {
    pub(crate) fn of(namespace: &'a str, settlement: &Settlement, from_cache: bool) -> Self {
        Self {
            namespace,
            is_failure: matches!(settlement.ending, Ending::Failed(_)),
            from_cache,
            // It does not overflow, because a SystemTime counts whole seconds in 64 bits, with a
            // sign.
            expires_at: SystemTime::UNIX_EPOCH + Duration::from_millis(settlement.expires_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(body: Body) -> Stored {
        let ending = Ending::Completed(body);
        Stored { ending }
    }

    fn failed(body: Body) -> Stored {
        let ending = Ending::Failed(body);
        Stored { ending }
    }

    #[test]
    fn a_result_comes_back_as_it_was() {
        let read = completed(body(&vec![1, 2], 100)).result::<Vec<u8>, String>();
        assert_eq!(read, Ok(Ok(vec![1, 2])));
        let read = failed(body("no funds", 100)).result::<Vec<u8>, String>();
        assert_eq!(read, Ok(Err("no funds".to_owned())));
    }

    #[test]
    fn of_a_result_that_is_too_large_the_digest_is_kept() {
        let text = "x".repeat(100);
        assert!(matches!(body(&text, 102), Body::Json(_)));
        let large = completed(body(&text, 101));
        let digest = Digest::of(&text).unwrap();
        assert_eq!(
            large.result::<String, ()>(),
            Err(Error::ResultNotKept(Some(digest.clone())))
        );
        assert_eq!(large.digest::<()>(), Ok(Ok(digest)));
    }

    #[test]
    fn the_digest_of_a_kept_result_is_that_of_the_result() {
        let kept = completed(body(&7, 100));
        assert_eq!(kept.digest::<()>(), Ok(Ok(Digest::of(&7).unwrap())));
    }

    #[test]
    fn a_failure_is_a_failure_also_to_who_asks_for_the_digest() {
        let failed = failed(body("no", 100));
        assert_eq!(failed.digest::<String>(), Ok(Err("no".to_owned())));
    }

    #[test]
    fn what_is_of_another_type_is_unreadable_and_not_undone() {
        let kept = completed(body("text", 100));
        let read = kept.result::<u8, ()>();
        assert!(matches!(read, Err(Error::UnreadableResult(_))), "{read:?}");
    }

    #[test]
    fn a_result_without_a_json_form_is_still_a_result() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let kept = completed(body(&map, 100));
        assert_eq!(kept.result::<u8, ()>(), Err(Error::ResultNotKept(None)));
    }

    #[test]
    fn the_end_of_the_longest_window_is_a_time() {
        let settlement = Settlement {
            fingerprint: String::new(),
            expires_at: u64::MAX,
            ending: Ending::Completed(Body::Nothing),
        };
        let replay = Replay::of("charge", &settlement, false);
        let since = replay.expires_at.duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(since.unwrap(), Duration::from_millis(u64::MAX));
    }

    #[test]
    fn only_a_digest_is_read_as_one() {
        let digest = Digest::of(&7).unwrap();
        assert_eq!(Digest::parse(digest.as_str()), Some(digest.clone()));
        for text in ["", &digest.as_str()[1..], &digest.as_str().to_uppercase()] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
