//! DynamoDB Streams, as SDK clients read the change streams of tables.

use std::time::Duration;

use aws_model::event_source::ChangeStreamReader;
use aws_model::{Fault, Service};
use aws_sdk_dynamodb::types::AttributeValue as TableValue;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodbstreams::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_dynamodbstreams::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_dynamodbstreams::types::{
    AttributeValue, OperationType, Record, ShardFilter, ShardFilterType, ShardIteratorType,
    StreamStatus, StreamViewType,
};
use event_source_mapping::{
    Action, Event, Mapping, MappingOptions, Occurrence, StartingPosition, Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{START, World, world};

const TABLE: &str = "orders";
const ARN: &str =
    "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/2026-11-22T06:30:00.000";
/// The number with which every shard begins.
const STARTING: &str = "100000000000000000000";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Creates a table with a change stream.
fn create(world: &World, table: &str) {
    let input = json!({ "TableName": table, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" },
                      { "AttributeName": "part", "KeyType": "RANGE" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" },
                                 { "AttributeName": "part", "AttributeType": "N" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" } });
    operate(world, "CreateTable", &input);
}

fn with_table() -> World {
    let world = world();
    create(&world, TABLE);
    world
}

fn operate(world: &World, operation: &str, input: &Value) -> Value {
    let output = world.aws.operate(Service::DynamoDb, operation, input);
    output.unwrap()
}

/// Writes an item of which each state is a change.
fn put(world: &World, id: &str, state: &str) {
    let item = json!({ "id": { "S": id }, "part": { "N": "1.0" }, "state": { "S": state } });
    operate(
        world,
        "PutItem",
        &json!({ "TableName": TABLE, "Item": item }),
    );
}

fn shard(world: &World) -> String {
    world.aws.dynamodb().change_stream_shard(TABLE).unwrap()
}

async fn try_iterator(
    world: &World,
    kind: ShardIteratorType,
    number: Option<&str>,
) -> Result<String, GetShardIteratorError> {
    let request = world
        .streams()
        .get_shard_iterator()
        .stream_arn(ARN)
        .shard_id(shard(world))
        .shard_iterator_type(kind)
        .set_sequence_number(number.map(str::to_owned));
    let output = request.send().await.map_err(SdkError::into_service_error)?;
    Ok(output.shard_iterator.unwrap())
}

async fn iterator(world: &World, kind: ShardIteratorType, number: Option<&str>) -> String {
    try_iterator(world, kind, number).await.unwrap()
}

async fn get(client: &Client, iterator: &str) -> Result<GetRecordsOutput, GetRecordsError> {
    let request = client.get_records().shard_iterator(iterator);
    request.send().await.map_err(SdkError::into_service_error)
}

/// The records from an iterator on.
async fn read(world: &World, iterator: &str) -> Vec<Record> {
    get(&world.streams(), iterator)
        .await
        .unwrap()
        .records
        .unwrap()
}

async fn all(world: &World) -> Vec<Record> {
    let horizon = iterator(world, ShardIteratorType::TrimHorizon, None).await;
    read(world, &horizon).await
}

fn state(record: &Record) -> &str {
    let image = record.dynamodb.as_ref().unwrap().new_image.as_ref();
    image.unwrap()["state"].as_s().unwrap()
}

fn states(records: &[Record]) -> Vec<&str> {
    records.iter().map(state).collect()
}

fn number(record: &Record) -> &str {
    let change = record.dynamodb.as_ref().unwrap();
    change.sequence_number.as_deref().unwrap()
}

#[tokio::test]
async fn a_stream_is_listed_and_described() {
    let world = with_table();
    let client = world.streams();
    let listed = client
        .list_streams()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let streams = listed.streams.unwrap();
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].stream_arn.as_deref(), Some(ARN));
    assert_eq!(streams[0].table_name.as_deref(), Some(TABLE));
    let label = Some("2026-11-22T06:30:00.000");
    assert_eq!(streams[0].stream_label.as_deref(), label);

    let output = client.describe_stream().stream_arn(ARN).send().await;
    let stream = output.unwrap().stream_description.unwrap();
    assert_eq!(stream.stream_arn.as_deref(), Some(ARN));
    assert_eq!(stream.stream_label.as_deref(), label);
    assert_eq!(stream.stream_status, Some(StreamStatus::Enabled));
    let view = Some(StreamViewType::NewAndOldImages);
    assert_eq!(stream.stream_view_type, view);
    assert_eq!(stream.table_name.as_deref(), Some(TABLE));
    let began = stream.creation_request_date_time.unwrap();
    assert_eq!(began.to_millis().unwrap(), i64::try_from(START).unwrap());
    let keys: Vec<_> = stream.key_schema.unwrap();
    let keys: Vec<_> = keys
        .iter()
        .map(|key| (key.attribute_name(), key.key_type().as_str()))
        .collect();
    assert_eq!(keys, [("id", "HASH"), ("part", "RANGE")]);
    let shards = stream.shards.unwrap();
    assert_eq!(shards.len(), 1);
    assert_eq!(shards[0].shard_id.as_deref(), Some(shard(&world).as_str()));
    assert_eq!(shards[0].parent_shard_id, None);
    let range = shards[0].sequence_number_range.as_ref().unwrap();
    assert_eq!(range.starting_sequence_number.as_deref(), Some(STARTING));
    assert_eq!(range.ending_sequence_number, None, "the shard is open");
    assert_eq!(stream.last_evaluated_shard_id, None);
}

#[tokio::test]
async fn the_table_names_its_stream_in_the_region_of_the_request() {
    let world = with_table();
    let output = world
        .dynamodb()
        .describe_table()
        .table_name(TABLE)
        .send()
        .await;
    let table = output.unwrap().table.unwrap();
    assert_eq!(table.latest_stream_arn.as_deref(), Some(ARN));
}

#[tokio::test]
async fn streams_are_listed_in_pages_and_each_once() {
    let world = world();
    let tables = ["aaa", "bbb", "ccc", "ddd", "eee"];
    for table in tables {
        create(&world, table);
    }
    let client = world.streams();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let request = client
            .list_streams()
            .limit(2)
            .set_exclusive_start_stream_arn(after);
        let output = request.send().await.unwrap();
        let streams = output.streams.unwrap();
        assert!(streams.len() <= 2);
        found.extend(streams.into_iter().map(|stream| stream.table_name.unwrap()));
        after = output.last_evaluated_stream_arn;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, tables);
    let none = client
        .list_streams()
        .table_name("fff")
        .send()
        .await
        .unwrap();
    assert_eq!(none.streams.unwrap(), []);
}

#[tokio::test]
async fn the_shard_is_listed_until_it_was_the_last_one_and_has_no_children() {
    let world = with_table();
    let client = world.streams();
    let shards = async |after: Option<String>, filter: Option<ShardFilter>| {
        let request = client
            .describe_stream()
            .stream_arn(ARN)
            .set_exclusive_start_shard_id(after)
            .set_shard_filter(filter);
        let output = request.send().await.unwrap();
        let shards = output.stream_description.unwrap().shards.unwrap();
        shards.len()
    };
    let filter = ShardFilter::builder()
        .r#type(ShardFilterType::ChildShards)
        .shard_id(shard(&world))
        .build();
    assert_eq!(shards(None, None).await, 1);
    assert_eq!(shards(Some(shard(&world)), None).await, 0);
    assert_eq!(shards(Some("z".repeat(28)), None).await, 0);
    assert_eq!(shards(None, Some(filter)).await, 0);
}

#[tokio::test]
async fn a_record_says_what_changed_when_and_where() {
    let world = with_table();
    world.advance(Duration::from_millis(1_999));
    put(&world, "a", "new");
    let key = [
        ("id", TableValue::S("a".to_owned())),
        ("part", TableValue::N("1".to_owned())),
    ];
    let request = world.dynamodb().delete_item().table_name(TABLE);
    let request = key
        .into_iter()
        .fold(request, |request, (name, value)| request.key(name, value));
    request.send().await.unwrap();
    let records = all(&world).await;
    assert_eq!(records.len(), 2);
    let (inserted, removed) = (&records[0], &records[1]);
    assert_eq!(inserted.event_name, Some(OperationType::Insert));
    assert_eq!(removed.event_name, Some(OperationType::Remove));
    assert_eq!(inserted.event_source.as_deref(), Some("aws:dynamodb"));
    assert_eq!(inserted.event_version.as_deref(), Some("1.1"));
    let region = inserted.aws_region.as_deref();
    assert_eq!(region, Some("eu-west-1"), "the region of the request");
    assert_eq!(inserted.user_identity, None);
    let ids = [&inserted.event_id, &removed.event_id];
    let ids = ids.map(|id| id.as_deref().unwrap());
    assert!(ids[0] != ids[1] && ids[0].len() == 32, "{ids:?}");

    let change = inserted.dynamodb.as_ref().unwrap();
    let time = change.approximate_creation_date_time.unwrap();
    assert_eq!(time.as_secs_f64(), 1_795_329_001.0, "down to the second");
    assert_eq!(change.old_image, None);
    // A number is written as DynamoDB writes it, and not as the request did.
    let keys = change.keys.as_ref().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys["id"], AttributeValue::S("a".to_owned()));
    assert_eq!(keys["part"], AttributeValue::N("1".to_owned()));
    assert_eq!(change.new_image.as_ref().unwrap()["part"], keys["part"]);
    let view = Some(StreamViewType::NewAndOldImages);
    assert_eq!(change.stream_view_type, view);
    assert!(change.size_bytes.unwrap() > 0);
    let change = removed.dynamodb.as_ref().unwrap();
    assert_eq!(change.new_image, None);
    assert_eq!(change.keys.as_ref(), Some(keys));
}

#[tokio::test]
async fn an_event_id_is_unique_among_all_streams() {
    let world = world();
    for table in ["one", "two"] {
        create(&world, table);
        let item = json!({ "id": { "S": "a" }, "part": { "N": "1" } });
        operate(
            &world,
            "PutItem",
            &json!({ "TableName": table, "Item": item }),
        );
    }
    let id = |table| {
        let read =
            world
                .aws
                .dynamodb()
                .read_changes(table, aws_model::ChangePosition::TrimHorizon, 1);
        read.unwrap().records[0]["eventID"].clone()
    };
    assert_ne!(id("one"), id("two"));
}

#[tokio::test]
async fn each_type_of_iterator_begins_at_its_place() {
    let world = with_table();
    for state in ["1", "2", "3"] {
        put(&world, "a", state);
    }
    let records = all(&world).await;
    let second = number(&records[1]);
    let found = async |kind, number: Option<&str>| {
        let iterator = iterator(&world, kind, number).await;
        let records = read(&world, &iterator).await;
        states(&records)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, Latest, TrimHorizon};
    assert_eq!(found(TrimHorizon, None).await, ["1", "2", "3"]);
    assert_eq!(found(AtSequenceNumber, Some(second)).await, ["2", "3"]);
    assert_eq!(found(AfterSequenceNumber, Some(second)).await, ["3"]);
    assert!(found(Latest, None).await.is_empty());
    for kind in [AtSequenceNumber, AfterSequenceNumber] {
        let all = found(kind, Some(STARTING)).await;
        assert_eq!(
            all,
            ["1", "2", "3"],
            "the number with which the shard begins"
        );
    }
}

#[tokio::test]
async fn latest_begins_behind_the_newest_record_at_the_moment_of_the_call() {
    let world = with_table();
    put(&world, "a", "before");
    let latest = iterator(&world, ShardIteratorType::Latest, None).await;
    put(&world, "a", "after");
    assert_eq!(states(&read(&world, &latest).await), ["after"]);
}

#[tokio::test]
async fn the_next_iterator_reads_on_and_the_old_one_reads_again() {
    let world = with_table();
    for state in ["1", "2", "3"] {
        put(&world, "a", state);
    }
    let client = world.streams();
    let first = iterator(&world, ShardIteratorType::TrimHorizon, None).await;
    let page = async |iterator: &str| {
        let request = client.get_records().shard_iterator(iterator).limit(2);
        let output = request.send().await.unwrap();
        (output.records.unwrap(), output.next_shard_iterator.unwrap())
    };
    let (records, second) = page(&first).await;
    assert_eq!(states(&records), ["1", "2"]);
    let (records, third) = page(&second).await;
    assert_eq!(states(&records), ["3"]);
    let (records, fourth) = page(&third).await;
    assert_eq!(records, [], "an open shard has always a next iterator");
    put(&world, "a", "4");
    assert_eq!(states(&page(&fourth).await.0), ["4"]);
    assert_eq!(states(&page(&first).await.0), ["1", "2"]);
}

#[tokio::test]
async fn one_read_returns_at_most_a_thousand_records_and_one_megabyte() {
    let world = with_table();
    for state in 0..1_001 {
        put(&world, "small", &state.to_string());
    }
    assert_eq!(all(&world).await.len(), 1_000);

    let world = with_table();
    let large = "x".repeat(300_000);
    for id in ["a", "b", "c", "d"] {
        put(&world, id, &large);
    }
    let records = all(&world).await;
    assert_eq!(records.len(), 3, "four would be more than 1 MB");
    let after = iterator(
        &world,
        ShardIteratorType::AfterSequenceNumber,
        Some(number(&records[2])),
    );
    assert_eq!(read(&world, &after.await).await.len(), 1);
}

#[tokio::test]
async fn an_iterator_expires_after_a_quarter_of_an_hour() {
    let world = with_table();
    let client = world.streams();
    let old = iterator(&world, ShardIteratorType::TrimHorizon, None).await;
    world.advance(15 * MINUTE);
    let next = get(&client, &old)
        .await
        .unwrap()
        .next_shard_iterator
        .unwrap();
    world.advance(Duration::from_millis(1));
    let error = get(&client, &old).await.unwrap_err();
    assert!(error.is_expired_iterator_exception(), "{error:?}");
    get(&client, &next).await.unwrap();
}

#[tokio::test]
async fn a_number_older_than_a_day_is_trimmed() {
    let world = with_table();
    put(&world, "a", "old");
    world.advance(DAY);
    put(&world, "a", "new");
    let old = number(&all(&world).await[0]).to_owned();
    world.advance(Duration::from_millis(1));
    for kind in [
        ShardIteratorType::AtSequenceNumber,
        ShardIteratorType::AfterSequenceNumber,
    ] {
        for number in [STARTING, old.as_str()] {
            let error = try_iterator(&world, kind.clone(), Some(number)).await;
            let error = error.unwrap_err();
            assert!(error.is_trimmed_data_access_exception(), "{error:?}");
        }
    }
    assert_eq!(states(&all(&world).await), ["new"]);
}

#[tokio::test]
async fn an_iterator_whose_records_are_trimmed_before_it_is_used_is_refused() {
    let world = with_table();
    put(&world, "a", "old");
    world.advance(DAY);
    let early = iterator(&world, ShardIteratorType::TrimHorizon, None).await;
    let latest = iterator(&world, ShardIteratorType::Latest, None).await;
    world.advance(Duration::from_millis(1));
    let error = get(&world.streams(), &early).await.unwrap_err();
    assert!(error.is_trimmed_data_access_exception(), "{error:?}");
    let nothing_lost = get(&world.streams(), &latest).await.unwrap();
    assert_eq!(nothing_lost.records.unwrap(), []);
}

#[tokio::test]
async fn a_stream_or_a_shard_that_does_not_exist_is_not_found() {
    let world = with_table();
    let client = world.streams();
    for arn in [
        ARN.replace("orders", "others"),
        ARN.replace("06:30:00", "06:30:01"),
        ARN.replace("000000000000", "111111111111"),
    ] {
        let error = client.describe_stream().stream_arn(&arn).send().await;
        let error = error.unwrap_err().into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
        let words = format!("Requested resource not found: Stream: {arn} not found");
        assert_eq!(error.message(), Some(words.as_str()));
    }
    let request = client
        .get_shard_iterator()
        .stream_arn(ARN)
        .shard_id("shardId-00000000000000000000-00000000")
        .shard_iterator_type(ShardIteratorType::Latest);
    let error = request.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let words = "Requested resource not found: Shard does not exist";
    assert_eq!(error.message(), Some(words));
}

#[tokio::test]
async fn an_iterator_ends_with_its_stream() {
    let world = with_table();
    let client = world.streams();
    let old = iterator(&world, ShardIteratorType::TrimHorizon, None).await;
    let off = json!({ "TableName": TABLE, "StreamSpecification": { "StreamEnabled": false } });
    operate(&world, "UpdateTable", &off);
    let error = get(&client, &old).await.unwrap_err();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    world.aws.dynamodb().begin_change_stream(TABLE).unwrap();
    put(&world, "a", "of the new stream");
    let error = get(&client, &old).await.unwrap_err();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
}

/// The refusal of an operation without HTTP.
fn refusal(world: &World, operation: &str, input: &Value) -> (&'static str, String) {
    let refused = world
        .aws
        .operate(Service::DynamoDbStreams, operation, input);
    let refused = refused.unwrap_err();
    assert_eq!(refused.status, 400);
    (refused.code, refused.message)
}

#[test]
fn all_violations_of_a_request_are_told_at_once() {
    let world = with_table();
    let input = json!({ "ShardIteratorType": "NOW", "ShardId": "short", "SequenceNumber": "5" });
    assert_eq!(
        refusal(&world, "GetShardIterator", &input),
        (
            "ValidationException",
            "4 validation errors detected: \
             Value 'short' at 'shardId' failed to satisfy constraint: Member must have length greater than or equal to 28; \
             Value 'NOW' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: \
             [TRIM_HORIZON, LATEST, AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER]; \
             Value '5' at 'sequenceNumber' failed to satisfy constraint: Member must have length greater than or equal to \
             21; \
             Value null at 'streamArn' failed to satisfy constraint: Member must not be null"
                .to_owned()
        )
    );
}

#[test]
fn a_member_that_breaks_its_constraint_is_named() {
    let world = with_table();
    let long = "x".repeat(2_049);
    for (operation, input, member) in [
        ("ListStreams", json!({ "Limit": 0 }), "limit"),
        ("ListStreams", json!({ "TableName": "a" }), "tableName"),
        ("ListStreams", json!({ "TableName": "a b c" }), "tableName"),
        (
            "ListStreams",
            json!({ "ExclusiveStartStreamArn": "x" }),
            "exclusiveStartStreamArn",
        ),
        ("DescribeStream", json!({}), "streamArn"),
        (
            "DescribeStream",
            json!({ "StreamArn": ARN, "Limit": -1 }),
            "limit",
        ),
        (
            "DescribeStream",
            json!({ "StreamArn": ARN, "ExclusiveStartShardId": "x" }),
            "exclusiveStartShardId",
        ),
        (
            "DescribeStream",
            json!({ "StreamArn": ARN, "ShardFilter": { "ShardId": shard(&world) } }),
            "shardFilter.type",
        ),
        (
            "DescribeStream",
            json!({ "StreamArn": ARN, "ShardFilter": { "Type": "CHILD_SHARDS" } }),
            "shardFilter.shardId",
        ),
        (
            "DescribeStream",
            json!({ "StreamArn": ARN, "ShardFilter": { "Type": "X", "ShardId": shard(&world) } }),
            "shardFilter.type",
        ),
        ("GetShardIterator", json!({ "StreamArn": ARN }), "shardId"),
        ("GetRecords", json!({}), "shardIterator"),
        (
            "GetRecords",
            json!({ "ShardIterator": "" }),
            "shardIterator",
        ),
        (
            "GetRecords",
            json!({ "ShardIterator": long }),
            "shardIterator",
        ),
        (
            "GetRecords",
            json!({ "ShardIterator": "x", "Limit": 0 }),
            "limit",
        ),
    ] {
        let (code, message) = refusal(&world, operation, &input);
        assert_eq!(code, "ValidationException", "{operation} {input}");
        let named = format!("at '{member}' failed to satisfy constraint");
        assert!(message.contains(&named), "{operation} {input}: {message}");
    }
}

#[tokio::test]
async fn a_limit_above_the_highest_is_refused() {
    let world = with_table();
    let horizon = iterator(&world, ShardIteratorType::TrimHorizon, None).await;
    for (operation, most, mut input) in [
        ("ListStreams", 100, json!({})),
        ("DescribeStream", 100, json!({ "StreamArn": ARN })),
        ("GetRecords", 1_000, json!({ "ShardIterator": horizon })),
    ] {
        input["Limit"] = most.into();
        let allowed = world
            .aws
            .operate(Service::DynamoDbStreams, operation, &input);
        allowed.unwrap();
        input["Limit"] = (most + 1).into();
        let (code, message) = refusal(&world, operation, &input);
        assert_eq!(code, "ValidationException");
        let begin = "One or more parameter values were invalid: Limit ";
        assert!(message.starts_with(begin), "{operation}: {message}");
        assert!(
            message.ends_with(&most.to_string()),
            "{operation}: {message}"
        );
    }
}

#[tokio::test]
async fn a_number_goes_with_the_iterators_that_take_one_and_has_to_be_one_of_the_shard() {
    let world = with_table();
    put(&world, "a", "1");
    let first = number(&all(&world).await[0]).to_owned();
    let mut above = first.clone();
    above.replace_range(20.., "2");
    let refused = |kind: &str, number: Option<&str>| {
        let mut input =
            json!({ "StreamArn": ARN, "ShardId": shard(&world), "ShardIteratorType": kind });
        if let Some(number) = number {
            input["SequenceNumber"] = number.into();
        }
        let (code, message) = refusal(&world, "GetShardIterator", &input);
        assert_eq!(code, "ValidationException", "{kind} {number:?}");
        message
    };
    let parameter = "One or more parameter values were invalid: ";
    for kind in ["TRIM_HORIZON", "LATEST"] {
        let words = "SequenceNumber should not be passed for this iterator type";
        assert_eq!(refused(kind, Some(&first)), format!("{parameter}{words}"));
    }
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let words = "SequenceNumber cannot be null";
        assert_eq!(refused(kind, None), format!("{parameter}{words}"));
        for number in [
            "abcdefghijklmnopqrstu",
            "-100000000000000000001",
            "000000000000000000000",
            &"9".repeat(40),
            &above,
        ] {
            let words = "Invalid SequenceNumber for the shard";
            assert_eq!(refused(kind, Some(number)), words, "{kind} {number}");
        }
        assert!(refused(kind, Some(&"1".repeat(41))).contains("less than or equal to 40"));
    }
}

