//! The change streams of tables, with the image of an item before and after each change.
//!
//! A stream here differs from a stream of AWS in these points:
//! - It has one shard, which is never closed. AWS divides a table's stream and closes a shard after
//!   some hours.
//! - It always has both images (`NEW_AND_OLD_IMAGES`).
//! - A stream that is disabled loses its records at once. AWS keeps them readable for 24 hours.
//! - Nothing is deleted by a time to live, so no change says that DynamoDB made it.
//! - A stream has a bound, [`CHANGE_STREAM_CAPACITY_BYTES`]. Writes to the table of a full stream
//!   are refused. A stream of AWS takes any amount.
//!
//! As on AWS, a write that does not change its item leaves no record, a record lives for 24 hours,
//! and the changes of an item keep their sequence (DynamoDB developer guide, "Change data capture
//! for DynamoDB Streams"). A write costs two reads of its item more, however long the stream is.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::millis;
use crate::service::{ACCOUNT, DEFAULT_REGION};

/// The bytes that the records of one change stream may take, which are 256 MiB of JSON and
/// bookkeeping. A write to a table whose stream holds so much is refused as throttled
/// (`ProvisionedThroughputExceededException`), until 24 hours have passed for older records. No
/// change of an accepted write is dropped. So the last write that is accepted may exceed the bound
/// by its own records.
pub const CHANGE_STREAM_CAPACITY_BYTES: usize = 256 << 20;

/// The most records that one read returns (`GetRecords` of the API reference).
pub(super) const MAX_RECORDS: usize = 1_000;
/// The most data that one read returns, in bytes (1 MB). A first record that is larger is returned
/// too.
const MAX_READ_BYTES: usize = 1 << 20;

/// How long a record lives.
const RETENTION: Duration = Duration::from_hours(24);

/// The bytes that a stored record costs beyond its JSON, for the bound.
const RECORD_OVERHEAD: usize = 64;

/// The images that a record has, which are both.
pub(super) const VIEW_TYPE: &str = "NEW_AND_OLD_IMAGES";

/// The number with which a shard begins, below that of its first record. AWS's numbers have 21
/// digits and more.
const STARTING_NUMBER: u128 = 100_000_000_000_000_000_000;

/// The streams of all tables that have one, by table.
#[derive(Debug)]
pub(super) struct ChangeStreams {
    streams: BTreeMap<String, ChangeStream>,
    /// How many streams were begun, so that no two have a shard of one name.
    begun: u32,
    /// The bytes that a stream may hold.
    capacity: usize,
}

/// The change stream of one table.
#[derive(Debug)]
pub(super) struct ChangeStream {
    table: String,
    label: String,
    created_millis: u64,
    /// The place of this stream among all that were begun.
    place: u32,
    key_names: Vec<String>,
    changes: VecDeque<Change>,
    /// The bytes of all changes.
    bytes: usize,
    /// The number of the newest record that ever was, or the starting number.
    last_number: u128,
    /// The number of the newest record that was trimmed, or the starting number.
    trimmed_number: u128,
}

/// A change that the stream keeps as JSON, which takes less memory than the value.
#[derive(Debug)]
struct Change {
    number: u128,
    millis: u64,
    json: Box<str>,
}

impl Change {
    fn bytes(&self) -> usize {
        self.json.len() + RECORD_OVERHEAD
    }
}

/// The key of an item that a write is about, and its table.
pub(super) struct Touched {
    pub(super) table: String,
    pub(super) keys: Map<String, Value>,
}

/// The place in a change stream where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangePosition {
    /// At the oldest record still kept.
    TrimHorizon,
    /// After the newest record at the moment of the call.
    Latest,
    /// After the record of this number.
    After(u128),
}

/// The records that one read of a change stream found.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadChanges {
    /// The records as GetRecords of DynamoDB Streams answers them, in their sequence.
    pub records: Vec<Value>,
    /// The number after which to read on, so that nothing is read twice or missed.
    pub after: u128,
    /// True if nothing is left to read.
    pub is_at_end: bool,
}

impl ChangeStreams {
    /// No streams yet. Each stream may hold `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            streams: BTreeMap::new(),
            begun: 0,
            capacity,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The bytes that a stream may hold.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// All streams, sorted by table.
    pub(super) fn all(&self) -> impl Iterator<Item = &ChangeStream> {
        self.streams.values()
    }

