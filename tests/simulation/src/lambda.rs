//! Execution environments. Their invocations run to their end, crash at any `await`, freeze, or run
//! out of time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{Api, BasePath, CallerSource, Origins, Serves};
use aws_config::SdkConfig;
use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use consumer::Consumer;
use fastrand::Rng;
use futures::future::join_all;
use keyed_batch::{BatchRecord, KinesisEvent, KinesisRecord};
use orders::{Intent, IntentKind, Submit};
use orders_table::{OrdersTable, client_for_reads, client_for_writes};
use serde_json::{Value, json};
use shipping::Shipping;
use tokio::time::{Instant, sleep, sleep_until};

use crate::facts_path::NotifierEnvironment;
use crate::laws::Laws;
use crate::mutant::Mutant;
use crate::plan::{Function, Pipeline};
use crate::resources::{START, STREAM, TABLE};
use crate::switch::Switch;
use crate::wire::Wire;

/// The control over all environments of a function, which crashes or freezes them.
#[derive(Debug)]
pub(crate) struct Control {
    name: &'static str,
    laws: Laws,
    crash: Switch,
    frozen: Switch,
    /// The number of disasters that freeze the function at the moment.
    freezes: Cell<u32>,
    /// The number of times that the function was frozen so far.
    frozen_before: Cell<u32>,
}

/// The end of an invocation.
pub(crate) enum End<T> {
    /// The invocation returned this result by itself.
    Returned(T),
    Crashed,
    TimedOut,
}

impl Control {
    fn new(name: &'static str, laws: Laws) -> Self {
        Self {
            name,
            laws,
            crash: Switch::new(false),
            frozen: Switch::new(false),
            freezes: Cell::default(),
            frozen_before: Cell::default(),
        }
    }

    /// Ends every invocation that is in progress, at whatever `await` it is.
    pub(crate) fn crash(&self) {
        self.crash.turn(true);
    }

    /// Begins or ends a disaster that freezes every invocation. The invocations go on when the last
    /// of these disasters has ended.
    pub(crate) fn freeze(&self, freeze: bool) {
        self.freezes
            .update(|freezes| if freeze { freezes + 1 } else { freezes - 1 });
        self.frozen_before
            .update(|before| before + u32::from(freeze));
        self.frozen.turn(self.freezes.get() > 0);
    }

    /// Runs an invocation. A law is broken if an invocation that was never frozen times out.
    pub(crate) async fn run<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> End<T> {
        let (was_frozen, before) = (self.frozen.is_on(), self.frozen_before.get());
        let end = tokio::select! {
            biased;
            () = self.crash.turned() => End::Crashed,
            () = sleep_until(deadline) => End::TimedOut,
            result = self.unless_frozen(work) => End::Returned(result),
        };
        let was_frozen = was_frozen || self.frozen_before.get() > before;
        let count = |what: &str| self.laws.count(&format!("{}: {what}", self.name), 1);
        if was_frozen {
            count("invocation frozen");
        }
        match end {
            End::Crashed => count("invocation crashed"),
            End::TimedOut => count("invocation timed out"),
            End::Returned(_) => {}
        }
        if matches!(end, End::TimedOut) && !was_frozen {
            let law = "a function answers before its time is up";
            self.laws.broken(law, self.name);
        }
        end
    }

