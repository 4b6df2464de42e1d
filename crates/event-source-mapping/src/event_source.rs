//! The source of records. It has the kind of stream, and the facts about it that each record of an
//! invocation carries.

use crate::ArrivalDecimals;

/// The facts about the source that each record of an invocation carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// The ARN of the stream.
    pub event_source_arn: String,
    /// The region of the stream.
    pub aws_region: String,
    /// The ARN of the function's execution role.
    pub invoke_identity_arn: String,
    /// How exactly the event gives the time at which a record arrived. It applies to Kinesis only.
    pub arrival_decimals: ArrivalDecimals,
}

/// The kinds of streams that are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// A Kinesis data stream.
    Kinesis,
    /// The change stream of a DynamoDB table.
    DynamoDb,
}

impl StreamKind {
    /// The kind of stream that `arn` names. `None` if it names no stream.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        if is_arn_of(arn, &["kinesis"]) {
            Some(Self::Kinesis)
        } else if is_arn_of(arn, &["dynamodb"]) && arn.contains("/stream/") {
            Some(Self::DynamoDb)
        } else {
            None
        }
    }
}

impl EventSource {
    pub(crate) fn kind(&self) -> StreamKind {
        match self.event_source_arn.split(':').nth(2) {
            Some("dynamodb") => StreamKind::DynamoDb,
            _ => StreamKind::Kinesis,
        }
    }
}

/// True if `arn` is one of these services' (`arn:partition:service:region:account:resource`).
pub(crate) fn is_arn_of(arn: &str, services: &[&str]) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let complete =
        parts.len() == 6 && parts[0] == "arn" && parts[1..].iter().all(|part| !part.is_empty());
    complete && services.contains(&parts[2])
}
