//! Shard iterators. A shard iterator is an opaque text with a position in a shard and the time at
//! which it was made. Nothing is stored for an iterator, so iterators cost no memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A position in a shard, as a client carries it from call to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardIterator {
    pub(crate) stream: String,
    /// The time at which the stream was created, because an iterator does not outlive its stream.
    pub(crate) stream_created_millis: u64,
    pub(crate) shard_id: String,
    /// The counter after which the iterator reads.
    pub(crate) after: u64,
    pub(crate) made_millis: u64,
}

const VERSION: &str = "1";

impl ShardIterator {
    pub(crate) fn encode(&self) -> String {
        // The name of a stream and the id of a shard contain no slash.
        STANDARD.encode(format!(
            "{VERSION}/{}/{}/{}/{}/{}",
            self.stream, self.stream_created_millis, self.shard_id, self.after, self.made_millis
        ))
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        // AWS skips characters that are not Base64, such as the quotes of the JSON from which a
        // text was cut (recorded by kinesalite's author).
        let is_base64 = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let text: String = text.chars().filter(is_base64).collect();
        let bytes = STANDARD.decode(text).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let parts: Vec<&str> = text.split('/').collect();
        let [version, stream, created, shard_id, after, made] = parts.try_into().ok()?;
        if version != VERSION {
            return None;
        }
        Some(Self {
            stream: stream.to_owned(),
            stream_created_millis: created.parse().ok()?,
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
            stream in "[a-zA-Z0-9_.-]{1,128}",
            stream_created_millis: u64,
            shard in 0_u32..20_000,
            after: u64,
            made_millis: u64,
        ) {
            let iterator = ShardIterator {
                stream, stream_created_millis, shard_id: format!("shardId-{shard:012}"), after, made_millis,
            };
            let text = iterator.encode();
            prop_assert!(text.len() <= 512, "the longest that the API's shape allows");
            prop_assert_eq!(ShardIterator::decode(&text), Some(iterator));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = ShardIterator::decode(&text);
            let _ = ShardIterator::decode(&STANDARD.encode(&text));
        }
    }
}
