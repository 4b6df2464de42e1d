//! The progress in a shard, which is the records that are done and the checkpoint that follows from
//! them.

use std::collections::VecDeque;
use std::mem;

use crate::{Checkpoint, Record, SequenceNumber, StartingPosition, Timestamp};

/// The records that were read, in sequence. A record stays until it and every record before it are
/// done.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The records that were read beyond the checkpoint.
    entries: VecDeque<Entry>,
    /// The bytes of the records that are not done.
    unfinished_bytes: usize,
    /// The checkpoint, which only ever moves forward.
    checkpoint: Checkpoint,
}

#[derive(Debug)]
struct Entry {
    number: SequenceNumber,
    arrival: Timestamp,
    bytes: usize,
    done: bool,
}

impl Ledger {
    pub(crate) fn new(checkpoint: Checkpoint) -> Self {
        Self {
            entries: VecDeque::new(),
            unfinished_bytes: 0,
            checkpoint,
        }
    }

    /// Takes note of a read that begins. From here on LATEST means this moment. If the answer to
    /// the read were lost, another LATEST would skip the records that were put meanwhile.
    pub(crate) fn begin_read(&mut self, now: Timestamp) {
        if self.checkpoint == Checkpoint::Start(StartingPosition::Latest) {
            self.checkpoint = Checkpoint::Start(StartingPosition::AtTimestamp(now));
        }
    }

    /// Takes note of a record that was read. False if the record, or one after it, had been read
    /// before.
    pub(crate) fn admit(&mut self, record: &Record, bytes: usize) -> bool {
        let number = &record.sequence_number;
        if self.last_read().is_some_and(|last| number <= last) {
            return false;
        }
        self.entries.push_back(Entry {
            number: number.clone(),
            arrival: record.approximate_arrival,
            bytes,
            done: false,
        });
        self.unfinished_bytes += bytes;
        true
    }

    pub(crate) fn done(&mut self, records: &[Record]) {
        for record in records {
            if let Ok(index) = self
                .entries
                .binary_search_by(|entry| entry.number.cmp(&record.sequence_number))
            {
                let entry = &mut self.entries[index];
                self.unfinished_bytes -= mem::take(&mut entry.bytes);
                entry.done = true;
            }
        }
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.done) {
            self.checkpoint = Checkpoint::After(entry.number);
        }
    }

    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// How far the shard was read.
    pub(crate) fn position(&self) -> Checkpoint {
        self.last_read().map_or_else(
            || self.checkpoint.clone(),
            |last| Checkpoint::After(last.clone()),
        )
    }

    fn last_read(&self) -> Option<&SequenceNumber> {
        match (self.entries.back(), &self.checkpoint) {
            (Some(Entry { number, .. }), _) | (None, Checkpoint::After(number)) => Some(number),
            (None, Checkpoint::Start(_)) => None,
        }
    }

    /// The number of records that were read beyond the checkpoint.
    pub(crate) fn beyond_checkpoint(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.done).count()
    }

    /// The time at which the oldest record arrived that was read and is not done.
    pub(crate) fn oldest_unfinished(&self) -> Option<Timestamp> {
        // A record at the front is removed when it is done, so the first entry is not done.
        self.entries.front().map(|entry| entry.arrival)
    }

    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.unfinished_bytes
    }

    /// Forgets the records that were read beyond the checkpoint. They will be read again.
    pub(crate) fn rewind(&mut self) {
        self.entries.clear();
        self.unfinished_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> Record {
        Record {
            sequence_number: SequenceNumber::parse(&number.to_string()).unwrap(),
            partition_key: String::new(),
            data: Vec::new(),
            approximate_arrival: Timestamp::from_millis(number),
        }
    }

    #[test]
    fn what_is_done_no_longer_counts_whether_or_not_the_checkpoint_has_passed_it() {
        let mut ledger = Ledger::new(Checkpoint::Start(StartingPosition::TrimHorizon));
        for number in 1..=4 {
            assert!(ledger.admit(&record(number), 100));
        }
        let counts = |ledger: &Ledger| {
            (
                ledger.beyond_checkpoint(),
                ledger.unfinished(),
                ledger.unfinished_bytes(),
            )
        };
        assert_eq!(counts(&ledger), (4, 4, 400));
        ledger.done(&[record(2), record(3)]);
        assert_eq!(counts(&ledger), (4, 2, 200));
        assert_eq!(ledger.oldest_unfinished(), Some(Timestamp::from_millis(1)));
        ledger.done(&[record(1)]);
        assert_eq!(counts(&ledger), (1, 1, 100));
        assert_eq!(ledger.oldest_unfinished(), Some(Timestamp::from_millis(4)));
        ledger.done(&[record(4)]);
        assert_eq!(counts(&ledger), (0, 0, 0));
        assert_eq!(ledger.oldest_unfinished(), None);
    }
}
