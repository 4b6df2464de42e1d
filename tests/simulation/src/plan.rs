//! The plan of a run, which holds the decisions of a seed as data. A plan can be printed and run
//! again. A plan that fails can be cut down to the parts that the failure needs.

use std::time::Duration;

use event_source_mapping::{ArrivalDecimals, Backoff, FirstRecordFailed, NeighbouringDiscards};
use fastrand::Rng;

use crate::batches::add_batches;
use crate::mutant::Mutant;
use crate::resources::{FACTS_STREAM, STREAM};

/// A run that has not begun yet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed, which decides everything that the plan does not say, such as ids, jitter and the
    /// duration of each call.
    pub seed: u64,
    /// The streams, the mappings and the functions.
    pub pipeline: Pipeline,
    /// The clients.
    pub clients: Vec<Client>,
    /// The disasters.
    pub disasters: Vec<Disaster>,
    /// True if nothing may be discarded. Then the only disasters are one outage of the table
    /// within the budget and a hot shard that can be escaped, and there is no poison.
    pub is_within_budget: bool,
    /// The mistake that the laws have to find, if there is one.
    pub mutant: Option<Mutant>,
}

/// The streams, the mappings and the functions.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The number of shards at the start.
    pub shards: u32,
    /// The mapping to the consumer.
    pub consumer: MappedFunction,
    /// The most records that the consumer works on at once.
    pub max_in_flight: usize,
    /// True if the last attempt of a put that was throttled goes to another shard.
    pub escapes: bool,
    /// The errors of the api's clocks, in milliseconds. Each execution environment of the api has
    /// its own clock, which is off by one of these numbers.
    pub api_clocks: Vec<i64>,
    /// The facts' path. `None` if the run has none.
    pub facts: Option<FactsPath>,
}

/// The path of the facts, which begins at the change stream of the orders table.
#[derive(Clone, Debug)]
pub struct FactsPath {
    /// The number of shards of the facts stream at the start.
    pub shards: u32,
    /// The mapping of the table's change stream to the notifier.
    pub notifier: MappedFunction,
    /// The mapping of the facts stream to the subscriber.
    pub shipping: MappedFunction,
    /// The errors of the subscriber's clocks, in milliseconds. They are within the skew that its
    /// locks allow for.
    pub shipping_clocks: Vec<i64>,
}

/// An event source mapping and the timeout of its function.
#[derive(Clone, Debug)]
pub struct MappedFunction {
    /// BatchSize.
    pub batch_size: u32,
    /// MaximumBatchingWindowInSeconds.
    pub window_seconds: u32,
    /// ParallelizationFactor.
    pub parallelization_factor: u32,
    /// MaximumRetryAttempts.
    pub retries: i64,
    /// BisectBatchOnFunctionError.
    pub bisect: bool,
    /// The function's timeout.
    pub timeout: Duration,
    /// The assumption about a batch whose first record failed.
    pub first_record_failed: FirstRecordFailed,
    /// The assumption about the report of neighbouring records that are discarded.
    pub neighbouring_discards: NeighbouringDiscards,
    /// The assumption about the pauses between retries, given by the first pause and the longest
    /// pause. Each pause is twice as long as the pause before it.
    pub retry_backoff: Backoff,
    /// The assumption about the pause between two reads of a shard.
    pub poll_interval: Duration,
    /// The assumption about the most records in a read.
    pub read_limit: u32,
    /// The assumption about the decimals of the arrival time in an event.
    pub arrival_decimals: ArrivalDecimals,
}

/// A client, with its name and its calls. The client makes one call after the other.
#[derive(Clone, Debug)]
pub struct Client {
    /// The name of the client as a caller.
    pub name: String,
    /// The calls of the client, each after a pause.
    pub calls: Vec<(Duration, Call)>,
}

