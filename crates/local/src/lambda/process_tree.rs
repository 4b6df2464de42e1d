//! All processes of an execution environment: the one that was started, and whatever it has
//! started.
//!
//! A function may be a shell script that runs the function's binary, and Lambda freezes and kills
//! the whole sandbox. So a signal goes to the first process and to its descendants, which
//! `/proc/PID/task/TID/children` names (proc(5)). At the end a process counts that has left its
//! parent too, and even its session: all of them have the environment that they were started with
//! in `/proc/PID/environ`, and in it a value that no other execution environment has.
//!
//! A daemon that has left its parent is not frozen, but ends with the others. Where there is no
//! `/proc`, the first process alone is signalled.

use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

/// How often the end looks for processes that were started while it looked.
const ROUNDS: usize = 10;

/// The processes of one execution environment. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    pid: u32,
    /// `NAME=value`, in the environment of its processes and of no others.
    mark: String,
    /// True if the first process may be signalled: it has not been killed, and nobody has waited
    /// for its end. A number is another process's as soon as somebody has.
    lives: Mutex<bool>,
}

impl ProcessTree {
    /// The tree whose first process is `child`. All of it has `mark` in its environment.
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

    /// Waits for the first process's end. Safe to cancel.
    pub(crate) async fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let mut end = std::pin::pin!(child.wait());
        std::future::poll_fn(|context| {
            // The process is reaped while this is held, so nobody signals its number afterwards.
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

    /// Sends a signal to all of them; false if the first process lives no more, and then to none.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        if *lives {
            signal_tree(self.pid, signal);
        }
        *lives
    }

    /// Kills all of them; false if the first process did not live any more.
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

    /// Every process that has the mark in its environment. One that has ended has no environment
    /// any more.
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

/// First the parent, so that one that is stopped starts no more children.
fn signal_tree(pid: u32, signal: Signal) {
    let children = if signal == Signal::KILL {
        // The children of a process that has ended are no longer its own.
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

/// One that has ended meanwhile is none of the sender's business.
fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
