//! The wire between a client of AWS and the model. A call takes time before its effect and after
//! it. Connections break, and a call goes on when its caller is gone.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_model::{Aws, Service};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::entries::{EntryFaults, store};
use crate::fact_laws::FactLaws;
use crate::facts_stream::{FactsStreamFaults, Put};
use crate::hot_shard::HotShard;
use crate::laws::Laws;
use crate::middle::Middle;
use crate::mutant::{Mutant, operation, success};
use crate::plan::{Function, Plan};
use crate::resources::TABLE;

/// The wire of one execution environment.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) aws: Aws,
    pub(crate) laws: Laws,
    pub(crate) fact_laws: FactLaws,
    pub(crate) random: Arc<Mutex<Rng>>,
    /// The function of the execution environment.
    pub(crate) function: Function,
    /// The name of the execution environment.
    pub(crate) environment: String,
    /// The faults of the facts stream.
    pub(crate) facts_stream: FactsStreamFaults,
    /// The shard of intents that takes nothing for a while.
    pub(crate) hot_shard: HotShard,
    /// The calls at which a function is to crash.
    pub(crate) middle: Middle,
    /// True if the wire has only the usual delays from the start.
    pub(crate) is_calm: bool,
    /// True from the time on at which the wires of all environments have only the usual delays.
    pub(crate) is_calmed: Arc<AtomicBool>,
    /// The mistake that is put into the service, if there is one.
    pub(crate) mutant: Option<Mutant>,
}

/// The delay from which on a call counts as slow.
const SLOW: Duration = Duration::from_millis(500);

/// The delays and losses that the wire gives to one call.
struct Disturbance {
    before: Duration,
    after: Duration,
    is_broken: bool,
}

impl Wire {
    /// The wire of no environment yet.
    pub(crate) fn new(aws: &Aws, laws: &Laws, random: &Arc<Mutex<Rng>>, plan: &Plan) -> Self {
        Self {
            aws: aws.clone(),
            laws: laws.clone(),
            fact_laws: FactLaws::new(laws.clone()),
            random: Arc::clone(random),
            function: Function::Api,
            environment: String::new(),
            facts_stream: FactsStreamFaults::default(),
            hot_shard: HotShard::default(),
            middle: Middle::default(),
            is_calm: plan.is_within_budget,
            is_calmed: Arc::default(),
            mutant: plan.mutant,
        }
    }

    /// The mistake in the part of the service that the environment belongs to.
    fn mutant(&self) -> Option<Mutant> {
        let is_of_the_facts = self.function.is_of_the_facts();
        self.mutant
            .filter(|mutant| mutant.is_of_the_facts() == is_of_the_facts)
    }

    /// The wire as the SDK's HTTP client.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    fn new_id(&self) -> String {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        orders::IntentId::from_random(random.u128(..).to_be_bytes()).to_string()
    }

    /// Ends all disturbances on the wires of all environments. Only the usual delays are left.
    pub(crate) fn calm(&self) {
        self.is_calmed.store(true, Ordering::Relaxed);
    }

    /// The stale response to a read, if the read gets one. Half of the reads that do not ask for
    /// consistency see the row as it was before its last write.
    fn stale_read(&self, request: &HttpRequest) -> Option<HttpResponse> {
        if self.function != Function::Api || operation(request) != "GetItem" {
            return None;
        }
        let input: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        let is_consistent = input["ConsistentRead"] == true;
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        if is_consistent || random.bool() {
            return None;
        }
        drop(random);
        let output = match self
            .laws
            .item_before(input["Key"]["order_id"]["S"].as_str()?)
        {
            Value::Null => json!({}),
            item => json!({ "Item": item }),
        };
        let body = SdkBody::from(output.to_string());
        Some(HttpResponse::new(200.try_into().ok()?, body))
    }

    /// The faults of the entries of one call that puts intents. Most calls have none.
    fn entry_faults(&self) -> EntryFaults {
        let is_calm = self.is_calm || self.is_calmed.load(Ordering::Relaxed);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let percent = [0, 0, 30, 90][random.usize(0..4)];
        EntryFaults {
            stream: "stream of intents",
            percent: if is_calm { 0 } else { percent },
            stores_failed: true,
        }
    }

    fn disturbance(&self) -> Disturbance {
        let is_calm = self.is_calm || self.is_calmed.load(Ordering::Relaxed);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut delay = || {
            let millis = match random.u32(0..100) {
                0 if !is_calm => random.u64(500..4_000),
                1..=4 if !is_calm => random.u64(30..500),
                _ => random.u64(1..30),
            };
            Duration::from_millis(millis)
        };
        let (before, after) = (delay(), delay());
        let is_broken = !is_calm && random.u32(0..200) == 0;
        drop(random);
        if is_broken {
            self.laws.count("wire: connection broken", 1);
        } else if before + after >= SLOW {
            self.laws.count("wire: half a second and more", 1);
        }
        Disturbance {
            before,
            after,
            is_broken,
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.environment).finish()
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let model = self.aws.http_client().http_connector(settings, components);
        SharedHttpConnector::new(Connector {
            wire: self.clone(),
            model,
        })
    }
}

