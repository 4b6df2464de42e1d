//! Runs the mapping over the shards and responses of a vector, and notes what it did. Time is
//! virtual. It jumps to the next moment at which the mapping has something to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_source_mapping::{
    Action, Backoff, Checkpoint, Completion, Destination, Discard, Event, Fetch, FirstRecordFailed,
    FunctionResponseType, Invocation, Mapping, MappingOptions, NeighbouringDiscards, Read,
    ReadFrom, Record, SequenceNumber, ShardId, ShardListing, StartingPosition, Step, Timestamp,
};
use serde_json::Value;

/// Second 0 of every vector, 2025-11-25T19:03:18Z.
const BEGINNING: u64 = 1_764_097_398;

/// The record of what the mapping did.
pub(crate) struct Observed {
    /// The invocations that reached the function.
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) discards: Vec<DiscardSeen>,
    /// The last record of each shard that is done.
    pub(crate) checkpoints: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) records: Vec<String>,
    /// The partition key of the first record.
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) second: u64,
    pub(crate) event: Value,
}

pub(crate) struct DiscardSeen {
    pub(crate) destination: String,
    pub(crate) object_key: Option<String>,
    pub(crate) body: Value,
}

/// The request id of a delivery, counted from 1.
pub(crate) fn request_id(delivery: u64) -> String {
    format!("00000000-0000-4000-8000-{delivery:012}")
}

pub(crate) fn run(vector: &Value) -> Observed {
    let mut run = Run::new(vector);
    for _ in 0..10_000 {
        if run.actions.is_empty() {
            if run.is_done() {
                return run.observed();
            }
            let woken = run.wake_at;
            run.now = woken.unwrap_or_else(|| panic!("{}: nothing follows", vector["name"]));
            run.send(Event::Wake);
        } else {
            run.answer();
        }
    }
    panic!("{}: no end after 10,000 steps", vector["name"]);
}

struct Run {
    mapping: Mapping,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    actions: VecDeque<Action>,
    /// The records of each shard, and true if the shard is closed.
    shards: BTreeMap<ShardId, (Vec<Record>, bool)>,
    responses: Responses,
    keys_in_flight: BTreeSet<String>,
    deliveries: Vec<Delivery>,
    discards: Vec<DiscardSeen>,
}

impl Run {
    fn new(vector: &Value) -> Self {
        let shards: Vec<_> = vector["shards"].as_array().unwrap().iter().collect();
        let records = |shard: &Value| {
            let records = shard["records"].as_array().unwrap();
            let closed = shard["closed"] == true;
            (records.iter().map(record).collect(), closed)
        };
        let mut run = Self {
            mapping: Mapping::new(options(vector)).unwrap(),
            now: at(vector["begins_at_seconds"].as_u64().unwrap_or(0)),
            wake_at: None,
            actions: VecDeque::new(),
            shards: shards
                .iter()
                .map(|shard| (text(&shard["shard_id"]).into(), records(shard)))
                .collect(),
            responses: Responses::new(vector),
            keys_in_flight: BTreeSet::new(),
            deliveries: Vec::new(),
            discards: Vec::new(),
        };
        let listing = shards.iter().map(|shard| ShardListing {
            shard_id: text(&shard["shard_id"]).into(),
            parents: list(&shard["parents"])
                .iter()
                .map(|parent| text(parent).into())
                .collect(),
        });
        run.send(Event::ShardsListed(listing.collect()));
        run
    }

    fn send(&mut self, event: Event) {
        let Step {
            actions, wake_at, ..
        } = self.mapping.handle(self.now, event);
        for action in &actions {
            if let Action::Invoke(invocation) = action {
                for key in keys(invocation) {
                    let first = self.keys_in_flight.insert(key.clone());
                    assert!(first, "two batches have records of {key} at a time");
                }
            }
        }
        self.actions.extend(actions);
        self.wake_at = wake_at;
    }

    fn answer(&mut self) {
        let event = match self.actions.pop_front().unwrap() {
            Action::Fetch(fetch) => {
                let read = self.read(&fetch);
                fetch.succeeded(read)
            }
            Action::Invoke(invocation) => self.invoke(invocation),
            Action::Discard(discard) => {
                self.discards.push(seen(&discard));
                discard.delivered()
            }
        };
        self.send(event);
    }

