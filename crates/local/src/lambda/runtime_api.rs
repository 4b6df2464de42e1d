//! The Lambda Runtime API as one function process sees it, with `/next`, `/response`, `/error` and
//! `/init/error`. The process also sees the Extensions API, which `extensions_api.rs` serves.
//!
//! Each process is given its own address, so the address of a request tells which process calls.
//! The source is "Using the Lambda runtime API for custom runtimes",
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use crate::lambda::api_response::{accepted, refused};
use crate::lambda::extensions_api::{self, Extensions};
use crate::servers::foreign::Hosts;
use crate::servers::http_server::{self, Arrived, Limits, UnreadBody};

/// The most bytes of an event or of a function's answer. It is 6 MiB and 100 bytes, as Lambda's own
/// error message says.
pub const MAX_PAYLOAD: usize = 6 * 1_024 * 1_024 + 100;

/// How long a function may take to send its answer. A function writes its answer from memory over
/// loopback, so more time means that the function hangs.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// The limits of one process's Runtime API. The process is silent for as long as it works on an
/// invocation, so idle time has no bound.
const LIMITS: Limits = Limits {
    connections: 16,
    idle: None,
    body: MAX_PAYLOAD,
    body_patience: ANSWER_PATIENCE,
};

const PREFIX: &str = "/2018-06-01/runtime/";

/// The stage that a process has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The process has started, and has not asked for an invocation yet.
    Initializing,
    /// The process reported that it cannot start. The message is the process's own.
    InitFailed(String),
    /// The process waits for an invocation.
    Waiting,
    /// The process works on an invocation.
    Invoked,
    /// The process has answered, and has not asked for the next invocation yet.
    Answered,
}

/// One invocation on its way to a process.
#[derive(Debug)]
pub struct Delivery {
    /// The id of the invocation, which no other invocation has.
    pub request_id: String,
    /// The event.
    pub payload: Bytes,
    /// The end of the function's time, in milliseconds since 1970.
    pub deadline_ms: u64,
    /// The function's ARN.
    pub function_arn: String,
    /// The X-Ray trace header.
    pub trace_id: String,
    /// Receives the process's answer.
    pub answer: oneshot::Sender<Answer>,
}

/// The answer of a process to an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The result, by `/response`.
    Response(Bytes),
    /// The failure of the function, by `/error`. The payload is the error as the function described
    /// it.
    Error(Bytes),
    /// More than [`MAX_PAYLOAD`] bytes, by `/response`.
    ResponseTooLarge,
}

/// The host's end of one process's Runtime API.
#[derive(Debug)]
pub struct RuntimeApi {
    address: String,
    deliveries: mpsc::Sender<Delivery>,
    stage: watch::Receiver<Stage>,
    shared: Arc<Shared>,
}

/// The server's end of the same Runtime API.
#[derive(Debug)]
struct Shared {
    /// The function's name.
    function: String,
    extensions: Extensions,
    deliveries: tokio::sync::Mutex<mpsc::Receiver<Delivery>>,
    /// The id of the invocation that the process works on, and the sender of the answer.
    current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
    stage: watch::Sender<Stage>,
}

impl RuntimeApi {
    /// Opens a Runtime API for one process on a free loopback port. The returned future is the
    /// server. The API works while that future is polled.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn open(
        function: &str,
    ) -> std::io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (deliveries, receiver) = mpsc::channel(1);
        let (stage_sender, stage) = watch::channel(Stage::Initializing);
        let shared = Arc::new(Shared {
            function: function.to_owned(),
            extensions: Extensions::default(),
            deliveries: tokio::sync::Mutex::new(receiver),
            current: Mutex::new(None),
            stage: stage_sender,
        });
        let serving = Arc::clone(&shared);
        let server = http_server::serve(listener, LIMITS, Hosts::default(), move |request, _| {
            let shared = Arc::clone(&serving);
            async move { Some(shared.serve(request).await) }
        });
        Ok((
            Self {
                address,
                deliveries,
                stage,
                shared,
            },
            server,
        ))
    }

    /// The host and the port, which the process is given as `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// True if the process has registered an extension, so that it gets a `SIGTERM` before it ends.
    #[must_use]
    pub fn has_extension(&self) -> bool {
        self.shared.extensions.are_registered()
    }

    /// Returns a watch on the stage of the process.
    #[must_use]
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    /// Hands over an invocation. The process gets the invocation when it asks for one. At most one
    /// invocation is under way at a time, because the caller waits for [`Stage::Waiting`] first.
    pub fn deliver(&self, delivery: Delivery) {
        // The channel is full or closed only if the caller breaks that rule. Then the answer's
        // sender is dropped, and its receiver sees that.
        let _ = self.deliveries.try_send(delivery);
    }
}