/// A call of a client, or a record of somebody else who writes into the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Submits an order under one of the client's keys. The client tries again until it knows the
    /// result, or until it gives up after many tries.
    Keyed {
        /// The number of the key. A client may use a number more than once.
        key: u32,
        /// The index of the content among several.
        content: u32,
        /// True if the client cancels an order of unknown outcome before it submits that order
        /// again.
        wavers: bool,
    },
    /// Submits an order without a key. The client tries again only if it was told that nothing was
    /// accepted.
    Unkeyed {
        /// The index of the content among several.
        content: u32,
    },
    /// Submits several orders in one request. With a key the client sends the whole batch again
    /// until it knows that each is accepted. Without a key it sends again only those of which it
    /// was told that they were not accepted.
    Batch {
        /// The number of the key, if there is one. A client may use a number more than once.
        key: Option<u32>,
        /// The indexes of the contents.
        contents: Vec<u32>,
    },
    /// Cancels the n-th order that any client was told of so far. The order may have another owner.
    Cancel(usize),
    /// Reads the n-th order that any client was told of so far, as its owner.
    Read(usize),
    /// Puts a record into the stream that is not a sound event. There are nine kinds.
    Poison(u32),
    /// Puts an intent into the stream twice, as a producer does that got no response. The second
    /// copy has an attribute of a newer version.
    Producer {
        /// The index of the content among several.
        content: u32,
    },
}

impl Call {
    /// True if the call leaves an intent in the stream when all goes well.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Poison(_))
    }
}

impl Kind {
    /// The name under which the disaster is counted. `None` if the calls or invocations that the
    /// disaster hits are counted instead.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let of =
            |function: &Function, what: &str| Some(format!("{} poller: {what}", function.name()));
        match self {
            Self::Service { .. }
            | Self::FactsStream { .. }
            | Self::Crash(_)
            | Self::CrashInTheMiddle(_)
            | Self::Freeze(..) => None,
            Self::Restart(function, BEFORE_THE_RUN) => of(function, "again from the oldest record"),
            Self::Restart(function, _) => of(function, "lost, another from an old checkpoint"),
            Self::SecondPoller(function, _) => of(function, "two at once"),
            Self::HotShard(..) => Some(format!("{STREAM}: shard hot")),
            Self::Stop(function, _) => of(function, "stopped by the switch"),
            Self::Split(stream, _) => Some(format!("{stream}: shard split")),
            Self::Merge(stream, _) => Some(format!(
                "{stream}: shards merged, or tried to where there was one"
            )),
        }
    }
}

/// Something that goes wrong at a certain time.
#[derive(Clone, Debug)]
pub struct Disaster {
    /// The time of the disaster, from the start of the run.
    pub at: Duration,
    /// The kind of the disaster.
    pub kind: Kind,
}

/// The kind of a disaster.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A share of the calls to a service fails in this way, or is slow, for some seconds.
    Service {
        /// `dynamodb`, `kinesis` or `sqs`.
        service: &'static str,
        /// The code of the error, or one of `timeout`, `lost-answer` and `slow`.
        error: &'static str,
        /// The delay of a `slow` call in milliseconds, and 0 for every other error.
        milliseconds: u64,
        /// The share of the calls, from 0 to 1.
        rate: f64,
        /// The duration in seconds.
        seconds: u64,
    },
    /// A share of the calls to the facts stream goes wrong in this way for some seconds.
    FactsStream {
        /// The fault.
        fault: FactsStreamFault,
        /// The share of the calls from 0 to 100. Where entries fail, it is the share of the
        /// entries.
        percent: u32,
        /// The duration in seconds.
        seconds: u64,
    },
    /// Every invocation of the function that is in progress ends, at whatever `await` it is.
    Crash(Function),
    /// Within twenty seconds the function crashes at its next call that completes its work. The
    /// notifier crashes between a publish and its mark. The subscriber crashes when it commits a
    /// booking.
    CrashInTheMiddle(Function),
    /// Every invocation of the function is frozen for this long, as if its process was stopped.
    Freeze(Function, Duration),
    /// The function's poller is lost, and another poller goes on from the checkpoints of this long
    /// ago. The invocations that were in flight go on.
    Restart(Function, Duration),
    /// A second poller works for the same function for this long, from the same checkpoints.
    SecondPoller(Function, Duration),
    /// The stop switch disables the function's mapping for this long.
    Stop(Function, Duration),
    /// The n-th open shard of the intents takes nothing from the api for this long.
    HotShard(usize, Duration),
    /// The n-th open shard of the stream is split.
    Split(&'static str, usize),
    /// The n-th open shard of the stream and its neighbour are merged, if at least two shards are
    /// open.
    Merge(&'static str, usize),
}

/// A fault of calls to the facts stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsStreamFault {
    /// Entries of `PutRecords` fail, throttled or by an internal failure. The others are stored.
    Entries,
    /// There is no such stream.
    Away,
    /// The call takes effect and its answer is lost.
    LostAnswer,
    /// The call has no effect and no answer.
    Timeout,
    /// The call takes effect and is answered seconds later.
    Slow,
}

