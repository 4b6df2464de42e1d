//! The refusals of Kinesis, with AWS's codes and words.

use crate::failure::Failure;
use crate::service::ACCOUNT;

/// The reason for which a call was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KinesisError {
    /// There is no such stream.
    #[error("Stream {stream} under account {ACCOUNT} not found.")]
    StreamNotFound {
        /// The stream's name.
        stream: String,
    },
    /// The stream has no such shard.
    #[error("Shard {shard} in stream {stream} under account {ACCOUNT} does not exist")]
    ShardNotFound {
        /// The stream's name.
        stream: String,
        /// The shard id asked for.
        shard: String,
    },
    /// The text that should name a shard does not have the form of a shard's id.
    #[error("Could not find shard {text} in stream {stream} under account {ACCOUNT}.")]
    NoShardId {
        /// The stream's name.
        stream: String,
        /// The text that was given in place of a shard's id.
        text: String,
    },
    /// The shards of a stream in on-demand mode are not the client's to change.
    #[error("Request is invalid. Stream {stream} under account {ACCOUNT} is in On-Demand mode.")]
    OnDemand {
        /// The stream's name.
        stream: String,
    },
    /// A stream of that name exists already.
    #[error("Stream {stream} under account {ACCOUNT} already exists.")]
    StreamExists {
        /// The stream's name.
        stream: String,
    },
    /// The shard's limit for this second is used up. A retry is worthwhile.
    #[error("Rate exceeded for shard {shard} in stream {stream} under account {ACCOUNT}.")]
    ThroughputExceeded {
        /// The stream's name.
        stream: String,
        /// The shard's id.
        shard: String,
    },
    /// The shard holds as much as [`shard_capacity_bytes`] allows.
    ///
    /// [`shard_capacity_bytes`]: super::KinesisOptions::shard_capacity_bytes
    #[error(
        "Shard {shard} in stream {stream} is full: the {capacity} bytes that it may hold here are taken until the \
         stream's retention ends for older records."
    )]
    ShardFull {
        /// The stream's name.
        stream: String,
        /// The shard's id.
        shard: String,
        /// The bytes that the shard may hold.
        capacity: usize,
    },
    /// The iterator was used later than [`ITERATOR_LIFETIME`](super::ITERATOR_LIFETIME) after it
    /// was made.
    #[error("{0}")]
    ExpiredIterator(String),
    /// The stream has, or would have, too many shards, or more or less than one step may make of
    /// it.
    #[error("{0}")]
    LimitExceeded(String),
    /// An argument has the right form but no sense here.
    #[error("{0}")]
    InvalidArgument(String),
    /// A field breaks the constraints of its shape.
    #[error("{0}")]
    Validation(String),
    /// The request is not JSON, or not of the operation's shape.
    #[error("{0}")]
    Serialization(String),
}

impl KinesisError {
    /// The code that AWS sends for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::StreamNotFound { .. } | Self::ShardNotFound { .. } | Self::NoShardId { .. } => {
                "ResourceNotFoundException"
            }
            Self::StreamExists { .. } => "ResourceInUseException",
            Self::ThroughputExceeded { .. } | Self::ShardFull { .. } => {
                "ProvisionedThroughputExceededException"
            }
            Self::ExpiredIterator(_) => "ExpiredIteratorException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::InvalidArgument(_) => "InvalidArgumentException",
            Self::Validation(_) | Self::OnDemand { .. } => "ValidationException",
            Self::Serialization(_) => "SerializationException",
        }
    }
}

impl From<KinesisError> for Failure {
    fn from(error: KinesisError) -> Self {
        Self::client(error.code(), error.to_string())
    }
}
