//! Everything in a run, which is the model of AWS, the functions, and the mappings with their
//! pollers.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_model::{Aws, KinesisOptions, ModelOptions, TokioClock};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use crate::lambda::Lambda;
use crate::laws::Laws;
use crate::mapping::SimulatedMapping;
use crate::plan::{Function, Plan};
use crate::resources::{
    self, CHANGES_QUEUE, FACTS_QUEUE, FACTS_STREAM, QUEUE, START, STREAM, TABLE,
};
use crate::source::Source;
use crate::wire::Wire;

/// The longest time in which all records have to be worked off after the last fault, in simulated
/// time.
const DRAINED_WITHIN: Duration = Duration::from_secs(30 * 60);

/// Everything in a run.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) lambda: Rc<Lambda>,
    pub(crate) laws: Laws,
    pub(crate) random: Arc<Mutex<Rng>>,
    /// The mapping to each function that has one. A plan without facts has only the consumer's.
    mappings: BTreeMap<Function, SimulatedMapping>,
}

impl World {
    /// Creates the resources of a plan, and starts its functions and its pollers. It starts neither
    /// clients nor disasters.
    pub(crate) fn new(plan: &Plan, laws: Laws) -> Rc<Self> {
        let random = Arc::new(Mutex::new(Rng::with_seed(plan.seed ^ 0x5EED)));
        let aws = Aws::new(ModelOptions {
            clock: Arc::new(TokioClock::starting_at(START)),
            seed: plan.seed,
            kinesis: KinesisOptions::default(),
        })
        .unwrap();
        let pipeline = &plan.pipeline;
        resources::create(&aws, pipeline.shards);
        let changes = pipeline
            .facts
            .as_ref()
            .map(|facts| resources::create_facts(&aws, facts.shards));

        let wire = Wire::new(&aws, &laws, &random, plan);
        let lambda = Rc::new(Lambda::new(pipeline.clone(), wire, laws.clone()));
        let start = |source, function, planned, queue| {
            let function = (function, planned);
            SimulatedMapping::start(&aws, &lambda, source, function, queue)
        };
        let intents = Source::stream(&aws, STREAM);
        let consumer = start(intents, Function::Consumer, &pipeline.consumer, QUEUE);
        let mut mappings = BTreeMap::from([(Function::Consumer, consumer)]);
        if let (Some(facts), Some(changes)) = (&pipeline.facts, changes) {
            let changes = Source::changes(&aws, TABLE, changes);
            let notifier = start(changes, Function::Notifier, &facts.notifier, CHANGES_QUEUE);
            mappings.insert(Function::Notifier, notifier);
            let facts_stream = Source::stream(&aws, FACTS_STREAM);
            let shipping = start(
                facts_stream,
                Function::Shipping,
                &facts.shipping,
                FACTS_QUEUE,
            );
            mappings.insert(Function::Shipping, shipping);
        }
        Rc::new(Self {
            aws,
            lambda,
            laws,
            random,
            mappings,
        })
    }

    /// The mapping to a function.
    pub(crate) fn mapping(&self, function: Function) -> &SimulatedMapping {
        &self.mappings[&function]
    }

    /// The number of records in discards of a function's mapping so far.
    pub(crate) fn discarded(&self, function: Function) -> u64 {
        self.mappings
            .get(&function)
            .map_or(0, SimulatedMapping::discarded)
    }

    /// Waits until all records of all streams are worked off. A law is broken if this takes longer
    /// than [`DRAINED_WITHIN`].
    pub(crate) async fn drain(&self) {
        let give_up = Instant::now() + DRAINED_WITHIN;
        loop {
            while let Some(mapping) = self.undrained() {
                if Instant::now() > give_up {
                    self.laws.broken(
                        "when faults end, everything is worked off",
                        mapping.status(),
                    );
                    return;
                }
                sleep(Duration::from_secs(1)).await;
            }
            // Calls for which nobody waits any more end within this time. They may leave something
            // to be worked off.
            sleep(Duration::from_secs(10)).await;
            if self.undrained().is_none() {
                return;
            }
        }
    }

    fn undrained(&self) -> Option<&SimulatedMapping> {
        self.mappings.values().find(|mapping| !mapping.is_drained())
    }
}
