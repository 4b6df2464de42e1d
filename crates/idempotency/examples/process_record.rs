//! A whole consumer function for the usual recipe. The key is read from the payload, the business
//! logic runs once, its result is stored, and every duplicate is answered with it.
//!
//! A record is `{"order_id": "o-7", "amount": 1299}`. The business logic has an effect outside
//! DynamoDB, where no transaction reaches it, because it sends a charge to a queue. The lock is in
//! the table `LOCK_TABLE`, and the queue is at `QUEUE_URL`.
//!
//! `cargo build -p idempotency --example process_record` makes the executable. Lambda runs it, or
//! anything else that serves its Runtime API. With `AWS_ENDPOINT_URL` it works against the local
//! stack (`make run`).

use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use idempotency::{
    Error, Failure, Fingerprint, FingerprintError, Key, KeyError, Lease, LeaseOptions, LeaseTable,
    Once,
};
use keyed_batch::{KinesisEvent, KinesisEventResponse, KinesisRecord, Verdict, deadline};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// The part of an order that the charge depends on.
#[derive(Debug, Deserialize)]
struct Order {
    #[serde(default)]
    amount: Value,
}

/// The result of a charge, which is stored and given to every duplicate.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) amount: u64,
    /// The queue's id of the one message that was sent.
    pub(crate) message_id: String,
}

/// Why an order is not charged, for good.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// There is nothing to charge.
    NoAmount,
    /// An earlier attempt may have charged it, and nobody knows. Somebody has to look into it.
    MayBeCharged,
}

/// The result of one record.
pub(crate) type Charged = Once<Receipt, Refusal>;

/// Why a record is not worked on.
#[derive(Debug)]
pub(crate) enum Unworkable {
    /// It can never be.
    Poison(Poison),
    /// It may be later.
    Later(Error),
}

/// Why a record can never be worked on.
#[derive(Debug)]
pub(crate) enum Poison {
    NotUtf8(std::str::Utf8Error),
    NotAnOrder(serde_json::Error),
    NoOrderId(KeyError),
    NoFingerprint(FingerprintError),
}

impl Poison {
    /// The reason by which the record is rejected.
    fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8(_) => "not_utf8",
            Self::NotAnOrder(_) => "not_an_order",
            Self::NoOrderId(error) => error.code(),
            Self::NoFingerprint(error) => error.code(),
        }
    }
}

impl std::fmt::Display for Poison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Poison {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::NotUtf8(error) => error,
            Self::NotAnOrder(error) => error,
            Self::NoOrderId(error) => error,
            Self::NoFingerprint(error) => error,
        })
    }
}

impl From<Poison> for Unworkable {
    fn from(poison: Poison) -> Self {
        Self::Poison(poison)
    }
}

pub(crate) struct Consumer {
    table: LeaseTable,
    queue: aws_sdk_sqs::Client,
    queue_url: String,
}

