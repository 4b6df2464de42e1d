//! DynamoDB. Tables and items are in dynoxide's in-process engine, and this file is the wire around
//! the engine. PartiQL, tags and TTL are not taken over from dynoxide.
//!
//! A public conformance suite checks dynoxide against AWS. The library does not contain the steps
//! that dynoxide's own HTTP server takes before and after the engine. This file repeats two of
//! these steps, the sorting of unreadable requests and the shape of one error. It does not repeat
//! the wording of a SerializationException.
//!
//! A table's change stream is ours (`change_stream.rs`), and so is the API of DynamoDB Streams
//! (`streams_api.rs`). dynoxide has them too, but each write to a stream of its own costs time in
//! proportion to all records already in the stream.
//!
//! A member that dynoxide does not read, and would ignore, is refused by its name. The same goes
//! for a member that AWS itself does not know and would ignore.

mod change_stream;
mod members;
mod stream_specification;
mod streams_api;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dynoxide::storage_backend::Clock as EngineClock;
use dynoxide::{Database, DynoxideError};
use http::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::failure::{Failure, respond_bytes};
use crate::input::not_modelled;
use crate::service::{DEFAULT_REGION, Service};
pub use change_stream::{CHANGE_STREAM_CAPACITY_BYTES, ChangePosition, ReadChanges};
use change_stream::{ChangeStream, ChangeStreams, Touched};
use stream_specification::{begins_stream, enabled_already};
pub(crate) use streams_api::{ShardIterator, StreamArn};

/// The tables. The handle is cheap, and its clones share one state.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    clock: Arc<dyn Clock>,
    /// Held while a table with a stream is written to, so that records have the sequence of writes.
    streams: Arc<Mutex<ChangeStreams>>,
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

/// The injected clock as dynoxide reads it. The creation date of a table and the ten minutes of a
/// client request token go by the machine's clock in dynoxide.
struct SharedClock(Arc<dyn Clock>);

impl EngineClock for SharedClock {
    fn now_unix_secs(&self) -> u64 {
        self.0.now_millis() / 1_000
    }

    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "the type dynoxide asks for"
    )]
    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now_millis() as f64 / 1_000.0
    }
}

/// The engine could not be started, because SQLite refused to open a database in memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the embedded DynamoDB did not start: {0}")]
pub struct DynamoDbStartError(String);

/// The output of an operation as JSON, or a refusal as AWS writes it.
pub(crate) type Output = Result<Vec<u8>, Refusal>;

/// An error body that is JSON already, with its status.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    body: String,
}

impl DynamoDb {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Result<Self, DynamoDbStartError> {
        Self::with_capacity(clock, CHANGE_STREAM_CAPACITY_BYTES)
    }

    /// Tables whose change streams may hold so many bytes each.
    fn with_capacity(clock: Arc<dyn Clock>, bytes: usize) -> Result<Self, DynamoDbStartError> {
        let database = Database::memory_with_clock(Arc::new(SharedClock(clock.clone())))
            .map_err(|error| DynamoDbStartError(error.to_string()))?;
        Ok(Self {
            database,
            clock,
            streams: Arc::new(Mutex::new(ChangeStreams::new(bytes))),
        })
    }

    /// Begins the change stream of a table, and returns its ARN. The stream has the images before
    /// and after each change. It goes on until it is disabled or the table is deleted.
    ///
    /// # Errors
    /// `ResourceNotFoundException` if there is no such table, `ValidationException` if it has a
    /// stream (API reference, `UpdateTable`).
    pub fn begin_change_stream(&self, table: &str) -> Result<String, Failure> {
        let mut streams = self.lock();
        let stream = self
            .begin(&mut streams, table)
            .map_err(Refusal::into_failure)?;
        Ok(stream.arn(DEFAULT_REGION))
    }