impl Shared {
    async fn serve(&self, request: Arrived) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        if let Some(rest) = path.strip_prefix(extensions_api::PREFIX) {
            let (method, headers) = (request.method().clone(), request.headers().clone());
            let body = request.into_body().unwrap_or_default();
            let (extensions, function) = (&self.extensions, &self.function);
            return extensions
                .serve(function, &method, rest, &headers, &body)
                .await;
        }
        let Some(rest) = path.strip_prefix(PREFIX) else {
            return not_found();
        };
        let parts: Vec<&str> = rest.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.response(id, request.into_body())
            }
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, request.into_body()),
            (&Method::POST, ["init", "error"]) => self.init_error(request.into_body()),
            _ => not_found(),
        }
    }

    async fn next(&self) -> Response<Bytes> {
        let allowed = self.stage.send_if_modified(|stage| {
            let asks = matches!(stage, Stage::Initializing | Stage::Answered);
            if asks {
                *stage = Stage::Waiting;
            }
            asks
        });
        // A process whose connection broke while it waited may ask again.
        if !allowed && *self.stage.borrow() != Stage::Waiting {
            return refused(
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "The last invocation is not answered.",
            );
        }
        let Some(delivery) = self.deliveries.lock().await.recv().await else {
            return refused(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Container.Shutdown",
                "The host is gone.",
            );
        };
        let Delivery {
            request_id,
            payload,
            deadline_ms,
            function_arn,
            trace_id,
            answer,
        } = delivery;
        let mut response = Response::new(payload);
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(deadline_ms));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", &request_id),
            ("lambda-runtime-invoked-function-arn", &function_arn),
            ("lambda-runtime-trace-id", &trace_id),
        ] {
            // The host makes these values itself, of characters that a header may hold.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((request_id, answer));
        self.stage.send_replace(Stage::Invoked);
        response
    }

    fn response(&self, id: &str, body: Result<Bytes, UnreadBody>) -> Response<Bytes> {
        match body {
            Ok(payload) => self.answer(id, Answer::Response(payload)),
            Err(UnreadBody::TooLarge) => {
                self.answer(id, Answer::ResponseTooLarge);
                let message =
                    format!("Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes).");
                refused(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestEntityTooLarge",
                    &message,
                )
            }
            Err(UnreadBody::TooSlow | UnreadBody::Broken) => truncated(),
        }
    }

    fn error(&self, id: &str, body: Result<Bytes, UnreadBody>) -> Response<Bytes> {
        match body {
            Ok(payload) => self.answer(id, Answer::Error(payload)),
            Err(_) => truncated(),
        }
    }

    fn answer(&self, id: &str, answer: Answer) -> Response<Bytes> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.take() {
            Some((request_id, waiting)) if request_id == id => {
                drop(current);
                self.stage.send_replace(Stage::Answered);
                // The receiver may have given up. The process has done its part all the same.
                let _ = waiting.send(answer);
                accepted()
            }
            other => {
                *current = other;
                refused(
                    StatusCode::BAD_REQUEST,
                    "InvalidRequestID",
                    "Invalid request ID",
                )
            }
        }
    }

    fn init_error(&self, body: Result<Bytes, UnreadBody>) -> Response<Bytes> {
        let Ok(body) = body else {
            return truncated();
        };
        let report: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = report["errorMessage"]
            .as_str()
            .unwrap_or("the function gave no reason")
            .to_owned();
        let allowed = self.stage.send_if_modified(|stage| {
            let initializing = *stage == Stage::Initializing;
            if initializing {
                *stage = Stage::InitFailed(message);
            }
            initializing
        });
        if allowed {
            accepted()
        } else {
            refused(
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "The initialization is over.",
            )
        }
    }
}

fn truncated() -> Response<Bytes> {
    refused(
        StatusCode::BAD_REQUEST,
        "TruncatedResponse",
        "The body ended early.",
    )
}

fn not_found() -> Response<Bytes> {
    refused(
        StatusCode::NOT_FOUND,
        "NotFound",
        "Not a path of the Runtime API that is modelled here: invocation/next, invocation/ID/response, invocation/ID/error, \
         init/error. The Telemetry API and SnapStart are not modelled.",
    )
}
