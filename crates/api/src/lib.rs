//! The API accepts an order by putting its intent into the stream.
//!
//! [`Api::answer`] answers a request in API Gateway's payload format 2.0, which HTTP APIs and
//! function URLs send. On the routes that write it has exactly one side effect, which is one record
//! in the stream for each intent, keyed by order id. These routes never read before they write, so
//! they accept at the pace of the stream whatever state the table is in.
//!
//! | request | file | needs |
//! |---|---|---|
//! | `POST /orders` | `submit.rs` | the stream |
//! | `POST /orders/batch` | `batch.rs` | the stream |
//! | `POST /orders/{id}/cancel` | `cancel.rs` | the stream |
//! | `GET /orders/{id}` | `read.rs` | the table |
//! | `GET /openapi.json` | `openapi.rs` | nothing |
//!
//! The package can be deployed as one function, or as a function for writes and one for reads
//! ([`Serves`]).
//!
//! Every error is a problem document (RFC 9457, `problem.rs`). An internal cause goes to the log
//! and never to the client. The values that the client sent go to neither. Only the pointer of a
//! violation repeats the name of an unknown field, to the client alone.

// Tests that are modules of this crate share files with those that use it from outside.
#[cfg(test)]
extern crate self as api;

mod base_path;
mod batch;
mod caller;
mod cancel;
mod entity_tag;
mod event;
mod fairness;
mod hot_shard;
mod openapi;
mod problem;
mod read;
mod request;
mod response;
mod route;
mod serves;
mod stream;
mod submit;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use function_runtime::{Environment, Failure, StartError};
use orders::{Intent, IntentId, OrderId, Timestamp};
use orders_table::{OrdersTable, client_for_reads};

pub use base_path::BasePath;
pub use caller::CallerSource;
use caller::Identity;
use event::{Event, Unreadable};
pub use fairness::Fairness;
use problem::{Kind, Problem};
use request::Request;
use response::Response;
use route::{Endpoint, Found};
pub use route::{ROUTES, Route};
pub use serves::Serves;
pub use stream::{Refusal, Stream};
pub use wait::MaxWait;

/// The API with all that it needs.
#[derive(Clone, Debug)]
pub struct Api {
    /// The part of the API that is served, with the stream that takes the intents and the table in
    /// which orders are read.
    pub serves: Serves,
    /// The place of a caller's identity in a request.
    pub callers: CallerSource,
    /// The part before `/orders` in the paths that clients see.
    pub base_path: BasePath,
    /// True if an order is taken only with an `Idempotency-Key`.
    pub requires_key: bool,
    /// The limit of requests for each caller, if there is one.
    pub fairness: Option<Fairness>,
    /// The longest wait of a read for an order.
    pub max_wait: MaxWait,
    /// The source of ids and times.
    pub origins: Origins,
}

/// The source of random ids and of the present time, which is the operating system or a seed.
#[derive(Clone)]
pub struct Origins {
    random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Origins {
    /// Random bytes and time of the operating system.
    #[must_use]
    pub fn of_system() -> Self {
        Self::new(|| uuid::Uuid::new_v4().into_bytes(), SystemTime::now)
    }

    /// Other sources. `random` must not be guessable where no caller is known, because an order is
    /// then protected by its id alone.
    #[must_use]
    pub fn new(
        random: impl Fn() -> [u8; 16] + Send + Sync + 'static,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        Self {
            random: Arc::new(random),
            now: Arc::new(now),
        }
    }

    fn order_id(&self) -> OrderId {
        OrderId::from_random((self.random)())
    }

    fn intent_id(&self) -> IntentId {
        IntentId::from_random((self.random)())
    }

    /// `None` if the clock is set to before 1970 or after 9999.
    fn timestamp(&self) -> Option<Timestamp> {
        let since_epoch = (self.now)().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Timestamp::from_unix_millis(i64::try_from(since_epoch.as_millis()).ok()?)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origins")
    }
}

