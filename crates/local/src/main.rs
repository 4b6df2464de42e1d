//! The command `local`, which runs the whole order service on one machine. See `local --help`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use local::console::Console;
use local::options::Request;
use local::stack;
use tokio::signal::unix::{SignalKind, signal};

const STOPPED_ON_REQUEST: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let request = Request::read(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    let options = match request {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help(help)) => {
            let _ = std::io::stdout().write_all(help.as_bytes());
            return STOPPED_ON_REQUEST.into();
        }
        Err(error) => return complain(&error, WRONG_USAGE),
    };
    let (console, writer) = Console::stdout(!options.no_color);
    let stop = match stop_asked_for(console.clone()) {
        Ok(stop) => stop,
        Err(error) => return complain(&error, FAILED),
    };
    let result = stack::run(&options, &console, stop).await;
    writer.finish(Duration::from_millis(500));
    match result {
        Ok(()) => STOPPED_ON_REQUEST.into(),
        Err(error) => complain(&error, FAILED),
    }
}

/// Waits for Ctrl-C, SIGTERM, or the closing of the terminal, and prints which of them came. The
/// handlers are installed when this function is called, not when its future is first polled.
fn stop_asked_for(console: Console) -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        let why = tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
            _ = hang_up.recv() => "the terminal was closed",
        };
        console.note("local", format!("stopping: {why}"));
        console.silence();
    })
}

fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "local: {error}");
    code.into()
}
