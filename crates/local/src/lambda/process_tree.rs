//! All processes of an execution environment, which are the first process and all that it has
//! started.
//!
//! A function may be a shell script that runs the function's binary, and Lambda freezes and kills
//! the whole sandbox. So a signal goes to the first process and to its descendants, which
//! `/proc/PID/task/TID/children` names (proc(5)).
//!
//! At the end the kill also reaches a process that has left its parent, and even its session. The
//! environment that a process was started with is in `/proc/PID/environ`. One of its variables has
//! a value that no other execution environment has.
//!
//! A daemon that has left its parent is not frozen, but ends with the others. Without `/proc`, only
//! the first process is signalled.

use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

/// How many times the kill looks for processes that were started while it looked.
const ROUNDS: usize = 10;

/// The processes of one execution environment. Dropping the tree kills them.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    pid: u32,
    /// `NAME=value`, which is in the environment of these processes and of no others.
    mark: String,
    /// True if the first process may be signalled, because it was not killed and nobody has waited
    /// for its end. After that wait, its number may belong to another process.
    lives: Mutex<bool>,
}

impl ProcessTree {
    /// The tree whose first process is `child`. All its processes have `mark` in their environment.
    pub(crate) fn of(child: &Child, mark: String) -> Self {
        Self {
            pid: child.id().unwrap_or_default(),
            mark,
            lives: Mutex::new(child.id().is_some()),
        }
    }

    /// The first process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// True if the first process lives and was not killed.
    pub(crate) fn lives(&self) -> bool {
        *self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first process's end. The call is safe to cancel.
    pub(crate) async fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let mut end = std::pin::pin!(child.wait());
        std::future::poll_fn(|context| {
            // The process is reaped while the lock is held, so nobody signals its number
            // afterwards.
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            let poll = end.as_mut().poll(context);
            if poll.is_ready() {
                *lives = false;
            }
            match poll {
                Poll::Ready(status) => Poll::Ready(status),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Sends a signal to all processes. If the first process does not live any more, sends none and
    /// returns false.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        if *lives {
            signal_tree(self.pid, signal);
        }
        *lives
    }

    /// Kills all processes. Returns false if the first process did not live any more.
    pub(crate) fn kill(&self) -> bool {
        let lived = {
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            if *lives {
                signal_tree(self.pid, Signal::KILL);
            }
            std::mem::replace(&mut *lives, false)
        };
        for _ in 0..ROUNDS {
            let left = self.marked();
            if left.is_empty() {
                break;
            }
            for pid in left {
                send(pid, Signal::KILL);
            }
        }
        lived
    }

    /// Every process that has the mark in its environment. A process that has ended has no
    /// environment any more.
    fn marked(&self) -> Vec<u32> {
        let Ok(processes) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == self.mark.as_bytes())
            })
            .collect()
    }
}

impl Drop for ProcessTree {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Signals a process and then its descendants, so that a stopped parent starts no more children.
fn signal_tree(pid: u32, signal: Signal) {
    let children = if signal == Signal::KILL {
        // The children are read first, because a process that has ended has no children any more.
        let children = children(pid);
        send(pid, signal);
        children
    } else {
        send(pid, signal);
        children(pid)
    };
    for child in children {
        signal_tree(child, signal);
    }
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let of_thread = |thread: fs::DirEntry| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children: Vec<u32> = children
            .split_ascii_whitespace()
            .filter_map(|child| child.parse().ok())
            .collect();
        children
    };
    threads.flatten().flat_map(of_thread).collect()
}

/// Sends a signal to one process. If the process has ended meanwhile, nothing happens.
fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
