//! Makes sure that no function process outlives `local`, however `local` ends, `kill -9` included.
//!
//! A shell leads its own process group and waits on a pipe whose other end only `local` holds. When
//! `local` is gone, the kernel closes the pipe. Then the shell's `read` returns, and the shell
//! kills its whole group. Every function process is started into that group. SIGKILL also ends
//! processes that are stopped, so a frozen function does not stay behind either.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};

/// How long an orderly stop waits for the group's leader.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// The shell that leads the group. Dropping it kills the group.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
    /// The only write end of the pipe, to which nothing is ever written. Rust opens pipes
    /// close-on-exec, so no child inherits it.
    pipe: Option<ChildStdin>,
    process_group: i32,
}

impl Watchdog {
    /// Starts the shell as the leader of a new process group.
    ///
    /// # Errors
    /// If `sh` cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", "read _; kill -KILL 0"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = shell.stdin.take();
        let process_group = shell.id().and_then(|pid| i32::try_from(pid).ok());
        let process_group =
            process_group.ok_or_else(|| std::io::Error::other("sh ended at once"))?;
        Ok(Self {
            shell,
            pipe,
            process_group,
        })
    }

    /// The process group that ends with `local`.
    #[must_use]
    pub fn process_group(&self) -> i32 {
        self.process_group
    }

    /// Returns when the shell has ended although nobody asked it to. Without the shell the promise
    /// cannot be kept, so the caller stops. The call is safe to cancel.
    pub async fn ended(&mut self) {
        // An error of the wait means that the shell does not exist any more.
        let _ = self.shell.wait().await;
    }

    /// Kills the group and waits until its leader is gone, for at most two seconds.
    pub async fn stop(mut self) {
        drop(self.pipe.take());
        // The kernel delivers the signal to all members at once. So when the leader is reaped, no
        // member runs on.
        let _ = tokio::time::timeout(STOP_PATIENCE, self.shell.wait()).await;
    }
}
