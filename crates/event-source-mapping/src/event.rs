//! The events that the caller tells the machine. The answer to an action is one of them.

use crate::read::NotRead;
use crate::{Completion, Read, ShardId};

/// Something that the caller tells the machine.
#[derive(Debug)]
pub enum Event {
    /// Time has passed, and [`Step::wake_at`](crate::Step::wake_at) has come. The event is harmless
    /// at any other time.
    Wake,
    /// The answer of ListShards, with all its pages. The first listing begins the work.
    ///
    /// - A shard that a later listing names for the first time (after resharding) is added.
    /// - A shard that a later listing no longer names is gone. The records read from it are
    ///   delivered, then the shard is finished.
    /// - A shard whose parent is neither named nor known waits for the gone shards too, since a
    ///   gone shard may be its ancestor.
    ///
    /// A listing may be repeated at any time, best after
    /// [`Occurrence::ShardFinished`](crate::Occurrence::ShardFinished) and
    /// [`Occurrence::ReadFailed`](crate::Occurrence::ReadFailed).
    ShardsListed(Vec<ShardListing>),
    /// The child shards that the last read of a closed shard named (`ChildShards` of GetRecords).
    ///
    /// They are added like the shards of a listing, but no shard counts as gone. The child of a
    /// merge may have another parent that is not known. The child waits for that parent until a
    /// listing has named the parent or is without it.
    ShardsFound(Vec<ShardListing>),
    /// Begin, or go on from the checkpoints. Nothing changes if the mapping is enabled.
    Enable,
    /// The stop switch. An invocation or discard in flight may finish, and it moves the checkpoint.
    /// Records that were read but not sent are dropped. They are read again from the checkpoint,
    /// with their retries counted anew. Nothing changes if the mapping is disabled.
    Disable,
    /// The answer to an action.
    ActionResult(ActionResult),
}

/// A shard as ListShards names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardListing {
    /// The shard.
    pub shard_id: ShardId,
    /// The shards that it was split or merged from (`ParentShardId`, `AdjacentParentShardId`). They
    /// are read before it, if they are still there.
    pub parents: Vec<ShardId>,
}

impl ShardListing {
    /// A shard without parents.
    pub fn new(shard_id: impl Into<ShardId>) -> Self {
        Self {
            shard_id: shard_id.into(),
            parents: Vec::new(),
        }
    }
}

/// The answer to an action. Only an action can make one. It means something only to the mapping
/// that the action is from.
#[derive(Debug)]
pub struct ActionResult {
    pub(crate) shard_id: ShardId,
    pub(crate) id: u64,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Read(Result<Read, NotRead>),
    Invoked {
        request_id: String,
        completion: Completion,
    },
    Discarded {
        delivered: bool,
    },
}
