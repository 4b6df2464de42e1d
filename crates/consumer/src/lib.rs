//! The consumer: each intent of the stream becomes one conditional write to its order's row.
//!
//! Lambda hands it a batch of Kinesis records. Each record is decoded and applied ([`Consumer::apply`]);
//! `kinesis-batch` says which record may be worked on when, retries what is transient until the deadline is near, and
//! makes of the failures the response that Lambda reads as a checkpoint.
//!
//! There is no lock, no state and no clock besides the row. The condition of the write is the lock: whatever was
//! delivered twice, by Kinesis, by Lambda or by a client, is refused the second time, and what the refusal returns
//! says that all is well.
//!
//! # Where your business logic goes
//!
//! - **Effects in DynamoDB**: next to the row, in one transaction with it. Then they have happened exactly as often as
//!   the row was written: once. `examples/stock.rs` reserves stock that way; it replaces the one `UpdateItem` in
//!   `table.rs` by a `TransactWriteItems` that has the same `Update` in it, and reads the same `ALL_OLD` off the reason
//!   for the cancellation.
//! - **Effects elsewhere** (a payment, an e-mail): not here. Let them follow from the row, in a function behind the
//!   table's change stream, under a lock of their own, for no condition of DynamoDB can undo them.
//! - **Never** as a second, separate call after the write: the function may end between the two, and the redelivery
//!   would find the row written and call it done.
//!
//! # What is poison and what is not
//!
//! An event that does not decode, a row that does not decode, and an item that would be larger than DynamoDB's 400 KB:
//! these never get better and are [`Reject`](Verdict::Reject)ed. Everything else that can go wrong lies with the
//! environment (throttling, time-outs, server errors, a missing permission, table or key) and is
//! [`Retry`](Verdict::Retry): an outage delays orders, it discards none while it is shorter than the retries last.

mod outcomes;
mod table;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use function::{Environment, StartError};
use kinesis_batch::{Report, Verdict};
use lambda_runtime::{LambdaEvent, service_fn};
use orders::{Intent, Row, Step, next_step};
use tokio::time::Instant;

use outcomes::Outcomes;
pub use table::{Answer, Table, TableError};

/// How often a row may refuse a write that was made for what it was a moment before. A row is a set of registers that
/// are written once, so it settles after four; more means that something else rewrites it.
const MAX_STEPS: usize = 8;

/// The consumer with all that it needs.
#[derive(Clone, Debug)]
pub struct Consumer {
    table: Table,
    batch: kinesis_batch::Settings,
}

impl Consumer {
    /// A consumer that writes to this table, within these bounds.
    #[must_use]
    pub fn new(table: Table, batch: kinesis_batch::Settings) -> Self {
        Self { table, batch }
    }

    /// Works through the records of one invocation until they are done or `deadline` is near.
    ///
    /// The response in the report names every record that has to come again, and is empty if none has to.
    pub async fn handle(&self, records: &[KinesisEventRecord], deadline: Instant) -> Report {
        let outcomes = Mutex::new(Outcomes::default());
        let report = kinesis_batch::process(records, &self.batch, deadline, |record| {
            let outcomes = &outcomes;
            async move {
                let intent = match Intent::decode(&record.kinesis.data) {
                    Ok(intent) => intent,
                    Err(poison) => {
                        let sequence_number = &record.kinesis.sequence_number;
                        tracing::debug!(sequence_number, %poison, "poison");
                        return Verdict::Reject(poison.code());
                    }
                };
                match self.apply(&intent).await {
                    Ok(outcome) => {
                        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        outcomes.count(outcome);
                        Verdict::Done
                    }
                    Err(verdict) => verdict,
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
    /// The verdict on a record that could not be applied: [`Verdict::Reject`] or [`Verdict::Retry`], never
    /// [`Verdict::Done`].
    pub async fn apply(&self, intent: &Intent) -> Result<orders::Outcome, Verdict> {
        let mut row = None;
        for _ in 0..MAX_STEPS {
            let (write, outcome) = match next_step(intent, row.as_ref()) {
                Step::Done(outcome) => return Ok(outcome),
                Step::Write { write, outcome } => (write, outcome),
            };
            row = match self.table.write(&write).await {
                Ok(Answer::Done) => return Ok(outcome),
                Ok(Answer::Refused(item)) => match item.as_ref().map(Row::from_item).transpose() {
                    Ok(row) => row,
                    Err(unreadable) => {
                        tracing::error!(intent_id = %intent.id, %unreadable, "a row is not as the service writes it");
                        return Err(Verdict::Reject("unreadable_row"));
                    }
                },
                Err(error) => return Err(error.verdict()),
            };
        }
        Err(Verdict::Retry("row_keeps_changing"))
    }
}

/// Runs the function: reads its settings, makes its client, and serves invocations until Lambda ends the process.
///
/// Settings: `TABLE_NAME`, and `MAX_IN_FLIGHT`, how many writes may be under way at once (1–1000, 32 if not set).
///
/// # Errors
/// [`StartError`] if a setting is missing or wrong, or if Lambda's runtime fails.
pub async fn serve(environment: Environment) -> Result<(), StartError> {
    let table_name = environment.required("TABLE_NAME")?;
    let max_in_flight = environment.optional("MAX_IN_FLIGHT", "32", |text| {
        text.parse::<NonZeroUsize>()
            .ok()
            .filter(|number| number.get() <= 1_000)
            .ok_or_else(|| "must be a whole number from 1 to 1000".to_owned())
    })?;
    let table = Table::new(&function::sdk_config().await, table_name);
    let batch = kinesis_batch::Settings::default().max_in_flight(max_in_flight);
    let consumer = &Consumer::new(table, batch);
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<KinesisEvent>| async move {
            let deadline = kinesis_batch::deadline(event.context.deadline, SystemTime::now());
            let report = consumer.handle(&event.payload.records, deadline).await;
            report.response.map_err(lambda_runtime::Error::from)
        },
    ))
    .await
    .map_err(|error| StartError::Runtime(error.to_string()))
}
