//! The control of the stack, at `/_local/…` on the AWS port.
//!
//! The routes say if the stack is ready, and what it is doing. They also set and clear faults,
//! kill, freeze and thaw the functions, and work the stop switch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_model::{ActiveFault, Aws, Fault, FaultKind, Faults};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::aws::calls::Calls;
use crate::console::Console;
use crate::lambda::function::{Disturbance, Function};
use crate::mapping::poller::SharedMapping;

/// The parts of the stack that the routes look at and change.
#[derive(Debug)]
pub struct Control {
    /// The services.
    pub aws: Aws,
    /// The names of the streams. The first is the stream of intents.
    pub streams: &'static [&'static str],
    /// The names of the on-failure queues. The first is that of the consumer's mapping.
    pub queues: &'static [&'static str],
    /// The functions.
    pub functions: Vec<Arc<Function>>,
    /// The calls that the functions have made.
    pub calls: Calls,
    /// The event source mappings, each with the name of its function. The first is the consumer's.
    pub mappings: Vec<(String, SharedMapping)>,
    /// Prints each change that a route makes to the faults and the functions.
    pub console: Console,
    /// True if everything is ready.
    pub ready: AtomicBool,
}

impl Control {
    /// Answers a request that is not an AWS call.
    #[must_use]
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let method = request.method();
        match (request.uri().path(), method) {
            ("/_local/health", &Method::GET) => self.health(),
            ("/_local/state", &Method::GET) => reply(StatusCode::OK, &self.state()),
            ("/_local/faults", &Method::GET) => reply(StatusCode::OK, &self.faults()),
            ("/_local/faults", &Method::POST) => self.inject(request.body()),
            ("/_local/faults", &Method::DELETE) => {
                self.aws.faults().clear();
                self.console.note("faults", "cleared");
                empty(StatusCode::NO_CONTENT)
            }
            ("/_local/functions", &Method::POST) => self.disturb(request.body()),
            ("/_local/mapping", &Method::POST) => self.switch(request.body()),
            ("/_local/health" | "/_local/state", _) => not_allowed("GET"),
            ("/_local/faults", _) => not_allowed("GET, POST, DELETE"),
            ("/_local/functions" | "/_local/mapping", _) => not_allowed("POST"),
            _ => refuse(
                StatusCode::NOT_FOUND,
                "the routes are /_local/health, state, faults, functions and mapping. AWS calls are POST /",
            ),
        }
    }

    fn health(&self) -> Response<Bytes> {
        if self.ready.load(Ordering::Acquire) {
            reply(StatusCode::OK, &json!({ "status": "ready" }))
        } else {
            reply(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({ "status": "starting" }),
            )
        }
    }

    /// The state of the stack. The keys in the singular are about the consumer's mapping, and the
    /// keys in the plural about all.
    fn state(&self) -> Value {
        let functions = self.functions.iter().map(|function| {
            let name = function.name();
            let mut state = json!(function.state());
            state["calls"] = json!(self.calls.by(name));
            (name.to_owned(), state)
        });
        let mappings = self.mappings.iter();
        let mappings: Vec<(String, Value)> = mappings
            .map(|(function, mapping)| (function.clone(), json!(mapping.status())))
            .collect();
        let streams: Vec<Value> = self.streams.iter().map(|name| self.stream(name)).collect();
        let queues: Vec<Value> = self.queues.iter().map(|name| self.queue(name)).collect();
        json!({
            "functions": functions.collect::<Map<_, _>>(),
            "mapping": mappings.first().map(|(_, status)| status),
            "stream": streams.first(),
            "queue": queues.first(),
            "mappings": mappings.iter().cloned().collect::<Map<_, _>>(),
            "streams": streams,
            "queues": queues,
            "faults": self.faults(),
        })
    }

    fn stream(&self, name: &str) -> Value {
        let shards = self.aws.kinesis().shards(name).unwrap_or_default();
        let shards: Vec<Value> = shards
            .iter()
            .map(|shard| {
                json!({
                    "shard_id": shard.id,
                    "records": shard.records,
                    "bytes": shard.stored_bytes,
                })
            })
            .collect();
        json!({ "name": name, "shards": shards })
    }

    fn queue(&self, name: &str) -> Value {
        let depth = self.aws.sqs().depth(name).unwrap_or_default();
        json!({
            "name": name,
            "visible": depth.visible,
            "in_flight": depth.in_flight,
            "delayed": depth.delayed,
        })
    }

    fn faults(&self) -> Value {
        let active: Vec<Value> = self.aws.faults().active().iter().map(describe).collect();
        let hits = self.aws.faults().hits();
        let hits: Vec<Value> = hits
            .iter()
            .map(|(service, error, calls)| json!({ "service": service.name(), "error": error, "calls": calls }))
            .collect();
        json!({ "active": active, "hits": hits })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the task only prints a line, and ends with the fault"
    )]
    fn inject(&self, body: &Bytes) -> Response<Bytes> {
        let fault = match Fault::parse(body) {
            Ok(fault) => fault,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let service = fault.service();
        if let Some(name) = fault.resource()
            && !self.aws.has_resource(service, name)
        {
            let error = format!("resource: {service} has no {name}");
            return refuse(StatusCode::BAD_REQUEST, &error);
        }
        let described = describe_fault(&fault);
        let (rate, seconds) = (fault.rate(), fault.seconds());
        self.console.warn(
            "faults",
            format!("{described}, rate {rate}, for {seconds} s"),
        );
        let active = self.aws.faults().inject(fault);
        tokio::spawn(say_when_ended(
            self.aws.faults().clone(),
            active,
            self.console.clone(),
        ));
        reply(StatusCode::OK, &self.faults())
    }

    /// Carries out a request such as `{"function": "consumer", "action": "kill"}` on every process
    /// of the function at once.
    fn disturb(&self, body: &Bytes) -> Response<Bytes> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            function: String,
            action: Disturbance,
        }
        let request: Request = match parse(body) {
            Ok(request) => request,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        let mut functions = self.functions.iter();
        let Some(function) = functions.find(|function| function.name() == request.function) else {
            let names = self.functions.iter().map(|function| function.name());
            return refuse(StatusCode::BAD_REQUEST, &must_be("function", names));
        };
        let pids = function.disturb(request.action);
        let done = match request.action {
            Disturbance::Kill => "killed",
            Disturbance::Freeze => "frozen",
            Disturbance::Thaw => "thawed",
        };
        self.console.warn(
            function.name(),
            match &pids[..] {
                [] => format!("nothing was {done} on request, because no process lives"),
                pids => format!("{done} on request: process {}", list(pids)),
            },
        );
        reply(StatusCode::OK, &json!({ "pids": pids }))
    }

    /// Enables or disables a mapping. The body is such as `{"enabled": false}` for the consumer's
    /// mapping, and `{"enabled": false, "function": "notifier"}` for another.
    fn switch(&self, body: &Bytes) -> Response<Bytes> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            enabled: bool,
            #[serde(default = "consumer")]
            function: String,
        }
        fn consumer() -> String {
            "consumer".to_owned()
        }
        let request: Request = match parse(body) {
            Ok(request) => request,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        let mut mappings = self.mappings.iter();
        match mappings.find(|(function, _)| *function == request.function) {
            Some((_, mapping)) => {
                mapping.enable(request.enabled);
                reply(StatusCode::OK, &json!({ "enabled": request.enabled }))
            }
            None => {
                let names = self.mappings.iter().map(|(function, _)| function.as_str());
                refuse(StatusCode::BAD_REQUEST, &must_be("function", names))
            }
        }
    }
}

