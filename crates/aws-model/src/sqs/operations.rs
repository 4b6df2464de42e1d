//! The operations of the SQS API as JSON in and JSON out, with AWS's constraints and messages. The
//! source is the Amazon SQS API reference.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::queue::{Delivery, md5_hex};
use super::{Sqs, SqsError, queue_arn};
use crate::failure::Failure;
use crate::input::{Unreadable, not_modelled};
use crate::service::ACCOUNT;

const MAX_WAIT_SECONDS: i64 = 20;
const MAX_VISIBILITY_SECONDS: i64 = 43_200;
const MAX_DELAY_SECONDS: i64 = 900;
/// The most entries of a batch request.
const MAX_BATCH: usize = 10;

/// The result of a ReceiveMessage or of any other operation.
#[derive(Debug)]
pub(crate) enum Received {
    Output(Value),
    /// No message was found yet, and the request is ready to wait for one.
    Nothing(Wait),
}

/// A ReceiveMessage that waits.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    pub(crate) until_millis: u64,
    queue: String,
    most: usize,
    visibility_seconds: Option<u64>,
    attributes: Vec<String>,
}

impl Sqs {
    /// Performs one operation of the wire. `region` is for ARNs, and `endpoint` is for queue URLs.
    pub(crate) fn perform(
        &self,
        operation: &str,
        body: &[u8],
        region: &str,
        endpoint: &str,
    ) -> Result<Received, Failure> {
        let result = match operation {
            "ChangeMessageVisibility" => self.change_message_visibility(&input(operation, body)?),
            "CreateQueue" => self.create_queue_operation(input(operation, body)?, endpoint),
            "DeleteMessage" => self.delete_message(&input(operation, body)?),
            "DeleteMessageBatch" => self.delete_message_batch(input(operation, body)?),
            "DeleteQueue" => self.delete_queue(&input(operation, body)?),
            "GetQueueAttributes" => self.get_queue_attributes(&input(operation, body)?, region),
            "GetQueueUrl" => self.get_queue_url(input(operation, body)?, endpoint),
            "ListQueues" => Ok(self.list_queues(input(operation, body)?, endpoint)),
            "ReceiveMessage" => return Ok(self.receive_message(input(operation, body)?)?),
            "SendMessage" => self.send_message_operation(&input(operation, body)?),
            _ => return Err(Failure::unknown_operation(operation)),
        };
        Ok(Received::Output(result?))
    }

    fn create_queue_operation(
        &self,
        input: CreateQueue,
        endpoint: &str,
    ) -> Result<Value, SqsError> {
        let name = input
            .queue_name
            .ok_or(SqsError::MissingParameter("QueueName"))?;
        self.insert_queue(&name, &input.attributes.unwrap_or_default())?;
        Ok(json!({ "QueueUrl": queue_url(endpoint, &name) }))
    }

    fn delete_queue(&self, input: &QueueOnly) -> Result<Value, SqsError> {
        let name = queue_name(input.queue_url.as_deref())?;
        self.lock()
            .remove(name)
            .map(|_| Value::Null)
            .ok_or(SqsError::QueueDoesNotExist)
    }

    fn get_queue_url(&self, input: GetQueueUrl, endpoint: &str) -> Result<Value, SqsError> {
        let name = input
            .queue_name
            .ok_or(SqsError::MissingParameter("QueueName"))?;
        if input
            .queue_owner_account
            .is_some_and(|account| account != ACCOUNT)
        {
            return Err(SqsError::QueueDoesNotExist);
        }
        self.with_queue(&name, |_| {
            Ok(json!({ "QueueUrl": queue_url(endpoint, &name) }))
        })
    }

