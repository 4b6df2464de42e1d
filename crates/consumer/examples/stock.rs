//! Business logic in one transaction with the order row: a submit reserves stock.
//!
//! The row's `Update` is the same that the consumer sends by itself, with the same condition; beside it stands one more
//! conditional write for each line. DynamoDB does all or none of them, so stock is reserved exactly as often as the row
//! is written: once, however often the intent is delivered. A duplicate is recognised as ever, by the row that the
//! cancellation returns.
//!
//! Everything that the transaction depends on must be in its conditions. What is read beforehand and written here may
//! have changed in between.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use function::{Environment, StartError, attribute_value};
use kinesis_batch::Verdict;
use lambda_runtime::{LambdaEvent, service_fn};
use orders::{Action, Intent, Outcome, Row, Step, Write, next_step};

/// What became of an intent with its reservation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// Row and stock are as the intent wants them; whose doing it was, the outcome says.
    Made(Outcome),
    /// Some article is not there. Nothing was written. What the business does then is its own decision, and one more
    /// write-once register of the row: without one, this intent would be tried again whenever it is delivered.
    OutOfStock,
}

/// Applies one intent, with the stock it takes.
///
/// # Errors
/// [`Verdict::Retry`] or [`Verdict::Reject`], as in the consumer.
pub(crate) async fn apply(client: &Client, intent: &Intent) -> Result<Reservation, Verdict> {
    let mut row = None;
    for _ in 0..8 {
        let (write, outcome) = match next_step(intent, row.as_ref()) {
            Step::Done(outcome) => return Ok(Reservation::Made(outcome)),
            Step::Write { write, outcome } => (write, outcome),
        };
        let mut items = vec![update_of_row(&write)];
        if let (Action::Submit { order, .. }, Outcome::Applied) = (&intent.action, outcome) {
            // One transaction may touch an item once: lines of one article are added up.
            let mut wanted = BTreeMap::new();
            for line in order.items() {
                *wanted.entry(line.sku()).or_insert(0) += line.quantity();
            }
            items.extend(
                wanted
                    .into_iter()
                    .map(|(sku, quantity)| update_of_stock(sku, quantity)),
            );
        }
        // No ClientRequestToken: the conditions make the transaction safe to repeat, and it says more when it is.
        let answer = client
            .transact_write_items()
            .set_transact_items(Some(items))
            .send()
            .await;
        let reasons = match answer {
            Ok(_) => return Ok(Reservation::Made(outcome)),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    cancelled.cancellation_reasons.unwrap_or_default()
                }
                _ => return Err(Verdict::Retry("environment")),
            },
            Err(_) => return Err(Verdict::Retry("no_answer")),
        };
        let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        match reasons.split_first() {
            Some((of_row, _)) if failed(of_row) => {
                let item = of_row.item().map(attribute_value::item_from_sdk);
                row = item
                    .map(|item| Row::from_item(&item))
                    .transpose()
                    .map_err(|_| Verdict::Reject("unreadable_row"))?;
            }
            Some((_, of_stock)) if of_stock.iter().any(failed) => {
                return Ok(Reservation::OutOfStock);
            }
            // A conflict with another transaction, or throttling.
            _ => return Err(Verdict::Retry("cancelled")),
        }
    }
    Err(Verdict::Retry("row_keeps_changing"))
}

fn update_of_row(write: &Write) -> TransactWriteItem {
    let expression = write.expression();
    let values = expression
        .values
        .iter()
        .map(|(alias, value)| (alias.clone(), attribute_value::to_sdk(value)))
        .collect();
    item(
        Update::builder()
            .table_name("orders")
            .key("order_id", AttributeValue::S(write.order_id.to_string()))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names.into_iter().collect()))
            .set_expression_attribute_values(Some(values)),
    )
}

fn update_of_stock(sku: &str, quantity: u64) -> TransactWriteItem {
    item(
        Update::builder()
            .table_name("stock")
            .key("sku", AttributeValue::S(sku.to_owned()))
            .update_expression("SET #left = #left - :quantity")
            .condition_expression("#left >= :quantity")
            .expression_attribute_names("#left", "left")
            .expression_attribute_values(":quantity", AttributeValue::N(quantity.to_string())),
    )
}

fn item(update: aws_sdk_dynamodb::types::builders::UpdateBuilder) -> TransactWriteItem {
    let update = update
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    #[expect(
        clippy::expect_used,
        reason = "a table, a key and an expression, which is all that is required, are always given"
    )]
    let update = update.build().expect("table, key and expression are given");
    TransactWriteItem::builder().update(update).build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(serve).await
}

/// The whole function, for it differs from the consumer in what it calls for a record.
async fn serve(_: Environment) -> Result<(), StartError> {
    let client = &Client::new(&function::sdk_config().await);
    let settings =
        &kinesis_batch::Settings::default().attempt_timeout(Some(Duration::from_secs(5)));
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<KinesisEvent>| async move {
            let deadline = kinesis_batch::deadline(event.context.deadline, SystemTime::now());
            let records = &event.payload.records;
            let report = kinesis_batch::process(records, settings, deadline, |record| async {
                match Intent::decode(&record.kinesis.data) {
                    Ok(intent) => apply(client, &intent)
                        .await
                        .map_or_else(|verdict| verdict, |_| Verdict::Done),
                    Err(poison) => Verdict::Reject(poison.code()),
                }
            });
            report.await.response.map_err(lambda_runtime::Error::from)
        },
    ))
    .await
    .map_err(|error| StartError::Runtime(error.to_string()))
}
