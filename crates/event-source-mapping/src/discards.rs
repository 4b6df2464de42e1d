//! The records that a lane has given up, until the destination has their messages or never will.
//! Neighbours are merged where that is assumed. Messages are offered one at a time, again and again
//! up to a limit.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::context::Context;
use crate::derived_uuid::made_up_uuid;
use crate::destination::object_key;
use crate::event_source::StreamKind;
use crate::ledger::Ledger;
use crate::{
    Action, Batch, BatchInfo, Discard, DiscardCondition, DiscardMessage, MappingOptions,
    NeighbouringDiscards, Occurrence, RequestContext, ResponseContext, StreamBatchInfo, Timestamp,
};

/// Records that are not sent to the function again.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) batch: Batch,
    pub(crate) condition: DiscardCondition,
    /// How often the function ran with exactly these records.
    pub(crate) invoke_count: u32,
    pub(crate) last_response: Option<LastResponse>,
}

/// The last invocation with some records, as the message about their discard tells it.
#[derive(Debug, Clone)]
pub(crate) struct LastResponse {
    pub(crate) request_id: String,
    pub(crate) function_error: Option<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct Discards {
    /// In their sequence. All but the last are complete.
    waiting: VecDeque<GivenUp>,
    offered: Option<Offered>,
}

#[derive(Debug)]
struct Offered {
    batch: Batch,
    condition: DiscardCondition,
    message: Box<DiscardMessage>,
    object_key: String,
    failures: u32,
    delivery: Delivery,
}

#[derive(Clone, Copy, Debug)]
enum Delivery {
    Sent { id: u64 },
    Due { at: Timestamp },
}

impl Discards {
    /// True if a message is on its way to the destination or waits to be offered again. Until then
    /// its lane does nothing else.
    pub(crate) fn is_busy(&self) -> bool {
        self.offered.is_some()
    }

    /// True if an answer is awaited.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.awaited().is_some()
    }

    /// True if the action `id` is awaited.
    pub(crate) fn awaits(&self, id: u64) -> bool {
        self.awaited() == Some(id)
    }

    fn awaited(&self) -> Option<u64> {
        match self.offered.as_ref()?.delivery {
            Delivery::Sent { id } => Some(id),
            Delivery::Due { .. } => None,
        }
    }

    /// The time at which a message is to be offered again.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        match self.offered.as_ref()?.delivery {
            Delivery::Sent { .. } => None,
            Delivery::Due { at } => Some(at),
        }
    }

    pub(crate) fn push(&mut self, given_up: GivenUp, options: &MappingOptions) {
        if merges(options)
            && let Some(last) = self.waiting.back_mut()
            && last.condition == given_up.condition
            && let Some(batch) = last.batch.joined(&given_up.batch)
        {
            *last = GivenUp { batch, ..given_up };
            return;
        }
        self.waiting.push_back(given_up);
    }

    /// Does everything that is due. `next` is the batch that the lane will deliver next. True if
    /// that finished a discard, which is so where the mapping has no destination.
    pub(crate) fn advance(
        &mut self,
        next: Option<&Batch>,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) -> bool {
        let mut over = false;
        loop {
            if self.offered.is_none() {
                let Some(given_up) = self.take_complete(next, context.options) else {
                    return over;
                };
                self.offered = Some(Offered::new(given_up, context));
            }
            let Some(offered) = &mut self.offered else {
                return over;
            };
            match (&context.options.on_failure, offered.delivery) {
                (_, Delivery::Sent { .. }) => return over,
                (Some(destination), Delivery::Due { at }) => {
                    if at <= context.now {
                        offered.send(destination.clone(), context);
                    }
                    return over;
                }
                (None, Delivery::Due { .. }) => {
                    self.finish(false, context, ledger);
                    over = true;
                }
            }
        }
    }

    /// The first discard to which nothing can be added any more.
    fn take_complete(&mut self, next: Option<&Batch>, options: &MappingOptions) -> Option<GivenUp> {
        let first = self.waiting.front()?;
        let may_grow = self.waiting.len() == 1
            && merges(options)
            && next.is_some_and(|next| first.batch.joined(next).is_some());
        if may_grow {
            return None;
        }
        self.waiting.pop_front()
    }

    /// The destination took the message, or did not. True if that finished the discard.
    pub(crate) fn answered(
        &mut self,
        delivered: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) -> bool {
        let Some(offered) = &mut self.offered else {
            return false;
        };
        let range = offered.batch.range();
        if delivered {
            context
                .occurrences
                .push(Occurrence::DiscardDelivered { range });
        } else {
            offered.failures += 1;
            let assumptions = &context.options.assumptions;
            if offered.failures < assumptions.discard_delivery_attempts {
                let pause = assumptions.retry_backoff.after(offered.failures);
                let retry_at = context.now.saturating_add(pause);
                offered.delivery = Delivery::Due { at: retry_at };
                context
                    .occurrences
                    .push(Occurrence::DiscardDeliveryFailed { range, retry_at });
                return false;
            }
            context.counters.discards_lost += 1;
            context.occurrences.push(Occurrence::DiscardLost { range });
        }
        self.finish(delivered, context, ledger);
        true
    }

    fn finish(&mut self, delivered: bool, context: &mut Context<'_>, ledger: &mut Ledger) {
        let Some(Offered {
            batch, condition, ..
        }) = self.offered.take()
        else {
            return;
        };
        let records = batch.records().len() as u64;
        context.counters.batches_discarded += 1;
        context.counters.records_discarded += records;
        let events = &mut context.event_counts;
        let by_the_mapping = match condition {
            DiscardCondition::RetryAttemptsExhausted => true,
            DiscardCondition::RecordAgeExceeded => context.options.limits_record_age(),
        };
        if delivered {
            events.on_failure_destination_delivered_event_count += records;
        } else if by_the_mapping {
            events.dropped_event_count += records;
        }
        ledger.done(batch.records());
    }
}

