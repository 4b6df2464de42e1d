//! Which records of a shard are done, and the checkpoint that follows from it.

use std::collections::VecDeque;

use crate::{Checkpoint, Record, SequenceNumber, StartingPosition, Timestamp};

/// The records that were read, in order, until everything before them is done too.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Read beyond the checkpoint; true: done.
    entries: VecDeque<(SequenceNumber, bool)>,
    /// Only ever moves forward.
    checkpoint: Checkpoint,
}

impl Ledger {
    pub(crate) fn new(checkpoint: Checkpoint) -> Self {
        Self {
            entries: VecDeque::new(),
            checkpoint,
        }
    }

    /// Takes note of a read that begins. LATEST means this moment from here on: were what it returns lost, then another LATEST would
    /// skip what was put meanwhile.
    pub(crate) fn begin_read(&mut self, now: Timestamp) {
        if self.checkpoint == Checkpoint::Start(StartingPosition::Latest) {
            self.checkpoint = Checkpoint::Start(StartingPosition::AtTimestamp(now));
        }
    }

    /// Takes note of a record that was read; false if it, or one after it, had been read before.
    pub(crate) fn admit(&mut self, number: &SequenceNumber) -> bool {
        if self.last_read().is_some_and(|last| number <= last) {
            return false;
        }
        self.entries.push_back((number.clone(), false));
        true
    }

    pub(crate) fn done(&mut self, records: &[Record]) {
        for record in records {
            if let Ok(index) = self
                .entries
                .binary_search_by(|(number, _)| number.cmp(&record.sequence_number))
            {
                self.entries[index].1 = true;
            }
        }
        while let Some((number, true)) = self.entries.front() {
            self.checkpoint = Checkpoint::After(number.clone());
            self.entries.pop_front();
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
            (Some((number, _)), _) | (None, Checkpoint::After(number)) => Some(number),
            (None, Checkpoint::Start(_)) => None,
        }
    }

    /// How many records beyond the checkpoint were read.
    pub(crate) fn beyond_checkpoint(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.entries.iter().filter(|(_, done)| !done).count()
    }

    /// Forgets what was read beyond the checkpoint: it will be read again.
    pub(crate) fn rewind(&mut self) {
        self.entries.clear();
    }
}