    fn begin<'a>(
        &self,
        streams: &'a mut ChangeStreams,
        table: &str,
    ) -> Result<&'a ChangeStream, Refusal> {
        let description = self.output("DescribeTable", &named(table))?;
        let keys = description["Table"]["KeySchema"].as_array();
        let names = keys.into_iter().flatten();
        let names = names.filter_map(|key| key["AttributeName"].as_str().map(str::to_owned));
        let names = names.collect();
        streams
            .begin(table, names, self.clock.now_millis())
            .ok_or_else(|| {
                let error = DynoxideError::ValidationException(enabled_already(table));
                refusal("UpdateTable", error)
            })
    }

    /// The shard of a table's change stream. `None` if the table has no stream.
    #[must_use]
    pub fn change_stream_shard(&self, table: &str) -> Option<String> {
        self.lock().get(table).map(|stream| stream.shard_id())
    }

    /// Reads at most `limit` records of a table's change stream. `None` if the table has no stream.
    ///
    /// The read is for a poller in the same process. It returns at most 1,000 records and 1 MB, and
    /// counts against no limit of AWS. A position older than 24 hours reads from the oldest record
    /// kept.
    #[must_use]
    pub fn read_changes(
        &self,
        table: &str,
        from: ChangePosition,
        limit: usize,
    ) -> Option<ReadChanges> {
        let now = self.clock.now_millis();
        let mut streams = self.lock();
        streams
            .get(table)
            .map(|stream| stream.read(from, limit, now))
    }

    /// Performs one operation of the wire. `None` if the operation does not exist here. `region` is
    /// only for ARNs.
    pub(crate) fn perform(&self, operation: &str, body: &[u8], region: &str) -> Option<Output> {
        if !WRITES.contains(&operation) && !operation.ends_with("Table") {
            return self.execute(operation, body, region);
        }
        // The lock is held to the end of the write. So a stream that begins meanwhile begins before
        // the write or after it.
        let mut streams = self.lock();
        if operation.ends_with("Table") {
            return self.perform_on_table(&mut streams, operation, body, region);
        }
        if streams.is_empty() {
            return self.execute(operation, body, region);
        }
        // A body that is not JSON touches nothing, and is refused below.
        let input: Value = serde_json::from_slice(body).unwrap_or_default();
        let touched = streams.touched(operation, &input);
        let now = self.clock.now_millis();
        if let Some(table) = streams.full_among(&touched, now) {
            return Some(Err(full(operation, table, streams.capacity())));
        }
        let before: Vec<_> = touched.iter().map(|item| self.image(item)).collect();
        let output = self.execute(operation, body, region)?;
        for (item, old) in touched.into_iter().zip(before) {
            let new = self.image(&item);
            if let Some(stream) = streams.get(&item.table) {
                stream.note(old, new, now);
            }
        }
        Some(output)
    }

    /// Performs an operation on a table. `StreamSpecification` is for the streams here and not for
    /// dynoxide.
    fn perform_on_table(
        &self,
        streams: &mut ChangeStreams,
        operation: &str,
        body: &[u8],
        region: &str,
    ) -> Option<Output> {
        let mut input: Value = serde_json::from_slice(body).unwrap_or_default();
        let table = input["TableName"].as_str().unwrap_or_default().to_owned();
        let specification = input
            .as_object_mut()
            .filter(|_| matches!(operation, "CreateTable" | "UpdateTable"))
            .and_then(|members| members.remove("StreamSpecification"))
            .filter(|specification| !specification.is_null());
        let Some(specification) = specification else {
            let output = self.execute(operation, body, region)?;
            let output = output.map(|json| streams.described(&table, &json, region));
            if operation == "DeleteTable" && output.is_ok() {
                streams.end(&table);
            }
            return Some(output);
        };
        let refused = |error| Some(Err(refusal(operation, error)));
        let shape = members::of(operation);
        if let Some(member) = shape.and_then(|shape| members::unknown(&shape, body)) {
            return refused(DynoxideError::ValidationException(not_modelled(
                &member, operation,
            )));
        }
        let is_created = operation == "CreateTable";
        if !is_created && let Err(refusal) = self.output("DescribeTable", &named(&table)) {
            return Some(Err(refusal));
        }
        let has_stream = streams.get(&table).is_some();
        let is_enabled = match begins_stream(&specification, &table, is_created, has_stream) {
            Ok(is_enabled) => is_enabled,
            Err(error) => return refused(error),
        };
        // An UpdateTable that has nothing else is none for dynoxide.
        let is_alone = input.as_object().is_some_and(|members| members.len() == 1);
        let output = if !is_created && is_alone {
            self.output_in("DescribeTable", &input, region)
                .map(|output| {
                    json!({ "TableDescription": output["Table"] })
                        .to_string()
                        .into()
                })
        } else {
            self.execute(operation, input.to_string().as_bytes(), region)?
        };
        Some(output.and_then(|json| {
            if is_enabled {
                self.begin(streams, &table)?;
            } else {
                streams.end(&table);
            }
            Ok(streams.described(&table, &json, region))
        }))
    }

    /// The item as it is now, with its key.
    fn image(&self, item: &Touched) -> Option<Value> {
        let input = json!({ "TableName": item.table, "Key": item.keys, "ConsistentRead": true });
        let output = self.output("GetItem", &input).ok()?;
        output.get("Item").cloned()
    }

    /// The output of an operation that is there, and is not a write to a table with a stream.
    fn output(&self, operation: &str, input: &Value) -> Result<Value, Refusal> {
        self.output_in(operation, input, DEFAULT_REGION)
    }

    /// As [`Self::output`], with ARNs of this region.
    fn output_in(&self, operation: &str, input: &Value, region: &str) -> Result<Value, Refusal> {
        let output = self.execute(operation, input.to_string().as_bytes(), region);
        let unknown = || {
            Err(refusal(
                operation,
                DynoxideError::SerializationException(String::new()),
            ))
        };
        output.unwrap_or_else(unknown).map(|json| json_of(&json))
    }

    fn lock(&self) -> MutexGuard<'_, ChangeStreams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn execute(&self, operation: &str, body: &[u8], region: &str) -> Option<Output> {
        let db = &self.database;
        if let Some(members) = members::of(operation)
            && let Some(member) = members::unknown(&members, body)
        {
            let error = DynoxideError::ValidationException(not_modelled(&member, operation));
            return Some(Err(refusal(operation, error)));
        }
        let outcome = match operation {
            "BatchGetItem" => run(body, |request| db.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| db.batch_write_item(request)),
            "CreateTable" => run(body, |request| db.create_table(request)),
            "DeleteItem" => run(body, |request| db.delete_item(request)),
            "DeleteTable" => run(body, |request| db.delete_table(request)),
            "DescribeTable" => run(body, |request| db.describe_table(request)),
            "GetItem" => run(body, |request| db.get_item(request)),
            "ListTables" => run(body, |request| db.list_tables(request)),
            "PutItem" => run(body, |request| db.put_item(request)),
            "Query" => run(body, |request| db.query(request)),
            "Scan" => run(body, |request| db.scan(request)),
            "TransactGetItems" => run(body, |request| db.transact_get_items(request)),
            "TransactWriteItems" => run(body, |request| db.transact_write_items(request)),
            "UpdateItem" => run(body, |request| db.update_item(request)),
            "UpdateTable" => run(body, |request| db.update_table(request)),
            _ => return None,
        };
        let outcome = outcome.map(|json| {
            if operation.ends_with("Table") {
                in_region(json, region)
            } else {
                json
            }
        });
        Some(outcome.map_err(|error| refusal(operation, error)))
    }
}