#[test]
fn a_text_that_is_not_an_arn_or_not_an_iterator_is_a_validation_exception() {
    let world = with_table();
    let bad = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders";
    for (operation, member) in [
        ("DescribeStream", "StreamArn"),
        ("ListStreams", "ExclusiveStartStreamArn"),
    ] {
        let refused = refusal(&world, operation, &json!({ member: bad }));
        assert_eq!(refused, ("ValidationException", "Invalid StreamArn".into()));
    }
    for text in [
        "nonsense",
        "a|1|b",
        &format!("{ARN}|1|eA=="),
        &format!("{ARN}|2|eA=="),
    ] {
        let refused = refusal(&world, "GetRecords", &json!({ "ShardIterator": text }));
        assert_eq!(
            refused,
            ("ValidationException", "Invalid ShardIterator".into())
        );
    }
}

#[tokio::test]
async fn a_fault_of_the_streams_hits_every_operation_and_no_operation_of_dynamodb() {
    let world = with_table();
    let client = world.streams();
    let fault = Fault::new("dynamodbstreams", "InternalServerError", 1.0, 60);
    world.aws.faults().inject(fault.unwrap());
    let errors = [
        client
            .list_streams()
            .send()
            .await
            .unwrap_err()
            .code()
            .map(str::to_owned),
        client
            .describe_stream()
            .stream_arn(ARN)
            .send()
            .await
            .unwrap_err()
            .code()
            .map(str::to_owned),
        try_iterator(&world, ShardIteratorType::Latest, None)
            .await
            .unwrap_err()
            .code()
            .map(str::to_owned),
        get(&client, "x")
            .await
            .unwrap_err()
            .code()
            .map(str::to_owned),
    ];
    let expected = Some("InternalServerError".to_owned());
    assert_eq!(errors, [(); 4].map(|()| expected.clone()));
    world.dynamodb().list_tables().send().await.unwrap();
    let hits = [(Service::DynamoDbStreams, "InternalServerError", 4)];
    assert_eq!(world.aws.faults().hits(), hits);
}

