//! What a function process writes to its standard output and error, line by line: shown or not, and how.
//!
//! Functions log JSON lines. A person sees warnings and errors in short form, and every line that is not JSON, since that
//! is a panic or a stray print; with `--logs` everything.

use serde_json::Value;

use crate::console::Tone;

/// Longest line that is kept; the rest of a longer one is cut off. Lambda cuts at 256 KB; a console needs less.
pub const MAX_LINE: usize = 16 * 1_024;

/// One line of a function's log as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters: the tone of its level.
    pub tone: Tone,
    /// Level, message and fields, or the line itself if it is no JSON log line.
    pub text: String,
    /// Whether it is shown without `--logs`.
    pub notable: bool,
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
        // tracing's JSON has the message and the fields under `fields`, or beside the level when flattened.
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
            // The message stands already; the rest is about the line, not about what happened.
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
        assert!(LogLine::read(b"[1,2]").notable, "JSON, but no log line");
        assert!(!LogLine::read(b"").notable);
        assert_eq!(LogLine::read(b"\xff").text, "\u{fffd}");
    }
}
