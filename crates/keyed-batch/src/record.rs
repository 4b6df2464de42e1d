//! The records that [`process`](crate::process) takes, from streams and queues.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A record that the response to a batch names by an identifier. No other type can implement this.
pub trait BatchRecord: Sealed {
    /// The response of a function to a batch of these records.
    type Response;

    /// True if the records are messages of a queue, and false if they are records of a stream.
    ///
    /// A queue deletes each message that did not fail. So a message behind a failed one of its key
    /// must not be done. A stream sends everything from the first failed record on again.
    const IS_QUEUED: bool;

    /// The key within which records are worked on in sequence.
    fn key(&self) -> &str;

    /// The identifier by which a response names the record. It is the record's number in its shard,
    /// or the message's id. It is empty if the event has none, which Lambda never sends.
    fn identifier(&self) -> &str;

    /// The record's shard, if the event says it.
    fn shard_id(&self) -> Option<&str>;

    /// False if the event holds the record in a form that cannot be read, which Lambda never sends.
    fn is_readable(&self) -> bool;

    /// The response that reports the records with these identifiers as failed.
    fn respond(failed: Vec<String>) -> Self::Response;
}

/// Keeps [`BatchRecord`] to the records of this crate.
pub trait Sealed {}

/// A text, or nothing where a field has anything else, since one record must not fail its batch.
#[derive(Default)]
pub(crate) struct Text(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(Some(text)))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Text, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Text, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}
