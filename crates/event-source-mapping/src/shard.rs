//! One shard. It has the place to read next, the records that were read, and the lanes that deliver
//! them.

use crate::context::Context;
use crate::derived_uuid::hash;
use crate::event_source::StreamKind;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::payload::{MAX_BATCH_BYTES, record_bytes};
use crate::read::NotRead;
use crate::{
    Action, Checkpoint, Completion, Fetch, MappingOptions, Occurrence, Read, ReadFrom, Record,
    ShardId, ShardState, ShardStatus, StartingPosition, Timestamp,
};

use std::mem;
use std::time::Duration;

/// The pause while there is more to read. Kinesis allows five reads of a shard a second (Kinesis
/// developer guide, "Quotas and limits").
const SHORTEST_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The unfinished records of a shard may fill this many batches for each lane, one in flight and
/// one to follow. This is an assumption, since AWS publishes nothing. While a lane is stuck, the
/// other lanes go on reading. Without a limit they would fill the memory with records of the stuck
/// lane's keys.
const BATCHES_AHEAD: usize = 2;

#[derive(Debug)]
pub(crate) struct Shard {
    id: ShardId,
    /// Parents that are not finished. The shard is not read while it has any.
    parents: Vec<ShardId>,
    iterator: Option<String>,
    /// The id of the read that is under way.
    reading: Option<u64>,
    /// True if a stop came after that read began. Its answer is still awaited, since a shard is
    /// read once at a time. Then the answer is ignored.
    overtaken: bool,
    read_began: Timestamp,
    next_read_at: Timestamp,
    reads_failed: u32,
    millis_behind_latest: Option<u64>,
    /// True if there is nothing more to read. The shard is closed and was read to its end, or it is
    /// gone.
    ended: bool,
    /// True if the stream no longer has the shard.
    gone: bool,
    finished: bool,
    /// True if the shard is stopped, and was not yet started or restarted from the checkpoint.
    stopping: bool,
    ledger: Ledger,
    lanes: Vec<Lane>,
}

