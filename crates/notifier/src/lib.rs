//! The notifier publishes the facts that a change of an order's row announces.
//!
//! Lambda hands it batches of the table's change stream. The facts follow from the row before and
//! after the change ([`orders::Fact::announced_by`]). They are put into a Kinesis stream of their
//! own, under the order's id. Then each has a mark in the table of announcements.
//!
//! # The promise
//!
//! - Each fact is in the stream at least once. A fact that is published again has the same event
//!   id, so a subscriber that acts by event id acts once.
//! - The facts of one order are in the stream in their sequence. A repetition may come later.
//! - A change that cannot be read, or whose facts are refused, does not hold back other orders.
//! - A mark exists only for a fact that is in the stream.
//!
//! # There is no lock
//!
//! The notifier may be delivered a change twice, and then publishes its facts twice. A lock before
//! the publish would cost two writes more for each fact. It could not close the gap between the
//! publish and its mark, so repetitions would remain. The event's id makes them harmless.

mod announcements;
mod change;
mod facts_stream;
mod published;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_lambda_events::event::streams::DynamoDbEventResponse;
use function_runtime::{Environment, Failure, StartError};
use futures::{StreamExt, stream};
use keyed_batch::{Chunk, DynamoDbEvent, DynamoDbRecord, Limits, Report, Verdict, Verdicts};
use orders::FactEvent;
use tokio::time::Instant;

pub use announcements::Announcements;
pub use change::{UnreadableChange, announced_by};
pub use facts_stream::{FactsStream, MAX_ENTRIES, NotPublished};
use published::Published;

/// The number of marks that are written at once.
const MARKS_IN_FLIGHT: usize = 32;

/// The notifier with all that it needs.
#[derive(Clone, Debug)]
pub struct Notifier {
    stream: FactsStream,
    announcements: Announcements,
    limits: Limits,
}

/// A change under way, with the events that it announces.
struct Announcement {
    events: Vec<FactEvent>,
    /// How many of the events are in the stream.
    published: usize,
    /// The reason why the change is not done.
    failure: Option<Verdict>,
}

impl Notifier {
    /// A notifier that publishes to this stream and marks in this table, within these limits.
    #[must_use]
    pub fn new(stream: FactsStream, announcements: Announcements, limits: Limits) -> Self {
        Self {
            stream,
            announcements,
            limits,
        }
    }

    /// Works through the changes of one invocation until they are done or `deadline` is near.
    ///
    /// The response in the report names every change that has to come again, and is empty if none
    /// has to.
    pub async fn handle(
        &self,
        changes: &[DynamoDbRecord],
        deadline: Instant,
    ) -> Report<DynamoDbEventResponse> {
        let published = Mutex::new(Published::default());
        let most = const { NonZeroUsize::new(MAX_ENTRIES).unwrap() };
        let report =
            keyed_batch::process_in_chunks(changes, &self.limits, most, deadline, |chunk| {
                self.announce(chunk, &published)
            })
            .await;
        let published = published
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        published.log(&report.summary);
        report
    }

    /// Publishes the facts of these changes, and marks them.
    async fn announce(
        &self,
        chunk: Chunk<'_, DynamoDbRecord>,
        published: &Mutex<Published>,
    ) -> Verdicts {
        let mut announcements: Vec<Announcement> = chunk
            .records()
            .iter()
            .map(|change| Announcement::of(change))
            .collect();
        while self.publish_next(&mut announcements, published).await {}
        let verdicts = stream::iter(announcements)
            .map(|announcement| self.finish(announcement, published))
            .buffered(MARKS_IN_FLIGHT)
            .collect::<Vec<_>>()
            .await;
        chunk.judge_in_sequence(verdicts)
    }

    /// Publishes the next fact of each change that has one. False if none has. The changes are of
    /// different orders, so no call has two facts of one order.
    async fn publish_next(
        &self,
        announcements: &mut [Announcement],
        published: &Mutex<Published>,
    ) -> bool {
        let (waiting, events): (Vec<_>, Vec<_>) = announcements
            .iter_mut()
            .filter_map(|announcement| {
                let event = announcement.next()?.clone();
                Some((announcement, event))
            })
            .unzip();
        if events.is_empty() {
            return false;
        }
        let results = self.stream.put(&events).await;
        let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
        for ((announcement, event), result) in waiting.into_iter().zip(&events).zip(results) {
            match result {
                Ok(()) => {
                    published.count(&event.fact);
                    announcement.published += 1;
                }
                Err(error) => {
                    published.count_refusal(&error);
                    announcement.failure = Some(Verdict::Retry("not_published"));
                }
            }
        }
        true
    }

    /// Marks the facts of a change, if all of them are in the stream.
    async fn finish(&self, announcement: Announcement, published: &Mutex<Published>) -> Verdict {
        let Announcement {
            events, failure, ..
        } = announcement;
        let order_id = match (failure, events.first()) {
            (Some(failure), _) => return failure,
            (None, None) => return Verdict::Done,
            (None, Some(event)) => event.order_id,
        };
        match self.announcements.mark(order_id, &events).await {
            Ok(()) => Verdict::Done,
            Err(error) => {
                let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
                published.count_table_error(&error);
                Verdict::Retry("not_marked")
            }
        }
    }
}

impl Announcement {
    fn of(change: &DynamoDbRecord) -> Self {
        let (events, failure) = match announced_by(change) {
            Ok(events) => (events, None),
            Err(error) => {
                let sequence_number = &change.sequence_number;
                tracing::debug!(sequence_number, %error, "unreadable change");
                (Vec::new(), Some(Verdict::Reject(error.reason())))
            }
        };
        Self {
            events,
            published: 0,
            failure,
        }
    }

    /// The next event to be published.
    fn next(&self) -> Option<&FactEvent> {
        match self.failure {
            None => self.events.get(self.published),
            Some(_) => None,
        }
    }
}

/// Runs the function. It reads its settings, makes its clients, and serves invocations until Lambda
/// ends the process.
///
/// The settings are `FACTS_STREAM_NAME` and `ANNOUNCEMENTS_TABLE_NAME`.
///
/// # Errors
/// [`StartError`] if a setting is missing or wrong, or if Lambda's runtime fails.
pub async fn serve(environment: Environment) -> Result<(), StartError> {
    let stream_name = environment.required("FACTS_STREAM_NAME")?;
    let table_name = environment.required("ANNOUNCEMENTS_TABLE_NAME")?;
    let config = function_runtime::sdk_config().await;
    let client = orders_table::client_for_writes(&config);
    let notifier = &Notifier::new(
        FactsStream::new(&config, stream_name),
        Announcements::new(client, table_name),
        Limits::default(),
    );
    function_runtime::serve(async move |event, context| {
        let event: DynamoDbEvent = function_runtime::read(&event)?;
        let deadline = keyed_batch::deadline(context.deadline, SystemTime::now());
        let report = notifier.handle(&event.records, deadline).await;
        report.response.map_err(|_| Failure::UnnamedRecord)
    })
    .await
}
