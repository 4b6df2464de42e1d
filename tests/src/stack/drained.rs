//! When all is done: nothing is left in the stream that the consumer has not worked off.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use orders::OrderId;
use serde_json::json;
use tokio::time::Instant;

use super::Stack;
use crate::{ORDER, eventually_within, submit_intent};

impl Stack {
    /// Waits until the mapping has read all that is in the stream and has nothing unfinished.
    pub async fn drained(&self) {
        self.drained_within(Duration::from_secs(60)).await;
    }

    /// Waits for at most this long until the mapping has read all that is in the stream and has
    /// nothing unfinished.
    ///
    /// A deployed mapping shows no such state. There an order is put behind all others into every
    /// shard, and awaited, and then another one. The first may be of one batch with what is before
    /// it, and keys of a batch are worked off concurrently; the second is of a later batch, and the
    /// batches of a shard follow each other. So what was there before has been worked off by then,
    /// though a record that failed may be tried again later.
    ///
    /// # Panics
    /// If it is not so then.
    pub async fn drained_within(&self, patience: Duration) {
        if self.deployment.is_some() {
            return self.probed_within(patience).await;
        }
        eventually_within(patience, "the stream being worked off", || async {
            let state = self.state().await;
            let mapping = &state["mapping"];
            let idle = mapping["shards"]
                .as_array()?
                .iter()
                .all(|shard| shard["in_flight"] == json!([]) && shard["unfinished_records"] == 0);
            let shards = state["stream"]["shards"].as_array()?;
            let put: u64 = shards
                .iter()
                .filter_map(|shard| shard["records"].as_u64())
                .sum();
            (mapping["counters"]["records_read"].as_u64()? >= put && idle).then_some(())
        })
        .await;
    }

    async fn probed_within(&self, patience: Duration) {
        let give_up = Instant::now() + patience;
        for _ in 0..2 {
            for probe in self.probe().await {
                let left = give_up.saturating_duration_since(Instant::now());
                eventually_within(left, "the stream being worked off", || self.row(&probe)).await;
            }
        }
    }

    /// Puts at least one order into every shard; gives their ids.
    async fn probe(&self) -> Vec<String> {
        let kinesis = self.kinesis();
        let shards = kinesis.list_shards().stream_name(self.stream()).send();
        let shards = shards.await.unwrap().shards.unwrap_or_default();
        let mut ahead: BTreeSet<String> = shards.into_iter().map(|shard| shard.shard_id).collect();
        let mut probes = Vec::new();
        // Each has an id of its own, whose hash decides on the shard.
        while !ahead.is_empty() {
            let probe = submit_intent(ORDER);
            self.probes().insert(probe.order_id);
            let request = kinesis.put_record().stream_name(self.stream());
            let request = request.partition_key(probe.order_id.to_string());
            let request = request.data(Blob::new(probe.encode()));
            ahead.remove(&request.send().await.unwrap().shard_id);
            probes.push(probe.order_id.to_string());
        }
        probes
    }

    /// The orders that no client has sent, but [`drained_within`](Self::drained_within) has put
    /// behind theirs.
    pub(crate) fn probes(&self) -> MutexGuard<'_, BTreeSet<OrderId>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
