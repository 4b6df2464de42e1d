//! The examples, each a request and the real handler's answer to it.
//!
//! An answer is filed under the status that its entry names, and the handler has to agree. Ids and
//! times come from a counter, so that the answers are the same every time.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use orders::{Caller, IdempotencyKey, OrderId};
use serde_json::{Map, Value, json};

use super::world::{ORDER, START, World, request, with_header};
use crate::batch::MAX_BATCH;
use crate::problem::Kind;
use crate::route::{Endpoint, ROUTES};
use crate::submit::MAX_BODY;
use crate::{Fairness, Origins};

/// The operation that an example belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    At(Endpoint),
    /// A path or a method that the API does not have.
    Elsewhere,
}

/// The state of the service before the request is sent.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    /// The service knows its callers.
    KnownCallers,
    /// The order of [`KEY`] is stored.
    Stored,
    /// It is stored and cancelled.
    Cancelled,
    /// Its row was changed by hand and cannot be read.
    UnreadableRow,
    /// A service of AWS fails in this way.
    Fault(&'static str, &'static str),
    /// The front door says that the body is base64, and it is not.
    NotBase64,
    /// The front door has put a header into the event that is not text.
    Unreadable,
    /// The invocation has no time left.
    NoTime,
    /// The service takes an order with a key only.
    RequiredKey,
    /// The caller has sent as many requests as it may.
    OverLimit,
    /// The service's clock is set to a time before 1970.
    WrongClock,
}

/// A request, with the answer that it gets.
pub(super) struct Example {
    pub(super) place: Place,
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) status: u16,
    pub(super) kind: Option<Kind>,
    given: Given,
    method: &'static str,
    path: String,
    header_lines: Vec<(&'static str, &'static str)>,
    pub(super) body: Option<String>,
    pub(super) headers: http::HeaderMap,
    pub(super) answer: Value,
}

/// An example of a key, which is a UUID.
pub(super) const KEY: &str = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
/// An example of an id under which there is no order.
pub(super) const UNKNOWN: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
/// The caller of an example in which the service knows its callers.
const CALLER: &str = "ann";
/// The example of a trace in W3C Trace Context.
pub(super) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const WITH_NOTE: &str = r#"{"customer_id": "c-2", "currency": "JPY", "items": [{"sku": "茶-100", "quantity": 1, "unit_price": 1200}, {"sku": "A 1/2", "quantity": 10000, "unit_price": 0}], "note": "Please ring twice."}"#;
const BATCH: &str = r#"{"orders": [{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}, {"customer_id": "c-2", "currency": "EUR", "items": []}]}"#;
const NO_JSON: &str = r#"{"customer_id": }"#;
const INVALID: &str = r#"{"currency": "EUR", "items": [{"sku": "A-1", "quantity": 0, "unit_price": 1299}], "priority": 1}"#;

fn id_of_key() -> String {
    let key = IdempotencyKey::parse(KEY).unwrap();
    OrderId::for_key("", &Caller::anonymous(), &key).to_string()
}

/// All examples, answered.
pub(super) async fn answered() -> Vec<Example> {
    let mut examples = all();
    for example in &mut examples {
        example.send().await;
    }
    examples
}

