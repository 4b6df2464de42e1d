//! The stream of a DynamoDB table as the source. [D] Lambda developer guide, "Using AWS Lambda with
//! Amazon DynamoDB", "Lambda parameters for Amazon DynamoDB event source mappings", "Configuring
//! partial batch response with DynamoDB and Lambda" and "Retain discarded records for a DynamoDB
//! event source in Lambda".

use std::time::Duration;

use event_source_mapping::{
    Action, BatchInfo, Completion, Destination, DiscardMessage, Event, MappingOptions, ReadFrom,
    Record, ShardListing, StartingPosition, Timestamp,
};
use serde_json::{Value, json};

use crate::driver::{
    BEGINNING, Driver, FUNCTION, QUEUE, SHARD, TABLE_STREAM, failures, reporting, success,
};
use crate::recordings::RESPONSES;

const CHILD: &str = "shardId-00000001573689847184-864758bb";

fn table() -> MappingOptions {
    MappingOptions {
        on_failure: Some(QUEUE.into()),
        ..MappingOptions::new(TABLE_STREAM, FUNCTION, StartingPosition::TrimHorizon)
    }
}

/// An insertion as GetRecords of DynamoDB Streams answers it.
fn change(number: u64, order: &str, seconds: u64) -> Value {
    json!({
        "eventID": format!("{number:032x}"),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": seconds,
            "Keys": { "order_id": { "S": order } },
            "NewImage": { "order_id": { "S": order }, "total": { "N": "1200" } },
            "SequenceNumber": number.to_string(),
            "SizeBytes": 47,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

fn seconds(time: Timestamp) -> u64 {
    time.as_millis() / 1_000
}

fn put(stream: &mut Driver, shard: &str, number: u64, order: &str) {
    let record = Record::from_change(&change(number, order, seconds(stream.now))).unwrap();
    stream
        .shards
        .get_mut(&shard.into())
        .unwrap()
        .records
        .push(record);
}

/// The sequence number of the first change. The changes are numbered from here on, one for each
/// order.
const FIRST: u64 = 8_000_000_000_031_262_763;

fn with_changes(options: MappingOptions, changes: u64) -> Driver {
    let mut stream = Driver::new(options);
    stream.add_shard(SHARD);
    for index in 0..changes {
        put(&mut stream, SHARD, FIRST + index, &format!("order-{index}"));
    }
    stream.list(&[ShardListing::new(SHARD)]);
    stream
}

/// [D] "Example DynamoDB Streams record event". The record is as the stream has it, with
/// eventSourceARN added.
#[test]
fn the_function_gets_each_change_as_the_stream_has_it_and_the_streams_arn() {
    let mut stream = with_changes(table(), 1);
    let invocation = stream.invocation().unwrap();
    let event: Value = serde_json::from_slice(&invocation.payload()).unwrap();
    let mut expected = change(FIRST, "order-0", seconds(BEGINNING));
    expected["eventSourceARN"] = json!(TABLE_STREAM);
    assert_eq!(event, json!({ "Records": [expected] }));
}

/// [D] Same page, which promises "in-order processing at the item (partition and sort key) level".
#[test]
fn an_items_key_keeps_its_changes_in_order_however_its_members_are_ordered() {
    let mut one = change(1, "order-1", 1_764_097_398);
    let mut other = change(2, "order-1", 1_764_097_398);
    one["dynamodb"]["Keys"] = json!({ "pk": { "S": "a" }, "sk": { "N": "1" } });
    other["dynamodb"]["Keys"] = serde_json::from_str(r#"{"sk":{"N":"1"},"pk":{"S":"a"}}"#).unwrap();
    let [one, other] = [one, other].map(|change| Record::from_change(&change).unwrap());
    assert_eq!(one.partition_key, other.partition_key);
    let third = Record::from_change(&change(3, "order-2", 1_764_097_398)).unwrap();
    assert_ne!(one.partition_key, third.partition_key);
}

/// [D] DynamoDB API reference, StreamRecord. ApproximateCreationDateTime is in seconds. It is
/// whole, or has a fraction in DynamoDB Local.
#[test]
fn a_change_arrived_when_the_stream_says() {
    let at = |time: Value| {
        let mut change = change(1, "order-1", 0);
        change["dynamodb"]["ApproximateCreationDateTime"] = time;
        Record::from_change(&change).map(|record| record.approximate_arrival.as_millis())
    };
    assert_eq!(at(json!(1_764_097_398)), Ok(1_764_097_398_000));
    assert_eq!(at(json!(1_764_097_398.987)), Ok(1_764_097_398_987));
    assert!(at(json!("2025-11-25")).is_err() && at(json!(-1)).is_err());
}

#[test]
fn what_is_no_change_is_refused_by_what_it_lacks() {
    for (member, value) in [
        ("SequenceNumber", json!("one")),
        ("SequenceNumber", Value::Null),
        ("ApproximateCreationDateTime", Value::Null),
        ("Keys", json!([])),
    ] {
        let mut change = change(1, "order-1", 1);
        change["dynamodb"][member] = value;
        let error = Record::from_change(&change).unwrap_err().to_string();
        assert!(error.contains(member), "{error}");
    }
    assert!(Record::from_change(&json!("no object")).is_err());
}

/// [D] "Configuring partial batch response with DynamoDB and Lambda". The itemIdentifier is the
/// SequenceNumber.
#[test]
fn a_batch_item_failure_names_a_change_by_its_sequence_number() {
    let mut stream = with_changes(
        MappingOptions {
            function_response_types: reporting().function_response_types,
            ..table()
        },
        4,
    );
    let mut first = true;
    stream.run(|_| {
        if std::mem::take(&mut first) {
            failures(&[FIRST + 2])
        } else {
            success()
        }
    });
    let sizes: Vec<_> = stream.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 2]);
}

/// [D, R] The meanings are those of Kinesis. The recordings are in LocalStack's
/// test_lambda_integration_dynamodbstreams.snapshot.json.
#[test]
fn each_recorded_shape_of_a_response_ends_a_batch_of_changes_or_has_it_sent_again() {
    for (response, done) in RESPONSES {
        let mut stream = with_changes(
            MappingOptions {
                function_response_types: reporting().function_response_types,
                maximum_retry_attempts: 2,
                ..table()
            },
            1,
        );
        let response = response.replace("\"8\"", &format!("\"{FIRST}\""));
        stream.run(|_| Completion::Returned(response.clone().into()));
        let counts: Vec<_> = stream.discards.iter().map(invoke_count).collect();
        let expected: &[_] = if done { &[] } else { &[3] };
        assert_eq!(counts, expected, "{response}");
        let deliveries = if done { 1 } else { 3 };
        assert_eq!(stream.times_delivered(FIRST), deliveries, "{response}");
    }
}

fn invoke_count(message: &Value) -> u64 {
    message["requestContext"]["approximateInvokeCount"]
        .as_u64()
        .unwrap()
}

/// [R] It is as for Kinesis.
#[test]
fn the_message_of_a_change_that_was_too_old_before_its_first_delivery_says_one_invocation() {
    let mut stream = with_changes(
        MappingOptions {
            maximum_record_age_in_seconds: 60,
            ..table()
        },
        1,
    );
    stream.wake_after(61_000);
    stream.run(|_| unreachable!("it is too old"));
    let [message] = &stream.discards[..] else {
        panic!("{:?}", stream.discards)
    };
    assert_eq!(message["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(invoke_count(message), 1);
}

/// [D] "Example Amazon SNS and Amazon SQS invocation record". The times of DDBStreamBatchInfo have
/// no fraction.
#[test]
fn the_message_about_a_discard_has_a_ddb_stream_batch_info() {
    let mut stream = with_changes(
        MappingOptions {
            maximum_retry_attempts: 0,
            ..table()
        },
        2,
    );
    stream.run(|_| Completion::FunctionError);
    let expected = json!({
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-4af9-9c0c-0c604cde93a5",
            "functionArn": FUNCTION,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2025-11-25T19:03:18.000Z",
        "DDBStreamBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": FIRST.to_string(),
            "endSequenceNumber": (FIRST + 1).to_string(),
            "approximateArrivalOfFirstRecord": "2025-11-25T19:03:18Z",
            "approximateArrivalOfLastRecord": "2025-11-25T19:03:18Z",
            "batchSize": 2,
            "streamArn": TABLE_STREAM
        }
    });
    assert_eq!(stream.discards, std::slice::from_ref(&expected));
    let read: DiscardMessage = serde_json::from_value(expected).unwrap();
    assert!(matches!(read.batch_info, BatchInfo::DynamoDb(_)));
    assert_eq!(read.batch_info.records().batch_size, 2);
    assert_eq!(
        read.batch_info
            .records()
            .approximate_arrival_of_first_record,
        BEGINNING
    );
}

/// [D] "Example Amazon S3 invocation record".
#[test]
fn a_bucket_gets_the_changes_themselves() {
    let mut stream = with_changes(
        MappingOptions {
            maximum_retry_attempts: 0,
            on_failure: Some("arn:aws:s3:::discarded".into()),
            ..table()
        },
        1,
    );
    let invocation = stream.invocation().unwrap();
    let sent = invocation.payload();
    stream.finish(invocation, Completion::FunctionError);
    let Some(Action::Discard(discard)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    assert!(matches!(discard.call(), Destination::Bucket { .. }));
    let body: Value = serde_json::from_str(&discard.body()).unwrap();
    assert_eq!(body["payload"].as_str().unwrap().as_bytes(), sent);
}

/// [D] "Using AWS Lambda with Amazon DynamoDB" says "at a base rate of 4 times per second". [D]
/// DynamoDB API reference, GetRecords. A read gives at most 1,000 records.
#[test]
fn a_tables_stream_is_read_four_times_a_second_and_at_most_a_thousand_records_at_a_time() {
    let mut stream = with_changes(table(), 0);
    let Some(Action::Fetch(fetch)) = stream.actions.front() else {
        panic!("{:?}", stream.actions)
    };
    assert_eq!(fetch.limit(), 1_000);
    stream.read_on();
    assert_eq!(
        stream.wake_at.unwrap().since(stream.now),
        Duration::from_millis(250)
    );
}

/// [D] "Lambda parameters for Amazon DynamoDB event source mappings". The starting position is
/// TRIM_HORIZON or LATEST, and the retention is 24 hours.
#[test]
fn what_a_tables_stream_does_not_have_is_refused() {
    let refused = |change: fn(&mut MappingOptions)| {
        let mut options = table();
        change(&mut options);
        options.validate().unwrap_err().to_string()
    };
    for (text, expected) in [
        (
            refused(|options| {
                options.starting_position = StartingPosition::AtTimestamp(BEGINNING);
            }),
            "StartingPosition must be TRIM_HORIZON or LATEST for a DynamoDB stream",
        ),
        (
            refused(|options| options.stream_retention_hours = 25),
            "the stream's RetentionPeriodHours is 25; it must be 24 hours",
        ),
        (
            refused(|options| options.assumptions.read_limit = 1_001),
            "read_limit is 1001; it must be 1–1,000",
        ),
    ] {
        assert_eq!(text, expected);
    }
    let table_itself = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders";
    let options = MappingOptions::new(table_itself, FUNCTION, StartingPosition::Latest);
    assert!(options.validate().is_err(), "a table is not its stream");
}

/// [D] DynamoDB developer guide, "Change data capture for DynamoDB Streams". A parent shard is
/// processed before its children.
#[test]
fn the_child_of_a_tables_shard_waits_for_it() {
    let mut stream = with_changes(table(), 1);
    stream.add_shard(CHILD);
    put(&mut stream, CHILD, FIRST + 9, "order-0");
    stream.shards.get_mut(&SHARD.into()).unwrap().closed = true;
    stream.list(&[
        ShardListing::new(SHARD),
        ShardListing {
            parents: vec![SHARD.into()],
            ..ShardListing::new(CHILD)
        },
    ]);
    let parent = stream.invocation().unwrap();
    assert!(stream.invocation().is_none());
    stream.finish(parent, success());
    let child = stream.invocation().unwrap();
    assert_eq!(child.batch().shard_id().as_str(), CHILD);
}

/// [I] There is no AT_TIMESTAMP to go back to. Changes that arrived before are left out instead, to
/// the second that the stream's times have.
#[test]
fn a_lost_latest_of_a_tables_stream_skips_nothing_and_repeats_no_more_than_a_second() {
    let mut stream = Driver::new(MappingOptions {
        starting_position: StartingPosition::Latest,
        ..table()
    });
    stream.add_shard(SHARD);
    put(&mut stream, SHARD, FIRST, "long before");
    stream.wake_after(60_000);
    stream.list(&[ShardListing::new(SHARD)]);
    let Some(Action::Fetch(first)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    assert_eq!(*first.from(), ReadFrom::Latest);
    stream.wake_after(100);
    put(&mut stream, SHARD, FIRST + 1, "meanwhile");
    stream.send(first.failed());
    stream.wake_after(1_000);
    let Some(Action::Fetch(second)) = stream.actions.front() else {
        panic!("{:?}", stream.actions)
    };
    assert_eq!(*second.from(), ReadFrom::TrimHorizon);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[FIRST + 1]]);
}

/// [I] Only changes that precede all others are left out. Creation times are approximate and need
/// not increase.
#[test]
fn a_change_with_an_early_time_behind_others_is_delivered() {
    let mut stream = Driver::new(MappingOptions {
        starting_position: StartingPosition::Latest,
        ..table()
    });
    stream.add_shard(SHARD);
    stream.wake_after(10_000);
    stream.list(&[ShardListing::new(SHARD)]);
    let Some(Action::Fetch(first)) = stream.actions.pop_front() else {
        panic!("{:?}", stream.actions)
    };
    put(&mut stream, SHARD, FIRST, "in time");
    let early = change(FIRST + 1, "early", seconds(BEGINNING));
    let early = Record::from_change(&early).unwrap();
    let shard = stream.shards.get_mut(&SHARD.into()).unwrap();
    shard.records.push(early);
    stream.send(first.failed());
    stream.run(|_| success());
    assert_eq!(stream.batches(), [[FIRST, FIRST + 1]]);
}

/// [D] The event is the same as for Kinesis, and so are the 6 MB.
#[test]
fn six_megabytes_of_changes_are_a_batch() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 10_000,
        ..table()
    });
    stream.add_shard(SHARD);
    for index in 0..20 {
        let mut change = change(FIRST + index, "order", seconds(stream.now));
        change["dynamodb"]["NewImage"]["note"] = json!({ "S": "x".repeat(400_000) });
        let record = Record::from_change(&change).unwrap();
        let shard = stream.shards.get_mut(&SHARD.into()).unwrap();
        shard.records.push(record);
    }
    stream.send(Event::ShardsListed(vec![ShardListing::new(SHARD)]));
    let first = stream.invocation().unwrap();
    let taken = first.batch().records().len();
    assert_eq!(taken, 15, "of some 400,300 bytes each");
    assert!(first.payload().len() <= event_source_mapping::MAX_BATCH_BYTES);
}
