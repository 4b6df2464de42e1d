//! The readers of the batches that Lambda invokes a function with, of a Kinesis stream, of a
//! table's change stream, and of a queue. Each record ends in one of two ways. The work gets it, or
//! it is reported by its number.

#![no_main]

use std::cell::Cell;
use std::time::Duration;

use keyed_batch::{
    BatchRecord, DynamoDbEvent, DynamoDbRecord, KinesisEvent, KinesisRecord, Limits, SqsEvent,
    Verdict, process,
};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// A text of the dictionary, which stands for content.
const MARK: &str = "zq7marker";

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

fuzz_target!(|bytes: &[u8]| {
    let kinesis = serde_json::from_slice::<KinesisEvent>(bytes);
    if let Ok(event) = &kinesis {
        worked_through(&event.records);
        event.records.iter().for_each(shows_no_content);
    }
    if let Ok(event) = serde_json::from_slice::<DynamoDbEvent>(bytes) {
        worked_through(&event.records);
        event.records.iter().for_each(has_one_key);
    }
    if let Ok(event) = serde_json::from_slice::<SqsEvent>(bytes) {
        worked_through(&event.records);
    }
    // A field that nobody uses fails no batch.
    if let (Ok(event), Ok(mut value)) = (kinesis, serde_json::from_slice::<Value>(bytes)) {
        let records = value["Records"].as_array_mut().expect("there are records");
        for record in records.iter_mut().filter_map(Value::as_object_mut) {
            record.insert("unused".into(), json!([{"a": 1e300}]));
        }
        let again = serde_json::from_slice::<KinesisEvent>(value.to_string().as_bytes());
        assert_eq!(again.expect("the same event"), event);
    }
});

/// Every record is handled once. A record that the work did not get is in the response, by an
/// identifier that is not empty. Otherwise there is no response.
fn worked_through<R: BatchRecord<Response: Serialize>>(records: &[R]) {
    let given = Cell::new(0);
    let work = |record: &R| {
        assert!(record.is_readable());
        given.set(given.get() + 1);
        async { Verdict::Done }
    };
    let report = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let until = Instant::now() + Duration::from_secs(30);
            process(records, &Limits::default(), until, work).await
        })
    });
    assert_eq!(report.records.len(), records.len());
    let pairs = records.iter().zip(&report.records);
    let failed = pairs.filter(|(_, report)| report.disposition.is_failure());
    let failed: Vec<&str> = failed.map(|(record, _)| record.identifier()).collect();
    assert_eq!(given.get() + failed.len(), records.len());
    match report.response {
        Ok(response) => {
            let response = serde_json::to_value(&response).expect("a response can be written");
            let named = response["batchItemFailures"].as_array().expect("a list");
            let named: Vec<_> = named
                .iter()
                .map(|failure| failure["itemIdentifier"].as_str().expect("a text"))
                .collect();
            assert_eq!(named, failed);
            assert!(!named.contains(&""));
        }
        Err(_) => assert!(failed.contains(&"")),
    }
}

/// Nothing of a record is shown but its place in the stream.
fn shows_no_content(record: &KinesisRecord) {
    let shard_id = record.shard_id.as_deref().unwrap_or_default();
    let place_has_it = record.sequence_number.contains(MARK) || shard_id.contains(MARK);
    assert!(!format!("{record:?}").contains(MARK) || place_has_it);
    assert!(record.is_readable() || record.data().is_empty());
}

/// A key is a JSON document from which the same key is made again.
fn has_one_key(record: &DynamoDbRecord) {
    if !record.is_readable() {
        assert_eq!(record.key(), "");
        return;
    }
    let keys: Value = serde_json::from_str(record.key()).expect("a key is JSON");
    assert!(keys.as_object().is_some_and(|keys| !keys.is_empty()));
    let again = DynamoDbRecord::new(&keys, "1", None, None);
    assert_eq!(again.key(), record.key());
    assert!(!format!("{record:?}").contains(MARK) || record.sequence_number.contains(MARK));
}
