//! The model as a whole. One call goes in and one reply comes out. Faults are applied here, because
//! all calls pass this place.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::clock::{Clock, TokioClock};
use crate::dynamodb::{DynamoDb, DynamoDbStartError, json_of};
use crate::failure::{Failure, respond, respond_bytes};
use crate::fault::{Faults, Silence, Verdict};
use crate::kinesis::{Kinesis, KinesisOptions};
use crate::random::Random;
use crate::service::{DEFAULT_REGION, Service, region};
use crate::sqs::{Received, Sqs};
use crate::unsupported;

/// The options from which the model is built.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// The clock that everything reads, by default [`TokioClock::starting_now`].
    pub clock: Arc<dyn Clock>,
    /// The seed of request ids, message ids, gaps between sequence numbers and fault rolls. By
    /// default the seed comes from the operating system. With a fixed seed and a clock that the
    /// caller moves, a single-threaded run repeats exactly.
    pub seed: u64,
    /// Kinesis's limits.
    pub kinesis: KinesisOptions,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(TokioClock::starting_now()),
            seed: Random::seed_from_os(),
            kinesis: KinesisOptions::default(),
        }
    }
}

/// The reason why the model could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] DynamoDbStartError);

/// The model of AWS. The handle is cheap, and its clones share one state.
#[derive(Clone)]
pub struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    random: Random,
    faults: Faults,
    kinesis: Kinesis,
    sqs: Sqs,
    dynamodb: DynamoDb,
}

/// The model's reply to a call.
#[derive(Debug)]
pub enum Reply {
    /// The answer, a refusal included.
    Answer(Response<Bytes>),
    /// A ReceiveMessage that may wait found nothing yet. Call [`Waiting::look_again`] until it
    /// gives an answer.
    Wait(Waiting),
    /// The call took effect and its answer is lost. Close the connection without an answer.
    Lost,
    /// The call is not answered, and nothing took effect. Hold the connection while
    /// [`Silence::holds`], then close it.
    Silent(Silence),
    /// The call took effect and is answered late. Send [`Late::response`] at [`Late::at_millis`].
    Late(Late),
}

/// An answer that is held back.
#[derive(Debug)]
pub struct Late {
    /// The time to send the response, in milliseconds since the Unix epoch.
    pub at_millis: u64,
    /// The response to send.
    pub response: Response<Bytes>,
}

impl Aws {
    /// A model without streams, queues or tables.
    ///
    /// # Errors
    /// If SQLite cannot open a database in memory.
    pub fn new(options: ModelOptions) -> Result<Self, StartError> {
        let ModelOptions {
            clock,
            seed,
            kinesis,
        } = options;
        // Each part draws random numbers from its own sequence. So one more draw in one part does
        // not change the rolls of another part.
        let seeds = Random::seeded(seed);
        Ok(Self {
            inner: Arc::new(Inner {
                random: Random::seeded(seeds.next()),
                faults: Faults::new(clock.clone(), seeds.next()),
                kinesis: Kinesis::new(clock.clone(), seeds.next(), kinesis),
                sqs: Sqs::new(clock.clone(), seeds.next()),
                dynamodb: DynamoDb::new(clock.clone())?,
                clock,
            }),
        })
    }