    /// The table among those of a write whose stream is full, if there is one.
    pub(super) fn full_among<'a>(&mut self, touched: &'a [Touched], now: u64) -> Option<&'a str> {
        let capacity = self.capacity;
        let full = touched.iter().find(|item| {
            self.streams.get_mut(&item.table).is_some_and(|stream| {
                stream.trim(now);
                stream.bytes >= capacity
            })
        });
        full.map(|item| item.table.as_str())
    }

    pub(super) fn get(&mut self, table: &str) -> Option<&mut ChangeStream> {
        self.streams.get_mut(table)
    }

    /// Begins a stream. `None` if the table has one.
    pub(super) fn begin(
        &mut self,
        table: &str,
        key_names: Vec<String>,
        now: u64,
    ) -> Option<&ChangeStream> {
        let Entry::Vacant(place) = self.streams.entry(table.to_owned()) else {
            return None;
        };
        self.begun += 1;
        Some(place.insert(ChangeStream {
            table: table.to_owned(),
            label: label(now),
            created_millis: now,
            place: self.begun,
            key_names,
            changes: VecDeque::new(),
            bytes: 0,
            last_number: STARTING_NUMBER,
            trimmed_number: STARTING_NUMBER,
        }))
    }

    /// The output of an operation on a table, with the stream of the table in its description.
    pub(super) fn described(&self, table: &str, output: &[u8], region: &str) -> Vec<u8> {
        let Some(stream) = self.streams.get(table) else {
            return output.to_vec();
        };
        let mut output = super::json_of(output);
        for member in ["Table", "TableDescription"] {
            if let Some(Value::Object(description)) = output.get_mut(member) {
                let specification = json!({ "StreamEnabled": true, "StreamViewType": VIEW_TYPE });
                description.insert("StreamSpecification".into(), specification);
                description.insert("LatestStreamArn".into(), stream.arn(region).into());
                description.insert("LatestStreamLabel".into(), stream.label.as_str().into());
            }
        }
        output.to_string().into_bytes()
    }

    /// Ends a stream, with its records.
    pub(super) fn end(&mut self, table: &str) {
        self.streams.remove(table);
    }

    /// The items that a request would write, of the tables that have a stream.
    pub(super) fn touched(&self, operation: &str, input: &Value) -> Vec<Touched> {
        let write = |table: &Value, item: &Value| {
            let stream = self.streams.get(table.as_str()?)?;
            let item = item.as_object()?;
            let keys = stream.key_names.iter();
            let keys: Option<Map<_, _>> = keys
                .map(|name| Some((name.clone(), item.get(name)?.clone())))
                .collect();
            Some(Touched {
                table: stream.table.clone(),
                keys: keys?,
            })
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        match operation {
            "PutItem" => write(&input["TableName"], &input["Item"])
                .into_iter()
                .collect(),
            "UpdateItem" | "DeleteItem" => write(&input["TableName"], &input["Key"])
                .into_iter()
                .collect(),
            "TransactWriteItems" => list(&input["TransactItems"])
                .iter()
                .filter_map(|action| {
                    let put = &action["Put"];
                    write(&put["TableName"], &put["Item"]).or_else(|| {
                        ["Update", "Delete"].iter().find_map(|kind| {
                            write(&action[*kind]["TableName"], &action[*kind]["Key"])
                        })
                    })
                })
                .collect(),
            "BatchWriteItem" => input["RequestItems"]
                .as_object()
                .into_iter()
                .flatten()
                .flat_map(|(table, requests)| {
                    let table = Value::from(table.as_str());
                    list(requests)
                        .iter()
                        .filter_map(|request| {
                            write(&table, &request["PutRequest"]["Item"])
                                .or_else(|| write(&table, &request["DeleteRequest"]["Key"]))
                        })
                        .collect::<Vec<_>>()
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl ChangeStream {
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// The time at which the stream began, as AWS writes it into the stream's ARN.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn created_millis(&self) -> u64 {
        self.created_millis
    }

    /// The names of the key's attributes, the partition key first.
    pub(super) fn key_names(&self) -> &[String] {
        &self.key_names
    }

    /// `arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>`.
    pub(super) fn arn(&self, region: &str) -> String {
        format!(
            "arn:aws:dynamodb:{region}:{ACCOUNT}:table/{}/stream/{}",
            self.table, self.label
        )
    }

    /// `shardId-`, 20 digits, which are the time at which the stream began, and eight more. A
    /// stream that is begun again has another shard.
    pub(super) fn shard_id(&self) -> String {
        format!("shardId-{:020}-{:08x}", self.created_millis, self.place)
    }

    /// A number below that of every record.
    pub(super) fn starting_number() -> u128 {
        STARTING_NUMBER
    }

    /// The number of the newest record that ever was, or the starting number.
    pub(super) fn last_number(&self) -> u128 {
        self.last_number
    }

    /// The number of the newest record that was trimmed by this time, or the starting number.
    pub(super) fn trimmed_number(&mut self, now: u64) -> u128 {
        self.trim(now);
        self.trimmed_number
    }

    /// Takes note of a write. An item that is the same as before leaves no record.
    pub(super) fn note(&mut self, old: Option<Value>, new: Option<Value>, now: u64) {
        self.trim(now);
        if old == new {
            return;
        }
        let name = match (&old, &new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        self.last_number += 1;
        let number = self.last_number;
        // The keys are those of the item, because a request may write a number in another way.
        let item = new.as_ref().or(old.as_ref());
        let keys = self.key_names.iter();
        let keys: Map<_, _> = keys
            .filter_map(|name| Some((name.clone(), item?.get(name)?.clone())))
            .collect();
        let mut change = json!({
            "ApproximateCreationDateTime": now / 1_000,
            "Keys": keys,
            "SequenceNumber": number.to_string(),
            "StreamViewType": VIEW_TYPE,
        });
        for (name, image) in [("OldImage", old), ("NewImage", new)] {
            if let Some(image) = image {
                change[name] = image;
            }
        }
        change["SizeBytes"] = change.to_string().len().into();
        let record = json!({
            // The place makes the id differ from those of all other streams.
            "eventID": format!("{:08x}{number:024x}", self.place),
            "eventName": name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": DEFAULT_REGION,
            "dynamodb": change,
        });
        let change = Change {
            number,
            millis: now,
            json: record.to_string().into(),
        };
        self.bytes += change.bytes();
        self.changes.push_back(change);
    }

    /// The number after which a read from a position begins.
    fn number_before(&self, from: ChangePosition) -> u128 {
        match from {
            ChangePosition::TrimHorizon => self.trimmed_number,
            ChangePosition::Latest => self.last_number,
            ChangePosition::After(number) => number,
        }
    }

    /// Reads at most `limit` records, and not more than one read may return.
    pub(super) fn read(&mut self, from: ChangePosition, limit: usize, now: u64) -> ReadChanges {
        self.trim(now);
        let after = self.number_before(from);
        let begin = self
            .changes
            .partition_point(|change| change.number <= after);
        let mut bytes = 0_usize;
        let found: Vec<&Change> = self
            .changes
            .range(begin..)
            .take(limit.min(MAX_RECORDS))
            .enumerate()
            .take_while(|(place, change)| {
                bytes = bytes.saturating_add(change.json.len());
                *place == 0 || bytes <= MAX_READ_BYTES
            })
            .map(|(_, change)| change)
            .collect();
        let records = found
            .iter()
            .map(|change| super::json_of(change.json.as_bytes()))
            .collect();
        ReadChanges {
            records,
            after: found.last().map_or(after, |change| change.number),
            is_at_end: begin + found.len() == self.changes.len(),
        }
    }

    fn trim(&mut self, now: u64) {
        let oldest = now.saturating_sub(millis(RETENTION));
        while let Some(change) = self.changes.front()
            && change.millis < oldest
        {
            self.bytes -= change.bytes();
            self.trimmed_number = change.number;
            self.changes.pop_front();
        }
    }
}

/// The time at which a stream began, as its label has it, such as `2026-11-22T05:00:00.000`.
fn label(now: u64) -> String {
    let text = event_source_mapping::Timestamp::from_millis(now).to_string();
    text.trim_end_matches('Z').to_owned()
}
