//! DynamoDB. Tables and items are in dynoxide's in-process engine, and this file is the wire around
//! the engine. PartiQL, tags and TTL are not taken over from dynoxide.
//!
//! A public conformance suite checks dynoxide against AWS. The library does not contain the steps
//! that dynoxide's own HTTP server takes before and after the engine. This file repeats two of
//! these steps, the sorting of unreadable requests and the shape of one error. It does not repeat
//! the wording of a SerializationException.
//!
//! Do not enable a table's stream. Each write would then cost time in proportion to all records
//! already in the stream.
//!
//! A member that dynoxide does not read, and would ignore, is refused by its name. The same goes
//! for a member that AWS itself does not know and would ignore.

mod members;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use dynoxide::storage_backend::Clock as EngineClock;
use dynoxide::{Database, DynoxideError};
use http::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Clock;
use crate::failure::{Failure, respond_bytes};
use crate::input::not_modelled;
use crate::service::Service;

/// The tables. The handle is cheap, and its clones share one state.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
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
        let database = Database::memory_with_clock(Arc::new(SharedClock(clock)))
            .map_err(|error| DynamoDbStartError(error.to_string()))?;
        Ok(Self { database })
    }

    /// Performs one operation of the wire. `None` if the operation does not exist here. `region` is
    /// only for ARNs.
    pub(crate) fn perform(&self, operation: &str, body: &[u8], region: &str) -> Option<Output> {
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
