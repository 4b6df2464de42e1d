//! The reasons why an intent was not applied, and the verdict of each on the record.

use aws_sdk_dynamodb::error::BuildError;
use keyed_batch::Verdict;
use orders_table::TableError;

/// The reason why an intent was not applied, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The table gave no answer, or one that is neither a yes nor a no.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An item that is to be written with the row lacks a part that DynamoDB requires. This is a
    /// mistake in [`Consumer::writing_also`](crate::Consumer::writing_also).
    #[error("an item that is to be written with the row is incomplete")]
    IncompleteItem(#[from] BuildError),
    /// The row was another one at every step.
    #[error("the row keeps changing")]
    RowKeepsChanging,
}

impl ApplyError {
    /// The verdict on the record. Only an item that is too large is poison. An intent whose row
    /// cannot be read is sound, so it waits.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Table(TableError::ItemTooLarge) => Verdict::Reject(self.reason()),
            _ => Verdict::Retry(self.reason()),
        }
    }

    /// True if the error passes by itself. Otherwise somebody has to mend something. The record
    /// waits in either case.
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        match self {
            Self::Table(error) => error.passes_by_itself(),
            Self::IncompleteItem(_) => false,
            Self::RowKeepsChanging => true,
        }
    }

    /// A short name for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Table(error) => error.reason(),
            Self::IncompleteItem(_) => "incomplete_item",
            Self::RowKeepsChanging => "row_keeps_changing",
        }
    }

    /// The code to look for, for the log. It is AWS's error code where there is one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Table(error) => error.code(),
            _ => self.reason(),
        }
    }
}
