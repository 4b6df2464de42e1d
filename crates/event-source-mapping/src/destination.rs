//! The on-failure destination. This module has the kinds of destination, the call by which each
//! gets a discard's message, and the name of an object in a bucket.

use crate::derived_uuid::made_up_uuid;
use crate::event_source::is_arn_of;
use crate::{Batch, MappingOptionsError, Timestamp};

/// The place where a discard's message goes, which decides the call that delivers it.
///
/// A queue and a topic get the metadata. A bucket also gets the whole payload of the invocation
/// (Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source
/// in Lambda").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// SQS, SendMessage.
    Queue {
        /// The queue.
        arn: &'a str,
    },
    /// SNS, Publish.
    Topic {
        /// The topic.
        arn: &'a str,
    },
    /// S3, PutObject.
    Bucket {
        /// The bucket's name.
        name: &'a str,
        /// The object's key, which is `aws/lambda/<mapping's
        /// UUID>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>` (same page), in UTC. The last UUID
        /// is random on AWS. Here it is made of the time and the records. So only an object about
        /// the same records can ever replace an object.
        key: &'a str,
    },
}

impl<'a> Destination<'a> {
    /// The destination that `arn` names. The `key` is for the object in a bucket.
    pub(crate) fn new(arn: &'a str, key: &'a str) -> Self {
        match bucket_name(arn) {
            Some(name) => Self::Bucket { name, key },
            None if is_arn_of(arn, &["sns"]) => Self::Topic { arn },
            None => Self::Queue { arn },
        }
    }
}

/// The bucket that `arn` names, in the form `arn:<partition>:s3:::<name>` without region and
/// account.
fn bucket_name(arn: &str) -> Option<&str> {
    let (partition, name) = arn.strip_prefix("arn:")?.split_once(":s3:::")?;
    let plain = |text: &str| !text.is_empty() && !text.contains([':', '/']);
    (plain(partition) && plain(name)).then_some(name)
}

/// Checks DestinationConfig.OnFailure.
///
/// # Errors
/// - `NotModelled` for Kafka
/// - `Unsupported` for FIFO queues and topics (Lambda developer guide, "Types of metrics for Lambda
///   functions", DestinationDeliveryFailures)
/// - `NotAnArn` for an `arn` that is not a destination
pub(crate) fn check_destination(arn: Option<&str>) -> Result<(), MappingOptionsError> {
    let parameter = "DestinationConfig.OnFailure";
    let Some(arn) = arn else { return Ok(()) };
    if arn.starts_with("kafka://") {
        return Err(MappingOptionsError::NotModelled {
            parameter,
            default: "without a Kafka topic",
        });
    }
    if is_arn_of(arn, &["sqs", "sns"]) && arn.ends_with(".fifo") {
        return Err(MappingOptionsError::Unsupported {
            parameter,
            expected: "a standard queue or topic, not a FIFO one",
        });
    }
    if bucket_name(arn).is_some() || is_arn_of(arn, &["sqs", "sns"]) {
        return Ok(());
    }
    Err(MappingOptionsError::NotAnArn {
        parameter,
        expected: "the ARN of an SQS queue, an SNS topic or an S3 bucket",
    })
}

/// The key of the object about a batch that is discarded now.
pub(crate) fn object_key(mapping_uuid: &str, batch: &Batch, now: Timestamp) -> String {
    let range = batch.range();
    let time = now.to_string();
    // `2025-11-25T19:03:18.000Z` gives the date, and then the time to the second.
    let (date, second) = (time.get(..10), time.get(..19));
    let (date, second) = (date.unwrap_or_default(), second.unwrap_or_default());
    let records = range.records.to_string();
    let discard = made_up_uuid(
        now.as_millis(),
        [
            range.shard_id.as_str(),
            range.first.as_str(),
            range.last.as_str(),
            &records,
        ]
        .map(str::as_bytes),
    );
    format!(
        "aws/lambda/{mapping_uuid}/{}/{}/{}-{discard}",
        range.shard_id,
        date.replace('-', "/"),
        second.replace(':', "."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [D] Lambda API reference, OnFailure. It is a queue, a topic, a bucket or a Kafka topic.
    #[test]
    fn queues_topics_and_buckets_of_every_partition_are_destinations() {
        assert_eq!(check_destination(None), Ok(()));
        for arn in [
            "arn:aws:sqs:eu-west-1:123456789012:discarded",
            "arn:aws-cn:sns:cn-north-1:123456789012:discarded",
            "arn:aws:s3:::discarded",
            "arn:aws-us-gov:s3:::discarded",
        ] {
            assert_eq!(check_destination(Some(arn)), Ok(()), "{arn}");
        }
        let bucket = Destination::new("arn:aws-cn:s3:::discarded", "key");
        assert_eq!(
            bucket,
            Destination::Bucket {
                name: "discarded",
                key: "key"
            }
        );
    }

    /// [D] Lambda developer guide, "Types of metrics for Lambda functions",
    /// DestinationDeliveryFailures. The page names "an unsupported type such as an Amazon SQS FIFO
    /// queue or an Amazon SNS FIFO topic".
    #[test]
    fn a_fifo_queue_or_topic_is_refused() {
        for arn in [
            "arn:aws:sqs:eu-west-1:123456789012:discarded.fifo",
            "arn:aws:sns:eu-west-1:123456789012:discarded.fifo",
        ] {
            let error = check_destination(Some(arn)).unwrap_err().to_string();
            let expected =
                "DestinationConfig.OnFailure must be a standard queue or topic, not a FIFO one";
            assert_eq!(error, expected);
        }
        let named_so = "arn:aws:s3:::discarded.fifo";
        assert_eq!(check_destination(Some(named_so)), Ok(()));
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for arn in [
            "",
            "discarded",
            "arn:aws:s3:::",
            "arn:aws:s3:::discarded/key",
            "arn::s3:::discarded",
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/discarded",
            "arn:aws:lambda:eu-west-1:123456789012:function:consumer",
        ] {
            let error = check_destination(Some(arn)).unwrap_err();
            assert!(
                matches!(error, MappingOptionsError::NotAnArn { .. }),
                "{arn}"
            );
        }
    }
}