impl GivenUp {
    /// The message about records that are discarded now.
    fn message(&self, context: &mut Context<'_>) -> DiscardMessage {
        let range = self.batch.range();
        let info = StreamBatchInfo {
            shard_id: range.shard_id.to_string(),
            start_sequence_number: range.first.to_string(),
            end_sequence_number: range.last.to_string(),
            approximate_arrival_of_first_record: self.batch.first().approximate_arrival,
            approximate_arrival_of_last_record: self.batch.last().approximate_arrival,
            batch_size: range.records,
            stream_arn: context.options.event_source_arn.clone(),
        };
        let batch_info = match context.source.kind() {
            StreamKind::Kinesis => BatchInfo::Kinesis(info),
            StreamKind::DynamoDb => BatchInfo::DynamoDb(info),
        };
        let (request_id, function_error) = match &self.last_response {
            Some(last) => (last.request_id.clone(), last.function_error),
            None => {
                // There is no randomness here from which a UUID of another version could be made.
                let id = context.id().to_be_bytes();
                (made_up_uuid(context.now.as_millis(), [&id[..]]), None)
            }
        };
        let response_context = match self.condition {
            DiscardCondition::RecordAgeExceeded => None,
            DiscardCondition::RetryAttemptsExhausted => Some(ResponseContext {
                status_code: 200,
                executed_version: "$LATEST".into(),
                function_error: function_error.map(Into::into),
            }),
        };
        DiscardMessage {
            request_context: RequestContext {
                request_id,
                function_arn: context.options.function_arn.clone(),
                condition: self.condition,
                approximate_invoke_count: self.invoke_count.max(1),
            },
            response_context,
            version: "1.0".into(),
            timestamp: context.now,
            batch_info,
        }
    }
}

impl Offered {
    fn new(given_up: GivenUp, context: &mut Context<'_>) -> Self {
        let message = Box::new(given_up.message(context));
        let GivenUp {
            batch, condition, ..
        } = given_up;
        Self {
            object_key: object_key(&context.options.mapping_uuid(), &batch, context.now),
            batch,
            condition,
            message,
            failures: 0,
            delivery: Delivery::Due { at: context.now },
        }
    }

    fn send(&mut self, destination: String, context: &mut Context<'_>) {
        let id = context.id();
        self.delivery = Delivery::Sent { id };
        context.actions.push(Action::Discard(Discard {
            id,
            shard_id: self.batch.shard_id().clone(),
            destination,
            message: self.message.clone(),
            object_key: self.object_key.clone(),
            batch: self.batch.clone(),
            source: Arc::clone(context.source),
        }));
    }
}

/// True if neighbours share a message. They do so only where a batch may be in parts, and only
/// where somebody gets the message.
fn merges(options: &MappingOptions) -> bool {
    options.bisect_batch_on_function_error
        && options.on_failure.is_some()
        && options.assumptions.neighbouring_discards == NeighbouringDiscards::Merged
}
