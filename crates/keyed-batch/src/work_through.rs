//! Work on keyed records of any source, within a deadline.

use std::hash::Hash;
use std::num::NonZeroUsize;

use tokio::time::Instant;

use crate::schedule::{self, AfterRejection};
use crate::{Chunk, IntoVerdict, Limits, RecordReport, Verdicts};
#[cfg(doc)]
use crate::{Disposition, TIMED_OUT, Verdict};

/// Calls `work` for each record until every one is finished or the time is up, and reports on each,
/// in the sequence of `records`.
///
/// `process` is this for Kinesis, DynamoDB streams and SQS. Use it directly for another source
/// whose records have keys. If the source deletes every record that did not fail, as SQS does,
/// return [`Redeliver`](Verdict::Redeliver) in place of [`Reject`](Verdict::Reject), and do not
/// panic.
///
/// - **Within a key** records are worked on one at a time, in the sequence of `records`. The next
///   one begins when the one before is done, is rejected or has panicked. It never begins while the
///   one before is being retried, or after that one was [deferred](Disposition::Deferred).
/// - **Across keys** up to [`max_in_flight`](Limits::max_in_flight) attempts are under way at once.
///   A free place goes to the earliest record that was not attempted yet and whose key is free. If
///   there is none, the place goes to the retry that has been due longest. So stuck records cannot
///   keep sound ones from being attempted.
/// - **Time** is up at `deadline` less the [`margin`](Limits::margin). From then on nothing is
///   started, attempts under way are dropped at their next `await`, and the function returns. A
///   retry that would be due later is not brought forward. The function does not return earlier for
///   it either, since an early return only uses up one of Lambda's retries sooner. A
///   [`RetryAfter`](Verdict::RetryAfter) is due when its time has passed and its back-off too. If
///   this is later, or leaves [too little time](Limits::least_attempt), the record is deferred at
///   once.
/// - **A deferred record is not waited for.** The function returns when nothing but deferred
///   records and those behind them is left.
/// - **The result** of an attempt is a [`Verdict`], or a `Result` whose error has one
///   ([`IntoVerdict`]).
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
    work: W,
) -> Vec<RecordReport>
where
    K: Eq + Hash,
    W: FnMut(&'a T) -> F,
    F: Future<Output: IntoVerdict>,
{
    schedule::work_through(records, key, limits, deadline, AfterRejection::GoOn, work).await
}

/// Calls `work` for chunks of records until every record is finished or the time is up, and reports
/// on each record, in the sequence of `records`.
///
/// This is [`work_through`] for work that handles several records in one call, such as `PutRecords`
/// or a bulk insert. All that is said there holds, with these additions.
///
/// - **A chunk has at most `most` records, all of different keys.** It takes every record that may
///   be attempted at the moment, the earliest first, and then the retries that are due.
/// - **Each record of a chunk has its own verdict**, so a call that fails for some of its records
///   retries those alone.
/// - **A chunk that panics is taken apart.** Each of its records is attempted once more by itself.
///   So one record whose work panics does not reject the others.
/// - A chunk that is cut off is [`Verdict::Retry`]`(`[`TIMED_OUT`]`)` for each of its records.
/// - [`max_in_flight`](Limits::max_in_flight) counts chunks.
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
///
/// use keyed_batch::{Chunk, Limits, Verdict, Verdicts, work_through_in_chunks};
/// use tokio::time::Instant;
///
/// /// One call for all of them, of which the odd ones fail.
/// async fn put(chunk: Chunk<'_, u32>) -> Verdicts {
///     chunk.judge(|record| match record % 2 {
///         0 => Verdict::Done,
///         _ => Verdict::Reject("odd"),
///     })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let records = [1, 2, 3, 4];
/// let most = NonZeroUsize::new(500).unwrap();
/// let until = Instant::now() + Duration::from_secs(3);
/// let reports =
///     work_through_in_chunks(&records, |record| *record, &Limits::default(), most, until, put).await;
/// assert_eq!(reports.iter().filter(|report| report.disposition.is_failure()).count(), 2);
/// # }
/// ```
///
/// # Panics
/// As for [`work_through`].
pub async fn work_through_in_chunks<'a, T, K, W, F>(
    records: &'a [T],
    key: impl Fn(&'a T) -> K,
    limits: &Limits,
    most: NonZeroUsize,
    deadline: Instant,
    work: W,
) -> Vec<RecordReport>
where
    K: Eq + Hash,
    W: FnMut(Chunk<'a, T>) -> F,
    F: Future<Output = Verdicts>,
{
    let after = AfterRejection::GoOn;
    schedule::work_through_in_chunks(records, key, limits, most, deadline, after, work).await
}
