//! The processes and the counters of a function, as `/_local/state` shows them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::lambda::process_tree::ProcessTree;

/// The state of a function, for `/_local/state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionState {
    /// The processes that live, by process id.
    pub processes: Vec<ProcessState>,
    /// The counts since the start of the stack.
    pub counters: FunctionCounters,
}

/// One process of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessState {
    /// The process id.
    pub pid: u32,
    /// True if the process works on an invocation.
    pub busy: bool,
    /// How many invocations the process was given.
    pub invocations: u64,
}

/// The counts since the start of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionCounters {
    /// Invocations that were given to a process.
    pub invocations: u64,
    /// Invocations among these that the function answered with an error, or with more than Lambda
    /// allows.
    pub errors: u64,
    /// Invocations among these that took too long.
    pub timeouts: u64,
    /// Invocations among these during which the process ended.
    pub crashes: u64,
    /// Invocations that were refused because all processes were busy.
    pub throttles: u64,
    /// Processes that were started, including the failed starts.
    pub starts: u64,
    /// Processes that failed before they asked for an invocation.
    pub failed_starts: u64,
}

/// The record of a function's processes and counters. Clones are the same record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    processes: BTreeMap<u32, (ProcessState, Arc<ProcessTree>)>,
    counters: FunctionCounters,
}

impl Ledger {
    /// Changes the counters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut FunctionCounters)) {
        change(&mut self.lock().counters);
    }

    /// Enters a process that has no invocation yet.
    pub(crate) fn register(&self, tree: Arc<ProcessTree>) -> Registration {
        let pid = tree.pid();
        let state = ProcessState {
            pid,
            busy: false,
            invocations: 0,
        };
        self.lock().processes.insert(pid, (state, tree));
        Registration {
            ledger: self.clone(),
            pid,
        }
    }

    /// Calls `signal` for each process, and returns the ids of those for which it returned true.
    pub(crate) fn signal_each(&self, signal: impl Fn(&ProcessTree) -> bool) -> Vec<u32> {
        let entries = self.lock();
        let trees = entries.processes.values().map(|(_, tree)| tree);
        trees
            .filter(|tree| signal(tree))
            .map(|tree| tree.pid())
            .collect()
    }

    /// The processes that live, and the counters.
    pub(crate) fn state(&self) -> FunctionState {
        let entries = self.lock();
        FunctionState {
            processes: entries
                .processes
                .values()
                .filter(|(_, tree)| tree.lives())
                .map(|(state, _)| state.clone())
                .collect(),
            counters: entries.counters.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process's entry in the ledger. Dropping the registration removes the entry.
#[derive(Debug)]
pub(crate) struct Registration {
    ledger: Ledger,
    pid: u32,
}

impl Registration {
    /// Takes note that the process works on one more invocation.
    pub(crate) fn given_an_invocation(&self) {
        if let Some((state, _)) = self.ledger.lock().processes.get_mut(&self.pid) {
            state.busy = true;
            state.invocations += 1;
        }
    }

    /// Takes note that the process waits for an invocation.
    pub(crate) fn idle(&self) {
        if let Some((state, _)) = self.ledger.lock().processes.get_mut(&self.pid) {
            state.busy = false;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.ledger.lock().processes.remove(&self.pid);
    }
}
