//! The notifier's and the subscriber's execution environments, and their invocations.

use std::time::SystemTime;

use idempotency::{LeaseOptions, LeaseTable};
use keyed_batch::{ChangeKind, DynamoDbEvent, DynamoDbRecord, KinesisEvent, Limits};
use notifier::{Announcements, FactsStream, Notifier, announced_by};
use orders::FactEvent;
use orders_table::client_for_writes;
use shipping::Shipping;
use tokio::time::Instant;

use crate::lambda::{AddSigned, End, Lambda, failures_of, time_since};
use crate::mutant::Mutant;
use crate::plan::{FactsPath, Function};
use crate::resources::{ANNOUNCEMENTS, FACTS_STREAM, LOCKS, SHIPMENTS};

/// An environment of the notifier. Stream and table are those of the notifier, for mistakes that
/// call them past it.
pub(crate) struct NotifierEnvironment {
    name: String,
    notifier: Notifier,
    stream: FactsStream,
    announcements: Announcements,
}

impl Lambda {
    fn facts(&self) -> &FactsPath {
        let facts = self.pipeline.facts.as_ref();
        facts.expect("only a plan with the facts' path invokes its functions")
    }

    fn limits(&self) -> Limits {
        let seed = self.random.lock().unwrap().u64(..);
        Limits::default().jitter_seed(Some(seed))
    }

    /// Invokes the notifier with one batch of changes.
    pub(crate) async fn notify(&self, event: &[u8]) -> End<Option<Vec<u8>>> {
        let idle = self.idle_notifiers.borrow_mut().pop();
        let environment = idle.unwrap_or_else(|| self.start_notifier());
        let mut event: DynamoDbEvent = serde_json::from_slice(event).unwrap();
        let fact_laws = &self.wire.fact_laws;
        let _invocation = fact_laws.changes_begin(&environment.name, &event.records);
        if self.wire.mutant == Some(Mutant::FactsFromNewImageOnly) {
            event.records.iter_mut().for_each(forget_the_old_image);
        }
        let deadline = Instant::now() + self.facts().notifier.timeout;
        let handled = self.announce(&environment, &event.records, deadline);
        // The future is boxed for the same reason as a request to the api.
        let control = self.control(Function::Notifier);
        match control.run(deadline, Box::pin(handled)).await {
            End::Returned(failures) => {
                self.idle_notifiers.borrow_mut().push(environment);
                let response = failures.map(|failures| self.response(failures, &event.records));
                End::Returned(response)
            }
            End::Crashed => End::Crashed,
            End::TimedOut => End::TimedOut,
        }
    }

    async fn announce(
        &self,
        environment: &NotifierEnvironment,
        changes: &[DynamoDbRecord],
        deadline: Instant,
    ) -> Option<Vec<Option<String>>> {
        let events_of = |change: &DynamoDbRecord| announced_by(change).unwrap_or_default();
        match self.wire.mutant {
            Some(Mutant::MarkBeforePublish) => {
                for change in changes {
                    let events = events_of(change);
                    if let Some(event) = events.first() {
                        let _ = environment
                            .announcements
                            .mark(event.order_id, &events)
                            .await;
                    }
                }
            }
            Some(Mutant::TwoOfAKeyInOneCall) => {
                let events: Vec<FactEvent> = changes.iter().flat_map(events_of).collect();
                let results = environment.stream.put(&events).await;
                let mut is_done = results.iter().all(Result::is_ok);
                for event in events {
                    let event = std::slice::from_ref(&event);
                    let mark = environment.announcements.mark(event[0].order_id, event);
                    is_done = is_done && mark.await.is_ok();
                }
                // One failure fails the batch from its beginning.
                let failed = changes.iter().take(usize::from(!is_done));
                let numbers = failed.map(|change| Some(change.sequence_number.clone()));
                return Some(numbers.collect());
            }
            _ => {}
        }
        let report = environment.notifier.handle(changes, deadline).await;
        let failures = report.response.ok()?.batch_item_failures.into_iter();
        Some(failures.map(|failure| failure.item_identifier).collect())
    }

    /// Invokes the subscriber with one batch of facts.
    pub(crate) async fn ship(&self, event: &[u8]) -> End<Option<Vec<u8>>> {
        let idle = self.idle_subscribers.borrow_mut().pop();
        let (environment, shipping) = idle.unwrap_or_else(|| self.start_subscriber());
        let event: KinesisEvent = serde_json::from_slice(event).unwrap();
        let deadline = Instant::now() + self.facts().shipping.timeout;
        let handled = Box::pin(shipping.handle(&event.records, deadline));
        match self
            .control(Function::Shipping)
            .run(deadline, handled)
            .await
        {
            End::Returned(report) => {
                self.idle_subscribers
                    .borrow_mut()
                    .push((environment, shipping));
                let failures = failures_of(report);
                if let Some(failures) = &failures {
                    let done = event.records.iter().filter(|record| {
                        let number = Some(record.sequence_number.clone());
                        !failures.contains(&number)
                    });
                    self.wire.fact_laws.worked_off(done);
                }
                let response = failures.map(|failures| self.response(failures, &event.records));
                End::Returned(response)
            }
            End::Crashed => End::Crashed,
            End::TimedOut => End::TimedOut,
        }
    }

    fn start_notifier(&self) -> NotifierEnvironment {
        let (name, _) = self.next(Function::Notifier);
        let config = self.config(Function::Notifier, &name);
        let stream = FactsStream::new(&config, FACTS_STREAM);
        let announcements = Announcements::new(client_for_writes(&config), ANNOUNCEMENTS);
        NotifierEnvironment {
            name,
            notifier: Notifier::new(stream.clone(), announcements.clone(), self.limits()),
            stream,
            announcements,
        }
    }

    fn start_subscriber(&self) -> (String, Shipping) {
        let (environment, number) = self.next(Function::Shipping);
        let clocks = &self.facts().shipping_clocks;
        let skew = clocks[number % clocks.len()];
        let began = Instant::now() - self.laws.trace.elapsed();
        let clock = move || -> SystemTime { time_since(began).checked_add_signed_millis(skew) };
        let options = LeaseOptions::default()
            .jitter_seed(Some(self.random.lock().unwrap().u64(..)))
            .clock(clock);
        let config = self.config(Function::Shipping, &environment);
        let locks = LeaseTable::new(&config, LOCKS, options);
        let shipping = Shipping::new(locks, SHIPMENTS, self.limits());
        (environment, shipping)
    }
}

/// Takes the old row from a change, so that every fact of the new row seems to be new.
fn forget_the_old_image(change: &mut DynamoDbRecord) {
    if change.new_image.is_some() {
        change.old_image = None;
        change.kind = Some(ChangeKind::Insert);
    }
}
