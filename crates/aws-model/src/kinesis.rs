//! Kinesis Data Streams with the rules that a producer or a consumer can run into.
//!
//! [`Kinesis`] has a Rust interface for code in the same process. The operations of the wire are in
//! `operations.rs` and use the same state.
//!
//! The model differs from AWS in these points:
//! - A stream is active as soon as it is created and gone as soon as it is deleted. It is split or
//!   merged at once.
//! - A stream in on-demand mode keeps the four shards that it begins with. They do not grow with
//!   the traffic.
//! - Enhanced fan-out, encryption, tags and the limits of reading are not modelled.
//! - A member that is not modelled is refused by its name. AWS ignores a member that AWS does not
//!   know, and the model refuses such a member too.

mod error;
mod hash_range;
mod input;
mod iterator;
mod limits;
mod operations;
mod position;
mod reshard;
mod sequence_number;
mod shard;
mod shard_filter;
mod stream;
mod violations;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::clock::Clock;
use crate::random::Random;
use crate::service::{ACCOUNT, DEFAULT_REGION};
pub use error::KinesisError;
pub use hash_range::{HashRange, hash_key};
pub(crate) use iterator::ShardIterator;
use limits::RETENTION_HOURS;
pub use limits::{
    ITERATOR_LIFETIME, KinesisOptions, MAX_GET_RECORDS, MAX_GET_RECORDS_BYTES,
    MAX_PARTITION_KEY_CHARS, MAX_PUT_RECORDS, MAX_PUT_RECORDS_BYTES, MAX_RECORD_BYTES, MAX_SHARDS,
};
pub(crate) use operations::stream_of_token;
pub use position::{Position, ReadRecords};
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use shard::Record;
use shard::Shard;
use stream::{Mode, Stream};
use violations::{check_new_stream, check_record};

/// A shard as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDescription {
    /// `shardId-` and twelve digits.
    pub id: String,
    /// The hash keys that are routed to it.
    pub hash_range: HashRange,
    /// The shard that it was split from, or the first of the two that it was merged from. The
    /// parent may have expired.
    pub parent: Option<String>,
    /// The second of the two that it was merged from.
    pub adjacent_parent: Option<String>,
    /// A number below that of every record in it.
    pub starting_sequence_number: SequenceNumber,
    /// A number above that of every record in it, once it is split or merged. The closed shard is
    /// listed until its records have expired.
    pub ending_sequence_number: Option<SequenceNumber>,
    /// How many records it holds now.
    pub records: usize,
    /// How many bytes it holds now, with an estimate of the bookkeeping.
    pub stored_bytes: usize,
}

/// The place where a record was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The shard's id.
    pub shard_id: String,
    /// The record's number in it.
    pub sequence_number: SequenceNumber,
}

/// The streams. A cheap handle, whose clones share one state.
#[derive(Clone)]
pub struct Kinesis {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    random: Random,
    options: KinesisOptions,
    streams: Mutex<BTreeMap<String, Stream>>,
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinesis").finish_non_exhaustive()
    }
}

impl Kinesis {
    pub(crate) fn new(clock: Arc<dyn Clock>, seed: u64, options: KinesisOptions) -> Self {
        let random = Random::seeded(seed);
        Self {
            inner: Arc::new(Inner {
                clock,
                random,
                options,
                streams: Mutex::default(),
            }),
        }
    }

    /// Creates a stream, active at once.
    ///
    /// # Errors
    /// - `Validation` for a bad name (1–128 of `a–z A–Z 0–9 _ . -`), for no shards or more than
    ///   [`MAX_SHARDS`], and for a retention outside 24–8,760 hours.
    /// - `StreamExists` if there is a stream of this name.
    pub fn create_stream(
        &self,
        stream: &str,
        shards: u32,
        retention_hours: u32,
    ) -> Result<(), KinesisError> {
        if !RETENTION_HOURS.contains(&retention_hours) {
            return Err(KinesisError::Validation(format!(
                "retention_hours must be from {} to {}",
                RETENTION_HOURS.start(),
                RETENTION_HOURS.end()
            )));
        }
        check_new_stream(stream, shards)?;
        self.insert_stream(stream, Mode::Provisioned, shards, retention_hours)
    }

    fn insert_stream(
        &self,
        stream: &str,
        mode: Mode,
        shards: u32,
        retention_hours: u32,
    ) -> Result<(), KinesisError> {
        let now = self.inner.clock.now_millis();
        let mut streams = self.lock();
        if streams.contains_key(stream) {
            return Err(KinesisError::StreamExists {
                stream: stream.to_owned(),
            });
        }
        let next_shard = shards;
        let shards = (0..shards)
            .zip(hash_range::split(shards))
            .map(|(number, range)| Shard::new(number, range, now))
            .collect();
        streams.insert(
            stream.to_owned(),
            Stream {
                mode,
                created_millis: now,
                retention_hours,
                shards,
                next_shard,
            },
        );
        Ok(())
    }