/// The operations that write items.
const WRITES: [&str; 5] = [
    "BatchWriteItem",
    "DeleteItem",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
];

/// The refusal of a write to a table whose stream is full.
fn full(operation: &str, table: &str, capacity: usize) -> Refusal {
    let message = format!(
        "The change stream of table {table} is full: the {capacity} bytes that it may hold here are taken \
         until 24 hours have passed for older records."
    );
    let error = DynoxideError::ProvisionedThroughputExceededException(message);
    refusal(operation, error)
}

/// The input of an operation that has nothing but the table's name.
fn named(table: &str) -> Value {
    json!({ "TableName": table })
}

/// The output of an operation as a value.
#[expect(
    clippy::expect_used,
    reason = "the engine's output was written as JSON just before"
)]
pub(crate) fn json_of(output: &[u8]) -> Value {
    serde_json::from_slice(output).expect("the output is JSON")
}

fn run<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    operation: impl FnOnce(I) -> dynoxide::Result<O>,
) -> dynoxide::Result<Vec<u8>> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    // The output goes through a value, because a value's maps are sorted. The sequence of the
    // engine's maps differs from process to process, and the same run should give the same bytes.
    let output = serde_json::to_value(operation(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    Ok(output.to_string().into_bytes())
}

/// Writes the request's region into the ARNs of a table's description. dynoxide's own ARNs name the
/// region `dynoxide`, and dynoxide accepts any region in the ARNs that it is given. Items are never
/// rewritten.
fn in_region(json: Vec<u8>, region: &str) -> Vec<u8> {
    match String::from_utf8(json) {
        Ok(text) => text
            .replace(
                "\"arn:aws:dynamodb:dynoxide:",
                &format!("\"arn:aws:dynamodb:{region}:"),
            )
            .into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

/// The error for a body that could not be read. dynoxide marks in the message of a deserialization
/// error which of DynamoDB's errors it means. Unmarked messages are told apart here in the way of
/// dynoxide's own HTTP server.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    if !error.is_data() {
        return DynoxideError::SerializationException(String::new());
    }
    let message = error.to_string();
    let text = match message.rfind(" at line ") {
        Some(position) => &message[..position],
        None => &message,
    };
    if let Some(text) = text.strip_prefix("VALIDATION_REQUEST:") {
        return DynoxideError::EnvelopedValidation(text.to_owned());
    }
    for marker in ["VALIDATION:", "VALIDATION_AS_READ:"] {
        if let Some(text) = text.strip_prefix(marker) {
            return DynoxideError::ValidationException(text.to_owned());
        }
    }
    for marker in ["SERIALIZATION:", "SERIALIZATION_AS_READ:"] {
        if let Some(text) = text.strip_prefix(marker) {
            return DynoxideError::SerializationException(text.to_owned());
        }
    }
    let invalid = [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "Supplied AttributeValue",
    ];
    if invalid.iter().any(|known| text.contains(known)) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    if text.contains("empty AttributeValue") {
        return DynoxideError::ValidationException(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
                .to_owned(),
        );
    }
    // serde_json's own words would repeat the value.
    DynoxideError::SerializationException("A member of the request has the wrong type".to_owned())
}

/// The error as DynamoDB writes it for this operation.
fn refusal(operation: &str, error: DynoxideError) -> Refusal {
    let error = match error {
        // DynamoDB puts its usual words before the message of the three writes of one item.
        DynoxideError::EnvelopedValidation(message)
            if matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem") =>
        {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        other => other,
    };
    let status = error.status_code();
    let json = error.to_json();
    // The members are sorted for the same reason as the members of an output.
    let body = serde_json::from_str::<Value>(&json).map_or(json, |value| value.to_string());
    Refusal { status, body }
}

impl Refusal {
    pub(crate) fn into_response(self, request_id: &str) -> Response<Bytes> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        respond_bytes(
            Some(Service::DynamoDb),
            status,
            self.body.into(),
            request_id,
        )
    }

    /// The refusal for a caller that does not use the wire, read from the status and the JSON body.
    pub(crate) fn into_failure(self) -> Failure {
        let value: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let code = value["__type"].as_str().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let message = value["message"]
            .as_str()
            .or(value["Message"].as_str())
            .unwrap_or_default();
        Failure {
            code: CODES
                .into_iter()
                .find(|known| *known == code)
                .unwrap_or("InternalServerError"),
            status: self.status,
            message: message.to_owned(),
        }
    }
}

/// The error codes that dynoxide sends.
const CODES: [&str; 13] = [
    "AccessDeniedException",
    "ConditionalCheckFailedException",
    "IdempotentParameterMismatchException",
    "InternalServerError",
    "ItemCollectionSizeLimitExceededException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "SerializationException",
    "TransactionCanceledException",
    "UnsupportedOperation",
    "ValidationException",
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    /// Room for a few changes.
    const CAPACITY: usize = 1_000;

    fn with_stream() -> (DynamoDb, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(1_795_329_000_000));
        let dynamodb = DynamoDb::with_capacity(clock.clone(), CAPACITY).unwrap();
        for table in ["full", "free"] {
            let input = json!({ "TableName": table, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }] });
            dynamodb.output("CreateTable", &input).unwrap();
        }
        dynamodb.begin_change_stream("full").unwrap();
        (dynamodb, clock)
    }

    fn write(dynamodb: &DynamoDb, operation: &str, input: &Value) -> Result<(), Failure> {
        let output = dynamodb.perform(operation, input.to_string().as_bytes(), DEFAULT_REGION);
        output.unwrap().map(|_| ()).map_err(Refusal::into_failure)
    }

    fn put(dynamodb: &DynamoDb, table: &str, id: &str) -> Result<(), Failure> {
        let item = json!({ "id": { "S": id } });
        write(
            dynamodb,
            "PutItem",
            &json!({ "TableName": table, "Item": item }),
        )
    }

    /// Writes until the stream is full. Returns how many items were written.
    fn fill(dynamodb: &DynamoDb) -> usize {
        (0..100)
            .take_while(|id| put(dynamodb, "full", &id.to_string()).is_ok())
            .count()
    }

    fn changes(dynamodb: &DynamoDb) -> usize {
        let read = dynamodb.read_changes("full", ChangePosition::TrimHorizon, 1_000);
        read.unwrap().records.len()
    }

    #[test]
    fn a_full_stream_refuses_writes_to_its_table_and_drops_no_change() {
        let (dynamodb, _) = with_stream();
        let written = fill(&dynamodb);
        assert!((2..100).contains(&written), "{written}");
        let put_one = json!({ "id": { "S": "x" } });
        for (operation, input) in [
            ("PutItem", json!({ "TableName": "full", "Item": put_one })),
            (
                "DeleteItem",
                json!({ "TableName": "full", "Key": { "id": { "S": "0" } } }),
            ),
            (
                "UpdateItem",
                json!({ "TableName": "full", "Key": { "id": { "S": "0" } } }),
            ),
            (
                "BatchWriteItem",
                json!({ "RequestItems": {
                    "free": [{ "PutRequest": { "Item": put_one } }],
                    "full": [{ "PutRequest": { "Item": put_one } }],
                } }),
            ),
            (
                "TransactWriteItems",
                json!({ "TransactItems": [
                    { "Put": { "TableName": "free", "Item": put_one } },
                    { "Put": { "TableName": "full", "Item": put_one } },
                ] }),
            ),
        ] {
            let refused = write(&dynamodb, operation, &input).unwrap_err();
            assert_eq!(refused.code, "ProvisionedThroughputExceededException");
            assert!(refused.message.contains("table full is full"), "{refused}");
        }
        assert_eq!(changes(&dynamodb), written);
        let count = |table: &str| {
            let scan = dynamodb.output("Scan", &json!({ "TableName": table }));
            scan.unwrap()["Count"].clone()
        };
        assert_eq!(count("full"), written);
        assert_eq!(count("free"), 0, "a refused write is refused as a whole");
    }

    #[test]
    fn a_full_stream_disturbs_neither_reads_nor_other_tables() {
        let (dynamodb, _) = with_stream();
        fill(&dynamodb);
        put(&dynamodb, "free", "x").unwrap();
        let key = json!({ "TableName": "full", "Key": { "id": { "S": "0" } } });
        dynamodb.output("GetItem", &key).unwrap();
    }

    #[test]
    fn a_stream_has_room_again_when_its_records_are_a_day_old() {
        let (dynamodb, clock) = with_stream();
        let written = fill(&dynamodb);
        clock.advance(Duration::from_hours(24));
        put(&dynamodb, "full", "x").unwrap_err();
        clock.advance(Duration::from_millis(1));
        put(&dynamodb, "full", "x").unwrap();
        assert_eq!(changes(&dynamodb), 1);
        // The items of before are there still, so to put them again leaves no record.
        assert!(fill(&dynamodb) > written);
    }
}
