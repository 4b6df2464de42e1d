//! A consumer that pays once for each payment, by a service outside of AWS.

use std::time::SystemTime;

use aws_lambda_events::event::streams::KinesisEventResponse;
use idempotency::{
    Failure, Fingerprint, FingerprintError, Key, KeyError, LeaseOptions, LeaseTable, Once,
};
use keyed_batch::{KinesisEvent, KinesisRecord, Limits, Verdict, deadline, process};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use tokio::time::Instant;

/// The call of the payment service. It takes the idempotency key along.
async fn pay(_payment: &[u8], idempotency_key: &str) -> Result<String, String> {
    Ok(format!("receipt-{idempotency_key}"))
}

#[derive(Debug)]
enum Poison {
    Key(KeyError),
    Fingerprint(FingerprintError),
}

fn identity(payment: &[u8]) -> Result<(Key, Fingerprint), Poison> {
    let key = Key::of_json("payment", payment, ["/payment_id"]).map_err(Poison::Key)?;
    let fingerprint = Fingerprint::of_json(payment).map_err(Poison::Fingerprint)?;
    Ok((key, fingerprint))
}

async fn work(locks: &LeaseTable, record: &KinesisRecord, until: Instant) -> Verdict {
    let (key, fingerprint) = match identity(record.data()) {
        Ok(identity) => identity,
        Err(Poison::Key(error)) => return Verdict::Reject(error.code()),
        Err(Poison::Fingerprint(error)) => return Verdict::Reject(error.code()),
    };
    let paid = locks
        .once(&key, &fingerprint, until, async |lease| {
            let paid = pay(record.data(), lease.key().id()).await;
            // An answer that is lost leaves the question to the next holder.
            paid.map_err(Failure::Abandon)
        })
        .await;
    match paid {
        Ok(Once::Executed(Ok(_)) | Once::Replayed(Ok(_))) => Verdict::Done,
        Ok(Once::Executed(Err(_)) | Once::Replayed(Err(_))) => Verdict::Retry("not_paid"),
        Ok(Once::InProgress { .. } | Once::LeaseLost { .. }) => Verdict::Retry("in_progress"),
        Ok(Once::Mismatch) => Verdict::Reject("same_payment_other_content"),
        Err(error) => {
            eprintln!("{error}");
            Verdict::Retry("lock")
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let locks = &LeaseTable::new(
        &config,
        std::env::var("LOCK_TABLE")?,
        LeaseOptions::default(),
    );
    run(service_fn(
        move |event: LambdaEvent<KinesisEvent>| async move {
            let until = deadline(event.context.deadline, SystemTime::now());
            let (records, limits) = (&event.payload.records, Limits::default());
            let report =
                process(records, &limits, until, |record| work(locks, record, until)).await;
            Ok::<KinesisEventResponse, Error>(report.response?)
        },
    ))
    .await
}

#[test]
fn two_texts_of_one_payment_have_the_same_identity() {
    let (key, fingerprint) = identity(br#"{"payment_id":"p-1","amount":5}"#).unwrap();
    let (same, equal) = identity(br#"{ "amount": 5, "payment_id": "p-1" }"#).unwrap();
    assert_eq!((key.id(), fingerprint), (same.id(), equal));
    assert!(identity(b"{}").is_err());
}
