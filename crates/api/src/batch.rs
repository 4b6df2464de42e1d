//! `POST /orders/batch` accepts up to a hundred new orders in one request.
//!
//! The answer to a valid envelope is 207, whatever became of the orders. The status is WebDAV's
//! (RFC 4918 §11.1), and the body is not. It is JSON, with a result for each order.

use http::{StatusCode, header};
use orders::{
    Fingerprint, Intent, IntentKind, NewOrder, OrderId, ParseError, Submit, Violation, parse_batch,
};
use serde::Serialize;

use crate::caller::Identity;
#[cfg(test)]
use crate::openapi::document::of_orders;
use crate::problem::{Document as ProblemDocument, Problem, RETRY_AFTER};
use crate::request::Request;
use crate::response::Response;
use crate::stream::{Refusal, Stream};
use crate::submit::{IF_UNKNOWN_WITHOUT_KEY, MAX_BODY, json_body};
use crate::{Api, unacknowledged};

/// The largest body of a batch, in bytes. The event that carries it as text or in base64 is at most
/// three times as long, and an invocation takes 6 MB.
pub(crate) const MAX_BATCH: usize = 1024 * 1024;

const IF_UNKNOWN_WITH_KEY: &str = "Send the whole batch again, unchanged and with the same Idempotency-Key. Each of its orders then remains one order.";
const IF_REFUSED_WITH_KEY: &str =
    "Send the whole batch again, unchanged and with the same Idempotency-Key.";
const IF_REFUSED_WITHOUT_KEY: &str = "Send this order again, alone or in another batch. Do not send the accepted orders again, because without an Idempotency-Key they would become second orders.";

/// The outcome for one order.
enum Outcome {
    Accepted(Accepted),
    Problem(Problem),
}

/// An order whose intent is in the stream. The fields are those of the answer to `POST /orders`,
/// with its status and its header `Location` among them.
#[derive(Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "AcceptedOfBatch")
)]
pub(crate) struct Accepted {
    /// The status that `POST /orders` would have, which is 202.
    #[cfg_attr(test, schemars(extend("const" = 202)))]
    status: u16,
    /// The id of the order, by which it is read and cancelled.
    #[cfg_attr(test, schemars(with = "of_orders::OrderId"))]
    order_id: String,
    /// The id of this order's intent. It is another one for each request.
    #[cfg_attr(test, schemars(with = "of_orders::IntentId"))]
    intent_id: String,
    /// The time at which the order was accepted.
    #[cfg_attr(test, schemars(with = "of_orders::Timestamp"))]
    accepted_at: String,
    /// The fingerprint of the order that was sent.
    #[cfg_attr(test, schemars(with = "of_orders::Fingerprint"))]
    fingerprint: Fingerprint,
    /// The path at which the order can be read, as `Location` has it.
    #[cfg_attr(test, schemars(extend("format" = "uri-reference")))]
    location: String,
}

/// The number of orders with each outcome, for the log.
#[derive(Default)]
struct Counts {
    accepted: usize,
    invalid: usize,
    not_accepted: usize,
    outcome_unknown: usize,
}

