//! A lane, which is one sequence of batches. It gathers, delivers, retries and splits. A shard has
//! ParallelizationFactor lanes. A partition key always belongs to the same lane, so that its
//! records stay in sequence.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::discards::{Discards, GivenUp, LastResponse};
use crate::ledger::Ledger;
use crate::payload::fits;
use crate::{
    Action, Batch, Completion, DiscardCondition, Failure, FirstRecordFailed, InFlight,
    Interpretation, Invocation, MappingOptions, Occurrence, Record, ShardId, Timestamp, interpret,
};

#[derive(Debug)]
pub(crate) struct Lane {
    shard_id: ShardId,
    /// Records that were read and are not yet in a batch, each with the bytes that it adds to a
    /// batch.
    gathered: VecDeque<(Record, usize)>,
    gathered_bytes: usize,
    window_began: Timestamp,
    /// The parts still to be delivered of the batch that was taken last, in sequence.
    parts: VecDeque<Part>,
    invoking: Option<Invoking>,
    /// The records that were given up. While one discard is under way, the lane does nothing else.
    discards: Discards,
    /// When a batch was sent last, and how old its last record was then.
    iterator_age: Option<(Timestamp, Duration)>,
}

/// Records that are delivered together, and the state of their delivery.
#[derive(Debug, Clone)]
struct Part {
    batch: Batch,
    /// How often the function ran with exactly these records and failed.
    failures: u32,
    /// How often in a row an invoke did not reach the function.
    throttles: u32,
    not_before: Timestamp,
    last_response: Option<LastResponse>,
    /// How many of exactly these records the last response reported.
    reported: Option<usize>,
}

#[derive(Debug)]
struct Invoking {
    id: u64,
    since: Timestamp,
    part: Part,
}

impl Lane {
    pub(crate) fn new(shard_id: ShardId, now: Timestamp) -> Self {
        Self {
            shard_id,
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            window_began: now,
            parts: VecDeque::new(),
            invoking: None,
            discards: Discards::default(),
            iterator_age: None,
        }
    }

    pub(crate) fn gather(
        &mut self,
        record: Record,
        bytes: usize,
        now: Timestamp,
        options: &MappingOptions,
    ) {
        if self.gathered.is_empty() {
            self.roll_window(now, options);
        }
        self.gathered_bytes += bytes;
        self.gathered.push_back((record, bytes));
    }

    /// A window that ended without a record is followed by the next one.
    fn roll_window(&mut self, now: Timestamp, options: &MappingOptions) {
        let window = options.batching_window().as_millis();
        let over = now
            .since(self.window_began)
            .as_millis()
            .checked_div(window)
            .unwrap_or(0);
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        self.window_began = self
            .window_began
            .saturating_add(options.batching_window().saturating_mul(over));
    }

    /// True if more records would be of use now.
    pub(crate) fn is_hungry(&self, options: &MappingOptions) -> bool {
        self.invoking.is_none()
            && !self.discards.is_busy()
            && self.parts.is_empty()
            && !self.is_full(options)
    }

    fn is_full(&self, options: &MappingOptions) -> bool {
        self.gathered.len() >= usize::try_from(options.batch_size).unwrap_or(usize::MAX)
            || !fits(self.gathered_bytes)
    }

    /// True if no answer is awaited.
    pub(crate) fn is_quiet(&self) -> bool {
        self.invoking.is_none() && !self.discards.is_awaiting()
    }

    pub(crate) fn in_flight(&self) -> Option<InFlight> {
        self.invoking.as_ref().map(|invoking| InFlight {
            id: invoking.id,
            range: invoking.part.batch.range(),
            attempt: invoking.part.failures + 1,
            since: invoking.since,
        })
    }

    /// When a batch was sent last, and how old its last record was then.
    pub(crate) fn iterator_age(&self) -> Option<(Timestamp, Duration)> {
        self.iterator_age
    }

    /// True if the action `id` is awaited here.
    pub(crate) fn awaits(&self, id: u64) -> bool {
        self.discards.awaits(id) || self.invoking.as_ref().is_some_and(|one| one.id == id)
    }

    /// The time at which there will be something to do without an answer.
    pub(crate) fn wake_at(&self, options: &MappingOptions) -> Option<Timestamp> {
        if self.invoking.is_some() {
            return None;
        }
        if self.discards.is_busy() {
            return self.discards.wake_at();
        }
        match self.parts.front() {
            Some(part) => Some(part.not_before),
            None if self.gathered.is_empty() => None,
            None => Some(self.window_began.saturating_add(options.batching_window())),
        }
    }

