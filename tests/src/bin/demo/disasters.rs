//! The disasters that happen while the orders are sent.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tests::output::progress;
use tests::{Stack, eventually, key};

use crate::{ORDERS, POISON};

const OUTAGE_SECONDS: u64 = 4;

/// A disaster. It is printed in the present tense while it happens, and in the past tense in the
/// end.
#[derive(Clone, Copy)]
enum Disaster {
    /// A poison record is put into the stream. The number counts the poison records so far, this
    /// one included.
    Poison(usize),
    Outage,
    /// This number of processes is killed.
    Kill(usize),
}

impl Disaster {
    fn happens(self) -> String {
        match self {
            Self::Poison(number) => {
                format!(
                    "a record that is not an intent is put into the stream ({number} of {POISON})"
                )
            }
            Self::Outage => format!("the table refuses every call for {OUTAGE_SECONDS} s"),
            Self::Kill(count) => {
                format!("every process of the consumer is killed (kill -9): {count}")
            }
        }
    }

    fn happened(self, refused: u64) -> String {
        match self {
            Self::Poison(number) => {
                format!(
                    "a record that is not an intent was put into the stream ({number} of {POISON})"
                )
            }
            Self::Outage => format!(
                "the table refused every call for {OUTAGE_SECONDS} s: {refused} calls were refused"
            ),
            Self::Kill(count) => {
                format!("every process of the consumer was killed (kill -9): {count}")
            }
        }
    }
}

/// The number of calls to the table that a fault was injected into so far.
pub(crate) async fn calls_refused(stack: &Stack) -> u64 {
    let state = stack.state().await;
    let hits = state["faults"]["hits"].as_array().into_iter().flatten();
    let of_the_table = hits.filter(|hit| hit["service"] == "dynamodb");
    of_the_table.filter_map(|hit| hit["calls"].as_u64()).sum()
}

/// The disasters so far. Each is printed while it happens, and again in the end.
pub(crate) struct Disasters {
    pub(crate) began: Instant,
    pub(crate) bar: ProgressBar,
    happened: Mutex<Vec<(Duration, Disaster)>>,
}

impl Disasters {
    pub(crate) fn new() -> Self {
        let bar = progress(
            ORDERS as u64,
            "{prefix:<11} [{bar:50}] {pos:>5}/{len} {msg}",
        );
        bar.set_prefix("submitting");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            began: Instant::now(),
            bar,
            happened: Mutex::default(),
        }
    }

    /// Waits until this many per cent of the orders are accepted.
    async fn wait_for(&self, per_cent: u64) {
        while self.bar.position() * 100 < per_cent * ORDERS as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn happens(&self, disaster: Disaster) {
        let after = self.began.elapsed();
        self.bar.suspend(|| said(after, &disaster.happens()));
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        happened.push((after, disaster));
    }

    pub(crate) fn account(&self, refused: u64) {
        println!("\nThe disasters");
        let happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        for (after, disaster) in happened.iter() {
            said(*after, &disaster.happened(refused));
        }
    }
}

fn said(after: Duration, what: &str) {
    let (seconds, tenth) = (after.as_secs(), after.subsec_millis() / 100);
    println!("  {seconds:>4}.{tenth} s  {what}");
}

/// Lets the usual disasters happen.
pub(crate) async fn disturb(stack: &Stack, disasters: &Disasters) {
    for number in 1..=POISON {
        disasters.wait_for(10 * number as u64).await;
        stack.put(&key(), format!("poison {number}")).await;
        disasters.happens(Disaster::Poison(number));
    }
    disasters.wait_for(40).await;
    let error = "ThrottlingException";
    stack.fault("dynamodb", error, OUTAGE_SECONDS).await;
    disasters.happens(Disaster::Outage);
    for per_cent in [60, 90] {
        disasters.wait_for(per_cent).await;
        // Just after a kill no process may exist, until the mapping tries again.
        let killed = eventually("a consumer to kill", || async {
            Some(stack.disturb("consumer", "kill").await).filter(|killed| *killed > 0)
        })
        .await;
        disasters.happens(Disaster::Kill(killed));
    }
}