    /// Polls the work only while the function is not frozen. The timers of the work go on
    /// meanwhile, as the timers of a stopped process do.
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

/// The environments of all functions, which start when they are needed.
pub(crate) struct Lambda {
    pub(crate) pipeline: Pipeline,
    controls: BTreeMap<Function, Control>,
    pub(crate) laws: Laws,
    pub(crate) wire: Wire,
    pub(crate) random: Arc<Mutex<Rng>>,
    idle_apis: RefCell<Vec<Api>>,
    idle_consumers: RefCell<Vec<(String, Consumer)>>,
    pub(crate) idle_notifiers: RefCell<Vec<NotifierEnvironment>>,
    pub(crate) idle_subscribers: RefCell<Vec<(String, Shipping)>>,
    started: RefCell<usize>,
}

impl Lambda {
    pub(crate) fn new(pipeline: Pipeline, wire: Wire, laws: Laws) -> Self {
        Self {
            pipeline,
            controls: [
                Function::Api,
                Function::Consumer,
                Function::Notifier,
                Function::Shipping,
            ]
            .map(|function| (function, Control::new(function.name(), laws.clone())))
            .into(),
            laws,
            random: Arc::clone(&wire.random),
            wire,
            idle_apis: RefCell::default(),
            idle_consumers: RefCell::default(),
            idle_notifiers: RefCell::default(),
            idle_subscribers: RefCell::default(),
            started: RefCell::default(),
        }
    }

    /// The control over a function's environments.
    pub(crate) fn control(&self, function: Function) -> &Control {
        &self.controls[&function]
    }

    /// Invokes a function that has a mapping with one batch. The result is the JSON of the
    /// response, or `None` if the function failed as a whole.
    pub(crate) async fn invoke(&self, function: Function, event: &[u8]) -> End<Option<Vec<u8>>> {
        match function {
            Function::Api => unreachable!("the api has no mapping"),
            Function::Consumer => self.batch(event).await,
            Function::Notifier => self.notify(event).await,
            Function::Shipping => self.ship(event).await,
        }
    }

    /// Sends one request to the api. `None` if the function crashed or took too long, or could not
    /// read the request.
    pub(crate) async fn request(&self, event: Value) -> Option<ApiGatewayV2httpResponse> {
        const TIMEOUT: Duration = Duration::from_secs(10);
        let idle = self.idle_apis.borrow_mut().pop();
        let api = idle.unwrap_or_else(|| self.start_api());
        let event = event.to_string();
        // The future is boxed, because the layers around an SDK call nest more deeply than the
        // compiler follows.
        let answer = Box::pin(api.answer(event.as_bytes(), TIMEOUT));
        match self
            .control(Function::Api)
            .run(Instant::now() + TIMEOUT, answer)
            .await
        {
            End::Returned(Err(failure)) => {
                self.laws
                    .broken("every request can be read", failure.to_string());
                None
            }
            End::Returned(Ok(mut response)) => {
                self.idle_apis.borrow_mut().push(api);
                if let Some(mutant) = self.wire.mutant {
                    let row = |order_id: &str| self.laws.row(order_id)?.submitted;
                    let stored = |order_id: &str| Some(row(order_id)?.fingerprint.to_string());
                    mutant.change_response(&mut response, stored);
                }
                Some(response)
            }
            End::Crashed | End::TimedOut => None,
        }
    }

    /// Invokes the consumer with one batch. The result is the JSON of the response, or `None` if
    /// the consumer failed as a whole.
    async fn batch(&self, event: &[u8]) -> End<Option<Vec<u8>>> {
        let idle = self.idle_consumers.borrow_mut().pop();
        let (environment, consumer) = idle.unwrap_or_else(|| self.start_consumer());
        let mut event: KinesisEvent = serde_json::from_slice(event).unwrap();
        match self.wire.mutant {
            Some(Mutant::StrangersCancelObeyed) => self.obey_strangers(&mut event),
            Some(Mutant::FingerprintIgnoresItems) => self.ignore_items(&mut event),
            _ => {}
        }
        let _invocation = self.laws.invocation_begins(&environment, &event);
        let deadline = Instant::now() + self.pipeline.consumer.timeout;
        let handled = self
            .control(Function::Consumer)
            .run(deadline, self.handle(&consumer, &event.records, deadline));
        match handled.await {
            End::Returned(mut failures) => {
                self.idle_consumers
                    .borrow_mut()
                    .push((environment, consumer));
                if let (Some(mutant), Some(failures)) = (self.wire.mutant, &mut failures) {
                    let is_poison = |number: &str| {
                        let mut records = event.records.iter();
                        let record = records.find(|record| record.sequence_number == number);
                        record.is_some_and(|record| Intent::decode(record.data()).is_err())
                    };
                    mutant.change_failures(failures, is_poison);
                }
                End::Returned(failures.map(|failures| self.response(failures, &event.records)))
            }
            End::Crashed => End::Crashed,
            End::TimedOut => End::TimedOut,
        }
    }

