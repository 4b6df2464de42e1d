//! Publishes facts again from the rows of the orders table, with no change to announce them.
//!
//! Two cases need this. A change was discarded or is older than the change stream's 24 hours, so
//! its facts have no mark. Or a new subscriber needs the facts of all orders. Each fact has the
//! same event id as before, so this is safe beside a running notifier. All subscribers of the
//! stream get the facts, so each of them has to remember event ids for good.
//!
//! Marks outlive a row. If an order is deleted and submitted again under its id, its facts have
//! marks from before, and only [`Which::All`] announces them.
//!
//! A deleted row shows no fact, so `erased` cannot be announced again.
//!
//! # Orders that are deleted meanwhile
//!
//! A subscriber may get `created` behind `erased` of the same order. This happens if an order is
//! deleted after its row was read, and the notifier's `erased` reaches the stream before the facts
//! that are announced here. The reading of a row and the publishing of its facts are calls to two
//! services, so no condition can make them one step. Only a change of the row itself has a place in
//! the sequence of its changes, and this command writes no row.
//!
//! The window is small. Each order's row is read again right before its facts are published, also
//! before each retry. An order whose row has gone by then is not announced, and is
//! [counted](Progress::deleted). The deletion has to come within that read and one put (at most
//! [`READ_TIME`] and the put's time-out, usually some ten milliseconds). The change stream and the
//! notifier have to carry it faster than the put.
//!
//! Subscribers have to know this case anyway, because the notifier's repetitions can cause it too.
//! `docs/events.md` has their rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use conditional_write::Item;
use function_runtime::FailedAttempts;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};
use keyed_batch::{Limits, Verdict, work_through_in_chunks};
use orders::{Caller, FactEvent, OrderId, Row, Timestamp};
use orders_table::{OrdersTable, TableError};
use tokio::time::{Instant, sleep};

use crate::published::Published;
use crate::publisher::Announcement;
use crate::{Announcements, FactsStream, Publisher};

/// The most rows that are read at once.
const PAGE: i32 = 500;
/// How long the facts of one page may take, retries included.
const PAGE_TIME: Duration = Duration::from_secs(60);
/// The number of orders whose marks are read at once, and whose facts are published together. They
/// are few, because the rows of all of them are read before the first fact is published.
const AT_ONCE: usize = 32;
/// The pause before a read of a page or of a mark is made again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long the second read of a row may take.
pub const READ_TIME: Duration = Duration::from_millis(1_500);

/// The facts that are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Only facts without a mark.
    Missing,
    /// All facts, for a new subscriber.
    All,
}

/// How much was announced so far. `Display` writes it as a line for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that this version of the service cannot read.
    pub unreadable: u64,
    /// Facts that the stream has acknowledged.
    pub facts: u64,
    /// Orders whose facts are published and marked.
    pub announced: u64,
    /// Orders that were deleted before their facts were published and marked. The notifier
    /// announces that they are erased.
    pub deleted: u64,
    /// Orders whose facts may not be published, or are not marked. Another run of the same kind
    /// finds them.
    pub failed: u64,
    /// The calls that failed, retried ones among them, by what they were for and AWS's error code,
    /// such as `put ResourceNotFoundException`. The others are `mark` and `read`.
    pub errors: BTreeMap<String, u64>,
    /// True if the run ended before the last row, because of an error that somebody has to mend.
    pub is_stopped: bool,
}

/// The reason why a run ended without a result. Facts that were announced before stay announced.
#[derive(Debug, thiserror::Error)]
#[error("the table {table} cannot be read: {}", source.code())]
pub struct UnreadableTable {
    /// The name of the table.
    pub table: String,
    /// The error of the read.
    pub source: TableError,
}

/// The announcer with all that it needs.
#[derive(Clone, Debug)]
pub struct Announcer {
    client: Client,
    name: String,
    orders: OrdersTable,
    publisher: Publisher,
    limits: Limits,
}

/// An order whose facts are to be announced.
struct Candidate {
    order_id: OrderId,
    owner: Caller,
    facts: BTreeSet<String>,
}

