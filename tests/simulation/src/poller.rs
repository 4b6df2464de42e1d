//! Lambda's poller, which carries out the actions of the event source mapping in simulated time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_model::Aws;
use aws_model::event_source::DiscardQueue;
use event_source_mapping::{
    Action, Checkpoint, Completion, Event, Fetch, Invocation, Mapping, SequenceNumber, ShardId,
    Timestamp,
};
use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::lambda::{End, Lambda};
use crate::laws::Laws;
use crate::plan::Function;
use crate::source::Source;
use crate::switch::Switch;

/// The time from one listing of the shards to the next.
const LISTING: Duration = Duration::from_secs(2);

/// A poller of a stream.
pub(crate) struct Poller {
    pub(crate) aws: Aws,
    pub(crate) source: Source,
    /// The function that is invoked.
    pub(crate) function: Function,
    /// The URL of the queue that is told of discards.
    pub(crate) queue_url: String,
    pub(crate) lambda: Rc<Lambda>,
    pub(crate) laws: Laws,
    pub(crate) random: Arc<Mutex<Rng>>,
    pub(crate) mapping: RefCell<Mapping>,
    /// The stop switch.
    pub(crate) enabled: Rc<Switch>,
    /// The checkpoints at each second of the run, with their times.
    pub(crate) history: RefCell<Vec<(Instant, BTreeMap<ShardId, Checkpoint>)>>,
    /// The keys of the batches that are in flight.
    pub(crate) in_flight: RefCell<BTreeSet<String>>,
    /// The records of each key that have begun, in all shards. A key's records in a child shard
    /// come after its records in the parent shards.
    pub(crate) started: RefCell<BTreeMap<String, BTreeSet<SequenceNumber>>>,
    /// The name of the poller in the trace.
    pub(crate) name: String,
}

impl Poller {
    /// Another poller of the same stream, for the same function.
    pub(crate) fn another(&self, mapping: Mapping, number: &str) -> Rc<Self> {
        Rc::new(Self {
            aws: self.aws.clone(),
            source: self.source.clone(),
            function: self.function,
            queue_url: self.queue_url.clone(),
            lambda: Rc::clone(&self.lambda),
            laws: self.laws.clone(),
            random: Arc::clone(&self.random),
            mapping: RefCell::new(mapping),
            enabled: Rc::clone(&self.enabled),
            history: RefCell::default(),
            in_flight: RefCell::default(),
            started: RefCell::default(),
            name: format!("{}{number}", self.function.name()),
        })
    }

    /// Polls until the future is dropped. The invocations that are in flight then go on, but no
    /// poller learns their results.
    pub(crate) async fn run(self: Rc<Self>) {
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut list_at = Instant::now();
        let mut event = self.listing();
        loop {
            let now = self.now();
            let step = self.mapping.borrow_mut().handle(now, event);
            for happened in &step.occurrences {
                self.laws
                    .trace
                    .line(format_args!("{:<8} {happened:?}", self.name));
            }
            self.remember_checkpoints();
            for action in step.actions {
                match action {
                    Action::Fetch(fetch) => {
                        let _ = answers.send(self.fetch(fetch));
                    }
                    Action::Invoke(invocation) => {
                        let keys = self.begins(&invocation);
                        let (poller, answers) = (Rc::clone(&self), answers.clone());
                        tokio::task::spawn_local(async move {
                            let event = poller.invoke(invocation).await;
                            for key in &keys {
                                poller.in_flight.borrow_mut().remove(key);
                            }
                            let _ = answers.send(event);
                        });
                    }
                    Action::Discard(discard) => {
                        let queue = DiscardQueue::new(self.aws.clone(), &*self.queue_url);
                        let answers = answers.clone();
                        tokio::task::spawn_local(async move {
                            sleep(Duration::from_millis(20)).await;
                            let _ = answers.send(queue.deliver(discard).await);
                        });
                    }
                }
            }
            // The switch may have been turned while another event was ready.
            let switch = self.enabled.is_on();
            if switch != self.mapping.borrow().options().enabled {
                event = match switch {
                    true => Event::Enable,
                    false => Event::Disable,
                };
                continue;
            }
            let wake_at = step.wake_at.map(|at| Instant::now() + at.since(now));
            event = tokio::select! {
                biased;
                Some(answer) = answered.recv() => answer,
                () = self.enabled.turned() => Event::Wake,
                () = sleep_until(list_at) => {
                    list_at = Instant::now() + LISTING;
                    self.listing()
                }
                () = sleep_until(wake_at.unwrap_or(list_at)) => Event::Wake,
            };
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.aws.clock().now_millis())
    }

    fn listing(&self) -> Event {
        self.source.list()
    }

    fn remember_checkpoints(&self) {
        let mut history = self.history.borrow_mut();
        let last = history.last().map(|(at, _)| *at);
        if last.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            history.push((Instant::now(), self.mapping.borrow().checkpoints()));
        }
    }

    /// Notes that an invocation begins, and returns the keys of its batch. A law is broken if one
    /// of the keys is in flight already. A law is also broken if a record begins for the first time
    /// after a later record of its key.
    fn begins(&self, invocation: &Invocation) -> Vec<String> {
        let batch = invocation.batch();
        let records = batch.records();
        self.laws.trace.line(format_args!(
            "{:<8} invokes with {} records of {}, attempt {}",
            self.name,
            records.len(),
            batch.shard_id(),
            invocation.attempt()
        ));
        let keys: BTreeSet<String> = records
            .iter()
            .map(|record| {
                self.source
                    .key_in(batch.shard_id().as_str(), &record.partition_key)
            })
            .collect();
        let mut in_flight = self.in_flight.borrow_mut();
        for key in &keys {
            if !in_flight.insert(key.clone()) {
                self.laws.broken("a key is in flight once", key);
            }
        }
        let mut started = self.started.borrow_mut();
        for record in records {
            let key = self
                .source
                .key_in(batch.shard_id().as_str(), &record.partition_key);
            let before = started.entry(key.clone()).or_default();
            let is_late = before
                .last()
                .is_some_and(|last| record.sequence_number < *last);
            if is_late && !before.contains(&record.sequence_number) {
                self.laws
                    .broken("a key's records begin in their sequence", key);
            }
            before.insert(record.sequence_number.clone());
        }
        keys.into_iter().collect()
    }

    fn fetch(&self, fetch: Fetch) -> Event {
        if self.random.lock().unwrap().u32(0..50) == 0 {
            self.count("poller: read failed");
            return fetch.failed();
        }
        self.source.read(fetch)
    }

    async fn invoke(&self, invocation: Invocation) -> Event {
        let (delay, is_refused) = {
            let mut random = self.random.lock().unwrap();
            (
                Duration::from_millis(random.u64(1..50)),
                random.u32(0..40) == 0,
            )
        };
        sleep(delay).await;
        let request_id = format!("invocation-{}", invocation.id());
        if is_refused {
            self.count("invoke refused");
            return invocation.finished(request_id, Completion::NotInvoked);
        }
        let event = invocation.payload();
        let completion = match self.lambda.invoke(self.function, &event).await {
            End::Returned(Some(response)) => Completion::Returned(response),
            End::Returned(None) | End::Crashed => Completion::FunctionError,
            End::TimedOut => Completion::TimedOut,
        };
        invocation.finished(request_id, completion)
    }

    fn count(&self, what: &str) {
        self.laws
            .count(&format!("{} {what}", self.function.name()), 1);
    }
}
