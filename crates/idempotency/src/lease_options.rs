//! How long leases and results last, how much time is left for what, and where in a table locks
//! are.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::operation::update_time_to_live::UpdateTimeToLiveInput;
use aws_sdk_dynamodb::operation::update_time_to_live::builders::UpdateTimeToLiveInputBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use backoff::Backoff;

use crate::Replay;
use crate::record::Attribute;

/// DynamoDB's limit for an item is 400 KB (API reference, "Service, account, and table quotas").
/// This leaves room for the lock's other attributes and a sort key.
pub const MAX_RESULT_BYTES: usize = 380_000;

/// The longest name of a key's attribute, in bytes (DynamoDB developer guide, "Constraints in
/// Amazon DynamoDB").
const MAX_NAME: usize = 255;

/// The longest value of a sort key, in bytes (from the same page).
const MAX_SORT_KEY: usize = 1_024;

/// tokio's timers have this resolution.
const RESOLUTION: Duration = Duration::from_millis(1);

/// Keeps sums with it below what any clock can represent.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(crate) type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
pub(crate) type ReplayHook = Arc<dyn Fn(&Replay<'_>) + Send + Sync>;

/// How a [`LeaseTable`](crate::LeaseTable) works.
///
/// ```
/// use std::time::Duration;
/// use idempotency::LeaseOptions;
///
/// let options = LeaseOptions::default()
///     .window(Duration::from_secs(2 * 24 * 60 * 60))
///     .cache_bytes(1 << 20);
/// ```
#[derive(Clone)]
#[must_use]
pub struct LeaseOptions {
    pub(crate) partition_key: String,
    pub(crate) sort_key: Option<(String, String)>,
    pub(crate) window: Duration,
    pub(crate) longest_lease: Duration,
    pub(crate) clock_skew: Duration,
    headroom: Option<Duration>,
    reserve: Option<Duration>,
    least_work: Option<Duration>,
    pub(crate) call_timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) jitter_seed: Option<u64>,
    pub(crate) max_result_bytes: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) on_replay: Option<ReplayHook>,
    pub(crate) clock: WallClock,
}

impl Default for LeaseOptions {
    /// The defaults are
    ///
    /// - a partition key `id` and no sort key,
    /// - a window of 7 days, leases up to the deadline, and 1 s of clock skew,
    /// - a [headroom](Self::headroom), a [reserve](Self::reserve) and a [least
    ///   work](Self::least_work) that follow the time of the invocation,
    /// - 2 s a call, and back-offs from 25 ms to 500 ms,
    /// - results of up to [`MAX_RESULT_BYTES`],
    /// - no cache, no hook, and the machine's clock.
    fn default() -> Self {
        Self {
            partition_key: "id".to_owned(),
            sort_key: None,
            window: Duration::from_secs(7 * 24 * 60 * 60),
            longest_lease: LONGEST,
            clock_skew: Duration::from_secs(1),
            headroom: None,
            reserve: None,
            least_work: None,
            call_timeout: Duration::from_secs(2),
            backoff: Backoff {
                base: Duration::from_millis(25),
                cap: Duration::from_millis(500),
            },
            jitter_seed: None,
            max_result_bytes: MAX_RESULT_BYTES,
            cache_bytes: 0,
            on_replay: None,
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl std::fmt::Debug for LeaseOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseOptions")
            .field("window", &self.window)
            .field("longest_lease", &self.longest_lease)
            .field("clock_skew", &self.clock_skew)
            .finish_non_exhaustive()
    }
}

impl LeaseOptions {
    /// The name of the table's partition key, a string. Default `id`.
    ///
    /// ```
    /// use idempotency::{LeaseOptions, LeaseOptionsError};
    ///
    /// let options = LeaseOptions::default().partition_key("order_id")?;
    /// let refused = LeaseOptions::default().partition_key("owner").unwrap_err();
    /// assert_eq!(refused.to_string(), "partition_key: \"owner\" is an attribute of the lock itself");
    /// # Ok::<_, LeaseOptionsError>(())
    /// ```
    ///
    /// # Errors
    /// [`LeaseOptionsError`] if it is called like [an attribute of the lock](crate#the-table) or
    /// like the sort key, is empty, or is longer than DynamoDB takes.
    pub fn partition_key(mut self, name: impl Into<String>) -> Result<Self, LeaseOptionsError> {
        let name = name.into();
        check_name(KeyAttribute::PartitionKey, &name)?;
        if self
            .sort_key
            .as_ref()
            .is_some_and(|(sort, _)| *sort == name)
        {
            return Err(LeaseOptionsError::SameName { name });
        }
        self.partition_key = name;
        Ok(self)
    }

