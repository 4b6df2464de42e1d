//! The change stream of a table, as a function behind it reads it by way of DynamoDB Streams.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, resume_unwind};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, Delete, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, StreamSpecification, StreamViewType, TableStatus, TransactWriteItem,
    Update,
};
use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodbstreams::types::{
    AttributeValue as Image, OperationType, Record, ShardIteratorType,
};
use futures::FutureExt as _;
use tests::{Stack, eventually};
use tokio::sync::Mutex;

use crate::random;

/// A table with a change stream. It is one test's alone, because on moto the stream of a table
/// cannot be read on after a transaction of another test was cancelled.
struct Table<'a> {
    stack: &'a Stack,
    dynamodb: aws_sdk_dynamodb::Client,
    streams: aws_sdk_dynamodbstreams::Client,
    name: String,
    stream: String,
}

/// The change of an item, without its number and its time.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    kind: OperationType,
    /// The text of the item before and after, or nothing if there was no item.
    texts: [Option<String>; 2],
}

fn change(kind: OperationType, before: Option<&str>, after: Option<&str>) -> Change {
    let texts = [before, after].map(|text| text.map(str::to_owned));
    Change { kind, texts }
}

fn inserted(said: &str) -> Change {
    change(OperationType::Insert, None, Some(said))
}

fn modified(before: &str, after: &str) -> Change {
    change(OperationType::Modify, Some(before), Some(after))
}

fn removed(said: &str) -> Change {
    change(OperationType::Remove, Some(said), None)
}

/// Runs a test on a table with a change stream. The table is removed also if the test fails. A run
/// that is cut off leaves the table to the sweep of its script, by its name.
async fn with_table(test: impl AsyncFnOnce(&Table<'_>)) {
    let stack = Stack::start_without_functions().await;
    let table = Table::create(&stack).await;
    let tested = AssertUnwindSafe(test(&table)).catch_unwind().await;
    let removed = table.dynamodb.delete_table().table_name(&table.name);
    let removed = removed.send().await;
    if let Err(panic) = tested {
        resume_unwind(panic);
    }
    removed.unwrap();
}

impl<'a> Table<'a> {
    async fn create(stack: &'a Stack) -> Self {
        let prefix = std::env::var("E2E_PREFIX").unwrap_or_else(|_| "e2e".to_owned());
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{prefix}-{}", &random[..8]);
        let dynamodb = stack.dynamodb();
        let id = "order_id";
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages);
        let key = KeySchemaElement::builder()
            .attribute_name(id)
            .key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name(id)
            .attribute_type(ScalarAttributeType::S);
        let create = dynamodb
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap())
            .stream_specification(stream.build().unwrap());
        create.send().await.unwrap();
        let stream = eventually("the table", || async {
            let described = dynamodb.describe_table().table_name(&name).send().await;
            let table = described.unwrap().table.unwrap();
            (table.table_status == Some(TableStatus::Active)).then_some(table.latest_stream_arn?)
        })
        .await;
        Self {
            stack,
            streams: aws_sdk_dynamodbstreams::Client::new(stack.config()),
            dynamodb,
            name,
            stream,
        }
    }

    fn item(id: &str, said: &str) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([
            ("order_id".to_owned(), text(id)),
            ("said".to_owned(), text(said)),
        ])
    }

    fn key(id: &str) -> HashMap<String, AttributeValue> {
        HashMap::from([("order_id".to_owned(), AttributeValue::S(id.to_owned()))])
    }

    async fn put(&self, id: &str, said: &str) {
        let put = self.dynamodb.put_item().table_name(&self.name);
        let put = put.set_item(Some(Self::item(id, said)));
        put.send().await.unwrap();
    }

    async fn update(&self, id: &str, said: &str) {
        let update = self.dynamodb.update_item().table_name(&self.name);
        let update = update
            .set_key(Some(Self::key(id)))
            .update_expression("SET said = :s")
            .expression_attribute_values(":s", AttributeValue::S(said.to_owned()));
        update.send().await.unwrap();
    }

    async fn delete(&self, id: &str) {
        let delete = self.dynamodb.delete_item().table_name(&self.name);
        let delete = delete.set_key(Some(Self::key(id)));
        delete.send().await.unwrap();
    }

    /// The ids of the stream's shards.
    async fn shards(&self) -> Vec<String> {
        let (mut shards, mut after) = (Vec::new(), None);
        loop {
            let request = self.streams.describe_stream().stream_arn(&self.stream);
            let request = request.set_exclusive_start_shard_id(after);
            let stream = request.send().await.unwrap().stream_description.unwrap();
            let listed = stream.shards.unwrap_or_default().into_iter();
            shards.extend(listed.map(|shard| shard.shard_id.unwrap()));
            after = stream.last_evaluated_shard_id;
            if after.is_none() {
                return shards;
            }
        }
    }

    async fn iterator(&self, shard: &str, kind: ShardIteratorType, number: Option<&str>) -> String {
        let request = self
            .streams
            .get_shard_iterator()
            .stream_arn(&self.stream)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(number.map(str::to_owned));
        request.send().await.unwrap().shard_iterator.unwrap()
    }

    /// One read. The second value is the iterator for the next read.
    async fn read(&self, iterator: &str, limit: Option<i32>) -> (Vec<Record>, Option<String>) {
        let request = self.streams.get_records().shard_iterator(iterator);
        let output = request.set_limit(limit).send().await.unwrap();
        (
            output.records.unwrap_or_default(),
            output.next_shard_iterator,
        )
    }

    /// Reads from an iterator on until `count` records have come. A read may find nothing although
    /// more is to come.
    async fn read_until(&self, iterator: String, count: usize) -> Vec<Record> {
        let place = Mutex::new((Some(iterator), Vec::new()));
        eventually("the records", || async {
            let mut place = place.lock().await;
            let iterator = place.0.take().unwrap();
            let (found, next) = self.read(&iterator, None).await;
            place.0 = next;
            place.1.extend(found);
            (place.1.len() >= count).then(|| std::mem::take(&mut place.1))
        })
        .await
    }

    /// All records of all shards, once there are `count` of them, each with its shard.
    async fn all(&self, count: usize) -> Vec<(String, Record)> {
        eventually("all changes", || async {
            let mut all = Vec::new();
            for shard in self.shards().await {
                let horizon = self.iterator(&shard, ShardIteratorType::TrimHorizon, None);
                let (records, _) = self.read(&horizon.await, None).await;
                all.extend(records.into_iter().map(|record| (shard.clone(), record)));
            }
            (all.len() >= count).then_some(all)
        })
        .await
    }

    /// The changes of each item in their sequence, once there are `count` changes in all.
    async fn changes(&self, count: usize) -> BTreeMap<String, Vec<Change>> {
        let mut changes: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        let mut last: HashMap<String, u128> = HashMap::new();
        for (shard, record) in self.all(count).await {
            let number = number(&record).parse().unwrap();
            let before = last.insert(shard, number);
            assert!(before.is_none_or(|before| before < number), "they ascend");
            changes.entry(id_of(&record)).or_default().push(of(&record));
        }
        changes
    }
}