/// The refusal of a name that is not one of `names`.
fn must_be<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    format!("{field}: must be one of {}", names.join(", "))
}

/// Shows the end of a fault that was just injected, unless the fault is cleared before, or another
/// one takes its place.
async fn say_when_ended(faults: Faults, fault: ActiveFault, console: Console) {
    const JUST_BEFORE: Duration = Duration::from_millis(20);

    let duration = Duration::from_secs(fault.fault.seconds());
    tokio::time::sleep(duration.saturating_sub(JUST_BEFORE)).await;
    let lasts = faults.active().contains(&fault);
    tokio::time::sleep(JUST_BEFORE).await;
    if lasts {
        let described = describe_fault(&fault.fault);
        console.note("faults", format!("{described} has ended"));
    }
}

/// A fault in a few words, such as `kinesis order-facts: timeout`.
fn describe_fault(fault: &Fault) -> String {
    let service = fault.service().name();
    let of = match fault.resource() {
        Some(resource) => format!("{service} {resource}"),
        None => service.to_owned(),
    };
    match fault.kind() {
        FaultKind::Slow(millis) => format!("{of}: slow by {millis} ms"),
        kind => format!("{of}: {}", kind.name()),
    }
}

/// Reads a request's body. The error begins with the field that is wrong.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| error.to_string())
}

fn list(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    pids.join(", ")
}

fn describe(active: &ActiveFault) -> Value {
    let mut described = json!({
        "service": active.fault.service().name(),
        "error": active.fault.kind().name(),
        "rate": active.fault.rate(),
        "seconds": active.fault.seconds(),
        "until_millis": active.until_millis,
    });
    if let Some(resource) = active.fault.resource() {
        described["resource"] = resource.into();
    }
    described
}

fn not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("allowed: {allow}"));
    response
        .headers_mut()
        .insert(http::header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn refuse(status: StatusCode, error: &str) -> Response<Bytes> {
    reply(status, &json!({ "error": error }))
}

fn reply(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = empty(status);
    *response.body_mut() = Bytes::from(format!("{body}\n"));
    let json = HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
