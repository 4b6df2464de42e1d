//! Works through keyed records within a deadline. It decides which record may be attempted when,
//! and knows nothing of the record's source.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    future::poll_fn,
    hash::Hash,
    num::NonZeroUsize,
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

use crate::verdict::PANICKED;
use crate::{Chunk, Disposition, IntoVerdict, Limits, RecordReport, TIMED_OUT, Verdict, Verdicts};

/// The later records of a key after one that was rejected or has panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterRejection {
    /// They are attempted.
    GoOn,
    /// They are not attempted.
    #[cfg_attr(
        not(feature = "process"),
        expect(dead_code, reason = "only `process` asks for it")
    )]
    HoldBack,
}

/// [`work_through`](crate::work_through), which says what follows a rejection.
pub(crate) async fn work_through<'a, T, K, W, F>(
    records: &'a [T],
    key: impl Fn(&'a T) -> K,
    limits: &Limits,
    deadline: Instant,
    after_rejection: AfterRejection,
    mut work: W,
) -> Vec<RecordReport>
where
    K: Eq + Hash,
    W: FnMut(&'a T) -> F,
    F: Future<Output: IntoVerdict>,
{
    let mut queue = Queue::new(records.iter().map(key), limits, deadline, after_rejection);
    drive(
        &mut queue,
        limits,
        Queue::start,
        |index| work(&records[*index]),
        |queue, index, end, now| match end {
            End::Returned(result) => queue.settle(index, result.into_verdict(), now),
            End::CutOff => queue.settle(index, Verdict::Retry(TIMED_OUT), now),
            End::Panicked => queue.panicked(index),
        },
    )
    .await;
    queue.reports
}

/// [`work_through_in_chunks`](crate::work_through_in_chunks), which says what follows a rejection.
pub(crate) async fn work_through_in_chunks<'a, T, K, W, F>(
    records: &'a [T],
    key: impl Fn(&'a T) -> K,
    limits: &Limits,
    most: NonZeroUsize,
    deadline: Instant,
    after_rejection: AfterRejection,
    mut work: W,
) -> Vec<RecordReport>
where
    K: Eq + Hash,
    W: FnMut(Chunk<'a, T>) -> F,
    F: Future<Output = Verdicts>,
{
    let mut queue = Queue::new(records.iter().map(key), limits, deadline, after_rejection);
    drive(
        &mut queue,
        limits,
        |queue, now| queue.start_chunk(most.get(), now),
        |indexes: &Vec<usize>| work(Chunk::new(indexes.iter().map(|index| &records[*index]))),
        |queue, indexes, end, now| match end {
            End::Returned(verdicts) => {
                for (index, verdict) in indexes.into_iter().zip(verdicts.into_iter()) {
                    queue.settle(index, verdict, now);
                }
            }
            End::CutOff => {
                for index in indexes {
                    queue.settle(index, Verdict::Retry(TIMED_OUT), now);
                }
            }
            End::Panicked => match indexes[..] {
                [alone] => queue.panicked(alone),
                _ => queue.take_apart(indexes),
            },
        },
    )
    .await;
    queue.reports
}

/// The way in which an attempt ended.
enum End<V> {
    Returned(V),
    /// It reached [`Limits::attempt_timeout`].
    CutOff,
    Panicked,
}

/// Starts attempts and settles them until nothing is left to do or the time is up. `start` takes
/// what is to be attempted now, `call` calls the work for that, and `settle` takes note of the end.
async fn drive<A, V, F>(
    queue: &mut Queue,
    limits: &Limits,
    mut start: impl FnMut(&mut Queue, Instant) -> Option<A>,
    mut call: impl FnMut(&A) -> F,
    mut settle: impl FnMut(&mut Queue, A, End<V>, Instant),
) where
    F: Future<Output = V>,
{
    let stop = queue.stop;
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
        if has_place && let Some(attempted) = start(queue, now) {
            match catch_unwind(AssertUnwindSafe(|| call(&attempted))) {
                Ok(attempt) => in_flight.push(run(attempted, attempt, limits.attempt_timeout)),
                Err(_panic) => settle(queue, attempted, End::Panicked, now),
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
        } else if let Ok(Some((attempted, end))) = timeout_at(wake, in_flight.next()).await {
            settle(queue, attempted, end, Instant::now());
        }
    }
}

/// Carries out one attempt and says how it ended.
async fn run<A, V>(
    attempted: A,
    attempt: impl Future<Output = V>,
    longest: Option<Duration>,
) -> (A, End<V>) {
    // The block owns the attempt, so that a panic while it is dropped is caught too.
    let attempt = async move {
        match longest {
            Some(longest) => timeout(longest, attempt)
                .await
                .map_or(End::CutOff, End::Returned),
            None => End::Returned(attempt.await),
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
    (attempted, end.unwrap_or(End::Panicked))
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
    /// To be attempted by themselves, because a chunk of them panicked. The earliest is last.
    alone: Vec<usize>,
    /// Draws the back-offs of all records.
    jitter: FullJitter,
    /// From then on nothing is started.
    stop: Instant,
    least_attempt: Duration,
    after_rejection: AfterRejection,
}

impl Queue {
    fn new<K: Eq + Hash>(
        keys: impl ExactSizeIterator<Item = K>,
        limits: &Limits,
        deadline: Instant,
        after_rejection: AfterRejection,
    ) -> Self {
        let now = Instant::now();
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
            alone: Vec::new(),
            jitter: limits.backoff.full_jitter(limits.jitter_seed),
            // A margin longer than the clock reaches back leaves no time either.
            stop: deadline
                .checked_sub(limits.margin_of(deadline.saturating_duration_since(now)))
                .unwrap_or(now),
            least_attempt: limits.least_attempt,
            after_rejection,
        }
    }

    /// Takes the record to attempt now, if there is one.
    fn start(&mut self, now: Instant) -> Option<usize> {
        let index = match self.fresh.pop() {
            Some(Reverse(index)) => index,
            None if self.next_due()? <= now => self.backing_off.pop()?.0.1,
            None => return None,
        };
        self.note_start(index);
        Some(index)
    }

    /// Takes up to `most` records to attempt together now, if there are some. Their keys differ,
    /// because only the first of a key is ever in line.
    fn start_chunk(&mut self, most: usize, now: Instant) -> Option<Vec<usize>> {
        let mut chunk = Vec::new();
        while chunk.len() < most
            && let Some(Reverse(index)) = self.fresh.pop()
        {
            chunk.push(index);
        }
        // Before retries, which could keep them from being attempted at all.
        if chunk.is_empty() {
            chunk.extend(self.alone.pop());
        } else {
            self.fill_with_retries(&mut chunk, most, now);
        }
        if chunk.is_empty() {
            self.fill_with_retries(&mut chunk, most, now);
        }
        for index in &chunk {
            self.note_start(*index);
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    fn fill_with_retries(&mut self, chunk: &mut Vec<usize>, most: usize, now: Instant) {
        while chunk.len() < most
            && self.next_due().is_some_and(|due| due <= now)
            && let Some(Reverse((_, index))) = self.backing_off.pop()
        {
            chunk.push(index);
        }
    }

    fn note_start(&mut self, index: usize) {
        let report = &mut self.reports[index];
        report.attempts = report.attempts.saturating_add(1);
        // It stays so if the attempt never ends.
        report.disposition = Disposition::Unfinished(TIMED_OUT);
    }

    /// When the next back-off ends.
    fn next_due(&self) -> Option<Instant> {
        self.backing_off.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes note of the verdict after an attempt.
    fn settle(&mut self, index: usize, verdict: Verdict, now: Instant) {
        let failures = self.reports[index].attempts;
        self.reports[index].disposition = match verdict {
            Verdict::Done => {
                self.free_successor(index);
                Disposition::Done
            }
            Verdict::Reject(reason) => {
                self.rejected(index);
                Disposition::Rejected(reason)
            }
            Verdict::Retry(reason) => {
                let due = now + self.jitter.draw_after(failures);
                self.backing_off.push(Reverse((due, index)));
                Disposition::Unfinished(reason)
            }
            Verdict::RetryAfter(reason, wait) => {
                let wait = wait.max(self.jitter.draw_after(failures));
                let is_worth_it = |due: &Instant| {
                    let left = self.stop.saturating_duration_since(*due);
                    left > Duration::ZERO && left >= self.least_attempt
                };
                match now.checked_add(wait).filter(is_worth_it) {
                    Some(due) => {
                        self.backing_off.push(Reverse((due, index)));
                        Disposition::Unfinished(reason)
                    }
                    None => Disposition::Deferred(reason),
                }
            }
            Verdict::Redeliver(reason) => Disposition::Deferred(reason),
        };
    }

    /// Takes note of an attempt at one record that panicked.
    fn panicked(&mut self, index: usize) {
        self.reports[index].disposition = Disposition::Panicked;
        self.rejected(index);
    }

    fn rejected(&mut self, index: usize) {
        if self.after_rejection == AfterRejection::GoOn {
            self.free_successor(index);
        }
    }

    /// Lets each record of a chunk that panicked be attempted by itself.
    fn take_apart(&mut self, indexes: Vec<usize>) {
        for index in indexes.iter().rev() {
            self.reports[*index].disposition = Disposition::Unfinished(PANICKED);
            self.alone.push(*index);
        }
    }

    fn free_successor(&mut self, index: usize) {
        if let Some(next) = self.successor[index] {
            self.fresh.push(Reverse(next));
        }
    }
}
