//! Splitting and merging. A shard is closed and keeps its records. Its hash keys go to children,
//! which are new shards.
//!
//! Source: Kinesis API reference, `SplitShard`, `MergeShards`, `UpdateShardCount`. The messages are
//! worded as kinesalite and moto recorded them from AWS. On AWS the stream is UPDATING for some
//! seconds. Here the change is done when the call returns.

use super::Kinesis;
use super::error::KinesisError;
use super::hash_range::{self, HashRange};
use super::limits::MAX_SHARDS;
use super::shard::Shard;
use super::stream::{Mode, Stream};
use crate::service::ACCOUNT;

impl Kinesis {
    /// Splits a shard in two. The hash keys from `new_starting_hash_key` on go to the second child,
    /// and the other hash keys go to the first.
    ///
    /// # Errors
    /// - `StreamNotFound`
    /// - `OnDemand` if the stream is in on-demand mode
    /// - `NoShardId` if the stream has no such shard
    /// - `InvalidArgument` if the shard is closed
    /// - `InvalidArgument` if the hash key is not both greater than one plus the shard's first hash
    ///   key and less than the shard's last
    /// - `LimitExceeded` beyond [`MAX_SHARDS`] open shards
    pub fn split_shard(
        &self,
        stream: &str,
        shard: &str,
        new_starting_hash_key: u128,
    ) -> Result<(), KinesisError> {
        let now = self.inner.clock.now_millis();
        self.with_stream(stream, |found| {
            let parent = found.open_shard(stream, shard)?;
            let (shard, HashRange { start, end }) = (parent.id(), parent.range());
            let key = new_starting_hash_key;
            if key <= start.saturating_add(1) || key >= end {
                return Err(KinesisError::InvalidArgument(format!(
                    "NewStartingHashKey {key} used in SplitShard() on shard {shard} in stream {stream} under account \
                     {ACCOUNT} is not both greater than one plus the shard's StartingHashKey {start} and less than the \
                     shard's EndingHashKey {end}."
                )));
            }
            let open = found.open_shards().count();
            if open >= usize::try_from(MAX_SHARDS).unwrap_or(usize::MAX) {
                return Err(KinesisError::LimitExceeded(format!(
                    "This request would exceed the shard limit for the account {ACCOUNT}. Current shard count for the \
                     account: {open}. Limit: {MAX_SHARDS}. Number of additional shards that would have resulted from \
                     this request: 1."
                )));
            }
            found.split_at(key, now);
            Ok(())
        })
    }

    /// Merges two open shards whose hash keys adjoin into one. `shard` has the lower hash keys, and
    /// `adjacent` the higher ones.
    ///
    /// # Errors
    /// - `StreamNotFound`
    /// - `OnDemand` if the stream is in on-demand mode
    /// - `NoShardId` if the stream has no such shard
    /// - `InvalidArgument` if one of the shards is closed
    /// - `InvalidArgument` if the hash keys of `adjacent` do not follow directly on those of
    ///   `shard`
    pub fn merge_shards(
        &self,
        stream: &str,
        shard: &str,
        adjacent: &str,
    ) -> Result<(), KinesisError> {
        let now = self.inner.clock.now_millis();
        self.with_stream(stream, |found| {
            let lower = found.open_shard(stream, shard)?;
            let (shard, lower) = (lower.id(), lower.range());
            let upper = found.open_shard(stream, adjacent)?;
            let (adjacent, upper) = (upper.id(), upper.range());
            if lower.end.checked_add(1) != Some(upper.start) {
                return Err(KinesisError::InvalidArgument(format!(
                    "Shards {shard} and {adjacent} in stream {stream} under account {ACCOUNT} are not an adjacent pair \
                     of shards eligible for merging"
                )));
            }
            found.merge_at(upper.start, now);
            Ok(())
        })
    }