impl Api {
    pub(crate) async fn batch(
        &self,
        stream: &Stream,
        request: &Request<'_>,
        identity: Identity,
    ) -> Result<Response, Problem> {
        let orders = orders(request)?;
        let key = self.idempotency_key(request, &identity)?;
        if let Some(fairness) = &self.fairness {
            fairness.charge(&identity, orders.len() - 1);
        }
        let now = self.now()?;
        let mut counts = Counts::default();
        let mut results = Vec::with_capacity(orders.len());
        let (mut places, mut intents) = (Vec::new(), Vec::new());
        // An order that is invalid keeps its position, so that a retry has the same ids.
        for (position, order) in orders.into_iter().enumerate() {
            match order {
                Ok(order) => {
                    let order_id = match &key {
                        Some(key) => {
                            let (issuer, caller) = (&identity.issuer, &identity.caller);
                            OrderId::for_position(issuer, caller, key, position)
                        }
                        None => self.origins.order_id(),
                    };
                    let submit = Submit::new(identity.caller.clone(), order);
                    places.push((position, submit.fingerprint.clone()));
                    let kind = IntentKind::Submit(submit);
                    let intent = Intent::new(self.origins.intent_id(), order_id, now, kind);
                    intents.push(intent.in_trace(request.traceparent()));
                }
                Err(violations) => {
                    counts.invalid += 1;
                    let problem = Problem::invalid_order(violations);
                    results.push((position, Outcome::Problem(problem)));
                }
            }
        }
        if !intents.is_empty() && !Stream::has_time(request.time_left()) {
            for intent in &intents {
                unacknowledged(request, intent, &Refusal::no_time_left());
            }
            return Err(Problem::not_accepted());
        }
        let puts = stream.put_all(&intents, request.time_left()).await;
        let places = places.into_iter().zip(&intents).zip(puts);
        for (((position, fingerprint), intent), put) in places {
            let outcome = match put {
                Ok(()) => {
                    counts.accepted += 1;
                    Outcome::Accepted(Accepted {
                        status: StatusCode::ACCEPTED.as_u16(),
                        order_id: intent.order_id.to_string(),
                        intent_id: intent.id.to_string(),
                        accepted_at: intent.accepted_at.to_string(),
                        fingerprint,
                        location: format!("{}/orders/{}", request.base_path(), intent.order_id),
                    })
                }
                Err(refusal) => {
                    unacknowledged(request, intent, &refusal);
                    Outcome::Problem(match refusal {
                        Refusal::NotAccepted { .. } => {
                            counts.not_accepted += 1;
                            Problem::order_not_accepted(match &key {
                                Some(_) => IF_REFUSED_WITH_KEY,
                                None => IF_REFUSED_WITHOUT_KEY,
                            })
                        }
                        Refusal::OutcomeUnknown { .. } => {
                            counts.outcome_unknown += 1;
                            let advice = match &key {
                                Some(_) => IF_UNKNOWN_WITH_KEY,
                                None => IF_UNKNOWN_WITHOUT_KEY,
                            };
                            Problem::outcome_unknown(intent.order_id, advice)
                        }
                    })
                }
            };
            results.push((position, outcome));
        }
        results.sort_by_key(|(position, _)| *position);
        counts.log(request);
        let results = results.iter();
        let results: Vec<_> = results
            .map(|(_, outcome)| outcome.document(request.id()))
            .collect();
        let response = Response::json(StatusCode::MULTI_STATUS, &Document { results });
        Ok(if counts.not_accepted + counts.outcome_unknown > 0 {
            response.with(header::RETRY_AFTER, RETRY_AFTER)
        } else {
            response
        })
    }
}

/// An order, or the rules that it breaks.
type ReadOrder = Result<NewOrder, Vec<Violation>>;

/// The orders of a request, each with the rules that it breaks.
fn orders(request: &Request<'_>) -> Result<Vec<ReadOrder>, Problem> {
    let body = json_body(request, MAX_BATCH)?;
    parse_batch(&body, MAX_BODY).map_err(|error| match error {
        ParseError::NotJson { line, column } => Problem::not_json(line, column),
        ParseError::Invalid(violations) => Problem::invalid_batch(violations),
    })
}

/// The document of a 207.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "BatchResults"))]
pub(crate) struct Document<'a> {
    /// A result for each order, in the sequence of the orders.
    #[cfg_attr(test, schemars(length(min = 1, max = orders::MAX_ORDERS_OF_BATCH)))]
    results: Vec<OrderResult<'a>>,
}

/// What became of one order of a batch.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "BatchResult"))]
#[serde(untagged)]
pub(crate) enum OrderResult<'a> {
    /// The order is accepted.
    Accepted(&'a Accepted),
    /// The order is not accepted, or nobody knows.
    Problem {
        /// The status that `POST /orders` would have.
        status: u16,
        /// The id of the order, if the outcome is unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, schemars(with = "of_orders::OrderId"))]
        order_id: Option<String>,
        /// The problem document that `POST /orders` would have.
        problem: ProblemDocument<'a>,
    },
}

impl Outcome {
    /// The result of the order, which looks like the answer to `POST /orders`.
    fn document(&self, request_id: Option<&str>) -> OrderResult<'_> {
        match self {
            Self::Accepted(accepted) => OrderResult::Accepted(accepted),
            Self::Problem(problem) => OrderResult::Problem {
                status: problem.status().as_u16(),
                order_id: problem.order_id().map(|id| id.to_string()),
                problem: problem.document(request_id),
            },
        }
    }
}

impl Counts {
    fn log(&self, request: &Request<'_>) {
        let gateway_request_id = request.id();
        let Self {
            accepted,
            invalid,
            not_accepted,
            outcome_unknown,
        } = self;
        tracing::info!(
            gateway_request_id,
            accepted,
            invalid,
            not_accepted,
            outcome_unknown,
            "a batch was answered"
        );
    }
}
