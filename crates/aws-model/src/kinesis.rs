//! Kinesis Data Streams: streams, shards and records, with the rules a producer or consumer can run
//! into.
//!
//! [`Kinesis`] has a Rust interface for code in the same process; the operations of the wire are in
//! `operations.rs` and stand on the same state. Streams are active as soon as they are created and
//! gone as soon as they are deleted, and a stream is split or merged at once. A stream in on-demand
//! mode has the four shards that it begins with: they do not grow with the traffic. Not modelled:
//! enhanced fan-out, encryption, tags, and the limits of reading. A member that is not modelled is
//! refused by its name, also one that AWS itself does not know and would ignore.

mod hash_range;
mod input;
mod iterator;
mod operations;
mod reshard;
mod sequence_number;
mod shard;
mod shard_filter;
mod violations;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Clock, millis};
use crate::failure::Failure;
use crate::random::Random;
use crate::service::{ACCOUNT, DEFAULT_REGION};
pub use hash_range::{HashRange, hash_key};
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use shard::Record;
use shard::Shard;

/// The largest record, data and partition key together, in bytes: 1 MiB, Kinesis's default for a
/// stream.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// The longest partition key, in characters.
pub const MAX_PARTITION_KEY_CHARS: usize = 256;
/// The most records that one PutRecords takes.
pub const MAX_PUT_RECORDS: usize = 500;
/// The largest PutRecords, data and partition keys together, in bytes: 10 MiB.
pub const MAX_PUT_RECORDS_BYTES: usize = 10 << 20;
/// The most records that one GetRecords returns.
pub const MAX_GET_RECORDS: usize = 10_000;
/// The most data that one GetRecords returns, in bytes: 10 MiB.
pub const MAX_GET_RECORDS_BYTES: usize = 10 << 20;
/// How long a shard iterator can be used.
pub const ITERATOR_LIFETIME: Duration = Duration::from_secs(300);
/// The most shards of a stream here, for the sake of the machine's memory. AWS has a quota for the
/// account instead.
pub const MAX_SHARDS: u32 = 500;
/// A stream's retention in hours if none is given.
const DEFAULT_RETENTION_HOURS: u32 = 24;
/// The hours that a stream's retention can be set to.
const RETENTION_HOURS: std::ops::RangeInclusive<u32> = 24..=8_760;

/// What of Kinesis's limits is kept, and how much is stored.
#[derive(Debug, Clone)]
pub struct KinesisOptions {
    /// True if a shard refuses more than 1 MiB or 1,000 records in one second of the clock
    /// (ProvisionedThroughputExceededException). On by default.
    ///
    /// AWS does not say over which window it measures; here it is the calendar second.
    pub write_limits: bool,
    /// How many bytes a shard stores at most, 256 MiB by default. A write that does not fit is
    /// refused as throttled ([`KinesisError::ShardFull`]) until the retention of older records
    /// ends: nothing that was accepted is dropped before. AWS has no such limit; a machine's memory
    /// has.
    pub shard_capacity_bytes: usize,
}

impl Default for KinesisOptions {
    fn default() -> Self {
        Self {
            write_limits: true,
            shard_capacity_bytes: 256 << 20,
        }
    }
}

/// Why a call was refused.
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
    /// What should name a shard names none.
    #[error("Could not find shard {text} in stream {stream} under account {ACCOUNT}.")]
    NoShardId {
        /// The stream's name.
        stream: String,
        /// What was given in place of a shard's id.
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
    /// The shard's limit for this second is used up; worth a retry.
    #[error("Rate exceeded for shard {shard} in stream {stream} under account {ACCOUNT}.")]
    ThroughputExceeded {
        /// The stream's name.
        stream: String,
        /// The shard's id.
        shard: String,
    },
    /// The shard holds as much as it may, see [`KinesisOptions::shard_capacity_bytes`].
    #[error(
        "Shard {shard} in stream {stream} is full: the {capacity} bytes that it may hold here are taken until the \
         stream's retention ends for older records."
    )]
    ShardFull {
        /// The stream's name.
        stream: String,
        /// The shard's id.
        shard: String,
        /// What it may hold, in bytes.
        capacity: usize,
    },
    /// The iterator was used later than [`ITERATOR_LIFETIME`] after it was made.
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
    /// The error code that AWS sends for it.
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

/// Where a read begins. The same five choices as GetShardIterator has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the oldest record still kept.
    TrimHorizon,
    /// After the newest record at the moment of the call.
    Latest,
    /// At this record.
    At(SequenceNumber),
    /// After this record.
    After(SequenceNumber),
    /// At the first record that arrived at this time or later, in milliseconds since the Unix
    /// epoch.
    AtTimestamp(u64),
}

/// What one read of a shard found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecords {
    /// In order of sequence number.
    pub records: Vec<Record>,
    /// Where to read on: always [`Position::After`] a number of the shard, so that nothing is read
    /// twice or missed, also if the read began at `Latest` and found nothing.
    pub next: Position,
    /// The shard was split or merged and nothing is left of it: now its children are to be read.
    pub ended: bool,
    /// How far the last record read is behind the tip of the shard, in milliseconds; 0 if nothing
    /// is left.
    pub millis_behind_latest: u64,
}

