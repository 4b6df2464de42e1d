//! A caller's loop for tests. It has a stream in memory, a clock that jumps to the next thing to
//! do, and a note of all that was delivered and discarded.

use std::collections::{BTreeMap, VecDeque};

use event_source_mapping::{
    Action, Checkpoint, Completion, Event, Fetch, FunctionResponseType, Invocation, Mapping,
    MappingOptions, MappingOptionsError, Occurrence, Read, ReadFrom, Record, SequenceNumber,
    ShardId, ShardListing, StartingPosition, Step, Timestamp,
};
use serde_json::{Value, json};

pub(crate) const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/order-intents";
pub(crate) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:consumer";
pub(crate) const TABLE_STREAM: &str =
    "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-11-25T19:00:00.000";
pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:order-intents-discarded";
pub(crate) const SHARD: &str = "shardId-000000000000";

/// The driver's time when it begins, and the arrival time of the records put then.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_millis(1_764_097_398_000);

/// The defaults, from the oldest record on, with a queue for discards.
pub(crate) fn options() -> MappingOptions {
    MappingOptions {
        on_failure: Some(QUEUE.into()),
        ..MappingOptions::new(STREAM, FUNCTION, StartingPosition::TrimHorizon)
    }
}

/// The same, for a function that reports batch item failures.
pub(crate) fn reporting() -> MappingOptions {
    MappingOptions {
        function_response_types: vec![FunctionResponseType::ReportBatchItemFailures],
        ..options()
    }
}

pub(crate) fn number(value: u64) -> SequenceNumber {
    SequenceNumber::parse(&value.to_string()).unwrap()
}

/// The sequence numbers of a batch, as integers.
pub(crate) fn numbers(invocation: &Invocation) -> Vec<u64> {
    invocation
        .batch()
        .records()
        .iter()
        .map(|record| record.sequence_number.as_str().parse().unwrap())
        .collect()
}

/// The response that reports these sequence numbers.
pub(crate) fn failures(numbers: &[u64]) -> Completion {
    let failures: Vec<_> = numbers
        .iter()
        .map(|number| json!({"itemIdentifier": number.to_string()}))
        .collect();
    Completion::Returned(
        json!({"batchItemFailures": failures})
            .to_string()
            .into_bytes(),
    )
}

pub(crate) fn success() -> Completion {
    Completion::Returned(b"null".to_vec())
}

#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) records: Vec<Record>,
    pub(crate) closed: bool,
}

pub(crate) struct Driver {
    pub(crate) mapping: Mapping,
    pub(crate) now: Timestamp,
    pub(crate) shards: BTreeMap<ShardId, Shard>,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) occurrences: Vec<Occurrence>,
    /// The time and sequence numbers of each invocation, also of those that never reached the
    /// function.
    pub(crate) deliveries: Vec<(Timestamp, Vec<u64>)>,
    /// The messages that the queue took.
    pub(crate) discards: Vec<Value>,
    next_number: u64,
}

impl Driver {
    /// A mapping that has been told of no shard yet.
    pub(crate) fn new(options: MappingOptions) -> Self {
        Self {
            mapping: Mapping::new(options).unwrap(),
            now: BEGINNING,
            shards: BTreeMap::new(),
            actions: VecDeque::new(),
            wake_at: None,
            occurrences: Vec::new(),
            deliveries: Vec::new(),
            discards: Vec::new(),
            // With this start, ten records are enough for numbers and texts to compare differently.
            next_number: 8,
        }
    }

    /// A mapping of a stream of one shard. The stream already has `records` records, numbered 8, 9,
    /// 10, …
    pub(crate) fn with_records(options: MappingOptions, records: usize) -> Self {
        let mut driver = Self::new(options);
        driver.add_shard(SHARD);
        for record in 0..records {
            driver.put(SHARD, &format!("test_{record}"), b"{}");
        }
        driver.list(&[ShardListing::new(SHARD)]);
        driver
    }

    pub(crate) fn add_shard(&mut self, shard: &str) {
        self.shards.insert(shard.into(), Shard::default());
    }

    pub(crate) fn list(&mut self, listing: &[ShardListing]) {
        self.send(Event::ShardsListed(listing.to_vec()));
    }

    /// Puts a record, which arrives now, and returns its sequence number.
    pub(crate) fn put(&mut self, shard: &str, partition_key: &str, data: &[u8]) -> u64 {
        let value = self.next_number;
        self.next_number += 1;
        self.shards
            .get_mut(&shard.into())
            .unwrap()
            .records
            .push(Record {
                sequence_number: number(value),
                partition_key: partition_key.into(),
                data: data.to_vec(),
                approximate_arrival: self.now,
            });
        value
    }

    pub(crate) fn send(&mut self, event: Event) {
        let step = self.mapping.handle(self.now, event);
        self.take(step);
    }

    pub(crate) fn update(&mut self, options: MappingOptions) -> Result<(), MappingOptionsError> {
        let step = self.mapping.update(self.now, options)?;
        self.take(step);
        Ok(())
    }

    fn take(&mut self, step: Step) {
        if let Some(wake_at) = step.wake_at {
            assert!(
                wake_at > self.now,
                "the machine left undone at {} what was due at {wake_at}",
                self.now
            );
        }
        self.actions.extend(step.actions);
        self.occurrences.extend(step.occurrences);
        self.wake_at = step.wake_at;
    }

