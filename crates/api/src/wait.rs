//! `Prefer: wait=N` (RFC 7240 §4.3), which waits for an order that is accepted and not stored yet.
//!
//! A waiting request holds an execution environment of the function, so its price is its time. A
//! look at the table costs as much as 30 ms of it. The looks therefore keep pace with the pipeline
//! while an order is likely to come, and become rare afterwards. docs/deploy.md has the arithmetic.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::time::{Instant, sleep_until};

use crate::problem::Problem;
use crate::request::Request;
use crate::response::Response;

const PREFER: &str = "prefer";
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The pauses between the looks. The last of them repeats.
///
/// Lambda reads a shard once a second, so an order comes between 0.1 and 1.1 s after its 202, and
/// each moment is as likely as another. Half of the orders are there at the second look, and nearly
/// all at the fifth. An order that is then missing waits for something else, such as a retry, and
/// may take long.
const PAUSES: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_millis(250),
    Duration::from_millis(250),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The longest wait that a client gets, in whole seconds. It is the setting `MAX_WAIT_SECONDS`.
///
/// With 0 there is no waiting, and the preference is passed over. A wait is also never longer than
/// the function has time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxWait(u64);

impl MaxWait {
    /// The largest value of the setting. An HTTP API waits for a function for 30 s. The difference
    /// is for a cold start, the first look, and the response.
    const LARGEST: u64 = 25;

    /// Reads the setting.
    ///
    /// # Errors
    /// If it is not a whole number from 0 to 25. The text says so.
    pub fn parse(text: &str) -> Result<Self, String> {
        seconds(text)
            .filter(|seconds| *seconds <= Self::LARGEST)
            .map(Self)
            .ok_or_else(|| format!("must be a whole number from 0 to {}", Self::LARGEST))
    }

    /// The wait in seconds, for the documents.
    #[cfg(test)]
    pub(crate) fn seconds(self) -> u64 {
        self.0
    }
}

/// Five seconds, in which nearly every order comes that does not wait for an outage.
impl Default for MaxWait {
    fn default() -> Self {
        Self(5)
    }
}

/// The wait of one request.
pub(crate) struct Wait {
    seconds: u64,
    /// The moment of the last look.
    until: Instant,
}

impl Wait {
    /// The wait that a request prefers, cut to what there is time for. It is `None` if the request
    /// prefers none, or if the service does not wait.
    pub(crate) fn preferred(request: &Request<'_>, longest: MaxWait) -> Option<Self> {
        let seconds = request
            .header(PREFER)
            .and_then(preferred_wait)
            .filter(|_| longest != MaxWait(0))?
            .min(longest.0)
            .min(request.time_left().as_secs());
        let until = Instant::now() + Duration::from_secs(seconds);
        Some(Self { seconds, until })
    }

    /// Looks again and again, with [`PAUSES`] between the looks, until there is something or the
    /// wait is over. A failed look ends the wait.
    pub(crate) async fn look<T>(
        &self,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Problem>,
    ) -> Option<T> {
        for pause in pauses() {
            let now = Instant::now();
            if now >= self.until {
                break;
            }
            sleep_until(self.until.min(now + pause)).await;
            match look().await {
                Ok(None) => {}
                Ok(found) => return found,
                // The first look has answered the question that every request asks. Waiting is an
                // extra.
                Err(_) => break,
            }
        }
        None
    }

    /// The response, which says how long the wait was allowed to be.
    pub(crate) fn applied_to(&self, response: Response) -> Result<Response, Problem> {
        let applied = HeaderValue::from_str(&format!("wait={}", self.seconds));
        let applied = applied.map_err(|_| Problem::internal())?;
        Ok(response.with(PREFERENCE_APPLIED, applied))
    }
}

/// The pauses, one after the other and without end.
fn pauses() -> impl Iterator<Item = Duration> {
    let [.., last] = PAUSES;
    PAUSES.into_iter().chain(std::iter::repeat(last))
}

/// N of `wait=N` among the preferences.
fn preferred_wait(preferences: &str) -> Option<u64> {
    preferences.split(',').find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("wait")
            .then(|| seconds(value.trim().trim_matches('"')))?
    })
}

/// A whole number, whose quotes do not matter (RFC 7240 §2). More than 64 bits are as long as the
/// longest wait.
fn seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_found_among_other_preferences() {
        assert_eq!(preferred_wait("wait=3"), Some(3));
        assert_eq!(preferred_wait("wait=\"3\""), Some(3));
        assert_eq!(preferred_wait("wait=99999999999999999999"), Some(u64::MAX));
        assert_eq!(preferred_wait("respond-async, Wait = 10 ; x=y"), Some(10));
        for none in [
            "",
            "wait",
            "wait=soon",
            "wait=-1",
            "await=3",
            "return=minimal",
        ] {
            assert_eq!(preferred_wait(none), None, "{none}");
        }
    }

    #[test]
    fn the_longest_wait_is_a_whole_number_of_seconds_that_a_gateway_waits_for() {
        for (text, seconds) in [("0", 0), ("1", 1), ("05", 5), ("25", 25)] {
            assert_eq!(MaxWait::parse(text), Ok(MaxWait(seconds)), "{text}");
        }
        for text in [
            "",
            "26",
            "-1",
            "+1",
            "5.0",
            "5s",
            " 5",
            "∞",
            "99999999999999999999",
        ] {
            let expected = Err("must be a whole number from 0 to 25".to_owned());
            assert_eq!(MaxWait::parse(text), expected, "{text}");
        }
    }

    /// The number of looks of a wait in which nothing comes, the first one included.
    async fn looks(seconds: u64) -> usize {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (wait, mut looks) = (Wait { seconds, until }, 1);
        let found = wait.look(async || -> Result<Option<()>, Problem> {
            looks += 1;
            Ok(None)
        });
        assert_eq!(found.await, None);
        assert_eq!(Instant::now(), until, "the last look is at the end");
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_looks_grows_much_slower_than_the_wait() {
        let mut counted = Vec::new();
        for seconds in 0..=MaxWait::LARGEST {
            counted.push(looks(seconds).await);
        }
        assert_eq!(counted[..=5], [1, 4, 7, 8, 8, 9]);
        assert_eq!(counted[6..=13], [9, 9, 9, 10, 10, 10, 10, 11]);
        assert_eq!(
            counted[14..],
            [11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14]
        );
    }
}
