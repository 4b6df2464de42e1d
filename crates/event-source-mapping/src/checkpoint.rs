//! How far a mapping is in a shard: what another mapping needs to know to go on without a gap.

use crate::{SequenceNumber, StartingPosition};

/// How far a mapping is in a shard. Another mapping goes on from it:
/// [`Mapping::resume`](crate::Mapping::resume).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing of the shard is over yet; its reading begins here.
    ///
    /// From the first read on it is never [`StartingPosition::Latest`], whose meaning changes with
    /// every record that is put, but the time of that read by the caller's clock. A clock that is
    /// ahead of Kinesis' can therefore skip what was put within the difference, one that is behind
    /// can deliver records from before the first read.
    Start(StartingPosition),
    /// Everything up to and including this record was processed or discarded.
    After(SequenceNumber),
}
