//! One stream with its shards, its retention and its mode.

use std::time::Duration;

use super::error::KinesisError;
use super::shard::{self, Shard};
use crate::clock::millis;

/// Provisioned shards are set by the client, and on-demand shards by Kinesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Provisioned,
    OnDemand,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

/// A stream that exists.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) mode: Mode,
    pub(super) created_millis: u64,
    pub(super) retention_hours: u32,
    /// Sorted by their numbers. A closed shard is among them until it expires.
    pub(super) shards: Vec<Shard>,
    /// The number of the next shard.
    pub(super) next_shard: u32,
}

impl Stream {
    pub(super) fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.is_open())
    }

    /// Drops the closed shards whose records have all expired.
    pub(super) fn trim(&mut self, now: u64) {
        let retention = self.retention_millis();
        self.shards
            .retain(|shard| !shard.is_expired(now, retention));
    }

    pub(super) fn retention_millis(&self) -> u64 {
        millis(Duration::from_secs(u64::from(self.retention_hours) * 3_600))
    }

    /// The open shard that takes records with this hash key.
    #[expect(
        clippy::expect_used,
        reason = "creating, splitting and merging hand all hash keys on to open shards"
    )]
    pub(super) fn shard_of(&mut self, hash_key: u128) -> &mut Shard {
        self.shards
            .iter_mut()
            .find(|shard| shard.is_open() && shard.range().contains(hash_key))
            .expect("the open shards share all hash keys among them")
    }

    /// The shard of an id, see [`shard::number_of`].
    pub(super) fn shard(&mut self, stream: &str, id: &str) -> Result<&mut Shard, KinesisError> {
        let number = number_of(stream, id)?;
        self.shards
            .iter_mut()
            .find(|shard| shard.number() == number)
            .ok_or_else(|| KinesisError::ShardNotFound {
                stream: stream.to_owned(),
                shard: shard::shard_id(number),
            })
    }
}

pub(super) fn number_of(stream: &str, id: &str) -> Result<u32, KinesisError> {
    shard::number_of(id).ok_or_else(|| KinesisError::NoShardId {
        stream: stream.to_owned(),
        text: id.to_owned(),
    })
}