    /// Lists all queues at once. AWS's page has 1,000 queues, and nobody has more queues here.
    fn list_queues(&self, input: ListQueues, endpoint: &str) -> Value {
        let prefix = input.queue_name_prefix.unwrap_or_default();
        let queues = self.lock();
        let names = queues.keys().filter(|name| name.starts_with(&prefix));
        let urls: Vec<String> = names.map(|name| queue_url(endpoint, name)).collect();
        // AWS leaves the member out if there is nothing to list.
        if urls.is_empty() {
            return json!({});
        }
        json!({ "QueueUrls": urls })
    }

    fn get_queue_attributes(
        &self,
        input: &GetQueueAttributes,
        region: &str,
    ) -> Result<Value, SqsError> {
        let name = queue_name(input.queue_url.as_deref())?;
        let now = self.inner.clock.now_millis();
        self.with_queue(name, |queue| {
            let mut all = queue.attributes(now);
            all.insert("QueueArn", queue_arn(region, name));
            let wanted = input.attribute_names.as_deref().unwrap_or_default();
            let everything = wanted.iter().any(|wanted| wanted == "All");
            if let Some(unknown) = wanted.iter().find(|wanted| {
                *wanted != "All" && !all.contains_key(wanted.as_str()) && !known(wanted)
            }) {
                return Err(SqsError::InvalidAttributeName(unknown.clone()));
            }
            all.retain(|name, _| everything || wanted.iter().any(|wanted| wanted == name));
            if all.is_empty() {
                return Ok(Value::Object(Map::new()));
            }
            Ok(json!({ "Attributes": all }))
        })
    }

    fn send_message_operation(&self, input: &SendMessage) -> Result<Value, SqsError> {
        let name = queue_name(input.queue_url.as_deref())?;
        let body = input
            .message_body
            .as_deref()
            .ok_or(SqsError::MissingParameter("MessageBody"))?;
        for (given, what) in [
            (input.message_attributes.as_ref(), "MessageAttributes"),
            (
                input.message_system_attributes.as_ref(),
                "MessageSystemAttributes",
            ),
        ] {
            if given.is_some_and(|attributes| !attributes.is_empty()) {
                return Err(SqsError::UnsupportedOperation(what.to_owned()));
            }
        }
        let delay = input
            .delay_seconds
            .map(|seconds| between(seconds, 0, MAX_DELAY_SECONDS, "DelaySeconds"))
            .transpose()?;
        let id = self.send(name, body, delay)?;
        Ok(json!({ "MessageId": id, "MD5OfMessageBody": md5_hex(body) }))
    }

    fn receive_message(&self, input: ReceiveMessage) -> Result<Received, SqsError> {
        let queue = queue_name(input.queue_url.as_deref())?.to_owned();
        let most = between(
            input.max_number_of_messages.unwrap_or(1),
            1,
            10,
            "MaxNumberOfMessages",
        )?;
        let visibility_seconds = input
            .visibility_timeout
            .map(|seconds| between(seconds, 0, MAX_VISIBILITY_SECONDS, "VisibilityTimeout"))
            .transpose()?;
        let wait_seconds = input
            .wait_time_seconds
            .map(|seconds| between(seconds, 0, MAX_WAIT_SECONDS, "WaitTimeSeconds"))
            .transpose()?;
        let wait_seconds = match wait_seconds {
            Some(seconds) => seconds,
            None => self.with_queue(&queue, |queue| Ok(queue.receive_wait_seconds()))?,
        };
        let mut attributes = input.message_system_attribute_names.unwrap_or_default();
        attributes.extend(input.attribute_names.unwrap_or_default());
        let now = self.inner.clock.now_millis();
        let wait = Wait {
            until_millis: now.saturating_add(wait_seconds * 1_000),
            queue,
            most: usize::try_from(most).unwrap_or(1),
            visibility_seconds,
            attributes,
        };
        match self.receive_again(&wait)? {
            Received::Nothing(_) if wait_seconds == 0 => {
                Ok(Received::Output(Value::Object(Map::new())))
            }
            other => Ok(other),
        }
    }

