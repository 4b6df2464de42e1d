//! The clients of a run. They send requests, react to responses, and remember them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_model::Aws;
use bytes::Bytes;
use fastrand::Rng;
use orders::{Caller, Intent, IntentId, NewOrder, OrderId, Timestamp};
use serde_json::{Value, json};
use tests::{Told, What};
use tokio::time::sleep;

use crate::lambda::Lambda;
use crate::laws::Laws;
use crate::mutant::Mutant;
use crate::plan::{Call, Client};
use crate::resources::{START, STREAM};
use crate::sequence::Acknowledged;

/// The clients of a run, and all that they were told.
pub(crate) struct Clients {
    pub(crate) aws: Aws,
    pub(crate) lambda: Rc<Lambda>,
    pub(crate) laws: Laws,
    pub(crate) random: Arc<Mutex<Rng>>,
    pub(crate) calls: RefCell<Vec<tests::Call>>,
    pub(crate) acknowledged: RefCell<Vec<Acknowledged>>,
    /// The orders that clients were told of, with their owners. Each order was accepted, or
    /// its outcome is unknown.
    pub(crate) known: RefCell<Vec<(OrderId, String)>>,
    /// The state in which each order was read last.
    seen: RefCell<BTreeMap<OrderId, Value>>,
}

/// The number of tries after which a client that has a key gives up.
pub(crate) const TRIES: u32 = 20;

impl Clients {
    pub(crate) fn new(aws: Aws, lambda: Rc<Lambda>, laws: Laws, random: Arc<Mutex<Rng>>) -> Self {
        Self {
            aws,
            lambda,
            laws,
            random,
            calls: RefCell::default(),
            acknowledged: RefCell::default(),
            known: RefCell::default(),
            seen: RefCell::default(),
        }
    }

    /// Makes the calls of one client, with the pauses of its plan.
    pub(crate) async fn act(&self, client: &Client) {
        for (pause, call) in &client.calls {
            sleep(*pause).await;
            self.call(&client.name, call).await;
        }
    }

