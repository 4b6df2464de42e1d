//! The change stream of a table, as a mapping reads it and as clients see it.

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
    let keys = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    assert!(update(keys).unwrap_err().message.contains("not modelled"));
    update(json!({"StreamEnabled": false})).unwrap();
    assert_eq!(world.aws.dynamodb().change_stream_shard(TABLE), None);
    update(both).unwrap();
    operate(&world, "DeleteTable", &json!({"TableName": TABLE}));
    assert_eq!(world.aws.dynamodb().change_stream_shard(TABLE), None);
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
        let mut replayed = std::collections::BTreeMap::new();
        let mut from = ChangePosition::TrimHorizon;
        loop {
            let read = world.aws.dynamodb().read_changes(TABLE, from, limit).unwrap();
            for record in read.records {
                let change = &record["dynamodb"];
                let id = change["Keys"].to_string();
                let known = replayed.get(&id).cloned().unwrap_or_default();
                prop_assert_eq!(&change["OldImage"], &known, "the image before is the one that was");
                replayed.insert(id, change["NewImage"].clone());
            }
            if read.is_at_end {
                break;
            }
            from = ChangePosition::After(read.after);
        }
        replayed.retain(|_, image: &mut Value| !image.is_null());
        let scanned = operate(&world, "Scan", &json!({"TableName": TABLE}));
        let items = scanned["Items"].as_array().unwrap();
        prop_assert_eq!(items.len(), replayed.len());
        for item in items {
            let id = json!({"id": item["id"]}).to_string();
            prop_assert_eq!(&replayed[&id], item);
        }
    }
}
