//! The streams that pollers read, of either kind.

use aws_model::event_source::{ChangeStreamReader, ShardReader};
use aws_model::kinesis::{Position, hash_key};
use aws_model::{Aws, ChangePosition};
use event_source_mapping::{Event, Fetch, SequenceNumber};

/// A stream as a source of records.
#[derive(Clone)]
pub(crate) struct Source {
    aws: Aws,
    /// The ARN of the stream.
    pub(crate) arn: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Stream(&'static str, ShardReader),
    Changes(&'static str, ChangeStreamReader),
}

impl Source {
    /// The Kinesis stream of this name.
    pub(crate) fn stream(aws: &Aws, name: &'static str) -> Self {
        let arn = aws.kinesis().stream_arn(name);
        Self {
            aws: aws.clone(),
            kind: Kind::Stream(name, ShardReader::new(aws.clone(), &arn)),
            arn,
        }
    }

    /// The change stream of this table. `arn` is the ARN of the stream.
    pub(crate) fn changes(aws: &Aws, table: &'static str, arn: String) -> Self {
        Self {
            aws: aws.clone(),
            kind: Kind::Changes(table, ChangeStreamReader::new(aws.clone(), table)),
            arn,
        }
    }

    /// The shards of the stream, to be handed to the mapping.
    pub(crate) fn list(&self) -> Event {
        match &self.kind {
            Kind::Stream(_, reader) => reader.list().unwrap(),
            Kind::Changes(_, reader) => reader.list().unwrap(),
        }
    }

    /// Carries out a read, to be handed to the mapping.
    pub(crate) fn read(&self, fetch: Fetch) -> Event {
        match &self.kind {
            Kind::Stream(_, reader) => reader.read(fetch),
            Kind::Changes(_, reader) => reader.read(fetch),
        }
    }

    /// The names of all shards.
    pub(crate) fn shards(&self) -> Vec<String> {
        match &self.kind {
            Kind::Stream(name, _) => {
                let shards = self.aws.kinesis().shards(name).unwrap();
                shards.into_iter().map(|shard| shard.id).collect()
            }
            Kind::Changes(table, _) => {
                let shard = self.aws.dynamodb().change_stream_shard(table);
                shard.into_iter().collect()
            }
        }
    }

    /// The name of a key's records in a shard. Records that escaped from the shard of their key
    /// have another name, because their shard has a sequence of its own.
    pub(crate) fn key_in(&self, shard: &str, key: &str) -> String {
        let is_at_home = match &self.kind {
            Kind::Stream(name, _) => {
                let shards = self.aws.kinesis().shards(name).unwrap();
                let mut shards = shards.iter().filter(|known| known.id == shard);
                shards.all(|shard| shard.hash_range.contains(hash_key(key)))
            }
            Kind::Changes(..) => true,
        };
        if is_at_home {
            key.to_owned()
        } else {
            format!("{key}, escaped")
        }
    }

    /// True if a shard has no record behind this checkpoint. Without a checkpoint, it has none at
    /// all.
    pub(crate) fn ends_at(&self, shard: &str, checkpoint: Option<&SequenceNumber>) -> bool {
        let checkpoint = checkpoint.map(SequenceNumber::as_str);
        match &self.kind {
            Kind::Stream(name, _) => {
                let from = checkpoint.map_or(Position::TrimHorizon, |number| {
                    Position::After(number.parse().unwrap())
                });
                let read = self.aws.kinesis().read(name, shard, from, 1).unwrap();
                read.records.is_empty()
            }
            Kind::Changes(table, _) => {
                let from = checkpoint.map_or(ChangePosition::TrimHorizon, |number| {
                    ChangePosition::After(number.parse().unwrap())
                });
                let read = self.aws.dynamodb().read_changes(table, from, 1).unwrap();
                read.records.is_empty()
            }
        }
    }
}