    /// The stream's shards, sorted by their ids. A closed shard is among them until it expires.
    ///
    /// # Errors
    /// `StreamNotFound`.
    pub fn shards(&self, stream: &str) -> Result<Vec<ShardDescription>, KinesisError> {
        self.with_stream(stream, |stream| {
            Ok(stream
                .shards
                .iter()
                .map(|shard| {
                    let (records, stored_bytes) = shard.stored();
                    let [parent, adjacent_parent] = shard.parent_ids();
                    ShardDescription {
                        id: shard.id(),
                        hash_range: shard.range(),
                        parent,
                        adjacent_parent,
                        starting_sequence_number: shard.starting_sequence_number(),
                        ending_sequence_number: shard.ending_sequence_number(),
                        records,
                        stored_bytes,
                    }
                })
                .collect())
        })
    }

    /// Puts one record, as PutRecord does, and counts it against the shard's write limits.
    ///
    /// # Errors
    /// - `StreamNotFound` if there is no stream of this name.
    /// - `Validation` for a partition key of 0 or more than 256 characters, and for data and key of
    ///   more than 1 MiB.
    /// - `ThroughputExceeded` if the shard's limit for this second is used up.
    /// - `ShardFull` if the shard has no room.
    pub fn put_record(
        &self,
        stream: &str,
        partition_key: &str,
        data: Bytes,
    ) -> Result<Placed, KinesisError> {
        check_record(partition_key, &data)?;
        self.put(stream, partition_key, hash_key(partition_key), data)
    }

    fn put(
        &self,
        name: &str,
        partition_key: &str,
        hash_key: u128,
        data: Bytes,
    ) -> Result<Placed, KinesisError> {
        let now = self.inner.clock.now_millis();
        let options = &self.inner.options;
        // AWS's numbers have gaps. A client that needs consecutive numbers should fail here too.
        let gap = 1 + (self.inner.random.next() & 0xF);
        self.with_stream(name, |stream| {
            let retention = stream.retention_millis();
            let shard = stream.shard_of(hash_key);
            let bytes = data.len() + partition_key.len();
            shard.trim(now, retention);
            if !shard.has_room(bytes, options.shard_capacity_bytes) {
                return Err(KinesisError::ShardFull {
                    stream: name.to_owned(),
                    shard: shard.id(),
                    capacity: options.shard_capacity_bytes,
                });
            }
            if options.write_limits && !shard.admits_write(now, bytes) {
                return Err(KinesisError::ThroughputExceeded {
                    stream: name.to_owned(),
                    shard: shard.id(),
                });
            }
            let sequence_number = shard.append(now, gap, partition_key.to_owned(), data);
            Ok(Placed {
                shard_id: shard.id(),
                sequence_number,
            })
        })
    }

    /// Reads at most `limit` records of a shard from a position on. More than 10,000 records or 10
    /// MiB are never read at once.
    ///
    /// This is for a poller in the same process. The read counts against no limit and cannot
    /// expire.
    ///
    /// A position older than the retention reads from the oldest record kept.
    ///
    /// # Errors
    /// `StreamNotFound` or `ShardNotFound`. `InvalidArgument` for a sequence number of another
    /// shard or stream.
    pub fn read(
        &self,
        stream: &str,
        shard_id: &str,
        position: Position,
        limit: usize,
    ) -> Result<ReadRecords, KinesisError> {
        let now = self.inner.clock.now_millis();
        self.with_stream(stream, |found| {
            let retention = found.retention_millis();
            let shard = found.shard(stream, shard_id)?;
            shard.trim(now, retention);
            let from = position.counter_before(shard, stream)?;
            let (records, counter, millis_behind_latest) =
                shard.read_after(from, limit.min(MAX_GET_RECORDS), MAX_GET_RECORDS_BYTES, now);
            let after = records.last().map_or_else(
                || shard.sequence_number_at(counter),
                |record| record.sequence_number,
            );
            Ok(ReadRecords {
                records,
                after,
                ended: !shard.is_open() && millis_behind_latest == 0,
                millis_behind_latest,
            })
        })
    }

    /// The stream's ARN, in the region `us-east-1`. It need not exist.
    #[must_use]
    pub fn stream_arn(&self, stream: &str) -> String {
        stream_arn(DEFAULT_REGION, stream)
    }

    fn with_stream<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Stream) -> Result<T, KinesisError>,
    ) -> Result<T, KinesisError> {
        let mut streams = self.lock();
        let stream = streams
            .get_mut(name)
            .ok_or_else(|| KinesisError::StreamNotFound {
                stream: name.to_owned(),
            })?;
        stream.trim(self.inner.clock.now_millis());
        work(stream)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stream>> {
        self.inner
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn stream_arn(region: &str, stream: &str) -> String {
    format!("arn:aws:kinesis:{region}:{ACCOUNT}:stream/{stream}")
}
