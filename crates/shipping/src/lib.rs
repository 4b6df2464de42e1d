//! A subscriber as a downstream team would write it. It books one shipment for each order.
//!
//! Facts come at least once, so the same fact may come again. The id of its event is the key of a
//! lease ([`idempotency`]). The shipment is written in one transaction with the completion of the
//! lease ([`LeaseTable::commit_once`]), so it is booked once, however often the fact comes.
//!
//! For an effect that is not a DynamoDB write use [`LeaseTable::once`] in its place.
//! `examples/carrier.rs` is such a subscriber, which calls a carrier's HTTP interface.
//! `docs/events.md` has the rules for subscribers.
//!
//! A shipment has no content of its order, so it stays when the order is erased. This subscriber
//! therefore does not remember erased orders. A subscriber that keeps content has to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use function_runtime::{Environment, StartError};
use idempotency::{
    CommitOnce, Failure, Fingerprint, Key, LeaseOptions, LeaseTable, OrFailure as _,
    ToVerdict as _, Transaction,
};
use keyed_batch::{KinesisEvent, KinesisRecord, Limits, Report, Verdict};
use orders::{Created, Fact, FactEvent, Poison};
use tokio::time::Instant;

/// The time that a booking needs. With less before the deadline the lock gives no lease
/// ([`LeaseOptions::least_work`]), so a booking is not waited for.
const TIME_TO_BOOK: Duration = Duration::from_secs(2);

/// The subscriber with all that it needs.
#[derive(Clone, Debug)]
pub struct Shipping {
    locks: LeaseTable,
    shipments: String,
    limits: Limits,
}

impl Shipping {
    /// A subscriber that locks in this table and books in the table of this name.
    #[must_use]
    pub fn new(locks: LeaseTable, shipments: impl Into<String>, limits: Limits) -> Self {
        Self {
            locks,
            shipments: shipments.into(),
            limits: limits.least_attempt(TIME_TO_BOOK),
        }
    }

    /// Works through the facts of one invocation until they are done or `deadline` is near.
    pub async fn handle(&self, records: &[KinesisRecord], deadline: Instant) -> Report {
        let booked = AtomicU64::new(0);
        let report = keyed_batch::process(records, &self.limits, deadline, |record| {
            self.work(record, deadline, &booked)
        })
        .await;
        let (summary, booked) = (&report.summary, booked.into_inner());
        tracing::info!(
            records = summary.records,
            attempts = summary.attempts,
            booked,
            nothing_to_book = (summary.done as u64).saturating_sub(booked),
            rejected = summary.rejected + summary.panicked,
            unfinished = summary.unfinished + summary.not_attempted,
            deferred = summary.deferred,
            "batch"
        );
        report
    }

    async fn work(&self, record: &KinesisRecord, deadline: Instant, booked: &AtomicU64) -> Verdict {
        let event = match FactEvent::decode(record.data()) {
            Ok(event) => event,
            // A newer notifier publishes facts that are not for this version.
            Err(Poison::UnknownType) => return Verdict::Done,
            Err(poison) => return Verdict::Reject(poison.code()),
        };
        match &event.fact {
            Fact::Created(created) => self
                .book(&event, created, deadline, booked)
                .await
                .unwrap_or_else(|unworkable| unworkable),
            Fact::Cancelled(_) | Fact::Conflicted(_) | Fact::Erased(_) => Verdict::Done,
        }
    }

    /// Books the shipment of an order, unless it is booked.
    async fn book(
        &self,
        event: &FactEvent,
        created: &Created,
        deadline: Instant,
        booked: &AtomicU64,
    ) -> Result<Verdict, Verdict> {
        let key = Key::new("shipment", event.id())?;
        // The order's own fingerprint, because a repetition may have fields that this copy has not.
        let fingerprint = Fingerprint::of(created.fingerprint.as_str())?;
        let outcome = self
            .locks
            .commit_once(&key, &fingerprint, deadline, async |lease| {
                let shipment = self.shipment(event, lease.fencing_token());
                let shipment = shipment.map_err(drop).or_release()?;
                Ok(
                    Transaction::new([shipment], event.id()).on_refusal(|refusal| {
                        // The shipment is there. Its lock was older than the window, and has gone.
                        let is_booked = refusal.is_only_conditions();
                        is_booked.then(|| event.id()).ok_or(Failure::Release(()))
                    }),
                )
            });
        let outcome = outcome.await;
        if matches!(outcome, Ok(CommitOnce::Committed(_))) {
            booked.fetch_add(1, Ordering::Relaxed);
        }
        Ok(outcome.verdict(|()| Verdict::Retry("refused")))
    }

    /// The row of a shipment, which must not be there yet. `booking` tells one booking from
    /// another.
    fn shipment(
        &self,
        event: &FactEvent,
        booking: &str,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let text = |text: String| AttributeValue::S(text);
        let put = Put::builder()
            .table_name(&self.shipments)
            .item("order_id", text(event.order_id.to_string()))
            .item("event_id", text(event.id()))
            .item("booking", text(booking.to_owned()))
            .condition_expression("attribute_not_exists(order_id)")
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// Runs the function. It reads its settings, makes its clients, and serves invocations until Lambda
/// ends the process.
///
/// The settings are `SHIPMENTS_TABLE_NAME` and `LOCKS_TABLE_NAME`.
///
/// # Errors
/// [`StartError`] if a setting is missing or wrong, or if Lambda's runtime fails.
pub async fn serve(environment: Environment) -> Result<(), StartError> {
    let shipments = environment.required("SHIPMENTS_TABLE_NAME")?;
    let locks = environment.required("LOCKS_TABLE_NAME")?;
    let config = function_runtime::sdk_config().await;
    let locks = LeaseTable::new(&config, locks, LeaseOptions::default());
    let shipping = &Shipping::new(locks, shipments, Limits::default());
    function_runtime::serve(async move |event, context| {
        let event: KinesisEvent = function_runtime::read(&event)?;
        let deadline = keyed_batch::deadline(context.deadline, SystemTime::now());
        let report = shipping.handle(&event.records, deadline).await;
        report
            .response
            .map_err(|_| function_runtime::Failure::UnnamedRecord)
    })
    .await
}
