//! Business logic in one transaction with the order row. A submit writes an invoice.
//!
//! DynamoDB writes the row and the invoice, or neither. So there is an invoice for exactly those
//! orders that exist, and one for each, however often the intent is delivered. The row recognises a
//! duplicate as ever.
//!
//! The invoice commutes with a cancel, because it follows from the order whether an invoice is due,
//! as the order's own status does. Some effects do not commute, such as stock that the submit takes
//! and the cancel gives back. Such an effect has to look at the cancel register in its condition,
//! since a cancel may come first.

use std::process::ExitCode;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use orders::{Intent, IntentKind, Outcome};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function_runtime::run(|environment| {
        consumer::serve_as(environment, |consumer| consumer.writing_also(invoice))
    })
    .await
}

/// The invoice of an order, with the submit that is applied. A duplicate does not have its own.
pub(crate) fn invoice(
    intent: &Intent,
    outcome: Outcome,
) -> Result<Vec<TransactWriteItem>, BuildError> {
    let (IntentKind::Submit(submit), Outcome::Applied) = (&intent.kind, outcome) else {
        return Ok(vec![]);
    };
    let (order, order_id) = (&submit.order, intent.order_id.to_string());
    let invoice = Put::builder()
        .table_name("invoices")
        .item("order_id", AttributeValue::S(order_id))
        .item("total", AttributeValue::N(order.total().to_string()))
        .item("currency", AttributeValue::S(order.currency().to_owned()))
        .condition_expression("attribute_not_exists(order_id)")
        .build()?;
    Ok(vec![TransactWriteItem::builder().put(invoice).build()])
}
