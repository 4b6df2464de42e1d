//! Publishes facts again from the rows of the orders table, with no change to announce them.
//!
//! Two cases need this. A change was discarded or is older than the change stream's 24 hours, so
//! its facts have no mark. Or a new subscriber needs the facts of all orders. Each fact has the
//! same event id as before, so this is safe beside a running notifier.
//!
//! A deleted row shows no fact, so `erased` cannot be announced again.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use conditional_write::Item;
use futures::{StreamExt, TryStreamExt, stream};
use keyed_batch::{Limits, work_through_in_chunks};
use orders::{FactEvent, OrderId, Row, Timestamp};
use orders_table::TableError;
use tokio::time::Instant;

use crate::published::Published;
use crate::{Announcement, Announcements, FactsStream, MAX_ENTRIES, Publisher};

/// The most rows that are read and announced at once.
const PAGE: i32 = 500;
/// How long the facts of one page may take, retries included.
const PAGE_TIME: Duration = Duration::from_secs(60);
/// The number of orders whose marks are read at once.
const READS_IN_FLIGHT: usize = 32;

/// The facts that are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Only facts without a mark.
    Missing,
    /// All facts, for a new subscriber.
    All,
}

/// How much was announced so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that this version of the service cannot read.
    pub unreadable: u64,
    /// Facts that were to be published.
    pub facts: u64,
    /// Orders whose facts are published and marked.
    pub announced: u64,
    /// Orders whose facts may not be published, or are not marked. Another run finds them.
    pub failed: u64,
}

/// The announcer with all that it needs.
#[derive(Clone, Debug)]
pub struct Announcer {
    client: Client,
    orders: String,
    publisher: Publisher,
    limits: Limits,
}

/// An order whose facts are announced.
struct Announced {
    order_id: OrderId,
    events: Vec<FactEvent>,
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
        Self {
            client,
            orders: orders.into(),
            publisher: Publisher {
                stream,
                announcements,
            },
            limits,
        }
    }

    /// Goes through all rows. `now` is the time of facts whose row has none. `report` is called
    /// after each page.
    ///
    /// # Errors
    /// [`TableError`] if a table cannot be read. Facts that were announced before stay announced.
    pub async fn run(
        &self,
        which: Which,
        now: Timestamp,
        mut report: impl FnMut(&Progress),
    ) -> Result<Progress, TableError> {
        let mut progress = Progress::default();
        let mut start = None;
        loop {
            let scan = self
                .client
                .scan()
                .table_name(&self.orders)
                .consistent_read(true)
                .limit(PAGE)
                .set_exclusive_start_key(start);
            let page = scan.send().await.map_err(TableError::of)?;
            let mut orders = Vec::new();
            for attributes in page.items() {
                progress.rows += 1;
                match order(attributes, now) {
                    Some(order) => orders.push(order),
                    None => progress.unreadable += 1,
                }
            }
            if which == Which::Missing {
                orders = self.without_marks(orders).await?;
            }
            self.announce(orders, &mut progress).await;
            report(&progress);
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(progress);
            }
        }
    }

    /// The orders with the facts that have no mark.
    async fn without_marks(&self, orders: Vec<Announced>) -> Result<Vec<Announced>, TableError> {
        stream::iter(orders)
            .map(async |mut order| {
                let marks = self.publisher.announcements.marks(order.order_id).await?;
                order
                    .events
                    .retain(|event| !marks.contains(&event.fact.name()));
                Ok(order)
            })
            .buffered(READS_IN_FLIGHT)
            .try_collect()
            .await
    }

    async fn announce(&self, mut orders: Vec<Announced>, progress: &mut Progress) {
        orders.retain(|order| !order.events.is_empty());
        let published = Mutex::new(Published::default());
        let most = const { NonZeroUsize::new(MAX_ENTRIES).unwrap() };
        let reports = work_through_in_chunks(
            &orders,
            |order| order.order_id,
            &self.limits,
            most,
            Instant::now() + PAGE_TIME,
            |chunk| {
                self.publisher.announce(
                    chunk,
                    |order: &Announced| Announcement::new(order.events.clone()),
                    &published,
                )
            },
        )
        .await;
        published
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .log_failures();
        for (order, report) in orders.iter().zip(reports) {
            progress.facts += order.events.len() as u64;
            if report.disposition.is_failure() {
                progress.failed += 1;
            } else {
                progress.announced += 1;
            }
        }
    }
}

/// The order of a row with all facts of the row. `None` if the row cannot be read.
fn order(
    attributes: &std::collections::HashMap<String, AttributeValue>,
    now: Timestamp,
) -> Option<Announced> {
    let order_id = OrderId::parse(attributes.get(Row::KEY)?.as_s().ok()?)?;
    let row = Row::from_item(&Item::from(attributes)).ok()?;
    let events = row
        .facts()
        .into_iter()
        .map(|fact| FactEvent::new(order_id, fact, now));
    Some(Announced {
        order_id,
        events: events.collect(),
    })
}
