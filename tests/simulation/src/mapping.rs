//! An event source mapping with its stop switch and its pollers, some of which are lost.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_model::Aws;
use event_source_mapping::{
    Assumptions, Checkpoint, FunctionResponseType, Mapping, MappingOptions, ShardId,
    StartingPosition, State,
};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::lambda::Lambda;
use crate::plan::{Function, MappedFunction};
use crate::poller::Poller;
use crate::resources::queue_url;
use crate::source::Source;
use crate::switch::Switch;

/// A mapping of a stream to a function.
pub(crate) struct SimulatedMapping {
    source: Source,
    options: MappingOptions,
    /// The stop switch.
    enabled: Rc<Switch>,
    poller: RefCell<(Rc<Poller>, JoinHandle<()>)>,
    /// The number of disasters that disable the mapping at the moment.
    stops: Cell<u32>,
    /// The number of records in the discards of pollers that are gone.
    discarded: Cell<u64>,
}

impl SimulatedMapping {
    /// Makes the mapping and starts its poller.
    pub(crate) fn start(
        aws: &Aws,
        lambda: &Rc<Lambda>,
        source: Source,
        function: (Function, &MappedFunction),
        queue: &'static str,
    ) -> Self {
        let (function, planned) = function;
        let options = options(planned, &source, function, aws.sqs().queue_arn(queue));
        let enabled = Rc::new(Switch::new(true));
        let poller = Rc::new(Poller {
            aws: aws.clone(),
            source: source.clone(),
            function,
            queue_url: queue_url(queue),
            lambda: Rc::clone(lambda),
            laws: lambda.laws.clone(),
            random: Arc::clone(&lambda.wire.random),
            mapping: RefCell::new(Mapping::new(options.clone()).unwrap()),
            enabled: Rc::clone(&enabled),
            history: RefCell::default(),
            in_flight: RefCell::default(),
            started: RefCell::default(),
            name: function.name().to_owned(),
        });
        let task = tokio::task::spawn_local(Rc::clone(&poller).run());
        Self {
            source,
            options,
            enabled,
            poller: RefCell::new((poller, task)),
            stops: Cell::default(),
            discarded: Cell::default(),
        }
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
        let new = self.poller_from(checkpoints.unwrap_or_default(), "");
        new.history.replace(history);
        let task = tokio::task::spawn_local(Rc::clone(&new).run());
        self.poller.replace((new, task));
    }

    /// Runs a second poller for this long, from the checkpoints that the first poller has now.
    pub(crate) async fn second_poller(&self, pause: Duration) {
        let checkpoints = self.poller.borrow().0.mapping.borrow().checkpoints();
        let poller = self.poller_from(checkpoints, "2");
        let task = tokio::task::spawn_local(Rc::clone(&poller).run());
        sleep(pause).await;
        task.abort();
        self.count(&poller);
    }

    fn poller_from(&self, checkpoints: BTreeMap<ShardId, Checkpoint>, number: &str) -> Rc<Poller> {
        let mut options = self.options.clone();
        options.enabled = self.enabled.is_on();
        let mapping = Mapping::resume(options, checkpoints).unwrap();
        self.poller.borrow().0.another(mapping, number)
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
        let counters = self.poller.borrow().0.mapping.borrow().counters();
        self.discarded.get() + counters.records_discarded
    }

    /// The state of the mapping, for a report.
    pub(crate) fn status(&self) -> String {
        format!("{:?}", self.poller.borrow().0.mapping.borrow().status())
    }

    /// True if all records of the stream are worked off.
    pub(crate) fn is_drained(&self) -> bool {
        let status = self.poller.borrow().0.mapping.borrow().status();
        let is_done = |shard: &String| {
            let known = status
                .shards
                .iter()
                .find(|known| known.shard_id.as_str() == shard);
            known.is_some_and(|known| {
                known.in_flight.is_empty()
                    && known.unfinished_records == 0
                    && self.source.ends_at(shard, known.checkpoint.as_ref())
            })
        };
        status.state == State::Enabled && self.source.shards().iter().all(is_done)
    }
}

fn options(
    planned: &MappedFunction,
    source: &Source,
    function: Function,
    queue_arn: String,
) -> MappingOptions {
    let mut options = MappingOptions::new(
        &*source.arn,
        format!(
            "arn:aws:lambda:us-east-1:000000000000:function:{}",
            function.name()
        ),
        StartingPosition::TrimHorizon,
    );
    options.batch_size = planned.batch_size;
    options.maximum_batching_window_in_seconds = planned.window_seconds;
    options.parallelization_factor = planned.parallelization_factor;
    options.maximum_retry_attempts = planned.retries;
    options.bisect_batch_on_function_error = planned.bisect;
    options.function_response_types = vec![FunctionResponseType::ReportBatchItemFailures];
    options.on_failure = Some(queue_arn);
    options.assumptions = Assumptions {
        first_record_failed: planned.first_record_failed,
        neighbouring_discards: planned.neighbouring_discards,
        retry_backoff: planned.retry_backoff,
        poll_interval: planned.poll_interval,
        read_limit: planned.read_limit,
        // The queue is away only for a while, so the mapping must not give up on a message.
        discard_delivery_attempts: 1_000,
        arrival_decimals: planned.arrival_decimals,
    };
    options
}
