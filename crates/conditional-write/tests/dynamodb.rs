//! The value that is evaluated in memory is the value that is sent, and both sides come to the
//! same.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_model::{Aws, ManualClock, Service};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use conditional_write::{
    Answer, Change, Condition, Item, ItemKey, NotDone, Value, Write, answer_of_cancellation,
    answer_of_update, update_item,
};
use proptest::prelude::*;

const TABLE: &str = "things";

fn key() -> ItemKey {
    ItemKey::new("id", "one").with_sort_key("kind", "thing")
}

/// A DynamoDB with one empty table.
fn dynamodb() -> Client {
    let clock = Arc::new(ManualClock::at(0));
    let aws = Aws::new(aws_model::ModelOptions {
        clock,
        ..Default::default()
    })
    .unwrap();
    let attribute = |name| serde_json::json!({"AttributeName": name, "AttributeType": "S"});
    let table = serde_json::json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "kind", "KeyType": "RANGE"}],
        "AttributeDefinitions": [attribute("id"), attribute("kind")]});
    aws.operate(Service::DynamoDb, "CreateTable", &table)
        .unwrap();
    Client::new(&aws.sdk_config())
}

/// The item of the key, without the key.
async fn stored(client: &Client) -> Option<Item> {
    let request = client.get_item().table_name(TABLE).consistent_read(true);
    let output = request
        .set_key(Some(key().attributes()))
        .send()
        .await
        .unwrap();
    key().item(output.item())
}

/// The answer to the write by itself. It is `None` if DynamoDB takes it for an error of the caller.
async fn send(client: &Client, write: &Write) -> Option<Answer> {
    let result = update_item(client, write.update(TABLE, &key()))
        .send()
        .await;
    match answer_of_update(result, &key()) {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert_eq!(error.code(), Some("ValidationException"), "{error:?}");
            None
        }
    }
}

/// The answer to the write in a transaction.
async fn transact(client: &Client, write: &Write) -> Option<Answer> {
    let update = TransactWriteItem::builder().update(write.update(TABLE, &key()));
    let request = client.transact_write_items().transact_items(update.build());
    let error = match request.send().await {
        Ok(_) => return Some(Answer::Done),
        Err(error) => error.into_service_error(),
    };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        assert_eq!(error.code(), Some("ValidationException"), "{error:?}");
        return None;
    };
    answer_of_cancellation(&cancelled.cancellation_reasons()[0], &key())
}

fn name() -> impl Strategy<Value = String> {
    // A reserved word, a name that an alias cannot have, and two that begin alike.
    prop::sample::select(vec!["owner", "a", "a:1", "a:2"]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["x", "y", "xy"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::S),
        4 => (-2_i64..3).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        4 => prop::collection::btree_set(text(), 1..4).prop_map(Value::Ss),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::L),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(Value::M),
        ]
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        Just(Condition::ItemAbsent),
        Just(Condition::ItemPresent),
        name().prop_map(|name| Condition::Absent(name.into())),
        name().prop_map(|name| Condition::Present(name.into())),
        (name(), value()).prop_map(|(name, value)| Condition::Equals(name.into(), value)),
        (name(), value()).prop_map(|(name, value)| Condition::Differs(name.into(), value)),
        (name(), -2_i128..3).prop_map(|(name, limit)| Condition::Below(name.into(), limit)),
        (name(), text()).prop_map(|(name, text)| Condition::Lacks(name.into(), text)),
        (name(), 0_usize..4).prop_map(|(name, limit)| Condition::Smaller(name.into(), limit)),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(first, second)| first.and(second)),
            (inner.clone(), inner).prop_map(|(first, second)| first.or(second)),
        ]
    })
}

fn change() -> impl Strategy<Value = Change> {
    let set = prop::collection::btree_map(name(), value(), 1..3);
    let more = (prop::option::of((name(), text())), prop::option::of(name()));
    (set, more).prop_map(|(set, (add, remove))| {
        let change = Change::set(set).and_remove(remove);
        match add {
            Some((name, member)) => change.and_add(name, member),
            None => change,
        }
    })
}

fn write() -> impl Strategy<Value = Write> {
    (change(), condition()).prop_map(|(change, condition)| Write { change, condition })
}

fn on_dynamodb<F: Future<Output = ()>>(test: impl FnOnce(Client) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test(dynamodb()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_sequence_of_writes_leaves_the_same_item_in_memory_and_in_dynamodb(
        writes in prop::collection::vec((write(), any::<bool>()), 1..16),
    ) {
        on_dynamodb(async |client| {
            let mut item: Option<Item> = None;
            for (write, in_a_transaction) in &writes {
                let expected = match write.apply_to(item.as_ref()) {
                    Ok(after) => {
                        item = Some(after);
                        Some(Answer::Done)
                    }
                    Err(NotDone::Refused) => Some(Answer::Refused(item.clone())),
                    Err(NotDone::NotASet) => None,
                };
                let answer = match in_a_transaction {
                    true => transact(&client, write).await,
                    false => send(&client, write).await,
                };
                assert_eq!(answer, expected, "{write:?}");
                assert_eq!(stored(&client).await, item, "{write:?}");
            }
        });
    }

    #[test]
    fn every_value_comes_back_as_itself(value in value()) {
        prop_assert_eq!(Value::of(&AttributeValue::from(value.clone())), Some(value));
    }
}

#[test]
fn an_attribute_of_another_type_is_known_by_its_name() {
    let others = [
        AttributeValue::N("1.5".into()),
        AttributeValue::N("1e40".into()),
        AttributeValue::Ns(vec!["1".into()]),
        AttributeValue::Null(true),
        AttributeValue::L(vec![AttributeValue::Null(true)]),
        AttributeValue::M(HashMap::from([("m".into(), AttributeValue::Null(true))])),
    ];
    for other in others {
        let item = Item::from(&HashMap::from([("a".to_owned(), other)]));
        assert!(item.contains("a"));
        assert_eq!(item.get("a"), None);
        assert_eq!(item.names().collect::<Vec<_>>(), ["a"]);
    }
}

#[test]
fn a_member_is_not_added_to_an_attribute_of_another_type() {
    let add = Write {
        change: Change::add("a", "m"),
        condition: Condition::ItemPresent,
    };
    let mut item = Item::new();
    item.insert_other("a");
    assert_eq!(add.apply_to(Some(&item)), Err(NotDone::NotASet));
    item.insert("a", Value::M(BTreeMap::new()));
    assert_eq!(add.apply_to(Some(&item)), Err(NotDone::NotASet));
}
