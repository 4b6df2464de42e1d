//! Works through keyed records within a deadline. It decides which record may be attempted when,
//! and knows nothing of where the record came from.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    future::poll_fn,
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use backoff::FullJitter;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::{
    task::coop::{consume_budget, has_budget_remaining},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{Disposition, Limits, RecordReport, TIMED_OUT, Verdict};

/// Calls `work` for each record until every one is finished or the time is up, and reports on each,
/// in the sequence of `records`.
///
/// [`process`](crate::process) is this for Kinesis. Use it directly for another source whose
/// records have keys, such as an SQS FIFO queue (message group id) or a DynamoDB stream (item key).
///
/// - **Within a key** records are worked on one at a time, in the sequence of `records`. The next
///   one begins when the one before is done, is rejected or has panicked, never while it is being
///   retried.
/// - **Across keys** up to [`max_in_flight`](Limits::max_in_flight) attempts are under way at once.
///   A free place goes to the earliest record that was not attempted yet and whose key is free. If
///   there is none, the place goes to the retry that has been due longest. So stuck records cannot
///   keep sound ones from being attempted.
/// - **Time** is up at `deadline` less the [`margin`](Limits::margin). From then on nothing is
///   started, attempts under way are dropped at their next `await`, and the function returns. A
///   retry that would be due later is not brought forward. The function does not return earlier for
///   it either, since an early return only uses up one of Lambda's retries sooner.
/// - **Panics** of `work`, when called or when polled, are caught (see [`Disposition::Panicked`]).
///   State that the work shares between records must bear that.
/// - **Nothing outlives the returned future.** No task is spawned, and `work` runs inside the
///   future and is dropped with it. Neither `work` nor its futures need to be `'static` or `Send`.
///   If they are `Send` (and `T` is `Sync`), so is the returned future.
///
/// It cannot interrupt work between two `await`s. Work that computes for a second, or blocks its
/// thread, delays every other record and the return by as long.
///
/// The cost is one allocation for each attempt and memory in proportion to the number of records.
/// The time is in proportion to the number of attempts, times the logarithm of the number of
/// records for picking the earliest.
///
/// # Panics
/// If polled outside a tokio runtime with time enabled, or if an attempt still under way when the
/// time is up panics while it is dropped.
pub async fn work_through<'a, T, K, W, F>(
    records: &'a [T],
    key: impl Fn(&'a T) -> K,
    limits: &Limits,
    deadline: Instant,
    mut work: W,
) -> Vec<RecordReport>
where
    K: Eq + Hash,
    W: FnMut(&'a T) -> F,
    F: Future<Output = Verdict>,
{
    // A margin longer than the clock reaches back leaves no time either.
    let stop = deadline
        .checked_sub(limits.margin)
        .unwrap_or_else(Instant::now);
    let mut queue = Queue::new(records.iter().map(key), limits);
    let mut in_flight = FuturesUnordered::new();

    loop {
        // Work that is always ready would otherwise keep the runtime, and with it every timer, from
        // running.
        consume_budget().await;

        // The clock is asked, not a timer, and before every single start, for the same reason.
        let now = Instant::now();
        if now >= stop {
            break;
        }

        let has_place = in_flight.len() < limits.max_in_flight.get();
        if has_place && let Some(index) = queue.start(now) {
            match catch_unwind(AssertUnwindSafe(|| work(&records[index]))) {
                Ok(attempt) => in_flight.push(run(index, attempt, limits.attempt_timeout)),
                Err(_panic) => queue.settle(index, None, now),
            }
            continue;
        }

        let next_start = if has_place { queue.next_due() } else { None };
        let wake = next_start.map_or(stop, |due| due.min(stop));
        if in_flight.is_empty() {
            if next_start.is_none() {
                break;
            }
            sleep_until(wake).await;
        } else if let Ok(Some((index, end))) = timeout_at(wake, in_flight.next()).await {
            queue.settle(index, end, Instant::now());
        }
    }
    queue.reports
}

/// Carries out one attempt and says how it ended. `None` is a panic.
async fn run(
    index: usize,
    attempt: impl Future<Output = Verdict>,
    longest: Option<Duration>,
) -> (usize, Option<Verdict>) {
    // The block owns the attempt, so that a panic while it is dropped is caught too.
    let attempt = async move {
        match longest {
            Some(longest) => timeout(longest, attempt)
                .await
                .unwrap_or(Verdict::Retry(TIMED_OUT)),
            None => attempt.await,
        }
    };
    let mut attempt = pin!(AssertUnwindSafe(attempt).catch_unwind());
    let end = poll_fn(|context| {
        if has_budget_remaining() {
            return attempt.as_mut().poll(context);
        }
        // With tokio's budget for this turn used up, every other woken attempt would be polled in
        // vain, over and over, which is quadratic in their number. By waking itself, a future makes
        // `FuturesUnordered` end its turn.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    (index, end.ok())
}

/// The records that may be attempted, and the results of those that were. Records are known by
/// their index in the batch.
struct Queue {
    reports: Vec<RecordReport>,
    /// For each record the next one of its key.
    successor: Vec<Option<usize>>,
    /// Never attempted and first in line of their key. The earliest comes out first.
    fresh: BinaryHeap<Reverse<usize>>,
    /// Waiting out a back-off. The one due first comes out first.
    backing_off: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Draws the back-offs of all records.
    jitter: FullJitter,
}

impl Queue {
    fn new<K: Eq + Hash>(keys: impl ExactSizeIterator<Item = K>, limits: &Limits) -> Self {
        let mut successor = vec![None; keys.len()];
        let mut first = Vec::new();
        let mut last_of_key = HashMap::new();
        for (index, key) in keys.enumerate() {
            match last_of_key.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(index);
                    first.push(Reverse(index));
                }
                Entry::Occupied(mut entry) => successor[entry.insert(index)] = Some(index),
            }
        }
        Self {
            reports: vec![RecordReport::NOT_ATTEMPTED; successor.len()],
            successor,
            fresh: BinaryHeap::from(first),
            backing_off: BinaryHeap::new(),
            jitter: limits.backoff.full_jitter(limits.jitter_seed),
        }
    }

    /// Takes the record to attempt now, if there is one.
    fn start(&mut self, now: Instant) -> Option<usize> {
        let index = match self.fresh.pop() {
            Some(Reverse(index)) => index,
            None if self.next_due()? <= now => self.backing_off.pop()?.0.1,
            None => return None,
        };
        let report = &mut self.reports[index];
        report.attempts = report.attempts.saturating_add(1);
        // It stays so if the attempt never ends.
        report.disposition = Disposition::Unfinished(TIMED_OUT);
        Some(index)
    }

    /// When the next back-off ends.
    fn next_due(&self) -> Option<Instant> {
        self.backing_off.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes note of how an attempt ended. `None` is a panic.
    fn settle(&mut self, index: usize, end: Option<Verdict>, now: Instant) {
        let report = &mut self.reports[index];
        report.disposition = match end {
            Some(Verdict::Done) => Disposition::Done,
            Some(Verdict::Reject(reason)) => Disposition::Rejected(reason),
            None => Disposition::Panicked,
            Some(Verdict::Retry(reason)) => {
                let due = now + self.jitter.draw_after(report.attempts);
                self.backing_off.push(Reverse((due, index)));
                report.disposition = Disposition::Unfinished(reason);
                return;
            }
        };
        if let Some(next) = self.successor[index] {
            self.fresh.push(Reverse(next));
        }
    }
}
