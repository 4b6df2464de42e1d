//! The content of a status page, which is the state of the mapping and of each shard, and counters.
//! It holds no data and no partition keys.

use serde::Serialize;

use crate::{Range, SequenceNumber, ShardId, Timestamp};

/// The mapping at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The state, under AWS's name.
    pub state: State,
    /// Every shard that was listed, by name.
    pub shards: Vec<ShardStatus>,
    /// The counts since the mapping was made.
    pub counters: Counters,
    /// AWS's counts of the same. `None` unless the options ask for
    /// [`MetricGroup::EventCount`](crate::MetricGroup::EventCount).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_counts: Option<EventCounts>,
}

/// The state of a mapping (Lambda API reference, `EventSourceMappingConfiguration`, `State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// Enabled again while a batch or a discard from before the stop is still in flight. Its shard
    /// goes on when that is finished.
    Enabling,
    /// Reading and delivering.
    Enabled,
    /// Stopped, but a batch or a discard is still in flight.
    Disabling,
    /// Stopped, with nothing in flight.
    Disabled,
    /// Enabled, and a batch or a discard from before an update of ParallelizationFactor is still in
    /// flight. Its shard goes on when that is finished.
    Updating,
}

/// A shard at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardStatus {
    /// The shard.
    pub shard_id: ShardId,
    /// How far the reading of the shard has come.
    pub state: ShardState,
    /// Everything up to and including this record was processed or discarded. `None` if there is no
    /// such record yet.
    pub checkpoint: Option<SequenceNumber>,
    /// The batches at the function. There is at most one, or at most ParallelizationFactor.
    pub in_flight: Vec<InFlight>,
    /// Records that were read and are neither processed nor discarded, those in flight included.
    pub unfinished_records: usize,
    /// How far the last read was behind the end of the shard, in milliseconds. It is
    /// `MillisBehindLatest` of GetRecords, which says nothing of records that were read and are not
    /// processed. `None` if the shard was not read yet.
    pub millis_behind_latest: Option<u64>,
    /// Lambda's metric `IteratorAge`. It says how old the last record of a batch was when that
    /// batch was last sent, in milliseconds (Lambda developer guide, "Types of metrics for Lambda
    /// functions"). If several batches are in flight, the batch that was sent last counts. `None`
    /// if nothing was sent since the shard was last started.
    pub iterator_age_millis: Option<u64>,
    /// A metric of this model and not of AWS. It says how old the oldest record is that was read
    /// and is neither processed nor discarded, in milliseconds at the time of the status. It grows
    /// while a batch is retried, throttled or in flight. Records that were not read yet are not
    /// seen here. `None` if there is no such record.
    pub oldest_unfinished_age_millis: Option<u64>,
}

/// How far the reading of a shard has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ShardState {
    /// Its parents are not finished.
    WaitingForParents,
    /// It is read while the mapping is enabled.
    Open,
    /// It is closed, or the stream no longer has it, and everything in it is done.
    Finished,
}

/// A batch at the function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// The invocation's number, which is [`Invocation::id`](crate::Invocation::id).
    pub id: u64,
    /// The records.
    pub range: Range,
    /// 1 for the first delivery of exactly these records.
    pub attempt: u32,
    /// The time at which it was sent.
    pub since: Timestamp,
}

/// The counts since the mapping was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Records read from the stream.
    pub records_read: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Invocations in which the function ran, with any result.
    pub invocations: u64,
    /// Batches that the function processed as a whole.
    pub batches_delivered: u64,
    /// Records that the function processed, those below a partial failure included.
    pub records_delivered: u64,
    /// Whole failures.
    pub batches_failed: u64,
    /// Partial failures.
    pub batches_partially_failed: u64,
    /// Deliveries that were scheduled after a failure, the parts of a split not included.
    pub batches_retried: u64,
    /// Splits, each of one batch in two.
    pub batches_split: u64,
    /// Discards that are finished. The destination has the message, or never took it, or there is
    /// no destination. A discard that a stop dropped before that is not counted.
    pub batches_discarded: u64,
    /// Records in those discards.
    pub records_discarded: u64,
    /// Discards whose message the destination never took.
    pub discards_lost: u64,
    /// Invokes that did not reach the function.
    pub invokes_throttled: u64,
    /// Answers that came after a stop had made them meaningless.
    pub stale_answers: u64,
}

/// The metrics of the group `EventCount`, each a count of records since the mapping was made
/// (Lambda developer guide, "Types of metrics for Lambda functions", "Event source mapping
/// metrics"). A record that is sent again counts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventCounts {
    /// Read from the stream.
    pub polled_event_count: u64,
    /// Filtered out. It is always 0, since filter criteria are not modelled.
    pub filtered_out_event_count: u64,
    /// Sent to the function, at each attempt. A throttled attempt counts too.
    pub invoked_event_count: u64,
    /// Sent and not processed. The records were throttled, or failed as a whole, or were at or
    /// after the lowest failure of a partial response. AWS names only the reported failures. It is
    /// inferred that the records sent again with them count too.
    pub failed_invoke_event_count: u64,
    /// Given up because of MaximumRetryAttempts or MaximumRecordAgeInSeconds, without a message at
    /// a destination. Records that expired with the stream's retention do not count.
    pub dropped_event_count: u64,
    /// Given up, with a message at the destination.
    pub on_failure_destination_delivered_event_count: u64,
}
