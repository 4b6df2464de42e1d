//! `ShardFilter` of ListShards, which selects the shards that were open at a time, or from a time
//! on.
//!
//! Source: Kinesis API reference, `ShardFilter`.

use super::error::KinesisError;
use super::input::ShardFilter;
use super::stream::Stream;
use super::violations::Violations;

const TYPES: [&str; 6] = [
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
];

/// The selection of shards for a list. The text of the selection goes from page to page in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Open at the time back to which records are kept.
    AtTrimHorizon,
    AtLatest,
    /// Open at this time, in milliseconds since the Unix epoch.
    At(u64),
    /// Open at this time or later.
    From(u64),
}

impl ShardFilter {
    pub(super) fn check(&self, violations: &mut Violations) {
        match &self.kind {
            None => {
                violations.required(None, "shardFilter.type");
            }
            Some(kind) => violations.one_of(kind, "shardFilter.type", &TYPES),
        }
        if let Some(id) = &self.shard_id {
            violations.name(id, "shardFilter.shardId");
        }
    }

    /// The shards that are wanted, and the shard after which the list begins. The words of the
    /// refusals are the model's own.
    pub(super) fn wanted(
        self,
        millis: impl Fn(f64) -> u64,
    ) -> Result<(Wanted, Option<String>), KinesisError> {
        let kind = self.kind.unwrap_or_default();
        let after = kind == "AFTER_SHARD_ID";
        let timed = matches!(kind.as_str(), "AT_TIMESTAMP" | "FROM_TIMESTAMP");
        for (member, given, needed) in [
            ("ShardId", self.shard_id.is_some(), after),
            ("Timestamp", self.timestamp.is_some(), timed),
        ] {
            if given != needed {
                let what = if needed { "needs a" } else { "takes no" };
                return Err(KinesisError::InvalidArgument(format!(
                    "ShardFilter of type {kind} {what} {member}."
                )));
            }
        }
        let at = millis(self.timestamp.unwrap_or_default());
        let wanted = match kind.as_str() {
            "AT_TRIM_HORIZON" => Wanted::AtTrimHorizon,
            "AT_LATEST" => Wanted::AtLatest,
            "AT_TIMESTAMP" => Wanted::At(at),
            "FROM_TIMESTAMP" => Wanted::From(at),
            _ => Wanted::All,
        };
        Ok((wanted, self.shard_id))
    }
}

impl Wanted {
    pub(super) fn encode(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::AtTrimHorizon => "horizon".to_owned(),
            Self::AtLatest => "latest".to_owned(),
            Self::At(millis) => format!("at {millis}"),
            Self::From(millis) => format!("from {millis}"),
        }
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        Some(match text.split_once(' ') {
            None if text == "all" => Self::All,
            None if text == "horizon" => Self::AtTrimHorizon,
            None if text == "latest" => Self::AtLatest,
            Some(("at", millis)) => Self::At(millis.parse().ok()?),
            Some(("from", millis)) => Self::From(millis.parse().ok()?),
            _ => return None,
        })
    }

    /// The numbers of the stream's shards that are wanted.
    pub(super) fn of(&self, stream: &Stream, now: u64) -> Vec<u32> {
        // Nothing older than the horizon is kept, so an earlier time counts as the horizon.
        let horizon = now
            .saturating_sub(stream.retention_millis())
            .max(stream.created_millis);
        let open_at = |at: u64| {
            let shards = stream.shards.iter();
            shards.filter(move |shard| shard.opened_millis() <= at && shard.open_at(at))
        };
        match *self {
            Self::All => stream.shards.iter().map(|shard| shard.number()).collect(),
            Self::AtLatest => stream.open_shards().map(|shard| shard.number()).collect(),
            Self::At(at) => open_at(at.max(horizon))
                .map(|shard| shard.number())
                .collect(),
            Self::From(at) => {
                let shards = stream.shards.iter();
                let open = shards.filter(|shard| shard.open_at(at.max(horizon)));
                open.map(|shard| shard.number()).collect()
            }
            Self::AtTrimHorizon => {
                let open: Vec<u32> = open_at(horizon).map(|shard| shard.number()).collect();
                // A reader that begins there must have each hash key once. So of a parent and a
                // child that meet at this time, only the parent counts.
                let child = |number: &u32| {
                    let shard = stream.shards.iter().find(|shard| shard.number() == *number);
                    shard.is_some_and(|shard| open.iter().any(|parent| shard.is_child_of(*parent)))
                };
                open.iter()
                    .copied()
                    .filter(|number| !child(number))
                    .collect()
            }
        }
    }
}
