//! The consumer: each intent of the stream becomes one conditional write to its order's row.
//!
//! Lambda hands it a batch of Kinesis records. Each record is decoded and applied ([`Consumer::apply`]);
//! `keyed-batch` says which record may be worked on when, retries what is transient until the deadline is near, and
//! makes of the failures the response that Lambda reads as a checkpoint.
//!
//! There is no lock, no state and no clock besides the row. The condition of the write is the lock: whatever was
//! delivered twice, by Kinesis, by Lambda or by a client, is refused the second time, and what the refusal returns
//! says that all is well.
//!
//! # Where your business logic goes
//!
//! - **Effects in DynamoDB**: next to the row, in one transaction with it. Then they have happened exactly as often as
//!   the row was written: once. `examples/invoice.rs` writes an invoice that way; it replaces the one `UpdateItem` in
//!   `table.rs` by a `TransactWriteItems` that has the same `Update` in it, and reads the same `ALL_OLD` off the reason
//!   for the cancellation. Choose writes that commute with a cancel, which may come before its submit as well as after
//!   it; and where a further write can refuse for a reason of the business (no stock, no credit), that refusal is a
//!   decision, and belongs into the row as one more write-once register, or the accepted order has no answer.
//! - **Effects elsewhere** (a payment, an e-mail): not here. Let them follow from the row, in a function behind the
//!   table's change stream, under a lease of their own, for no condition of DynamoDB can undo them.
//! - **Never** as a second, separate call after the write: the function may end between the two, and the redelivery
//!   would find the row written and call it done.
//!
//! # What is poison and what is not
//!
//! An event that does not decode, and an item that would be larger than DynamoDB's 400 KB: these never get better and
//! are [`Reject`](Verdict::Reject)ed. Everything else that can go wrong lies with the environment (throttling,
//! time-outs, server errors, a missing permission, table or key, a row that somebody else has written into) and is
//! [`Retry`](Verdict::Retry): an outage delays orders, it discards none while it is shorter than the retries last.

mod outcomes;
mod table;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use function::{Environment, Failure, PassingErrors, StartError};
use keyed_batch::{KinesisEvent, KinesisRecord, Report, Verdict};
use orders::{Intent, Outcome, Row, Step, next_step};
use tokio::time::Instant;

use outcomes::Outcomes;
pub use table::{Answer, Table, TableError, client};

/// How often a row may refuse a write that was made for what it was a moment before. A row is a set of registers that
/// are written once, so it settles after four; more means that something else rewrites it.
const MAX_STEPS: usize = 8;

/// The consumer with all that it needs.
#[derive(Clone, Debug)]
pub struct Consumer {
    table: Table,
    limits: keyed_batch::Limits,
}

impl Consumer {
    /// A consumer that writes to this table, within these limits.
    #[must_use]
    pub fn new(table: Table, limits: keyed_batch::Limits) -> Self {
        Self { table, limits }
    }

    /// Works through the records of one invocation until they are done or `deadline` is near.
    ///
    /// The response in the report names every record that has to come again, and is empty if none has to.
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

    /// Applies one intent: tries the write that would do it, and if the row refuses, does what the row calls for.
    ///
    /// # Errors
    /// [`ApplyError`] if it could not be applied, as far as is known.
    pub async fn apply(&self, intent: &Intent) -> Result<Outcome, ApplyError> {
        let mut row = None;
        for _ in 0..MAX_STEPS {
            let (write, outcome) = match next_step(intent, row.as_ref()) {
                Step::Done(outcome) => return Ok(outcome),
                Step::Write { write, outcome } => (write, outcome),
            };
            row = match self.table.write(&write).await? {
                Answer::Done => return Ok(outcome),
                Answer::Refused(item) => item
                    .map(|item| Row::from_item(&item))
                    .transpose()
                    .map_err(|_| ApplyError::UnreadableRow)?,
            };
        }
        Err(ApplyError::RowKeepsChanging)
    }
}

/// Why an intent was not applied, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The table gave no answer, or one that is neither yes nor no.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The row is not as this version of the service writes it: somebody else has written into it, or a newer version
    /// has and was rolled back. The intent is sound, so it waits.
    #[error("the row cannot be read")]
    UnreadableRow,
    /// The row was another one at every step.
    #[error("the row keeps changing")]
    RowKeepsChanging,
}

impl ApplyError {
    /// What the error means for the record: only an item that is too large is poison.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Table(TableError::ItemTooLarge) => Verdict::Reject("item_too_large"),
            Self::Table(TableError::NoAnswer(_)) => Verdict::Retry("no_answer"),
            Self::Table(TableError::Failed(_)) => Verdict::Retry("table_error"),
            Self::UnreadableRow => Verdict::Retry("unreadable_row"),
            Self::RowKeepsChanging => Verdict::Retry("row_keeps_changing"),
        }
    }

    /// Whether the error passes by itself, by the [list](PassingErrors) that all functions go by;
    /// else somebody has to mend something. The record waits in either case.
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        match self {
            Self::Table(TableError::NoAnswer(_)) | Self::RowKeepsChanging => true,
            Self::Table(TableError::Failed(code)) => PassingErrors::contain("dynamodb", code),
            Self::Table(TableError::ItemTooLarge) | Self::UnreadableRow => false,
        }
    }

    /// What to look for, for the log: AWS's error code where there is one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Table(TableError::ItemTooLarge) => "item_too_large",
            Self::Table(TableError::NoAnswer(kind)) => kind,
            Self::Table(TableError::Failed(code)) => code,
            Self::UnreadableRow => "unreadable_row",
            Self::RowKeepsChanging => "row_keeps_changing",
        }
    }
}

/// Runs the function: reads its settings, makes its client, and serves invocations until Lambda ends the process.
///
/// Settings: `TABLE_NAME`, and `MAX_IN_FLIGHT`, how many writes may be under way at once (1–1000).
///
/// # Errors
/// [`StartError`] if a setting is missing or wrong, or if Lambda's runtime fails.
pub async fn serve(environment: Environment) -> Result<(), StartError> {
    let table_name = environment.required("TABLE_NAME")?;
    let max_in_flight = environment.parsed("MAX_IN_FLIGHT", |text| {
        text.parse::<NonZeroUsize>()
            .ok()
            .filter(|number| number.get() <= 1_000)
            .ok_or_else(|| "must be a whole number from 1 to 1000".to_owned())
    })?;
    let table = Table::new(client(&function::sdk_config().await), table_name);
    let limits = keyed_batch::Limits::default().max_in_flight(max_in_flight);
    let consumer = &Consumer::new(table, limits);
    function::serve(async move |event, context| {
        let event: KinesisEvent = function::read(&event)?;
        let deadline = keyed_batch::deadline(context.deadline, SystemTime::now());
        let report = consumer.handle(&event.records, deadline).await;
        report.response.map_err(|_| Failure::UnnamedRecord)
    })
    .await
}
