//! Everything in a run, which is the model of AWS, the functions, the mapping and its poller.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_model::kinesis::Position;
use aws_model::{Aws, KinesisOptions, ModelOptions, TokioClock};
use event_source_mapping::{
    Assumptions, Checkpoint, FunctionResponseType, Mapping, MappingOptions, SequenceNumber,
    ShardId, StartingPosition, State,
};
use fastrand::Rng;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::lambda::Lambda;
use crate::laws::Laws;
use crate::plan::Plan;
use crate::poller::Poller;
use crate::resources::{self, QUEUE, START, STREAM};
use crate::switch::Switch;
use crate::wire::Wire;

/// The longest time in which all records have to be worked off after the last fault, in simulated
/// time.
const DRAINED_WITHIN: Duration = Duration::from_secs(30 * 60);

/// Everything in a run.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) lambda: Rc<Lambda>,
    pub(crate) laws: Laws,
    /// The stop switch.
    pub(crate) enabled: Rc<Switch>,
    options: MappingOptions,
    pub(crate) random: Arc<Mutex<Rng>>,
    poller: RefCell<(Rc<Poller>, JoinHandle<()>)>,
    /// The number of disasters that disable the mapping at the moment.
    stops: Cell<u32>,
    /// The number of records in the discards of pollers that are gone.
    discarded: Cell<u64>,
}

impl World {
    /// Creates the resources of a plan, and starts its functions and its poller. It starts neither
    /// clients nor disasters.
    pub(crate) fn new(plan: &Plan, laws: Laws) -> Rc<Self> {
        let random = Arc::new(Mutex::new(Rng::with_seed(plan.seed ^ 0x5EED)));
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: plan.seed,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        resources::create(&aws, plan.pipeline.shards);

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

    /// Replaces the poller by another poller, which goes on from checkpoints that are at least
    /// `back` old. If there are none so old, it goes on from the oldest checkpoints.
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

    /// Runs a second poller for this long, from the checkpoints that the first poller has now.
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

    /// Begins or ends a disaster that disables the mapping. The mapping is enabled again when the
    /// last of these disasters has ended.
    pub(crate) fn stop(&self, stop: bool) {
        self.stops
            .update(|stops| if stop { stops + 1 } else { stops - 1 });
        self.enabled.turn(self.stops.get() == 0);
    }

    /// The number of records in discards so far.
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

    /// Waits until all records of the stream are worked off. A law is broken if this takes longer
    /// than [`DRAINED_WITHIN`].
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
        // Calls for which nobody waits any more end within this time.
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
}

fn options(plan: &Plan, aws: &Aws) -> MappingOptions {
    let pipeline = &plan.pipeline;
    let mut options = MappingOptions::new(
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
        // The queue is away only for a while, so the mapping must not give up on a message.
        discard_delivery_attempts: 1_000,
        arrival_decimals: pipeline.arrival_decimals,
    };
    options
}