    /// The answer of GetRecords, with the records that have arrived by now.
    fn read(&self, fetch: &Fetch) -> Read {
        let (records, closed) = &self.shards[fetch.shard_id()];
        let arrived = records.partition_point(|record| record.approximate_arrival <= self.now);
        let from = match fetch.from() {
            ReadFrom::Iterator(iterator) => iterator.parse().unwrap(),
            ReadFrom::TrimHorizon => 0,
            ReadFrom::Latest => arrived,
            ReadFrom::AtTimestamp(time) => {
                records.partition_point(|record| record.approximate_arrival < *time)
            }
            ReadFrom::AfterSequenceNumber(last) => {
                records.partition_point(|record| record.sequence_number <= *last)
            }
        };
        let until = arrived.min(from + usize::try_from(fetch.limit()).unwrap());
        let ended = *closed && until == records.len();
        Read {
            records: records[from.min(until)..until].to_vec(),
            next_iterator: (!ended).then(|| until.to_string()),
            millis_behind_latest: u64::from(until < arrived),
        }
    }

    fn invoke(&mut self, invocation: Invocation) -> Event {
        let batch = invocation.batch().records();
        let key = batch[0].partition_key.clone();
        let completion = self.responses.next(&key);
        if completion != Completion::NotInvoked {
            let number = |record: &Record| record.sequence_number.to_string();
            self.deliveries.push(Delivery {
                records: batch.iter().map(number).collect(),
                key,
                attempt: invocation.attempt(),
                second: self.now.since(at(0)).as_secs(),
                event: serde_json::from_slice(&invocation.payload()).unwrap(),
            });
        }
        for key in keys(&invocation) {
            self.keys_in_flight.remove(&key);
        }
        let delivery = self.deliveries.len().try_into().unwrap();
        invocation.finished(request_id(delivery), completion)
    }

    /// True if every record has arrived and is done.
    fn is_done(&self) -> bool {
        self.shards.iter().all(|(shard, (records, _))| {
            let last = records.last().map(|record| &record.sequence_number);
            last == self.checkpoint(shard).as_ref()
        })
    }

    fn checkpoint(&self, shard: &ShardId) -> Option<SequenceNumber> {
        match self.mapping.checkpoints().remove(shard) {
            Some(Checkpoint::After(number)) => Some(number),
            Some(Checkpoint::Start(_)) | None => None,
        }
    }

    fn observed(self) -> Observed {
        let checkpoints = self.shards.keys().filter_map(|shard| {
            let number = self.checkpoint(shard)?;
            Some((shard.to_string(), number.to_string()))
        });
        Observed {
            checkpoints: checkpoints.collect(),
            deliveries: self.deliveries,
            discards: self.discards,
        }
    }
}

/// The function's responses in sequence. The last one repeats.
enum Responses {
    OfAll(Vec<Completion>),
    ByKey(BTreeMap<String, Vec<Completion>>),
}

impl Responses {
    fn new(vector: &Value) -> Self {
        let of = |responses: &Value| {
            let responses = responses.as_array().unwrap().iter();
            // Reversed, so that the next one is at the end.
            responses.rev().map(completion).collect()
        };
        match vector["responses_by_key"].as_object() {
            None => Self::OfAll(of(&vector["responses"])),
            Some(keys) => Self::ByKey(
                keys.iter()
                    .map(|(key, responses)| (key.clone(), of(responses)))
                    .collect(),
            ),
        }
    }

    fn next(&mut self, key: &str) -> Completion {
        let left = match self {
            Self::OfAll(left) => left,
            Self::ByKey(keys) => keys.get_mut(key).unwrap(),
        };
        if left.len() > 1 {
            left.pop().unwrap()
        } else {
            left[0].clone()
        }
    }
}

fn completion(response: &Value) -> Completion {
    if let Some(value) = response.get("returns") {
        return Completion::Returned(value.to_string().into_bytes());
    }
    if let Some(text) = response.get("returns_text") {
        return Completion::Returned(text.as_str().unwrap().as_bytes().to_vec());
    }
    match text(&response["fails"]) {
        "error" => Completion::FunctionError,
        "timeout" => Completion::TimedOut,
        "not_invoked" => Completion::NotInvoked,
        other => panic!("{other}"),
    }
}

