//! A consumer that pays once for each payment, by a service outside of AWS.

use std::time::SystemTime;

use idempotency::{Fingerprint, Key, LeaseOptions, LeaseTable, OrFailure as _, ToVerdict as _};
use keyed_batch::{
    Instant, KinesisEvent, KinesisEventResponse, KinesisRecord, Limits, Verdict, deadline, process,
};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// The call of the payment service. It takes the idempotency key along.
async fn pay(_payment: &[u8], idempotency_key: &str) -> Result<String, String> {
    Ok(format!("receipt-{idempotency_key}"))
}

async fn work(
    locks: &LeaseTable,
    record: &KinesisRecord,
    until: Instant,
) -> Result<Verdict, Verdict> {
    let key = Key::of_json("payment", record.data(), ["/payment_id"])?;
    let fingerprint = Fingerprint::of_json(record.data())?;
    let paid = locks.once(&key, &fingerprint, until, async |lease| {
        // An answer that is lost leaves the question to the next holder.
        pay(record.data(), lease.key().id()).await.or_abandon()
    });
    Ok(paid.await.verdict(|_| Verdict::Retry("not_paid")))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let table = std::env::var("LOCK_TABLE")?;
    let locks = &LeaseTable::new(&config, table, LeaseOptions::default());
    let limits = &Limits::default();
    let handle = async move |event: LambdaEvent<KinesisEvent>| {
        let until = deadline(event.context.deadline, SystemTime::now());
        let work = |record| work(locks, record, until);
        let report = process(&event.payload.records, limits, until, work).await;
        Ok::<KinesisEventResponse, Error>(report.response?)
    };
    run(service_fn(handle)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use idempotency::InMemoryTable;

    use super::*;

    fn record(sequence_number: &str, payment: &str) -> KinesisRecord {
        KinesisRecord::new("p-1", sequence_number, payment)
    }

    #[tokio::test(start_paused = true)]
    async fn a_payment_that_comes_twice_is_done_and_another_under_its_id_is_rejected() {
        let locks = &InMemoryTable::new().table(LeaseOptions::default());
        let until = Instant::now() + Duration::from_secs(3);
        let payment = record("1", r#"{"payment_id":"p-1","amount":5}"#);
        let again = record("2", r#"{ "amount": 5, "payment_id": "p-1" }"#);
        let another = record("3", r#"{"payment_id":"p-1","amount":6}"#);
        assert_eq!(work(locks, &payment, until).await, Ok(Verdict::Done));
        assert_eq!(work(locks, &again, until).await, Ok(Verdict::Done));
        let mismatch = work(locks, &another, until).await;
        assert_eq!(mismatch, Ok(Verdict::Reject("mismatch")));
        let poison = work(locks, &record("4", "{}"), until).await;
        assert!(matches!(poison, Err(Verdict::Reject(_))));
    }
}
