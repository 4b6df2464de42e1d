//! The place where reading begins on a shard without a checkpoint.

use crate::Timestamp;

/// The place where reading begins on a shard without a checkpoint (`StartingPosition`).
///
/// A shard that appears later, because the stream was resharded, is read from its oldest record
/// under `Latest` too. Everything in it is newer than the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record that the stream still has.
    TrimHorizon,
    /// The records that are put after the mapping first reads the shard.
    Latest,
    /// The first record that arrived at this time or later (`StartingPositionTimestamp`). A
    /// DynamoDB stream does not have it.
    AtTimestamp(Timestamp),
}
