//! The refusals of DynamoDB Streams, with AWS's codes and words.

use crate::failure::Failure;
use crate::violations::Violated;

/// The reason for which a call was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamsError {
    /// There is no such stream.
    #[error("Requested resource not found: Stream: {arn} not found")]
    StreamNotFound {
        /// The ARN that was asked for.
        arn: String,
    },
    /// The stream has no such shard.
    #[error("Requested resource not found: Shard does not exist")]
    ShardNotFound,
    /// The iterator was used later than
    /// [`ITERATOR_LIFETIME`](super::iterator::ITERATOR_LIFETIME) after it was made.
    #[error(
        "The shard iterator has expired and can no longer be used to retrieve stream records. A shard iterator expires \
         15 minutes after it is retrieved using the GetShardIterator action."
    )]
    ExpiredIterator,
    /// A record at or after the position is older than 24 hours, and gone.
    #[error("The operation attempted to read past the oldest stream record in a shard.")]
    Trimmed,
    /// A member breaks a constraint or has no sense here.
    #[error("{0}")]
    Validation(String),
    /// The request is not JSON, or not of the operation's shape.
    #[error("{0}")]
    Serialization(String),
}

impl StreamsError {
    fn code(&self) -> &'static str {
        match self {
            Self::StreamNotFound { .. } | Self::ShardNotFound => "ResourceNotFoundException",
            Self::ExpiredIterator => "ExpiredIteratorException",
            Self::Trimmed => "TrimmedDataAccessException",
            Self::Validation(_) => "ValidationException",
            Self::Serialization(_) => "SerializationException",
        }
    }
}

impl From<StreamsError> for Failure {
    fn from(error: StreamsError) -> Self {
        Self::client(error.code(), error.to_string())
    }
}

impl From<Violated> for StreamsError {
    fn from(Violated(message): Violated) -> Self {
        Self::Validation(message)
    }
}