    /// Receives for a request that may have waited.
    pub(crate) fn receive_again(&self, wait: &Wait) -> Result<Received, SqsError> {
        let now = self.inner.clock.now_millis();
        let deliveries = self.with_queue(&wait.queue, |queue| {
            Ok(queue.receive(now, wait.most, wait.visibility_seconds))
        })?;
        if deliveries.is_empty() {
            return Ok(Received::Nothing(wait.clone()));
        }
        let messages: Vec<Value> = deliveries
            .iter()
            .map(|delivery| message(&wait.queue, delivery, &wait.attributes))
            .collect();
        Ok(Received::Output(json!({ "Messages": messages })))
    }

    fn delete_message(&self, input: &DeleteMessage) -> Result<Value, SqsError> {
        let name = queue_name(input.queue_url.as_deref())?;
        let handle = input
            .receipt_handle
            .as_deref()
            .ok_or(SqsError::MissingParameter("ReceiptHandle"))?;
        self.with_queue(name, |queue| {
            let (key, received) = parse_handle(name, handle)?;
            queue.delete(key, received);
            Ok(Value::Null)
        })
    }

    fn delete_message_batch(&self, input: DeleteMessageBatch) -> Result<Value, SqsError> {
        let name = queue_name(input.queue_url.as_deref())?;
        let entries = input.entries.unwrap_or_default();
        match entries.len() {
            0 => return Err(SqsError::EmptyBatchRequest),
            1..=MAX_BATCH => {}
            sent => return Err(SqsError::TooManyEntriesInBatchRequest { sent }),
        }
        let mut ids = BTreeSet::new();
        if let Some(twice) = entries.iter().find(|entry| !ids.insert(&entry.id)) {
            return Err(SqsError::BatchEntryIdsNotDistinct(twice.id.clone()));
        }
        self.with_queue(name, |queue| {
            let (mut successful, mut failed) = (Vec::new(), Vec::new());
            for DeleteMessageBatchEntry { id, receipt_handle } in &entries {
                match parse_handle(name, receipt_handle) {
                    Ok((key, received)) => {
                        queue.delete(key, received);
                        successful.push(json!({ "Id": id }));
                    }
                    Err(error) => failed.push(json!({
                        "Id": id,
                        "SenderFault": true,
                        "Code": error.code(),
                        "Message": error.to_string(),
                    })),
                }
            }
            Ok(json!({ "Successful": successful, "Failed": failed }))
        })
    }

    fn change_message_visibility(
        &self,
        input: &ChangeMessageVisibility,
    ) -> Result<Value, SqsError> {
        let name = queue_name(input.queue_url.as_deref())?;
        let handle = input
            .receipt_handle
            .as_deref()
            .ok_or(SqsError::MissingParameter("ReceiptHandle"))?;
        let timeout = input
            .visibility_timeout
            .ok_or(SqsError::MissingParameter("VisibilityTimeout"))?;
        let timeout = between(timeout, 0, MAX_VISIBILITY_SECONDS, "VisibilityTimeout")?;
        let now = self.inner.clock.now_millis();
        self.with_queue(name, |queue| {
            let (key, received) = parse_handle(name, handle)?;
            if queue.change_visibility(now, key, received, timeout) {
                return Ok(Value::Null);
            }
            Err(SqsError::InvalidParameterValue {
                value: handle.to_owned(),
                parameter: "ReceiptHandle",
                reason: "Message does not exist or is not available for visibility timeout change."
                    .to_owned(),
            })
        })
    }
}

