//! One sequence of batches: gathering, delivering, retrying, splitting, discarding. A shard has ParallelizationFactor of them, and
//! a partition key always belongs to the same one, so that its records stay in order.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::discard::LastResponse;
use crate::ledger::Ledger;
use crate::payload::fits;
use crate::{
    Action, Batch, Condition, Counters, Discard, DiscardMessage, EventSource, Failure,
    FirstRecordFailed, Happened, InFlight, Interpretation, Invocation, Outcome, Record, Settings,
    ShardId, Timestamp, interpret,
};

/// What the parts of the machine share while they handle one event.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) settings: &'a Settings,
    pub(crate) source: &'a Arc<EventSource>,
    pub(crate) next_id: &'a mut u64,
    pub(crate) counters: &'a mut Counters,
    pub(crate) actions: &'a mut Vec<Action>,
    pub(crate) happened: &'a mut Vec<Happened>,
}

impl Context<'_> {
    pub(crate) fn id(&mut self) -> u64 {
        *self.next_id += 1;
        *self.next_id
    }
}

#[derive(Debug)]
pub(crate) struct Lane {
    shard_id: ShardId,
    /// Read, not yet in a batch, with the bytes that each adds to it.
    gathered: VecDeque<(Record, usize)>,
    gathered_bytes: usize,
    window_began: Timestamp,
    /// What remains to be delivered of the batch that was taken last, in order.
    parts: VecDeque<Part>,
    doing: Doing,
}

/// Records that are delivered together, and how that went so far.
#[derive(Debug, Clone)]
struct Part {
    batch: Batch,
    /// How often the function ran with exactly these records and failed.
    failures: u32,
    /// How often in a row the function was not reached.
    throttles: u32,
    not_before: Timestamp,
    last_response: Option<LastResponse>,
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Invoking {
        id: u64,
        since: Timestamp,
        part: Part,
    },
    Discarding {
        batch: Batch,
        message: Box<DiscardMessage>,
        failures: u32,
        delivery: Delivery,
    },
}

#[derive(Debug)]
enum Delivery {
    Sent { id: u64 },
    Waiting { until: Timestamp },
}

impl Lane {
    pub(crate) fn new(shard_id: ShardId, now: Timestamp) -> Self {
        Self {
            shard_id,
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            window_began: now,
            parts: VecDeque::new(),
            doing: Doing::Nothing,
        }
    }

    pub(crate) fn gather(
        &mut self,
        record: Record,
        bytes: usize,
        now: Timestamp,
        settings: &Settings,
    ) {
        if self.gathered.is_empty() {
            self.roll_window(now, settings);
        }
        self.gathered_bytes += bytes;
        self.gathered.push_back((record, bytes));
    }

    /// A window that ended without a record is followed by the next one.
    fn roll_window(&mut self, now: Timestamp, settings: &Settings) {
        let window = settings.batching_window().as_millis();
        let over = now
            .since(self.window_began)
            .as_millis()
            .checked_div(window)
            .unwrap_or(0);
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        self.window_began = self
            .window_began
            .saturating_add(settings.batching_window().saturating_mul(over));
    }

    /// Whether more records would be of use now.
    pub(crate) fn is_hungry(&self, settings: &Settings) -> bool {
        matches!(self.doing, Doing::Nothing) && self.parts.is_empty() && !self.is_full(settings)
    }

    fn is_full(&self, settings: &Settings) -> bool {
        self.gathered.len() >= usize::try_from(settings.batch_size).unwrap_or(usize::MAX)
            || !fits(self.gathered_bytes)
    }

