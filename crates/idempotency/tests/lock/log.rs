//! The lines of the log, with their levels. A key appears as its hash.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotency::{Failure, Lease, LeaseOptions, Settled};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;

use crate::world::{PAYLOAD, World, key};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Captures what this thread logs, for as long as the guard lives.
    fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines of this crate since this was last asked, each as its level and message.
    fn lines(&self) -> Vec<(String, String)> {
        let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
        assert!(!text.contains("order-7"), "{text}");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ours = lines.filter(|line| {
            let target = line["target"].as_str().unwrap();
            target.starts_with("idempotency")
        });
        ours.map(|line| {
            let fields = &line["fields"];
            // A line that is about the options has no key.
            if fields.get("table").is_none() {
                assert_eq!(fields["key"], key().to_string(), "{line}");
            }
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&line["level"]), text(&fields["message"]))
        })
        .collect()
    }
}

/// A line as the guide has it.
fn line(level: &str, message: &str) -> (String, String) {
    let row = format!("| {level} | {message} |");
    assert!(include_str!("../../guide.md").contains(&row), "{row}");
    (level.to_owned(), message.to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_keeps_work_from_being_done_is_logged() {
    let (log, _guard) = Log::capture();
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    let lease = one.lease().await;
    let _ = other.begin().await;
    assert_eq!(log.lines(), [line("INFO", "somebody else has the lease")]);
    let _ = other.once("6 EUR", async |_| Ok(String::new())).await;
    let mismatch = line("WARN", "another payload came under a key that is in use");
    assert_eq!(log.lines(), [mismatch]);
    assert_eq!(lease.complete("done").await, Settled::Done);
    assert_eq!(log.lines(), []);
    let _ = other.begin().await;
    assert_eq!(log.lines(), [line("DEBUG", "settled before")]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_is_logged_by_who_lost_it_and_by_who_took_it_over() {
    let (log, _guard) = Log::capture();
    let world = World::new();
    let (one, other) = (world.holder(), world.holder());
    let lost = one.lease().await;
    other.set_clock(31_000);
    let held = other.lease().await;
    let takeover = line("WARN", "took over a lease that was left behind");
    assert_eq!(log.lines(), [takeover]);
    let loss = || {
        line(
            "WARN",
            "the lease was lost: somebody else has taken it over",
        )
    };
    assert_eq!(lost.renew(Duration::from_secs(1)).await, Settled::LeaseLost);
    assert_eq!(log.lines(), [loss()]);
    let _ = lost.commit_with(vec![], "mine").await;
    assert_eq!(log.lines(), [loss()]);
    drop(held);
    let left = line("WARN", "a lease was left behind: it ends by itself");
    assert_eq!(log.lines(), [left]);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_goes_unanswered_and_work_that_is_cut_off_are_logged() {
    let (log, _guard) = Log::capture();
    let world = World::new();
    let holder = world.holder();
    let work = async |_: &Lease| {
        world.fault("timeout", 600);
        Ok("done".to_owned())
    };
    let _ = holder.once(PAYLOAD, work).await;
    let unconfirmed = line("WARN", "it is not known whether the lease was written");
    assert_eq!(log.lines(), [unconfirmed]);
    world.aws.faults().clear();
    tokio::time::advance(Duration::from_secs(31)).await;
    let pending = async |_: &_| std::future::pending().await;
    let _ = holder.once(PAYLOAD, pending).await;
    let cut_off = line("WARN", "the work was cut off: time is up");
    assert_eq!(log.lines()[1..], [cut_off]);
}

#[tokio::test(start_paused = true)]
async fn work_logs_within_the_span_of_its_lease() {
    let (log, _guard) = Log::capture();
    let world = World::new();
    let work = async |_: &Lease| -> Result<String, Failure<String>> {
        tokio::task::yield_now().await;
        tracing::info!("charged");
        Ok(String::new())
    };
    let _ = world.holder().once(PAYLOAD, work).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let charged = text.lines().find(|line| line.contains("charged")).unwrap();
    let charged: Value = serde_json::from_str(charged).unwrap();
    let span = serde_json::json!({"name": "lease", "key": key().to_string(), "takeovers": 0});
    assert_eq!(charged["span"], span);
}

#[tokio::test(start_paused = true)]
async fn options_that_leave_no_time_are_logged_once() {
    let (log, _guard) = Log::capture();
    let world = World::new();
    let holder = world.holder_with(LeaseOptions::default().reserve(Duration::from_secs(1)));
    for _ in 0..3 {
        let begin = holder.begin_within(Duration::from_secs(1)).await;
        assert!(begin.is_err());
    }
    let message = "the lease options leave no time for work in an invocation of this length";
    assert_eq!(log.lines(), [line("WARN", message)]);
    // An invocation that is nearly over is not the options' fault.
    let holder = world.holder();
    let begin = holder.begin_within(Duration::from_millis(100)).await;
    assert!(begin.is_err());
    assert_eq!(log.lines(), []);
}
