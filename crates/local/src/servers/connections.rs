//! The connections of a server. Each connection knows if it waits for its client, and since when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// How long a connection must have waited for its client before it may be closed to make room. So
/// an answer under way is not cut off.
const LINGER: Duration = Duration::from_secs(1);

/// How often a server whose connections are all in use looks for a connection that it may close.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a client may take to read an answer. The largest answer has 13 MB, which take some
/// milliseconds over loopback.
pub const READ_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: Vec<Connection>,
}

struct Connection {
    task: AbortHandle,
    progress: Progress,
}

impl Connections {
    /// Waits until fewer than `most` connections are open. If necessary, closes the connection that
    /// has waited longest for its client.
    pub(super) async fn make_room(&mut self, most: usize) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.open
                .retain(|connection| !connection.task.is_finished());
            if self.open.len() < most {
                return;
            }
            let longest = self
                .open
                .iter()
                .filter_map(|connection| {
                    Some((connection.progress.clients_since()?, &connection.task))
                })
                .min_by_key(|(since, _)| *since);
            if let Some((since, task)) = longest
                && since.elapsed() >= LINGER
            {
                task.abort();
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, self.tasks.join_next()).await;
        }
    }

    /// Opens a connection, which `serve` serves and whose progress is in `progress`. The connection
    /// is closed when its client has taken too long.
    pub(super) fn open(
        &mut self,
        progress: Progress,
        idle: Option<Duration>,
        serve: impl Future<Output = ()> + Send + 'static,
    ) {
        let watched = progress.clone();
        let task = self.tasks.spawn(async move {
            tokio::select! {
                () = serve => {}
                () = watched.overdue(idle) => {}
            }
        });
        self.open.push(Connection { task, progress });
    }
}

/// The progress of a connection, which tells if the client is waited for, and since when.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

struct State {
    /// The time at which the wait for the client began, if the client is waited for.
    since: Instant,
    /// The number of requests whose headers have arrived and that are not answered.
    requests: usize,
    /// The number of these requests that the handler works on.
    handled: usize,
    /// The times at which the answers were given that are not completely handed over yet.
    answers: BTreeMap<u64, Instant>,
    next_answer: u64,
}

impl Progress {
    /// The progress of a new connection, whose client is waited for from now on.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            since: Instant::now(),
            requests: 0,
            handled: 0,
            answers: BTreeMap::new(),
            next_answer: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since which nothing but the client has been waited for, if that is so.
    fn clients_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.handled == 0).then_some(state.since)
    }

    /// Counts a request whose headers have arrived, until the returned value is dropped.
    pub(super) fn begin_request(&self) -> Underway {
        self.begin(|state| &mut state.requests)
    }

    /// Counts a request that the handler works on, until the returned value is dropped.
    pub(super) fn begin_handling(&self) -> Underway {
        self.begin(|state| &mut state.handled)
    }

    fn begin(&self, count: fn(&mut State) -> &mut usize) -> Underway {
        let mut state = self.lock();
        *count(&mut state) += 1;
        state.since = Instant::now();
        drop(state);
        Underway {
            progress: self.clone(),
            count,
        }
    }

    /// Begins the time that the client has to read an answer. The time ends when the returned value
    /// is dropped.
    pub(super) fn answer(&self) -> Unread {
        let mut state = self.lock();
        let id = state.next_answer;
        state.next_answer += 1;
        state.answers.insert(id, Instant::now());
        drop(state);
        Unread {
            progress: self.clone(),
            id,
        }
    }

    /// Returns when the client has taken too long.
    async fn overdue(&self, idle: Option<Duration>) {
        let shortest = idle.map_or(READ_PATIENCE, |idle| idle.min(READ_PATIENCE));
        loop {
            let deadline = {
                let state = self.lock();
                let idle = idle.filter(|_| state.requests == 0);
                let oldest = state.answers.values().min();
                let reading = oldest.map(|since| *since + READ_PATIENCE);
                let idle = idle.map(|idle| state.since + idle);
                idle.into_iter().chain(reading).min()
            };
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            // A deadline that is set meanwhile is not before this time.
            let look_again = now + shortest;
            let wake_at = deadline.map_or(look_again, |deadline| deadline.min(look_again));
            tokio::time::sleep_until(wake_at).await;
        }
    }
}

/// A request that is counted until this value is dropped.
pub(super) struct Underway {
    progress: Progress,
    count: fn(&mut State) -> &mut usize,
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut state = self.progress.lock();
        *(self.count)(&mut state) -= 1;
        state.since = Instant::now();
    }
}

/// An answer that counts as not completely handed over until this value is dropped.
pub(super) struct Unread {
    progress: Progress,
    id: u64,
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.progress.lock().answers.remove(&self.id);
    }
}
