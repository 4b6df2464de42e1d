//! A run at a steady rate, and the measurements of the run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tests::output::{broken, progress};
use tests::{Audit, Clients, Stack, order};
use tokio::time::{Instant, sleep, sleep_until};

use crate::usage::{stolen, stolen_since};

/// One order in this many is read until it is there.
const READ: u64 = 10;
/// The pause between two reads of such an order. The pause keeps reading from taking much of the
/// machine.
const READ_EVERY: Duration = Duration::from_millis(20);
/// The most requests under way, reads among them. The number is below the front door's number of
/// connections, because the front door closes connections beyond that number.
const AT_ONCE: usize = 300;

/// The measurements of a run.
pub(crate) struct Run {
    pub(crate) audit: Audit,
    /// The times from when each request was due until it was answered 202, the shortest time first.
    pub(crate) acknowledged: Vec<Duration>,
    /// The same times, by the second in which the request was due.
    by_second: BTreeMap<u64, Vec<Duration>>,
    /// The times from the 202 of an order until the order could be read, the shortest time first.
    pub(crate) readable: Vec<Duration>,
    /// The per cent of the processors that other machines of the host took meanwhile, where that is
    /// known.
    pub(crate) stolen: Option<u64>,
}

impl Run {
    /// Sends orders at this rate a second for these seconds, and waits until they are worked off.
    pub(crate) async fn of(stack: &Stack, rate: u64, seconds: u64) -> Self {
        let clients = Clients::of(stack).await;
        let seen = Mutex::new(Seen::default());
        let note = |what: &dyn Fn(&mut Seen)| {
            what(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        };
        let template = "{prefix:<8} [{bar:50}] {pos}/{len} {elapsed}";
        let bar = progress(rate * seconds, template).with_prefix(format!("{rate}/s"));
        let (began, processors) = (Instant::now(), stolen());
        let due = |number: u64| began + Duration::from_micros(number * 1_000_000 / rate);
        let calls = stream::iter(0..rate * seconds).map(async |number| {
            sleep_until(due(number)).await;
            let content = order(usize::try_from(number).unwrap_or_default());
            let response = clients.submit(None, &content).await;
            let answered = Instant::now();
            bar.inc(1);
            if response.status != 202 {
                return;
            }
            let second = (number / rate, answered - due(number));
            note(&|seen| seen.acknowledged.push(second));
            if number % READ == 0 {
                while stack.read(response.text("order_id"), &[]).await.status != 200 {
                    sleep(READ_EVERY).await;
                }
                let after = answered.elapsed();
                note(&|seen| seen.readable.push(after));
            }
        });
        calls.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        bar.finish_and_clear();
        let stolen = stolen_since(processors);
        stack.drained().await;
        let Seen {
            acknowledged,
            mut readable,
        } = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut by_second = BTreeMap::<u64, Vec<Duration>>::new();
        for (second, time) in &acknowledged {
            by_second.entry(*second).or_default().push(*time);
        }
        let mut acknowledged: Vec<Duration> =
            acknowledged.into_iter().map(|(_, time)| time).collect();
        acknowledged.sort_unstable();
        readable.sort_unstable();
        Self {
            audit: clients.audit().await,
            acknowledged,
            by_second,
            readable,
            stolen,
        }
    }

    /// True if every request was accepted in time.
    pub(crate) fn is_held(&self) -> bool {
        let late = self.acknowledged.last().copied().unwrap_or_default();
        self.audit.unavailable == 0 && late <= Duration::from_secs(1)
    }

    /// The times of the second whose slowest requests are the median of all seconds. This second
    /// shows the machine without the seconds in which it was away.
    pub(crate) fn median_second(&self) -> Vec<Duration> {
        let mut seconds: Vec<Vec<Duration>> = self.by_second.values().cloned().collect();
        for second in &mut seconds {
            second.sort_unstable();
        }
        seconds.sort_unstable_by_key(|second| percentile(second, 99));
        let median = seconds.len() / 2;
        seconds.into_iter().nth(median).unwrap_or_default()
    }
}

/// True if nothing was lost or doubled. Otherwise each finding is printed.
pub(crate) fn breaks_no_promise(audit: &Audit) -> bool {
    let is_kept = audit.lost.is_empty() && audit.doubled.is_empty();
    if !is_kept {
        println!("{}", broken("THE PROMISE IS BROKEN"));
        for finding in audit.lost.iter().chain(&audit.doubled) {
            println!("  {finding}");
        }
    }
    is_kept
}

/// The times that are taken during a run.
#[derive(Default)]
struct Seen {
    /// Each time has the second in which its request was due.
    acknowledged: Vec<(u64, Duration)>,
    readable: Vec<Duration>,
}

/// A percentile of times, the shortest first, in milliseconds.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> u128 {
    match sorted.len() {
        0 => 0,
        count => sorted[(count - 1) * percent / 100].as_millis(),
    }
}
