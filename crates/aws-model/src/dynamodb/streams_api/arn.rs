//! The ARN of a change stream.

use std::fmt;

use super::error::StreamsError;
use crate::dynamodb::change_stream::ChangeStream;
use crate::service::ACCOUNT;

/// `arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>`. All regions share one state,
/// so the region does not tell two streams apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamArn {
    region: String,
    account: String,
    pub(crate) table: String,
    label: String,
}

impl StreamArn {
    pub(super) fn of(stream: &ChangeStream, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            account: ACCOUNT.to_owned(),
            table: stream.table().to_owned(),
            label: stream.label().to_owned(),
        }
    }

    /// Reads an ARN. On AWS a text of another form is a `ValidationException`.
    pub(super) fn parse(text: &str) -> Result<Self, StreamsError> {
        Self::read(text).ok_or_else(|| StreamsError::Validation("Invalid StreamArn".to_owned()))
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("arn:aws:dynamodb:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, rest) = rest.split_once(':')?;
        let (table, label) = rest.strip_prefix("table/")?.split_once("/stream/")?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (is_account && !region.is_empty() && !table.is_empty() && !label.is_empty()).then(|| Self {
            region: region.to_owned(),
            account: account.to_owned(),
            table: table.to_owned(),
            label: label.to_owned(),
        })
    }

    /// True if the ARN is that of the stream. A stream of another account is out of reach.
    pub(super) fn is_of(&self, stream: &ChangeStream) -> bool {
        self.account == ACCOUNT && self.place() == (stream.table(), stream.label())
    }

    /// The place among all streams, which are listed by table.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.table, &self.label)
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            region,
            account,
            table,
            label,
        } = self;
        write!(
            f,
            "arn:aws:dynamodb:{region}:{account}:table/{table}/stream/{label}"
        )
    }
}
