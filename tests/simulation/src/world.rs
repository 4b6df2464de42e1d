//! A run: everything is started, disturbed, let go, drained, and looked at.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_model::kinesis::Position;
use aws_model::{Aws, KinesisOptions, ModelOptions, Service, TokioClock};
use event_source_mapping::{
    Assumptions, Checkpoint, FunctionResponseType, Mapping, SequenceNumber, ShardId,
    StartingPosition, State,
};
use fastrand::Rng;
use orders::{OrderId, Row};
use serde_json::{Value, json};
use tests::{Discarded, Evidence, StreamRecord};
use tokio::task::{JoinHandle, JoinSet, LocalSet};
use tokio::time::{Instant, sleep};

use crate::clients::Counter;
use crate::disasters::strike;
use crate::final_laws::settle;
use crate::lambda::Lambda;
use crate::laws::{Laws, Violation, item_of};
use crate::plan::Plan;
use crate::poller::Poller;
use crate::switch::Switch;
use crate::trace::Trace;
use crate::wire::Wire;

/// 22 November 2026, 05:00:00 UTC.
pub(crate) const START: u64 = 1_795_323_600_000;
pub(crate) const STREAM: &str = "order-intents";
pub(crate) const TABLE: &str = "orders";
pub(crate) const QUEUE_URL: &str = "http://simulation/000000000000/order-intents-discarded";
const QUEUE: &str = "order-intents-discarded";

/// How long the work may go on when nothing goes wrong any more, in simulated time.
const DRAINED_WITHIN: Duration = Duration::from_secs(30 * 60);

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The laws that did not hold. Empty, if all is well.
    pub violations: Vec<Violation>,
    /// The events of the run, line by line.
    pub trace: Vec<String>,
    /// How much of it there was.
    pub counts: Counts,
}

/// How much happened in a run, or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// Intents in the stream, each once.
    pub intents: u64,
    /// Records that the consumer was invoked with, each time.
    pub deliveries: u64,
    /// Writes to the table that were tried.
    pub writes: u64,
    /// Records in discards.
    pub discarded: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// What went wrong, by kind: calls, invocations, reads and records that were hit, and what
    /// befell poller and shards.
    pub faults: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.intents += other.intents;
        self.deliveries += other.deliveries;
        self.writes += other.writes;
        self.discarded += other.discarded;
        self.simulated += other.simulated;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
    }
}

/// Everything in a run.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) lambda: Rc<Lambda>,
    pub(crate) laws: Laws,
    /// The stop switch.
    pub(crate) enabled: Rc<Switch>,
    options: event_source_mapping::MappingOptions,
    random: Arc<Mutex<Rng>>,
    poller: RefCell<(Rc<Poller>, JoinHandle<()>)>,
    /// How many hold the stop switch.
    stops: Cell<u32>,
    /// Of pollers that are gone.
    discarded: Cell<u64>,
}

/// Runs a plan to its end. A panic, of the service or of the simulation, breaks a law.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    // The SDK's jitter comes from this thread's generator.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let laws = {
        let _clock = runtime.enter();
        Laws::new(Trace::new())
    };
    let local = LocalSet::new();
    let life = AssertUnwindSafe(|| local.block_on(&runtime, live(plan, laws.clone())));
    let counts = catch_unwind(life).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        laws.broken("nothing panics", text.unwrap_or("a panic without words"));
        Counts::default()
    });
    Outcome {
        violations: laws.violations(),
        trace: laws.trace.take(),
        counts,
    }
}