    /// Splits and merges shards until `target` shards of equal width are open. Returns the number
    /// of shards that were open before. As on AWS, the call can leave shards behind that were
    /// closed as soon as they were made.
    ///
    /// # Errors
    /// - `StreamNotFound`
    /// - `OnDemand` if the stream is in on-demand mode
    /// - `LimitExceeded` for more than [`MAX_SHARDS`] shards, or for more than double or less than
    ///   half of the open shards
    pub fn update_shard_count(&self, stream: &str, target: u32) -> Result<u32, KinesisError> {
        let now = self.inner.clock.now_millis();
        self.with_stream(stream, |found| {
            if found.mode == Mode::OnDemand {
                return Err(KinesisError::OnDemand {
                    stream: stream.to_owned(),
                });
            }
            let open = u32::try_from(found.open_shards().count()).unwrap_or(u32::MAX);
            let refused = if target > MAX_SHARDS {
                format!("number of open shards cannot be greater than {MAX_SHARDS}")
            } else if target > open.saturating_mul(2) {
                "UpdateShardCount cannot scale up over double your current open shard count"
                    .to_owned()
            } else if target.saturating_mul(2) < open {
                "UpdateShardCount cannot scale down below half your current open shard count"
                    .to_owned()
            } else {
                found.scale(target, now);
                return Ok(open);
            };
            Err(KinesisError::LimitExceeded(format!(
                "{refused}. Current open shard count: {open}, Target shard count: {target}"
            )))
        })
    }
}

impl Stream {
    fn open_shard(&mut self, stream: &str, id: &str) -> Result<&Shard, KinesisError> {
        if self.mode == Mode::OnDemand {
            return Err(KinesisError::OnDemand {
                stream: stream.to_owned(),
            });
        }
        // Resharding answers as if the text were not a shard's id (recorded by kinesalite's
        // author).
        let shard = self.shard(stream, id).map_err(|error| match error {
            KinesisError::ShardNotFound { stream, shard } => KinesisError::NoShardId {
                stream,
                text: shard,
            },
            other => other,
        })?;
        if shard.is_open() {
            return Ok(shard);
        }
        let id = shard.id();
        Err(KinesisError::InvalidArgument(format!(
            "Shard {id} in stream {stream} under account {ACCOUNT} has already been merged or split, and thus is not \
             eligible for merging or splitting."
        )))
    }

    /// Closes the open shards within `range` and puts children with `ranges` in their place.
    fn replace(&mut self, range: HashRange, ranges: &[HashRange], now: u64) {
        let mut parents: Vec<&mut Shard> = self
            .shards
            .iter_mut()
            .filter(|shard| shard.is_open() && range.contains(shard.range().start))
            .collect();
        parents.sort_by_key(|shard| shard.range().start);
        parents.iter_mut().for_each(|parent| parent.close(now));
        let parents: Vec<&Shard> = parents.into_iter().map(|parent| &*parent).collect();
        let children: Vec<Shard> = (self.next_shard..)
            .zip(ranges)
            .map(|(number, range)| Shard::child(number, *range, now, &parents))
            .collect();
        self.next_shard += u32::try_from(children.len()).unwrap_or(0);
        self.shards.extend(children);
    }

    /// Makes `key` the first hash key of a shard.
    fn split_at(&mut self, key: u128, now: u64) {
        let holds = |range: &HashRange| range.start < key && key <= range.end;
        let Some(range) = self.open_shards().map(Shard::range).find(holds) else {
            return;
        };
        let lower = HashRange {
            end: key - 1,
            ..range
        };
        let upper = HashRange {
            start: key,
            ..range
        };
        self.replace(range, &[lower, upper], now);
    }

    /// Merges the shard that begins with `key` with the shard before it.
    fn merge_at(&mut self, key: u128, now: u64) {
        let beginning = |range: &HashRange| range.start == key;
        let ending = |range: &HashRange| range.end.checked_add(1) == Some(key);
        let upper = self.open_shards().map(Shard::range).find(beginning);
        let lower = self.open_shards().map(Shard::range).find(ending);
        if let (Some(lower), Some(upper)) = (lower, upper) {
            let range = HashRange {
                start: lower.start,
                end: upper.end,
            };
            self.replace(range, &[range], now);
        }
    }

    fn scale(&mut self, target: u32, now: u64) {
        let starts: Vec<u128> = hash_range::split(target)
            .iter()
            .map(|range| range.start)
            .collect();
        for start in &starts {
            self.split_at(*start, now);
        }
        let mut superfluous: Vec<u128> = self
            .open_shards()
            .map(|shard| shard.range().start)
            .filter(|start| !starts.contains(start))
            .collect();
        superfluous.sort_unstable();
        for start in superfluous {
            self.merge_at(start, now);
        }
    }
}
