//! The strongly consistent read of one row.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use conditional_write::Item;
use function_runtime::NoAnswer;
use orders::{Caller, OrderId, Row};

use crate::{OrdersTable, TableError};

impl OrdersTable {
    /// The row of an order of this owner, by a strongly consistent read. An order that was there
    /// once then does not go away again.
    ///
    /// The row of another owner is `None`, as an order that does not exist, and nothing but its
    /// owner is read. So neither an error nor the time that it takes to read a row tells a stranger
    /// that there is one.
    ///
    /// # Errors
    /// [`TableError`] if there is no answer within the client's time or `time_left`, or none that
    /// can be read.
    pub async fn read(
        &self,
        order_id: OrderId,
        owner: &Caller,
        time_left: Duration,
    ) -> Result<Option<Row>, TableError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(Row::KEY, AttributeValue::S(order_id.to_string()))
            .consistent_read(true)
            .send();
        let answer = tokio::time::timeout(time_left, request).await;
        let output = answer
            .map_err(|_| TableError::NoAnswer {
                reason: NoAnswer::NoTimeLeft,
                source: None,
            })?
            .map_err(TableError::of)?;
        let item = output.item().filter(|item| is_owned_by(item, owner));
        let row = item.map(|item| Row::from_item(&Item::from(item)));
        Ok(row.transpose()?)
    }
}

fn is_owned_by(item: &HashMap<String, AttributeValue>, caller: &Caller) -> bool {
    matches!(item.get(Row::OWNER), Some(AttributeValue::S(owner)) if owner == caller.as_str())
}