impl Announcer {
    /// An announcer of the orders in this table.
    #[must_use]
    pub fn new(
        client: Client,
        orders: impl Into<String>,
        stream: FactsStream,
        announcements: Announcements,
        limits: Limits,
    ) -> Self {
        let name = orders.into();
        Self {
            orders: OrdersTable::new(client.clone(), name.clone()),
            client,
            name,
            publisher: Publisher {
                stream,
                announcements,
            },
            // The rows of a chunk are read shortly before its facts are published, if no other
            // chunk is under way.
            limits: limits.max_in_flight(NonZeroUsize::MIN),
        }
    }

    /// Goes through all rows. `now` is the time of facts whose row has none. `report` is called
    /// after each page but the last.
    ///
    /// An error that passes by itself is tried again for a minute a page. After another error, such
    /// as a stream that does not exist, the rest of the page fails at once. The run stops after a
    /// page of which no order was announced for such a reason.
    ///
    /// # Errors
    /// [`UnreadableTable`] if a table cannot be read.
    pub async fn run(
        &self,
        which: Which,
        now: Timestamp,
        mut report: impl FnMut(&Progress),
    ) -> Result<Progress, UnreadableTable> {
        let mut progress = Progress::default();
        let mut start = None;
        loop {
            let page = patiently(async || {
                let scan = self
                    .client
                    .scan()
                    .table_name(&self.name)
                    .consistent_read(true)
                    .limit(PAGE)
                    .set_exclusive_start_key(start.clone());
                scan.send().await.map_err(TableError::of)
            })
            .await;
            let page = page.map_err(|error| unreadable(&self.name, error))?;
            let mut candidates = Vec::new();
            for attributes in page.items() {
                progress.rows += 1;
                match candidate(attributes) {
                    Ok(candidate) => candidates.extend(candidate),
                    Err(Unreadable) => progress.unreadable += 1,
                }
            }
            if which == Which::Missing {
                candidates = self.without_marks(candidates).await?;
            }
            progress.is_stopped = self.announce(candidates, now, &mut progress).await;
            start = page.last_evaluated_key;
            progress.is_stopped &= start.is_some();
            if start.is_none() || progress.is_stopped {
                return Ok(progress);
            }
            report(&progress);
        }
    }

