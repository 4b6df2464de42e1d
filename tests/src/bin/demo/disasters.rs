//! The disasters that happen while the orders are sent.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::json;
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
    FactsOutage,
    LostAnswers,
    /// This number of processes of this function is killed.
    Kill(&'static str, usize),
}

impl Disaster {
    fn happens(self) -> String {
        match self {
            Self::Poison(number) => {
                format!(
                    "a record that is not an intent is put into the stream ({number} of {POISON})"
                )
            }
            Self::Outage => {
                format!("the table of orders refuses every call for {OUTAGE_SECONDS} s")
            }
            Self::FactsOutage => {
                format!("the stream of facts refuses every call for {OUTAGE_SECONDS} s")
            }
            Self::LostAnswers => {
                format!(
                    "half of the answers of the stream of facts are lost for {OUTAGE_SECONDS} s"
                )
            }
            Self::Kill(function, count) => {
                format!("every process of the function {function} is killed (kill -9): {count}")
            }
        }
    }

    fn happened(self, refused: &Refused) -> String {
        match self {
            Self::Poison(number) => {
                format!(
                    "a record that is not an intent was put into the stream ({number} of {POISON})"
                )
            }
            Self::Outage => format!(
                "the table of orders refused every call for {OUTAGE_SECONDS} s: {} calls were refused",
                refused.by_table
            ),
            Self::FactsOutage => format!(
                "the stream of facts refused every call for {OUTAGE_SECONDS} s: {} calls were refused",
                refused.by_stream
            ),
            Self::LostAnswers => format!(
                "half of the answers of the stream of facts were lost for {OUTAGE_SECONDS} s: {} answers",
                refused.lost
            ),
            Self::Kill(function, count) => {
                format!("every process of the function {function} was killed (kill -9): {count}")
            }
        }
    }
}

/// The number of calls that a fault was injected into.
#[derive(Clone, Copy)]
pub(crate) struct Refused {
    by_table: u64,
    by_stream: u64,
    /// Calls that took effect and were not answered.
    lost: u64,
}

impl Refused {
    /// The calls so far.
    pub(crate) async fn by(stack: &Stack) -> Self {
        let state = stack.state().await;
        let count = |service: &str, error: &str| {
            let mut hits = state["faults"]["hits"].as_array().into_iter().flatten();
            let hit = hits.find(|hit| hit["service"] == service && hit["error"] == error);
            hit.and_then(|hit| hit["calls"].as_u64())
                .unwrap_or_default()
        };
        Self {
            by_table: count("dynamodb", "ThrottlingException"),
            by_stream: count("kinesis", "InternalFailure"),
            lost: count("kinesis", "lost-answer"),
        }
    }

    /// The calls since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            by_table: self.by_table - before.by_table,
            by_stream: self.by_stream - before.by_stream,
            lost: self.lost - before.lost,
        }
    }
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

    pub(crate) fn account(&self, refused: Refused) {
        println!("\nThe disasters");
        let happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        for (after, disaster) in happened.iter() {
            said(*after, &disaster.happened(&refused));
        }
    }
}

fn said(after: Duration, what: &str) {
    let (seconds, tenth) = (after.as_secs(), after.subsec_millis() / 100);
    println!("  {seconds:>4}.{tenth} s  {what}");
}

/// Lets this share of the calls about a table or a stream go wrong for some seconds.
async fn fail(stack: &Stack, service: &str, resource: &str, error: &str, rate: f64) {
    let fault = json!({"service": service, "error": error, "rate": rate,
        "seconds": OUTAGE_SECONDS, "resource": resource});
    stack.inject(&fault).await;
}

/// Kills every process of a function.
async fn kill(stack: &Stack, disasters: &Disasters, function: &'static str) {
    // Just after a kill no process may exist, until the mapping tries again.
    let killed = eventually("a process to kill", || async {
        Some(stack.disturb(function, "kill").await).filter(|killed| *killed > 0)
    })
    .await;
    disasters.happens(Disaster::Kill(function, killed));
}

/// Lets the usual disasters happen.
pub(crate) async fn disturb(stack: &Stack, disasters: &Disasters) {
    let facts = stack.facts_stream();
    disasters.wait_for(5).await;
    fail(stack, "kinesis", facts, "InternalFailure", 1.0).await;
    disasters.happens(Disaster::FactsOutage);
    for number in 1..=POISON {
        disasters.wait_for(10 * number as u64).await;
        stack.put(&key(), format!("poison {number}")).await;
        disasters.happens(Disaster::Poison(number));
    }
    disasters.wait_for(40).await;
    fail(stack, "dynamodb", stack.table(), "ThrottlingException", 1.0).await;
    disasters.happens(Disaster::Outage);
    for (per_cent, function) in [
        (60, "consumer"),
        (70, "notifier"),
        (80, "shipping"),
        (90, "consumer"),
        (95, "notifier"),
    ] {
        disasters.wait_for(per_cent).await;
        if per_cent == 80 {
            fail(stack, "kinesis", facts, "lost-answer", 0.5).await;
            disasters.happens(Disaster::LostAnswers);
        }
        kill(stack, disasters, function).await;
    }
}
