//! What the parts of the machine share while they handle one event.

use std::sync::Arc;

use crate::{Action, Counters, EventCounts, EventSource, Happened, Settings, Timestamp};

/// What the parts of the machine share while they handle one event.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) settings: &'a Settings,
    pub(crate) source: &'a Arc<EventSource>,
    pub(crate) next_id: &'a mut u64,
    pub(crate) counters: &'a mut Counters,
    pub(crate) event_counts: &'a mut EventCounts,
    pub(crate) actions: &'a mut Vec<Action>,
    pub(crate) happened: &'a mut Vec<Happened>,
}

impl Context<'_> {
    pub(crate) fn id(&mut self) -> u64 {
        *self.next_id += 1;
        *self.next_id
    }
}
