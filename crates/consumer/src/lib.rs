//! The consumer turns each intent of the stream into one conditional write to its order's row.
//!
//! Lambda hands it a batch of Kinesis records. Each record is decoded and applied
//! ([`Consumer::apply`]). `keyed-batch` says which record may be worked on when, and retries
//! transient failures until the deadline is near. It makes of the failures the response that Lambda
//! reads as a checkpoint.
//!
//! There is no lock, no state and no clock besides the row, because the condition of the write is
//! the lock. An intent may be delivered twice, by Kinesis, by Lambda or by a client. The second
//! write is then refused, and the row that the refusal returns says that all is well.
//!
//! # Where your business logic goes
//!
//! - **Effects in DynamoDB** go next to the row, in one transaction with it
//!   ([`Consumer::writing_also`]). Then they have happened exactly as often as the row was written,
//!   which is once. `examples/invoice.rs` writes an invoice that way. Choose writes that commute
//!   with a cancel, which may come before its submit as well as after it. Where a further write can
//!   refuse for a reason of the business (no stock, no credit), that refusal is a decision. It
//!   belongs into the row as one more write-once register, or the accepted order has no answer.
//! - **Effects elsewhere** (a payment, an e-mail) do not belong here. Let them follow from the row,
//!   in a function behind the table's change stream, under their own lease. No condition of
//!   DynamoDB can undo them.
//! - **Never** make an effect a second, separate call after the write. The function may end between
//!   the two, and the redelivery would find the row written and call it done.
//!
//! # Poison and sound records
//!
//! An event that does not decode never gets better, and neither does an item that would be larger
//! than DynamoDB's 400 KB. These are [`Reject`](Verdict::Reject)ed, and so is a record whose work
//! panics. Every other error is a [`Retry`](Verdict::Retry), because the intent is sound and the
//! error can be mended. Such errors are throttling, time-outs, server errors, a missing permission,
//! table or key, and a row that somebody else has written into. So an outage delays orders, and
//! discards none while it is shorter than the retries last.

mod error;
mod outcomes;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use conditional_write::Answer;
use function_runtime::{Environment, Failure, StartError};
use keyed_batch::{KinesisEvent, KinesisRecord, Report, Verdict};
use orders::{Intent, Outcome, Row, Step, next_step};
use orders_table::{OrdersTable, TableError, client_for_writes};
use tokio::time::Instant;

pub use error::ApplyError;
use outcomes::Outcomes;

/// The number of times that a row may refuse a write that was made for its state a moment before. A
/// row is a set of registers that are written once, so it settles after four writes. More refusals
/// mean that something else rewrites the row.
const MAX_STEPS: usize = 8;

/// The items that are written in one transaction with an order's row.
type AlsoWritten =
    dyn Fn(&Intent, Outcome) -> Result<Vec<TransactWriteItem>, BuildError> + Send + Sync;

/// The consumer with all that it needs.
#[derive(Clone)]
pub struct Consumer {
    table: OrdersTable,
    limits: keyed_batch::Limits,
    also_written: Arc<AlsoWritten>,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("table", &self.table)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// A consumer that writes to this table, within these limits.
    #[must_use]
    pub fn new(table: OrdersTable, limits: keyed_batch::Limits) -> Self {
        Self {
            table,
            limits,
            also_written: Arc::new(|_, _| Ok(vec![])),
        }
    }

    /// The same consumer, which writes these items in one transaction with the row. Either all of
    /// them are written or none. Where there are no items, the row is written by itself.
    ///
    /// `items` gets the intent and the outcome that it has if the write is done. It is asked before
    /// each write, and a write may be tried several times, so `items` must not have effects
    /// itself. [`Outcome::Applied`] comes true at most once for each intent.
    #[must_use]
    pub fn writing_also(
        mut self,
        items: impl Fn(&Intent, Outcome) -> Result<Vec<TransactWriteItem>, BuildError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.also_written = Arc::new(items);
        self
    }

