//! The table of announcements, which has a mark for each fact that was published.
//!
//! An item has the key of an order's row, and one attribute for each fact, named as the fact. The
//! value is the event's time. A mark is written after the fact was acknowledged and never before,
//! so a fact with a mark is in the stream. A fact without a mark may be there too.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use conditional_write::{
    Answer, Change, Condition, ItemKey, Value, Write, answer_of_update, update_item,
};
use orders::{FactEvent, OrderId, Row};
use orders_table::TableError;

/// The table of announcements.
#[derive(Clone, Debug)]
pub struct Announcements {
    client: Client,
    name: String,
}

impl Announcements {
    /// The table of this name, by this client.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// The name of the table.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The names of an order's facts that have a mark.
    ///
    /// # Errors
    /// [`TableError`] if the table cannot be read.
    pub async fn marks(&self, order_id: OrderId) -> Result<BTreeSet<String>, TableError> {
        let key = ItemKey::new(Row::KEY, order_id.to_string());
        let read = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .consistent_read(true);
        let output = read.send().await.map_err(TableError::of)?;
        let item = key.item(output.item()).unwrap_or_default();
        Ok(item.names().map(str::to_owned).collect())
    }

    /// Marks these facts of an order as published, each once. One request marks all of them, unless
    /// some have their mark already.
    ///
    /// # Errors
    /// [`TableError`] if DynamoDB gave no answer, or one that is neither a yes nor a no.
    pub async fn mark(&self, order_id: OrderId, events: &[FactEvent]) -> Result<(), TableError> {
        let key = ItemKey::new(Row::KEY, order_id.to_string());
        let mut missing: Vec<(String, Value)> = events
            .iter()
            .map(|event| (event.fact.name(), event.time.to_string().into()))
            .collect();
        while let Some(write) = marks(&missing) {
            let update = write.update(&self.name, &key);
            let result = update_item(&self.client, update).send().await;
            match answer_of_update(result, &key).map_err(TableError::of)? {
                Answer::Done => return Ok(()),
                // A mark is never taken away, so each refusal leaves fewer marks to be written.
                Answer::Refused(item) => {
                    let before = missing.len();
                    missing
                        .retain(|(name, _)| item.as_ref().is_none_or(|item| !item.contains(name)));
                    if missing.len() == before {
                        let code = "ConditionalCheckFailedException";
                        return Err(TableError::of_code(code, ""));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The write of marks none of which is there. `None` if there is nothing to be written.
fn marks(missing: &[(String, Value)]) -> Option<Write> {
    let condition = missing
        .iter()
        .map(|(name, _)| Condition::Absent(name.clone().into()))
        .reduce(Condition::and)?;
    Some(Write {
        change: Change::set(missing.iter().cloned()),
        condition,
    })
}