impl Api {
    /// Answers one request, an event in payload format 2.0, within the time that is left of the
    /// invocation.
    ///
    /// A request always gets an answer. Every failure is a problem document with the status that
    /// tells the client what to do. An event that is not JSON is a request that cannot be read, and
    /// gets a 400, because the front door has put into it what its client sent.
    ///
    /// # Errors
    /// [`Failure::UnreadableEvent`] if the event is JSON and not a request in payload format 2.0.
    /// The function is then deployed behind something else, and no client can mend that. So the
    /// invocation fails, the client gets the gateway's 500, and an alarm on the function's errors
    /// fires.
    pub async fn answer(
        &self,
        event: &[u8],
        time_left: Duration,
    ) -> Result<ApiGatewayV2httpResponse, Failure> {
        let event = match Event::read(event) {
            Ok(event) => event,
            Err(Unreadable::NotARequest) => return Err(Failure::UnreadableEvent),
            Err(Unreadable::Request) => {
                // The log does not say which part cannot be read, because that would quote the
                // client.
                tracing::warn!("a request cannot be read");
                let problem = Problem::new(Kind::MalformedRequest, "The request cannot be read.");
                return Ok(Response::problem(&problem, None).into_event());
            }
        };
        let request = Request::new(&event, &self.base_path, time_left);
        let (endpoint, answered) = match Route::find(request.method(), request.path()) {
            Ok(found) => (found.endpoint.name(), self.dispatch(&found, &request).await),
            Err(problem) => {
                let is_read = Route::fits_a_read(request.method(), request.path());
                if self.serves.stream().is_none() && !is_read {
                    // A path that is not the API's, and a method that its path lacks, are the
                    // business of the function for writes.
                    misrouted(&request, "none");
                }
                ("none", Err(problem))
            }
        };
        let response = answered.unwrap_or_else(|problem| Response::problem(&problem, request.id()));
        let (status, intent_id) = (response.status(), response.intent_id());
        // The client knows a request by API Gateway's id, which is in the problem's `instance` and
        // in a header.
        let gateway_request_id = request.id();
        tracing::info!(
            gateway_request_id,
            route = endpoint,
            status,
            intent_id,
            "answered"
        );
        Ok(response.into_event())
    }

    async fn dispatch(
        &self,
        found: &Found<'_>,
        request: &Request<'_>,
    ) -> Result<Response, Problem> {
        // A request that came to the wrong function is told so before its caller is looked for. The
        // route that it took may have no authorizer, and a 401 would hide the cause.
        let stream = || {
            self.serves.stream().ok_or_else(|| {
                misrouted(request, found.endpoint.name());
                Problem::not_accepted()
            })
        };
        let table = || {
            self.serves.table().ok_or_else(|| {
                misrouted(request, found.endpoint.name());
                Problem::unavailable()
            })
        };
        match found.endpoint {
            Endpoint::Submit => {
                let (stream, identity) = (stream()?, self.identity(request)?);
                self.submit(stream, request, identity).await
            }
            Endpoint::Batch => {
                let (stream, identity) = (stream()?, self.identity(request)?);
                self.batch(stream, request, identity).await
            }
            Endpoint::Cancel => {
                let (stream, identity) = (stream()?, self.identity(request)?);
                let order_id = found.order_id()?;
                self.cancel(stream, request, identity, order_id).await
            }
            Endpoint::Read => {
                let (table, identity) = (table()?, self.identity(request)?);
                let order_id = found.order_id()?;
                self.read(table, request, &identity, order_id).await
            }
            Endpoint::OpenApi => openapi::answer(request),
        }
    }

    /// The caller of a request, within its limit.
    fn identity(&self, request: &Request<'_>) -> Result<Identity, Problem> {
        let identity = self
            .callers
            .identify(request.event())
            .ok_or_else(|| Problem::caller_required(&self.callers))?;
        if let Some(fairness) = &self.fairness {
            fairness
                .admit(&identity)
                .map_err(|over| Problem::too_many_requests(&over))?;
        }
        Ok(identity)
    }