    /// For a table that also has a sort key, a string. The arguments are its name, and the one
    /// value that every lock has there. Default none.
    ///
    /// The partition key is the lock's own all the same, so locks spread over the table's
    /// partitions.
    ///
    /// # Errors
    /// [`LeaseOptionsError`] as for [`partition_key`](Self::partition_key), and if the value is
    /// empty or longer than DynamoDB takes.
    pub fn sort_key(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, LeaseOptionsError> {
        let (name, value) = (name.into(), value.into());
        check_name(KeyAttribute::SortKey, &name)?;
        if name == self.partition_key {
            return Err(LeaseOptionsError::SameName { name });
        }
        if value.is_empty() || value.len() > MAX_SORT_KEY {
            return Err(LeaseOptionsError::SortKeyValue { bytes: value.len() });
        }
        self.sort_key = Some((name, value));
        Ok(self)
    }

    /// For how long after its completion a request is recognised as a duplicate. Default 7 days.
    ///
    /// It has to be longer than the latest delivery can be late. For Kinesis that is longer than
    /// the stream's retention. For an on-failure queue that is replayed by hand it is longer than
    /// anybody takes to do so.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.min(LONGEST);
        self
    }

    /// The longest lease. Default none but the deadline, after which a holder that Lambda stops
    /// cannot act any more.
    ///
    /// A shorter lease is free sooner after a crash. Work that takes longer has to
    /// [renew](crate::Lease::renew) it.
    pub fn longest_lease(mut self, longest: Duration) -> Self {
        self.longest_lease = longest.clamp(RESOLUTION, LONGEST);
        self
    }

    /// By how much the clocks of two holders may differ at most. Default 1 s.
    ///
    /// A lease is taken over only this long after its end, and a result is forgotten only this long
    /// after its window, as the taker's clock shows it. AWS keeps Lambda's clocks within
    /// milliseconds of each other. The [crate's documentation](crate#what-can-still-happen) says
    /// what happens beyond this.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew.min(LONGEST);
        self
    }

    /// How long before the deadline every call has returned. By default a quarter of the
    /// invocation's time, but at least 250 ms and at most 750 ms.
    ///
    /// So it is before `keyed-batch` stops by its own default, which is a fifth of the time and at
    /// most 500 ms. If you give `keyed-batch` another margin, make this one longer than that.
    pub fn headroom(mut self, headroom: Duration) -> Self {
        self.headroom = Some(headroom.min(LONGEST));
        self
    }

    /// How much time is kept for settling the lease when the work is done. The work is cut off this
    /// long before the lease or the time is up. By default a fifth of the invocation's time or of
    /// the [longest lease](Self::longest_lease), if that is shorter, but at least 100 ms and at
    /// most 1 s.
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = Some(reserve.min(LONGEST));
        self
    }

    /// How much time the work needs at least. With less, it is not begun and nothing is held. By
    /// default half of the default [`reserve`](Self::reserve), which is 50 ms to 500 ms.
    ///
    /// Work that is cut off is left for the next holder to find out about
    /// ([`Lease::takeovers`](crate::Lease::takeovers)). If that costs you something, set this to
    /// the longest that your work takes.
    pub fn least_work(mut self, least: Duration) -> Self {
        self.least_work = Some(least.min(LONGEST));
        self
    }

    /// How long one call of DynamoDB may take before it is tried again. Default 2 s. Less than 1 ms
    /// counts as 1 ms.
    pub fn call_timeout(mut self, longest: Duration) -> Self {
        self.call_timeout = longest.clamp(RESOLUTION, LONGEST);
        self
    }

    /// The back-off before a call is tried again. It is drawn evenly between zero and `min(cap,
    /// base · 2ⁿ)`, where n is counted from 0. This is "full jitter" (AWS Architecture Blog,
    /// "Exponential Backoff And Jitter"). Default 25 ms and 500 ms.
    ///
    /// A `base` under 1 ms counts as 1 ms, a `cap` under `base` as `base`.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        let base = base.clamp(RESOLUTION, LONGEST);
        let cap = cap.clamp(base, LONGEST);
        self.backoff = Backoff { base, cap };
        self
    }

    /// Makes the jitter reproducible, for tests. Default `None`, which draws a new seed for every
    /// call.
    pub fn jitter_seed(mut self, seed: Option<u64>) -> Self {
        self.jitter_seed = seed;
        self
    }

    /// The largest result that is kept, in bytes of its JSON. [`MAX_RESULT_BYTES`] is the default
    /// and the most.
    ///
    /// Of a larger result the digest is kept, so that the work is still done once. A duplicate then
    /// learns that the work was done and not its result
    /// ([`Error::ResultNotKept`](crate::Error::ResultNotKept)). Every started KB of the item costs
    /// a write unit when the lease is settled, and once more for every duplicate.
    pub fn max_result_bytes(mut self, most: usize) -> Self {
        self.max_result_bytes = most.min(MAX_RESULT_BYTES);
        self
    }

    /// Keeps settled records in memory, up to this many bytes altogether. The one used longest ago
    /// makes room. Default 0, which keeps none. A duplicate that is found there costs no call.
    ///
    /// Only what is settled for good is kept, so nothing in it can be out of date.
    pub fn cache_bytes(mut self, most: usize) -> Self {
        self.cache_bytes = most;
        self
    }

    /// Called on every replay before it is returned, for example for metrics. It has to be quick,
    /// as nothing else goes on meanwhile.
    pub fn on_replay(mut self, hook: impl Fn(&Replay<'_>) + Send + Sync + 'static) -> Self {
        self.on_replay = Some(Arc::new(hook));
        self
    }

    /// The wall clock, for tests. Default is the machine's.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }
}

