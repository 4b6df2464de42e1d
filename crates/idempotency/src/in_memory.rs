//! A table of locks in memory, for tests of code that uses this crate.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::TransactWriteItem;
use conditional_write::{Answer, Item, Write};
use tokio::time::Instant;

use crate::commit::Said;
use crate::table::Store;
use crate::{Key, LeaseOptions, LeaseTable, Refusal};

/// The moment at which the wall clock of a table begins, which is 28 November 2026, 00:00:00 UTC.
const BEGINNING: Duration = Duration::from_secs(1_795_824_000);

/// A table of locks in memory, with the feature `test-util`. It has no network and does not fail.
///
/// The locks are real. The table carries out the very conditional writes that are sent to DynamoDB.
/// The items of a transaction are only [recorded](Self::written). Their conditions are not looked
/// at, and a test [says](Self::refuse_next) when they fail.
///
/// The wall clock follows tokio's. In paused time (`tokio::time::advance`, or
/// `#[tokio::test(start_paused = true)]`) leases end and windows run out without a wait.
///
/// ```
/// use std::time::Duration;
///
/// use idempotency::{Fingerprint, InMemoryTable, Key, LeaseOptions, Once};
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let table = InMemoryTable::new().table(LeaseOptions::default());
/// let (key, fingerprint) = (Key::new("charge", "o-7")?, Fingerprint::of(&1299)?);
/// let deadline = Instant::now() + Duration::from_secs(3);
/// let work = async |_: &_| Ok::<_, idempotency::Failure<String>>("receipt".to_owned());
/// let first = table.once(&key, &fingerprint, deadline, work).await?;
/// assert_eq!(first, Once::Executed(Ok("receipt".to_owned())));
/// let second = table.once(&key, &fingerprint, deadline, work).await?;
/// assert_eq!(second, Once::Replayed(Ok("receipt".to_owned())));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InMemoryTable {
    state: Arc<Mutex<State>>,
    /// The moment at which the wall clock of every handle begins.
    begun: Instant,
}

#[derive(Default)]
struct State {
    locks: HashMap<String, Item>,
    written: Vec<TransactWriteItem>,
    refusals: VecDeque<Refusal>,
}

impl fmt::Debug for InMemoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("InMemoryTable")
            .field("locks", &state.locks.len())
            .field("written", &state.written.len())
            .finish_non_exhaustive()
    }
}

impl Default for InMemoryTable {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            begun: Instant::now(),
        }
    }

    /// A handle on the table, such as one process has. Several handles compete for the locks. The
    /// [`clock`](LeaseOptions::clock) of the options is replaced by one that follows tokio's, which
    /// all handles share.
    pub fn table(&self, options: LeaseOptions) -> LeaseTable {
        let begun = self.begun;
        let now = move || SystemTime::UNIX_EPOCH + BEGINNING + begun.elapsed();
        let store = Store::Memory(self.clone());
        LeaseTable::over(store, "in-memory".to_owned(), options.clock(now))
    }

    /// The items of all transactions that were committed, in their sequence.
    #[must_use]
    pub fn written(&self) -> Vec<TransactWriteItem> {
        self.state().written.clone()
    }

    /// The next transaction whose lease is still held is refused for this reason. Several refusals
    /// follow one another.
    pub fn refuse_next(&self, refusal: Refusal) {
        self.state().refusals.push_back(refusal);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn write(&self, key: &Key, write: &Write) -> Answer {
        // A network would let others go on meanwhile.
        tokio::task::yield_now().await;
        self.state().write(key, write)
    }

    pub(crate) async fn transact(
        &self,
        key: &Key,
        lock: &Write,
        items: &[TransactWriteItem],
    ) -> Said {
        tokio::task::yield_now().await;
        let mut state = self.state();
        let is_held = lock.condition.holds_of(state.locks.get(key.id()));
        if is_held && let Some(refusal) = state.refusals.pop_front() {
            return Said::Refused(refusal);
        }
        let answer = state.write(key, lock);
        if answer == Answer::Done {
            state.written.extend_from_slice(items);
        }
        Said::Lock(answer)
    }
}

impl State {
    fn write(&mut self, key: &Key, write: &Write) -> Answer {
        let before = self.locks.get(key.id());
        match write.apply_to(before) {
            Ok(item) => {
                self.locks.insert(key.id().to_owned(), item);
                Answer::Done
            }
            Err(_) => Answer::Refused(before.cloned()),
        }
    }
}
