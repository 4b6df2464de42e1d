//! Mistakes that a good engineer could make. Each is put in between the service and its
//! surroundings, without a change of the service's code, and each must break a law. A mistake that
//! no law is about cannot be caught here, so it is left out.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use orders::{Caller, Intent, IntentKind, NewOrder};
use serde_json::{Value, json};

use crate::resources::LOCKS;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The write has no condition.
    ConditionDropped,
    /// A refused write is always taken for a duplicate, so that a conflict is not recorded.
    ConflictTakenForDuplicate,
    /// A write that was throttled or that failed counts as done.
    ErrorTakenForSuccess,
    /// A missing permission or table is taken for poison.
    EnvironmentTakenForPoison,
    /// Only the highest of the failed records is reported.
    HighestCheckpoint,
    /// Nothing is reported as failed.
    NothingReported,
    /// Poison is not reported as failed.
    PoisonTakenForSuccess,
    /// Failed records are reported without their sequence numbers.
    NullIdentifier,
    /// The records of a batch run all at once, also the records of one key.
    SameKeyConcurrently,
    /// A record that is retried does not hold back the later records of its key.
    RetryHoldsNothingBack,
    /// The consumer believes that its deadline is a minute later.
    DeadlineIgnored,
    /// The api answers 202 before Kinesis has answered, whatever Kinesis answers then.
    AcceptedBeforePut,
    /// The api answers 202 when the connection breaks before Kinesis has answered.
    AcceptedOnTimeout,
    /// Every attempt to put an intent gives it a new id.
    IntentIdPerAttempt,
    /// The order id is random although the client has sent a key.
    RandomIdUnderKey,
    /// A submit that differs from the row only in its items is taken for the same order.
    FingerprintIgnoresItems,
    /// A stranger's cancel counts as the owner's.
    StrangersCancelObeyed,
    /// A submit that comes after the owner's cancel removes that cancel.
    LateSubmitRevives,
    /// The row has a time to live.
    TimeToLive,
    /// The owner of the order is the customer in its content, and not the caller.
    OwnerFromBody,
    /// The response about an unknown outcome says that nothing was accepted.
    UnknownToldAsUnavailable,
    /// The api turns a second order under a key away as a conflict, because the row has another
    /// order.
    ConflictTurnedAway,
    /// The api reads without `ConsistentRead`.
    EventuallyConsistentRead,
    /// The partition key of an intent is its own id, and not the id of its order.
    IntentIdAsPartitionKey,
    /// The last attempt of a throttled put goes to the shard that throttles.
    NoEscape,
    /// The entries of a batch that Kinesis refused count as accepted.
    RefusedEntryAccepted,
    /// The order ids of a batch are random although the client has sent a key.
    RetriedBatchGetsNewIds,
    /// An entry that failed inside Kinesis is told to the client as not accepted.
    InternalFailureTakenForRefusal,
    /// The failed entries of a `PutRecords` count as published.
    FailedEntryIgnored,
    /// The notifier marks the facts of its changes before it publishes them.
    MarkBeforePublish,
    /// The facts of the old row are not subtracted, so every change announces all facts of its row.
    FactsFromNewImageOnly,
    /// All facts of a batch are put in one call, also several facts of one order.
    TwoOfAKeyInOneCall,
    /// The partition key of a fact is the id of its event, and not the id of its order.
    PartitionKeyIsTheEventId,
    /// Every attempt to publish a fact gives its event a new id.
    IdPerAttempt,
    /// The subscriber books without a lease and without a condition.
    SubscriberWithoutLock,
}

