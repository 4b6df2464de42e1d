//! One shard. It keeps its records in the sequence in which they were put until their retention
//! ends, and it has write limits.

use std::collections::VecDeque;

use bytes::Bytes;

use super::hash_range::HashRange;
use super::sequence_number::SequenceNumber;

/// The bytes that a stored record costs beyond its data and key, for the capacity limit.
const RECORD_OVERHEAD: usize = 96;

/// The limits of a shard's writes in one second (Kinesis developer guide, "Quotas and limits").
const RECORDS_PER_SECOND: usize = 1_000;
const BYTES_PER_SECOND: usize = 1 << 20;

/// A data record as a consumer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's place in the shard.
    pub sequence_number: SequenceNumber,
    /// The key that routed the record, of 1 to 256 characters.
    pub partition_key: String,
    /// The payload, not encoded.
    pub data: Bytes,
    /// The time at which the record was stored, in milliseconds since the Unix epoch. The time
    /// never decreases within a shard.
    pub arrival_millis: u64,
}

impl Record {
    /// The bytes of data and partition key, which the record counts against the limits.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// The counter of a closed shard's ending sequence number, as kinesalite found it.
const LAST_COUNTER: u64 = 0x7fff_ffff_ffff_ffff;

/// The number that an id names, at most 2^31 − 1. The number is between the id's first and second
/// hyphen, or else it is the whole id. AWS takes any text before the hyphen, and any number of
/// zeros (kinesalite's tests, recorded on AWS).
pub(super) fn number_of(id: &str) -> Option<u32> {
    let digits = id
        .split('-')
        .nth(1)
        .filter(|part| !part.is_empty())
        .unwrap_or(id);
    let number: u32 = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    i32::try_from(number).is_ok().then_some(number)
}

pub(super) fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

#[derive(Debug)]
pub(crate) struct Shard {
    number: u32,
    range: HashRange,
    /// The shards from which this shard was made. The first is the shard that was split, or the
    /// first of the two shards that were merged. The second is the other one of those two.
    parents: [Option<u32>; 2],
    /// The second with which the shard's sequence numbers begin. It is the second of the shard's
    /// creation or later, so that the numbers are above those of its parents.
    created_seconds: u64,
    opened_millis: u64,
    /// The time at which the shard was split or merged. Since then the shard takes no records.
    closed_millis: Option<u64>,
    /// The records, ascending by sequence number and by arrival.
    records: VecDeque<Record>,
    /// The counter of the newest record ever stored, or 0 before the first record.
    last_counter: u64,
    last_arrival: u64,
    stored_bytes: usize,
    writes: Window,
}

/// The writes within one second of the clock.
#[derive(Debug, Default)]
struct Window {
    second: u64,
    records: usize,
    bytes: usize,
}

impl Window {
    /// Counts one record of `bytes` if both limits allow the record. True if they do.
    fn take(&mut self, now_millis: u64, bytes: usize) -> bool {
        let second = now_millis / 1_000;
        if self.second != second {
            *self = Self {
                second,
                ..Self::default()
            };
        }
        let fits = self.records < RECORDS_PER_SECOND
            && self.bytes.saturating_add(bytes) <= BYTES_PER_SECOND;
        if fits {
            self.records += 1;
            self.bytes += bytes;
        }
        fits
    }
}

impl Shard {
    pub(crate) fn new(number: u32, range: HashRange, now_millis: u64) -> Self {
        Self {
            number,
            range,
            parents: [None; 2],
            created_seconds: now_millis / 1_000,
            opened_millis: now_millis,
            closed_millis: None,
            records: VecDeque::new(),
            last_counter: 0,
            last_arrival: now_millis,
            stored_bytes: 0,
            writes: Window::default(),
        }
    }

    /// A shard that takes over from its parents, which must be closed.
    pub(crate) fn child(number: u32, range: HashRange, now_millis: u64, parents: &[&Self]) -> Self {
        let last_created = parents.iter().map(|parent| parent.created_seconds).max();
        let parent = |index: usize| parents.get(index).map(|parent| parent.number);
        Self {
            parents: [parent(0), parent(1)],
            created_seconds: (now_millis / 1_000).max(last_created.unwrap_or(0)) + 1,
            ..Self::new(number, range, now_millis)
        }
    }

    pub(crate) fn id(&self) -> String {
        shard_id(self.number)
    }

    /// The ids of the shard's parents, which may have expired.
    pub(crate) fn parent_ids(&self) -> [Option<String>; 2] {
        self.parents.map(|parent| parent.map(shard_id))
    }

    pub(crate) fn is_child_of(&self, number: u32) -> bool {
        self.parents.contains(&Some(number))
    }

    /// Closes the shard, so that it takes no records from now on.
    pub(crate) fn close(&mut self, now_millis: u64) {
        self.closed_millis = Some(now_millis);
    }

    pub(crate) fn opened_millis(&self) -> u64 {
        self.opened_millis
    }

    /// True if the shard was not closed before this time.
    pub(crate) fn open_at(&self, millis: u64) -> bool {
        self.closed_millis.is_none_or(|closed| closed >= millis)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed_millis.is_none()
    }

