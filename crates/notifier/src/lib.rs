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
//! - The facts of one order are in the stream in their sequence. A repetition may come later, and
//!   so may a fact whose change was discarded.
//! - A change that cannot be read, or whose facts are refused, does not hold back other orders.
//! - A mark exists only for a fact that is in the stream.
//!
//! # There is no lock
//!
//! The notifier may be delivered a change twice, and then publishes its facts twice. A lock before
//! the publish would cost two writes more for each fact. It could not close the gap between the
//! publish and its mark, so repetitions would remain. The event's id makes them harmless.

pub mod announce;
mod announcements;
mod change;
mod facts_stream;
mod published;
mod publisher;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_lambda_events::event::streams::DynamoDbEventResponse;
use function_runtime::{Environment, Failure, StartError};
use keyed_batch::{DynamoDbEvent, DynamoDbRecord, Limits, Report};
use tokio::time::Instant;

pub use announcements::Announcements;
pub use change::{UnreadableChange, announced_by};
pub use facts_stream::{FactsStream, NotPublished};
use published::Published;
use publisher::{Announcement, Publisher};

/// The notifier with all that it needs.
#[derive(Clone, Debug)]
pub struct Notifier {
    publisher: Publisher,
    limits: Limits,
}

impl Notifier {
    /// A notifier that publishes to this stream and marks in this table, within these limits.
    #[must_use]
    pub fn new(stream: FactsStream, announcements: Announcements, limits: Limits) -> Self {
        Self {
            publisher: Publisher {
                stream,
                announcements,
            },
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
        let most = const { NonZeroUsize::new(put_records::MAX_ENTRIES).unwrap() };
        let report =
            keyed_batch::process_in_chunks(changes, &self.limits, most, deadline, |chunk| {
                let changes = chunk.records().iter();
                let announcements = changes.map(|change| Announcement::of_change(change));
                let announcements = announcements.collect();
                self.publisher.announce(chunk, announcements, &published)
            })
            .await;
        let published = published
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        published.log(&report.summary);
        report
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
