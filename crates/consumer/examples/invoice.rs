//! Business logic in one transaction with the order row: a submit writes an invoice.
//!
//! The row's `Update` is the same that the consumer sends by itself, with the same condition; beside it stands one more
//! conditional write. DynamoDB does both or neither, so there is an invoice for exactly those orders that exist, and one
//! for each, however often the intent is delivered. A duplicate is recognised as ever, by the row that the cancellation
//! returns.
//!
//! The invoice commutes with a cancel: whether it is due follows from the order, as the order's own status does. An
//! effect that does not (stock taken by the submit and given back by the cancel) has to look at the cancel register in
//! its condition, since a cancel may come first.

use std::process::ExitCode;
use std::time::SystemTime;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use consumer::{ApplyError, TableError};
use function::{Environment, Failure, StartError, attribute_value};
use keyed_batch::{KinesisEvent, Verdict};
use orders::{Action, Intent, NewOrder, OrderId, Outcome, Row, Step, Write, next_step};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(serve).await
}

/// The consumer's own `serve` with [`apply`] in place of `Consumer::apply`.
async fn serve(_: Environment) -> Result<(), StartError> {
    let client = &consumer::client(&function::sdk_config().await);
    let limits = &keyed_batch::Limits::default();
    function::serve(async move |event, context| {
        let event: KinesisEvent = function::read(&event)?;
        let deadline = keyed_batch::deadline(context.deadline, SystemTime::now());
        let report = keyed_batch::process(&event.records, limits, deadline, |record| async {
            match Intent::decode(record.data()) {
                Ok(intent) => match apply(client, &intent).await {
                    Ok(_) => Verdict::Done,
                    Err(error) => error.verdict(),
                },
                Err(poison) => Verdict::Reject(poison.code()),
            }
        });
        report.await.response.map_err(|_| Failure::UnnamedRecord)
    })
    .await
}

/// Applies one intent, and with a submit its invoice.
///
/// # Errors
/// As `Consumer::apply`.
pub(crate) async fn apply(client: &Client, intent: &Intent) -> Result<Outcome, ApplyError> {
    let mut row = None;
    for _ in 0..8 {
        let (write, outcome) = match next_step(intent, row.as_ref()) {
            Step::Done(outcome) => return Ok(outcome),
            Step::Write { write, outcome } => (write, outcome),
        };
        let mut items = vec![update_of_row(&write)?];
        if let (Action::Submit { order, .. }, Outcome::Applied) = (&intent.action, outcome) {
            items.push(invoice(intent.order_id, order)?);
        }
        let request = client
            .transact_write_items()
            .set_transact_items(Some(items));
        row = match request.send().await {
            Ok(_) => return Ok(outcome),
            Err(error) => refusing_row(error)?,
        };
    }
    Err(ApplyError::RowKeepsChanging)
}

/// The row that refused its write, if that is why the transaction was cancelled.
fn refusing_row<R>(error: SdkError<TransactWriteItemsError, R>) -> Result<Option<Row>, ApplyError> {
    let cancelled = match error {
        SdkError::ServiceError(answer) => match answer.into_err() {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled,
            other => Err(TableError::of(
                other.code().unwrap_or("unknown"),
                other.message().unwrap_or_default(),
            ))?,
        },
        other => Err(TableError::NoAnswer(function::no_answer(&other)))?,
    };
    // One reason an item, in their order; "None" for an item that was not in the way.
    let reasons = cancelled.cancellation_reasons();
    if let Some(of_row) = reasons.first()
        && of_row.code() == Some("ConditionalCheckFailed")
    {
        let item = of_row.item().map(attribute_value::item_from_sdk);
        let row = item.map(|item| Row::from_item(&item)).transpose();
        return row.map_err(|_| ApplyError::UnreadableRow);
    }
    // A conflict with another transaction, throttling, an item too large, or an invoice without its order.
    let reason = reasons.iter().find(|reason| reason.code() != Some("None"));
    let code = reason.and_then(|reason| reason.code()).unwrap_or("unknown");
    let message = reason
        .and_then(|reason| reason.message())
        .unwrap_or_default();
    Err(TableError::of(code, message).into())
}

fn update_of_row(write: &Write) -> Result<TransactWriteItem, ApplyError> {
    let expression = write.expression();
    let values = expression
        .values
        .iter()
        .map(|(alias, value)| (alias.clone(), attribute_value::to_sdk(value)))
        .collect();
    let update = Update::builder()
        .table_name("orders")
        .key("order_id", AttributeValue::S(write.order_id.to_string()))
        .update_expression(expression.update)
        .condition_expression(expression.condition)
        .set_expression_attribute_names(Some(expression.names.into_iter().collect()))
        .set_expression_attribute_values(Some(values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn invoice(order_id: OrderId, order: &NewOrder) -> Result<TransactWriteItem, ApplyError> {
    let put = Put::builder()
        .table_name("invoices")
        .item("order_id", AttributeValue::S(order_id.to_string()))
        .item("total", AttributeValue::N(order.total().to_string()))
        .item("currency", AttributeValue::S(order.currency().to_owned()))
        .condition_expression("attribute_not_exists(order_id)")
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// The SDK misses a part of a request; it would be one of the lines above.
fn incomplete(_: BuildError) -> ApplyError {
    TableError::NoAnswer("not_sent").into()
}