#[derive(Debug)]
struct Connector {
    wire: Wire,
    model: SharedHttpConnector,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a call that was sent goes on when the function that sent it is gone"
)]
impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.wire.clone();
        let mutant = wire.mutant();
        if let Some(mutant) = mutant {
            mutant.change_request(&mut request, || wire.new_id());
            if mutant.swallows(&request) {
                return HttpConnectorFuture::ready(Ok(success(operation(&request))));
            }
        }
        let disturbance = wire.disturbance();
        let operation = operation(&request).to_owned();
        if wire.middle.is_reached(wire.function, &operation) {
            // The subscriber crashes before its call is sent, or before the answer has come.
            let mut random = wire.random.lock().unwrap_or_else(PoisonError::into_inner);
            if wire.function != Function::Shipping || random.bool() {
                return HttpConnectorFuture::new(std::future::pending());
            }
        }
        let stale = wire.stale_read(&request);
        let model = self.model.clone();
        let touched = Touched::by(&wire, &request);
        if let Some(Touched::Facts(put)) = &touched {
            wire.fact_laws.put_begins(&wire.environment, put.ids());
        }
        let under_way = match &touched {
            Some(Touched::Order(key, body)) => {
                Some(wire.laws.write_begins(&wire.environment, key, body))
            }
            _ => None,
        };
        HttpConnectorFuture::new(async move {
            if disturbance.is_broken {
                sleep(disturbance.before).await;
                return Err(broken());
            }
            let caller = wire.clone();
            let of_answer = operation.clone();
            let ids = match &touched {
                Some(Touched::Facts(put)) => put.ids().to_vec(),
                _ => Vec::new(),
            };
            // A request that was sent has its effect, even if nobody waits for the response any
            // more.
            let sent = tokio::spawn(async move {
                sleep(disturbance.before).await;
                if let Some(Touched::Facts(put)) = touched {
                    return put.send(&wire, &model, request).await;
                }
                if let Some(Touched::Intents(input)) = touched {
                    return store(&wire.entry_faults(), &wire, &model, request, input).await;
                }
                if wire.function == Function::Api
                    && let Some(refusal) = wire.hot_shard.refusal(&request, &wire.laws)
                {
                    return Ok(refusal);
                }
                let answer = model.call(request).await;
                match touched {
                    Some(Touched::Order(key, _)) => {
                        wire.laws.row_may_have_changed(&wire.aws, &key);
                        if mutant == Some(Mutant::TimeToLive) {
                            tokio::spawn(expire(wire, key));
                        }
                    }
                    Some(Touched::Marks(key)) => {
                        wire.fact_laws.marks_may_have_changed(&wire.aws, &key);
                    }
                    Some(Touched::Shipment(key)) => {
                        wire.fact_laws.shipment_may_have_changed(&wire.aws, &key);
                    }
                    Some(Touched::Facts(_) | Touched::Intents(_)) | None => {}
                }
                answer
            });
            if mutant.is_some_and(|mutant| mutant.is_hasty(&operation)) {
                return Ok(success(&operation));
            }
            let answer = sent.await.unwrap_or_else(|panic| {
                caller.laws.broken("nothing panics", panic.to_string());
                Err(broken())
            });
            sleep(disturbance.after).await;
            drop(under_way);
            let mut answer = match (stale, answer) {
                (Some(stale), Ok(answer)) if answer.status().is_success() => Ok(stale),
                (_, answer) => answer,
            };
            if let Some(mutant) = mutant {
                answer = mutant.change_answer(&of_answer, answer);
            }
            caller
                .fact_laws
                .answered(&caller.environment, ids, answer.as_ref().ok());
            answer
        })
    }
}

/// The thing that a request writes, if a law is about it.
enum Touched {
    /// The order row of this key, by a request with this body.
    Order(String, String),
    /// Records of the facts stream.
    Facts(Put),
    /// Several records of the stream of intents, by a call with this input.
    Intents(Value),
    /// The marks of this order.
    Marks(String),
    /// The shipment of this order.
    Shipment(String),
}

impl Touched {
    fn by(wire: &Wire, request: &HttpRequest) -> Option<Self> {
        let json = || {
            let body = std::str::from_utf8(request.body().bytes()?).ok()?;
            Some((serde_json::from_str::<Value>(body).ok()?, body.to_owned()))
        };
        match (wire.function, operation(request)) {
            (Function::Api, "PutRecords") => Some(Self::Intents(json()?.0)),
            (Function::Consumer, "UpdateItem") => {
                let (json, body) = json()?;
                Some(Self::Order(key(&json["Key"])?, body))
            }
            (Function::Notifier, "UpdateItem") => Some(Self::Marks(key(&json()?.0["Key"])?)),
            (Function::Notifier, operation @ ("PutRecord" | "PutRecords")) => {
                Some(Self::Facts(Put::new(operation, json()?.0)))
            }
            (Function::Shipping, "TransactWriteItems") => {
                let (json, _) = json()?;
                let mut items = json["TransactItems"].as_array()?.iter();
                items.find_map(|item| Some(Self::Shipment(key(&item["Put"]["Item"])?)))
            }
            _ => None,
        }
    }
}

/// The order id among these attributes.
fn key(attributes: &Value) -> Option<String> {
    Some(attributes["order_id"]["S"].as_str()?.to_owned())
}

/// Deletes an order's row after its time to live.
async fn expire(wire: Wire, key: String) {
    sleep(Duration::from_secs(20)).await;
    let input = json!({"TableName": TABLE, "Key": {"order_id": {"S": key}}});
    let _ = wire.aws.operate(Service::DynamoDb, "DeleteItem", &input);
}

pub(crate) fn broken() -> ConnectorError {
    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke");
    ConnectorError::io(error.into())
}
