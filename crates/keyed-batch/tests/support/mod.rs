//! Kinesis records as Lambda sends them, and limits that tests share.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of this"
)]

use std::{num::NonZeroUsize, time::Duration};

use keyed_batch::Limits;
#[cfg(feature = "kinesis")]
pub(crate) use kinesis::*;
use tokio::time::Instant;

pub(crate) fn limits(max_in_flight: usize) -> Limits {
    Limits::default()
        .max_in_flight(NonZeroUsize::new(max_in_flight).unwrap())
        .margin(Duration::ZERO)
        .jitter_seed(Some(42))
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn within(left: Duration) -> Instant {
    Instant::now() + left
}

/// Keeps the panics that tests provoke (their message is "a bug") off the output. Others are
/// printed as ever.
pub(crate) fn expect_bugs() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some("a bug") {
                print(panic);
            }
        }));
    });
}

#[cfg(feature = "kinesis")]
mod kinesis {
    use keyed_batch::{KinesisEvent, KinesisRecord};
    use serde_json::{Value, json};

    /// One record of the event that Lambda sends. Its data "aGVsbG8=" is "hello".
    pub(crate) fn record(partition_key: &str, sequence_number: &str) -> KinesisRecord {
        serde_json::from_value(record_json(partition_key, sequence_number)).unwrap()
    }

    /// The same in the event's JSON.
    pub(crate) fn record_json(partition_key: &str, sequence_number: &str) -> Value {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": partition_key,
                "sequenceNumber": sequence_number,
                "data": "aGVsbG8=",
                "approximateArrivalTimestamp": 1_795_323_600.123
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000007:{sequence_number}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
            "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:000000000000:stream/order-intents"
        })
    }

    /// An event with these partition keys. The record at index i has the sequence number 100 + i.
    pub(crate) fn event(partition_keys: &[&str]) -> KinesisEvent {
        let records = partition_keys.iter().enumerate();
        KinesisEvent {
            records: records
                .map(|(index, key)| record(key, &(100 + index).to_string()))
                .collect(),
        }
    }

    /// A record without a sequence number.
    pub(crate) fn unnamed(partition_key: &str) -> KinesisRecord {
        record(partition_key, "")
    }
}