    /// Performs one request.
    ///
    /// - The call never blocks for longer than the work takes (some 10 µs).
    /// - The call starts nothing that outlives it.
    /// - The call never fails. A request that AWS would refuse is answered as AWS refuses it.
    ///
    /// Only the headers and the body count. The method and the path do not.
    #[must_use]
    pub fn call(&self, request: &Request<Bytes>) -> Reply {
        let headers = request.headers();
        // This is a cheap look at one header. The other marks of a foreign request count only if
        // the request names no call of the model.
        let media_type = headers
            .get(http::header::CONTENT_TYPE)
            .map(http::HeaderValue::as_bytes);
        if media_type.is_some_and(is_cbor)
            && let Some(refusal) = self.foreign(request)
        {
            return Reply::Answer(refusal);
        }
        let target = headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok());
        let Some((service, operation)) = target.and_then(Service::of_target) else {
            let asked_for = target
                .filter(|target| !target.is_empty())
                .unwrap_or("A request without X-Amz-Target");
            return Reply::Answer(self.foreign(request).unwrap_or_else(|| {
                Failure::unknown_operation(asked_for).into_response(None, &self.request_id())
            }));
        };
        let is_about = |name: &str| service.resources(request.body()).contains(name);
        let verdict = self.inner.faults.judge(service, is_about);
        match verdict {
            Verdict::Refused(failure) => {
                return Reply::Answer(failure.into_response(Some(service), &self.request_id()));
            }
            Verdict::Unanswered(silence) => return Reply::Silent(silence),
            Verdict::Spared | Verdict::AnswerLost | Verdict::AnsweredLate(_) => {}
        }
        let reply = self.perform(service, operation, request);
        match (verdict, reply) {
            (Verdict::AnswerLost, _) => Reply::Lost,
            (Verdict::AnsweredLate(at_millis), Reply::Answer(response)) => Reply::Late(Late {
                at_millis,
                response,
            }),
            (_, reply) => reply,
        }
    }

    /// The refusal of a request that an AWS client sent in a protocol, or to a service, that is not
    /// modelled. The refusal has the form of the request's protocol and says what to set instead.
    /// `None` if no AWS client sends such a request.
    ///
    /// [`Aws::call`] answers with this refusal by itself. The method is for an HTTP server that has
    /// other routes, where such a request goes to its own path (`/000000000000/queue`,
    /// `/2015-03-31/functions`).
    #[must_use]
    pub fn foreign(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        unsupported::refuse(request, &self.request_id())
    }

    fn perform(&self, service: Service, operation: &str, request: &Request<Bytes>) -> Reply {
        let inner = &self.inner;
        let body = request.body();
        let id = self.request_id();
        let result = match service {
            Service::Kinesis => inner
                .kinesis
                .perform(operation, body, region(request.headers())),
            Service::DynamoDbStreams => {
                inner
                    .dynamodb
                    .perform_on_streams(operation, body, region(request.headers()))
            }
            Service::Sqs => {
                match inner.sqs.perform(
                    operation,
                    body,
                    region(request.headers()),
                    &endpoint(request),
                ) {
                    Ok(Received::Output(value)) => Ok(value),
                    Ok(Received::Nothing(wait)) => {
                        return Reply::Wait(Waiting {
                            aws: self.clone(),
                            wait,
                            id,
                        });
                    }
                    Err(failure) => Err(failure),
                }
            }
            Service::DynamoDb => {
                return Reply::Answer(
                    match inner
                        .dynamodb
                        .perform(operation, body, region(request.headers()))
                    {
                        Some(Ok(json)) => {
                            respond_bytes(Some(service), StatusCode::OK, json.into(), &id)
                        }
                        Some(Err(refusal)) => refusal.into_response(&id),
                        None => {
                            Failure::unknown_operation(operation).into_response(Some(service), &id)
                        }
                    },
                );
            }
        };
        Reply::Answer(match result {
            Ok(value) => respond(Some(service), StatusCode::OK, &value, &id),
            Err(failure) => failure.into_response(Some(service), &id),
        })
    }

    /// Performs one operation without HTTP and without faults, to set up a state or to look at it.
    ///
    /// An output without members is `Value::Null`. A ReceiveMessage never waits.
    ///
    /// # Errors
    /// The refusal that the service would answer with.
    pub fn operate(
        &self,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> Result<Value, Failure> {
        let body = input.to_string();
        match service {
            Service::Kinesis => {
                self.inner
                    .kinesis
                    .perform(operation, body.as_bytes(), DEFAULT_REGION)
            }
            Service::DynamoDbStreams => {
                self.inner
                    .dynamodb
                    .perform_on_streams(operation, body.as_bytes(), DEFAULT_REGION)
            }
            Service::Sqs => {
                let endpoint = format!("https://sqs.{DEFAULT_REGION}.amazonaws.com");
                match self.inner.sqs.perform(
                    operation,
                    body.as_bytes(),
                    DEFAULT_REGION,
                    &endpoint,
                )? {
                    Received::Output(value) => Ok(value),
                    Received::Nothing(_) => Ok(Value::Object(serde_json::Map::new())),
                }
            }
            Service::DynamoDb => {
                match self
                    .inner
                    .dynamodb
                    .perform(operation, body.as_bytes(), DEFAULT_REGION)
                {
                    Some(Ok(json)) => Ok(json_of(&json)),
                    Some(Err(refusal)) => Err(refusal.into_failure()),
                    None => Err(Failure::unknown_operation(operation)),
                }
            }
        }
    }

    /// The streams.
    #[must_use]
    pub fn kinesis(&self) -> &Kinesis {
        &self.inner.kinesis
    }

    /// The queues.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.inner.sqs
    }

    /// The tables.
    #[must_use]
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.inner.dynamodb
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// True if the service has a stream, table or queue of this name. The streams of DynamoDB
    /// Streams have the names of their tables.
    #[must_use]
    pub fn has_resource(&self, service: Service, name: &str) -> bool {
        match service {
            Service::Kinesis => self.inner.kinesis.shards(name).is_ok(),
            Service::Sqs => self.inner.sqs.depth(name).is_ok(),
            Service::DynamoDbStreams => self.inner.dynamodb.change_stream_shard(name).is_some(),
            Service::DynamoDb => {
                let table = json!({ "TableName": name });
                self.operate(service, "DescribeTable", &table).is_ok()
            }
        }
    }

    /// The clock that the model reads.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    fn request_id(&self) -> String {
        self.inner.random.uuid()
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").finish_non_exhaustive()
    }
}