fn seen(discard: &Discard) -> DiscardSeen {
    let object_key = match discard.call() {
        Destination::Bucket { key, .. } => Some(key.to_owned()),
        Destination::Queue { .. } | Destination::Topic { .. } => None,
    };
    DiscardSeen {
        destination: discard.destination().to_owned(),
        object_key,
        body: serde_json::from_str(&discard.body()).unwrap(),
    }
}

fn keys(invocation: &Invocation) -> BTreeSet<String> {
    let records = invocation.batch().records().iter();
    records.map(|record| record.partition_key.clone()).collect()
}

fn record(record: &Value) -> Record {
    let approximate_arrival = at(record["arrives_at_seconds"].as_u64().unwrap());
    if let Some(change) = record.get("change") {
        let record = Record::from_change(change).unwrap();
        assert_eq!(record.approximate_arrival, approximate_arrival, "{change}");
        return record;
    }
    Record {
        sequence_number: SequenceNumber::parse(text(&record["sequence_number"])).unwrap(),
        partition_key: text(&record["partition_key"]).to_owned(),
        data: STANDARD.decode(text(&record["data"])).unwrap(),
        approximate_arrival,
    }
}

fn options(vector: &Value) -> MappingOptions {
    let given = &vector["options"];
    let position = match text(&given["StartingPosition"]) {
        "TRIM_HORIZON" => StartingPosition::TrimHorizon,
        "LATEST" => StartingPosition::Latest,
        "AT_TIMESTAMP" => {
            let seconds = given["StartingPositionTimestamp"].as_u64().unwrap();
            StartingPosition::AtTimestamp(Timestamp::from_millis(seconds * 1_000))
        }
        other => panic!("{other}"),
    };
    let (stream, function) = (text(&given["EventSourceArn"]), text(&given["FunctionArn"]));
    let mut options = MappingOptions::new(stream, function, position);
    for (name, value) in given.as_object().unwrap() {
        let number = || u32::try_from(value.as_u64().unwrap()).unwrap();
        match name.as_str() {
            "EventSourceArn" | "FunctionArn" | "StartingPosition" | "StartingPositionTimestamp" => {
            }
            "UUID" => options.uuid = Some(text(value).to_owned()),
            "BatchSize" => options.batch_size = number(),
            "MaximumBatchingWindowInSeconds" => {
                options.maximum_batching_window_in_seconds = number();
            }
            "BisectBatchOnFunctionError" => {
                options.bisect_batch_on_function_error = value.as_bool().unwrap();
            }
            "MaximumRetryAttempts" => options.maximum_retry_attempts = value.as_i64().unwrap(),
            "MaximumRecordAgeInSeconds" => {
                options.maximum_record_age_in_seconds = value.as_i64().unwrap();
            }
            "ParallelizationFactor" => options.parallelization_factor = number(),
            "FunctionResponseTypes" => {
                options.function_response_types =
                    vec![FunctionResponseType::ReportBatchItemFailures];
            }
            "DestinationConfig" => {
                options.on_failure = Some(text(&value["OnFailure"]["Destination"]).to_owned());
            }
            "StreamRetentionHours" => options.stream_retention_hours = number(),
            other => panic!("the runner does not know the option {other}"),
        }
    }
    for (name, value) in vector["assumptions"].as_object().into_iter().flatten() {
        let assumptions = &mut options.assumptions;
        let seconds = |member: &str| Duration::from_secs(value[member].as_u64().unwrap());
        match (name.as_str(), value.as_str()) {
            ("first_record_failed", Some(variant)) => {
                assumptions.first_record_failed = match variant {
                    "retry_whole" => FirstRecordFailed::RetryWhole,
                    "halve" => FirstRecordFailed::Halve,
                    "isolate" => FirstRecordFailed::Isolate,
                    other => panic!("{other}"),
                };
            }
            ("neighbouring_discards", Some(variant)) => {
                assumptions.neighbouring_discards = match variant {
                    "separate" => NeighbouringDiscards::Separate,
                    "merged" => NeighbouringDiscards::Merged,
                    other => panic!("{other}"),
                };
            }
            ("retry_backoff", None) => {
                assumptions.retry_backoff = Backoff {
                    base: seconds("base_seconds"),
                    cap: seconds("cap_seconds"),
                };
            }
            other => panic!("the runner does not know the assumption {other:?}"),
        }
    }
    options
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis((BEGINNING + second) * 1_000)
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