impl Mutant {
    /// All mistakes.
    pub const ALL: [Self; 35] = [
        Self::ConditionDropped,
        Self::ConflictTakenForDuplicate,
        Self::ErrorTakenForSuccess,
        Self::EnvironmentTakenForPoison,
        Self::HighestCheckpoint,
        Self::NothingReported,
        Self::PoisonTakenForSuccess,
        Self::NullIdentifier,
        Self::SameKeyConcurrently,
        Self::RetryHoldsNothingBack,
        Self::DeadlineIgnored,
        Self::AcceptedBeforePut,
        Self::AcceptedOnTimeout,
        Self::IntentIdPerAttempt,
        Self::RandomIdUnderKey,
        Self::FingerprintIgnoresItems,
        Self::StrangersCancelObeyed,
        Self::LateSubmitRevives,
        Self::TimeToLive,
        Self::OwnerFromBody,
        Self::UnknownToldAsUnavailable,
        Self::ConflictTurnedAway,
        Self::EventuallyConsistentRead,
        Self::IntentIdAsPartitionKey,
        Self::NoEscape,
        Self::RefusedEntryAccepted,
        Self::RetriedBatchGetsNewIds,
        Self::InternalFailureTakenForRefusal,
        Self::FailedEntryIgnored,
        Self::MarkBeforePublish,
        Self::FactsFromNewImageOnly,
        Self::TwoOfAKeyInOneCall,
        Self::PartitionKeyIsTheEventId,
        Self::IdPerAttempt,
        Self::SubscriberWithoutLock,
    ];

    /// True for mistakes in the notifier or in the subscriber.
    #[must_use]
    pub fn is_of_the_facts(self) -> bool {
        matches!(
            self,
            Self::FailedEntryIgnored
                | Self::MarkBeforePublish
                | Self::FactsFromNewImageOnly
                | Self::TwoOfAKeyInOneCall
                | Self::PartitionKeyIsTheEventId
                | Self::IdPerAttempt
                | Self::SubscriberWithoutLock
        )
    }

    /// Changes a request on its way to AWS.
    pub(crate) fn change_request(self, request: &mut HttpRequest, new_id: impl Fn() -> String) {
        let operation = operation(request).to_owned();
        let Some(mut body) = json_of(request) else {
            return;
        };
        match (self, operation.as_str()) {
            (Self::ConditionDropped, "UpdateItem") => {
                body.as_object_mut()
                    .and_then(|body| body.remove("ConditionExpression"));
            }
            (Self::IntentIdPerAttempt, "PutRecord") if attempt(request) > 1 => {
                if let Some(mut event) = event_of(&body) {
                    event["id"] = json!(new_id());
                    body["Data"] = json!(BASE64_STANDARD.encode(event.to_string()));
                }
            }
            (Self::OwnerFromBody, "PutRecord") => {
                let event = event_of(&body).unwrap_or_default();
                let intent = Intent::decode(event.to_string().as_bytes()).ok();
                if let Some((intent, order, owner)) = intent.and_then(for_whom) {
                    let (id, order_id, at) = (intent.id, intent.order_id, intent.accepted_at);
                    let intent = Intent::submit(id, order_id, at, owner, order);
                    body["Data"] = json!(BASE64_STANDARD.encode(intent.encode()));
                }
            }
            (Self::IntentIdAsPartitionKey, "PutRecord") => {
                if let Some(event) = event_of(&body) {
                    body["PartitionKey"] = event["id"].clone();
                }
            }
            (Self::NoEscape, "PutRecord" | "PutRecords") => {
                let entries = entries_of(&mut body).iter_mut();
                for entry in entries.filter_map(Value::as_object_mut) {
                    entry.remove("ExplicitHashKey");
                }
            }
            (Self::EventuallyConsistentRead, "GetItem") => {
                body["ConsistentRead"] = json!(false);
            }
            (Self::LateSubmitRevives, "UpdateItem")
                if body.to_string().contains("submit_intent") =>
            {
                revive(&mut body);
            }
            (Self::PartitionKeyIsTheEventId, "PutRecords" | "PutRecord") => {
                for entry in entries_of(&mut body) {
                    if let Some(event) = event_of(entry) {
                        entry["PartitionKey"] = event["id"].clone();
                    }
                }
            }
            (Self::IdPerAttempt, "PutRecords" | "PutRecord") => {
                for entry in entries_of(&mut body) {
                    if let Some(mut event) = event_of(entry) {
                        event["id"] = json!(new_id());
                        entry["Data"] = json!(BASE64_STANDARD.encode(event.to_string()));
                    }
                }
            }
            (Self::SubscriberWithoutLock, "TransactWriteItems") => {
                let items = body["TransactItems"].as_array_mut();
                let items = items.into_iter().flat_map(|items| {
                    items.retain(|item| !item["Put"].is_null());
                    items
                });
                for put in items.filter_map(|item| item["Put"].as_object_mut()) {
                    put.remove("ConditionExpression");
                }
            }
            _ => return,
        }
        *request.body_mut() = SdkBody::from(body.to_string());
    }

