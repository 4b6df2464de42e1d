//! A change of an order's row, read from the table's change stream.

use std::time::Duration;

use conditional_write::Item;
use keyed_batch::{ChangeKind, DynamoDbRecord};
use orders::{Fact, FactEvent, OrderId, Row, Timestamp, UnreadableRow};
use serde_json::Value;

/// The reason why a change announces nothing that is known. No delivery ever reads it better, so
/// the record is rejected. The facts of its order can be derived from the row again.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableChange {
    /// The images have no order id that the service makes.
    #[error("the change is not about an order's row")]
    NoOrderId,
    /// An image is missing. The table's stream must have both (`NEW_AND_OLD_IMAGES`), or every
    /// change would pass for a creation or a deletion.
    #[error("an image of the row is missing")]
    MissingImage,
    /// The event does not say when the row changed, which DynamoDB always does.
    #[error("the change has no time")]
    NoTime,
    /// An image is not as this version of the service writes a row.
    #[error("an image of the row cannot be read")]
    Row(#[from] UnreadableRow),
}

impl UnreadableChange {
    /// A short name for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoOrderId => "no_order_id",
            Self::MissingImage => "missing_image",
            Self::NoTime => "no_time",
            Self::Row(_) => "unreadable_row",
        }
    }
}

/// The events of the facts that a change announces, in the sequence in which they are to be
/// published.
///
/// A row that DynamoDB deleted because its time to live had ended announces nothing. The service
/// sets no time to live, so a person who added one wants old rows to go in silence.
///
/// # Errors
/// [`UnreadableChange`] with the reason.
pub fn announced_by(change: &DynamoDbRecord) -> Result<Vec<FactEvent>, UnreadableChange> {
    if change.is_expiry {
        return Ok(Vec::new());
    }
    let (old, new) = (change.old_image.as_ref(), change.new_image.as_ref());
    let order_id = new
        .or(old)
        .and_then(order_id)
        .ok_or(UnreadableChange::NoOrderId)?;
    let has_its_images = match change.kind {
        Some(ChangeKind::Insert) => old.is_none() && new.is_some(),
        Some(ChangeKind::Modify) => old.is_some() && new.is_some(),
        Some(ChangeKind::Remove) => old.is_some() && new.is_none(),
        None => false,
    };
    if !has_its_images {
        return Err(UnreadableChange::MissingImage);
    }
    let changed_at = change
        .approximate_creation
        .and_then(timestamp)
        .ok_or(UnreadableChange::NoTime)?;
    let (old, new) = (row(old)?, row(new)?);
    let facts = Fact::announced_by(old.as_ref(), new.as_ref()).into_iter();
    Ok(facts
        .map(|fact| FactEvent::new(order_id, fact, changed_at))
        .collect())
}

fn order_id(image: &Value) -> Option<OrderId> {
    OrderId::parse(image[Row::KEY]["S"].as_str()?)
}

fn timestamp(since_epoch: Duration) -> Option<Timestamp> {
    Timestamp::from_unix_millis(since_epoch.as_millis().try_into().ok()?)
}

fn row(image: Option<&Value>) -> Result<Option<Row>, UnreadableRow> {
    let attributes = image.and_then(Value::as_object);
    attributes
        .map(|attributes| Row::from_item(&Item::from_json(attributes)))
        .transpose()
}
