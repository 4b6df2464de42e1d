//! A ledger that books a transfer exactly once, in one transaction with the lock.

use aws_sdk_dynamodb::types::TransactWriteItem;
use conditional_write::{Change, Condition, ItemKey, Value, Write};
use idempotency::{Begin, Commit, Fingerprint, Key, LeaseTable};
use tokio::time::Instant;

/// The answer to a transfer.
#[derive(Debug, PartialEq, Eq)]
pub enum Booked {
    /// It is booked, now or by an earlier call.
    Yes,
    /// The balance was not the one that was seen, or another transfer has this id.
    No,
    /// Nobody knows yet. Ask again.
    Later,
}

/// The write that replaces a balance that was seen.
fn set_balance(seen: i64, balance: i64) -> Write {
    Write {
        change: Change::set([("balance", Value::from(balance))]),
        condition: Condition::Equals("balance".into(), seen.into()),
    }
}

/// Books a transfer.
///
/// # Errors
/// The lock's, and those of a transfer without an id.
pub async fn book(
    locks: &LeaseTable,
    transfer: &[u8],
    account: &str,
    (seen, balance): (i64, i64),
    until: Instant,
) -> Result<Booked, Box<dyn std::error::Error>> {
    let key = Key::of_json("transfer", transfer, ["/transfer_id"])?;
    let fingerprint = Fingerprint::of_json(transfer)?;
    let lease = match locks.begin(&key, &fingerprint, until).await? {
        Begin::Leased(lease) => lease,
        Begin::Replayed(_) => return Ok(Booked::Yes),
        Begin::InProgress { .. } => return Ok(Booked::Later),
        Begin::Mismatch => return Ok(Booked::No),
    };
    let account = ItemKey::new("account", account);
    let update = set_balance(seen, balance).update("ledger", &account);
    let items = vec![TransactWriteItem::builder().update(update).build()];
    Ok(match lease.commit_with(items, &balance).await {
        Commit::Committed => Booked::Yes,
        Commit::Refused { lease, .. } => {
            let _released = lease.release().await;
            Booked::No
        }
        Commit::LeaseLost | Commit::Unconfirmed(_) => Booked::Later,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
