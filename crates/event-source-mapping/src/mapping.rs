//! The mapping as a whole. It has the shards as they appear and finish, the stop switch, and the
//! one function through which every event goes.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use crate::context::Context;
use crate::event::Content;
use crate::shard::Shard;
use crate::{
    ActionResult, Checkpoint, Counters, Event, EventCounts, EventSource, MappingOptions,
    MappingOptionsError, Occurrence, ShardId, ShardListing, StartingPosition, State, Status, Step,
    Timestamp,
};

/// An event source mapping, which is one stream and one function.
///
/// Its behaviour is a function of the options, and of the events and times that it was given. It
/// has neither a clock nor randomness, and neither input nor output.
#[derive(Debug)]
pub struct Mapping {
    options: MappingOptions,
    source: Arc<EventSource>,
    now: Timestamp,
    next_id: u64,
    shards: BTreeMap<ShardId, Shard>,
    /// Checkpoints of an earlier run, for shards that were not listed yet.
    resumed: BTreeMap<ShardId, Checkpoint>,
    /// True if shards were listed before, by this mapping or by the mapping that it goes on from.
    listed: bool,
    counters: Counters,
    event_counts: EventCounts,
    /// True if shards wait for invocations or discards in flight because of an update.
    updating: bool,
}

impl Mapping {
    /// A mapping that has read nothing yet. It begins with [`Event::ShardsListed`].
    ///
    /// # Errors
    /// [`MappingOptionsError`], as [`MappingOptions::validate`] says.
    pub fn new(options: MappingOptions) -> Result<Self, MappingOptionsError> {
        Self::resume(options, BTreeMap::new())
    }

    /// A mapping that goes on from the [`checkpoints`](Self::checkpoints) of an earlier mapping.
    /// Records that the earlier mapping had in flight are read and delivered again. Without any
    /// checkpoint the result is a new mapping. Otherwise a shard that has no checkpoint is one that
    /// appeared since.
    ///
    /// The checkpoints may be old. Then more records come again, and no record is skipped.
    ///
    /// The earlier mapping may also go on, so that two pollers read the stream at a time. Lambda's
    /// pollers do so for a moment when one takes over a shard from another. For this, make the
    /// second mapping from the checkpoints of the first, and feed both. They know nothing of each
    /// other. So the records beyond the shared checkpoints reach the function twice, possibly at
    /// the same time.
    ///
    /// # Errors
    /// [`MappingOptionsError`], as [`MappingOptions::validate`] says.
    pub fn resume(
        options: MappingOptions,
        checkpoints: BTreeMap<ShardId, Checkpoint>,
    ) -> Result<Self, MappingOptionsError> {
        options.validate()?;
        Ok(Self {
            source: Arc::new(options.event_source()),
            options,
            now: Timestamp::default(),
            next_id: 0,
            shards: BTreeMap::new(),
            listed: !checkpoints.is_empty(),
            resumed: checkpoints,
            counters: Counters::default(),
            event_counts: EventCounts::default(),
            updating: false,
        })
    }