/// A ReceiveMessage that waits for messages (SQS's long polling, 20 s at most).
#[derive(Debug)]
pub struct Waiting {
    aws: Aws,
    wait: crate::sqs::Wait,
    id: String,
}

impl Waiting {
    /// The interval at which to look again while a long poll lasts, in milliseconds. A shorter
    /// interval is not worth it.
    pub const INTERVAL_MILLIS: u64 = 50;

    /// The latest time of the answer, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn until_millis(&self) -> u64 {
        self.wait.until_millis
    }

    /// Looks for messages again. The reply is an answer if messages have come or the time is up.
    /// Otherwise the wait goes on.
    #[must_use]
    pub fn look_again(self) -> Reply {
        let id = &self.id;
        let result = match self.aws.inner.sqs.receive_again(&self.wait) {
            Ok(Received::Nothing(_))
                if self.aws.inner.clock.now_millis() < self.wait.until_millis =>
            {
                return Reply::Wait(self);
            }
            Ok(Received::Nothing(_)) => Ok(Value::Object(serde_json::Map::new())),
            Ok(Received::Output(value)) => Ok(value),
            Err(failure) => Err(failure),
        };
        Reply::Answer(match result {
            Ok(value) => respond(Some(Service::Sqs), StatusCode::OK, &value, id),
            Err(error) => Failure::from(error).into_response(Some(Service::Sqs), id),
        })
    }
}

fn is_cbor(media_type: &[u8]) -> bool {
    media_type.windows(4).any(|part| part == b"cbor")
}

/// The scheme, host and port that the client reached, for the URLs in SQS's answers.
fn endpoint(request: &Request<Bytes>) -> String {
    let uri = request.uri();
    let host = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| host_header(request.headers()));
    let scheme = uri.scheme_str().unwrap_or("http");
    host.map_or_else(
        || format!("https://sqs.{DEFAULT_REGION}.amazonaws.com"),
        |host| format!("{scheme}://{host}"),
    )
}

fn host_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::HOST)?.to_str().ok()
}