fn all() -> Vec<Example> {
    use Given::{
        Cancelled, Fault, KnownCallers, NoTime, NotBase64, OverLimit, RequiredKey, Stored,
        Unreadable, UnreadableRow, WrongClock,
    };
    let throttled = "ProvisionedThroughputExceededException";
    let large = || " ".repeat(MAX_BODY + 1);
    let mut examples = Vec::new();
    let mut add = |example| examples.push(example);

    let order = || submit(ORDER);
    let keyed = || submit(ORDER).header("Idempotency-Key", KEY);
    add(order().accepted("order", "An order of one item, without a key"));
    add(submit(WITH_NOTE).accepted(
        "note",
        "An order with a note, in a currency without minor units",
    ));
    add(keyed().accepted(
        "key",
        "An order that may be sent again until it is answered",
    ));
    add(order().given(NotBase64).refused(
        "malformed",
        Kind::MalformedRequest,
        "A body that says it is base64 and is not",
    ));
    add(submit(NO_JSON).refused("syntax", Kind::MalformedJson, "A body that is not JSON"));
    add(order().header("Idempotency-Key", "order-1").refused(
        "short-key",
        Kind::InvalidIdempotencyKey,
        "A key that can be guessed, where callers are not known",
    ));
    add(order().header("Idempotency-Key", "a,b").refused(
        "comma",
        Kind::InvalidIdempotencyKey,
        "A key with a comma, as gateways make it of two headers",
    ));
    add(order().given(KnownCallers).refused(
        "stranger",
        Kind::CallerRequired,
        "A request that names no caller, where callers are known",
    ));
    add(order().given(OverLimit).refused(
        "too-many",
        Kind::TooManyRequests,
        "A request of a caller that may send one in a second, right after another",
    ));
    add(submit(&large()).refused("large", Kind::BodyTooLarge, "A body that is too large"));
    add(order().header("Content-Type", "text/plain").refused(
        "text",
        Kind::UnsupportedMediaType,
        "An order that is not sent as JSON",
    ));
    add(submit(INVALID).refused(
        "invalid",
        Kind::InvalidOrder,
        "An order that breaks three rules",
    ));
    add(order().given(Fault("kinesis", throttled)).refused(
        "throttled",
        Kind::NotAccepted,
        "An order at a time at which nothing is accepted",
    ));
    add(order().given(Fault("kinesis", "timeout")).refused(
        "silent",
        Kind::OutcomeUnknown,
        "An order that may have been accepted, without a key",
    ));
    add(keyed().given(Fault("kinesis", "timeout")).refused(
        "silent-with-key",
        Kind::OutcomeUnknown,
        "An order that may have been accepted, with a key",
    ));

    add(order().given(RequiredKey).refused(
        "no-key",
        Kind::IdempotencyKeyRequired,
        "An order without a key, where a key is required",
    ));
    add(order().given(Unreadable).refused(
        "latin-1",
        Kind::MalformedRequest,
        "A request with a header that is not text",
    ));
    add(order().given(WrongClock).refused(
        "failed",
        Kind::InternalError,
        "An order that the service fails at",
    ));

    let batch = || of_batch(BATCH);
    let keyed = || batch().header("Idempotency-Key", KEY);
    add(batch().answered("mixed", 207, "An order, and one that breaks a rule"));
    add(keyed().answered(
        "batch-with-key",
        207,
        "A batch that may be sent again until it is answered",
    ));
    add(batch().given(Fault("kinesis", throttled)).answered(
        "batch-throttled",
        207,
        "A batch at a time at which nothing is accepted",
    ));
    add(keyed().given(Fault("kinesis", "timeout")).answered(
        "batch-silent",
        207,
        "A batch whose orders may have been accepted",
    ));
    add(batch().given(NotBase64).refused(
        "malformed",
        Kind::MalformedRequest,
        "A body that says it is base64 and is not",
    ));
    add(of_batch(NO_JSON).refused("syntax", Kind::MalformedJson, "A body that is not JSON"));
    add(batch().header("Idempotency-Key", "order-1").refused(
        "short-key",
        Kind::InvalidIdempotencyKey,
        "A key that can be guessed, where callers are not known",
    ));
    add(batch().given(RequiredKey).refused(
        "no-key",
        Kind::IdempotencyKeyRequired,
        "A batch without a key, where a key is required",
    ));
    add(batch().given(KnownCallers).refused(
        "stranger",
        Kind::CallerRequired,
        "A request that names no caller, where callers are known",
    ));
    add(of_batch(&" ".repeat(MAX_BATCH + 1)).refused(
        "large",
        Kind::BodyTooLarge,
        "A body that is too large",
    ));
    add(batch().header("Content-Type", "text/plain").refused(
        "text",
        Kind::UnsupportedMediaType,
        "A batch that is not sent as JSON",
    ));
    add(of_batch(r#"{"orders": []}"#).refused(
        "empty",
        Kind::InvalidBatch,
        "A batch without an order",
    ));
    add(batch().given(OverLimit).refused(
        "too-many",
        Kind::TooManyRequests,
        "A request of a caller that may send one in a second, right after another",
    ));
    add(batch().given(WrongClock).refused(
        "failed",
        Kind::InternalError,
        "A batch that the service fails at",
    ));
    add(batch().given(NoTime).refused(
        "no-time",
        Kind::NotAccepted,
        "A batch that came when the time for it was up",
    ));

    let cancel = || cancel(UNKNOWN);
    add(cancel()
        .header("traceparent", TRACE)
        .given(Unreadable)
        .refused(
            "latin-1",
            Kind::MalformedRequest,
            "A request with a header that is not text",
        ));
    add(cancel().given(WrongClock).refused(
        "failed",
        Kind::InternalError,
        "A cancel that the service fails at",
    ));
    add(cancel().accepted("cancel", "A cancel"));
    add(at(Endpoint::Cancel, "ORDER-1").refused(
        "no-uuid",
        Kind::InvalidOrderId,
        "A path whose id is not a UUID",
    ));
    add(cancel().given(KnownCallers).refused(
        "stranger",
        Kind::CallerRequired,
        "A request that names no caller, where callers are known",
    ));
    add(cancel().given(OverLimit).refused(
        "too-many",
        Kind::TooManyRequests,
        "A request of a caller that may send one in a second, right after another",
    ));
    add(cancel().given(Fault("kinesis", throttled)).refused(
        "throttled",
        Kind::NotAccepted,
        "A cancel at a time at which nothing is accepted",
    ));
    add(cancel().given(Fault("kinesis", "timeout")).refused(
        "silent",
        Kind::OutcomeUnknown,
        "A cancel that may have been accepted",
    ));

    let read = || at(Endpoint::Read, &id_of_key());
    add(read().header("Prefer", "wait=1").given(Unreadable).refused(
        "latin-1",
        Kind::MalformedRequest,
        "A request with a header that is not text",
    ));
    add(read().given(Stored).found("placed", "An order"));
    add(read()
        .given(Cancelled)
        .found("cancelled", "A cancelled order"));
    add(read()
        .given(Stored)
        .header("Prefer", "wait=1")
        .found("waited", "A read that waits until the order is there"));
    add(at(Endpoint::Read, "ORDER-1").refused(
        "no-uuid",
        Kind::InvalidOrderId,
        "A path whose id is not a UUID",
    ));
    add(read().given(KnownCallers).refused(
        "stranger",
        Kind::CallerRequired,
        "A request that names no caller, where callers are known",
    ));
    add(read().given(OverLimit).refused(
        "too-many",
        Kind::TooManyRequests,
        "A request of a caller that may send one in a second, right after another",
    ));
    add(at(Endpoint::Read, UNKNOWN).refused(
        "unknown",
        Kind::OrderNotFound,
        "An order that does not exist, is not stored yet, or is somebody else's",
    ));
    add(at(Endpoint::Read, UNKNOWN)
        .header("Prefer", "wait=1")
        .refused(
            "waited-in-vain",
            Kind::OrderNotFound,
            "The same, after a wait of a second",
        ));
    add(read().given(UnreadableRow).refused(
        "unreadable",
        Kind::InternalError,
        "An order that the service cannot read",
    ));
    add(read().given(Fault("dynamodb", throttled)).refused(
        "unavailable",
        Kind::Unavailable,
        "A read at a time at which nothing can be read",
    ));

    add(elsewhere("GET", "/order").refused(
        "path",
        Kind::PathNotFound,
        "A path that the API does not have",
    ));
    add(elsewhere("DELETE", &format!("/orders/{UNKNOWN}")).refused(
        "method",
        Kind::MethodNotAllowed,
        "A method that the path does not take",
    ));
    examples
}