/// A function of the service, or of the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// The api.
    Api,
    /// The consumer.
    Consumer,
    /// The notifier.
    Notifier,
    /// The subscriber.
    Shipping,
}

impl Function {
    /// The function's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Consumer => "consumer",
            Self::Notifier => "notifier",
            Self::Shipping => "shipping",
        }
    }

    /// True for the functions of the facts' path.
    #[must_use]
    pub fn is_of_the_facts(self) -> bool {
        matches!(self, Self::Notifier | Self::Shipping)
    }
}

const ERRORS: [(&str, &[&str]); 3] = [
    (
        "dynamodb",
        &[
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "InternalServerError",
            "ServiceUnavailable",
            "AccessDeniedException",
            "ResourceNotFoundException",
            "kms-key-disabled",
            "KMSThrottlingException",
            "InvalidSignatureException",
            "ExpiredTokenException",
            "timeout",
            "lost-answer",
            "slow",
        ],
    ),
    (
        "kinesis",
        &[
            "ProvisionedThroughputExceededException",
            "InternalFailure",
            "AccessDeniedException",
            "KMSThrottlingException",
            "InvalidSignatureException",
            "ExpiredTokenException",
            "timeout",
            "lost-answer",
            "slow",
        ],
    ),
    (
        "sqs",
        &[
            "RequestThrottled",
            "ServiceUnavailable",
            "AccessDeniedException",
            "timeout",
            "lost-answer",
        ],
    ),
];

/// An age that no checkpoint has. A poller that goes on from there reads its stream from the oldest
/// record.
const BEFORE_THE_RUN: Duration = Duration::from_hours(1);

/// The disasters begin within this time. The clients make most of their calls within it too.
const SPAN: Duration = Duration::from_secs(60);

/// One run in this many has the facts' path. A run with the path takes twice as long.
const RUNS_PER_FACTS_PATH: u64 = 3;

impl Plan {
    /// Makes the plan of a seed. The plan has at least 50 calls that write, and at least 10
    /// disasters. One seed in eight has one outage of the table in place of the disasters, and the
    /// functions have to ride out that outage. One seed in three has the facts' path, with
    /// disasters of its own.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let is_within_budget = random.u32(0..8) == 0;
        let mut pipeline = pipeline(random);
        let mut clients = clients(random, is_within_budget);
        let mut disasters = if is_within_budget {
            let mut disasters = vec![outage_within_budget(random, &pipeline)];
            disasters.extend(escapable(random, &pipeline));
            disasters
        } else {
            (0..random.usize(10..18))
                .map(|_| disaster(random))
                .collect()
        };
        if seed.is_multiple_of(RUNS_PER_FACTS_PATH) {
            pipeline.facts = Some(facts_path(random, &pipeline, is_within_budget));
            if !is_within_budget {
                disasters.extend((0..random.usize(6..12)).map(|_| facts_disaster(random)));
            }
        }
        disasters.sort_by_key(|disaster| disaster.at);
        add_batches(&mut clients, seed);
        Self {
            seed,
            pipeline,
            clients,
            disasters,
            is_within_budget,
            mutant: None,
        }
    }

    /// The same plan with a mistake in the service.
    #[must_use]
    pub fn with(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }
}

fn pipeline(random: &mut Rng) -> Pipeline {
    Pipeline {
        shards: random.u32(1..=3),
        consumer: mapped_function(random),
        max_in_flight: random.usize(1..=8),
        escapes: random.u32(0..4) != 0,
        api_clocks: (0..random.usize(1..=3))
            .map(|_| random.i64(-5_000..=5_000))
            .collect(),
        facts: None,
    }
}

