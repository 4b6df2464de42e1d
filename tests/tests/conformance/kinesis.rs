//! `PutRecord`, and the calls that read the stream.

use std::collections::BTreeSet;

use api::{Refusal, Stream};
use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::primitives::Blob;
use futures::future::join_all;
use orders::{Intent, OrderId};
use tests::{ORDER, Stack, eventually, order, submit_intent};

use crate::{PATIENCE, random, submit};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn what_is_put_is_read_from_the_shard_of_its_key_in_the_order_of_the_acknowledgements() {
    let stack = Stack::start_without_functions().await;
    let stream = Stream::new(stack.config(), stack.stream().to_owned());
    let ids: Vec<OrderId> = (0..4).map(|_| OrderId::from_random(random())).collect();
    let mut put = Vec::new();
    for round in 0..3 {
        for id in &ids {
            let intent = submit(*id, &order(round));
            // A put whose outcome is unknown may have left its record in the stream. The next
            // record is put behind it all the same.
            eventually("an acknowledgement", || async {
                stream.put(&intent, PATIENCE).await.ok()
            })
            .await;
            put.push(intent);
        }
    }
    let keys: BTreeSet<String> = ids.iter().map(OrderId::to_string).collect();
    let records = eventually("all records", || async {
        let mut records = tests::records(&stack).await;
        records.retain(|record| keys.contains(&record.partition_key));
        // A put whose answer is late is tried again, so its record appears twice.
        let mut known = BTreeSet::new();
        records.retain(|record| known.insert(record.intent().unwrap().id));
        (records.len() == put.len()).then_some(records)
    })
    .await;
    for id in &ids {
        let of_it: Vec<_> = records
            .iter()
            .filter(|record| record.partition_key == id.to_string())
            .collect();
        let shards: BTreeSet<&str> = of_it
            .iter()
            .map(|record| record.shard_id.as_str())
            .collect();
        assert_eq!(shards.len(), 1, "a key has one shard");
        let read: Vec<Intent> = of_it
            .iter()
            .map(|record| record.intent().unwrap())
            .collect();
        let expected: Vec<Intent> = put
            .iter()
            .filter(|intent| intent.order_id == *id)
            .cloned()
            .collect();
        assert_eq!(read, expected);
    }
    let mut last = None;
    for record in &records {
        let place = (&record.shard_id, &record.sequence_number);
        assert!(
            last.is_none_or(|last| last < place),
            "sequence numbers grow within a shard"
        );
        last = Some(place);
    }
}

#[tokio::test]
async fn a_key_goes_to_the_shard_whose_range_has_its_md5() {
    let stack = Stack::start_without_functions().await;
    // The MD5 of "a" is 0cc1…, and the MD5 of "b" is 92eb…. Two shards halve the range at 8000….
    for (key, shard) in [("a", "shardId-000000000000"), ("b", "shardId-000000000001")] {
        let output = stack
            .kinesis()
            .put_record()
            .stream_name(stack.stream())
            .partition_key(key)
            .data(Blob::new("x"))
            .send()
            .await
            .unwrap();
        assert_eq!(output.shard_id, shard, "{key}");
    }
}

/// Puts a record of this many bytes. Returns the status of the answer, and the code if the answer
/// is an error.
async fn put(stack: &Stack, key: &str, bytes: usize) -> (u16, Option<String>) {
    let request = stack.kinesis().put_record().stream_name(stack.stream());
    let request = request.partition_key(key);
    match request.data(Blob::new(vec![7; bytes])).send().await {
        Ok(_) => (200, None),
        Err(error) => {
            let status = error.raw_response().unwrap().status().as_u16();
            (status, error.code().map(str::to_owned))
        }
    }
}

#[tokio::test]
async fn a_record_may_have_one_mebibyte_and_a_key_256_characters() {
    let stack = Stack::start_without_functions().await;
    // The two keys belong to two shards. A shard takes no more than a mebibyte a second.
    assert_eq!(put(&stack, "a", MIB - 1).await.0, 200);
    assert_eq!(put(&stack, &"b".repeat(256), 1).await.0, 200);
    for (key, bytes) in [("b", MIB + 1), (&"b".repeat(257), 1), ("", 1)] {
        let (status, _) = put(&stack, key, bytes).await;
        assert_eq!(status, 400, "refused: {} and {bytes}", key.len());
    }
}

#[tokio::test]
async fn a_record_or_key_that_is_too_large_is_a_validation_error() {
    let stack = Stack::start_without_functions().await;
    for (key, bytes) in [("b", MIB + 1), (&"b".repeat(257), 1), ("", 1)] {
        let (_, code) = put(&stack, key, bytes).await;
        let is = (key.len(), bytes);
        assert_eq!(code.as_deref(), Some("ValidationException"), "{is:?}");
    }
}

#[tokio::test]
async fn a_shard_refuses_what_is_beyond_its_mebibyte_a_second_and_keeps_nothing_of_it() {
    let stack = Stack::start_without_functions().await;
    let config = aws_sdk_kinesis::config::Builder::from(stack.config())
        .retry_config(RetryConfig::disabled())
        .build();
    let kinesis = aws_sdk_kinesis::Client::from_conf(config);
    let key = OrderId::from_random(random()).to_string();
    let puts = (0..10).map(|_| {
        let request = kinesis.put_record().stream_name(stack.stream());
        let request = request.partition_key(&key);
        request.data(Blob::new(vec![7; MIB - 100])).send()
    });
    let answers = join_all(puts).await;
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(accepted < answers.len());
    for error in answers.into_iter().filter_map(Result::err) {
        let code = error.code().unwrap();
        assert_eq!(code, "ProvisionedThroughputExceededException");
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    }
    let records = tests::records(&stack).await;
    let kept = records.iter().filter(|record| record.partition_key == key);
    assert_eq!(kept.count(), accepted);
}

#[tokio::test]
async fn a_stream_that_is_missing_has_accepted_nothing() {
    let stack = Stack::start_without_functions().await;
    let stream = Stream::new(stack.config(), format!("{}-missing", stack.stream()));
    let refused = stream.put(&submit_intent(ORDER), PATIENCE).await;
    let Err(Refusal::NotAccepted { code, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code, "ResourceNotFoundException");
}