impl LeaseOptions {
    /// The request that creates a table for locks with these options. The table has the key that
    /// the options name, and is billed by request.
    ///
    /// It is a builder, to add encryption, tags or deletion protection to. Creating it takes the
    /// permission `dynamodb:CreateTable`, which a function that holds leases does not need. The
    /// table has no time to live yet, which takes [a second request](Self::enable_ttl) once the
    /// table is active.
    ///
    /// ```no_run
    /// # async fn example(client: aws_sdk_dynamodb::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use aws_sdk_dynamodb::client::Waiters as _;
    /// use idempotency::LeaseOptions;
    ///
    /// let options = LeaseOptions::default();
    /// options.create_table("locks").send_with(&client).await?;
    /// let active = client.wait_until_table_exists().table_name("locks");
    /// active.wait(std::time::Duration::from_secs(120)).await?;
    /// options.enable_ttl("locks").send_with(&client).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_table(&self, table: impl Into<String>) -> CreateTableInputBuilder {
        let sort_key = self.sort_key.as_ref().map(|(name, _)| name);
        let keys = std::iter::once((&self.partition_key, KeyType::Hash))
            .chain(sort_key.map(|name| (name, KeyType::Range)));
        let mut input = CreateTableInput::builder()
            .table_name(table)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, key_type) in keys {
            // Neither fails, because both have all that they need.
            if let (Ok(attribute), Ok(key)) = (
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::S)
                    .build(),
                KeySchemaElement::builder()
                    .attribute_name(name)
                    .key_type(key_type)
                    .build(),
            ) {
                input = input.attribute_definitions(attribute).key_schema(key);
            }
        }
        input
    }

    /// The request that lets DynamoDB delete locks that are forgotten. Without it they stay for
    /// good, and nothing else changes. It takes the permission `dynamodb:UpdateTimeToLive`.
    pub fn enable_ttl(&self, table: impl Into<String>) -> UpdateTimeToLiveInputBuilder {
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name(Attribute::Ttl.name())
            .enabled(true)
            .build();
        // It does not fail, because it has all that it needs.
        UpdateTimeToLiveInput::builder()
            .table_name(table)
            .set_time_to_live_specification(ttl.ok())
    }
}

/// The times of one lease, all of them counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// When the lease ends.
    pub(crate) lease: Duration,
    /// When every call has returned.
    pub(crate) end: Duration,
    /// When the work has to have begun.
    pub(crate) last_start: Duration,
    /// How long before the end of the lease or of the time the work is cut off.
    pub(crate) reserve: Duration,
}

