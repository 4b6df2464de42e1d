//! The latency of submits beside readers that wait, and without them. Both are measured in one run,
//! by turns, so that they meet the same machine.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use tests::output::progress;
use tests::{Audit, Clients, Stack, eventually, order};
use tokio::time::{Instant, sleep, sleep_until};

use crate::usage::{stolen, stolen_since};

/// The most that submit's p99 may grow while the readers wait, as a factor.
pub(crate) const LIMIT: f64 = 1.5;
/// The number of phases of each kind.
const ROUNDS: usize = 6;
/// The duration of a phase, in seconds. Within it the first readers are answered and ask again.
const PHASE: u64 = 8;
/// The seconds before the first phase. Their requests start processes, which should not be
/// measured.
const WARM_UP: u64 = 2;
/// The longest wait that a reader may ask for.
const WAIT: [(&str, &str); 1] = [("prefer", "wait=5")];
/// The time over which the readers begin. Each of them is answered about this long after it has
/// asked, so they keep their distance. Clients that know nothing of each other do not ask at once.
const BEGIN: Duration = Duration::from_secs(5);
/// An order that nobody submits.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const AT_ONCE: usize = 300;

/// The measurements.
pub(crate) struct Beside {
    /// The rate, in orders a second.
    pub(crate) rate: u64,
    pub(crate) without: Latencies,
    pub(crate) with: Latencies,
    /// How often the readers were answered with each status.
    pub(crate) readers: BTreeMap<u16, u64>,
    pub(crate) audit: Audit,
    /// The per cent of the processors that other machines of the host took meanwhile, where that is
    /// known.
    pub(crate) stolen: Option<u64>,
}

/// The times from when each submit was due until it was answered 202, of all phases of a kind.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Vec<Duration>>);

impl Latencies {
    /// All times, the shortest first.
    pub(crate) fn sorted(&self) -> Vec<Duration> {
        let mut all = self.0.concat();
        all.sort_unstable();
        all
    }

    /// The p99 of the phase whose p99 is the median of all phases. It shows the machine without the
    /// seconds in which it was away.
    fn median_phase(&self) -> Duration {
        let phases = self.0.iter().map(|phase| {
            let mut phase = phase.clone();
            phase.sort_unstable();
            p99(&phase)
        });
        let mut phases: Vec<Duration> = phases.collect();
        phases.sort_unstable();
        phases.get(phases.len() / 2).copied().unwrap_or_default()
    }
}

