//! The control of the stack, at `/_local/…` on the AWS port.
//!
//! The routes say if the stack is ready, and what it is doing. They also set and clear faults,
//! kill, freeze and thaw the functions, and work the stop switch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_model::{ActiveFault, Aws, Fault, FaultKind};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws::calls::Calls;
use crate::console::Console;
use crate::lambda::function::{Disturbance, Function};
use crate::mapping::poller::SharedMapping;

/// The parts of the stack that the routes look at and change.
#[derive(Debug)]
pub struct Control {
    /// The services.
    pub aws: Aws,
    /// The stream's name.
    pub stream: String,
    /// The on-failure queue's name.
    pub queue: String,
    /// The functions, by name.
    pub functions: Vec<(&'static str, Arc<Function>)>,
    /// The calls that the functions have made.
    pub calls: Calls,
    /// The event source mapping.
    pub mapping: SharedMapping,
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

    fn state(&self) -> Value {
        let functions: serde_json::Map<_, _> = self
            .functions
            .iter()
            .map(|(name, function)| {
                let mut state = json!(function.state());
                state["calls"] = json!(self.calls.by(name));
                ((*name).to_owned(), state)
            })
            .collect();
        let shards = self.aws.kinesis().shards(&self.stream).unwrap_or_default();
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
        let depth = self.aws.sqs().depth(&self.queue).unwrap_or_default();
        json!({
            "functions": functions,
            "mapping": self.mapping.status(),
            "stream": { "name": self.stream, "shards": shards },
            "queue": {
                "name": self.queue,
                "visible": depth.visible,
                "in_flight": depth.in_flight,
                "delayed": depth.delayed,
            },
            "faults": self.faults(),
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

    fn inject(&self, body: &Bytes) -> Response<Bytes> {
        match Fault::parse(body) {
            Ok(fault) => {
                let (service, error) = (fault.service().name(), fault.kind().name());
                let (rate, seconds) = (fault.rate(), fault.seconds());
                let slowness = match fault.kind() {
                    FaultKind::Slow(millis) => format!(" by {millis} ms"),
                    _ => String::new(),
                };
                self.console.warn(
                    "faults",
                    format!("{service}: {error}{slowness}, rate {rate}, for {seconds} s"),
                );
                self.aws.faults().inject(fault);
                reply(StatusCode::OK, &self.faults())
            }
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
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
        let Some((name, function)) = functions.find(|(name, _)| *name == request.function) else {
            return refuse(StatusCode::BAD_REQUEST, "function: must be api or consumer");
        };
        let pids = function.disturb(request.action);
        let done = match request.action {
            Disturbance::Kill => "killed",
            Disturbance::Freeze => "frozen",
            Disturbance::Thaw => "thawed",
        };
        self.console.warn(
            name,
            match &pids[..] {
                [] => format!("nothing was {done} on request, because no process lives"),
                pids => format!("{done} on request: process {}", list(pids)),
            },
        );
        reply(StatusCode::OK, &json!({ "pids": pids }))
    }

    /// Enables or disables the mapping. The body is `{"enabled": true}` or `{"enabled": false}`.
    fn switch(&self, body: &Bytes) -> Response<Bytes> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            enabled: bool,
        }
        match parse::<Request>(body) {
            Ok(request) => {
                self.mapping.enable(request.enabled);
                reply(StatusCode::OK, &json!({ "enabled": request.enabled }))
            }
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error),
        }
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
    json!({
        "service": active.fault.service().name(),
        "error": active.fault.kind().name(),
        "rate": active.fault.rate(),
        "seconds": active.fault.seconds(),
        "until_millis": active.until_millis,
    })
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