impl LeaseOptions {
    /// The times of a lease that is taken when so much is `left` of an invocation that had so much
    /// time as a `whole`. `None` if the work should not be begun.
    ///
    /// The shares are of the whole and not of what is left. Otherwise work that begins late would
    /// be given less than it was given before, and would be cut off more often.
    pub(crate) fn plan(&self, left: Duration, whole: Duration) -> Option<Plan> {
        let share = |of: Duration, part: u32, least: u64, most: u64| {
            (of / part).clamp(Duration::from_millis(least), Duration::from_millis(most))
        };
        let longest = whole.min(self.longest_lease);
        let headroom = self.headroom.unwrap_or_else(|| share(whole, 4, 250, 750));
        let reserve = self
            .reserve
            .unwrap_or_else(|| share(longest, 5, 100, 1_000));
        let least_work = self
            .least_work
            .unwrap_or_else(|| share(longest, 10, 50, 500));
        let lease = left.min(self.longest_lease);
        let end = left.saturating_sub(headroom);
        let last_start = lease
            .min(end)
            .checked_sub(reserve)?
            .checked_sub(least_work)?;
        (!last_start.is_zero()).then_some(Plan {
            lease,
            end,
            last_start,
            reserve,
        })
    }

    /// True if the options leave no time for any work of an invocation that has so much time, and
    /// the defaults would.
    pub(crate) fn leaves_no_time_of(&self, whole: Duration) -> bool {
        self.plan(whole, whole).is_none() && Self::default().plan(whole, whole).is_some()
    }
}

/// A key attribute of the table of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAttribute {
    /// [`LeaseOptions::partition_key`]
    PartitionKey,
    /// [`LeaseOptions::sort_key`]
    SortKey,
}

impl std::fmt::Display for KeyAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PartitionKey => "partition_key",
            Self::SortKey => "sort_key",
        })
    }
}

/// The reason why a name is not taken. A lock under it would not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseOptionsError {
    /// The lock's item has an attribute of this name. It would take the place of the key. Every
    /// lease would then be its own item, and none would keep another from the work.
    #[error("{key}: \"{name}\" is an attribute of the lock itself")]
    ReservedName {
        /// The key that was to have the name.
        key: KeyAttribute,
        /// The name.
        name: String,
    },
    /// The name is empty or longer than 255 bytes.
    #[error("{key}: a name has 1 to 255 bytes, and this one {bytes}")]
    NameLength {
        /// The key that was to have the name.
        key: KeyAttribute,
        /// The length in bytes.
        bytes: usize,
    },
    /// The partition key and the sort key have this name.
    #[error("partition_key and sort_key: both are called \"{name}\"")]
    SameName {
        /// The name.
        name: String,
    },
    /// The sort key's value is empty or longer than 1,024 bytes.
    #[error("sort_key: a value has 1 to 1024 bytes, and this one {bytes}")]
    SortKeyValue {
        /// The length in bytes.
        bytes: usize,
    },
}

