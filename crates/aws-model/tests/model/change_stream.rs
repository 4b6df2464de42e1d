//! The change stream of a table, as a mapping reads it and as clients see it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_model::event_source::ChangeStreamReader;
use aws_model::{ChangePosition, Service};
use event_source_mapping::{
    Action, Completion, Event, Mapping, MappingOptions, Occurrence, StartingPosition, Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{START, World, world};

const TABLE: &str = "orders";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:notifier";

fn operate(world: &World, operation: &str, input: &Value) -> Value {
    world
        .aws
        .operate(Service::DynamoDb, operation, input)
        .unwrap()
}

fn create(world: &World) {
    let table = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]});
    operate(world, "CreateTable", &table);
}

/// A table with a change stream.
fn with_stream() -> World {
    let world = world();
    create(&world);
    world.aws.dynamodb().begin_change_stream(TABLE).unwrap();
    world
}

fn key(id: &str) -> Value {
    json!({"id": {"S": id}})
}

fn item(id: &str, state: &str) -> Value {
    json!({"id": {"S": id}, "state": {"S": state}})
}

fn put(world: &World, id: &str, state: &str) {
    let input = json!({"TableName": TABLE, "Item": item(id, state)});
    operate(world, "PutItem", &input);
}

fn delete(world: &World, id: &str) {
    let input = json!({"TableName": TABLE, "Key": key(id)});
    operate(world, "DeleteItem", &input);
}

/// The records of the stream, each with the name of its change and its images.
fn changes(world: &World) -> Vec<(String, Value, Value)> {
    let read = world
        .aws
        .dynamodb()
        .read_changes(TABLE, ChangePosition::TrimHorizon, 1_000);
    let records = read.unwrap().records.into_iter();
    records
        .map(|record| {
            let name = record["eventName"].as_str().unwrap().to_owned();
            let images = &record["dynamodb"];
            (name, images["OldImage"].clone(), images["NewImage"].clone())
        })
        .collect()
}

#[test]
fn each_kind_of_change_has_the_item_before_and_after() {
    let world = with_stream();
    put(&world, "a", "new");
    let update = json!({"TableName": TABLE, "Key": key("a"), "UpdateExpression": "SET #s = :s",
        "ExpressionAttributeNames": {"#s": "state"}, "ExpressionAttributeValues": {":s": {"S": "old"}}});
    operate(&world, "UpdateItem", &update);
    delete(&world, "a");
    assert_eq!(
        changes(&world),
        [
            ("INSERT".into(), Value::Null, item("a", "new")),
            ("MODIFY".into(), item("a", "new"), item("a", "old")),
            ("REMOVE".into(), item("a", "old"), Value::Null),
        ]
    );
}

#[test]
fn a_write_that_changes_nothing_or_is_refused_leaves_no_record() {
    let world = with_stream();
    put(&world, "a", "same");
    put(&world, "a", "same");
    delete(&world, "nobody");
    let refused = json!({"TableName": TABLE, "Item": item("a", "other"),
        "ConditionExpression": "attribute_not_exists(id)"});
    world
        .aws
        .operate(Service::DynamoDb, "PutItem", &refused)
        .unwrap_err();
    assert_eq!(changes(&world).len(), 1);
}

#[test]
fn the_writes_of_a_transaction_and_of_a_batch_are_changes_too() {
    let world = with_stream();
    put(&world, "c", "there");
    let actions = json!({"TransactItems": [
        {"Put": {"TableName": TABLE, "Item": item("a", "put")}},
        {"Delete": {"TableName": TABLE, "Key": key("c")}},
        {"Update": {"TableName": TABLE, "Key": key("b"), "UpdateExpression": "SET x = :x",
            "ExpressionAttributeValues": {":x": {"N": "1"}}}},
    ]});
    operate(&world, "TransactWriteItems", &actions);
    let requests = json!({"RequestItems": {TABLE: [
        {"PutRequest": {"Item": item("d", "batch")}},
        {"DeleteRequest": {"Key": key("a")}},
    ]}});
    operate(&world, "BatchWriteItem", &requests);
    let names: Vec<String> = changes(&world).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(
        names,
        ["INSERT", "INSERT", "REMOVE", "INSERT", "INSERT", "REMOVE"]
    );
}

#[test]
fn a_record_lives_for_a_day() {
    let world = with_stream();
    put(&world, "a", "old");
    world.clock.advance(Duration::from_secs(23 * 3_600));
    put(&world, "b", "new");
    world.clock.advance(Duration::from_secs(3_601));
    let names: Vec<_> = changes(&world).into_iter().map(|(_, _, new)| new).collect();
    assert_eq!(names, [item("b", "new")]);
}

