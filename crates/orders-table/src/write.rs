//! One conditional write to a row, by itself or in a transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use conditional_write::{
    Answer, ItemKey, Write, answer_of_cancellation, answer_of_update, update_item,
};
use orders::{OrderId, Row};

use crate::{OrdersTable, TableError};

impl OrdersTable {
    /// Does one conditional write to an order's row, and with it these other items. Either all of
    /// them are written or none.
    ///
    /// Without other items it is one `UpdateItem`. With some it is one `TransactWriteItems`, whose
    /// first item is the row. A transaction takes at most 100 items, and costs two write units a KB
    /// where an `UpdateItem` costs one (developer guide, "Amazon DynamoDB Transactions").
    ///
    /// # Errors
    /// [`TableError`] if DynamoDB gave no answer, or one that is neither a yes nor a no of the row.
    /// An item besides the row that refuses is [`TableError::Failed`] with the code of its reason.
    pub async fn write(
        &self,
        order_id: OrderId,
        write: &Write,
        others: Vec<TransactWriteItem>,
    ) -> Result<Answer, TableError> {
        let key = ItemKey::new(Row::KEY, order_id.to_string());
        let update = write.update(&self.name, &key);
        if others.is_empty() {
            let result = update_item(&self.client, update).send().await;
            return answer_of_update(result, &key).map_err(TableError::of);
        }
        self.transact(&key, update, others).await
    }

    async fn transact(
        &self,
        key: &ItemKey,
        row: Update,
        others: Vec<TransactWriteItem>,
    ) -> Result<Answer, TableError> {
        let mut items = vec![TransactWriteItem::builder().update(row).build()];
        items.extend(others);
        let request = self.client.transact_write_items();
        let error = match request.set_transact_items(Some(items)).send().await {
            Ok(_) => return Ok(Answer::Done),
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return Err(TableError::of(error));
        };
        // There is one reason an item, in their sequence. The row is also the most important one,
        // because where it was written before, every other condition may fail because of it.
        let reasons = cancelled.cancellation_reasons();
        reasons
            .first()
            .and_then(|reason| answer_of_cancellation(reason, key))
            .ok_or_else(|| TableError::of_cancellation(reasons))
    }
}
