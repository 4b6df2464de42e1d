//! The parts that several test files need. They are the example function's binary, an installation
//! of `local`, and waiting with a deadline.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is its own crate and uses its part"
)]

pub mod installation;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The binary of `examples/echo_function.rs`, which `cargo test` builds with the tests.
pub fn echo_function() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/echo_function");
    assert!(
        path.exists(),
        "{} is not built; run `cargo build -p local --examples`",
        path.display()
    );
    path
}

/// A shell script that starts the example function and waits for it, as a function may be a script.
/// The shell runs `before` first.
pub fn behind_a_shell(folder: &Path, before: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("bootstrap");
    let function = echo_function();
    // A command follows the function, so that no shell replaces itself by the function.
    let script = format!("#!/bin/sh\n{before}\n'{}'\nexit $?\n", function.display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Calls `attempt` until it gives a value, for at most 20 seconds.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not come about within 20 s"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// True if a process exists and is not a zombie.
pub fn is_running(pid: u32) -> bool {
    !matches!(state_of(pid), ' ' | 'Z')
}

/// The state that `ps` shows of a process. `T` is a stopped process, `Z` is a zombie, and a space
/// means that the process does not exist.
pub fn state_of(pid: u32) -> char {
    let output = std::process::Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&output.stdout);
    state.chars().next().unwrap_or(' ')
}

/// Sends a signal as a user would.
pub fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}
