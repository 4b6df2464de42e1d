//! The lines that a function process writes to its standard output and error. This module says
//! which of them are shown, and how.
//!
//! Functions log JSON lines. A person sees warnings and errors in short form, and what became of
//! batches in sums ([`crate::lambda::activity`]). A line that is not JSON comes from a panic or a
//! stray print, so a person sees it too. With `--logs` a person sees every line, and no sums.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

use crate::console::{Console, Tone};
use crate::lambda::activity::{Activity, Outcomes, outcomes};

/// The most bytes of a line that are kept. The rest of a longer line is cut off. Lambda cuts at 256
/// KB, but a console needs less.
pub const MAX_LINE: usize = 16 * 1_024;

/// How many lines of a start are kept until it is known how the start ends. The oldest lines are
/// dropped first.
const MAX_HELD: usize = 100;

/// The log of one process of a function.
///
/// The lines that the process writes while it starts are held back. If the start fails, the last
/// line appears in the failure's own line, and is not shown twice.
#[derive(Debug)]
pub struct FunctionLog {
    function: String,
    show_all: bool,
    console: Console,
    /// The outcomes of all processes of the function.
    activity: Arc<Activity>,
    /// The lines of the start, or `None` once the start is over.
    held: Mutex<Option<Vec<LogLine>>>,
}

impl FunctionLog {
    /// The log of a process that starts now. With `show_all` every line is shown, and otherwise
    /// only the notable lines.
    #[must_use]
    pub fn new(function: &str, show_all: bool, console: Console, activity: Arc<Activity>) -> Self {
        Self {
            function: function.to_owned(),
            show_all,
            console,
            activity,
            held: Mutex::new(Some(Vec::new())),
        }
    }

    /// Reads one output of the process to its end.
    pub async fn follow(self: Arc<Self>, output: impl AsyncRead + Unpin) {
        let mut output = BufReader::new(output);
        while let Ok(Some(line)) = next_line(&mut output).await {
            self.line(LogLine::read(&line));
        }
    }

    fn line(&self, line: LogLine) {
        match self.held().as_mut() {
            Some(held) if !line.text.is_empty() => {
                if held.len() == MAX_HELD {
                    held.remove(0);
                }
                held.push(line);
            }
            Some(_) => {}
            None => self.show(&line),
        }
    }

    /// Takes note that the process has started. The lines that it wrote until now are shown, and
    /// from now on the lines that it writes.
    pub fn started(&self) {
        for line in self.held().take().unwrap_or_default() {
            self.show(&line);
        }
    }

    /// Takes note that the process did not start. The lines that it wrote are shown except the last
    /// one, which is returned.
    pub fn gave_up(&self) -> Option<String> {
        let mut held = self.held().take().unwrap_or_default();
        // A panic ends with a hint about backtraces, which is of no use here.
        held.retain(|line| !line.text.starts_with("note: run with `RUST_BACKTRACE"));
        let last = held.pop();
        for line in held {
            self.show(&line);
        }
        last.map(|line| line.text)
    }

    fn show(&self, line: &LogLine) {
        if line.notable || self.show_all && !line.text.is_empty() {
            self.console.line(&self.function, &line.text, line.tone);
        }
        if !self.show_all {
            self.activity.add(line.outcomes.clone());
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<LogLine>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line of a function's log as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much the line matters, by its level. A line that is not a JSON log line is a warning.
    pub tone: Tone,
    /// Level, message and fields, or the line itself if it is not a JSON log line.
    pub text: String,
    /// True if the line is shown without `--logs`.
    pub notable: bool,
    /// The outcomes of the batch that the line is about.
    pub outcomes: Outcomes,
}

impl LogLine {
    /// Reads one line, without its line break. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        match serde_json::from_str::<Value>(text) {
            Ok(record) if record["level"].is_string() => Self::of_record(&record),
            _ => Self {
                tone: Tone::Warning,
                text: text.to_owned(),
                notable: !text.is_empty(),
                outcomes: Outcomes::new(),
            },
        }
    }

    fn of_record(record: &Value) -> Self {
        let level = record["level"]
            .as_str()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let tone = match level.as_str() {
            "WARN" | "WARNING" => Tone::Warning,
            "ERROR" | "FATAL" => Tone::Failure,
            _ => Tone::Plain,
        };
        // In tracing's JSON the message and the fields are under `fields`. In flattened JSON they
        // are beside the level.
        let fields = if record["fields"].is_object() {
            &record["fields"]
        } else {
            record
        };
        let mut text = level;
        if let Some(message) = fields["message"].as_str() {
            text.push(' ');
            text.push_str(message);
        }
        for (key, value) in fields.as_object().into_iter().flatten() {
            // The message is in the text already. The other keys are about the line, not about the
            // event.
            if matches!(
                key.as_str(),
                "message" | "level" | "timestamp" | "target" | "span" | "spans"
            ) {
                continue;
            }
            match value.as_str() {
                Some(value) => text.push_str(&format!(" {key}={value}")),
                None => text.push_str(&format!(" {key}={value}")),
            }
        }
        Self {
            tone,
            text,
            notable: tone != Tone::Plain,
            outcomes: outcomes(fields),
        }
    }
}