    /// True if the shard was closed so long ago that all of its records have expired.
    pub(crate) fn is_expired(&self, now: u64, retention_millis: u64) -> bool {
        self.closed_millis
            .is_some_and(|closed| closed.saturating_add(retention_millis) <= now)
    }

    /// A sequence number above the numbers of all records, once the shard is closed.
    pub(crate) fn ending_sequence_number(&self) -> Option<SequenceNumber> {
        let closed = self.closed_millis?;
        Some(SequenceNumber::new(
            self.created_seconds,
            self.number,
            LAST_COUNTER,
            closed / 1_000,
        ))
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn range(&self) -> HashRange {
        self.range
    }

    /// A sequence number below the numbers of all records.
    pub(crate) fn starting_sequence_number(&self) -> SequenceNumber {
        SequenceNumber::new(self.created_seconds, self.number, 0, self.created_seconds)
    }

    /// True if this shard can have issued the number.
    pub(crate) fn issued(&self, number: SequenceNumber) -> bool {
        number.is_of(self.created_seconds, self.number)
    }

    pub(crate) fn stored(&self) -> (usize, usize) {
        (self.records.len(), self.stored_bytes)
    }

    /// True if a record of `bytes` (data and partition key) fits into `capacity`.
    pub(crate) fn has_room(&self, bytes: usize, capacity: usize) -> bool {
        self.stored_bytes + bytes + RECORD_OVERHEAD <= capacity
    }

    /// Counts one write against the limits of the second, if the write keeps them. True if it does.
    pub(crate) fn admits_write(&mut self, now: u64, bytes: usize) -> bool {
        self.writes.take(now, bytes)
    }

    /// Stores a record whose counter is `gap` (at least 1) above that of the record before it.
    pub(crate) fn append(
        &mut self,
        now: u64,
        gap: u64,
        partition_key: String,
        data: Bytes,
    ) -> SequenceNumber {
        self.last_counter = self.last_counter.saturating_add(gap.max(1));
        // The clock may step back. A shard's arrival times do not, so that a timestamp can be
        // searched for.
        self.last_arrival = self.last_arrival.max(now);
        let arrival = self.last_arrival;
        let sequence_number = SequenceNumber::new(
            self.created_seconds,
            self.number,
            self.last_counter,
            arrival / 1_000,
        );
        let record = Record {
            sequence_number,
            partition_key,
            data,
            arrival_millis: arrival,
        };
        self.stored_bytes += record.size() + RECORD_OVERHEAD;
        self.records.push_back(record);
        sequence_number
    }

    /// Drops the records whose retention has ended.
    pub(crate) fn trim(&mut self, now: u64, retention_millis: u64) {
        while self
            .records
            .front()
            .is_some_and(|oldest| oldest.arrival_millis.saturating_add(retention_millis) <= now)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.stored_bytes -= record.size() + RECORD_OVERHEAD;
        }
        // A burst must not occupy its memory for ever.
        if self.records.capacity() > 1_024 && self.records.len() < self.records.capacity() / 4 {
            self.records.shrink_to(self.records.len() * 2);
        }
    }

    /// The counter after which `LATEST` reads.
    pub(crate) fn latest(&self) -> u64 {
        self.last_counter
    }

    /// The counter after which to read for the records of a time and later.
    pub(crate) fn before_timestamp(&self, millis: u64) -> u64 {
        let first = self
            .records
            .partition_point(|record| record.arrival_millis < millis);
        self.records.get(first).map_or(self.last_counter, |record| {
            record.sequence_number.counter() - 1
        })
    }

    /// The records above a counter, at most `limit` records and `most_bytes`. A first record that
    /// is larger than `most_bytes` is returned too. The second value is the counter after which to
    /// go on. The third is how far that counter is behind the tip, in milliseconds.
    pub(crate) fn read_after(
        &self,
        counter: u64,
        limit: usize,
        most_bytes: usize,
        now: u64,
    ) -> (Vec<Record>, u64, u64) {
        let first = self
            .records
            .partition_point(|record| record.sequence_number.counter() <= counter);
        let mut bytes = 0_usize;
        let records: Vec<Record> = self
            .records
            .range(first..)
            .take(limit)
            .enumerate()
            .take_while(|(i, record)| {
                bytes = bytes.saturating_add(record.size());
                *i == 0 || bytes <= most_bytes
            })
            .map(|(_, record)| record.clone())
            .collect();
        let next = records
            .last()
            .map_or(counter, |record| record.sequence_number.counter());
        let behind = match self.records.get(first + records.len()) {
            None => 0,
            Some(unread) => {
                let position = records.last().unwrap_or(unread);
                // The distance is at least 1, because zero says that nothing is left to read.
                now.saturating_sub(position.arrival_millis).max(1)
            }
        };
        (records, next, behind)
    }

    /// The sequence number of a position, for a caller that reads on after the position.
    pub(crate) fn sequence_number_at(&self, counter: u64) -> SequenceNumber {
        SequenceNumber::new(
            self.created_seconds,
            self.number,
            counter,
            self.created_seconds,
        )
    }
}