    async fn call(&self, name: &str, call: &Call) {
        match call {
            Call::Keyed {
                key,
                content,
                wavers,
            } => {
                let key = format!("{name}-key-{key}-of-the-simulation");
                for _ in 0..TRIES {
                    let told = self.submit(name, Some(key.clone()), *content).await;
                    if matches!(told, Told::Accepted(..) | Told::TurnedAway) {
                        return;
                    }
                    if let (Told::Unknown(order_id), true) = (told, *wavers) {
                        self.cancel(name, order_id).await;
                    }
                    sleep(self.pause()).await;
                }
            }
            Call::Unkeyed { content } => {
                while self.submit(name, None, *content).await == Told::Unavailable {
                    sleep(self.pause()).await;
                }
            }
            Call::Batch { key, contents } => self.batch(name, *key, contents).await,
            Call::Cancel(which) => {
                if let Some((order_id, _)) = self.one_of_the_known(*which) {
                    self.cancel(name, order_id).await;
                }
            }
            Call::Read(which) => {
                if let Some((order_id, owner)) = self.one_of_the_known(*which) {
                    self.read(&owner, order_id).await;
                }
            }
            Call::Poison(kind) => self.poison(*kind),
            Call::Producer { content } => self.produce(name, *content),
        }
    }

    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(self.random.lock().unwrap().u64(100..2_000))
    }

    fn one_of_the_known(&self, which: usize) -> Option<(OrderId, String)> {
        let known = self.known.borrow();
        let index = which.checked_rem(known.len())?;
        Some(known[index].clone())
    }

    async fn submit(&self, name: &str, key: Option<String>, content: u32) -> Told {
        let mut headers = json!({"content-type": "application/json"});
        let is_sent = self.lambda.wire.mutant != Some(Mutant::RandomIdUnderKey);
        if let Some(key) = key.as_deref().filter(|_| is_sent) {
            headers["idempotency-key"] = json!(key);
        }
        let order = order(content);
        let what = What::Submit {
            by: Caller::parse(name).unwrap(),
            order: NewOrder::parse(order.as_bytes()).ok(),
            key,
        };
        let sent = self.laws.trace.elapsed();
        let answer = self
            .send(name, "POST", "/orders", headers, Some(order))
            .await;
        let told = self.remember(what, answer, sent);
        if let Told::Accepted(order_id, _) | Told::Unknown(order_id) = told {
            self.known.borrow_mut().push((order_id, name.to_owned()));
        }
        told
    }

    async fn cancel(&self, name: &str, order_id: OrderId) {
        let path = format!("/orders/{order_id}/cancel");
        let sent = self.laws.trace.elapsed();
        let answer = self.send(name, "POST", &path, json!({}), None).await;
        let what = What::Cancel {
            by: Caller::parse(name).unwrap(),
            order_id,
        };
        self.remember(what, answer, sent);
    }

    /// Reads an order as its owner. A law is broken if an order that the owner has seen is gone or
    /// has other content, or if a cancelled order is not cancelled any more.
    async fn read(&self, owner: &str, order_id: OrderId) {
        let path = format!("/orders/{order_id}");
        // The response is compared with the state that was known when this read began, because the
        // response to a later read may arrive first.
        let before = self.seen.borrow().get(&order_id).cloned();
        let Some((status, body)) = self.send(owner, "GET", &path, json!({}), None).await else {
            return;
        };
        let mut seen = self.seen.borrow_mut();
        match (status, before) {
            (404, Some(_)) => self
                .laws
                .broken("reads go forward", format!("{order_id} is gone")),
            (200, before) => {
                if let Some(before) = before {
                    let same = [
                        "customer_id",
                        "items",
                        "total",
                        "fingerprint",
                        "accepted_at",
                    ];
                    let is_same = same.iter().all(|field| before[field] == body[field]);
                    let is_revived =
                        before["status"] == "cancelled" && body["status"] != "cancelled";
                    if !is_same || is_revived {
                        self.laws.broken(
                            "reads go forward",
                            format!("{order_id} was {before}, is {body}"),
                        );
                    }
                }
                seen.insert(order_id, body);
            }
            (404 | 503, _) => {}
            (status, _) => self.unlike_the_contract(status, &body),
        }
    }

    /// Sends a request, and returns the status and the body of the response. `None` if the function
    /// did not respond.
    pub(crate) async fn send(
        &self,
        name: &str,
        method: &str,
        path: &str,
        headers: Value,
        body: Option<String>,
    ) -> Option<(i64, Value)> {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": headers, "isBase64Encoded": false, "body": body,
            "requestContext": {
                "accountId": "000000000000", "apiId": "simulation", "domainName": "simulation", "domainPrefix": "simulation",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "simulation"},
                "requestId": "simulation", "routeKey": "$default", "stage": "$default",
                "time": "22/Nov/2026:05:00:00 +0000", "timeEpoch": START,
                "authorizer": {"jwt": {"claims": {"sub": name}, "scopes": []}},
            },
        });
        let response = self.lambda.request(event).await?;
        let body = match response.body {
            Some(aws_lambda_events::encodings::Body::Text(text)) => {
                serde_json::from_str(&text).unwrap_or_default()
            }
            _ => Value::Null,
        };
        Some((response.status_code, body))
    }

    pub(crate) fn unlike_the_contract(&self, status: i64, body: &Value) {
        self.laws.broken(
            "every answer is one of the contract",
            format!("{status} {body}"),
        );
    }

    pub(crate) fn remember(
        &self,
        what: What,
        answer: Option<(i64, Value)>,
        sent: Duration,
    ) -> Told {
        let told = match answer {
            None => Told::Failed,
            Some((status, body)) => {
                let order_id = body["order_id"].as_str().and_then(OrderId::parse);
                let intent_id = body["intent_id"].as_str().and_then(IntentId::parse);
                match (status, order_id, intent_id) {
                    (202, Some(order_id), Some(intent_id)) => Told::Accepted(order_id, intent_id),
                    (503, Some(order_id), None) => Told::Unknown(order_id),
                    (503, None, None) => Told::Unavailable,
                    (400..=499, None, None) => {
                        let seen = format!("{status} {body}");
                        self.laws
                            .broken("a valid request is never turned away", seen);
                        Told::TurnedAway
                    }
                    _ => {
                        self.unlike_the_contract(status, &body);
                        Told::Failed
                    }
                }
            }
        };
        if self.lambda.wire.is_calm && !matches!(told, Told::Accepted(..)) {
            let seen = format!("{what:?} -> {told:?}");
            self.laws
                .broken("while the stream is well, every order is accepted", seen);
        }
        self.laws
            .trace
            .line(format_args!("client   {what:?} -> {told:?}"));
        if let Told::Accepted(order_id, intent_id) = told {
            self.acknowledged.borrow_mut().push(Acknowledged {
                order_id,
                intent_id,
                between: (sent, self.laws.trace.elapsed()),
            });
        }
        self.calls.borrow_mut().push(tests::Call {
            what,
            told: told.clone(),
        });
        told
    }

    /// Puts a record into the stream without the API, as another producer or a fault would.
    fn put(&self, partition_key: &str, data: Vec<u8>) {
        // A producer that fills a shard is at fault, and this producer does not fill it.
        let put = self
            .aws
            .kinesis()
            .put_record(STREAM, partition_key, Bytes::from(data));
        put.expect("the load is far below the shard's limits");
    }

    fn intent(&self, name: &str, content: u32) -> Intent {
        let mut random = self.random.lock().unwrap();
        let mut id = || random.u128(..).to_be_bytes();
        let millis = START + u64::try_from(self.laws.trace.elapsed().as_millis()).unwrap();
        Intent::submit(
            IntentId::from_random(id()),
            OrderId::from_random(id()),
            Timestamp::from_unix_millis(millis.try_into().unwrap()).unwrap(),
            Caller::parse(name).unwrap(),
            NewOrder::parse(order(content).as_bytes()).unwrap(),
        )
    }

    fn produce(&self, name: &str, content: u32) {
        let intent = self.intent(name, content);
        let mut event: Value = serde_json::from_slice(&intent.encode()).unwrap();
        event["laterextension"] = json!("of a newer version");
        for data in [intent.encode(), event.to_string().into_bytes()] {
            self.put(&intent.order_id.to_string(), data);
        }
        self.known
            .borrow_mut()
            .push((intent.order_id, name.to_owned()));
        self.laws.count("producer: put twice", 1);
        self.calls.borrow_mut().push(tests::Call {
            what: What::from(&intent),
            told: Told::Accepted(intent.order_id, intent.id),
        });
    }

    fn poison(&self, kind: u32) {
        let sound = self.intent("caller-0", 0);
        let mut event: Value = serde_json::from_slice(&sound.encode()).unwrap();
        let data = match kind {
            0 => b"no JSON".to_vec(),
            1 => b"[]".to_vec(),
            2 => {
                event["type"] = json!("OrderSubmitIntent.v2");
                event.to_string().into_bytes()
            }
            3 => {
                event["data"]["order"]["items"][0]["unit_price"] = json!(1);
                event.to_string().into_bytes()
            }
            4 => {
                event["data"]["unknown"] = json!(true);
                event.to_string().into_bytes()
            }
            5 => {
                event["data"]["fingerprint"] = json!(format!("2:{}", "0".repeat(64)));
                event.to_string().into_bytes()
            }
            6 => {
                event["subject"] = json!("nobody");
                event.to_string().into_bytes()
            }
            7 => format!(r#"{{"id":"again",{}"#, &event.to_string()[1..]).into_bytes(),
            _ => Vec::new(),
        };
        let poison = Intent::decode(&data).unwrap_err();
        self.laws.count(&format!("poison: {}", poison.code()), 1);
        // The poison gets the key of a known order if there is one. So sound records of the same
        // key may be before the poison or behind it.
        let which = self.random.lock().unwrap().usize(..);
        let known = self.one_of_the_known(which);
        let key = known.map_or_else(
            || sound.order_id.to_string(),
            |(order_id, _)| order_id.to_string(),
        );
        self.put(&key, data);
    }
}

/// The content of this number. Each content differs from the first in the ordered item, in the
/// customer, or in both.
pub(crate) fn order(content: u32) -> String {
    let (customer, sku) = (content / 2, content % 2);
    format!(
        r#"{{"customer_id": "c-{customer}", "currency": "EUR", "items": [{{"sku": "A-{sku}", "quantity": 2, "unit_price": 1299}}]}}"#
    )
}