#[test]
fn a_mapping_delivers_each_change_once_and_in_sequence() {
    let world = with_stream();
    put(&world, "a", "1");
    put(&world, "a", "2");
    delete(&world, "a");
    let reader = ChangeStreamReader::new(world.aws.clone(), TABLE);
    let description = operate(&world, "DescribeTable", &json!({"TableName": TABLE}));
    let stream = description["Table"]["LatestStreamArn"].as_str();
    let options = MappingOptions::new(
        stream.unwrap_or_default(),
        FUNCTION,
        StartingPosition::TrimHorizon,
    );
    let mut mapping = Mapping::new(options).unwrap();
    let now = Timestamp::from_millis(START);
    let mut events: Vec<Event> = vec![reader.list().unwrap()];
    let mut delivered = Vec::new();
    let mut reads = 0;
    while let Some(event) = events.pop() {
        for action in mapping.handle(now, event).actions {
            events.push(match action {
                Action::Fetch(fetch) => {
                    reads += 1;
                    reader.read(fetch)
                }
                Action::Invoke(invocation) => {
                    let payload: Value = serde_json::from_slice(&invocation.payload()).unwrap();
                    delivered.extend(payload["Records"].as_array().unwrap().clone());
                    invocation.finished("id", Completion::Returned(b"null".to_vec()))
                }
                Action::Discard(discard) => discard.delivered(),
            });
        }
        if reads > 5 {
            break;
        }
    }
    let names: Vec<_> = delivered
        .iter()
        .map(|change| &change["eventName"])
        .collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);
    assert_eq!(delivered[0]["eventSourceARN"], stream.unwrap());
}

#[test]
fn a_table_is_created_with_a_stream_and_describes_it() {
    let world = world();
    let specification = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    let table = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "StreamSpecification": specification});
    let created = operate(&world, "CreateTable", &table);
    let described = operate(&world, "DescribeTable", &json!({"TableName": TABLE}));
    for description in [&created["TableDescription"], &described["Table"]] {
        assert_eq!(description["StreamSpecification"], specification);
        assert_eq!(
            description["LatestStreamArn"],
            "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-22T06:30:00.000"
        );
    }
    put(&world, "a", "new");
    assert_eq!(changes(&world).len(), 1);
}

#[test]
fn a_stream_is_enabled_and_disabled_later_and_ends_with_its_table() {
    let world = world();
    create(&world);
    let update = |specification: Value| {
        let input = json!({"TableName": TABLE, "StreamSpecification": specification});
        world.aws.operate(Service::DynamoDb, "UpdateTable", &input)
    };
    let both = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    update(both.clone()).unwrap();
    let again = update(both.clone()).unwrap_err();
    assert_eq!(again.code, "ValidationException");
    update(json!({"StreamEnabled": false})).unwrap();
    assert_eq!(world.aws.dynamodb().change_stream_shard(TABLE), None);
    let keys = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    assert!(update(keys).unwrap_err().message.contains("not modelled"));
    update(both).unwrap();
    operate(&world, "DeleteTable", &json!({"TableName": TABLE}));
    assert_eq!(world.aws.dynamodb().change_stream_shard(TABLE), None);
}

