//! A ledger that books a transfer exactly once, in one transaction with the lock.

use conditional_write::{Change, Condition, ItemKey, Value, Write};
use idempotency::aws_sdk_dynamodb::types::TransactWriteItem;
use idempotency::{CommitOnce, Failure, Fingerprint, Instant, Key, LeaseTable, Transaction};

/// The write that replaces a balance that was seen.
fn set_balance(seen: i64, balance: i64) -> Write {
    Write {
        change: Change::set([("balance", Value::from(balance))]),
        condition: Condition::Equals("balance".into(), seen.into()),
    }
}

/// Books a transfer. It is refused if the balance is not the one that was seen.
///
/// # Errors
/// The lock's, and those of a transfer without an id.
pub async fn book(
    locks: &LeaseTable,
    transfer: &[u8],
    account: &str,
    (seen, balance): (i64, i64),
    until: Instant,
) -> Result<CommitOnce<i64, ()>, Box<dyn std::error::Error>> {
    let key = Key::of_json("transfer", transfer, ["/transfer_id"])?;
    let fingerprint = Fingerprint::of_json(transfer)?;
    let update = set_balance(seen, balance).update("ledger", &ItemKey::new("account", account));
    let item = TransactWriteItem::builder().update(update).build();
    let work = async |_: &_| Ok::<_, Failure<()>>(Transaction::new([item], balance));
    Ok(locks.commit_once(&key, &fingerprint, until, work).await?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use idempotency::{InMemoryTable, LeaseOptions};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_comes_twice_is_booked_once() {
        let table = InMemoryTable::new();
        let locks = table.table(LeaseOptions::default());
        let until = Instant::now() + Duration::from_secs(3);
        let transfer = br#"{"transfer_id":"t-1","amount":3}"#;
        let book = async || book(&locks, transfer, "a-1", (10, 7), until).await.unwrap();
        assert_eq!(book().await, CommitOnce::Committed(7));
        assert_eq!(book().await, CommitOnce::Replayed(Ok(7)));
        assert_eq!(table.written().len(), 1);
    }

    #[test]
    fn a_balance_is_replaced_only_if_it_is_the_one_that_was_seen() {
        let opened = Change::set([("balance", Value::from(10_i64))]);
        let account = Write {
            change: opened,
            condition: Condition::ItemAbsent,
        };
        let account = account.apply_to(None).unwrap();
        assert!(set_balance(10, 7).apply_to(Some(&account)).is_ok());
        assert!(set_balance(9, 7).apply_to(Some(&account)).is_err());
    }
}