fn mapped_function(random: &mut Rng) -> MappedFunction {
    MappedFunction {
        batch_size: random.u32(1..=20),
        window_seconds: if random.bool() { 0 } else { 1 },
        parallelization_factor: if random.bool() { 1 } else { random.u32(2..=4) },
        retries: random.i64(1..=5),
        bisect: random.u32(0..4) != 0,
        timeout: Duration::from_secs(random.u64(2..=10)),
        first_record_failed: match random.u32(0..3) {
            0 => FirstRecordFailed::RetryWhole,
            1 => FirstRecordFailed::Halve,
            _ => FirstRecordFailed::Isolate,
        },
        neighbouring_discards: match random.bool() {
            true => NeighbouringDiscards::Separate,
            false => NeighbouringDiscards::Merged,
        },
        retry_backoff: Backoff {
            base: Duration::from_millis(random.u64(100..=2_000)),
            cap: Duration::from_secs(random.u64(2..=60)),
        },
        poll_interval: Duration::from_millis(random.u64(200..=1_000)),
        read_limit: [10, 100, 10_000][random.usize(0..3)],
        arrival_decimals: match random.bool() {
            true => ArrivalDecimals::Three,
            false => ArrivalDecimals::Six,
        },
    }
}

/// The facts' path. Where nothing may be discarded, both functions ride out at least what the
/// consumer rides out. Otherwise they have few retries, so that discards happen.
fn facts_path(random: &mut Rng, pipeline: &Pipeline, is_within_budget: bool) -> FactsPath {
    let function = |random: &mut Rng| {
        let mut function = mapped_function(random);
        // With a longer window a batch has more changes, also several of one order.
        function.window_seconds = [0, 1, 5][random.usize(0..3)];
        function.read_limit = function.read_limit.min(1_000);
        if is_within_budget {
            function.timeout = function.timeout.max(pipeline.consumer.timeout);
            function.retries = function.retries.max(pipeline.consumer.retries) + 2;
        } else {
            function.retries = random.i64(0..=3);
        }
        function
    };
    let mut facts = FactsPath {
        notifier: function(random),
        shipping: function(random),
        shards: random.u32(1..=3),
        shipping_clocks: (0..random.usize(1..=3))
            .map(|_| random.i64(-500..=500))
            .collect(),
    };
    // A booking is not begun in the last 2.25 s before the deadline.
    facts.shipping.timeout += Duration::from_secs(3);
    facts
}

fn clients(random: &mut Rng, sound_only: bool) -> Vec<Client> {
    let count = random.usize(5..=9);
    let mut clients: Vec<Client> = (0..count)
        .map(|number| {
            let calls = (0..random.usize(8..=14)).map(|_| {
                let pause = Duration::from_millis(random.u64(0..8_000));
                (pause, call(random, sound_only))
            });
            Client {
                // Some clients share a name, because one caller may have several processes.
                name: format!("caller-{}", number % 6),
                calls: calls.collect(),
            }
        })
        .collect();
    if random.u32(0..4) == 0 {
        // One client submits more different orders under one key than a row can record as
        // conflicts.
        let at = random.usize(0..clients.len());
        let quarrel = (0..14).map(|content| {
            let pause = Duration::from_millis(random.u64(0..1_000));
            let call = Call::Keyed {
                key: 0,
                content,
                wavers: false,
            };
            (pause, call)
        });
        clients[at].calls.extend(quarrel);
    }
    let writes = |clients: &[Client]| {
        let calls = clients.iter().flat_map(|client| &client.calls);
        calls.filter(|(_, call)| call.writes()).count()
    };
    while writes(&clients) < 50 {
        let at = random.usize(0..clients.len());
        let call = Call::Unkeyed {
            content: random.u32(0..3),
        };
        clients[at]
            .calls
            .push((Duration::from_millis(random.u64(0..3_000)), call));
    }
    clients
}

fn call(random: &mut Rng, sound_only: bool) -> Call {
    let content = random.u32(0..3);
    match random.u32(0..20) {
        0..=7 => Call::Keyed {
            // The first key is used more often than the others.
            key: random.u32(0..4) * random.u32(0..2),
            // The content is mostly number 0, because another content under the same key is a
            // conflict.
            content: if random.u32(0..6) == 0 { content } else { 0 },
            wavers: random.u32(0..4) == 0,
        },
        8..=12 => Call::Unkeyed { content },
        13..=15 => Call::Cancel(random.usize(0..1_000)),
        16..=17 => Call::Read(random.usize(0..1_000)),
        18 if !sound_only => Call::Poison(random.u32(0..9)),
        _ => Call::Producer { content },
    }
}