    /// The identifiers of the records that the consumer reports as failed. `None` if the consumer
    /// fails as a whole.
    async fn handle(
        &self,
        consumer: &Consumer,
        records: &[KinesisRecord],
        deadline: Instant,
    ) -> Option<Vec<Option<String>>> {
        let deadline = match self.wire.mutant {
            Some(Mutant::DeadlineIgnored) => deadline + Duration::from_secs(60),
            _ => deadline,
        };
        match self.wire.mutant {
            Some(Mutant::SameKeyConcurrently) => {
                let each = records.iter().map(|record| async move {
                    failures_of(
                        consumer
                            .handle(std::slice::from_ref(record), deadline)
                            .await,
                    )
                });
                let each: Option<Vec<_>> = join_all(each).await.into_iter().collect();
                Some(each?.concat())
            }
            Some(Mutant::RetryHoldsNothingBack) => {
                let mut left: Vec<&KinesisRecord> = records.iter().collect();
                while !left.is_empty() && Instant::now() + Duration::from_secs(1) < deadline {
                    let mut failed = Vec::new();
                    for record in left {
                        let applied = match Intent::decode(record.data()) {
                            Ok(intent) => consumer.apply(&intent).await.is_ok(),
                            Err(_) => false,
                        };
                        if !applied {
                            failed.push(record);
                        }
                    }
                    left = failed;
                    sleep(Duration::from_millis(50)).await;
                }
                Some(
                    left.iter()
                        .map(|record| Some(record.sequence_number.clone()))
                        .collect(),
                )
            }
            _ => failures_of(consumer.handle(records, deadline).await),
        }
    }

    /// The response that names these records as failed. A law is broken if one of them is not in
    /// the batch. Lambda counts the whole batch as failed then.
    pub(crate) fn response(
        &self,
        failures: Vec<Option<String>>,
        batch: &[impl BatchRecord],
    ) -> Vec<u8> {
        let mut named = Vec::new();
        for failure in failures {
            let is_of_the_batch = batch
                .iter()
                .any(|record| Some(record.identifier()) == failure.as_deref());
            if !is_of_the_batch {
                self.laws.broken(
                    "a response names records of its batch",
                    format!("{failure:?}"),
                );
            }
            named.push(json!({ "itemIdentifier": failure }));
        }
        json!({ "batchItemFailures": named })
            .to_string()
            .into_bytes()
    }

    /// Gives each submit the content of the row, if only the items differ. So the consumer takes
    /// another order for the order of the row.
    fn ignore_items(&self, event: &mut KinesisEvent) {
        for record in &mut event.records {
            let Ok(mut intent) = Intent::decode(record.data()) else {
                continue;
            };
            let row = self.laws.row(&intent.order_id.to_string());
            let stored = row.and_then(|row| row.submitted);
            if let (IntentKind::Submit(Submit { owner, order, .. }), Some(stored)) =
                (&intent.kind, stored)
                && *owner == stored.owner
                && order.customer_id() == stored.content.customer_id()
            {
                intent = Intent::submit(
                    intent.id,
                    intent.order_id,
                    intent.accepted_at,
                    stored.owner,
                    stored.content,
                );
                replace_data(record, intent.encode());
            }
        }
    }