    /// The orders with the facts that have no mark.
    async fn without_marks(
        &self,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, UnreadableTable> {
        let announcements = &self.publisher.announcements;
        stream::iter(candidates)
            .map(async |mut candidate| {
                let marks = patiently(async || announcements.marks(candidate.order_id).await).await;
                let marks = marks.map_err(|error| unreadable(announcements.name(), error))?;
                candidate.facts.retain(|fact| !marks.contains(fact));
                Ok(candidate)
            })
            .buffered(AT_ONCE)
            .try_filter(|candidate| std::future::ready(!candidate.facts.is_empty()))
            .try_collect()
            .await
    }

    /// Announces the orders of a page. True if no order was announced and somebody has to mend the
    /// reason.
    async fn announce(
        &self,
        candidates: Vec<Candidate>,
        now: Timestamp,
        progress: &mut Progress,
    ) -> bool {
        let published = Mutex::new(Published::default());
        let reads = Mutex::new(FailedAttempts::default());
        let deleted = Mutex::new(BTreeSet::new());
        let most = const { NonZeroUsize::new(AT_ONCE).unwrap() };
        let reports = work_through_in_chunks(
            &candidates,
            |candidate| candidate.order_id,
            &self.limits,
            most,
            Instant::now() + PAGE_TIME,
            async |chunk| {
                if has_to_be_mended(&lock(&published), &lock(&reads)) {
                    return chunk.judge_all(Verdict::Reject("stopped"));
                }
                let rows = chunk.records().iter();
                let rows = rows.map(|candidate| self.present(candidate, now, &reads, &deleted));
                let announcements = join_all(rows).await;
                self.publisher
                    .announce(chunk, announcements, &published)
                    .await
            },
        )
        .await;
        let (published, reads, deleted) = (lock(&published), lock(&reads), lock(&deleted));
        let (mut announced, mut failed) = (0, 0);
        for (candidate, report) in candidates.iter().zip(reports) {
            if report.disposition.is_failure() {
                failed += 1;
            } else if deleted.contains(&candidate.order_id) {
                progress.deleted += 1;
            } else {
                announced += 1;
            }
        }
        progress.facts += published.facts();
        progress.announced += announced;
        progress.failed += failed;
        for (call, failed) in [
            ("read", &*reads),
            ("put", published.failed_puts()),
            ("mark", published.failed_marks()),
        ] {
            for (code, count) in failed.errors() {
                *progress.errors.entry(format!("{call} {code}")).or_default() += count;
            }
        }
        failed > 0 && announced == 0 && has_to_be_mended(&published, &reads)
    }

    /// The announcement of the facts that an order's row shows now. An order whose row has gone
    /// announces nothing.
    async fn present(
        &self,
        candidate: &Candidate,
        now: Timestamp,
        reads: &Mutex<FailedAttempts>,
        deleted: &Mutex<BTreeSet<OrderId>>,
    ) -> Announcement {
        let Candidate {
            order_id,
            owner,
            facts,
        } = candidate;
        match self.orders.read(*order_id, owner, READ_TIME).await {
            Ok(Some(row)) => {
                let present = row.facts().into_iter();
                let wanted = present.filter(|fact| facts.contains(&fact.name()));
                let events = wanted.map(|fact| FactEvent::new(*order_id, fact, now));
                Announcement::new(events.collect())
            }
            Ok(None) => {
                lock(deleted).insert(*order_id);
                Announcement::new(Vec::new())
            }
            Err(TableError::UnreadableRow(_)) => {
                Announcement::failed(Verdict::Reject("unreadable_row"))
            }
            Err(error) => {
                lock(reads).count(error.code(), error.passes_by_itself());
                Announcement::failed(Verdict::Retry("not_read"))
            }
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            unreadable,
            facts,
            announced,
            deleted,
            failed,
            errors,
            is_stopped: _,
        } = self;
        write!(
            f,
            "rows read: {rows}, facts published: {facts}, orders announced: {announced}"
        )?;
        if *deleted > 0 {
            write!(f, ", orders deleted meanwhile: {deleted}")?;
        }
        if *unreadable > 0 {
            write!(f, ", rows that cannot be read: {unreadable}")?;
        }
        if *failed > 0 {
            write!(f, ", orders that failed: {failed}")?;
        }
        if !errors.is_empty() {
            let errors = errors
                .iter()
                .map(|(code, count)| format!("{code} ({count})"));
            let errors: Vec<String> = errors.collect();
            write!(f, ", failed calls: {}", errors.join(", "))?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if a call failed for a reason that does not pass by itself.
fn has_to_be_mended(published: &Published, reads: &FailedAttempts) -> bool {
    [reads, published.failed_puts(), published.failed_marks()]
        .into_iter()
        .any(FailedAttempts::have_to_be_mended)
}

/// Makes a read again while its error passes by itself, for as long as a page may take. Each read
/// has the retries of its SDK client besides.
async fn patiently<T>(read: impl AsyncFn() -> Result<T, TableError>) -> Result<T, TableError> {
    let give_up = Instant::now() + PAGE_TIME;
    loop {
        match read().await {
            Err(error) if error.passes_by_itself() && Instant::now() < give_up => {
                sleep(READ_AGAIN_AFTER).await;
            }
            result => return result,
        }
    }
}

fn unreadable(table: &str, source: TableError) -> UnreadableTable {
    UnreadableTable {
        table: table.to_owned(),
        source,
    }
}

/// A row is not as this version of the service writes it.
struct Unreadable;

/// The order of a row with all facts of the row. `None` if the row has no facts.
fn candidate(
    attributes: &HashMap<String, AttributeValue>,
) -> Result<Option<Candidate>, Unreadable> {
    let key = attributes.get(Row::KEY).and_then(|key| key.as_s().ok());
    let order_id = key.and_then(|key| OrderId::parse(key)).ok_or(Unreadable)?;
    let row = Row::from_item(&Item::from(attributes)).map_err(|_| Unreadable)?;
    let facts = row.facts().iter().map(orders::Fact::name).collect();
    Ok(row.submitted.map(|submitted| Candidate {
        order_id,
        owner: submitted.owner,
        facts,
    }))
}