#[test]
fn a_specification_that_makes_no_sense_is_refused_in_awss_words() {
    let both = "NEW_AND_OLD_IMAGES";
    let specify = |has_stream, operation: &str, specification: Value| {
        let world = world();
        if operation == "UpdateTable" {
            create(&world);
        }
        if has_stream {
            world.aws.dynamodb().begin_change_stream(TABLE).unwrap();
        }
        let mut input = json!({"TableName": TABLE, "StreamSpecification": specification});
        if operation == "CreateTable" {
            input["BillingMode"] = "PAY_PER_REQUEST".into();
            input["KeySchema"] = json!([{"AttributeName": "id", "KeyType": "HASH"}]);
            input["AttributeDefinitions"] = json!([{"AttributeName": "id", "AttributeType": "S"}]);
        }
        let refused = world.aws.operate(Service::DynamoDb, operation, &input);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, "ValidationException", "{input}");
        let shard = world.aws.dynamodb().change_stream_shard(TABLE);
        assert_eq!(shard.is_some(), has_stream, "a refusal changes nothing");
        refused.message
    };
    let null = "1 validation error detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy \
                constraint: Member must not be null";
    let invalid = "One or more parameter values were invalid: ";
    for (has_stream, operation, specification, message) in [
        (false, "UpdateTable", json!({}), null.to_owned()),
        (
            false,
            "CreateTable",
            json!({"StreamViewType": both}),
            null.to_owned(),
        ),
        (
            false,
            "CreateTable",
            json!({"StreamEnabled": true}),
            format!(
                "{invalid}Table is being created with a stream enabled, UpdateViewType is required"
            ),
        ),
        (
            false,
            "CreateTable",
            json!({"StreamEnabled": false, "StreamViewType": both}),
            format!(
                "{invalid}Table is being created with a stream disabled, UpdateViewType should not be specified"
            ),
        ),
        (
            false,
            "UpdateTable",
            json!({"StreamEnabled": true}),
            format!("{invalid}If stream is being enabled then UpdateViewType is required"),
        ),
        (
            true,
            "UpdateTable",
            json!({"StreamEnabled": false, "StreamViewType": both}),
            format!(
                "{invalid}If stream is being disabled, then UpdateViewType must not be specified"
            ),
        ),
        (
            false,
            "UpdateTable",
            json!({"StreamEnabled": false}),
            "Table has no stream to disable: TableName: orders".to_owned(),
        ),
        (
            true,
            "UpdateTable",
            json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}),
            "Table already has an enabled stream: TableName: orders".to_owned(),
        ),
    ] {
        assert_eq!(specify(has_stream, operation, specification), message);
    }
}

#[test]
fn a_table_that_is_there_is_not_created_again_and_keeps_its_stream() {
    let world = with_stream();
    let shard = world.aws.dynamodb().change_stream_shard(TABLE);
    let table = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}});
    let refused = world.aws.operate(Service::DynamoDb, "CreateTable", &table);
    assert_eq!(refused.unwrap_err().code, "ResourceInUseException");
    assert_eq!(world.aws.dynamodb().change_stream_shard(TABLE), shard);
}

#[test]
fn a_specification_for_a_table_that_does_not_exist_finds_no_table() {
    let world = world();
    for is_enabled in [true, false] {
        let mut input =
            json!({"TableName": TABLE, "StreamSpecification": {"StreamEnabled": is_enabled}});
        if is_enabled {
            input["StreamSpecification"]["StreamViewType"] = "NEW_AND_OLD_IMAGES".into();
        }
        let refused = world.aws.operate(Service::DynamoDb, "UpdateTable", &input);
        assert_eq!(refused.unwrap_err().code, "ResourceNotFoundException");
    }
}

#[test]
fn a_stream_that_is_begun_again_has_another_shard_and_the_old_one_is_gone() {
    let world = with_stream();
    put(&world, "a", "old");
    let dynamodb = world.aws.dynamodb();
    let reader = ChangeStreamReader::new(world.aws.clone(), TABLE);
    let description = operate(&world, "DescribeTable", &json!({"TableName": TABLE}));
    let arn = description["Table"]["LatestStreamArn"].as_str().unwrap();
    let options = MappingOptions::new(arn, FUNCTION, StartingPosition::TrimHorizon);
    let mut mapping = Mapping::new(options).unwrap();
    let now = Timestamp::from_millis(START);
    let mut actions = mapping.handle(now, reader.list().unwrap()).actions;
    let Some(Action::Fetch(fetch)) = actions.pop() else {
        panic!("nothing is to be read: {actions:?}")
    };
    let old = dynamodb.change_stream_shard(TABLE).unwrap();
    let off = json!({"TableName": TABLE, "StreamSpecification": {"StreamEnabled": false}});
    operate(&world, "UpdateTable", &off);
    dynamodb.begin_change_stream(TABLE).unwrap();
    assert_ne!(dynamodb.change_stream_shard(TABLE).unwrap(), old);
    let occurrences = mapping.handle(now, reader.read(fetch)).occurrences;
    assert!(
        matches!(occurrences[..], [Occurrence::ShardFinished { .. }]),
        "{occurrences:?}"
    );
}

#[test]
fn a_transaction_that_is_cancelled_leaves_no_record() {
    let world = with_stream();
    let actions = json!({"TransactItems": [
        {"Put": {"TableName": TABLE, "Item": item("a", "put")}},
        {"Put": {"TableName": TABLE, "Item": item("b", "put"),
            "ConditionExpression": "attribute_exists(id)"}},
    ]});
    world
        .aws
        .operate(Service::DynamoDb, "TransactWriteItems", &actions)
        .unwrap_err();
    assert_eq!(changes(&world), []);
}

