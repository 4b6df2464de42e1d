//! Behaviour of Kinesis that kinesalite's author or LocalStack recorded on AWS, unless a test says
//! otherwise.
//!
//! - Forms of requests that Kinesis takes although they are not the documented forms
//! - The message about a request that breaks several rules
//! - Capacity modes

use std::time::Duration;

use aws_model::{Failure, Service};
use serde_json::{Value, json};

use crate::support::{START, World, put, world};

fn call(world: &World, operation: &str, input: &Value) -> Result<Value, Failure> {
    world.aws.operate(Service::Kinesis, operation, input)
}

/// The code and the message of a refusal.
fn refusal(world: &World, operation: &str, input: &Value) -> (String, String) {
    let failure = call(world, operation, input).unwrap_err();
    (failure.code.to_owned(), failure.message)
}

fn ids(output: &Value) -> Vec<String> {
    let shards = output["Shards"].as_array().unwrap();
    let id = |shard: &Value| shard["ShardId"].as_str().unwrap().to_owned();
    shards.iter().map(id).collect()
}

fn short(shards: &[String]) -> Vec<u32> {
    let number = |id: &String| id.rsplit('-').next().unwrap().parse().unwrap();
    shards.iter().map(number).collect()
}

#[tokio::test]
async fn an_iterator_is_taken_with_the_quotes_of_its_json() {
    let world = world().with_stream(1);
    put(&world.kinesis(), "k", "x").await;
    let input = json!({ "StreamName": "s", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON" });
    let output = call(&world, "GetShardIterator", &input).unwrap();
    let plain = output["ShardIterator"].as_str().unwrap();
    for iterator in [
        plain.to_owned(),
        format!("\"{plain}\""),
        format!("'{plain}'"),
        format!("{plain}\n"),
    ] {
        let read = call(&world, "GetRecords", &json!({ "ShardIterator": iterator })).unwrap();
        assert_eq!(read["Records"].as_array().unwrap().len(), 1, "{iterator:?}");
    }
    for iterator in ["\"\"", "\"x\"", "nonsense"] {
        let told = refusal(&world, "GetRecords", &json!({ "ShardIterator": iterator }));
        assert_eq!(
            told,
            (
                "InvalidArgumentException".into(),
                "Invalid ShardIterator.".into()
            )
        );
    }
}

#[test]
fn a_shard_is_named_by_its_number_whatever_is_before_it() {
    for id in [
        "0",
        "00",
        "shardId-0",
        "shard-0",
        "-0",
        "a-00000000000000",
        "a-0-7",
    ] {
        let world = world().with_stream(2);
        let iterator = json!({ "StreamName": "s", "ShardId": id, "ShardIteratorType": "LATEST" });
        call(&world, "GetShardIterator", &iterator).unwrap();
        let split = json!({ "StreamName": "s", "ShardToSplit": id, "NewStartingHashKey": "9" });
        call(&world, "SplitShard", &split).unwrap();
        // A closed shard is named by its own id, and not by the text that was asked for.
        let (_, told) = refusal(&world, "SplitShard", &split);
        assert!(
            told.starts_with("Shard shardId-000000000000 in stream s"),
            "{told}"
        );
        let two = json!({ "StreamName": "s", "ShardToMerge": "2", "AdjacentShardToMerge": "x-3" });
        call(&world, "MergeShards", &two).unwrap();
    }
}

#[test]
fn a_shard_that_is_not_there_is_told_by_its_full_id_and_a_text_that_is_none_as_it_is() {
    let world = world().with_stream(1);
    let told = |id: &str| {
        let input = json!({ "StreamName": "s", "ShardId": id, "ShardIteratorType": "LATEST" });
        let (code, message) = refusal(&world, "GetShardIterator", &input);
        assert_eq!(code, "ResourceNotFoundException");
        message
    };
    let absent =
        |id: &str| format!("Shard {id} in stream s under account 000000000000 does not exist");
    assert_eq!(told("5"), absent("shardId-000000000005"));
    assert_eq!(told("a-00002147483647"), absent("shardId-002147483647"));
    for none in [
        "2147483648",
        "shardId-002147483648",
        "ABKLFD8",
        "2.14E4",
        "a-b-0",
        "18446744073709551616",
    ] {
        assert_eq!(
            told(none),
            format!("Could not find shard {none} in stream s under account 000000000000.")
        );
    }
    for operation in ["SplitShard", "MergeShards"] {
        let input = match operation {
            "SplitShard" => {
                json!({ "StreamName": "s", "ShardToSplit": "7", "NewStartingHashKey": "9" })
            }
            _ => json!({ "StreamName": "s", "ShardToMerge": "0", "AdjacentShardToMerge": "7" }),
        };
        assert_eq!(
            refusal(&world, operation, &input),
            (
                "ResourceNotFoundException".to_owned(),
                "Could not find shard shardId-000000000007 in stream s under account 000000000000."
                    .to_owned()
            )
        );
    }
}

const NAME: &str = "Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression \
                    pattern: [a-zA-Z0-9_.-]+; Value '' at 'streamName' failed to satisfy constraint: Member must have \
                    length greater than or equal to 1";

/// The message of Kinesis about a request that breaks these constraints. Each constraint is
/// `(value, member, constraint)`. An empty `member` adds what Kinesis says about an empty stream
/// name.
fn violations(expected: &[(&str, &str, &str)]) -> String {
    let mut count = 0;
    let mut texts = Vec::new();
    for (value, member, constraint) in expected {
        if member.is_empty() {
            count += 2;
            texts.push(NAME.to_owned());
        } else {
            count += 1;
            texts.push(format!(
                "Value {value} at '{member}' failed to satisfy constraint: Member must {constraint}"
            ));
        }
    }
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "{count} validation error{plural} detected: {}",
        texts.join("; ")
    )
}

#[test]
fn everything_that_is_wrong_with_a_request_is_told_at_once() {
    const SOME: &str = "have length greater than or equal to 1";
    const PATTERN: &str = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
    const HASH_KEY: &str = "satisfy regular expression pattern: 0|([1-9]\\d{0,38})";
    const NUMBER: &str = "satisfy regular expression pattern: 0|([1-9]\\d{0,128})";
    const LEAST: &str = "have value greater than or equal to 1";
    const STREAM: (&str, &str, &str) = ("", "", "");
    let world = world();
    for (operation, input, expected) in [
        (
            "CreateStream",
            json!({ "StreamName": "", "ShardCount": 0 }),
            violations(&[("'0'", "shardCount", LEAST), STREAM]),
        ),
        (
            "GetShardIterator",
            json!({ "StreamName": "", "ShardId": "", "ShardIteratorType": "", "StartingSequenceNumber": "" }),
            violations(&[
                ("''", "shardId", PATTERN),
                ("''", "shardId", SOME),
                (
                    "''",
                    "shardIteratorType",
                    "satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, \
                                             AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
                ),
                ("''", "startingSequenceNumber", NUMBER),
                STREAM,
            ]),
        ),
        (
            "GetRecords",
            json!({ "ShardIterator": "", "Limit": 0 }),
            violations(&[("'0'", "limit", LEAST), ("''", "shardIterator", SOME)]),
        ),
        (
            "SplitShard",
            json!({ "StreamName": "", "ShardToSplit": "", "NewStartingHashKey": "" }),
            violations(&[
                ("''", "newStartingHashKey", HASH_KEY),
                STREAM,
                ("''", "shardToSplit", PATTERN),
                ("''", "shardToSplit", SOME),
            ]),
        ),
        (
            "MergeShards",
            json!({ "StreamName": "", "ShardToMerge": "", "AdjacentShardToMerge": "" }),
            violations(&[
                ("''", "shardToMerge", PATTERN),
                ("''", "shardToMerge", SOME),
                ("''", "adjacentShardToMerge", PATTERN),
                ("''", "adjacentShardToMerge", SOME),
                STREAM,
            ]),
        ),
        (
            "ListShards",
            json!({ "StreamName": "", "NextToken": "", "MaxResults": 0, "ExclusiveStartShardId": "" }),
            violations(&[
                ("'0'", "maxResults", LEAST),
                ("''", "exclusiveStartShardId", PATTERN),
                ("''", "exclusiveStartShardId", SOME),
                STREAM,
                ("''", "nextToken", SOME),
            ]),
        ),
        (
            "DescribeStream",
            json!({ "StreamName": "", "Limit": 0, "ExclusiveStartShardId": "" }),
            violations(&[
                ("'0'", "limit", LEAST),
                ("''", "exclusiveStartShardId", PATTERN),
                ("''", "exclusiveStartShardId", SOME),
                STREAM,
            ]),
        ),
        (
            "ListStreams",
            json!({ "ExclusiveStartStreamName": "", "Limit": 0 }),
            violations(&[
                ("'0'", "limit", LEAST),
                ("''", "exclusiveStartStreamName", PATTERN),
                ("''", "exclusiveStartStreamName", SOME),
            ]),
        ),
        (
            "IncreaseStreamRetentionPeriod",
            json!({ "StreamName": "", "RetentionPeriodHours": -1 }),
            violations(&[("'-1'", "retentionPeriodHours", LEAST), STREAM]),
        ),
        (
            "DecreaseStreamRetentionPeriod",
            json!({ "StreamName": "" }),
            violations(&[("null", "retentionPeriodHours", "not be null"), STREAM]),
        ),
        (
            "PutRecord",
            json!({ "StreamName": "", "PartitionKey": "", "Data": "", "ExplicitHashKey": "",
                    "SequenceNumberForOrdering": "" }),
            violations(&[
                ("''", "sequenceNumberForOrdering", NUMBER),
                ("''", "partitionKey", SOME),
                ("''", "explicitHashKey", HASH_KEY),
                STREAM,
            ]),
        ),
        (
            "PutRecords",
            json!({ "StreamName": "", "Records": [{ "PartitionKey": "", "Data": "", "ExplicitHashKey": "" }] }),
            violations(&[
                ("''", "records.1.member.partitionKey", SOME),
                ("''", "records.1.member.explicitHashKey", HASH_KEY),
                STREAM,
            ]),
        ),
        (
            "PutRecords",
            json!({ "StreamName": "", "Records": [] }),
            violations(&[("'[]'", "records", SOME), STREAM]),
        ),
        (
            "DeleteStream",
            json!({ "StreamName": "" }),
            violations(&[STREAM]),
        ),
        (
            "DescribeStreamSummary",
            json!({ "StreamName": "" }),
            violations(&[STREAM]),
        ),
        (
            "UpdateShardCount",
            json!({ "StreamName": "", "TargetShardCount": 0, "ScalingType": "x" }),
            violations(&[
                (
                    "'x'",
                    "scalingType",
                    "satisfy enum value set: [UNIFORM_SCALING]",
                ),
                STREAM,
                ("'0'", "targetShardCount", LEAST),
            ]),
        ),
    ] {
        assert_eq!(
            refusal(&world, operation, &input),
            ("ValidationException".to_owned(), expected),
            "{operation}"
        );
    }
}

#[test]
fn a_long_text_is_told_by_its_length_alone_and_ten_violations_are_all() {
    let world = world().with_stream(1);
    let long = "a".repeat(129);
    let input = json!({ "StreamName": long, "ShardId": long, "ShardIteratorType": "LATEST" });
    let most = "have length less than or equal to 128";
    let value = format!("'{long}'");
    assert_eq!(
        refusal(&world, "GetShardIterator", &input).1,
        violations(&[(&value, "shardId", most), (&value, "streamName", most)])
    );
    let record = json!({ "PartitionKey": "", "Data": "" });
    let input = json!({ "StreamName": "", "Records": vec![record; 501] });
    let (_, told) = refusal(&world, "PutRecords", &input);
    assert!(
        told.starts_with("10 validation errors detected: Value '[com.amazonaws.kinesis"),
        "{}",
        &told[..90]
    );
    assert!(told.ends_with(
        "at 'records.9.member.partitionKey' failed to satisfy constraint: Member must have length \
                            greater than or equal to 1"
    ));
    let input = json!({ "ShardIterator": "a".repeat(513) });
    let (_, told) = refusal(&world, "GetRecords", &input);
    assert!(
        told.ends_with("Member must have length less than or equal to 512"),
        "{told}"
    );
}

fn mode_of(world: &World, stream: &str) -> Value {
    let input = json!({ "StreamName": stream });
    let summary = call(world, "DescribeStreamSummary", &input).unwrap();
    let description = call(world, "DescribeStream", &input).unwrap();
    let mode = summary["StreamDescriptionSummary"]["StreamModeDetails"]["StreamMode"].clone();
    assert_eq!(
        description["StreamDescription"]["StreamModeDetails"]["StreamMode"],
        mode
    );
    let listed = call(world, "ListStreams", &json!({})).unwrap();
    let listed = listed["StreamSummaries"].as_array().unwrap();
    let listed = listed
        .iter()
        .find(|summary| summary["StreamName"] == stream)
        .unwrap();
    assert_eq!(listed["StreamModeDetails"]["StreamMode"], mode);
    mode
}

#[test]
fn a_stream_without_a_shard_count_or_on_demand_begins_with_four_shards() {
    let world = world();
    let on_demand = json!({ "StreamMode": "ON_DEMAND" });
    for (name, input, mode) in [
        ("a", json!({ "StreamName": "a" }), "ON_DEMAND"),
        (
            "b",
            json!({ "StreamName": "b", "StreamModeDetails": on_demand }),
            "ON_DEMAND",
        ),
        (
            "c",
            json!({ "StreamName": "c", "ShardCount": 1 }),
            "PROVISIONED",
        ),
    ] {
        call(&world, "CreateStream", &input).unwrap();
        let shards = call(&world, "ListShards", &json!({ "StreamName": name })).unwrap();
        let count = if mode == "ON_DEMAND" { 4 } else { 1 };
        assert_eq!(ids(&shards).len(), count, "{name}");
        assert_eq!(mode_of(&world, name), mode, "{name}");
    }
}

#[test]
fn shards_of_an_on_demand_stream_are_not_the_clients_to_change_until_its_mode_is() {
    let world = world();
    let mode = |mode: &str| json!({ "StreamMode": mode });
    let create = json!({ "StreamName": "s", "StreamModeDetails": mode("ON_DEMAND") });
    call(&world, "CreateStream", &create).unwrap();
    let split = json!({ "StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "9" });
    for (operation, input) in [
        ("SplitShard", split.clone()),
        (
            "MergeShards",
            json!({ "StreamName": "s", "ShardToMerge": "0", "AdjacentShardToMerge": "1" }),
        ),
        (
            "UpdateShardCount",
            json!({ "StreamName": "s", "TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING" }),
        ),
    ] {
        assert_eq!(
            refusal(&world, operation, &input),
            (
                "ValidationException".to_owned(),
                "Request is invalid. Stream s under account 000000000000 is in On-Demand mode."
                    .to_owned()
            )
        );
    }
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let update = |to: &str| json!({ "StreamARN": arn, "StreamModeDetails": mode(to) });
    call(&world, "UpdateStreamMode", &update("PROVISIONED")).unwrap();
    assert_eq!(mode_of(&world, "s"), "PROVISIONED");
    call(&world, "SplitShard", &split).unwrap();
    call(&world, "UpdateStreamMode", &update("ON_DEMAND")).unwrap();
    assert_eq!(mode_of(&world, "s"), "ON_DEMAND");
    let (code, told) = refusal(&world, "UpdateStreamMode", &update("x"));
    assert_eq!(code, "ValidationException");
    assert!(
        told.contains("at 'streamModeDetails.streamMode' failed"),
        "{told}"
    );
    let provisioned = json!({ "StreamName": "t", "StreamModeDetails": mode("PROVISIONED") });
    let (code, _) = refusal(&world, "CreateStream", &provisioned);
    assert_eq!(
        code, "ValidationException",
        "a provisioned stream needs a count"
    );
    let both =
        json!({ "StreamName": "t", "ShardCount": 2, "StreamModeDetails": mode("ON_DEMAND") });
    assert_eq!(
        refusal(&world, "CreateStream", &both).0,
        "ValidationException"
    );
}

/// A stream of shards 0 and 1 from `START` on. After an hour 0 is split into 2 and 3. After two
/// hours 2 and 3 are merged into 4.
fn lineage() -> World {
    let world = world().with_stream(2);
    world.advance(Duration::from_secs(3_600));
    world.aws.kinesis().split_shard("s", "0", 9).unwrap();
    world.advance(Duration::from_secs(3_600));
    world.aws.kinesis().merge_shards("s", "2", "3").unwrap();
    world
}

/// This is documented in the API reference, `ShardFilter`.
#[test]
fn shards_are_filtered_by_when_they_were_open() {
    let world = lineage();
    let list = |filter: Value| {
        let input = json!({ "StreamName": "s", "ShardFilter": filter });
        short(&ids(&call(&world, "ListShards", &input).unwrap()))
    };
    let at = |kind: &str, seconds: u64| {
        list(json!({ "Type": kind, "Timestamp": START / 1_000 + seconds }))
    };
    assert_eq!(
        list(json!({ "Type": "FROM_TRIM_HORIZON" })),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(list(json!({ "Type": "AT_TRIM_HORIZON" })), [0, 1]);
    assert_eq!(list(json!({ "Type": "AT_LATEST" })), [1, 4]);
    assert_eq!(
        list(json!({ "Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000002" })),
        [3, 4]
    );
    assert_eq!(at("AT_TIMESTAMP", 1_800), [0, 1]);
    assert_eq!(at("AT_TIMESTAMP", 5_400), [1, 2, 3]);
    assert_eq!(at("AT_TIMESTAMP", 7_201), [1, 4]);
    assert_eq!(at("FROM_TIMESTAMP", 1_800), [0, 1, 2, 3, 4]);
    assert_eq!(at("FROM_TIMESTAMP", 5_400), [1, 2, 3, 4]);
    assert_eq!(at("FROM_TIMESTAMP", 7_201), [1, 4]);
    // A time before the stream's creation counts as the time of the creation.
    let old = json!({ "Type": "FROM_TIMESTAMP", "Timestamp": 0 });
    assert_eq!(list(old), [0, 1, 2, 3, 4]);
    assert_eq!(
        list(json!({ "Type": "AT_TIMESTAMP", "Timestamp": 0 })),
        [0, 1]
    );
    world.advance(Duration::from_secs(22 * 3_600 + 1_800));
    assert_eq!(list(json!({ "Type": "AT_TRIM_HORIZON" })), [0, 1]);
    world.advance(Duration::from_secs(3_600));
    assert_eq!(list(json!({ "Type": "AT_TRIM_HORIZON" })), [1, 2, 3]);
    assert_eq!(list(json!({ "Type": "FROM_TRIM_HORIZON" })), [1, 2, 3, 4]);
}

#[test]
fn a_filter_goes_on_from_page_to_page() {
    let world = lineage();
    let seconds = START / 1_000 + 5_400;
    let mut input = json!({ "StreamName": "s", "MaxResults": 1,
                            "ShardFilter": { "Type": "AT_TIMESTAMP", "Timestamp": seconds } });
    let mut found = Vec::new();
    loop {
        let page = call(&world, "ListShards", &input).unwrap();
        found.extend(short(&ids(&page)));
        match page.get("NextToken") {
            Some(token) => input = json!({ "NextToken": token, "MaxResults": 1 }),
            None => break,
        }
    }
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn a_filter_takes_what_its_type_needs_and_nothing_else() {
    let world = lineage();
    for (filter, code) in [
        (json!({}), "ValidationException"),
        (json!({ "Type": "AT_NOON" }), "ValidationException"),
        (
            json!({ "Type": "AFTER_SHARD_ID", "ShardId": "" }),
            "ValidationException",
        ),
        (
            json!({ "Type": "AFTER_SHARD_ID" }),
            "InvalidArgumentException",
        ),
        (
            json!({ "Type": "AT_LATEST", "ShardId": "shardId-0" }),
            "InvalidArgumentException",
        ),
        (
            json!({ "Type": "AT_TIMESTAMP" }),
            "InvalidArgumentException",
        ),
        (
            json!({ "Type": "FROM_TIMESTAMP" }),
            "InvalidArgumentException",
        ),
        (
            json!({ "Type": "AT_TRIM_HORIZON", "Timestamp": 1 }),
            "InvalidArgumentException",
        ),
    ] {
        let input = json!({ "StreamName": "s", "ShardFilter": filter });
        assert_eq!(refusal(&world, "ListShards", &input).0, code, "{filter}");
    }
    let input = json!({ "NextToken": "x", "ShardFilter": { "Type": "AT_LATEST" } });
    assert_eq!(
        refusal(&world, "ListShards", &input).0,
        "InvalidArgumentException"
    );
}