impl Beside {
    /// Submits orders at this rate, by turns with and without this many readers that wait at the
    /// same time. The reader's processes take eight of them, and the others wait for a process.
    pub(crate) async fn measure(rate: u64, count: u64) -> Self {
        let stack = Stack::start().await;
        let clients = Clients::of(&stack).await;
        let readers = Mutex::new(BTreeMap::new());
        beside_readers(&stack, count, &readers, submit(&clients, rate, WARM_UP)).await;
        readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let bar = progress(
            2 * ROUNDS as u64,
            "{prefix} [{bar:50}] {pos}/{len} {elapsed}",
        );
        bar.set_prefix("beside readers");
        let (mut with, mut without) = (Latencies::default(), Latencies::default());
        let processors = stolen();
        for round in 0..ROUNDS {
            // Of two kinds that follow each other, each is as often the first.
            for is_with in [round % 2 == 0, round % 2 == 1] {
                at_rest(&stack).await;
                let phase = submit(&clients, rate, PHASE);
                if is_with {
                    with.0
                        .push(beside_readers(&stack, count, &readers, phase).await);
                } else {
                    without.0.push(phase.await);
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let stolen = stolen_since(processors);
        stack.drained().await;
        Self {
            rate,
            without,
            with,
            readers: readers.into_inner().unwrap_or_else(PoisonError::into_inner),
            audit: clients.audit().await,
            stolen,
        }
    }

    /// By what factor submit's p99 grows while the readers wait, over all submits.
    pub(crate) fn ratio(&self) -> f64 {
        ratio(p99(&self.with.sorted()), p99(&self.without.sorted()))
    }

    /// The same factor, of the median phase of each kind.
    pub(crate) fn ratio_of_median_phases(&self) -> f64 {
        ratio(self.with.median_phase(), self.without.median_phase())
    }

    /// The factor between two halves of the phases without readers, every second of which is in one
    /// half. If it is far above 1, the machine was busy with something else. The other factors of
    /// the run then say little about readers.
    pub(crate) fn noise(&self) -> f64 {
        let [even, odd] = [0, 1].map(|first| {
            let half = self.without.0.iter().skip(first).step_by(2);
            let mut half: Vec<Duration> = half.flatten().copied().collect();
            half.sort_unstable();
            p99(&half)
        });
        ratio(even.max(odd), even.min(odd))
    }
}

/// Submits orders at this rate a second for these seconds. Returns the times of the accepted ones.
async fn submit(clients: &Clients<'_>, rate: u64, seconds: u64) -> Vec<Duration> {
    let began = Instant::now();
    let due = |number: u64| began + Duration::from_micros(number * 1_000_000 / rate);
    let calls = stream::iter(0..rate * seconds).map(async |number| {
        sleep_until(due(number)).await;
        let content = order(usize::try_from(number).unwrap_or_default());
        let response = clients.submit(None, &content).await;
        let took = due(number).elapsed();
        (response.status == 202).then_some(took)
    });
    let times = calls.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    times.into_iter().flatten().collect()
}

/// Waits until no mapping has anything to deliver. Otherwise a phase would also carry the work that
/// the phase before has left behind the stream.
async fn at_rest(stack: &Stack) {
    const LOOKS: usize = 5;
    const PAUSE: Duration = Duration::from_millis(100);

    stack.drained().await;
    // What one mapping has delivered soon occupies the next one, so one look is not enough.
    let mut quiet = 0;
    while quiet < LOOKS {
        sleep(PAUSE).await;
        let state = stack.state().await;
        let mappings = state["mappings"].as_object();
        let mappings = mappings.into_iter().flat_map(Map::values);
        let mut shards =
            mappings.flat_map(|mapping| mapping["shards"].as_array().into_iter().flatten());
        let is_quiet =
            shards.all(|shard| shard["in_flight"] == json!([]) && shard["unfinished_records"] == 0);
        quiet = if is_quiet { quiet + 1 } else { 0 };
    }
}

/// Does `phase` while readers wait, and returns when the last of them is gone.
async fn beside_readers<T>(
    stack: &Stack,
    count: u64,
    answers: &Mutex<BTreeMap<u16, u64>>,
    phase: impl Future<Output = T>,
) -> T {
    let step = BEGIN / u32::try_from(count).unwrap_or(u32::MAX);
    let numbers = 0..u32::try_from(count).unwrap_or(u32::MAX);
    let readers = join_all(numbers.map(async |number| {
        sleep(step * number).await;
        keep_reading(stack, answers).await
    }));
    let done = async {
        sleep(BEGIN).await;
        eventually("a full set of waiting readers", || async {
            let [busy, all] = processes(&stack.state().await);
            (busy == all && all == FULL_SET).then_some(())
        })
        .await;
        phase.await
    };
    let result = tokio::select! {
        result = done => result,
        mut never = readers => match never.remove(0) {},
    };
    // The readers that a process works for wait for the rest of their five seconds.
    eventually("the end of the waiting readers", || async {
        let [busy, _] = processes(&stack.state().await);
        (busy == 0).then_some(())
    })
    .await;
    result
}

async fn keep_reading(stack: &Stack, answers: &Mutex<BTreeMap<u16, u64>>) -> Infallible {
    loop {
        let status = stack.read(UNKNOWN, &WAIT).await.status;
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(status).or_default() += 1;
    }
}

/// The most processes of one function.
const FULL_SET: usize = 8;

/// How many of the reader's processes are busy, and how many there are.
fn processes(state: &Value) -> [usize; 2] {
    let processes = state["functions"]["reader"]["processes"].as_array();
    let processes = processes.map(Vec::as_slice).unwrap_or_default();
    let busy = processes.iter().filter(|process| process["busy"] == true);
    [busy.count(), processes.len()]
}

fn p99(sorted: &[Duration]) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * 99 / 100).copied().unwrap_or_default()
}

#[expect(
    clippy::float_arithmetic,
    reason = "a ratio for a person to read, and for a limit with two digits"
)]
fn ratio(with: Duration, without: Duration) -> f64 {
    with.as_secs_f64() / without.as_secs_f64().max(f64::MIN_POSITIVE)
}
