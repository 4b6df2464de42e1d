//! A service that leaves one request unanswered and is well again at once, in a batch of
//! `keyed-batch`. It costs neither the invocation nor the records of other keys.

use std::cell::RefCell;
use std::time::Duration;

use idempotency::{Fingerprint, Key, Lease, OrFailure as _, ToVerdict as _};
use keyed_batch::{Disposition, KinesisRecord, Limits, Report, Verdict, process};
use tokio::time::{Instant, sleep};

use crate::world::{Holder, World, deadline};

/// Two payments of one customer, and one of another.
fn records() -> [KinesisRecord; 3] {
    let record = |customer: &str, number: &str, payment: &str| {
        KinesisRecord::new(customer, number, format!(r#"{{"payment_id":"{payment}"}}"#))
    };
    [
        record("a", "1", "a-1"),
        record("a", "2", "a-2"),
        record("b", "3", "b-1"),
    ]
}

/// The payments that were asked for, each with the takeovers that its lease had counted.
type Asked = RefCell<Vec<(String, u64)>>;

/// Pays. The answer to the first request for one of the payments is lost.
async fn pay(asked: &Asked, payment: &str, lease: &Lease) -> Result<(), String> {
    let is_first = payment.contains("a-1") && first(asked).is_empty();
    asked
        .borrow_mut()
        .push((payment.to_owned(), lease.takeovers()));
    sleep(Duration::from_millis(1)).await;
    if is_first {
        Err("no answer".into())
    } else {
        Ok(())
    }
}

async fn invoke(holder: &Holder, asked: &Asked, not_paid: Verdict) -> Report {
    let until = deadline();
    let work = async |record: &KinesisRecord| -> Result<Verdict, Verdict> {
        let payment = std::str::from_utf8(record.data()).unwrap();
        let key = Key::of_json("payment", record.data(), ["/payment_id"])?;
        let fingerprint = Fingerprint::of_json(record.data())?;
        let paid = holder.table.once(&key, &fingerprint, until, async |lease| {
            pay(asked, payment, lease).await.or_abandon()
        });
        Ok(paid.await.verdict(|_| not_paid))
    };
    process(&records(), &Limits::default(), until, work).await
}

/// The requests for the payment whose answer was lost.
fn first(asked: &Asked) -> Vec<u64> {
    let asked = asked.borrow();
    let first = asked.iter().filter(|(payment, _)| payment.contains("a-1"));
    first.map(|(_, takeovers)| *takeovers).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_made_again_by_the_same_invocation_which_knows_of_it() {
    let world = World::new();
    let (holder, asked, began) = (world.holder(), Asked::default(), Instant::now());
    let report = invoke(&holder, &asked, Verdict::Retry("not_paid")).await;
    assert_eq!(report.summary.done, 3, "{:?}", report.summary);
    assert_eq!(first(&asked), [0, 1]);
    assert_eq!(asked.borrow().len(), 4);
    // One back-off, and not the rest of a lease.
    assert!(began.elapsed() < Duration::from_millis(200));
    // Two for each payment, and three more for the second request.
    assert_eq!(world.calls().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_made_again_by_the_next_invocation_without_a_wait() {
    let world = World::new();
    let (holder, asked, began) = (world.holder(), Asked::default(), Instant::now());
    let dispositions = async || {
        let report = invoke(&holder, &asked, Verdict::Redeliver("not_paid")).await;
        let dispositions = report.records.iter().map(|record| record.disposition);
        dispositions.collect::<Vec<_>>()
    };
    let held_back = Disposition::NotAttempted;
    let deferred = Disposition::Deferred("not_paid");
    assert_eq!(
        dispositions().await,
        [deferred, held_back, Disposition::Done]
    );
    assert_eq!(dispositions().await, [Disposition::Done; 3]);
    assert_eq!(first(&asked), [0, 1]);
    assert!(began.elapsed() < Duration::from_millis(20));
}