fn submit(body: &str) -> Example {
    let mut example = at(Endpoint::Submit, "").header("Content-Type", "application/json");
    example.body = Some(body.to_owned());
    example
}

fn of_batch(body: &str) -> Example {
    let mut example = at(Endpoint::Batch, "").header("Content-Type", "application/json");
    example.body = Some(body.to_owned());
    example
}

fn cancel(id: &str) -> Example {
    at(Endpoint::Cancel, id)
}

fn at(endpoint: Endpoint, id: &str) -> Example {
    let route = ROUTES
        .iter()
        .find(|route| route.endpoint == endpoint)
        .unwrap();
    let mut example = elsewhere(route.method, &route.path.replace("{id}", id));
    example.place = Place::At(endpoint);
    example
}

fn elsewhere(method: &'static str, path: &str) -> Example {
    Example {
        place: Place::Elsewhere,
        name: "",
        summary: "",
        status: 0,
        kind: None,
        given: Given::Nothing,
        method,
        path: path.to_owned(),
        header_lines: Vec::new(),
        body: None,
        headers: http::HeaderMap::new(),
        answer: Value::Null,
    }
}

impl Example {
    fn given(mut self, given: Given) -> Self {
        self.given = given;
        self
    }

    /// Sends this header, in place of one of the same name.
    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header_lines.retain(|(of, _)| *of != name);
        self.header_lines.push((name, value));
        self
    }

    fn accepted(self, name: &'static str, summary: &'static str) -> Self {
        self.filed(name, 202, None, summary)
    }

    fn found(self, name: &'static str, summary: &'static str) -> Self {
        self.filed(name, 200, None, summary)
    }

    fn answered(self, name: &'static str, status: u16, summary: &'static str) -> Self {
        self.filed(name, status, None, summary)
    }

    fn refused(self, name: &'static str, kind: Kind, summary: &'static str) -> Self {
        self.filed(name, kind.status().as_u16(), Some(kind), summary)
    }

    fn filed(
        mut self,
        name: &'static str,
        status: u16,
        kind: Option<Kind>,
        summary: &'static str,
    ) -> Self {
        (self.name, self.status, self.kind, self.summary) = (name, status, kind, summary);
        self
    }

    /// Sends the request to the handler, and keeps the answer.
    async fn send(&mut self) {
        let callers = if matches!(self.given, Given::KnownCallers | Given::OverLimit) {
            "jwt:sub"
        } else {
            "none"
        };
        let mut world = World::new(callers);
        let (count, given) = (AtomicU8::new(0), self.given);
        world.api.origins = Origins::new(
            move || [count.fetch_add(1, Ordering::Relaxed) + 1; 16],
            move || match given {
                Given::WrongClock => UNIX_EPOCH - Duration::from_secs(1),
                _ => UNIX_EPOCH + Duration::from_millis(START),
            },
        );
        world.api.requires_key = matches!(self.given, Given::RequiredKey);
        if matches!(self.given, Given::OverLimit) {
            world.api.fairness = Fairness::parse("1").unwrap();
        }
        self.prepare(&world).await;
        let mut event = request(self.method, &self.path);
        for (name, value) in &self.header_lines {
            event = with_header(event, &name.to_ascii_lowercase(), value);
        }
        if let Some(body) = &self.body {
            event["body"] = json!(body);
        }
        if matches!(self.given, Given::OverLimit) {
            event = super::world::from(event, CALLER);
        }
        event["isBase64Encoded"] = json!(matches!(self.given, Given::NotBase64));
        let mut event = event.to_string().into_bytes();
        if matches!(self.given, Given::Unreadable) {
            // A letter of Latin-1 in front of the text of a header, which is not UTF-8.
            let headers = br#""headers":{""#;
            let at = event
                .windows(headers.len())
                .position(|part| part == headers);
            event.insert(at.unwrap() + headers.len(), 0xe9);
        }
        let time = match self.given {
            Given::NoTime => Duration::ZERO,
            _ => Duration::from_secs(10),
        };
        let answer = world.answer(&event, time).await.unwrap();
        let uri = self.kind.map(|kind| kind.uri());
        let expected = (i64::from(self.status), uri);
        let got = (answer.status, answer.body["type"].as_str());
        assert_eq!(got, expected, "{} {} {}", self.name, self.method, self.path);
        (self.headers, self.answer) = (answer.headers, answer.body);
    }

    async fn prepare(&self, world: &World) {
        match self.given {
            Given::Nothing
            | Given::KnownCallers
            | Given::NotBase64
            | Given::Unreadable
            | Given::NoTime
            | Given::RequiredKey
            | Given::WrongClock => {}
            Given::OverLimit => {
                let read = request("GET", &format!("/orders/{UNKNOWN}"));
                let read = super::world::from(read, CALLER);
                assert_eq!(world.send(read).await.status, 404);
            }
            Given::Stored | Given::Cancelled => {
                let order = super::world::submit(ORDER);
                let order = with_header(order, "idempotency-key", KEY);
                assert_eq!(world.send(order).await.status, 202);
                if matches!(self.given, Given::Cancelled) {
                    let cancel = request("POST", &format!("/orders/{}/cancel", id_of_key()));
                    assert_eq!(world.send(cancel).await.status, 202);
                }
                world.consume().await;
            }
            Given::UnreadableRow => {
                let item = json!({"order_id": {"S": id_of_key()}, "owner": {"S": "anonymous"}, "fingerprint": {"S": "by hand"}});
                let put = json!({"TableName": "orders", "Item": item});
                let service = aws_model::Service::DynamoDb;
                world.aws.operate(service, "PutItem", &put).unwrap();
            }
            Given::Fault(service, error) => world.fault(service, error),
        }
    }

    /// The Example Object of the document. It has the request too, if a client can send it and its
    /// size can be shown.
    pub(super) fn value(&self) -> Value {
        let mut value = json!({"summary": self.summary, "value": self.answer});
        let is_small = self.body.as_ref().is_none_or(|body| body.len() < 1_000);
        let is_sent_by_a_client = !matches!(self.given, Given::NotBase64 | Given::Unreadable);
        if is_small && is_sent_by_a_client {
            value["x-request"] = json!({"method": self.method, "path": self.path});
            if !self.header_lines.is_empty() {
                let headers = self.header_lines.iter();
                let headers: Map<String, Value> = headers
                    .map(|(name, value)| ((*name).to_owned(), json!(value)))
                    .collect();
                value["x-request"]["headers"] = json!(headers);
            }
            if let Some(body) = &self.body {
                value["x-request"]["body"] = json!(body);
            }
        }
        value
    }
}
