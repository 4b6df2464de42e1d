//! The end of a stack's work, when the consumer has worked off everything in the stream.

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
    /// A deployed mapping does not show its state. There this function puts an order into every
    /// shard, behind all other orders, and waits for its row. Then it does the same with a second
    /// order.
    ///
    /// The first order may be in one batch with the orders before it, and the keys of a batch are
    /// worked off concurrently. The second order is in a later batch, and the batches of a shard
    /// follow each other. So every earlier order has been worked off by then. A record that failed
    /// may still be tried again later.
    ///
    /// # Panics
    /// If the stream is not worked off within this time.
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

    /// Puts at least one order into every shard. Returns the orders' ids.
    async fn probe(&self) -> Vec<String> {
        let kinesis = self.kinesis();
        let shards = kinesis.list_shards().stream_name(self.stream()).send();
        let shards = shards.await.unwrap().shards.unwrap_or_default();
        let mut ahead: BTreeSet<String> = shards.into_iter().map(|shard| shard.shard_id).collect();
        let mut probes = Vec::new();
        // Each order has a new id, whose hash decides on the shard.
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

    /// The orders that no client has sent. [`drained_within`](Self::drained_within) has put them
    /// behind the clients' orders.
    pub(crate) fn probes(&self) -> MutexGuard<'_, BTreeSet<OrderId>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