#[tokio::test]
async fn the_errors_of_the_streams_can_be_injected() {
    let world = with_table();
    let client = world.streams();
    let error = async |name: &str| {
        let fault = Fault::new("dynamodbstreams", name, 1.0, 60).unwrap();
        world.aws.faults().clear();
        world.aws.faults().inject(fault);
        get(&client, "x").await.unwrap_err()
    };
    let expired = error("ExpiredIteratorException").await;
    assert!(expired.is_expired_iterator_exception());
    let trimmed = error("TrimmedDataAccessException").await;
    assert!(trimmed.is_trimmed_data_access_exception());
    let throttled = error("LimitExceededException").await;
    assert!(throttled.is_limit_exceeded_exception());
    let gone = error("ResourceNotFoundException").await;
    assert!(gone.is_resource_not_found_exception());
    Fault::new("kinesis", "TrimmedDataAccessException", 1.0, 1).unwrap_err();
}

/// A mapping over the stream of the table, with its clock.
struct Mapped {
    world: World,
    reader: ChangeStreamReader,
    mapping: Mapping,
    events: Vec<Event>,
    delivered: Vec<String>,
    failed_reads: usize,
}

impl Mapped {
    fn new() -> Self {
        let world = with_table();
        let function = "arn:aws:lambda:us-east-1:000000000000:function:notifier";
        let options = MappingOptions::new(ARN, function, StartingPosition::TrimHorizon);
        let reader = ChangeStreamReader::new(world.aws.clone(), TABLE);
        Self {
            events: vec![reader.list().unwrap()],
            mapping: Mapping::new(options).unwrap(),
            reader,
            world,
            delivered: Vec::new(),
            failed_reads: 0,
        }
    }

