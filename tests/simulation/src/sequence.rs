//! The sequence of the intents of one order.
//!
//! A client that waits for its 202 before it sends the next intent has a sequence. The consumer
//! keeps this sequence, because the stream does. There are two exceptions. A discarded intent is
//! applied when it is put back. An intent that escaped from a hot shard lies in another shard, and
//! the consumer may come to the later intent first. Then the row is nevertheless the same, and
//! other laws are about the row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::tests::Evidence;
use aws_model::kinesis::hash_key;
use orders::{IntentId, OrderId};

use crate::resources::STREAM;
use crate::world::World;

/// An intent that a client was told is accepted.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) order_id: OrderId,
    pub(crate) intent_id: IntentId,
    /// The time of the request, and the time of its response.
    pub(crate) between: (Duration, Duration),
}

/// Compares the sequence of first writes with the sequence of acknowledgements. A law is broken if
/// they differ for intents that lie in the shard of their key.
pub(crate) fn check(world: &World, acknowledged: &[Acknowledged], evidence: &Evidence) {
    let shards = world.aws.kinesis().shards(STREAM).unwrap();
    let ranges: BTreeMap<_, _> = shards
        .into_iter()
        .map(|shard| (shard.id, shard.hash_range))
        .collect();
    let (mut escaped, mut discarded) = (BTreeSet::new(), BTreeSet::new());
    for record in &evidence.records {
        let Some(intent) = record.intent() else {
            continue;
        };
        if !ranges[&record.shard_id].contains(hash_key(&record.partition_key)) {
            escaped.insert(intent.id);
        }
        if evidence.is_discarded(record) {
            discarded.insert(intent.id);
        }
    }
    let mut by_order: BTreeMap<OrderId, Vec<&Acknowledged>> = BTreeMap::new();
    for intent in acknowledged {
        if !discarded.contains(&intent.intent_id) {
            by_order.entry(intent.order_id).or_default().push(intent);
        }
    }
    let first_write = |intent: &Acknowledged| world.laws.first_write(intent.intent_id);
    for intents in by_order.values() {
        for earlier in intents {
            for later in intents {
                if earlier.between.1 > later.between.0 {
                    continue;
                }
                let is_overtaken = first_write(later) < first_write(earlier);
                let has_escaped =
                    [earlier, later].map(|intent| escaped.contains(&intent.intent_id));
                match (has_escaped, is_overtaken) {
                    ([false, false], true) => world.laws.broken(
                        "the intents of an order are applied in their sequence",
                        format!("{earlier:?}, {later:?}"),
                    ),
                    ([false, false], false) => world.laws.count("sequence: kept", 1),
                    (_, false) => world.laws.count("sequence: kept although one escaped", 1),
                    (_, true) => world.laws.count("sequence: changed because one escaped", 1),
                }
            }
        }
    }
}
