//! The change streams of tables, with the image of an item before and after each change.
//!
//! A stream here differs from a stream of AWS in these points:
//! - It has one shard, which is never closed. AWS divides a table's stream and closes a shard after
//!   some hours.
//! - It always has both images (`NEW_AND_OLD_IMAGES`).
//! - A stream that is disabled loses its records at once. AWS keeps them readable for 24 hours.
//! - Nothing is deleted by a time to live, so no change says that DynamoDB made it.
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

/// How long a record lives.
const RETENTION: Duration = Duration::from_hours(24);

/// The images that a record has, which are both.
pub(super) const VIEW_TYPE: &str = "NEW_AND_OLD_IMAGES";

/// The number of the first record. AWS's numbers have 21 digits and more.
const FIRST_NUMBER: u128 = 100_000_000_000_000_000_001;

/// The streams of all tables that have one, by table.
#[derive(Debug, Default)]
pub(super) struct ChangeStreams {
    streams: BTreeMap<String, ChangeStream>,
    /// How many streams were begun, so that no two have a shard of one name.
    begun: u32,
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
    next_number: u128,
}

#[derive(Debug)]
struct Change {
    number: u128,
    millis: u64,
    record: Value,
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
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
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
            next_number: FIRST_NUMBER,
        }))
    }

    /// The output of an operation on a table, with the stream of the table in its description.
    pub(super) fn described(&self, table: &str, output: &[u8]) -> Vec<u8> {
        let Some(stream) = self.streams.get(table) else {
            return output.to_vec();
        };
        let mut output = super::json_of(output);
        for member in ["Table", "TableDescription"] {
            if let Some(Value::Object(description)) = output.get_mut(member) {
                let specification = json!({ "StreamEnabled": true, "StreamViewType": VIEW_TYPE });
                description.insert("StreamSpecification".into(), specification);
                description.insert("LatestStreamArn".into(), stream.arn().into());
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
    /// `arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>`.
    pub(super) fn arn(&self) -> String {
        format!(
            "arn:aws:dynamodb:{DEFAULT_REGION}:{ACCOUNT}:table/{}/stream/{}",
            self.table, self.label
        )
    }

    /// `shardId-`, 20 digits, which are the time at which the stream began, and eight more. A
    /// stream that is begun again has another shard.
    pub(super) fn shard_id(&self) -> String {
        format!("shardId-{:020}-{:08x}", self.created_millis, self.place)
    }

    /// Takes note of a write. An item that is the same as before leaves no record.
    pub(super) fn note(
        &mut self,
        keys: Map<String, Value>,
        old: Option<Value>,
        new: Option<Value>,
        now: u64,
    ) {
        self.trim(now);
        if old == new {
            return;
        }
        let name = match (&old, &new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let number = self.next_number;
        self.next_number += 1;
        let images = [("OldImage", old), ("NewImage", new)];
        let mut change = json!({
            "ApproximateCreationDateTime": now / 1_000,
            "Keys": keys,
            "SequenceNumber": number.to_string(),
            "StreamViewType": VIEW_TYPE,
        });
        for (name, image) in images {
            if let Some(image) = image {
                change[name] = image;
            }
        }
        change["SizeBytes"] = change.to_string().len().into();
        let record = json!({
            "eventID": format!("{number:032x}"),
            "eventName": name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": DEFAULT_REGION,
            "dynamodb": change,
        });
        self.changes.push_back(Change {
            number,
            millis: now,
            record,
        });
    }

    /// Reads at most `limit` records.
    pub(super) fn read(&mut self, from: ChangePosition, limit: usize, now: u64) -> ReadChanges {
        self.trim(now);
        let last = self.next_number - 1;
        let after = match from {
            ChangePosition::TrimHorizon => FIRST_NUMBER - 1,
            ChangePosition::Latest => last,
            ChangePosition::After(number) => number,
        };
        let begin = self
            .changes
            .partition_point(|change| change.number <= after);
        let found = self.changes.range(begin..).take(limit);
        let records: Vec<Value> = found.map(|change| change.record.clone()).collect();
        let end = begin + records.len();
        let is_at_end = end == self.changes.len();
        let after = match self.changes.get(end.wrapping_sub(1)) {
            Some(change) if !records.is_empty() => change.number,
            _ => after.max(FIRST_NUMBER - 1),
        };
        ReadChanges {
            records,
            after,
            is_at_end,
        }
    }

    fn trim(&mut self, now: u64) {
        let oldest = now.saturating_sub(millis(RETENTION));
        while self
            .changes
            .front()
            .is_some_and(|change| change.millis < oldest)
        {
            self.changes.pop_front();
        }
    }
}

/// The time at which a stream began, as its label has it, such as `2026-11-22T05:00:00.000`.
fn label(now: u64) -> String {
    let text = event_source_mapping::Timestamp::from_millis(now).to_string();
    text.trim_end_matches('Z').to_owned()
}