/// Reads the next line without its end, cut off at [`MAX_LINE`] bytes. `None` is the end of the
/// output. Unlike `read_until`, this function keeps no more than [`MAX_LINE`] bytes in memory,
/// however much a line has.
async fn next_line(output: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut started = false;
    loop {
        let chunk = output.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(started.then_some(line));
        }
        started = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        let room = MAX_LINE - line.len();
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let consumed = piece.len() + usize::from(end.is_some());
        output.consume(consumed);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_shortened_to_level_message_and_fields() {
        let line = LogLine::read(
            br#"{"timestamp":"2026-11-22T05:00:00Z","level":"WARN","fields":{"message":"retrying","attempt":2,"error":"throttled"},"target":"consumer"}"#,
        );
        assert_eq!(line.text, "WARN retrying attempt=2 error=throttled");
        assert_eq!((line.tone, line.notable), (Tone::Warning, true));
    }

    #[test]
    fn a_flattened_json_line_reads_the_same() {
        let line = LogLine::read(
            br#"{"level":"error","message":"refused","code":"AccessDenied","target":"consumer"}"#,
        );
        assert_eq!(line.text, "ERROR refused code=AccessDenied");
        assert_eq!((line.tone, line.notable), (Tone::Failure, true));
    }

    #[test]
    fn information_is_shown_only_on_request() {
        assert!(!LogLine::read(br#"{"level":"INFO","fields":{"message":"done"}}"#).notable);
    }

    #[test]
    fn what_is_no_json_is_a_panic_or_a_stray_print_and_is_shown_as_it_stands() {
        let line = LogLine::read(b"thread 'main' panicked at src/main.rs:1:1:\r\n");
        assert_eq!(line.text, "thread 'main' panicked at src/main.rs:1:1:");
        assert!(line.notable);
        assert!(LogLine::read(b"[1,2]").notable, "JSON, but not a log line");
        assert!(!LogLine::read(b"").notable);
        assert_eq!(LogLine::read(b"\xff").text, "\u{fffd}");
    }

    fn log(show_all: bool) -> (FunctionLog, crate::console::Captured) {
        let (console, captured) = Console::captured();
        let activity = Arc::new(Activity::new("api", console.clone()));
        let log = FunctionLog::new("api", show_all, console, activity);
        (log, captured)
    }

    fn write(log: &FunctionLog, line: &str) {
        log.line(LogLine::read(line.as_bytes()));
    }

    #[test]
    fn what_a_process_writes_while_it_starts_is_shown_once_it_has_started() {
        let (log, captured) = log(false);
        write(&log, "odd");
        assert!(captured.take().is_empty());
        log.started();
        write(&log, "odder");
        assert_eq!(captured.take(), ["api: odd", "api: odder"]);
    }

    #[test]
    fn the_last_words_of_a_failed_start_are_returned_and_not_shown_as_well() {
        let (log, captured) = log(false);
        write(&log, "thread 'main' panicked at src/main.rs:1:1:");
        write(&log, "no table");
        write(
            &log,
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        );
        assert_eq!(log.gave_up().as_deref(), Some("no table"));
        assert_eq!(
            captured.take(),
            ["api: thread 'main' panicked at src/main.rs:1:1:"]
        );
    }

    #[tokio::test]
    async fn the_outcomes_of_a_batch_are_shown_unless_every_line_is_shown_anyway() {
        let line = r#"{"level":"INFO","fields":{"message":"batch","records":1,"booked":1}}"#;
        for (show_all, expected) in [
            (false, "api: 1 booked"),
            (true, "api: INFO batch booked=1 records=1"),
        ] {
            let (log, captured) = log(show_all);
            log.started();
            write(&log, line);
            assert_eq!(captured.take(), [expected]);
        }
    }

    #[test]
    fn with_logs_everything_is_shown() {
        let (log, captured) = log(true);
        log.started();
        write(&log, r#"{"level":"INFO","fields":{"message":"done"}}"#);
        assert_eq!(captured.take(), ["api: INFO done"]);
    }

    #[tokio::test]
    async fn lines_are_split_at_their_ends_and_cut_at_the_limit() {
        let long = "x".repeat(MAX_LINE + 5_000);
        let text = format!("one\n\n{long}\nlast");
        let mut output = BufReader::new(text.as_bytes());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut output).await.unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["one", "", &long[..MAX_LINE], "last"]);
    }
}