impl Consumer {
    pub(crate) fn new(config: &SdkConfig, lock_table: &str, queue_url: &str) -> Self {
        // The SDK's retries are off. Sending again a message that may have been sent is what the
        // lock is there to prevent.
        let queue = aws_sdk_sqs::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            table: LeaseTable::new(config, lock_table, LeaseOptions::default()),
            queue: aws_sdk_sqs::Client::from_conf(queue),
            queue_url: queue_url.to_owned(),
        }
    }

    /// The recipe, which is key from the payload, lock, execute, store, or replay.
    pub(crate) async fn process_record(
        &self,
        data: &[u8],
        deadline: Instant,
    ) -> Result<Charged, Unworkable> {
        let text = std::str::from_utf8(data).map_err(Poison::NotUtf8)?;
        let order: Order = serde_json::from_str(text).map_err(Poison::NotAnOrder)?;
        // The text has every number as it was sent.
        let key = Key::of_json("charge", data, ["/order_id"]).map_err(Poison::NoOrderId)?;
        let fingerprint = Fingerprint::of_json(data).map_err(Poison::NoFingerprint)?;
        let work = async |lease: &Lease| self.charge(text, &order, lease).await;
        self.table
            .once(&key, &fingerprint, deadline, work)
            .await
            .map_err(Unworkable::Later)
    }

    /// The business logic.
    async fn charge(
        &self,
        text: &str,
        order: &Order,
        lease: &Lease,
    ) -> Result<Receipt, Failure<Refusal>> {
        if lease.takeovers() > 0 {
            return Err(Failure::Keep(Refusal::MayBeCharged));
        }
        let Some(amount) = order.amount.as_u64().filter(|amount| *amount > 0) else {
            return Err(Failure::Keep(Refusal::NoAmount));
        };
        let sent = self
            .queue
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(text)
            .send()
            .await
            // The message may have been sent, and the next holder has to know that.
            .map_err(|_| Failure::Abandon(Refusal::MayBeCharged))?;
        Ok(Receipt {
            amount,
            // SQS names every message that it has taken.
            message_id: sent
                .message_id
                .ok_or(Failure::Abandon(Refusal::MayBeCharged))?,
        })
    }

    /// The verdict on a record, from what its charge came to.
    async fn work(&self, record: &KinesisRecord, deadline: Instant) -> Verdict {
        match self.process_record(record.data(), deadline).await {
            Ok(Once::Executed(Ok(_)) | Once::Replayed(Ok(_))) => Verdict::Done,
            Ok(Once::Executed(Err(Refusal::NoAmount)) | Once::Replayed(Err(Refusal::NoAmount))) => {
                Verdict::Done
            }
            // The failure was kept. A person decides, by the log and the table.
            Ok(Once::Replayed(Err(Refusal::MayBeCharged))) => Verdict::Reject("may_be_charged"),
            // The failure is kept by now, or the work is left for the next holder. The next
            // delivery tells.
            Ok(Once::Executed(Err(Refusal::MayBeCharged))) => Verdict::Retry("may_be_charged"),
            Ok(Once::InProgress { retry_after }) => Verdict::RetryAfter("in_progress", retry_after),
            Ok(Once::LeaseLost { .. }) => Verdict::Retry("lease_lost"),
            Ok(Once::Mismatch) => Verdict::Reject("same_order_id_other_content"),
            // Done, and nobody needs the result here.
            Err(Unworkable::Later(Error::ResultNotKept(_))) => Verdict::Done,
            Err(Unworkable::Later(error @ Error::NoTime)) => Verdict::Redeliver(error.code()),
            Err(Unworkable::Later(error)) => Verdict::Retry(error.code()),
            Err(Unworkable::Poison(poison)) => Verdict::Reject(poison.code()),
        }
    }

    /// Works through one batch.
    pub(crate) async fn handle(
        &self,
        event: &KinesisEvent,
        deadline: Instant,
    ) -> keyed_batch::Report {
        // A charge and its lock take two seconds at most, so a lease is not waited for longer.
        let limits = keyed_batch::Limits::default().least_attempt(Duration::from_secs(2));
        keyed_batch::process(&event.records, &limits, deadline, |record| {
            self.work(record, deadline)
        })
        .await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tracing_subscriber::fmt().json().init();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (lock_table, queue_url) = (std::env::var("LOCK_TABLE")?, std::env::var("QUEUE_URL")?);
    let consumer = &Consumer::new(&config, &lock_table, &queue_url);
    let handler = service_fn(move |event: LambdaEvent<KinesisEvent>| {
        Box::pin(async move {
            let until = deadline(event.context.deadline, SystemTime::now());
            let report = consumer.handle(&event.payload, until).await;
            tracing::info!(summary = ?report.summary, "batch");
            Ok::<KinesisEventResponse, lambda_runtime::Error>(report.response?)
        })
    });
    lambda_runtime::run(handler).await
}
