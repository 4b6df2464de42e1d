//! The lines that a person reads. Each thing worth seeing is one aligned line, with the time and
//! the subject.
//!
//! A separate thread writes the lines. A line is dropped when the thread cannot keep up. So a
//! terminal that is held (Ctrl-S), or a pipe that nobody reads, never holds up the service.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// How many lines may wait to be written. Lines beyond this number are dropped, and the count of
/// dropped lines is shown.
const BACKLOG: usize = 4_096;

/// The columns of a terminal that a line fits into, if its words do.
const COLUMNS: usize = 100;

/// The columns that the time and the subject leave to the text.
const ROOM: usize = COLUMNS - "05:00:00.042  mapping   ".len();

/// How much a line matters. The tone decides the colour of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Everything is as it should be.
    Plain,
    /// Something is worth a look.
    Warning,
    /// Something failed.
    Failure,
}

/// One line for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When the event happened.
    pub time: DateTime<Utc>,
    /// The part of the stack that the line is about. It is a function's name, `mapping`, `faults`,
    /// `http` or `local`.
    pub subject: String,
    /// The description of the event.
    pub text: String,
    /// How much the line matters.
    pub tone: Tone,
}

impl Line {
    fn render(&self, form: Form) -> String {
        let time = self.time.format("%H:%M:%S%.3f");
        let subject = &self.subject;
        let margin = format!("\n{:width$}", "", width = COLUMNS - ROOM);
        let text = match form {
            Form::OneLine => self.text.clone(),
            Form::Wrapped { .. } => wrapped(&self.text).join(&margin),
        };
        let color = matches!(form, Form::Wrapped { color: true });
        let shade = match (color, self.tone) {
            (false, _) => return format!("{time}  {subject:<9} {text}\n"),
            (true, Tone::Plain) => "",
            (true, Tone::Warning) => "\x1b[33m",
            (true, Tone::Failure) => "\x1b[31m",
        };
        format!("\x1b[2m{time}\x1b[0m  \x1b[36m{subject:<9}\x1b[0m {shade}{text}\x1b[0m\n")
    }
}

/// The form in which a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The form for files and pipes. Each event is one line, so that `grep` finds all of it.
    OneLine,
    /// The form for a terminal.
    Wrapped { color: bool },
}

/// The place that lines go to. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Console {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
    silent: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Entry {
    Line(Line),
    /// Text that does not belong to a moment, such as the banner.
    Verbatim(String),
    /// Ends the writer.
    End,
}

impl Console {
    /// Writes to standard output, in colour if `color` is true and standard output is a terminal.
    /// Errors of writing are ignored, because a stack whose reader has gone away still serves.
    #[must_use]
    pub fn stdout(color: bool) -> (Self, Writer) {
        let form = if std::io::stdout().is_terminal() {
            Form::Wrapped { color }
        } else {
            Form::OneLine
        };
        let (console, entries) = Self::new();
        let dropped = Arc::clone(&console.dropped);
        let lines = console.lines.clone();
        let thread = std::thread::spawn(move || write_all(&entries, &dropped, form));
        (
            console,
            Writer {
                lines,
                thread: Some(thread),
            },
        )
    }

    /// Keeps the lines for the returned [`Captured`] to look at.
    #[must_use]
    pub fn captured() -> (Self, Captured) {
        let (console, entries) = Self::new();
        (console, Captured { entries })
    }

    fn new() -> (Self, Receiver<Entry>) {
        let (lines, entries) = sync_channel(BACKLOG);
        (
            Self {
                lines,
                dropped: Arc::default(),
                silent: Arc::default(),
            },
            entries,
        )
    }

    /// Writes a line about something that went as it should.
    pub fn note(&self, subject: &str, text: impl fmt::Display) {
        self.line(subject, text, Tone::Plain);
    }

    /// Writes a line about something that is worth a look.
    pub fn warn(&self, subject: &str, text: impl fmt::Display) {
        self.line(subject, text, Tone::Warning);
    }

    /// Writes a line about something that failed.
    pub fn fail(&self, subject: &str, text: impl fmt::Display) {
        self.line(subject, text, Tone::Failure);
    }

    /// Writes one line. Control characters in `text` are written as escapes, so the log of a
    /// function cannot drive the terminal.
    pub fn line(&self, subject: &str, text: impl fmt::Display, tone: Tone) {
        let text = without_controls(&text.to_string());
        self.send(Entry::Line(Line {
            time: Utc::now(),
            subject: subject.to_owned(),
            text,
            tone,
        }));
    }

