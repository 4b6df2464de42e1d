//! The evidence of a stack after its work, which is every record of the stream, every row of the
//! table, and every discard in the queue.

use std::collections::BTreeMap;

use aws_sdk_kinesis::types::ShardIteratorType;
use conditional_write::Item;
use event_source_mapping::SequenceNumber;
use orders::{Intent, OrderId, Row};
use serde_json::Value;

use crate::Stack;

/// The three places where an intent can be.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The stream's records, shard by shard, each shard in its sequence.
    pub records: Vec<StreamRecord>,
    /// The table's rows.
    pub rows: BTreeMap<OrderId, Row>,
    /// The ranges that the on-failure queue names.
    pub discards: Vec<Discarded>,
}

/// A record of the stream.
#[derive(Clone, Debug)]
pub struct StreamRecord {
    /// The record's shard.
    pub shard_id: String,
    /// The record's place in the shard.
    pub sequence_number: SequenceNumber,
    /// The partition key that the record was put with.
    pub partition_key: String,
    /// The record's data.
    pub data: Vec<u8>,
}

/// A range of a shard that Lambda gave up on, both ends included. The range may contain records
/// that were processed.
#[derive(Clone, Debug)]
pub struct Discarded {
    /// The shard.
    pub shard_id: String,
    /// The first record.
    pub start: SequenceNumber,
    /// The last record.
    pub end: SequenceNumber,
}

impl StreamRecord {
    /// The intent of the record, or nothing if the record is poison.
    #[must_use]
    pub fn intent(&self) -> Option<Intent> {
        Intent::decode(&self.data).ok()
    }
}

impl Discarded {
    /// Reads the message that Lambda sends to the queue.
    ///
    /// # Panics
    /// If the message is not of this kind.
    #[must_use]
    pub fn of(message: &Value) -> Self {
        let range = &message["KinesisBatchInfo"];
        let number = |field: &str| SequenceNumber::parse(range[field].as_str().unwrap()).unwrap();
        Self {
            shard_id: range["shardId"].as_str().unwrap().to_owned(),
            start: number("startSequenceNumber"),
            end: number("endSequenceNumber"),
        }
    }

    /// True if the record is in the range.
    #[must_use]
    pub fn covers(&self, record: &StreamRecord) -> bool {
        self.shard_id == record.shard_id
            && (&self.start..=&self.end).contains(&&record.sequence_number)
    }
}

impl Evidence {
    /// Reads stream, table and queue. The queue keeps its messages.
    ///
    /// # Panics
    /// If stream, table or queue cannot be read, or has content that the service never writes.
    pub async fn gather(stack: &Stack) -> Self {
        Self {
            records: records(stack).await,
            rows: rows(stack).await,
            discards: discards(stack).await,
        }
    }

    /// True if a discard names the record's place.
    #[must_use]
    pub fn is_discarded(&self, record: &StreamRecord) -> bool {
        self.discards.iter().any(|discard| discard.covers(record))
    }

    /// Puts the discarded records into the stream again, with their partition keys and their data.
    /// A person who was told of them by the queue does the same. Returns the number of these
    /// records.
    ///
    /// # Panics
    /// If the stream does not take a record.
    pub async fn replay_discarded(&self, stack: &Stack) -> usize {
        let mut put = 0;
        for record in self
            .records
            .iter()
            .filter(|record| self.is_discarded(record))
        {
            stack.put(&record.partition_key, record.data.clone()).await;
            put += 1;
        }
        put
    }
}

/// Reads every record of the stream of intents.
///
/// # Panics
/// If the stream cannot be read.
pub async fn records(stack: &Stack) -> Vec<StreamRecord> {
    records_of(stack, stack.stream()).await
}

/// Reads every record of a stream. The records of probes are left out.
///
/// # Panics
/// If the stream cannot be read.
pub(crate) async fn records_of(stack: &Stack, stream: &str) -> Vec<StreamRecord> {
    let kinesis = stack.kinesis();
    let shards = kinesis.list_shards().stream_name(stream).send().await;
    let probes = stack.probes().clone();
    let is_probe = |key: &str| OrderId::parse(key).is_some_and(|id| probes.contains(&id));
    let mut records = Vec::new();
    for shard in shards.unwrap().shards.unwrap_or_default() {
        let request = kinesis.get_shard_iterator().stream_name(stream);
        let request = request.shard_id(&shard.shard_id);
        let request = request.shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut iterator = request.send().await.unwrap().shard_iterator;
        while let Some(next) = iterator {
            let output = kinesis.get_records().shard_iterator(next).send().await;
            let output = output.unwrap();
            let is_end = output.millis_behind_latest == Some(0) && output.records.is_empty();
            for record in output.records {
                if record.partition_key.as_deref().is_some_and(is_probe) {
                    continue;
                }
                records.push(StreamRecord {
                    shard_id: shard.shard_id.clone(),
                    sequence_number: SequenceNumber::parse(&record.sequence_number).unwrap(),
                    partition_key: record.partition_key.unwrap(),
                    data: record.data.into_inner(),
                });
            }
            iterator = output.next_shard_iterator.filter(|_| !is_end);
        }
    }
    records
}

/// Reads every row of the table of orders. The rows of probes are left out.
///
/// # Panics
/// If the table cannot be read, or has content that the service never writes.
pub async fn rows(stack: &Stack) -> BTreeMap<OrderId, Row> {
    let items = items(stack, stack.table()).await;
    let rows = items.iter().map(|item| {
        let id = match item.get(Row::KEY) {
            Some(conditional_write::Value::S(id)) => OrderId::parse(id).unwrap(),
            other => panic!("the key is {other:?}"),
        };
        (id, Row::from_item(item).unwrap())
    });
    rows.collect()
}

/// Reads every item of a table with the orders' key. The items of probes are left out.
///
/// # Panics
/// If the table cannot be read.
pub(crate) async fn items(stack: &Stack, table: &str) -> Vec<Item> {
    let scan = stack.dynamodb().scan().table_name(table);
    let pages = scan.consistent_read(true).into_paginator().items().send();
    let mut items = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let probes = stack.probes();
    items.retain(|item| {
        let id = item[Row::KEY].as_s().unwrap();
        OrderId::parse(id).is_none_or(|id| !probes.contains(&id))
    });
    items.iter().map(Item::from).collect()
}

async fn discards(stack: &Stack) -> Vec<Discarded> {
    let (sqs, url) = (stack.sqs(), stack.queue_url());
    let (mut discards, mut handles) = (Vec::new(), Vec::new());
    loop {
        let request = sqs.receive_message().queue_url(&url);
        let request = request.max_number_of_messages(10).visibility_timeout(60);
        let Some(messages) = request.send().await.unwrap().messages else {
            break;
        };
        for message in messages {
            let body = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
            discards.push(Discarded::of(&body));
            handles.push(message.receipt_handle.unwrap());
        }
    }
    // The messages become visible again, because later readers need them.
    for handle in handles {
        let request = sqs.change_message_visibility().queue_url(&url);
        let request = request.receipt_handle(handle).visibility_timeout(0);
        request.send().await.unwrap();
    }
    discards
}