    /// True if a request is never sent, because its caller believes that the request is not needed.
    pub(crate) fn swallows(self, request: &HttpRequest) -> bool {
        let contains = |text: &str| {
            let body = request.body().bytes().map(String::from_utf8_lossy);
            body.is_some_and(|body| body.contains(text))
        };
        operation(request) == "UpdateItem"
            && match self {
                Self::ConflictTakenForDuplicate => contains("ADD "),
                Self::SubscriberWithoutLock => contains(LOCKS),
                _ => false,
            }
    }

    /// True if the caller goes on before AWS has answered.
    pub(crate) fn is_hasty(self, operation: &str) -> bool {
        self == Self::AcceptedBeforePut && operation == "PutRecord"
    }

    /// Changes the answer of AWS on its way to the caller.
    pub(crate) fn change_answer(
        self,
        operation: &str,
        answer: Result<HttpResponse, ConnectorError>,
    ) -> Result<HttpResponse, ConnectorError> {
        let code = || {
            let body = answer.as_ref().ok()?.body().bytes()?;
            let json: Value = serde_json::from_slice(body).ok()?;
            let kind = json["__type"].as_str()?.rsplit('#').next()?.to_owned();
            Some(kind)
        };
        match (self, operation) {
            (Self::ErrorTakenForSuccess, "UpdateItem") => match code().as_deref() {
                None | Some("ConditionalCheckFailedException") => answer,
                Some(_) => Ok(success(operation)),
            },
            (Self::EnvironmentTakenForPoison, "UpdateItem") => match code().as_deref() {
                Some("AccessDeniedException" | "ResourceNotFoundException") => Ok(too_large()),
                _ => answer,
            },
            (Self::AcceptedOnTimeout, "PutRecord") if answer.is_err() => Ok(success(operation)),
            (Self::FailedEntryIgnored | Self::RefusedEntryAccepted, "PutRecords") => {
                answer.map(without_failures)
            }
            (Self::InternalFailureTakenForRefusal, "PutRecords") => answer.map(as_refusals),
            _ => answer,
        }
    }

    /// Changes the response of the api. `stored` returns the fingerprint in the row of an order.
    pub(crate) fn change_response(
        self,
        response: &mut ApiGatewayV2httpResponse,
        stored: impl FnOnce(&str) -> Option<String>,
    ) {
        let Some(Body::Text(text)) = &response.body else {
            return;
        };
        let mut body: Value = serde_json::from_str(text).unwrap_or_default();
        match (self, response.status_code) {
            (Self::UnknownToldAsUnavailable, 503) => {
                body.as_object_mut()
                    .and_then(|problem| problem.remove("order_id"));
            }
            (Self::ConflictTurnedAway, 202) => {
                let stored = body["order_id"].as_str().and_then(stored);
                let sent = body["fingerprint"].as_str();
                if sent.is_none() || stored.is_none() || stored.as_deref() == sent {
                    return;
                }
                response.status_code = 409;
                body = json!({"status": 409, "title": "Conflict"});
            }
            _ => return,
        }
        response.body = Some(Body::Text(body.to_string()));
    }

    /// Changes the identifiers that the consumer reports. `is_poison` is true for the sequence
    /// number of a poison record.
    pub(crate) fn change_failures(
        self,
        failures: &mut Vec<Option<String>>,
        is_poison: impl Fn(&str) -> bool,
    ) {
        match self {
            Self::HighestCheckpoint => {
                // All sequence numbers of a shard have the same number of digits, so they can be
                // compared as text.
                if let Some(highest) = failures.iter().max().cloned() {
                    *failures = vec![highest];
                }
            }
            Self::NothingReported => failures.clear(),
            Self::PoisonTakenForSuccess => {
                failures.retain(|failure| !failure.as_deref().is_some_and(&is_poison));
            }
            Self::NullIdentifier => failures.fill(None),
            _ => {}
        }
    }
}

