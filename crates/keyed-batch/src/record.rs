//! The records that [`process`](crate::process) takes, from streams and queues.

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