    /// Takes in an event and says what to do.
    ///
    /// `now` is the time of the caller's clock. A time before that of an earlier event counts as
    /// the time of that earlier event. The work is proportional to the records that the event
    /// concerns and to the number of shards. It never panics.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Step {
        self.now = self.now.max(now);
        let mut step = Step {
            actions: Vec::new(),
            occurrences: Vec::new(),
            wake_at: None,
        };
        match event {
            Event::Wake => {}
            Event::ShardsListed(listing) => self.list(listing),
            Event::ShardsFound(found) => self.add(found),
            Event::Enable => self.switch(true, &mut step),
            Event::Disable => self.switch(false, &mut step),
            Event::ActionResult(answer) => self.answer(answer, &mut step),
        }
        self.proceed(step)
    }

    /// Changes the options of a mapping that is at work (UpdateEventSourceMapping), and says what
    /// to do.
    ///
    /// `now` is as for [`handle`](Self::handle). AWS says that "updated settings are applied
    /// asynchronously", and does not publish when. The model assumes this.
    ///
    /// - The new options count from now on.
    /// - They count also for a batch that is in flight or waits for a retry. Such a batch is not
    ///   cut to a new BatchSize, and does not lose its count of attempts.
    /// - Another ParallelizationFactor distributes the keys anew. Each shard waits for what is in
    ///   flight, and then goes on from its checkpoint, as after a stop.
    /// - If the destination is removed, messages that it does not have yet are not sent any more.
    ///
    /// # Errors
    /// [`MappingOptionsError`], and then nothing has changed. The error is one that
    /// [`MappingOptions::validate`] returns. It is `Immutable` for another UUID, EventSourceArn or
    /// StartingPosition.
    pub fn update(
        &mut self,
        now: Timestamp,
        options: MappingOptions,
    ) -> Result<Step, MappingOptionsError> {
        self.options.check_update(&options)?;
        options.validate()?;
        self.now = self.now.max(now);
        let mut step = Step {
            actions: Vec::new(),
            occurrences: Vec::new(),
            wake_at: None,
        };
        self.source = Arc::new(options.event_source());
        self.switch(options.enabled, &mut step);
        let before = mem::replace(&mut self.options, options);
        if before.parallelization_factor != self.options.parallelization_factor {
            self.updating = true;
            self.shards.values_mut().for_each(Shard::stop);
        }
        Ok(self.proceed(step))
    }

    fn switch(&mut self, enabled: bool, step: &mut Step) {
        if enabled == self.options.enabled {
            return;
        }
        self.options.enabled = enabled;
        step.occurrences.push(if enabled {
            Occurrence::Enabled
        } else {
            self.shards.values_mut().for_each(Shard::stop);
            Occurrence::Disabled
        });
    }

    /// Does everything that is due after an event.
    fn proceed(&mut self, mut step: Step) -> Step {
        self.advance(&mut step);
        if self.options.enabled {
            step.wake_at = self
                .shards
                .values()
                .filter_map(|shard| shard.wake_at(&self.options))
                .min();
        }
        self.updating &= self.options.enabled && self.shards.values().any(Shard::is_stopping);
        step
    }

    /// The options as they are now. `enabled` follows [`Event::Enable`] and [`Event::Disable`].
    #[must_use]
    pub fn options(&self) -> &MappingOptions {
        &self.options
    }

    /// The counts since the mapping was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How far the mapping is in each shard that was ever listed. A checkpoint never moves back.
    #[must_use]
    pub fn checkpoints(&self) -> BTreeMap<ShardId, Checkpoint> {
        let current = self
            .shards
            .iter()
            .map(|(id, shard)| (id.clone(), shard.checkpoint().clone()));
        self.resumed.clone().into_iter().chain(current).collect()
    }

    /// Everything that a status page shows, at the time of the last event. Send [`Event::Wake`]
    /// before to have it at another time. The work is proportional to the records read beyond the
    /// checkpoints.
    #[must_use]
    pub fn status(&self) -> Status {
        let stopping = self.shards.values().any(Shard::is_stopping);
        Status {
            state: match (self.options.enabled, stopping) {
                (true, true) if self.updating => State::Updating,
                (true, true) => State::Enabling,
                (true, false) => State::Enabled,
                (false, true) => State::Disabling,
                (false, false) => State::Disabled,
            },
            shards: self
                .shards
                .values()
                .map(|shard| shard.status(self.now))
                .collect(),
            counters: self.counters,
            event_counts: self.options.counts_events().then_some(self.event_counts),
        }
    }

    fn list(&mut self, mut listing: Vec<ShardListing>) {
        let named: BTreeSet<_> = listing.iter().map(|shard| shard.shard_id.clone()).collect();
        for (id, shard) in &mut self.shards {
            if !named.contains(id) {
                shard.mark_gone();
            }
        }
        // Nothing is left of a parent that is not named now and was not known before. Then any of
        // the gone shards may be an ancestor. So the records that were read from the gone shards
        // come first.
        let known = &named | &self.shards.keys().cloned().collect();
        let gone: Vec<_> = self
            .shards
            .iter()
            .filter(|(_, shard)| shard.is_gone_but_for_what_was_read())
            .map(|(id, _)| id.clone())
            .collect();
        let settle = |parents: &mut Vec<ShardId>| {
            let named = parents.len();
            parents.retain(|parent| known.contains(parent));
            if parents.len() < named {
                parents.extend(gone.iter().cloned());
            }
        };
        for shard in self.shards.values_mut() {
            settle(shard.parents_mut());
        }
        for shard in &mut listing {
            settle(&mut shard.parents);
        }
        self.add(listing);
        self.listed = true;
    }

    /// Adds the shards that are new.
    fn add(&mut self, listing: Vec<ShardListing>) {
        let finished = |id: &ShardId| self.shards.get(id).is_some_and(Shard::is_finished);
        let mut added = Vec::new();
        for shard in listing {
            if self.shards.contains_key(&shard.shard_id) {
                continue;
            }
            let ShardListing {
                shard_id,
                mut parents,
            } = shard;
            parents.retain(|parent| *parent != shard_id && !finished(parent));
            let start = match self.options.starting_position {
                // Every record in a shard that appears later is newer than the mapping.
                StartingPosition::Latest if self.listed => StartingPosition::TrimHorizon,
                // By the time that the shard's parents are done, LATEST would skip records that
                // were put meanwhile.
                StartingPosition::Latest if !parents.is_empty() => {
                    StartingPosition::AtTimestamp(self.now)
                }
                position => position,
            };
            added.push((shard_id, parents, start));
        }
        for (id, parents, start) in added {
            let checkpoint = self.resumed.remove(&id).unwrap_or(Checkpoint::Start(start));
            let shard = Shard::new(id.clone(), parents, checkpoint, self.now, &self.options);
            self.shards.entry(id).or_insert(shard);
        }
    }

    fn answer(&mut self, answer: ActionResult, step: &mut Step) {
        let ActionResult {
            shard_id,
            id,
            content,
        } = answer;
        let (shards, mut context) = self.parts(step);
        let awaited = match (shards.get_mut(&shard_id), content) {
            (None, _) => false,
            (Some(shard), Content::Read(read)) => shard.read_answered(id, read, &mut context),
            (
                Some(shard),
                Content::Invoked {
                    request_id,
                    completion,
                },
            ) => shard.invoked(id, request_id, completion, &mut context),
            (Some(shard), Content::Discarded { delivered }) => {
                shard.discard_answered(id, delivered, &mut context)
            }
        };
        if !awaited {
            self.counters.stale_answers += 1;
        }
    }

    fn advance(&mut self, step: &mut Step) {
        let enabled = self.options.enabled;
        let (shards, mut context) = self.parts(step);
        loop {
            let mut finished = Vec::new();
            for (id, shard) in shards.iter_mut().filter(|(_, shard)| !shard.is_finished()) {
                shard.advance(enabled, &mut context);
                if shard.is_finished() {
                    finished.push(id.clone());
                }
            }
            if finished.is_empty() {
                return;
            }
            for parent in finished {
                shards
                    .values_mut()
                    .for_each(|shard| shard.parent_finished(&parent));
            }
        }
    }

    /// The shards, and all else that they need while they handle an event.
    fn parts<'a>(
        &'a mut self,
        step: &'a mut Step,
    ) -> (&'a mut BTreeMap<ShardId, Shard>, Context<'a>) {
        let context = Context {
            now: self.now,
            options: &self.options,
            source: &self.source,
            next_id: &mut self.next_id,
            counters: &mut self.counters,
            event_counts: &mut self.event_counts,
            actions: &mut step.actions,
            occurrences: &mut step.occurrences,
        };
        (&mut self.shards, context)
    }
}