/// Checks a standard queue's name, which has 1–80 alphanumerics, hyphens and underscores.
pub(super) fn check_queue_name(name: &str) -> Result<(), SqsError> {
    if name.ends_with(".fifo") {
        return Err(SqsError::UnsupportedOperation("A FIFO queue".to_owned()));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if (1..=80).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(SqsError::InvalidParameterValue {
        value: name.to_owned(),
        parameter: "QueueName",
        reason:
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length."
                .to_owned(),
    })
}

/// True for an attribute that SQS knows and this queue has no value for.
fn known(name: &str) -> bool {
    matches!(
        name,
        "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoQueue"
            | "FifoThroughputLimit"
            | "KmsDataKeyReusePeriodSeconds"
            | "KmsMasterKeyId"
            | "Policy"
            | "RedriveAllowPolicy"
            | "RedrivePolicy"
            | "SqsManagedSseEnabled"
    )
}

fn queue_url(endpoint: &str, name: &str) -> String {
    format!("{endpoint}/{ACCOUNT}/{name}")
}

/// The name of a queue, which is the last part of the queue's URL. The host in the URL does not
/// matter.
fn queue_name(url: Option<&str>) -> Result<&str, SqsError> {
    let url = url.ok_or(SqsError::MissingParameter("QueueUrl"))?;
    Ok(url.rsplit('/').next().unwrap_or_default())
}

fn between(value: i64, least: i64, most: i64, parameter: &'static str) -> Result<u64, SqsError> {
    if (least..=most).contains(&value)
        && let Ok(value) = u64::try_from(value)
    {
        return Ok(value);
    }
    Err(SqsError::InvalidParameterValue {
        value: value.to_string(),
        parameter,
        reason: format!("Must be between {least} and {most}, if provided."),
    })
}

fn message(queue: &str, delivery: &Delivery, wanted: &[String]) -> Value {
    let Delivery { key, message } = delivery;
    let mut output = json!({
        "MessageId": message.id,
        "ReceiptHandle": handle(queue, *key, message.received),
        "MD5OfBody": md5_hex(&message.body),
        "Body": message.body,
    });
    let attributes: BTreeMap<&str, String> = [
        (
            "ApproximateFirstReceiveTimestamp",
            message.first_received_millis.to_string(),
        ),
        ("ApproximateReceiveCount", message.received.to_string()),
        ("SenderId", ACCOUNT.to_owned()),
        ("SentTimestamp", message.sent_millis.to_string()),
    ]
    .into_iter()
    .filter(|(name, _)| {
        wanted
            .iter()
            .any(|wanted| wanted == "All" || wanted == name)
    })
    .collect();
    if !attributes.is_empty() {
        output["Attributes"] = json!(attributes);
    }
    output
}

fn handle(queue: &str, key: u64, received: u64) -> String {
    STANDARD.encode(format!("1/{queue}/{key}/{received}"))
}

fn parse_handle(queue: &str, handle: &str) -> Result<(u64, u64), SqsError> {
    let parse = || {
        let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
        let mut parts = text.strip_prefix("1/")?.split('/');
        let (own, key, received) = (parts.next()?, parts.next()?, parts.next()?);
        (own == queue && parts.next().is_none()).then_some(())?;
        Some((key.parse().ok()?, received.parse().ok()?))
    };
    parse().ok_or_else(|| SqsError::ReceiptHandleIsInvalid(handle.to_owned()))
}

fn input<T: DeserializeOwned>(operation: &str, body: &[u8]) -> Result<T, SqsError> {
    crate::input::read(body).map_err(|unreadable| match unreadable {
        Unreadable::Unknown(member) => SqsError::UnknownMember(not_modelled(&member, operation)),
        other => SqsError::Serialization(other.serialization_message()),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateQueue {
    queue_name: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct QueueOnly {
    queue_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueUrl {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    queue_owner_account: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ListQueues {
    queue_name_prefix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueAttributes {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    message_attributes: Option<Map<String, Value>>,
    message_system_attributes: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReceiveMessage {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
    message_system_attribute_names: Option<Vec<String>>,
    /// Accepted, because no message has any attributes.
    #[serde(rename = "MessageAttributeNames")]
    _message_attribute_names: Option<Vec<String>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteMessage {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteMessageBatch {
    queue_url: Option<String>,
    entries: Option<Vec<DeleteMessageBatchEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteMessageBatchEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ChangeMessageVisibility {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}
