//! Clients of a stack, and all that they were told: what the service has promised.

use std::sync::{Mutex, PoisonError};

use orders::{Caller, Cancel, Intent, IntentId, IntentKind, NewOrder, OrderId, Submit};

use crate::{Answer, Audit, Evidence, Stack};

/// Clients of one stack. What they call concurrently is remembered in the order of the answers.
pub struct Clients<'a> {
    stack: &'a Stack,
    calls: Mutex<Vec<Call>>,
    /// What was there before the first call.
    before: Evidence,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// What was asked for.
    pub what: What,
    /// What was answered.
    pub told: Told,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An order.
    Submit {
        /// Who asked.
        by: Caller,
        /// What was ordered; `None` if it was no order.
        order: Option<NewOrder>,
        /// The `Idempotency-Key`, if there was one.
        key: Option<String>,
    },
    /// The cancelling of an order.
    Cancel {
        /// Who asked.
        by: Caller,
        /// Which order.
        order_id: OrderId,
    },
}

impl What {
    /// True if this is what an intent says.
    #[must_use]
    pub fn is(&self, intent: &Intent) -> bool {
        match (self, &intent.kind) {
            (
                Self::Submit { by, order, .. },
                IntentKind::Submit(Submit {
                    owner,
                    order: content,
                    ..
                }),
            ) => by == owner && order.as_ref() == Some(content),
            (Self::Cancel { by, order_id }, IntentKind::Cancel(Cancel { caller })) => {
                by == caller && *order_id == intent.order_id
            }
            _ => false,
        }
    }
}

impl From<&Intent> for What {
    /// What somebody asked for whose intent this is, without a key.
    fn from(intent: &Intent) -> Self {
        match &intent.kind {
            IntentKind::Submit(Submit { owner, order, .. }) => Self::Submit {
                by: owner.clone(),
                order: Some(order.clone()),
                key: None,
            },
            IntentKind::Cancel(Cancel { caller }) => Self::Cancel {
                by: caller.clone(),
                order_id: intent.order_id,
            },
        }
    }
}

/// What a client knows when it has its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// 202: this intent about this order is kept.
    Accepted(OrderId, IntentId),
    /// 503 that names the order: it may have been accepted.
    Unknown(OrderId),
    /// 503: nothing was accepted.
    Unavailable,
    /// 4xx: nothing was accepted, and nothing will be.
    TurnedAway,
    /// The gateway's own 500 or 503, because the function died or took too long: nobody knows.
    Failed,
}

impl<'a> Clients<'a> {
    /// Clients that have not called yet.
    pub async fn of(stack: &'a Stack) -> Self {
        Self {
            stack,
            calls: Mutex::default(),
            before: Evidence::gather(stack).await,
        }
    }

    /// Submits an order.
    pub async fn submit(&self, key: Option<&str>, order: &str) -> Answer {
        let headers: Vec<_> = key
            .map(|key| ("idempotency-key", key))
            .into_iter()
            .collect();
        let answer = self.stack.submit(&headers, order).await;
        let what = What::Submit {
            by: Caller::anonymous(),
            order: NewOrder::parse(order.as_bytes()).ok(),
            key: key.map(str::to_owned),
        };
        self.remember(what, &answer);
        answer
    }

    /// Cancels an order.
    ///
    /// # Panics
    /// If this is no order's id.
    pub async fn cancel(&self, order_id: &str) -> Answer {
        let answer = self.stack.cancel(order_id, &[]).await;
        let what = What::Cancel {
            by: Caller::anonymous(),
            order_id: OrderId::parse(order_id).unwrap(),
        };
        self.remember(what, &answer);
        answer
    }

    /// Puts an intent into the stream without the API, and counts it as accepted.
    ///
    /// # Panics
    /// If the stream does not take it.
    pub async fn put(&self, intent: &Intent) {
        let key = intent.order_id.to_string();
        self.stack.put(&key, intent.encode()).await;
        self.count_as_accepted(intent);
    }

    /// Remembers an intent that was put into the stream as accepted.
    pub fn count_as_accepted(&self, intent: &Intent) {
        let told = Told::Accepted(intent.order_id, intent.id);
        let what = What::from(intent);
        self.calls().push(Call { what, told });
    }

    /// Holds what the clients were told against what is there now.
    pub async fn audit(&self) -> Audit {
        let now = Evidence::gather(self.stack).await;
        Audit::of(&self.calls(), &self.before, &now)
    }

    fn remember(&self, what: What, answer: &Answer) {
        let order_id = answer.body["order_id"].as_str().and_then(OrderId::parse);
        let intent_id = answer.body["intent_id"].as_str().and_then(IntentId::parse);
        // The gateway's own answers are no problem documents.
        let is_problem = answer.header("content-type") == Some("application/problem+json");
        let told = match (answer.status, order_id, intent_id) {
            (202, Some(order_id), Some(intent_id)) => Told::Accepted(order_id, intent_id),
            (503, Some(order_id), None) => Told::Unknown(order_id),
            (503, None, None) if is_problem => Told::Unavailable,
            (400..=499, None, None) => Told::TurnedAway,
            (500 | 503, None, None) if !is_problem => Told::Failed,
            _ => panic!(
                "no answer of this service: {} {}",
                answer.status, answer.body
            ),
        };
        self.calls().push(Call { what, told });
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