fn check_name(key: KeyAttribute, name: &str) -> Result<(), LeaseOptionsError> {
    if name.is_empty() || name.len() > MAX_NAME {
        let bytes = name.len();
        return Err(LeaseOptionsError::NameLength { key, bytes });
    }
    if Attribute::ALL
        .iter()
        .any(|attribute| attribute.name() == name)
    {
        let name = name.to_owned();
        return Err(LeaseOptionsError::ReservedName { key, name });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A duration, or none.
    fn some_time() -> impl Strategy<Value = Option<Duration>> {
        prop::option::of((0_u64..5_000).prop_map(millis))
    }

    proptest! {
        #[test]
        fn whatever_is_set_work_begins_and_ends_while_there_is_time_to_settle(
            headroom in some_time(),
            reserve in some_time(),
            least_work in some_time(),
            longest in 1_u64..40_000,
            whole in 0_u64..40_000,
            passed in 0_u64..40_000,
        ) {
            let options = LeaseOptions { headroom, reserve, least_work, ..LeaseOptions::default() };
            let options = options.longest_lease(millis(longest));
            let (left, whole) = (millis(whole.saturating_sub(passed)), millis(whole));
            if let Some(plan) = options.plan(left, whole) {
                prop_assert!(plan.lease <= left && plan.lease <= millis(longest));
                prop_assert!(plan.end + headroom.unwrap_or(millis(250)) <= left);
                prop_assert!(!plan.last_start.is_zero());
                prop_assert!(plan.reserve >= reserve.unwrap_or(millis(100)));
                let until = plan.lease.min(plan.end) - plan.reserve;
                let least = least_work.unwrap_or(millis(50));
                prop_assert!(plan.last_start + least <= until);
                // The same work is not begun with less of the invocation than at its beginning.
                let first = options.plan(whole, whole).unwrap();
                prop_assert_eq!(first.reserve, plan.reserve);
            }
        }

        #[test]
        fn by_default_there_is_time_for_work_from_401_ms_on_whatever_the_longest_lease_from_200_ms_on(
            whole in 401_u64..1_000_000,
            longest in 200_u64..1_000_000,
        ) {
            let options = LeaseOptions::default();
            prop_assert!(options.plan(millis(whole), millis(whole)).is_some());
            let options = options.longest_lease(millis(longest));
            prop_assert!(options.plan(millis(whole), millis(whole)).is_some());
        }
    }

    #[test]
    fn the_defaults_are_those_that_the_documentation_says() {
        let guide = include_str!("../guide.md");
        for whole in [1_000, 2_000, 3_000, 5_000, 30_000] {
            let plan = LeaseOptions::default().plan(millis(whole), millis(whole));
            let plan = plan.unwrap();
            let work = (plan.end - plan.reserve).as_millis();
            let headroom = whole - u64::try_from(plan.end.as_millis()).unwrap();
            let (reserve, last) = (plan.reserve.as_millis(), plan.last_start.as_millis());
            let least = work - last;
            let seconds = whole / 1_000;
            let row =
                format!("| {seconds} s | {headroom} | {reserve} | {least} | {last} | {work} |");
            assert!(guide.contains(&row), "{row}");
        }
    }

    #[test]
    fn only_options_that_were_set_are_blamed_for_leaving_no_time() {
        let default = LeaseOptions::default();
        assert!(!default.leaves_no_time_of(millis(100)));
        assert!(!default.leaves_no_time_of(millis(1_000)));
        let long = default.clone().reserve(millis(1_000));
        assert!(long.leaves_no_time_of(millis(1_000)));
        assert!(!long.leaves_no_time_of(millis(3_000)));
        assert!(
            default
                .longest_lease(millis(100))
                .leaves_no_time_of(millis(30_000))
        );
    }

    #[test]
    fn every_attribute_of_the_lock_is_refused_as_the_name_of_a_key() {
        for attribute in Attribute::ALL {
            let name = attribute.name();
            let refused = |key| LeaseOptionsError::ReservedName {
                key,
                name: name.to_owned(),
            };
            let options = LeaseOptions::default();
            let partition = options.clone().partition_key(name).unwrap_err();
            assert_eq!(partition, refused(KeyAttribute::PartitionKey));
            let sort = options.sort_key(name, "lock").unwrap_err();
            assert_eq!(sort, refused(KeyAttribute::SortKey));
        }
    }

    #[test]
    fn names_are_told_apart_by_case_as_dynamodb_does() {
        assert!(LeaseOptions::default().partition_key("Owner").is_ok());
    }

    #[test]
    fn the_two_keys_have_two_names_whichever_is_set_first() {
        let same = |name: &str| LeaseOptionsError::SameName {
            name: name.to_owned(),
        };
        let default = LeaseOptions::default();
        assert_eq!(default.sort_key("id", "lock").unwrap_err(), same("id"));
        let sorted = LeaseOptions::default().sort_key("k", "lock").unwrap();
        assert_eq!(sorted.partition_key("k").unwrap_err(), same("k"));
        let named = LeaseOptions::default().partition_key("k").unwrap();
        assert_eq!(named.sort_key("k", "lock").unwrap_err(), same("k"));
    }

    #[test]
    fn names_and_values_are_as_long_as_dynamodb_takes_them() {
        for bytes in [0, 256] {
            let name = "n".repeat(bytes);
            let partition = LeaseOptions::default().partition_key(&name).unwrap_err();
            let key = KeyAttribute::PartitionKey;
            assert_eq!(partition, LeaseOptionsError::NameLength { key, bytes });
            let sort = LeaseOptions::default().sort_key(&name, "lock").unwrap_err();
            let key = KeyAttribute::SortKey;
            assert_eq!(sort, LeaseOptionsError::NameLength { key, bytes });
        }
        // Bytes, and not characters.
        assert!(
            LeaseOptions::default()
                .partition_key("é".repeat(128))
                .is_err()
        );
        for bytes in [0, 1_025] {
            let sort = LeaseOptions::default().sort_key("k", "v".repeat(bytes));
            let refused = LeaseOptionsError::SortKeyValue { bytes };
            assert_eq!(sort.unwrap_err(), refused);
        }
        let longest = LeaseOptions::default()
            .partition_key("n".repeat(255))
            .unwrap();
        assert!(longest.sort_key("k", "v".repeat(1_024)).is_ok());
    }
}
