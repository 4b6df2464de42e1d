//! How far a mapping is in a shard. Another mapping needs to know it to go on without a gap.

use crate::{SequenceNumber, StartingPosition};

/// How far a mapping is in a shard. [`Mapping::resume`](crate::Mapping::resume) makes another
/// mapping that goes on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// No record of the shard was processed or discarded yet, and reading begins here.
    ///
    /// From the first read on it is never [`StartingPosition::Latest`], whose meaning changes with
    /// every record that is put. It is the time of that first read by the caller's clock. If that
    /// clock is ahead of Kinesis' clock, records that were put within the difference may be
    /// skipped. If it is behind, records from before the first read may be delivered.
    Start(StartingPosition),
    /// Everything up to and including this record was processed or discarded.
    After(SequenceNumber),
}