    /// Drops every line from now on, also the lines of clones. When the whole stack is stopped, the
    /// end of each part is not worth seeing.
    pub fn silence(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Writes `text` unchanged.
    pub fn verbatim(&self, text: impl Into<String>) {
        self.send(Entry::Verbatim(text.into()));
    }

    fn send(&self, entry: Entry) {
        if self.silent.load(Ordering::Relaxed) {
            return;
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(entry) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn without_controls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Breaks `text` into lines of at most [`ROOM`] columns. A longer word gets a line to itself.
fn wrapped(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((end, _)) = rest.char_indices().nth(ROOM) {
        let indent = rest.len() - rest.trim_start().len();
        let after = |index: &usize| *index > indent;
        let last_in_room = if rest[end..].starts_with(' ') {
            Some(end)
        } else {
            rest[..end].rfind(' ').filter(after)
        };
        let next = || rest[indent..].find(' ').map(|index| indent + index);
        let Some(space) = last_in_room.or_else(next) else {
            break;
        };
        lines.push(&rest[..space]);
        rest = rest[space..].trim_start();
    }
    lines.push(rest);
    lines
}

fn write_all(entries: &Receiver<Entry>, dropped: &AtomicU64, form: Form) {
    let mut out = std::io::stdout();
    while let Ok(entry) = entries.recv() {
        let mut text = match entry {
            Entry::Line(line) => line.render(form),
            Entry::Verbatim(text) => text,
            Entry::End => return,
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            text.push_str(&format!(
                "… {lost} lines dropped, because the output is read too slowly\n"
            ));
        }
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The thread that writes to standard output.
#[derive(Debug)]
pub struct Writer {
    lines: SyncSender<Entry>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes the lines that were sent so far, for at most `patience`, and ends the thread.
    ///
    /// If the output is read too slowly for that, lines are lost and the thread goes on.
    pub fn finish(mut self, patience: Duration) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        let deadline = Instant::now() + patience;
        // A full backlog has no room for the end. It has room again when the thread has written.
        while let Err(TrySendError::Full(_)) = self.lines.try_send(Entry::End) {
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Lines that were kept instead of written.
#[derive(Debug)]
pub struct Captured {
    entries: Receiver<Entry>,
}

impl Captured {
    /// Takes the lines since the last call, the oldest first, as `subject: text`.
    pub fn take(&self) -> Vec<String> {
        let lines = self.entries.try_iter().filter_map(|entry| match entry {
            Entry::Line(line) => Some(format!("{}: {}", line.subject, line.text)),
            Entry::Verbatim(_) | Entry::End => None,
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(tone: Tone) -> Line {
        let time = DateTime::from_timestamp(1_763_701_200, 42_000_000).unwrap();
        Line {
            time,
            subject: "mapping".into(),
            text: "3 records delivered".into(),
            tone,
        }
    }

    #[test]
    fn at_the_end_a_full_backlog_is_written_to_its_end() {
        let (lines, entries) = sync_channel(2);
        for text in ["first", "second"] {
            lines.send(Entry::Verbatim(text.into())).unwrap();
        }
        let written = Arc::new(AtomicU64::default());
        let counted = Arc::clone(&written);
        let slow = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            while let Ok(Entry::Verbatim(_)) = entries.recv() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            counted.fetch_add(100, Ordering::Relaxed);
        });
        let writer = Writer {
            lines: lines.clone(),
            thread: Some(slow),
        };
        writer.finish(Duration::from_secs(60));
        assert_eq!(
            written.load(Ordering::Relaxed),
            102,
            "both lines, then the end"
        );
    }

    #[test]
    fn a_line_is_time_subject_and_text_aligned() {
        assert_eq!(
            line(Tone::Failure).render(Form::OneLine),
            "05:00:00.042  mapping   3 records delivered\n"
        );
    }

    #[test]
    fn a_long_text_goes_on_below_itself_on_a_terminal_and_is_one_line_elsewhere() {
        let long = Line {
            text: format!("WARN {} shard=0 {}", "a".repeat(60), "é".repeat(80)),
            ..line(Tone::Plain)
        };
        let margin = " ".repeat(24);
        assert_eq!(
            long.render(Form::Wrapped { color: false }),
            format!(
                "05:00:00.042  mapping   WARN {} shard=0\n{margin}{}\n",
                "a".repeat(60),
                "é".repeat(80)
            )
        );
        let one_line = long.render(Form::OneLine);
        assert_eq!(one_line.lines().count(), 1);
        assert!(one_line.ends_with(&format!("{}\n", long.text)));
    }

    #[test]
    fn a_text_is_wrapped_only_where_it_has_no_room_and_keeps_its_words() {
        for length in [ROOM - 1, ROOM, ROOM + 1] {
            let text = format!("  {} b", "a".repeat(length - 4));
            let expected = if length <= ROOM { 1 } else { 2 };
            let lines = wrapped(&text);
            assert_eq!(lines.len(), expected, "{length}");
            assert_eq!(lines.join(" "), text);
        }
        let word = "a".repeat(ROOM + 1);
        assert_eq!(wrapped(&word), [word.as_str()]);
        assert_eq!(wrapped(""), [""]);
    }

    #[test]
    fn colour_is_used_only_when_asked_for() {
        assert!(
            !line(Tone::Failure)
                .render(Form::Wrapped { color: false })
                .contains('\x1b')
        );
        assert!(
            line(Tone::Failure)
                .render(Form::Wrapped { color: true })
                .contains("\x1b[31m3 records delivered")
        );
        assert!(
            line(Tone::Warning)
                .render(Form::Wrapped { color: true })
                .contains("\x1b[33m3 records delivered")
        );
    }

    #[test]
    fn what_a_function_logs_cannot_drive_the_terminal() {
        let (console, captured) = Console::captured();
        console.note("api", "a\x1b[2Jb\nc");
        assert_eq!(captured.take(), ["api: a\\u{1b}[2Jb\\nc"]);
    }

    #[test]
    fn a_silenced_console_drops_the_lines_of_its_clones_too() {
        let (console, captured) = Console::captured();
        let clone = console.clone();
        clone.note("api", "before");
        console.silence();
        clone.note("api", "after");
        assert_eq!(captured.take(), ["api: before"]);
    }

    #[test]
    fn a_console_that_nobody_reads_drops_lines_instead_of_waiting() {
        let (console, captured) = Console::captured();
        for number in 0..BACKLOG + 10 {
            console.note("api", number);
        }
        assert_eq!(console.dropped.load(Ordering::Relaxed), 10);
        assert_eq!(captured.take().len(), BACKLOG);
    }
}
