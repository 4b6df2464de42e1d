//! A limit of requests for each caller, so that one client cannot fill the stream alone.
//!
//! The limit is a token bucket for each caller in each execution environment. A bucket holds the
//! tokens of one second. It is counted as the generic cell rate algorithm does (ITU-T I.371,
//! annex A), by one time for each caller, which is the time at which the bucket is full again.
//!
//! A library would count single requests alone. Here a batch costs as many tokens as it has orders.
//! It goes into debt, because a bucket that is smaller than the batch could never pay for it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use function_runtime::{Environment, StartError};
use tokio::time::Instant;

use crate::caller::{CallerSource, Identity};

/// The most requests in a second that the setting may say. One execution environment never serves
/// that many.
const MOST: u32 = 10_000;
/// The most callers that one execution environment remembers. Each takes a few dozen bytes.
const MAX_CALLERS: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// The limit of requests for each caller, in one execution environment.
#[derive(Clone, Debug)]
pub struct Fairness {
    per_second: u32,
    buckets: Arc<Mutex<Buckets>>,
}

#[derive(Debug, Default)]
struct Buckets {
    /// Callers are kept by a hash, because a name may be long. Two callers of one hash would share
    /// a bucket, and nobody can look for such names, because the hash has a random key.
    hashes: RandomState,
    /// The time at which each caller's bucket is full again. A caller who is not in here has a full
    /// bucket.
    full_at: HashMap<u64, Instant>,
}

/// A request beyond its caller's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverLimit {
    /// The requests that a caller has in a second.
    pub(crate) per_second: u32,
    /// The time after which the caller's next request is admitted.
    pub(crate) wait: Duration,
}

impl Fairness {
    /// Reads the setting `REQUESTS_PER_CALLER`. Where no caller is known, all clients would share
    /// one limit, and one of them could use it up for all.
    pub(crate) fn read(
        environment: &Environment,
        callers: &CallerSource,
    ) -> Result<Option<Self>, StartError> {
        const NAME: &str = "REQUESTS_PER_CALLER";
        let fairness = environment.parsed_or_default(NAME, Self::parse)?;
        if fairness.is_some() && *callers == CallerSource::Nobody {
            return Err(StartError::Wrong {
                name: NAME,
                expected: "must be off where CALLER is none, because no caller is known".to_owned(),
            });
        }
        Ok(fairness)
    }

    /// Takes a text for the setting `REQUESTS_PER_CALLER`, which is a number of requests in a
    /// second, or `off`. A caller who was silent for a second may send the requests of a second at
    /// once.
    ///
    /// # Errors
    /// The error says what the setting has to be.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "off" {
            return Ok(None);
        }
        match text.parse() {
            Ok(per_second @ 1..=MOST) => Ok(Some(Self {
                per_second,
                buckets: Arc::default(),
            })),
            _ => Err(format!("must be off or a number from 1 to {MOST}")),
        }
    }

    /// Takes one token from the caller's bucket.
    ///
    /// # Errors
    /// [`OverLimit`] if there is none. The request then takes nothing.
    pub(crate) fn admit(&self, identity: &Identity) -> Result<(), OverLimit> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = buckets.hashes.hash_one(identity);
        let full_at = buckets.full_at.get(&caller).map_or(now, |at| now.max(*at));
        let full_at = full_at + self.token();
        let wait = full_at.saturating_duration_since(now + SECOND);
        if !wait.is_zero() {
            let per_second = self.per_second;
            return Err(OverLimit { per_second, wait });
        }
        buckets.make_room(now);
        buckets.full_at.insert(caller, full_at);
        Ok(())
    }

    /// Takes further tokens from the bucket of a caller who was just admitted. The bucket may go
    /// into debt. The caller's next request waits until the debt is paid.
    pub(crate) fn charge(&self, identity: &Identity, tokens: usize) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = buckets.hashes.hash_one(identity);
        if let Some(full_at) = buckets.full_at.get_mut(&caller) {
            *full_at += self.token() * u32::try_from(tokens).unwrap_or(u32::MAX);
        }
    }

    /// The time in which a bucket gets one token.
    fn token(&self) -> Duration {
        SECOND / self.per_second
    }
}