    fn inject(&self, fault: Fault) {
        self.world.aws.faults().inject(fault);
    }

    /// Lets the mapping run for so long.
    fn run(&mut self, time: Duration) {
        let end = self.now() + u64::try_from(time.as_millis()).unwrap();
        while self.now() < end {
            let event = self.events.pop().unwrap_or(Event::Wake);
            let step = self
                .mapping
                .handle(Timestamp::from_millis(self.now()), event);
            let failed = |what: &&Occurrence| matches!(what, Occurrence::ReadFailed { .. });
            self.failed_reads += step.occurrences.iter().filter(failed).count();
            for action in step.actions {
                self.events.push(match action {
                    Action::Fetch(fetch) => self.reader.read(fetch),
                    Action::Invoke(invocation) => {
                        let payload: Value = serde_json::from_slice(&invocation.payload()).unwrap();
                        let records = payload["Records"].as_array().unwrap();
                        self.delivered.extend(records.iter().map(|record| {
                            let image = &record["dynamodb"]["NewImage"];
                            image["state"]["S"].as_str().unwrap().to_owned()
                        }));
                        let completion =
                            event_source_mapping::Completion::Returned(b"null".to_vec());
                        invocation.finished("id", completion)
                    }
                    Action::Discard(discard) => discard.delivered(),
                });
            }
            if self.events.is_empty() {
                self.world.advance(Duration::from_millis(10));
            }
        }
    }

