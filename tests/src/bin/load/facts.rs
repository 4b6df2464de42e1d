//! The cost of a fact, measured while the notifier works off a backlog in full batches.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tests::{Clients, FactsEvidence, Stack, order};

use crate::usage::{Usage, usage};

/// The number of orders whose facts wait, which is a hundred batches as shipped.
const ORDERS: u32 = 10_000;
const AT_ONCE: usize = 50;
const LATEST_FACT: Duration = Duration::from_secs(600);

/// The measured cost of facts.
pub(crate) struct FactsCost {
    /// The number of facts, one an order.
    pub(crate) facts: usize,
    /// The calls of AWS that the notifier has made, by operation.
    pub(crate) calls: Vec<(String, u64)>,
    /// The processor time of the notifier for a fact.
    pub(crate) notifier: Duration,
    /// The processor time of the subscriber for a fact.
    pub(crate) subscriber: Duration,
    /// The findings that break a promise.
    pub(crate) findings: Vec<String>,
}

impl FactsCost {
    /// Accepts orders while the notifier's mapping is stopped, then lets it go, and waits until all
    /// that follows is there.
    pub(crate) async fn measure() -> Self {
        let stack = Stack::start().await;
        stack.enable_mapping_of("notifier", false).await;
        let clients = Clients::of(&stack).await;
        let calls = stream::iter(0..ORDERS).map(async |number| {
            let content = order(usize::try_from(number).unwrap_or_default());
            while clients.submit(None, &content).await.status != 202 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        calls.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        stack.drained_within(LATEST_FACT).await;
        let before = usage(&stack).await;
        stack.enable_mapping_of("notifier", true).await;
        let nothing = FactsEvidence::default();
        let audit = stack.facts_settled_since(&nothing, LATEST_FACT).await;
        let after = usage(&stack).await;
        let orders = clients.audit().await;
        let busy = |process: &str| {
            let of = |usage: &BTreeMap<String, Usage>| {
                usage
                    .get(process)
                    .map(|usage| usage.busy)
                    .unwrap_or_default()
            };
            of(&after).saturating_sub(of(&before)) / ORDERS
        };
        let state = stack.state().await;
        let calls = state["functions"]["notifier"]["calls"].as_object();
        Self {
            facts: audit.expected,
            calls: calls
                .into_iter()
                .flatten()
                .map(|(action, count)| (action.clone(), count.as_u64().unwrap_or_default()))
                .collect(),
            notifier: busy("notifier"),
            subscriber: busy("shipping"),
            findings: [audit.findings(), orders.lost, orders.doubled].concat(),
        }
    }

    /// How many facts there are for each call of an operation.
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "for a person to read"
    )]
    pub(crate) fn facts_for_each(&self, calls: u64) -> f64 {
        self.facts as f64 / calls.max(1) as f64
    }
}
