//! Execution environments: invocations that run to their end, crash at any await, freeze, or run out of time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{Api, CallerSource, Origins};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use consumer::{Consumer, Table};
use fastrand::Rng;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::laws::Laws;
use crate::plan::Pipeline;
use crate::switch::Switch;
use crate::wire::Wire;
use crate::world::{START, STREAM, TABLE};

/// What can be done to all environments of a function.
#[derive(Debug)]
pub(crate) struct Control {
    crash: Switch,
    frozen: Switch,
}

/// How an invocation ended.
pub(crate) enum End<T> {
    /// By itself.
    Returned(T),
    Crashed,
    TimedOut,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            crash: Switch::new(false),
            frozen: Switch::new(false),
        }
    }

    /// Ends every invocation under way, wherever it is.
    pub(crate) fn crash(&self) {
        self.crash.turn(true);
    }

    /// Stops every invocation, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.turn(frozen);
    }

    /// Runs an invocation.
    pub(crate) async fn run<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> End<T> {
        tokio::select! {
            biased;
            () = self.crash.turned() => End::Crashed,
            () = sleep_until(deadline) => End::TimedOut,
            result = self.unless_frozen(work) => End::Returned(result),
        }
    }

    /// Polls the work only while it is not frozen. Its timers go on meanwhile, as those of a stopped process do.
    async fn unless_frozen<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let mut turned = pin!(self.frozen.turned());
            let result = poll_fn(|context| {
                if turned.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                if self.frozen.is_on() {
                    return Poll::Pending;
                }
                work.as_mut().poll(context).map(Some)
            })
            .await;
            if let Some(result) = result {
                return result;
            }
        }
    }
}

/// What environments are made of.
pub(crate) struct Lambda {
    pub(crate) pipeline: Pipeline,
    pub(crate) api: Control,
    pub(crate) consumer: Control,
    pub(crate) laws: Laws,
    wire: Wire,
    random: Arc<Mutex<Rng>>,
    idle_apis: RefCell<Vec<Api>>,
    idle_consumers: RefCell<Vec<(String, Consumer)>>,
    started: RefCell<usize>,
}

impl Lambda {
    pub(crate) fn new(pipeline: Pipeline, wire: Wire, laws: Laws) -> Self {
        Self {
            pipeline,
            api: Control::new(),
            consumer: Control::new(),
            laws,
            random: Arc::clone(&wire.random),
            wire,
            idle_apis: RefCell::default(),
            idle_consumers: RefCell::default(),
            started: RefCell::default(),
        }
    }

    /// One request; nothing if the function died or took too long.
    pub(crate) async fn request(&self, event: Value) -> Option<ApiGatewayV2httpResponse> {
        const TIMEOUT: Duration = Duration::from_secs(10);
        let idle = self.idle_apis.borrow_mut().pop();
        let api = idle.unwrap_or_else(|| self.start_api());
        match self
            .api
            .run(Instant::now() + TIMEOUT, api.answer(event, TIMEOUT))
            .await
        {
            End::Returned(response) => {
                self.idle_apis.borrow_mut().push(api);
                Some(response)
            }
            End::Crashed | End::TimedOut => None,
        }
    }

    /// One batch; the JSON of the response.
    pub(crate) async fn batch(&self, event: &[u8]) -> End<Option<Vec<u8>>> {
        let idle = self.idle_consumers.borrow_mut().pop();
        let (environment, consumer) = idle.unwrap_or_else(|| self.start_consumer());
        let event: KinesisEvent = serde_json::from_slice(event).unwrap();
        let _invocation = self.laws.invocation_begins(&environment, &event);
        let deadline = Instant::now() + self.pipeline.consumer_timeout;
        let end = self
            .consumer
            .run(deadline, consumer.handle(&event.records, deadline))
            .await;
        match end {
            End::Returned(report) => {
                self.idle_consumers
                    .borrow_mut()
                    .push((environment, consumer));
                let response = report.response.ok();
                End::Returned(response.map(|response| serde_json::to_vec(&response).unwrap()))
            }
            End::Crashed => End::Crashed,
            End::TimedOut => End::TimedOut,
        }
    }

    fn next(&self, function: &str) -> (String, usize) {
        let number = *self.started.borrow();
        *self.started.borrow_mut() += 1;
        (format!("{function}-{number}"), number)
    }

    fn start_api(&self) -> Api {
        let (environment, number) = self.next("api");
        let clocks = &self.pipeline.api_clocks;
        let skew = clocks[number % clocks.len()];
        let config = self.config(environment);
        let random = Arc::clone(&self.random);
        let began = Instant::now() - self.laws.trace.elapsed();
        Api {
            stream: api::Stream::new(&config, STREAM.into()),
            table: api::Table::new(&config, TABLE.into()),
            callers: CallerSource::parse("jwt:sub").unwrap(),
            origins: Origins::new(
                move || random.lock().unwrap().u128(..).to_be_bytes(),
                move || time_since(began).checked_add_signed_millis(skew),
            ),
        }
    }

    fn start_consumer(&self) -> (String, Consumer) {
        let (environment, _) = self.next("consumer");
        let table = Table::new(&self.config(environment.clone()), TABLE.into());
        let places = self.pipeline.max_in_flight.try_into().unwrap();
        let seed = self.random.lock().unwrap().u64(..);
        let settings = kinesis_batch::Settings::default()
            .max_in_flight(places)
            .jitter_seed(Some(seed));
        (environment, Consumer::new(table, settings))
    }

    fn config(&self, environment: String) -> SdkConfig {
        let wire = Wire {
            environment,
            ..self.wire.clone()
        };
        let clock = SimulatedTime(Instant::now() - self.laws.trace.elapsed());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "simulation",
                "simulation",
                None,
                None,
                "simulation",
            )))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(clock))
            .http_client(wire.http_client())
            .build()
    }
}

/// tokio's clock as the wall clock that the SDK asks.
#[derive(Debug)]
struct SimulatedTime(Instant);

impl TimeSource for SimulatedTime {
    fn now(&self) -> SystemTime {
        time_since(self.0)
    }
}

fn time_since(began: Instant) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(START) + began.elapsed()
}

trait AddSigned {
    fn checked_add_signed_millis(self, millis: i64) -> Self;
}

impl AddSigned for SystemTime {
    fn checked_add_signed_millis(self, millis: i64) -> Self {
        let by = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { self - by } else { self + by }
    }
}