fn outage_within_budget(random: &mut Rng, pipeline: &Pipeline) -> Disaster {
    let errors = [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "InternalServerError",
        "ServiceUnavailable",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "kms-key-disabled",
        "KMSThrottlingException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "timeout",
    ];
    let error = errors[random.usize(0..errors.len())];
    // A call without an answer may wait until its invocation is over, although the outage may have
    // ended before. So one invocation does not count.
    let tries = pipeline.consumer.retries + i64::from(error != "timeout");
    let tries = u64::try_from(tries).unwrap_or(1);
    let budget = (pipeline.consumer.timeout - Duration::from_millis(500)).as_secs() * tries;
    Disaster {
        at: Duration::from_millis(random.u64(0..30_000)),
        kind: Kind::Service {
            service: "dynamodb",
            error,
            milliseconds: 0,
            rate: [0.5, 0.9, 1.0, 1.0][random.usize(0..4)],
            seconds: random.u64(1..=budget),
        },
    }
}

/// A hot shard that costs no order, if the plan has an escape from it. All shards are alike, so the
/// place across is in another shard.
fn escapable(random: &mut Rng, pipeline: &Pipeline) -> Option<Disaster> {
    (pipeline.escapes && pipeline.shards > 1).then(|| Disaster {
        at: moment(random),
        kind: Kind::HotShard(random.usize(0..8), pause(random, 30)),
    })
}

fn pause(random: &mut Rng, seconds: u64) -> Duration {
    Duration::from_millis(random.u64(10..seconds * 1_000))
}

/// The time of a disaster.
fn moment(random: &mut Rng) -> Duration {
    Duration::from_millis(random.u64(0..u64::try_from(SPAN.as_millis()).unwrap_or(0)))
}

fn disaster(random: &mut Rng) -> Disaster {
    let function = |random: &mut Rng| {
        if random.bool() {
            Function::Api
        } else {
            Function::Consumer
        }
    };
    let kind = match random.u32(0..22) {
        0..=9 => {
            let (service, errors) = ERRORS[random.usize(0..ERRORS.len())];
            let error = errors[random.usize(0..errors.len())];
            Kind::Service {
                service,
                error,
                milliseconds: if error == "slow" {
                    random.u64(50..4_000)
                } else {
                    0
                },
                rate: [0.1, 0.3, 0.6, 1.0][random.usize(0..4)],
                seconds: random.u64(1..=12),
            }
        }
        10..=12 => Kind::Crash(function(random)),
        13..=14 => Kind::Freeze(function(random), pause(random, 15)),
        15 => Kind::Restart(Function::Consumer, pause(random, 20)),
        16 => Kind::SecondPoller(Function::Consumer, pause(random, 20)),
        17 => Kind::Stop(Function::Consumer, pause(random, 20)),
        18 => Kind::Split(STREAM, random.usize(0..8)),
        19..=20 => Kind::HotShard(random.usize(0..8), pause(random, 20)),
        _ => Kind::Merge(STREAM, random.usize(0..8)),
    };
    Disaster {
        at: moment(random),
        kind,
    }
}

/// A disaster of the facts' path.
fn facts_disaster(random: &mut Rng) -> Disaster {
    let function = if random.bool() {
        Function::Notifier
    } else {
        Function::Shipping
    };
    let kind = match random.u32(0..20) {
        0..=2 => Kind::FactsStream {
            fault: FactsStreamFault::Entries,
            percent: [10, 30, 60][random.usize(0..3)],
            seconds: random.u64(1..=20),
        },
        3..=6 => Kind::FactsStream {
            fault: match random.u32(0..4) {
                0 => FactsStreamFault::Away,
                1 => FactsStreamFault::LostAnswer,
                2 => FactsStreamFault::Timeout,
                _ => FactsStreamFault::Slow,
            },
            percent: [10, 30, 60, 100][random.usize(0..4)],
            seconds: random.u64(1..=20),
        },
        7..=9 => Kind::CrashInTheMiddle(function),
        10..=11 => Kind::Crash(function),
        12..=13 => Kind::Freeze(function, pause(random, 15)),
        14 => Kind::Restart(function, pause(random, 20)),
        15 => Kind::Restart(function, BEFORE_THE_RUN),
        16 => Kind::SecondPoller(function, pause(random, 20)),
        17 => Kind::Stop(function, pause(random, 20)),
        18 => Kind::Split(FACTS_STREAM, random.usize(0..8)),
        _ => Kind::Merge(FACTS_STREAM, random.usize(0..8)),
    };
    Disaster {
        at: moment(random),
        kind,
    }
}