/// A shard as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDescription {
    /// `shardId-` and twelve digits.
    pub id: String,
    /// The hash keys that are routed to it.
    pub hash_range: HashRange,
    /// The shard that it was split from, or the first of the two that it was merged from, whether
    /// or not that is still there.
    pub parent: Option<String>,
    /// The second of the two that it was merged from.
    pub adjacent_parent: Option<String>,
    /// A number below that of every record in it.
    pub starting_sequence_number: SequenceNumber,
    /// A number above that of every record in it, once it is closed: split or merged. It is listed
    /// until its records have expired.
    pub ending_sequence_number: Option<SequenceNumber>,
    /// How many records it holds now.
    pub records: usize,
    /// How many bytes it holds now, with an estimate of the bookkeeping.
    pub stored_bytes: usize,
}

/// Where a record was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The shard's id.
    pub shard_id: String,
    /// The record's number in it.
    pub sequence_number: SequenceNumber,
}

/// The streams. A cheap handle: clones share one state.
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

/// Whose task the number of shards is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Provisioned,
    OnDemand,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

#[derive(Debug)]
struct Stream {
    mode: Mode,
    created_millis: u64,
    retention_hours: u32,
    /// In order of their numbers, the closed ones among them until they expire.
    shards: Vec<Shard>,
    /// The number of the next shard.
    next_shard: u32,
}

impl Stream {
    fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.is_open())
    }

    /// Drops the closed shards whose records have all expired.
    fn trim(&mut self, now: u64) {
        let retention = self.retention_millis();
        self.shards
            .retain(|shard| !shard.is_expired(now, retention));
    }

    fn retention_millis(&self) -> u64 {
        millis(Duration::from_secs(u64::from(self.retention_hours) * 3_600))
    }

    /// The shard of an id, see [`shard::number_of`].
    fn shard(&mut self, stream: &str, id: &str) -> Result<&mut Shard, KinesisError> {
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

fn number_of(stream: &str, id: &str) -> Result<u32, KinesisError> {
    shard::number_of(id).ok_or_else(|| KinesisError::NoShardId {
        stream: stream.to_owned(),
        text: id.to_owned(),
    })
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
    /// `Validation` for a bad name (1–128 of `a–z A–Z 0–9 _ . -`), no shards or more than
    /// [`MAX_SHARDS`], or a retention outside 24–8,760 hours; `StreamExists`.
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
        operations::check_new_stream(stream, shards)?;
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

    /// The stream's shards, in order of their ids, also those that are closed and not yet expired.
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
    /// `StreamNotFound`; `Validation` for a partition key of 0 or more than 256 characters, or data
    /// and key of more than 1 MiB; `ThroughputExceeded`; `ShardFull`.
    pub fn put_record(
        &self,
        stream: &str,
        partition_key: &str,
        data: Bytes,
    ) -> Result<Placed, KinesisError> {
        operations::check_record(partition_key, &data)?;
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
        // AWS's numbers have gaps; a client that counts on their being consecutive should fail here
        // too.
        let gap = 1 + (self.inner.random.next() & 0xF);
        self.with_stream(name, |stream| {
            let retention = stream.retention_millis();
            let Some(shard) = stream
                .shards
                .iter_mut()
                .find(|shard| shard.is_open() && shard.range().contains(hash_key))
            else {
                return Err(KinesisError::StreamNotFound {
                    stream: name.to_owned(),
                });
            };
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

    /// Reads a shard from a position on: at most `limit` records (and 10,000, and 10 MiB). Not
    /// counted against any limit and never expired: it is for a poller in the same process.
    ///
    /// A position older than the retention reads from the oldest record kept.
    ///
    /// # Errors
    /// `StreamNotFound`, `ShardNotFound`; `InvalidArgument` for a sequence number of another shard
    /// or stream.
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
            let after = resolve(shard, stream, position)?;
            let (records, next, millis_behind_latest) = shard.read_after(
                after,
                limit.min(MAX_GET_RECORDS),
                MAX_GET_RECORDS_BYTES,
                now,
            );
            let next = records.last().map_or_else(
                || shard.sequence_number_at(next),
                |record| record.sequence_number,
            );
            Ok(ReadRecords {
                records,
                next: Position::After(next),
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

/// The counter after which a position reads.
fn resolve(shard: &Shard, stream: &str, position: Position) -> Result<u64, KinesisError> {
    let own = |number: SequenceNumber| {
        if shard.issued(number) {
            return Ok(number.counter());
        }
        let shard_id = shard.id();
        Err(KinesisError::InvalidArgument(
            if number.shard() == shard.number() {
                format!(
                    "StartingSequenceNumber {number} used in GetShardIterator on shard {shard_id} in stream {stream} \
                 under account {ACCOUNT} is invalid because it did not come from this stream."
                )
            } else {
                format!(
                    "Invalid StartingSequenceNumber. It encodes shardId-{:012}, while it was used in a call to a shard \
                 with {shard_id}",
                    number.shard()
                )
            },
        ))
    };
    match position {
        Position::TrimHorizon => Ok(0),
        Position::Latest => Ok(shard.latest()),
        Position::At(number) => own(number).map(|counter| counter.saturating_sub(1)),
        Position::After(number) => own(number),
        Position::AtTimestamp(millis) => Ok(shard.before_timestamp(millis)),
    }
}
