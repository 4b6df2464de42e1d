//! The context that the parts of the machine share while they handle one event.

use std::sync::Arc;

use crate::{Action, Counters, EventCounts, EventSource, MappingOptions, Occurrence, Timestamp};

/// The context that the parts of the machine share while they handle one event.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) options: &'a MappingOptions,
    pub(crate) source: &'a Arc<EventSource>,
    pub(crate) next_id: &'a mut u64,
    pub(crate) counters: &'a mut Counters,
    pub(crate) event_counts: &'a mut EventCounts,
    pub(crate) actions: &'a mut Vec<Action>,
    pub(crate) occurrences: &'a mut Vec<Occurrence>,
}

impl Context<'_> {
    pub(crate) fn id(&mut self) -> u64 {
        *self.next_id += 1;
        *self.next_id
    }
}