/// A success that AWS has not answered, but that the caller believes in.
pub(crate) fn success(operation: &str) -> HttpResponse {
    let body = match operation {
        "PutRecord" => r#"{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}"#,
        _ => "{}",
    };
    HttpResponse::new(
        200.try_into().expect("200 is a status"),
        SdkBody::from(body),
    )
}

/// The answer to a `PutRecords` with a made-up number in place of each failure.
fn without_failures(answer: HttpResponse) -> HttpResponse {
    let body = answer.body().bytes().unwrap_or_default();
    let Ok(mut output) = serde_json::from_slice::<Value>(body) else {
        return answer;
    };
    for entry in output["Records"].as_array_mut().into_iter().flatten() {
        if !entry["ErrorCode"].is_null() {
            *entry = json!({"SequenceNumber": "1", "ShardId": "shardId-000000000000"});
        }
    }
    HttpResponse::new(answer.status(), SdkBody::from(output.to_string()))
}

/// The answer to a `PutRecords` in which each failure looks like throttling.
fn as_refusals(answer: HttpResponse) -> HttpResponse {
    let body = answer.body().bytes().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    let text = text.replace("InternalFailure", "ProvisionedThroughputExceededException");
    HttpResponse::new(answer.status(), SdkBody::from(text))
}

fn too_large() -> HttpResponse {
    let body = r#"{"__type": "com.amazon.coral.validate#ValidationException", "message": "Item size has exceeded the maximum allowed size"}"#;
    HttpResponse::new(
        400.try_into().expect("400 is a status"),
        SdkBody::from(body),
    )
}

/// The operation that a request asks for.
pub(crate) fn operation(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default()
}

/// The number of the SDK's attempt, counted from 1.
fn attempt(request: &HttpRequest) -> u32 {
    let header = request.headers().get("amz-sdk-request").unwrap_or_default();
    let attempt = header
        .split(';')
        .find_map(|part| part.trim().strip_prefix("attempt="));
    attempt
        .and_then(|attempt| attempt.parse().ok())
        .unwrap_or(1)
}

/// The entries of a `PutRecords`, or the body of a `PutRecord` as the one entry.
fn entries_of(body: &mut Value) -> &mut [Value] {
    if body["Records"].is_array() {
        let entries = body["Records"].as_array_mut();
        entries.map(Vec::as_mut_slice).unwrap_or_default()
    } else {
        std::slice::from_mut(body)
    }
}

/// The event in an entry, or in the body of a `PutRecord`.
fn event_of(body: &Value) -> Option<Value> {
    let data = BASE64_STANDARD.decode(body["Data"].as_str()?).ok()?;
    serde_json::from_slice(&data).ok()
}

/// The submit, its order, and a caller with the name of the order's customer. `None` if the intent
/// is not a submit, or if the name cannot be a caller's.
fn for_whom(intent: Intent) -> Option<(Intent, NewOrder, Caller)> {
    let IntentKind::Submit(submit) = &intent.kind else {
        return None;
    };
    let order = submit.order.clone();
    let owner = Caller::parse(order.customer_id())?;
    Some((intent, order, owner))
}

fn json_of(request: &HttpRequest) -> Option<Value> {
    serde_json::from_slice(request.body().bytes()?).ok()
}

/// Makes the submit also remove the register that the owner's cancel has left. The owner is one of
/// the request's values, so the register of every value that may be a caller is removed.
fn revive(body: &mut Value) {
    let owner = body["ExpressionAttributeValues"]
        .as_object()
        .into_iter()
        .flatten();
    let callers: Vec<String> = owner
        .filter_map(|(_, value)| Caller::parse(value["S"].as_str()?))
        .map(|caller| format!("cancel:{}", caller.hash()))
        .collect();
    let mut removed = Vec::new();
    for (number, register) in callers.into_iter().enumerate() {
        let alias = format!("#revived{number}");
        body["ExpressionAttributeNames"][&alias] = json!(register);
        removed.push(alias);
    }
    let update = body["UpdateExpression"].as_str().unwrap_or_default();
    body["UpdateExpression"] = json!(format!("{update} REMOVE {}", removed.join(", ")));
}
