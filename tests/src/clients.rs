//! The clients of a stack, with all responses that they got. These responses are the service's
//! promises.

use std::sync::{Mutex, PoisonError};

use orders::{Caller, Cancel, Intent, IntentId, IntentKind, NewOrder, OrderId, Submit};

use crate::{Answer, Audit, Evidence, Stack};

/// Clients of one stack. Concurrent calls are remembered in the sequence of their responses.
pub struct Clients<'a> {
    stack: &'a Stack,
    calls: Mutex<Vec<Call>>,
    /// The evidence from before the first call.
    before: Evidence,
}

/// A request and its result.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request.
    pub what: What,
    /// The knowledge of the client after the response.
    pub told: Told,
}

/// The request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An order.
    Submit {
        /// The caller.
        by: Caller,
        /// The content, or `None` if the content was not an order.
        order: Option<NewOrder>,
        /// The `Idempotency-Key`, if there was one.
        key: Option<String>,
    },
    /// The cancel of an order.
    Cancel {
        /// The caller.
        by: Caller,
        /// The order's id.
        order_id: OrderId,
    },
}

impl What {
    /// True if the intent is this request.
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
    /// The request that leads to this intent, without a key.
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

/// The knowledge of a client after the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The status is 202, so this intent about this order is kept.
    Accepted(OrderId, IntentId),
    /// The status is 503 and the response names the order, so the intent may have been accepted.
    Unknown(OrderId),
    /// The status is 503 without an order, so nothing was accepted.
    Unavailable,
    /// The status is 4xx, so nothing was accepted, and nothing will be.
    TurnedAway,
    /// The response is the gateway's own 500 or 503, because the function died or took too long. So
    /// the result is unknown.
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
    /// If the text is not an order's id.
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
    /// If the stream does not take the intent.
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

    /// Compares the responses to the clients with the evidence now.
    pub async fn audit(&self) -> Audit {
        let now = Evidence::gather(self.stack).await;
        Audit::of(&self.calls(), &self.before, &now)
    }

    fn remember(&self, what: What, answer: &Answer) {
        let order_id = answer.body["order_id"].as_str().and_then(OrderId::parse);
        let intent_id = answer.body["intent_id"].as_str().and_then(IntentId::parse);
        // The gateway's own responses are not problem documents.
        let is_problem = answer.header("content-type") == Some("application/problem+json");
        let told = match (answer.status, order_id, intent_id) {
            (202, Some(order_id), Some(intent_id)) => Told::Accepted(order_id, intent_id),
            (503, Some(order_id), None) => Told::Unknown(order_id),
            (503, None, None) if is_problem => Told::Unavailable,
            (400..=499, None, None) => Told::TurnedAway,
            (500 | 503, None, None) if !is_problem => Told::Failed,
            _ => panic!(
                "not a response of this service: {} {}",
                answer.status, answer.body
            ),
        };
        self.calls().push(Call { what, told });
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