    fn now(&self) -> u64 {
        self.world.aws.clock().now_millis()
    }
}

#[test]
fn a_fault_of_the_streams_delays_a_mapping_and_loses_nothing() {
    for error in ["InternalServerError", "timeout", "lost-answer"] {
        let mut mapped = Mapped::new();
        mapped.inject(Fault::new("dynamodbstreams", error, 1.0, 20).unwrap());
        put(&mapped.world, "a", "1");
        put(&mapped.world, "a", "2");
        mapped.run(Duration::from_secs(20));
        assert!(
            mapped.delivered.is_empty(),
            "{error}: {:?}",
            mapped.delivered
        );
        assert!(mapped.failed_reads > 0, "{error}");
        mapped.run(Duration::from_secs(120));
        assert_eq!(mapped.delivered, ["1", "2"], "{error}");
    }
}

#[test]
fn a_slow_answer_of_the_streams_delays_a_mapping_by_its_time() {
    let mut mapped = Mapped::new();
    mapped.inject(Fault::slow("dynamodbstreams", 5_000, 1.0, 60).unwrap());
    put(&mapped.world, "a", "1");
    mapped.run(Duration::from_millis(4_900));
    assert!(mapped.delivered.is_empty(), "{:?}", mapped.delivered);
    mapped.run(Duration::from_millis(3_000));
    assert_eq!(mapped.delivered, ["1"]);
    assert_eq!(mapped.failed_reads, 0);
}