impl Shard {
    pub(crate) fn new(
        id: ShardId,
        parents: Vec<ShardId>,
        checkpoint: Checkpoint,
        now: Timestamp,
        options: &MappingOptions,
    ) -> Self {
        Self {
            lanes: (0..options.parallelization_factor)
                .map(|_| Lane::new(id.clone(), now))
                .collect(),
            id,
            parents,
            iterator: None,
            reading: None,
            overtaken: false,
            read_began: now,
            next_read_at: now,
            reads_failed: 0,
            millis_behind_latest: None,
            ended: false,
            gone: false,
            finished: false,
            stopping: true,
            ledger: Ledger::new(checkpoint),
        }
    }

    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        self.ledger.checkpoint()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping && !self.is_quiet()
    }

    fn is_quiet(&self) -> bool {
        self.lanes.iter().all(Lane::is_quiet)
    }

    /// The parents that this shard waits for.
    pub(crate) fn parents_mut(&mut self) -> &mut Vec<ShardId> {
        &mut self.parents
    }

    /// True if the shard is gone, but records that were read from it may still be under way. Such a
    /// shard waits for no other shard, so other shards may wait for it. A gone shard that waits was
    /// never read.
    pub(crate) fn is_gone_but_for_what_was_read(&self) -> bool {
        self.gone && !self.finished && self.parents.is_empty()
    }

    pub(crate) fn parent_finished(&mut self, parent: &ShardId) {
        self.parents.retain(|waiting| waiting != parent);
    }

    /// The stream no longer has this shard. Only the records that were read before can still be
    /// delivered.
    pub(crate) fn mark_gone(&mut self) {
        self.gone = true;
        self.ended = true;
    }

    /// Stops reading and delivering. An invocation or discard in flight may finish. All else goes
    /// with the lanes, which a start makes anew.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.overtaken = self.reading.is_some();
        self.iterator = None;
    }

    /// Does everything that is due.
    pub(crate) fn advance(&mut self, enabled: bool, context: &mut Context<'_>) {
        if self.finished || !self.parents.is_empty() || !enabled {
            return;
        }
        if self.stopping {
            // Otherwise the records in flight would be read, and sent, a second time.
            if !self.is_quiet() {
                return;
            }
            self.restart(context);
        }
        for lane in &mut self.lanes {
            lane.advance(context, &mut self.ledger);
        }
        if self.wants_to_read(context.options) && self.next_read_at <= context.now {
            self.read(context);
        }
        if self.ended && self.reading.is_none() && self.ledger.beyond_checkpoint() == 0 {
            self.finished = true;
            context.occurrences.push(Occurrence::ShardFinished {
                shard_id: self.id.clone(),
            });
        }
    }

    fn restart(&mut self, context: &Context<'_>) {
        self.stopping = false;
        self.ended = self.gone;
        self.ledger.rewind();
        self.next_read_at = context.now;
        self.reads_failed = 0;
        self.lanes = (0..context.options.parallelization_factor)
            .map(|_| Lane::new(self.id.clone(), context.now))
            .collect();
    }

    fn wants_to_read(&self, options: &MappingOptions) -> bool {
        let most = options.assumptions.read_limit.max(
            options
                .batch_size
                .saturating_mul(options.parallelization_factor),
        );
        !self.ended
            && self.reading.is_none()
            // A lane that is stuck holds back the checkpoint. This limits how far the other lanes
            // may run ahead.
            && self.ledger.beyond_checkpoint() < usize::try_from(most).unwrap_or(usize::MAX)
            && self.ledger.unfinished_bytes() < BATCHES_AHEAD * MAX_BATCH_BYTES * self.lanes.len()
            && self.lanes.iter().any(|lane| lane.is_hungry(options))
    }

    fn read(&mut self, context: &mut Context<'_>) {
        let from = match &self.iterator {
            Some(iterator) => ReadFrom::Iterator(iterator.clone()),
            None => match self.ledger.position() {
                // DynamoDB has no such iterator. Records that arrived before are left out when they
                // are read.
                Checkpoint::Start(StartingPosition::AtTimestamp(_))
                    if context.source.kind() == StreamKind::DynamoDb =>
                {
                    ReadFrom::TrimHorizon
                }
                position => position.into(),
            },
        };
        self.ledger.begin_read(context.now);
        let id = context.id();
        self.reading = Some(id);
        self.read_began = context.now;
        let limit = context.options.assumptions.read_limit;
        context.actions.push(Action::Fetch(Fetch {
            id,
            shard_id: self.id.clone(),
            from,
            limit,
        }));
    }

    /// The answer to a read. False if the answer has lost its meaning.
    pub(crate) fn read_answered(
        &mut self,
        id: u64,
        read: Result<Read, NotRead>,
        context: &mut Context<'_>,
    ) -> bool {
        if self.reading != Some(id) {
            return false;
        }
        self.reading = None;
        if mem::take(&mut self.overtaken) {
            return false;
        }
        match read {
            Ok(read) => self.take_in(read, context),
            Err(NotRead::Gone) => self.mark_gone(),
            Err(NotRead::Failed) => self.read_failed(context),
        }
        true
    }

    fn read_failed(&mut self, context: &mut Context<'_>) {
        self.iterator = None;
        self.reads_failed = self.reads_failed.saturating_add(1);
        let backoff = &context.options.assumptions.retry_backoff;
        self.next_read_at = context.now.saturating_add(backoff.after(self.reads_failed));
        context.counters.reads_failed += 1;
        context.occurrences.push(Occurrence::ReadFailed {
            shard_id: self.id.clone(),
            retry_at: self.next_read_at,
        });
    }

    fn take_in(&mut self, read: Read, context: &mut Context<'_>) {
        let assumptions = &context.options.assumptions;
        self.reads_failed = 0;
        self.ended = self.gone || read.next_iterator.is_none();
        self.iterator = read.next_iterator;
        self.millis_behind_latest = Some(read.millis_behind_latest);
        let pause = if read.millis_behind_latest > 0 {
            assumptions.poll_interval.min(SHORTEST_POLL_INTERVAL)
        } else {
            assumptions.poll_interval
        };
        self.next_read_at = self.read_began.saturating_add(pause);
        context.event_counts.polled_event_count += read.records.len() as u64;
        for record in read.records {
            if self.lies_before_the_start(&record, context) {
                continue;
            }
            let bytes = record_bytes(&self.id, &record, context.source);
            if self.ledger.admit(&record, bytes) {
                context.counters.records_read += 1;
                let lane = self.lane_of(&record);
                self.lanes[lane].gather(record, bytes, context.now, context.options);
            }
        }
    }

    /// True if a DynamoDB record precedes the time at which reading begins. The record's time is
    /// cut to seconds, so the time that it is compared with is cut too. Only the first records of a
    /// shard are compared. Times need not increase, so a later record with an earlier time is
    /// delivered.
    fn lies_before_the_start(&self, record: &Record, context: &Context<'_>) -> bool {
        match self.ledger.position() {
            Checkpoint::Start(StartingPosition::AtTimestamp(start)) => {
                context.source.kind() == StreamKind::DynamoDb
                    && record.approximate_arrival.as_millis() / 1_000 < start.as_millis() / 1_000
            }
            _ => false,
        }
    }

    /// The lane that a record's partition key belongs to. Any hash that is the same everywhere
    /// would do.
    fn lane_of(&self, record: &Record) -> usize {
        let hash = hash([record.partition_key.as_bytes()]);
        usize::try_from(hash % self.lanes.len() as u64).unwrap_or(0)
    }

    /// The answer to an invocation. False if the answer is not awaited.
    pub(crate) fn invoked(
        &mut self,
        id: u64,
        request_id: String,
        completion: Completion,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.awaits(id)) else {
            return false;
        };
        lane.invoked(
            request_id,
            completion,
            self.stopping,
            context,
            &mut self.ledger,
        );
        true
    }

    /// The answer to a discard. False if the answer is not awaited.
    pub(crate) fn discard_answered(
        &mut self,
        id: u64,
        delivered: bool,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.awaits(id)) else {
            return false;
        };
        lane.discard_answered(delivered, context, &mut self.ledger);
        true
    }

    /// The time at which there will be something to do without an answer.
    pub(crate) fn wake_at(&self, options: &MappingOptions) -> Option<Timestamp> {
        // A shard that waits for its parents was never started, and a finished one has nothing left
        // to do.
        if self.stopping {
            return None;
        }
        let read = self.wants_to_read(options).then_some(self.next_read_at);
        self.lanes
            .iter()
            .filter_map(|lane| lane.wake_at(options))
            .chain(read)
            .min()
    }

    pub(crate) fn status(&self, now: Timestamp) -> ShardStatus {
        let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        ShardStatus {
            shard_id: self.id.clone(),
            state: match (self.finished, self.parents.is_empty()) {
                (true, _) => ShardState::Finished,
                (false, false) => ShardState::WaitingForParents,
                (false, true) => ShardState::Open,
            },
            checkpoint: match self.checkpoint() {
                Checkpoint::After(number) => Some(number.clone()),
                Checkpoint::Start(_) => None,
            },
            in_flight: self.lanes.iter().filter_map(Lane::in_flight).collect(),
            unfinished_records: self.ledger.unfinished(),
            millis_behind_latest: self.millis_behind_latest,
            iterator_age_millis: self
                .lanes
                .iter()
                .filter_map(Lane::iterator_age)
                .max()
                .map(|(_, age)| millis(age)),
            oldest_unfinished_age_millis: self
                .ledger
                .oldest_unfinished()
                .map(|arrival| millis(now.since(arrival))),
        }
    }
}