    pub(crate) fn wake_after(&mut self, millis: u64) {
        self.now = Timestamp::from_millis(self.now.as_millis() + millis);
        self.send(Event::Wake);
    }

    /// The answer that GetShardIterator and GetRecords would give.
    pub(crate) fn read(&self, fetch: &Fetch) -> Read {
        let shard = &self.shards[fetch.shard_id()];
        let from = match fetch.from() {
            ReadFrom::Iterator(iterator) => iterator.parse().unwrap(),
            ReadFrom::TrimHorizon => 0,
            ReadFrom::Latest => shard.records.len(),
            ReadFrom::AtTimestamp(time) => shard
                .records
                .partition_point(|record| record.approximate_arrival < *time),
            ReadFrom::AfterSequenceNumber(last) => shard
                .records
                .partition_point(|record| record.sequence_number <= *last),
        };
        let until = shard
            .records
            .len()
            .min(from + usize::try_from(fetch.limit()).unwrap());
        let at_end = until == shard.records.len();
        Read {
            records: shard.records[from..until].to_vec(),
            next_iterator: (!at_end || !shard.closed).then(|| until.to_string()),
            millis_behind_latest: u64::from(!at_end),
        }
    }

    /// Answers the oldest action. `function` answers an invocation.
    pub(crate) fn answer(&mut self, function: &mut impl FnMut(&Invocation) -> Completion) {
        let event = match self.actions.pop_front().unwrap() {
            Action::Fetch(fetch) => {
                let read = self.read(&fetch);
                fetch.succeeded(read)
            }
            Action::Invoke(invocation) => {
                self.deliveries.push((self.now, numbers(&invocation)));
                let completion = function(&invocation);
                invocation.finished("c9b8fa9f-5a7f-4af9-9c0c-0c604cde93a5", completion)
            }
            Action::Discard(discard) => {
                self.discards
                    .push(serde_json::to_value(discard.message()).unwrap());
                discard.delivered()
            }
        };
        self.send(event);
    }

    /// Answers every action and lets time pass until nothing is left of the stream.
    pub(crate) fn run(&mut self, mut function: impl FnMut(&Invocation) -> Completion) {
        for _ in 0..100_000 {
            if self.is_done() {
                return;
            }
            if self.actions.is_empty() {
                self.now = self
                    .wake_at
                    .expect("the machine waits for nothing, and is not done");
                self.send(Event::Wake);
            } else {
                self.answer(&mut function);
            }
        }
        panic!("not done after 100,000 steps: {:?}", self.mapping.status());
    }

    /// Answers reads, one after the other, until the next action is not a read or there is none.
    pub(crate) fn read_on(&mut self) {
        while matches!(self.actions.front(), Some(Action::Fetch(_))) {
            self.answer(&mut |_| unreachable!("only reads are answered here"));
        }
    }

    /// Reads on and returns the invocation that is to be made now, if one is.
    pub(crate) fn invocation(&mut self) -> Option<Invocation> {
        self.read_on();
        let index = self
            .actions
            .iter()
            .position(|action| matches!(action, Action::Invoke(_)))?;
        match self.actions.remove(index) {
            Some(Action::Invoke(invocation)) => {
                self.deliveries.push((self.now, numbers(&invocation)));
                Some(invocation)
            }
            _ => None,
        }
    }

    pub(crate) fn finish(&mut self, invocation: Invocation, completion: Completion) {
        self.send(invocation.finished("c9b8fa9f-5a7f-4af9-9c0c-0c604cde93a5", completion));
    }

    /// True if the checkpoint of every shard is its last record.
    pub(crate) fn is_done(&self) -> bool {
        self.shards.iter().all(|(id, shard)| {
            let last = shard.records.last();
            last.map(|record| &record.sequence_number) == self.checkpoint_of(id).as_ref()
        })
    }

    /// The last record of the shard up to which every record was processed or discarded.
    pub(crate) fn checkpoint_of(&self, shard: &ShardId) -> Option<SequenceNumber> {
        match self.mapping.checkpoints().remove(shard) {
            Some(Checkpoint::After(number)) => Some(number),
            Some(Checkpoint::Start(_)) | None => None,
        }
    }

    pub(crate) fn checkpoint(&self) -> Option<u64> {
        self.checkpoint_of(&SHARD.into())
            .map(|number| number.as_str().parse().unwrap())
    }

    /// The batches that were delivered, in sequence.
    pub(crate) fn batches(&self) -> Vec<Vec<u64>> {
        self.deliveries
            .iter()
            .map(|(_, numbers)| numbers.clone())
            .collect()
    }

    /// How often a record was delivered.
    pub(crate) fn times_delivered(&self, number: u64) -> usize {
        self.deliveries
            .iter()
            .filter(|(_, numbers)| numbers.contains(&number))
            .count()
    }

    /// The discarded ranges, each with first and last number, number of records and number of
    /// deliveries.
    pub(crate) fn discarded(&self) -> Vec<(u64, u64, u64, u64)> {
        let value = |value: &Value| value.as_str().unwrap().parse().unwrap();
        self.discards
            .iter()
            .map(|message| {
                let info = &message["KinesisBatchInfo"];
                (
                    value(&info["startSequenceNumber"]),
                    value(&info["endSequenceNumber"]),
                    info["batchSize"].as_u64().unwrap(),
                    message["requestContext"]["approximateInvokeCount"]
                        .as_u64()
                        .unwrap(),
                )
            })
            .collect()
    }
}