    /// Puts an intent into the stream, which accepts it. `if_unknown` tells the client what to do
    /// if the outcome is unknown.
    async fn accept(
        &self,
        stream: &Stream,
        intent: &Intent,
        request: &Request<'_>,
        if_unknown: &'static str,
    ) -> Result<(), Problem> {
        let put = stream.put(intent, request.time_left()).await;
        put.map_err(|refusal| {
            unacknowledged(request, intent, &refusal);
            match refusal {
                Refusal::NotAccepted { .. } => Problem::not_accepted(),
                Refusal::OutcomeUnknown { .. } => {
                    Problem::outcome_unknown(intent.order_id, if_unknown)
                }
            }
        })
    }

    fn now(&self) -> Result<Timestamp, Problem> {
        self.origins.timestamp().ok_or_else(|| {
            tracing::error!("the clock is set to a time that cannot be written");
            Problem::internal()
        })
    }
}

/// Logs that an intent is not, or perhaps not, in the stream. Alarms count these lines.
fn unacknowledged(request: &Request<'_>, intent: &Intent, refusal: &Refusal) {
    let gateway_request_id = request.id();
    let (intent_id, reason, code) = (intent.id, refusal.reason(), refusal.code());
    tracing::warn!(gateway_request_id, %intent_id, reason, code, "the stream did not acknowledge an intent");
}

/// Logs that a request has come to a function that does not serve it. The front door's routes and
/// the functions' settings then disagree. The line does not quote the request.
fn misrouted(request: &Request<'_>, route: &'static str) {
    let gateway_request_id = request.id();
    tracing::warn!(
        gateway_request_id,
        route,
        "a request came that SERVES rules out; the routes of the front door are wrong"
    );
}

/// Runs the function. It reads its settings, makes its clients, and serves invocations until Lambda
/// ends the process.
///
/// The settings are these.
///
/// | variable | read by |
/// |---|---|
/// | `SERVES`, which is `all` (the default), `writes` or `reads` | [`Serves`] |
/// | `STREAM_NAME`, unless the function only reads | [`Stream::new`] |
/// | `TABLE_NAME`, unless the function only writes | [`OrdersTable::new`] |
/// | `CALLER` | [`CallerSource::parse`] |
/// | `BASE_PATH`, which may be missing | [`BasePath::parse`] |
/// | `HOT_SHARD_ESCAPE`, which is `on` (the default) or `off` | [`Stream::with_hot_shard_escape`] |
/// | `REQUIRE_IDEMPOTENCY_KEY`, which is `on` or `off` (the default) | [`Api::requires_key`] |
/// | `REQUESTS_PER_CALLER`, which is a number or `off` (the default) | [`Fairness::parse`] |
/// | `MAX_WAIT_SECONDS`, which may be missing, unless the function only writes | [`MaxWait::parse`] |
///
/// # Errors
/// [`StartError`] if a setting is missing or wrong, or if Lambda's runtime fails.
pub async fn serve(environment: Environment) -> Result<(), StartError> {
    let names = Serves::read(&environment)?;
    let callers = environment.parsed("CALLER", CallerSource::parse)?;
    let base_path = environment.parsed_or_default("BASE_PATH", BasePath::parse)?;
    let escapes = environment.is_on("HOT_SHARD_ESCAPE", true)?;
    let requires_key = environment.is_on("REQUIRE_IDEMPOTENCY_KEY", false)?;
    let fairness = Fairness::read(&environment, &callers)?;
    let max_wait = match names.table() {
        Some(_) => environment.parsed_or_default("MAX_WAIT_SECONDS", MaxWait::parse)?,
        None => MaxWait::default(),
    };
    let config = function_runtime::sdk_config().await;
    let api = &Api {
        serves: names.map(
            |stream| Stream::new(&config, stream).with_hot_shard_escape(escapes),
            |table| OrdersTable::new(client_for_reads(&config), table),
        ),
        callers,
        base_path,
        requires_key,
        fairness,
        max_wait,
        origins: Origins::of_system(),
    };
    function_runtime::serve(async move |event, context| {
        let deadline = context.deadline();
        let time_left = deadline.duration_since(SystemTime::now());
        api.answer(&event, time_left.unwrap_or_default()).await
    })
    .await
}