impl Buckets {
    /// Forgets the callers whose buckets are full. If that is nobody, the caller whose bucket is
    /// full next is forgotten.
    fn make_room(&mut self, now: Instant) {
        if self.full_at.len() < MAX_CALLERS {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= MAX_CALLERS {
            let next = self.full_at.iter().min_by_key(|(_, full_at)| **full_at);
            if let Some(caller) = next.map(|(caller, _)| *caller) {
                self.full_at.remove(&caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orders::Caller;
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    fn caller(name: &str) -> Identity {
        Identity {
            issuer: "https://issuer".to_owned(),
            caller: Caller::parse(name).unwrap(),
            is_known: true,
        }
    }

    fn limit(per_second: &str) -> Fairness {
        Fairness::parse(per_second).unwrap().unwrap()
    }

    #[test]
    fn the_setting_is_off_or_a_number_of_requests() {
        assert!(Fairness::parse("off").unwrap().is_none());
        assert_eq!(limit("10000").per_second, 10_000);
        for wrong in ["0", "10001", "-1", "1.5", "many", "on"] {
            let error = Fairness::parse(wrong).unwrap_err();
            assert_eq!(error, "must be off or a number from 1 to 10000");
        }
    }

    #[test]
    fn a_limit_is_refused_at_the_start_where_no_caller_is_known() {
        let environment = |value: &'static str| {
            Environment::from_lookup(move |name| {
                (name == "REQUESTS_PER_CALLER").then(|| value.to_owned())
            })
        };
        let read = |value, callers| {
            let callers = CallerSource::parse(callers).unwrap();
            Fairness::read(&environment(value), &callers)
        };
        assert_eq!(
            read("5", "none").unwrap_err().to_string(),
            "setting REQUESTS_PER_CALLER is wrong: must be off where CALLER is none, because no caller is known"
        );
        assert!(read("5", "jwt:sub").unwrap().is_some());
        for none in ["", "off"] {
            assert!(read(none, "none").unwrap().is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_has_the_requests_of_a_second_at_once_and_then_one_by_one() {
        let (limit, ann) = (limit("4"), caller("ann"));
        for _ in 0..4 {
            assert_eq!(limit.admit(&ann), Ok(()));
        }
        let over = OverLimit {
            per_second: 4,
            wait: Duration::from_millis(250),
        };
        assert_eq!(limit.admit(&ann), Err(over));
        advance(Duration::from_millis(250)).await;
        assert_eq!(limit.admit(&ann), Ok(()));
        assert_eq!(limit.admit(&ann), Err(over));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_is_charged_more_than_the_bucket_holds_pays_before_the_next_request() {
        let (limit, ann) = (limit("10"), caller("ann"));
        assert_eq!(limit.admit(&ann), Ok(()));
        limit.charge(&ann, 99);
        let wait = limit.admit(&ann).unwrap_err().wait;
        assert_eq!(wait, Duration::from_millis(9_100));
        advance(wait).await;
        assert_eq!(limit.admit(&ann), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_does_not_use_up_what_another_has() {
        let limit = limit("1");
        assert!(limit.admit(&caller("ann")).is_ok());
        assert!(limit.admit(&caller("ann")).is_err());
        assert!(limit.admit(&caller("bob")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_of_callers_is_remembered() {
        let limit = limit("1");
        for n in 0..MAX_CALLERS + 100 {
            assert!(limit.admit(&caller(&n.to_string())).is_ok());
        }
        let remembered = || limit.buckets.lock().unwrap().full_at.len();
        assert_eq!(remembered(), MAX_CALLERS);
        advance(SECOND).await;
        assert!(limit.admit(&caller("ann")).is_ok());
        assert_eq!(remembered(), 1);
    }

    proptest! {
        #[test]
        fn in_any_time_a_caller_has_no_more_than_the_rate_and_one_second_at_once(
            per_second in 1_u32..50, pauses in proptest::collection::vec(0_u64..400, 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let (limit, ann) = (limit(&per_second.to_string()), caller("ann"));
                let began = Instant::now();
                let mut admitted = 0_u128;
                for pause in pauses {
                    advance(Duration::from_millis(pause)).await;
                    match limit.admit(&ann) {
                        Ok(()) => admitted += 1,
                        Err(over) => {
                            // The request that waits as it was told to is admitted.
                            advance(over.wait).await;
                            prop_assert!(limit.admit(&ann).is_ok());
                            admitted += 1;
                        }
                    }
                    // Requests are counted in billionths, as the time is, with a thousandth more.
                    let most = u128::from(per_second) * (began.elapsed() + SECOND).as_nanos();
                    prop_assert!(admitted * SECOND.as_nanos() <= most + SECOND.as_nanos() / 1_000);
                }
                Ok(())
            })?;
        }
    }
}