    /// Makes the owner of the order the caller of every cancel, once the row has an owner.
    fn obey_strangers(&self, event: &mut KinesisEvent) {
        for record in &mut event.records {
            let Ok(intent) = Intent::decode(record.data()) else {
                continue;
            };
            let row = self.laws.row(&intent.order_id.to_string());
            let owner = row.and_then(|row| Some(row.submitted?.owner));
            if let (IntentKind::Cancel(_), Some(owner)) = (&intent.kind, owner) {
                let cancel = Intent::cancel(intent.id, intent.order_id, intent.accepted_at, owner);
                replace_data(record, cancel.encode());
            }
        }
    }

    pub(crate) fn next(&self, function: Function) -> (String, usize) {
        let number = *self.started.borrow();
        *self.started.borrow_mut() += 1;
        (format!("{}-{number}", function.name()), number)
    }

    fn start_api(&self) -> Api {
        let (environment, number) = self.next(Function::Api);
        let clocks = &self.pipeline.api_clocks;
        let skew = clocks[number % clocks.len()];
        let config = self.config(Function::Api, &environment);
        let random = Arc::clone(&self.random);
        let began = Instant::now() - self.laws.trace.elapsed();
        Api {
            serves: Serves::All(
                api::Stream::new(&config, STREAM.into())
                    .with_hot_shard_escape(self.pipeline.escapes),
                OrdersTable::new(client_for_reads(&config), TABLE),
            ),
            callers: CallerSource::parse("jwt:sub").unwrap(),
            base_path: BasePath::default(),
            requires_key: false,
            fairness: None,
            max_wait: api::MaxWait::default(),
            origins: Origins::new(
                move || random.lock().unwrap().u128(..).to_be_bytes(),
                move || time_since(began).checked_add_signed_millis(skew),
            ),
        }
    }

    fn start_consumer(&self) -> (String, Consumer) {
        let (environment, _) = self.next(Function::Consumer);
        let client = client_for_writes(&self.config(Function::Consumer, &environment));
        let table = OrdersTable::new(client, TABLE);
        let places = self.pipeline.max_in_flight.try_into().unwrap();
        let seed = self.random.lock().unwrap().u64(..);
        let limits = keyed_batch::Limits::default()
            .max_in_flight(places)
            .jitter_seed(Some(seed));
        (environment, Consumer::new(table, limits))
    }

    /// The SDK's configuration in an execution environment of a function.
    pub(crate) fn config(&self, function: Function, environment: &str) -> SdkConfig {
        let wire = Wire {
            function,
            environment: environment.to_owned(),
            ..self.wire.clone()
        };
        let clock = SimulatedTime(Instant::now() - self.laws.trace.elapsed());
        self.wire
            .aws
            .sdk_config()
            .into_builder()
            .time_source(SharedTimeSource::new(clock))
            .http_client(wire.http_client())
            .build()
    }
}

/// The wall clock for the SDK, which goes by tokio's clock.
#[derive(Debug)]
struct SimulatedTime(Instant);

impl TimeSource for SimulatedTime {
    fn now(&self) -> SystemTime {
        time_since(self.0)
    }
}

pub(crate) fn time_since(began: Instant) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(START) + began.elapsed()
}

pub(crate) trait AddSigned {
    fn checked_add_signed_millis(self, millis: i64) -> Self;
}

impl AddSigned for SystemTime {
    fn checked_add_signed_millis(self, millis: i64) -> Self {
        let by = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { self - by } else { self + by }
    }
}

/// Replaces the data of a record and keeps everything else.
fn replace_data(record: &mut KinesisRecord, data: Vec<u8>) {
    let shard_id = record.shard_id.take();
    *record = KinesisRecord::new(&*record.partition_key, &*record.sequence_number, data);
    record.shard_id = shard_id;
}

pub(crate) fn failures_of(report: keyed_batch::Report) -> Option<Vec<Option<String>>> {
    let failures = report.response.ok()?.batch_item_failures;
    let identifiers = failures.into_iter().map(|failure| failure.item_identifier);
    Some(identifiers.collect())
}
