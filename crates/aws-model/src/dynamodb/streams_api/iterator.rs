//! Shard iterators of change streams. A shard iterator has the form of AWS's, which is the ARN of
//! the stream, a version and an opaque text, with bars between them. Nothing is stored for an
//! iterator, so iterators cost no memory.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arn::StreamArn;

/// How long a shard iterator can be used (API reference, `GetShardIterator` of DynamoDB Streams).
pub(super) const ITERATOR_LIFETIME: Duration = Duration::from_mins(15);

const VERSION: &str = "1";

/// A position in a shard, as a client carries it from call to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardIterator {
    pub(crate) arn: StreamArn,
    pub(super) shard_id: String,
    /// The number after which the iterator reads.
    pub(super) after: u128,
    pub(super) made_millis: u64,
}

impl ShardIterator {
    pub(super) fn encode(&self) -> String {
        // The id of a shard contains no slash, and an ARN contains no bar.
        let opaque = STANDARD.encode(format!(
            "{}/{}/{}",
            self.shard_id, self.after, self.made_millis
        ));
        format!("{}|{VERSION}|{opaque}", self.arn)
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('|').collect();
        let [arn, VERSION, opaque] = parts[..] else {
            return None;
        };
        let opaque = String::from_utf8(STANDARD.decode(opaque).ok()?).ok()?;
        let parts: Vec<&str> = opaque.split('/').collect();
        let [shard_id, after, made] = parts[..] else {
            return None;
        };
        Some(Self {
            arn: StreamArn::read(arn)?,
            shard_id: shard_id.to_owned(),
            after: after.parse().ok()?,
            made_millis: made.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_iterator_survives_its_text(
            table in "[a-zA-Z0-9_.-]{3,255}",
            created in 0_u64..4_102_444_800_000,
            place: u32,
            after: u128,
            made_millis: u64,
        ) {
            let label = event_source_mapping::Timestamp::from_millis(created).to_string();
            let arn = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/{label}");
            let shard_id = format!("shardId-{created:020}-{place:08x}");
            let iterator =
                ShardIterator { arn: StreamArn::read(&arn).unwrap(), shard_id, after, made_millis };
            let text = iterator.encode();
            prop_assert!(text.len() <= 2_048, "the longest that the API's shape allows");
            prop_assert_eq!(ShardIterator::decode(&text), Some(iterator));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = ShardIterator::decode(&text);
            let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/abc/stream/x";
            let _ = ShardIterator::decode(&format!("{arn}|1|{}", STANDARD.encode(&text)));
        }
    }
}
