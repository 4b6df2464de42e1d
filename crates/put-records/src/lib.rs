//! `PutRecords` of Kinesis, whose answer is read entry by entry.
//!
//! A call that is answered 200 may have failed for some or all of its entries. The source of each
//! rule here is the Kinesis API reference, `PutRecords` and `PutRecordsResultEntry`.

use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

/// The most entries of one call.
pub const MAX_ENTRIES: usize = 500;

/// The most bytes that are put in one call, data and partition keys together. `PutRecords` takes
/// 10 MiB, and takes 5 MiB of streams with the older limit.
pub const MAX_BYTES: usize = 5 << 20;

/// A record that is to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key by which Kinesis routes the record, and by which its readers know it.
    pub partition_key: String,
    /// The place on the ring to which the record is routed in place of its key's. It is a decimal
    /// number below 2¹²⁸.
    pub explicit_hash_key: Option<String>,
    /// The payload, not encoded.
    pub data: Vec<u8>,
}

/// The reason why an entry was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPut {
    /// The shard took nothing, because its limit is used up.
    #[error("ProvisionedThroughputExceededException")]
    Throttled,
    /// The service failed.
    #[error("InternalFailure")]
    InternalFailure,
    /// An error that AWS does not document for an entry, by its code.
    #[error("{0}")]
    Other(String),
    /// The answer has no result for the entry, or one without an error and a number.
    #[error("no_result")]
    NoResult,
}

impl Entry {
    /// The bytes that the entry counts against [`MAX_BYTES`].
    #[must_use]
    pub fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }

    /// The entry as the SDK takes it.
    #[must_use]
    pub fn to_request(&self) -> PutRecordsRequestEntry {
        #[expect(
            clippy::expect_used,
            reason = "the one required member is the data, which is set here"
        )]
        PutRecordsRequestEntry::builder()
            .partition_key(&self.partition_key)
            .set_explicit_hash_key(self.explicit_hash_key.clone())
            .data(Blob::new(self.data.as_slice()))
            .build()
            .expect("an entry has its data")
    }
}

impl NotPut {
    fn of(code: &str) -> Self {
        match code {
            "ProvisionedThroughputExceededException" => Self::Throttled,
            "InternalFailure" => Self::InternalFailure,
            other => Self::Other(other.to_owned()),
        }
    }

    /// True if the entry is certainly not in the stream.
    ///
    /// AWS documents two codes of entries. Throttling says that the shard took nothing.
    /// `InternalFailure` is a server error, "Internal Service Failure". AWS counts it among the
    /// failures, but says of no server error that it comes before the effect. So an entry that
    /// failed for another reason than throttling may be in the stream.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        *self == Self::Throttled
    }
}

/// The result of each of the `count` entries of a call, in their sequence. It is the record's
/// sequence number, or the reason why the entry was not acknowledged.
#[must_use]
pub fn results(answer: &PutRecordsOutput, count: usize) -> Vec<Result<String, NotPut>> {
    let results =
        answer.records().iter().map(
            |entry| match (entry.error_code(), entry.sequence_number()) {
                (Some(code), _) => Err(NotPut::of(code)),
                (None, Some(number)) => Ok(number.to_owned()),
                (None, None) => Err(NotPut::NoResult),
            },
        );
    results
        .chain(std::iter::repeat(Err(NotPut::NoResult)))
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::PutRecordsResultEntry;

    use super::*;

    fn acknowledged(number: &str) -> PutRecordsResultEntry {
        PutRecordsResultEntry::builder()
            .sequence_number(number)
            .shard_id("shardId-000000000000")
            .build()
    }

    fn failed(code: &str) -> PutRecordsResultEntry {
        PutRecordsResultEntry::builder().error_code(code).build()
    }

    fn read(entries: Vec<PutRecordsResultEntry>, count: usize) -> Vec<Result<String, NotPut>> {
        let answer = PutRecordsOutput::builder()
            .set_records(Some(entries))
            .build()
            .unwrap();
        results(&answer, count)
    }

    #[test]
    fn each_entry_has_its_own_result_in_the_sequence_of_the_entries() {
        let throttled = "ProvisionedThroughputExceededException";
        let results = read(
            vec![acknowledged("1"), failed(throttled), acknowledged("2")],
            3,
        );
        assert_eq!(
            results,
            [
                Ok("1".to_owned()),
                Err(NotPut::Throttled),
                Ok("2".to_owned())
            ]
        );
    }

    #[test]
    fn only_a_throttled_entry_is_certainly_not_in_the_stream() {
        for (code, is_refusal) in [
            ("ProvisionedThroughputExceededException", true),
            ("InternalFailure", false),
            ("SomethingNew", false),
        ] {
            let results = read(vec![failed(code)], 1);
            let error = results[0].as_ref().unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.is_refusal()),
                (code, is_refusal)
            );
        }
    }

    #[test]
    fn an_entry_of_which_the_answer_says_nothing_is_not_acknowledged_and_not_refused() {
        let silent = PutRecordsResultEntry::builder().build();
        let results = read(vec![silent], 2);
        assert_eq!(results, [Err(NotPut::NoResult), Err(NotPut::NoResult)]);
        assert!(!NotPut::NoResult.is_refusal());
        assert_eq!(read(vec![acknowledged("1"), acknowledged("2")], 1).len(), 1);
    }

    #[test]
    fn an_entry_is_sent_with_all_that_it_has() {
        let mut entry = Entry {
            partition_key: "key".to_owned(),
            explicit_hash_key: None,
            data: b"data".to_vec(),
        };
        assert_eq!(entry.size(), 7);
        assert_eq!(entry.to_request().explicit_hash_key(), None);
        entry.explicit_hash_key = Some("7".to_owned());
        let request = entry.to_request();
        assert_eq!(request.partition_key(), Some("key"));
        assert_eq!(request.explicit_hash_key(), Some("7"));
        assert_eq!(request.data().as_ref(), b"data");
    }
}