    /// Does everything that is due, up to the next answer that is needed.
    pub(crate) fn advance(&mut self, context: &mut Context<'_>, ledger: &mut Ledger) {
        while self.invoking.is_none() {
            self.pursue_discards(context, ledger);
            if self.discards.is_busy() {
                return;
            }
            if self.parts.is_empty() {
                self.take_batch(context);
            }
            match self.parts.pop_front() {
                Some(part) if part.not_before <= context.now => self.deliver(part, context),
                Some(part) => return self.parts.push_front(part),
                None => return,
            }
        }
    }

    fn pursue_discards(&mut self, context: &mut Context<'_>, ledger: &mut Ledger) {
        let next = self.parts.front().map(|part| &part.batch);
        if self.discards.advance(next, context, ledger) {
            self.window_began = context.now;
        }
    }

    fn take_batch(&mut self, context: &Context<'_>) {
        let options = context.options;
        let window_over =
            context.now >= self.window_began.saturating_add(options.batching_window());
        if !self.is_full(options) && !window_over {
            return;
        }
        let mut records = Vec::new();
        let mut records_bytes = 0;
        while let Some((_, bytes)) = self.gathered.front() {
            let full = records.len() >= usize::try_from(options.batch_size).unwrap_or(usize::MAX);
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
    fn deliver(&mut self, part: Part, context: &mut Context<'_>) {
        let limit = context.options.record_age_limit();
        let too_old = |record: &&Record| context.now.since(record.approximate_arrival) > limit;
        let expired = part.batch.records().iter().take_while(too_old).count();
        if expired > 0 {
            let expired = match part.batch.clone().split_at(expired) {
                Err(_) => part,
                Ok((batch, rest)) => {
                    // The last response was about more records than either part has.
                    let part = Part {
                        reported: None,
                        ..part
                    };
                    self.parts.push_front(Part {
                        batch: rest,
                        ..part.clone()
                    });
                    Part { batch, ..part }
                }
            };
            self.give_up(expired, DiscardCondition::RecordAgeExceeded, context);
            return;
        }
        let id = context.id();
        let age = context.now.since(part.batch.last().approximate_arrival);
        self.iterator_age = Some((context.now, age));
        context.actions.push(Action::Invoke(Invocation {
            id,
            batch: part.batch.clone(),
            attempt: part.failures + 1,
            source: Arc::clone(context.source),
        }));
        self.invoking = Some(Invoking {
            id,
            since: context.now,
            part,
        });
    }

    /// The function ran, or could not be reached. `stopping` is true if the lane will deliver
    /// nothing of what is left over.
    pub(crate) fn invoked(
        &mut self,
        request_id: String,
        completion: Completion,
        stopping: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        let Some(Invoking { mut part, .. }) = self.invoking.take() else {
            return;
        };
        let records = part.batch.records().len();
        context.event_counts.invoked_event_count += records as u64;
        let range = part.batch.range();
        let attempt = part.failures + 1;
        let numbers = || {
            part.batch
                .records()
                .iter()
                .map(|record| &record.sequence_number)
        };
        // `failure` counts only where no record of the batch succeeded.
        let (interpretation, failure) = match completion {
            Completion::NotInvoked => {
                context.counters.invokes_throttled += 1;
                context.event_counts.failed_invoke_event_count += records as u64;
                context.occurrences.push(Occurrence::NotInvoked { range });
                part.throttles = part.throttles.saturating_add(1);
                let pause = context
                    .options
                    .assumptions
                    .retry_backoff
                    .after(part.throttles);
                part.not_before = context.now.saturating_add(pause);
                self.parts.push_front(part);
                return;
            }
            Completion::FunctionError => (Interpretation::WholeFailure, Failure::FunctionError),
            Completion::TimedOut => (Interpretation::WholeFailure, Failure::TimedOut),
            Completion::Returned(response) if context.options.reports_batch_item_failures() => {
                (interpret(&response, numbers()), Failure::UnusableResponse)
            }
            Completion::Returned(_) => (Interpretation::WholeSuccess, Failure::UnusableResponse),
        };
        context.counters.invocations += 1;
        part.throttles = 0;
        part.reported = None;
        part.last_response = Some(LastResponse {
            request_id,
            function_error: (failure != Failure::UnusableResponse).then_some("Unhandled"),
        });
        match interpretation {
            Interpretation::WholeSuccess => {
                context.counters.batches_delivered += 1;
                context
                    .occurrences
                    .push(Occurrence::Delivered { range, attempt });
                self.processed(&part.batch, context, ledger);
            }
            Interpretation::WholeFailure => {
                context.counters.batches_failed += 1;
                context.event_counts.failed_invoke_event_count += records as u64;
                context.occurrences.push(Occurrence::Failed {
                    range,
                    attempt,
                    failure,
                });
                let middle = context
                    .options
                    .bisect_batch_on_function_error
                    .then_some(records / 2);
                self.failed(part, middle, stopping, context, ledger);
            }
            Interpretation::Partial { lowest, reported } => {
                let done = part
                    .batch
                    .records()
                    .partition_point(|record| record.sequence_number < lowest);
                context.counters.batches_partially_failed += 1;
                context.event_counts.failed_invoke_event_count += (records - done) as u64;
                context.occurrences.push(Occurrence::PartiallyFailed {
                    range,
                    lowest,
                    done,
                });
                part.reported = Some(reported);
                if done == 0 {
                    let bisect = context.options.bisect_batch_on_function_error;
                    let middle = match context.options.assumptions.first_record_failed {
                        FirstRecordFailed::Halve if bisect => Some(records / 2),
                        FirstRecordFailed::Isolate if bisect => Some(1),
                        _ => None,
                    };
                    return self.failed(part, middle, stopping, context, ledger);
                }
                let (last_response, reported) = (part.last_response, part.reported);
                match part.batch.split_at(done) {
                    Ok((below, rest)) => {
                        self.processed(&below, context, ledger);
                        // The remaining records are a new batch with a new count. This was recorded
                        // for a bisect that is off.
                        let rest = Part {
                            last_response,
                            reported,
                            ..Part::new(rest, context.now)
                        };
                        self.retry(rest, stopping, context);
                    }
                    Err(whole) => self.processed(&whole, context, ledger),
                }
            }
        }
    }

    /// None of these records are done. They are split at `middle`, sent again as they are, or given
    /// up.
    fn failed(
        &mut self,
        mut part: Part,
        middle: Option<usize>,
        stopping: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        // A middle outside of the batch splits nothing.
        if let Some(Ok((left, right))) = middle.map(|middle| part.batch.clone().split_at(middle)) {
            let not_before = context
                .now
                .saturating_add(context.options.assumptions.retry_backoff.after(1));
            if !stopping {
                context.counters.batches_split += 1;
                context.occurrences.push(Occurrence::Split {
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
            return;
        }
        part.failures = part.failures.saturating_add(1);
        let retries = u32::try_from(context.options.maximum_retry_attempts).ok();
        if retries.is_some_and(|retries| part.failures > retries) {
            self.give_up(part, DiscardCondition::RetryAttemptsExhausted, context);
            // A stopped lane still sends the message about the batch that was in flight, and
            // nothing else.
            self.pursue_discards(context, ledger);
        } else {
            self.retry(part, stopping, context);
        }
    }

    fn retry(&mut self, mut part: Part, stopping: bool, context: &mut Context<'_>) {
        let pause = context
            .options
            .assumptions
            .retry_backoff
            .after(part.failures.max(1));
        part.not_before = context.now.saturating_add(pause);
        if !stopping {
            context.counters.batches_retried += 1;
            context.occurrences.push(Occurrence::Retried {
                range: part.batch.range(),
                attempt: part.failures + 1,
                at: part.not_before,
            });
        }
        self.parts.push_front(part);
    }

    fn processed(&mut self, batch: &Batch, context: &mut Context<'_>, ledger: &mut Ledger) {
        context.counters.records_delivered += batch.records().len() as u64;
        ledger.done(batch.records());
        // "The next batching window begins as soon as the previous function invocation completes"
        // (Lambda developer guide, "How Lambda processes records from stream and queue-based event
        // sources").
        self.window_began = context.now;
    }

    fn give_up(&mut self, part: Part, condition: DiscardCondition, context: &mut Context<'_>) {
        context.occurrences.push(Occurrence::Discarded {
            range: part.batch.range(),
            condition,
            invoke_count: part.failures,
            reported: part.reported,
        });
        let given_up = GivenUp {
            batch: part.batch,
            condition,
            invoke_count: part.failures,
            last_response: part.last_response,
        };
        self.discards.push(given_up, context.options);
    }

    /// The destination took the discard's message, or did not.
    pub(crate) fn discard_answered(
        &mut self,
        delivered: bool,
        context: &mut Context<'_>,
        ledger: &mut Ledger,
    ) {
        if self.discards.answered(delivered, context, ledger) {
            self.window_began = context.now;
        }
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
            reported: None,
        }
    }
}