async fn live(plan: &Plan, laws: Laws) -> Counts {
    let began = Instant::now();
    let world = World::new(plan, laws);
    let counter = Rc::new(Counter::new(
        world.aws.clone(),
        Rc::clone(&world.lambda),
        world.laws.clone(),
        Arc::clone(&world.random),
    ));
    let mut work = JoinSet::new();
    for client in plan.clients.clone() {
        let counter = Rc::clone(&counter);
        work.spawn_local(async move { counter.serve(&client).await });
    }
    for disaster in plan.disasters.clone() {
        work.spawn_local(strike(Rc::clone(&world), began, disaster));
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    let calls = counter.calls.take();
    let evidence = settle(&world, plan, &calls).await;
    let intents = evidence.records.iter().filter_map(|record| record.intent());
    let ids: std::collections::BTreeSet<_> = intents.map(|intent| intent.id).collect();
    let mut faults: BTreeMap<String, u64> = BTreeMap::new();
    for (service, error, calls) in world.aws.faults().hits() {
        *faults
            .entry(format!("{}: {error}", service.name()))
            .or_default() += calls;
    }
    faults.extend(world.laws.counted());
    Counts {
        runs: 1,
        intents: ids.len().try_into().unwrap(),
        deliveries: world.laws.deliveries(),
        writes: world.laws.writes(),
        discarded: world.discarded(),
        simulated: began.elapsed(),
        faults,
    }
}

impl World {
    fn new(plan: &Plan, laws: Laws) -> Rc<Self> {
        let random = Arc::new(Mutex::new(Rng::with_seed(plan.seed ^ 0x5EED)));
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: plan.seed,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        aws.kinesis()
            .create_stream(STREAM, plan.pipeline.shards, 24)
            .unwrap();
        aws.sqs().create_queue(QUEUE).unwrap();
        let table = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}]});
        aws.operate(Service::DynamoDb, "CreateTable", &table)
            .unwrap();

        let wire = Wire {
            aws: aws.clone(),
            laws: laws.clone(),
            random: Arc::clone(&random),
            environment: String::new(),
            is_calm: plan.is_within_budget,
            is_calmed: Arc::default(),
            mutant: plan.mutant,
        };
        let lambda = Rc::new(Lambda::new(plan.pipeline.clone(), wire, laws.clone()));
        let options = options(plan, &aws);
        let enabled = Rc::new(Switch::new(true));
        let poller = Rc::new(Poller {
            aws: aws.clone(),
            lambda: Rc::clone(&lambda),
            laws: laws.clone(),
            random: Arc::clone(&random),
            mapping: RefCell::new(Mapping::new(options.clone()).unwrap()),
            enabled: Rc::clone(&enabled),
            history: RefCell::default(),
            in_flight: RefCell::default(),
            started: RefCell::default(),
            name: "poller",
        });
        let task = tokio::task::spawn_local(Rc::clone(&poller).run());
        Rc::new(Self {
            aws,
            lambda,
            laws,
            enabled,
            options,
            random,
            poller: RefCell::new((poller, task)),
            stops: Cell::default(),
            discarded: Cell::default(),
        })
    }

    /// Puts another poller in the place of the one that there is, with the checkpoints of some time
    /// ago.
    pub(crate) fn restart_poller(&self, back: Duration) {
        let old = Rc::clone(&self.poller.borrow().0);
        self.poller.borrow().1.abort();
        self.count(&old);
        let history = old.history.take();
        let at = history.iter().rev().find(|(at, _)| at.elapsed() >= back);
        let checkpoints = at
            .or(history.first())
            .map(|(_, checkpoints)| checkpoints.clone());
        let new = self.poller_from(checkpoints.unwrap_or_default(), "poller");
        new.history.replace(history);
        let task = tokio::task::spawn_local(Rc::clone(&new).run());
        self.poller.replace((new, task));
    }

    /// For this long a second poller does the same work.
    pub(crate) async fn second_poller(&self, pause: Duration) {
        let checkpoints = self.poller.borrow().0.mapping.borrow().checkpoints();
        let poller = self.poller_from(checkpoints, "second");
        let task = tokio::task::spawn_local(Rc::clone(&poller).run());
        sleep(pause).await;
        task.abort();
        self.count(&poller);
    }

    fn poller_from(
        &self,
        checkpoints: BTreeMap<ShardId, Checkpoint>,
        name: &'static str,
    ) -> Rc<Poller> {
        let mut options = self.options.clone();
        options.enabled = self.enabled.is_on();
        let mapping = Mapping::resume(options, checkpoints).unwrap();
        Rc::new(Poller {
            aws: self.aws.clone(),
            lambda: Rc::clone(&self.lambda),
            laws: self.laws.clone(),
            random: Arc::clone(&self.random),
            mapping: RefCell::new(mapping),
            enabled: Rc::clone(&self.enabled),
            history: RefCell::default(),
            in_flight: RefCell::default(),
            started: RefCell::default(),
            name,
        })
    }

    fn count(&self, poller: &Poller) {
        let counters = poller.mapping.borrow().counters();
        self.discarded
            .update(|before| before + counters.records_discarded);
    }

    /// Holds the stop switch, or lets go of it: the mapping is enabled while nobody holds it.
    pub(crate) fn stop(&self, stop: bool) {
        self.stops
            .update(|stops| if stop { stops + 1 } else { stops - 1 });
        self.enabled.turn(self.stops.get() == 0);
    }

    /// Records in discards so far.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded.get()
            + self
                .poller
                .borrow()
                .0
                .mapping
                .borrow()
                .counters()
                .records_discarded
    }

    /// Waits until all that is in the stream is worked off, if that is within the bound.
    pub(crate) async fn drain(&self) {
        let give_up = Instant::now() + DRAINED_WITHIN;
        while !self.is_drained() {
            if Instant::now() > give_up {
                let status = self.poller.borrow().0.mapping.borrow().status();
                self.laws.broken(
                    "when faults end, everything is worked off",
                    format!("{status:?}"),
                );
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        // Calls that nobody waits for any more end too.
        sleep(Duration::from_secs(10)).await;
    }

    fn is_drained(&self) -> bool {
        let poller = &self.poller.borrow().0;
        let status = poller.mapping.borrow().status();
        let shards = self.aws.kinesis().shards(STREAM).unwrap();
        let is_done = |shard: &aws_model::kinesis::ShardDescription| {
            let known = status
                .shards
                .iter()
                .find(|known| known.shard_id.as_str() == shard.id);
            known.is_some_and(|known| {
                let last = self.last_record(&shard.id);
                let is_behind = known.checkpoint.as_ref() >= last.as_ref();
                known.in_flight.is_empty() && known.unfinished_records == 0 && is_behind
            })
        };
        status.state == State::Enabled && shards.iter().all(is_done)
    }

    fn last_record(&self, shard_id: &str) -> Option<SequenceNumber> {
        let read = self
            .aws
            .kinesis()
            .read(STREAM, shard_id, Position::TrimHorizon, 10_000)
            .unwrap();
        let last = read.records.last()?;
        Some(SequenceNumber::parse(&last.sequence_number.to_string()).unwrap())
    }

    /// What stream and table hold, and the queue besides the `discards` that were taken from it
    /// before.
    pub(crate) fn evidence(&self, discards: Vec<Discarded>) -> Evidence {
        let mut evidence = Evidence {
            discards,
            ..Evidence::default()
        };
        for shard in self.aws.kinesis().shards(STREAM).unwrap() {
            let read = self
                .aws
                .kinesis()
                .read(STREAM, &shard.id, Position::TrimHorizon, 10_000)
                .unwrap();
            evidence
                .records
                .extend(read.records.into_iter().map(|record| StreamRecord {
                    shard_id: shard.id.clone(),
                    sequence_number:
                        SequenceNumber::parse(&record.sequence_number.to_string()).unwrap(),
                    partition_key: record.partition_key,
                    data: record.data.to_vec(),
                }));
        }
        let scan = json!({"TableName": TABLE, "ConsistentRead": true});
        let scanned = self.aws.operate(Service::DynamoDb, "Scan", &scan).unwrap();
        for item in scanned["Items"].as_array().unwrap() {
            let id = OrderId::parse(item["order_id"]["S"].as_str().unwrap()).unwrap();
            // One that cannot be read has broken its law when it was written.
            if let Ok(row) = Row::from_item(&item_of(item.as_object().unwrap())) {
                evidence.rows.insert(id, row);
            }
        }
        loop {
            let receive = json!({"QueueUrl": QUEUE_URL, "MaxNumberOfMessages": 10, "VisibilityTimeout": 43_200});
            let received = self
                .aws
                .operate(Service::Sqs, "ReceiveMessage", &receive)
                .unwrap();
            let Some(messages) = received["Messages"]
                .as_array()
                .filter(|messages| !messages.is_empty())
            else {
                return evidence;
            };
            for message in messages {
                let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                evidence.discards.push(Discarded::of(&body));
            }
        }
    }
}

fn options(plan: &Plan, aws: &Aws) -> event_source_mapping::MappingOptions {
    let pipeline = &plan.pipeline;
    let mut options = event_source_mapping::MappingOptions::new(
        aws.kinesis().stream_arn(STREAM),
        "arn:aws:lambda:us-east-1:000000000000:function:consumer",
        StartingPosition::TrimHorizon,
    );
    options.batch_size = pipeline.batch_size;
    options.maximum_batching_window_in_seconds = pipeline.window_seconds;
    options.parallelization_factor = pipeline.parallelization_factor;
    options.maximum_retry_attempts = pipeline.retries;
    options.bisect_batch_on_function_error = pipeline.bisect;
    options.function_response_types = vec![FunctionResponseType::ReportBatchItemFailures];
    options.on_failure = Some(aws.sqs().queue_arn(QUEUE));
    options.assumptions = Assumptions {
        first_record_failed: pipeline.first_record_failed,
        neighbouring_discards: pipeline.neighbouring_discards,
        retry_backoff: pipeline.retry_backoff,
        poll_interval: pipeline.poll_interval,
        read_limit: pipeline.read_limit,
        // The queue is away for a while, not for good.
        discard_delivery_attempts: 1_000,
        arrival_decimals: pipeline.arrival_decimals,
    };
    options
}
