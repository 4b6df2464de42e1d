//! The limits within which a batch is worked through, in concurrency, time, and the pace of
//! retries.

use std::{num::NonZeroUsize, time::Duration};

use backoff::Backoff;

use crate::deadline::LONGEST;

/// tokio's timers, and so every wait here, have this resolution.
const RESOLUTION: Duration = Duration::from_millis(1);

/// The default margin for all but short timeouts.
const LONGEST_DEFAULT_MARGIN: Duration = Duration::from_millis(500);

/// How much a batch may do at once, how long an attempt and the whole may take, and how fast
/// retries follow each other.
///
/// The invocation's deadline is not among them, because it differs from batch to batch. The
/// defaults suit a function whose work is one or a few short calls to AWS.
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use keyed_batch::Limits;
///
/// let limits = Limits::default()
///     .max_in_flight(NonZeroUsize::new(8).unwrap())
///     .attempt_timeout(Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Limits {
    pub(crate) max_in_flight: NonZeroUsize,
    /// `None` is the default, which depends on the time left.
    margin: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) least_attempt: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) jitter_seed: Option<u64>,
}

impl Default for Limits {
    /// 32 attempts in flight, a margin of 500 ms or a fifth of the time left, no limit of an
    /// attempt but the time left, back-offs from 50 ms to 2 s, random jitter.
    fn default() -> Self {
        Self {
            max_in_flight: const { NonZeroUsize::new(32).unwrap() },
            margin: None,
            attempt_timeout: None,
            least_attempt: Duration::ZERO,
            backoff: Backoff {
                base: Duration::from_millis(50),
                cap: Duration::from_secs(2),
            },
            jitter_seed: None,
        }
    }
}

impl Limits {
    /// How many attempts may be under way at once, all keys together. Default 32.
    ///
    /// A record that waits out a back-off is not counted, since its attempt is over. If it were
    /// counted, this many stuck keys would keep every other key from being attempted at all.
    pub const fn max_in_flight(mut self, attempts: NonZeroUsize) -> Self {
        self.max_in_flight = attempts;
        self
    }

    /// How long before the deadline everything stops. Default 500 ms, or a fifth of the time that
    /// is left when the batch begins, if this is shorter. So it is 500 ms for timeouts from 2.5 s
    /// on, and 200 ms for 1 s, which is Lambda's shortest.
    ///
    /// The margin pays for what comes after, which is the log lines, the response on its way to
    /// Lambda, and the work between two `await`s. With a margin as long as the function's timeout
    /// nothing is ever attempted, and every record fails.
    pub const fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// The margin of a batch that begins with this much time before its deadline.
    pub(crate) fn margin_of(&self, left: Duration) -> Duration {
        self.margin
            .unwrap_or_else(|| LONGEST_DEFAULT_MARGIN.min(left / 5))
    }

    /// The longest that one attempt may take. Default `None`, where only the time left limits it.
    ///
    /// An attempt that is cut off counts as
    /// [`Verdict::Retry`](crate::Verdict::Retry)`(`[`TIMED_OUT`](crate::TIMED_OUT)`)`. Without a
    /// timeout, a call that hangs uses up the invocation, unless it has its own timeout. With
    /// a timeout below what the work needs at worst, sound records never succeed. A value under
    /// 1 ms counts as 1 ms.
    pub fn attempt_timeout(mut self, longest: Option<Duration>) -> Self {
        self.attempt_timeout = longest.map(|longest| longest.max(RESOLUTION));
        self
    }

    /// The time that an attempt needs at least to be worth waiting for. Default zero.
    ///
    /// A [`Verdict::RetryAfter`](crate::Verdict::RetryAfter) that would leave less than this before
    /// everything stops is not waited for. Without it, an invocation may wait for 29 s, and then
    /// have no time for the work. All other attempts begin as long as there is any time.
    pub const fn least_attempt(mut self, least: Duration) -> Self {
        self.least_attempt = least;
        self
    }

    /// The back-off before a retry, exponential from `base` to `cap`, with [full
    /// jitter](backoff::FullJitter). Default 50 ms and 2 s.
    ///
    /// The n-th retry of a record, counted from 0, waits between zero and `min(cap, base · 2ⁿ)`.
    /// A `base` under 1 ms counts as 1 ms, a `cap` under `base` as `base`, and both over a day as a
    /// day.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        let base = base.clamp(RESOLUTION, LONGEST);
        let cap = cap.clamp(base, LONGEST);
        self.backoff = Backoff { base, cap };
        self
    }

    /// Makes the jitter reproducible, for tests and simulations. Default `None`, which draws a new
    /// seed for every batch from the randomness that std's `HashMap` uses.
    pub const fn jitter_seed(mut self, seed: Option<u64>) -> Self {
        self.jitter_seed = seed;
        self
    }
}