    /// Works through the records of one invocation until they are done or `deadline` is near.
    ///
    /// The response in the report names every record that has to come again, and is empty if none
    /// has to.
    pub async fn handle(&self, records: &[KinesisRecord], deadline: Instant) -> Report {
        let outcomes = Mutex::new(Outcomes::default());
        let report = keyed_batch::process(records, &self.limits, deadline, |record| {
            let outcomes = &outcomes;
            async move {
                let intent = match Intent::decode(record.data()) {
                    Ok(intent) => intent,
                    Err(poison) => {
                        let sequence_number = &record.sequence_number;
                        tracing::debug!(sequence_number, %poison, "poison");
                        return Verdict::Reject(poison.code());
                    }
                };
                let result = self.apply(&intent).await;
                let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(outcome) => {
                        outcomes.count(outcome);
                        Verdict::Done
                    }
                    Err(error) => {
                        outcomes.count_error(&error);
                        error.verdict()
                    }
                }
            }
        })
        .await;
        let outcomes = outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        outcomes.log(&report.summary);
        report
    }

    /// Applies one intent. It tries the write that would apply the intent, and if the row refuses,
    /// does what the row calls for.
    ///
    /// # Errors
    /// [`ApplyError`] if the intent could not be applied, as far as is known.
    pub async fn apply(&self, intent: &Intent) -> Result<Outcome, ApplyError> {
        let mut row = None;
        for _ in 0..MAX_STEPS {
            let (write, outcome) = match next_step(intent, row.as_ref()) {
                Step::Done(outcome) => return Ok(outcome),
                Step::Write { write, outcome } => (write, outcome),
            };
            let others = (self.also_written)(intent, outcome)?;
            row = match self.table.write(intent.order_id, &write, others).await? {
                Answer::Done => return Ok(outcome),
                Answer::Refused(item) => item
                    .map(|item| Row::from_item(&item))
                    .transpose()
                    .map_err(TableError::UnreadableRow)?,
            };
        }
        Err(ApplyError::RowKeepsChanging)
    }
}

/// Runs the function. It reads its settings, makes its client, and serves invocations until Lambda
/// ends the process.
///
/// The settings are `TABLE_NAME` and `MAX_IN_FLIGHT`, the number of writes that may be under way at
/// once (1–1000).
///
/// # Errors
/// [`StartError`] if a setting is missing or wrong, or if Lambda's runtime fails.
pub async fn serve(environment: Environment) -> Result<(), StartError> {
    serve_as(environment, |consumer| consumer).await
}

/// Runs the function as [`serve`] does, with the consumer that `configure` makes of the usual one.
/// It is the place for [`Consumer::writing_also`].
///
/// # Errors
/// As [`serve`].
pub async fn serve_as(
    environment: Environment,
    configure: impl FnOnce(Consumer) -> Consumer,
) -> Result<(), StartError> {
    let table_name = environment.required("TABLE_NAME")?;
    let max_in_flight = environment.parsed("MAX_IN_FLIGHT", |text| {
        text.parse::<NonZeroUsize>()
            .ok()
            .filter(|number| number.get() <= 1_000)
            .ok_or_else(|| "must be a whole number from 1 to 1000".to_owned())
    })?;
    let client = client_for_writes(&function_runtime::sdk_config().await);
    let table = OrdersTable::new(client, table_name);
    let limits = keyed_batch::Limits::default().max_in_flight(max_in_flight);
    let consumer = &configure(Consumer::new(table, limits));
    function_runtime::serve(async move |event, context| {
        let event: KinesisEvent = function_runtime::read(&event)?;
        let deadline = keyed_batch::deadline(context.deadline, SystemTime::now());
        let report = consumer.handle(&event.records, deadline).await;
        report.response.map_err(|_| Failure::UnnamedRecord)
    })
    .await
}