    /// Whether no answer is awaited.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(
            self.doing,
            Doing::Nothing
                | Doing::Discarding {
                    delivery: Delivery::Waiting { .. },
                    ..
                }
        )
    }

    pub(crate) fn in_flight(&self) -> Option<InFlight> {
        match &self.doing {
            Doing::Invoking { id, since, part } => Some(InFlight {
                id: *id,
                range: part.batch.range(),
                attempt: part.failures + 1,
                since: *since,
            }),
            _ => None,
        }
    }

    /// Whether the action `id` is awaited here.
    pub(crate) fn awaits(&self, id: u64) -> bool {
        match &self.doing {
            Doing::Invoking { id: awaited, .. }
            | Doing::Discarding {
                delivery: Delivery::Sent { id: awaited },
                ..
            } => *awaited == id,
            _ => false,
        }
    }

    /// Drops everything that is not at the function or on its way to the destination.
    pub(crate) fn stop(&mut self) {
        self.gathered.clear();
        self.gathered_bytes = 0;
        self.parts.clear();
        if self.is_quiet() {
            self.doing = Doing::Nothing;
        }
    }

    /// When there will be something to do without an answer.
    pub(crate) fn wake_at(&self, settings: &Settings) -> Option<Timestamp> {
        match &self.doing {
            Doing::Discarding {
                delivery: Delivery::Waiting { until },
                ..
            } => Some(*until),
            Doing::Nothing => match self.parts.front() {
                Some(part) => Some(part.not_before),
                None if self.gathered.is_empty() => None,
                None => Some(self.window_began.saturating_add(settings.batching_window())),
            },
            _ => None,
        }
    }

    /// Does everything that is due, up to the next answer that is needed.
    pub(crate) fn advance(&mut self, context: &mut Context<'_>, ledger: &mut Ledger) {
        if matches!(&self.doing, Doing::Discarding { delivery: Delivery::Waiting { until }, .. } if *until <= context.now)
        {
            self.send_discard(context);
        }
        while matches!(self.doing, Doing::Nothing) {
            if self.parts.is_empty() {
                self.take_batch(context);
            }
            match self.parts.pop_front() {
                Some(part) if part.not_before <= context.now => self.deliver(part, context, ledger),
                Some(part) => return self.parts.push_front(part),
                None => return,
            }
        }
    }

    fn take_batch(&mut self, context: &Context<'_>) {
        let settings = context.settings;
        let window_over =
            context.now >= self.window_began.saturating_add(settings.batching_window());
        if !self.is_full(settings) && !window_over {
            return;
        }
        let mut records = Vec::new();
        let mut records_bytes = 0;
        while let Some((_, bytes)) = self.gathered.front() {
            let full = records.len() >= usize::try_from(settings.batch_size).unwrap_or(usize::MAX);
            if full || (!records.is_empty() && !fits(records_bytes + bytes)) {
                break;
            }
            let Some((record, bytes)) = self.gathered.pop_front() else {
                break;
            };
            records_bytes += bytes;
            self.gathered_bytes -= bytes;
            records.push(record);
        }
        self.parts.extend(
            Batch::new(self.shard_id.clone(), records).map(|batch| Part::new(batch, context.now)),
        );
    }

    /// Invokes the function, unless the first records are too old by now.
    fn deliver(&mut self, part: Part, context: &mut Context<'_>, ledger: &mut Ledger) {
        let limit = context.settings.record_age_limit();
        let too_old = |record: &&Record| context.now.since(record.approximate_arrival) > limit;
        let expired = part.batch.records().iter().take_while(too_old).count();
        if expired > 0 {
            let (old, rest) = part.batch.clone().split_at(expired);
            if let Some(batch) = rest {
                self.parts.push_front(Part {
                    batch,
                    ..part.clone()
                });
            }
            if let Some(batch) = old {
                self.discard(
                    Part { batch, ..part },
                    Condition::RecordAgeExceeded,
                    context,
                    ledger,
                );
            }
            return;
        }
        let id = context.id();
        context.actions.push(Action::Invoke(Invocation {
            id,
            batch: part.batch.clone(),
            attempt: part.failures + 1,
            source: Arc::clone(context.source),
        }));
        self.doing = Doing::Invoking {
            id,
            since: context.now,
            part,
        };
    }

    /// The function ran, or could not be reached. `stopping`: nothing that is left over will be delivered from here.
    pub(crate) fn invoked(
        &mut self,
        request_id: String,
        outcome: Outcome,
        stopping: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        let Doing::Invoking { mut part, .. } = mem::replace(&mut self.doing, Doing::Nothing) else {
            return;
        };
        let range = part.batch.range();
        let attempt = part.failures + 1;
        let numbers = || {
            part.batch
                .records()
                .iter()
                .map(|record| &record.sequence_number)
        };
        // `failure` counts only where nothing of the batch succeeded.
        let (interpretation, failure) = match outcome {
            Outcome::NotInvoked => {
                context.counters.invokes_throttled += 1;
                context.happened.push(Happened::NotInvoked { range });
                part.throttles = part.throttles.saturating_add(1);
                let pause = context
                    .settings
                    .assumptions
                    .retry_backoff
                    .pause(part.throttles);
                part.not_before = context.now.saturating_add(pause);
                self.parts.push_front(part);
                return;
            }
            Outcome::FunctionError => (Interpretation::WholeFailure, Failure::FunctionError),
            Outcome::TimedOut => (Interpretation::WholeFailure, Failure::TimedOut),
            Outcome::Returned(response) if context.settings.reports_batch_item_failures() => {
                (interpret(&response, numbers()), Failure::UnusableResponse)
            }
            Outcome::Returned(_) => (Interpretation::WholeSuccess, Failure::UnusableResponse),
        };
        context.counters.invocations += 1;
        part.throttles = 0;
        part.last_response = Some(LastResponse {
            request_id,
            function_error: (failure != Failure::UnusableResponse).then_some("Unhandled"),
        });
        match interpretation {
            Interpretation::WholeSuccess => {
                context.counters.batches_delivered += 1;
                context
                    .happened
                    .push(Happened::Delivered { range, attempt });
                self.processed(&part.batch, context, ledger);
            }
            Interpretation::WholeFailure => {
                context.counters.batches_failed += 1;
                context.happened.push(Happened::Failed {
                    range,
                    attempt,
                    failure,
                });
                let middle = context
                    .settings
                    .bisect_batch_on_function_error
                    .then(|| part.batch.records().len() / 2);
                self.failed(part, middle, stopping, context, ledger);
            }
            Interpretation::Partial { lowest } => {
                let done = part
                    .batch
                    .records()
                    .partition_point(|record| record.sequence_number < lowest);
                context.counters.batches_partially_failed += 1;
                context.happened.push(Happened::PartiallyFailed {
                    range,
                    lowest,
                    done,
                });
                if done == 0 {
                    let bisect = context.settings.bisect_batch_on_function_error;
                    let middle = match context.settings.assumptions.first_record_failed {
                        FirstRecordFailed::Halve if bisect => Some(part.batch.records().len() / 2),
                        FirstRecordFailed::Isolate if bisect => Some(1),
                        _ => None,
                    };
                    return self.failed(part, middle, stopping, context, ledger);
                }
                let last_response = part.last_response;
                let (below, rest) = part.batch.split_at(done);
                if let Some(below) = below {
                    self.processed(&below, context, ledger);
                }
                // What remains is a batch of its own, with a count of its own; recorded for a bisect that is off.
                if let Some(rest) = rest {
                    self.retry(
                        Part {
                            last_response,
                            ..Part::new(rest, context.now)
                        },
                        stopping,
                        context,
                    );
                }
            }
        }
    }

    /// None of these records are done: they are split at `middle`, sent again as they are, or given up.
    fn failed(
        &mut self,
        mut part: Part,
        middle: Option<usize>,
        stopping: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        if let Some(middle) =
            middle.filter(|middle| (1..part.batch.records().len()).contains(middle))
        {
            let not_before = context
                .now
                .saturating_add(context.settings.assumptions.retry_backoff.pause(1));
            if let (Some(left), Some(right)) = part.batch.split_at(middle) {
                if !stopping {
                    context.counters.batches_split += 1;
                    context.happened.push(Happened::Split {
                        left: left.range(),
                        right: right.range(),
                    });
                }
                for batch in [right, left] {
                    let last_response = part.last_response.clone();
                    self.parts.push_front(Part {
                        last_response,
                        not_before,
                        ..Part::new(batch, context.now)
                    });
                }
            }
            return;
        }
        part.failures = part.failures.saturating_add(1);
        let retries = u32::try_from(context.settings.maximum_retry_attempts).ok();
        if retries.is_some_and(|retries| part.failures > retries) {
            self.discard(part, Condition::RetryAttemptsExhausted, context, ledger);
        } else {
            self.retry(part, stopping, context);
        }
    }

    fn retry(&mut self, mut part: Part, stopping: bool, context: &mut Context<'_>) {
        let pause = context
            .settings
            .assumptions
            .retry_backoff
            .pause(part.failures.max(1));
        part.not_before = context.now.saturating_add(pause);
        if !stopping {
            context.counters.batches_retried += 1;
            context.happened.push(Happened::Retried {
                range: part.batch.range(),
                attempt: part.failures + 1,
                at: part.not_before,
            });
        }
        self.parts.push_front(part);
    }

    fn processed(&mut self, batch: &Batch, context: &mut Context<'_>, ledger: &mut Ledger) {
        context.counters.records_delivered += batch.records().len() as u64;
        self.done(batch, context.now, ledger);
    }

    fn discarded(&mut self, batch: &Batch, context: &mut Context<'_>, ledger: &mut Ledger) {
        context.counters.batches_discarded += 1;
        context.counters.records_discarded += batch.records().len() as u64;
        self.done(batch, context.now, ledger);
    }

    fn done(&mut self, batch: &Batch, now: Timestamp, ledger: &mut Ledger) {
        ledger.done(batch.records());
        // "The next batching window begins as soon as the previous function invocation completes" (Lambda developer guide, "How Lambda
        // processes records from stream and queue-based event sources").
        self.window_began = now;
    }

    fn discard(
        &mut self,
        part: Part,
        condition: Condition,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        let range = part.batch.range();
        let happened = Happened::Discarded {
            range,
            condition,
            invoke_count: part.failures,
        };
        context.happened.push(happened);
        if context.settings.on_failure.is_none() {
            return self.discarded(&part.batch, context, ledger);
        }
        let message = Box::new(DiscardMessage::new(
            &part.batch,
            condition,
            part.failures,
            part.last_response,
            context,
        ));
        let delivery = Delivery::Waiting { until: context.now };
        self.doing = Doing::Discarding {
            batch: part.batch,
            message,
            failures: 0,
            delivery,
        };
        self.send_discard(context);
    }

    fn send_discard(&mut self, context: &mut Context<'_>) {
        let (
            Doing::Discarding {
                message, delivery, ..
            },
            Some(destination),
        ) = (&mut self.doing, &context.settings.on_failure)
        else {
            return;
        };
        let id = context.id();
        *delivery = Delivery::Sent { id };
        context.actions.push(Action::Discard(Discard {
            id,
            shard_id: self.shard_id.clone(),
            destination: destination.clone(),
            message: message.clone(),
        }));
    }

    /// The destination took the discard's message, or did not.
    pub(crate) fn discard_answered(
        &mut self,
        delivered: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        let Doing::Discarding {
            batch,
            message,
            failures,
            ..
        } = mem::replace(&mut self.doing, Doing::Nothing)
        else {
            return;
        };
        let range = batch.range();
        let failures = failures + u32::from(!delivered);
        if delivered {
            context.happened.push(Happened::DiscardDelivered { range });
        } else if failures < context.settings.assumptions.discard_delivery_attempts {
            let until = context
                .now
                .saturating_add(context.settings.assumptions.retry_backoff.pause(failures));
            context.happened.push(Happened::DiscardDeliveryFailed {
                range,
                retry_at: until,
            });
            let delivery = Delivery::Waiting { until };
            self.doing = Doing::Discarding {
                batch,
                message,
                failures,
                delivery,
            };
            return;
        } else {
            context.counters.discards_lost += 1;
            context.happened.push(Happened::DiscardLost { range });
        }
        self.discarded(&batch, context, ledger);
    }
}

impl Part {
    fn new(batch: Batch, now: Timestamp) -> Self {
        Self {
            batch,
            failures: 0,
            throttles: 0,
            not_before: now,
            last_response: None,
        }
    }
}