#[test]
fn a_fault_of_dynamodb_does_not_delay_a_mapping() {
    let mut mapped = Mapped::new();
    mapped.inject(Fault::new("dynamodb", "InternalServerError", 1.0, 60).unwrap());
    put(&mapped.world, "a", "1");
    mapped.run(Duration::from_secs(3));
    assert_eq!(mapped.delivered, ["1"]);
}

proptest! {
    /// A client that reads in pages of any size, from any place, reads each change once.
    #[test]
    fn pages_have_each_change_once_and_in_sequence(
        count in 1_usize..20,
        begin in 0_usize..20,
        limits in prop::collection::vec(1_i32..6, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let world = with_table();
            let written: Vec<String> = (0..count).map(|state| state.to_string()).collect();
            for state in &written {
                put(&world, "a", state);
            }
            let records = all(&world).await;
            let begin = begin.min(count - 1);
            let at = Some(number(&records[begin]));
            let mut next = iterator(&world, ShardIteratorType::AtSequenceNumber, at).await;
            let (client, mut found) = (world.streams(), Vec::new());
            let mut limits = limits.into_iter().cycle();
            while found.len() < count - begin {
                let request = client.get_records().shard_iterator(next).set_limit(limits.next());
                let output = request.send().await.unwrap();
                let records = output.records.unwrap();
                assert!(!records.is_empty(), "nothing is left out");
                found.extend(records.iter().map(|record| state(record).to_owned()));
                next = output.next_shard_iterator.unwrap();
            }
            assert_eq!(found, written[begin..]);
        });
    }
}