fn number(record: &Record) -> &str {
    let change = record.dynamodb.as_ref().unwrap();
    change.sequence_number.as_deref().unwrap()
}

fn id_of(record: &Record) -> String {
    let keys = record.dynamodb.as_ref().unwrap().keys.as_ref().unwrap();
    assert_eq!(keys.len(), 1, "the key alone");
    keys["order_id"].as_s().unwrap().clone()
}

fn of(record: &Record) -> Change {
    let change = record.dynamodb.as_ref().unwrap();
    assert_eq!(record.event_source.as_deref(), Some("aws:dynamodb"));
    let said = |image: &Option<HashMap<String, Image>>| {
        // AWS leaves out the image of no item. Moto sends an image without attributes.
        let image = image.as_ref().filter(|image| !image.is_empty())?;
        assert_eq!(image["order_id"].as_s().unwrap(), &id_of(record));
        Some(image["said"].as_s().unwrap().clone())
    };
    Change {
        kind: record.event_name.clone().unwrap(),
        texts: [said(&change.old_image), said(&change.new_image)],
    }
}

/// An id that no other test has.
fn id() -> String {
    orders::OrderId::from_random(random()).to_string()
}

#[tokio::test]
async fn a_put_an_update_and_a_delete_are_changes_with_both_images_in_sequence() {
    with_table(async |table| {
        let [a, b] = [id(), id()];
        table.put(&a, "first").await;
        table.put(&b, "other").await;
        table.update(&a, "second").await;
        table.put(&a, "third").await;
        table.delete(&a).await;
        let mut changes = table.changes(5).await;
        let expected = [
            inserted("first"),
            modified("first", "second"),
            modified("second", "third"),
            removed("third"),
        ];
        assert_eq!(changes.remove(&a).unwrap(), expected);
        assert_eq!(changes.remove(&b).unwrap(), [inserted("other")]);
        assert!(changes.is_empty(), "{changes:?}");
    })
    .await;
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_no_change() {
    with_table(async |table| {
        let [a, nobody] = [id(), id()];
        table.put(&a, "same").await;
        table.put(&a, "same").await;
        table.update(&a, "same").await;
        table.delete(&nobody).await;
        table.put(&a, "other").await;
        let changes = table.changes(2).await;
        let expected = vec![inserted("same"), modified("same", "other")];
        assert_eq!(changes, BTreeMap::from([(a, expected)]));
    })
    .await;
}

#[tokio::test]
async fn a_delete_of_an_item_that_does_not_exist_is_no_change() {
    with_table(async |table| {
        let [a, nobody] = [id(), id()];
        table.delete(&nobody).await;
        table.put(&a, "there").await;
        let changes = table.changes(1).await;
        assert_eq!(changes, BTreeMap::from([(a, vec![inserted("there")])]));
    })
    .await;
}

#[tokio::test]
async fn a_write_that_its_condition_refuses_is_no_change() {
    with_table(async |table| {
        let a = id();
        table.put(&a, "first").await;
        let put = table.dynamodb.put_item().table_name(&table.name);
        let put = put
            .set_item(Some(Table::item(&a, "refused")))
            .condition_expression("attribute_not_exists(order_id)");
        let error = put.send().await.unwrap_err().into_service_error();
        assert!(error.is_conditional_check_failed_exception(), "{error:?}");
        table.update(&a, "second").await;
        let changes = table.changes(2).await;
        let expected = vec![inserted("first"), modified("first", "second")];
        assert_eq!(changes, BTreeMap::from([(a, expected)]));
    })
    .await;
}

impl Table<'_> {
    /// A transaction that puts, updates and deletes, if there is nothing under the id of its put.
    async fn transact(&self, [put, update, delete]: [&str; 3]) -> bool {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(Self::item(put, "put")))
            .condition_expression("attribute_not_exists(order_id)");
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Self::key(update)))
            .update_expression("SET said = :s")
            .expression_attribute_values(":s", AttributeValue::S("updated".to_owned()));
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(Self::key(delete)));
        let transaction = self
            .dynamodb
            .transact_write_items()
            .transact_items(
                TransactWriteItem::builder()
                    .update(update.build().unwrap())
                    .build(),
            )
            .transact_items(
                TransactWriteItem::builder()
                    .delete(delete.build().unwrap())
                    .build(),
            )
            .transact_items(
                TransactWriteItem::builder()
                    .put(put.build().unwrap())
                    .build(),
            );
        match transaction.send().await {
            Ok(_) => true,
            Err(error) => {
                let error = error.into_service_error();
                assert!(error.is_transaction_canceled_exception(), "{error:?}");
                false
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_is_a_change_of_each_item_that_it_writes() {
    with_table(async |table| {
        let [new, old, leaving] = [id(), id(), id()];
        table.put(&old, "old").await;
        table.put(&leaving, "leaving").await;
        assert!(table.transact([&new, &old, &leaving]).await);
        let changes = table.changes(5).await;
        let expected = BTreeMap::from([
            (new, vec![inserted("put")]),
            (old, vec![inserted("old"), modified("old", "updated")]),
            (leaving, vec![inserted("leaving"), removed("leaving")]),
        ]);
        assert_eq!(changes, expected);
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_cancelled_is_no_change() {
    with_table(async |table| {
        let [there, old, staying] = [id(), id(), id()];
        for id in [&there, &old, &staying] {
            table.put(id, "before").await;
        }
        assert!(!table.transact([&there, &old, &staying]).await);
        table.put(&old, "after").await;
        let changes = table.changes(4).await;
        let expected = BTreeMap::from([
            (there, vec![inserted("before")]),
            (old, vec![inserted("before"), modified("before", "after")]),
            (staying, vec![inserted("before")]),
        ]);
        assert_eq!(changes, expected);
    })
    .await;
}

#[tokio::test]
async fn each_type_of_iterator_begins_at_its_place() {
    use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, Latest, TrimHorizon};
    with_table(async |table| {
        let a = id();
        for said in ["1", "2", "3"] {
            table.put(&a, said).await;
        }
        let all = table.all(3).await;
        // The changes of an item are in one shard.
        let (shard, second) = (&all[1].0, number(&all[1].1));
        let said = async |kind, number: Option<&str>, count| {
            let iterator = table.iterator(shard, kind, number).await;
            let records = table.read_until(iterator, count).await;
            let texts = records.iter().map(|record| of(record).texts[1].clone());
            texts.map(Option::unwrap).collect::<Vec<_>>()
        };
        assert_eq!(said(TrimHorizon, None, 3).await, ["1", "2", "3"]);
        assert_eq!(said(AtSequenceNumber, Some(second), 2).await, ["2", "3"]);
        assert_eq!(said(AfterSequenceNumber, Some(second), 1).await, ["3"]);
        let latest = table.iterator(shard, Latest, None).await;
        table.put(&a, "4").await;
        let records = table.read_until(latest, 1).await;
        assert_eq!(of(&records[0]), modified("3", "4"), "nothing from before");
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_and_each_can_be_read_again() {
    with_table(async |table| {
        let a = id();
        for said in ["1", "2", "3"] {
            table.put(&a, said).await;
        }
        let shard = table.all(3).await.remove(0).0;
        let first = table.iterator(&shard, ShardIteratorType::TrimHorizon, None);
        let first = first.await;
        let (mut next, mut read) = (first.clone(), Vec::new());
        while read.len() < 3 {
            let (records, then) = table.read(&next, Some(1)).await;
            assert!(records.len() <= 1);
            read.extend(records);
            next = then.unwrap();
        }
        let changes: Vec<Change> = read.iter().map(of).collect();
        let expected = [inserted("1"), modified("1", "2"), modified("2", "3")];
        assert_eq!(changes, expected);
        table.put(&a, "4").await;
        let on = table.read_until(next, 1).await;
        assert_eq!(of(&on[0]), modified("3", "4"));
        let again = table.read_until(first, 4).await;
        assert_eq!(again[..3], read, "the same records, with the same numbers");
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_listed_and_described_under_the_arn_that_its_table_names() {
    with_table(async |table| {
        let listed = table.streams.list_streams().table_name(&table.name);
        let listed = listed.send().await.unwrap().streams.unwrap();
        let arns: Vec<_> = listed.iter().map(|stream| stream.stream_arn()).collect();
        assert_eq!(arns, [Some(table.stream.as_str())]);
        let described = table.streams.describe_stream().stream_arn(&table.stream);
        let described = described.send().await.unwrap().stream_description.unwrap();
        assert_eq!(described.table_name(), Some(table.name.as_str()));
        assert_eq!(described.stream_arn(), Some(table.stream.as_str()));
        let label = described.stream_label().unwrap();
        assert!(table.stream.ends_with(&format!("/stream/{label}")));
        assert_eq!(described.key_schema()[0].attribute_name(), "order_id");
        for shard in described.shards() {
            assert!((28..=65).contains(&shard.shard_id().unwrap().len()));
            let range = shard.sequence_number_range().unwrap();
            let starting = range.starting_sequence_number().unwrap();
            assert!((21..=40).contains(&starting.len()), "{starting}");
            starting.parse::<u128>().unwrap();
        }
        let others = table.stack.table();
        let none = table.streams.list_streams().table_name(others);
        let none = none.send().await.unwrap().streams.unwrap_or_default();
        let arns = none.iter().map(|stream| stream.stream_arn());
        assert!(
            !arns
                .into_iter()
                .any(|arn| arn == Some(table.stream.as_str()))
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_a_validation_error() {
    with_table(async |table| {
        let a = id();
        table.put(&a, "1").await;
        let (shard, record) = table.all(1).await.remove(0);
        let iterator = async |kind, number: Option<&str>| {
            let request = table
                .streams
                .get_shard_iterator()
                .stream_arn(&table.stream)
                .shard_id(&shard)
                .shard_iterator_type(kind)
                .set_sequence_number(number.map(str::to_owned));
            let refused = request.send().await;
            refused.unwrap_err().code().unwrap_or_default().to_owned()
        };
        let (at, horizon) = (
            ShardIteratorType::AtSequenceNumber,
            ShardIteratorType::TrimHorizon,
        );
        let invalid = "ValidationException";
        assert_eq!(iterator(at.clone(), None).await, invalid);
        assert_eq!(iterator(at.clone(), Some("5")).await, invalid, "too short");
        let nines = "9".repeat(40);
        assert_eq!(iterator(at, Some(&nines)).await, invalid, "never issued");
        assert_eq!(
            iterator(horizon.clone(), Some(number(&record))).await,
            invalid
        );
        let records = async |iterator: &str, limit| {
            let request = table.streams.get_records().shard_iterator(iterator);
            let refused = request.limit(limit).send().await;
            refused.unwrap_err().code().unwrap_or_default().to_owned()
        };
        let valid = table.iterator(&shard, horizon, None).await;
        assert_eq!(records(&valid, 0).await, invalid);
        assert_eq!(records(&valid, 1_001).await, invalid);
        assert_eq!(records("nonsense", 1).await, invalid);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_does_not_exist_is_not_found() {
    with_table(async |table| {
        let absent = format!("{}-x", table.name);
        let absent = table.stream.replace(&table.name, &absent);
        let request = table.streams.describe_stream().stream_arn(absent);
        let error = request.send().await.unwrap_err().into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_shard_that_does_not_exist_is_not_found() {
    with_table(async |table| {
        let request = table
            .streams
            .get_shard_iterator()
            .stream_arn(&table.stream)
            .shard_id("shardId-00000000000000000000-00000000")
            .shard_iterator_type(ShardIteratorType::Latest);
        let error = request.send().await.unwrap_err().into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
    })
    .await;
}
