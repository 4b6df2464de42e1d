//! What a seed decides, as data: a plan can be printed, run again, and cut down to what it takes to
//! fail.

use std::time::Duration;

use event_source_mapping::{ArrivalDecimals, Backoff, FirstRecordFailed, NeighbouringDiscards};
use fastrand::Rng;

use crate::mutant::Mutant;

/// A run, before it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides all that the plan does not say: ids, jitter, how long each call takes.
    pub seed: u64,
    /// The stream, the mapping and the functions.
    pub pipeline: Pipeline,
    /// Who calls.
    pub clients: Vec<Client>,
    /// What goes wrong.
    pub disasters: Vec<Disaster>,
    /// True if the disasters are such that nothing may be discarded: one outage of the table within
    /// the budget, and no poison.
    pub is_within_budget: bool,
    /// A mistake to be found.
    pub mutant: Option<Mutant>,
}

/// The stream, the mapping and the functions.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Shards at the start.
    pub shards: u32,
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
    /// The consumer's timeout.
    pub consumer_timeout: Duration,
    /// Writes at once.
    pub max_in_flight: usize,
    /// Execution environments of the api; each has a clock of its own that is off by so many
    /// milliseconds.
    pub api_clocks: Vec<i64>,
    /// The assumption about AWS when the first record of a batch failed.
    pub first_record_failed: FirstRecordFailed,
    /// The assumption about AWS when neighbours are discarded.
    pub neighbouring_discards: NeighbouringDiscards,
    /// The assumption about the pauses between retries: the first of them, each twice the one
    /// before, and the longest.
    pub retry_backoff: Backoff,
    /// The assumption about the pause between two reads of a shard.
    pub poll_interval: Duration,
    /// The assumption about the most records in a read.
    pub read_limit: u32,
    /// The assumption about the time of arrival in an event.
    pub arrival_decimals: ArrivalDecimals,
}

/// A client: who it is and what it asks for, one thing after the other.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name as a caller.
    pub name: String,
    /// What it does, each after a pause.
    pub calls: Vec<(Duration, Call)>,
}

/// What a client, or somebody else who writes into the stream, does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Submits an order under the client's key of this number, with this content, until it knows
    /// the answer.
    Keyed {
        /// The key's number; clients use a number more than once.
        key: u32,
        /// The index of the content among several.
        content: u32,
        /// True if it cancels an order of unknown outcome before it submits it again.
        wavers: bool,
    },
    /// Submits an order without a key, and does not try again unless it was told that nothing was
    /// accepted.
    Unkeyed {
        /// The index of the content among several.
        content: u32,
    },
    /// Cancels an order: the n-th that a client was told of so far, whoever's it is.
    Cancel(usize),
    /// Reads an order: the n-th that a client was told of.
    Read(usize),
    /// Puts something into the stream that is no sound event, of one of nine kinds.
    Poison(u32),
    /// Puts an intent into the stream twice, as a producer does whose answer was lost; with
    /// attributes of a newer version.
    Producer {
        /// The index of the content among several.
        content: u32,
    },
}

impl Call {
    /// True if it leaves an intent in the stream, if all goes well.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Poison(_))
    }
}

impl Kind {
    /// The disaster's name for counting it; `None` for those of which not they but what they hit is
    /// counted.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Service { .. } | Self::Crash(_) | Self::Freeze(..) => None,
            Self::Restart(_) => Some("poller: lost, another from an old checkpoint"),
            Self::SecondPoller(_) => Some("poller: two at once"),
            Self::Stop(_) => Some("poller: stopped by the switch"),
            Self::Split(_) => Some("shards: split"),
            Self::Merge(_) => Some("shards: merged, or tried to where there was one"),
        }
    }
}