#[test]
fn a_table_that_does_not_exist_has_no_stream() {
    let world = world();
    let error = world.aws.dynamodb().begin_change_stream(TABLE).unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
    ChangeStreamReader::new(world.aws.clone(), TABLE)
        .list()
        .unwrap_err();
}

/// The table as one who replays the changes has it. Checks that each image before a change is the
/// one that was.
fn replayed(world: &World, limit: usize) -> BTreeMap<String, Value> {
    let mut replayed = BTreeMap::new();
    let mut from = ChangePosition::TrimHorizon;
    loop {
        let read = world.aws.dynamodb().read_changes(TABLE, from, limit);
        let read = read.unwrap();
        for record in read.records {
            let change = &record["dynamodb"];
            let id = change["Keys"]["id"]["S"].as_str().unwrap().to_owned();
            let known = replayed.get(&id).cloned().unwrap_or_default();
            assert_eq!(
                change["OldImage"], known,
                "the image before is the one that was"
            );
            replayed.insert(id, change["NewImage"].clone());
        }
        if read.is_at_end {
            break;
        }
        from = ChangePosition::After(read.after);
    }
    replayed.retain(|_, image: &mut Value| !image.is_null());
    replayed
}

/// The items of the table.
fn table(world: &World) -> BTreeMap<String, Value> {
    let scanned = operate(world, "Scan", &json!({"TableName": TABLE}));
    let items = scanned["Items"].as_array().unwrap().iter();
    items
        .map(|item| (item["id"]["S"].as_str().unwrap().to_owned(), item.clone()))
        .collect()
}

/// Writers on threads of their own write the same few items, and a reader follows the stream
/// meanwhile. So records that are out of their sequence, or lost, would show.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_changes_of_concurrent_writers_replayed_are_the_table() {
    const WRITERS: usize = 8;
    const WRITES: usize = 60;
    let world = std::sync::Arc::new(with_stream());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let world = world.clone();
        writers.spawn(async move {
            for write in 0..WRITES {
                let id = ((writer * 7 + write * 3) % 4).to_string();
                match (writer + write) % 4 {
                    0 => delete(&world, &id),
                    1 => {
                        let actions = json!({"TransactItems": [
                            {"Put": {"TableName": TABLE, "Item": item(&id, "transaction")}},
                            {"Delete": {"TableName": TABLE, "Key": key("both")}},
                        ]});
                        operate(&world, "TransactWriteItems", &actions);
                    }
                    2 => put(&world, "both", &format!("{writer}/{write}")),
                    _ => put(&world, &id, &format!("{writer}/{write}")),
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let (writing, written) = tokio::sync::watch::channel(());
    let mut reader = tokio::task::JoinSet::new();
    reader.spawn({
        let world = world.clone();
        async move {
            let (mut from, mut seen, mut last) = (ChangePosition::TrimHorizon, 0_usize, 0_u128);
            loop {
                // The sender is gone once all writers have ended.
                let is_over = written.has_changed().is_err();
                let read = world.aws.dynamodb().read_changes(TABLE, from, 7).unwrap();
                for record in &read.records {
                    let number = record["dynamodb"]["SequenceNumber"].as_str().unwrap();
                    let number: u128 = number.parse().unwrap();
                    assert!(number > last, "a reader sees the numbers ascend");
                    last = number;
                }
                seen += read.records.len();
                if is_over && read.is_at_end {
                    return seen;
                }
                from = ChangePosition::After(read.after);
                tokio::task::yield_now().await;
            }
        }
    });
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    drop(writing);
    let seen = reader.join_next().await.unwrap().unwrap();
    assert_eq!(replayed(&world, 100), table(&world));
    let all = changes(&world).len();
    assert!(all > WRITES, "{all} changes");
    assert_eq!(seen, all, "a reader that follows sees each change once");
}

proptest! {
    /// Whoever replays the changes has the table.
    #[test]
    fn the_changes_replayed_are_the_table(
        writes in prop::collection::vec((0_u8..4, prop::option::of(0_u8..3)), 0..30),
        limit in 1_usize..5,
    ) {
        let world = with_stream();
        for (id, state) in writes {
            match state {
                Some(state) => put(&world, &id.to_string(), &state.to_string()),
                None => delete(&world, &id.to_string()),
            }
        }
        prop_assert_eq!(replayed(&world, limit), table(&world));
    }
}
