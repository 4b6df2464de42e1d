//! Publishes the facts of several orders, in the sequence of each order's facts, and marks them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::join;
use futures::{StreamExt, stream};
use keyed_batch::{Chunk, DynamoDbRecord, Verdict, Verdicts};
use orders::FactEvent;

use crate::published::Published;
use crate::{Announcements, FactsStream, announced_by};

/// The number of marks that are written at once.
const MARKS_IN_FLIGHT: usize = 32;

/// The number of facts that are put one by one at once.
const PUTS_IN_FLIGHT: usize = 32;

/// The stream that facts are put into, and the table of their marks.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    pub(crate) stream: FactsStream,
    pub(crate) announcements: Announcements,
}

/// The facts of one order that are to be published and marked.
pub(crate) struct Announcement {
    events: Vec<FactEvent>,
    /// How many of the events are in the stream.
    published: usize,
    /// The reason why the announcement is not done.
    failure: Option<Verdict>,
}

impl Publisher {
    /// Publishes the facts that each of a chunk announces, and marks them. The keys of the chunk
    /// are orders, and the announcements are theirs in the same sequence.
    pub(crate) async fn announce<T>(
        &self,
        chunk: Chunk<'_, T>,
        mut announcements: Vec<Announcement>,
        published: &Mutex<Published>,
    ) -> Verdicts {
        while self.publish_next(&mut announcements, published).await {}
        // A mark that takes long must not keep the marks behind it from being written.
        let mut verdicts: Vec<(usize, Verdict)> = stream::iter((0..).zip(announcements))
            .map(async |(place, announcement)| (place, self.finish(announcement, published).await))
            .buffer_unordered(MARKS_IN_FLIGHT)
            .collect()
            .await;
        verdicts.sort_by_key(|(place, _)| *place);
        chunk.judge_in_sequence(verdicts.into_iter().map(|(_, verdict)| verdict))
    }

    /// Publishes the next fact of each order that has one. False if none has. The announcements are
    /// of different orders, so no call has two facts of one order.
    async fn publish_next(
        &self,
        announcements: &mut [Announcement],
        published: &Mutex<Published>,
    ) -> bool {
        let mut first = Vec::new();
        let mut behind = Vec::new();
        for announcement in announcements {
            let published = lock(published);
            // A mark that failed is tried again without its facts.
            while announcement
                .next()
                .is_some_and(|event| published.has(&event.id()))
            {
                announcement.published += 1;
            }
            let Some(event) = announcement.next().cloned() else {
                continue;
            };
            match published.last_of(event.order_id) {
                None => first.push((announcement, event)),
                Some(number) => behind.push((announcement, event, number)),
            }
        }
        if first.is_empty() && behind.is_empty() {
            return false;
        }
        let events: Vec<FactEvent> = first.iter().map(|(_, event)| event.clone()).collect();
        let puts = self.stream.put(&events);
        let puts_behind = stream::iter(behind)
            .map(async |(announcement, event, number)| {
                let result = self.stream.put_behind(&event, &number).await;
                (announcement, event, result)
            })
            .buffer_unordered(PUTS_IN_FLIGHT)
            .collect::<Vec<_>>();
        let (results, behind) = join(puts, puts_behind).await;
        let first = first.into_iter().zip(results);
        let first = first.map(|((announcement, event), result)| (announcement, event, result));
        let mut published = lock(published);
        for (announcement, event, result) in first.chain(behind) {
            match result {
                Ok(number) => {
                    published.acknowledged(&event, number);
                    announcement.published += 1;
                }
                Err(error) => {
                    published.count_refusal(&error);
                    announcement.failure = Some(Verdict::Retry("not_published"));
                }
            }
        }
        true
    }

    /// Marks the facts of a change, if all of them are in the stream.
    async fn finish(&self, announcement: Announcement, published: &Mutex<Published>) -> Verdict {
        let Announcement {
            events, failure, ..
        } = announcement;
        let order_id = match (failure, events.first()) {
            (Some(failure), _) => return failure,
            (None, None) => return Verdict::Done,
            (None, Some(event)) => event.order_id,
        };
        match self.announcements.mark(order_id, &events).await {
            Ok(()) => Verdict::Done,
            Err(error) => {
                lock(published).count_table_error(&error);
                Verdict::Retry("not_marked")
            }
        }
    }
}

impl Announcement {
    /// The announcement of these facts of one order.
    pub(crate) fn new(events: Vec<FactEvent>) -> Self {
        Self {
            events,
            published: 0,
            failure: None,
        }
    }

    /// An announcement that cannot be made, with the reason.
    pub(crate) fn failed(failure: Verdict) -> Self {
        Self {
            failure: Some(failure),
            ..Self::new(Vec::new())
        }
    }

    /// The announcement of the facts of a change.
    pub(crate) fn of_change(change: &DynamoDbRecord) -> Self {
        match announced_by(change) {
            Ok(events) => Self::new(events),
            Err(error) => {
                let sequence_number = &change.sequence_number;
                tracing::debug!(sequence_number, %error, "unreadable change");
                Self::failed(Verdict::Reject(error.reason()))
            }
        }
    }

    /// The next event to be published.
    fn next(&self) -> Option<&FactEvent> {
        match self.failure {
            None => self.events.get(self.published),
            Some(_) => None,
        }
    }
}

fn lock(published: &Mutex<Published>) -> MutexGuard<'_, Published> {
    published.lock().unwrap_or_else(PoisonError::into_inner)
}