/// Something that goes wrong at a certain time.
#[derive(Clone, Debug)]
pub struct Disaster {
    /// When.
    pub at: Duration,
    /// What.
    pub kind: Kind,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A share of a service's calls fails this way for some seconds; `slow` with milliseconds.
    Service {
        /// `dynamodb`, `kinesis` or `sqs`.
        service: &'static str,
        /// The error's code, `timeout`, `lost-answer` or `slow`.
        error: &'static str,
        /// For `slow`.
        milliseconds: u64,
        /// The share, from 0 to 1.
        rate: f64,
        /// How long.
        seconds: u64,
    },
    /// Every invocation of the function under way ends, wherever it is.
    Crash(Function),
    /// Every process of the function stops for this long.
    Freeze(Function, Duration),
    /// The poller is lost, and another goes on from checkpoints of this long ago. What was in
    /// flight goes on.
    Restart(Duration),
    /// For this long a second poller works on the same stream from the same checkpoints.
    SecondPoller(Duration),
    /// The stop switch, for this long.
    Stop(Duration),
    /// An open shard is split.
    Split(usize),
    /// Two neighbouring shards are merged.
    Merge(usize),
}

/// A function of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The api.
    Api,
    /// The consumer.
    Consumer,
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

/// The disasters come within this time, and so does most of the work.
const SPAN: Duration = Duration::from_secs(60);

impl Plan {
    /// The plan of a seed: at least 50 calls that write and 10 disasters; or, for one seed in
    /// eight, one outage of the table that the consumer has to ride out.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let is_within_budget = random.u32(0..8) == 0;
        let pipeline = pipeline(random);
        let clients = clients(random, is_within_budget);
        let disasters = if is_within_budget {
            vec![outage_within_budget(random, &pipeline)]
        } else {
            let mut disasters: Vec<Disaster> = (0..random.usize(10..18))
                .map(|_| disaster(random))
                .collect();
            disasters.sort_by_key(|disaster| disaster.at);
            disasters
        };
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
        batch_size: random.u32(1..=20),
        window_seconds: if random.bool() { 0 } else { 1 },
        parallelization_factor: if random.bool() { 1 } else { random.u32(2..=4) },
        retries: random.i64(1..=5),
        bisect: random.u32(0..4) != 0,
        consumer_timeout: Duration::from_secs(random.u64(2..=10)),
        max_in_flight: random.usize(1..=8),
        api_clocks: (0..random.usize(1..=3))
            .map(|_| random.i64(-5_000..=5_000))
            .collect(),
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

fn clients(random: &mut Rng, sound_only: bool) -> Vec<Client> {
    let count = random.usize(5..=9);
    let mut clients: Vec<Client> = (0..count)
        .map(|number| {
            let calls = (0..random.usize(8..=14)).map(|_| {
                let pause = Duration::from_millis(random.u64(0..8_000));
                (pause, call(random, sound_only))
            });
            Client {
                // Some names are shared: one caller with several processes.
                name: format!("caller-{}", number % 6),
                calls: calls.collect(),
            }
        })
        .collect();
    if random.u32(0..4) == 0 {
        // More different orders under one key than a row has room for as conflicts.
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
            // The first key is hot.
            key: random.u32(0..4) * random.u32(0..2),
            // Mostly the content that belongs to the key: another one is a conflict.
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
    // A call that is not answered may wait until its invocation is over, although the outage is
    // not: that one does not count.
    let tries = pipeline.retries + i64::from(error != "timeout");
    let tries = u64::try_from(tries).unwrap_or(1);
    let budget = (pipeline.consumer_timeout - Duration::from_millis(500)).as_secs() * tries;
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

fn disaster(random: &mut Rng) -> Disaster {
    let pause =
        |random: &mut Rng, seconds: u64| Duration::from_millis(random.u64(10..seconds * 1_000));
    let function = |random: &mut Rng| {
        if random.bool() {
            Function::Api
        } else {
            Function::Consumer
        }
    };
    let kind = match random.u32(0..20) {
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
        15 => Kind::Restart(pause(random, 20)),
        16 => Kind::SecondPoller(pause(random, 20)),
        17 => Kind::Stop(pause(random, 20)),
        18 => Kind::Split(random.usize(0..8)),
        _ => Kind::Merge(random.usize(0..8)),
    };
    Disaster {
        at: Duration::from_millis(random.u64(0..u64::try_from(SPAN.as_millis()).unwrap_or(0))),
        kind,
    }
}
