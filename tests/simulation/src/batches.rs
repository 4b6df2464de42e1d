//! The batches of a run. A client sends several orders in one request, and learns what became of
//! each.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use orders::{Caller, NewOrder};
use serde_json::{Value, json};
use tests::{Told, What};
use tokio::time::sleep;

use crate::clients::{Clients, TRIES, order};
use crate::mutant::Mutant;
use crate::plan::{Call, Client};

/// Gives some of the clients batches among their other calls. The seed of the plan decides, with a
/// generator for this alone, so that everything else in the plan is as without batches.
pub(crate) fn add_batches(clients: &mut [Client], seed: u64) {
    let mut random = Rng::with_seed(seed ^ 0xBA7C_BA7C);
    for client in clients {
        for _ in 0..random.usize(0..=2) {
            let contents = (0..random.usize(1..=6)).map(|_| random.u32(0..3)).collect();
            let key = match random.u32(0..4) {
                0 => None,
                _ => Some(random.u32(0..3)),
            };
            let at = random.usize(0..=client.calls.len());
            let pause = Duration::from_millis(random.u64(0..4_000));
            client
                .calls
                .insert(at, (pause, Call::Batch { key, contents }));
        }
    }
}

impl Clients {
    /// Sends a batch. With a key the client sends the whole batch again until each order is
    /// accepted. Without a key it sends again only the orders that were not accepted.
    pub(crate) async fn batch(&self, name: &str, key: Option<u32>, contents: &[u32]) {
        let key = key.map(|key| format!("{name}-batch-{key}-of-the-simulation"));
        let mut left = contents.to_vec();
        for _ in 0..TRIES {
            let told = self.send_batch(name, key.as_deref(), &left).await;
            if key.is_some() {
                let is_done = |told: &Told| matches!(told, Told::Accepted(..) | Told::TurnedAway);
                if told.iter().all(is_done) {
                    return;
                }
            } else {
                let refused = left.iter().zip(told);
                let refused = refused.filter(|(_, told)| *told == Told::Unavailable);
                left = refused.map(|(content, _)| *content).collect();
                if left.is_empty() {
                    return;
                }
            }
            sleep(self.pause()).await;
        }
    }

    async fn send_batch(&self, name: &str, key: Option<&str>, contents: &[u32]) -> Vec<Told> {
        let mut headers = json!({"content-type": "application/json"});
        let is_sent = self.lambda.wire.mutant != Some(Mutant::RetriedBatchGetsNewIds);
        if let Some(key) = key.filter(|_| is_sent) {
            headers["idempotency-key"] = json!(key);
        }
        let sent = self.laws.trace.elapsed();
        let orders: Vec<String> = contents.iter().map(|content| order(*content)).collect();
        let body = format!("{{\"orders\": [{}]}}", orders.join(", "));
        let answer = self
            .send(name, "POST", "/orders/batch", headers, Some(body))
            .await;
        let mut different = BTreeSet::new();
        let answers = (0..orders.len()).map(|position| self.answer_at(position, &answer));
        let told = orders.iter().zip(answers).enumerate();
        let told = told.map(|(position, (order, answer))| {
            let what = What::Submit {
                by: Caller::parse(name).unwrap(),
                order: NewOrder::parse(order.as_bytes()).ok(),
                // A position under a key has one order, as a key of a single order has.
                key: key.map(|key| format!("{key}, position {position}")),
            };
            let told = self.remember(what, answer, sent);
            if let Told::Accepted(order_id, _) | Told::Unknown(order_id) = told {
                self.known.borrow_mut().push((order_id, name.to_owned()));
                if !different.insert(order_id) {
                    let law = "the orders of a batch are different orders";
                    self.laws.broken(law, order_id.to_string());
                }
            }
            told
        });
        let told: Vec<Told> = told.collect();
        if let Some((207, body)) = &answer
            && body["results"].as_array().map(Vec::len) != Some(told.len())
        {
            self.unlike_the_contract(207, body);
        }
        told
    }

    /// The status and the body of the response about one order of a batch.
    fn answer_at(&self, position: usize, answer: &Option<(i64, Value)>) -> Option<(i64, Value)> {
        let (status, body) = answer.as_ref()?;
        if *status != 207 {
            return Some((*status, body.clone()));
        }
        let result = &body["results"][position];
        Some((
            result["status"].as_i64().unwrap_or_default(),
            result.clone(),
        ))
    }
}
