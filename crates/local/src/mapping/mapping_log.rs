//! The lines about the event source mapping, for a person. Every failure, retry, split and discard
//! is shown. Deliveries are shown at most once a second, so that a busy stream does not flood the
//! console.

use std::collections::BTreeMap;
use std::time::Duration;

use event_source_mapping::{Failure, Occurrence, Range, SequenceNumber, ShardId, Timestamp};

use crate::console::Console;

/// How long deliveries are added up before they are shown.
const PAUSE: Duration = Duration::from_secs(1);

/// The writer of the lines.
#[derive(Debug)]
pub struct MappingLog {
    console: Console,
    /// The function that the mapping invokes, which tells one mapping from another.
    function: String,
    /// The number of records and batches of each shard that were delivered and are not shown yet.
    delivered: BTreeMap<ShardId, (usize, usize)>,
    /// The time at which deliveries were shown last.
    shown: Option<Timestamp>,
}

impl MappingLog {
    /// A log of the mapping to `function` that writes to `console`.
    #[must_use]
    pub fn new(function: &str, console: Console) -> Self {
        Self {
            console,
            function: function.to_owned(),
            delivered: BTreeMap::new(),
            shown: None,
        }
    }

    /// Takes in the occurrences of one step of the mapping at `now`. Call it after every step,
    /// because deliveries that were held back are shown when their time has come.
    pub fn step(&mut self, now: Timestamp, happened: &[Occurrence]) {
        for happened in happened {
            self.happened(now, happened);
        }
        let due = self.shown.is_none_or(|shown| now.since(shown) >= PAUSE);
        if due && !self.delivered.is_empty() {
            for (shard, (records, batches)) in std::mem::take(&mut self.delivered) {
                let batches = if batches == 1 {
                    String::new()
                } else {
                    format!(" in {batches} batches")
                };
                self.note(format!(
                    "{}: {} delivered{batches}",
                    self.place(&shard),
                    count(records)
                ));
            }
            self.shown = Some(now);
        }
    }

    fn happened(&mut self, now: Timestamp, happened: &Occurrence) {
        match happened {
            Occurrence::Delivered { range, .. } => {
                let (records, batches) = self.delivered.entry(range.shard_id.clone()).or_default();
                *records += range.records;
                *batches += 1;
            }
            Occurrence::PartiallyFailed {
                range,
                lowest,
                done,
            } => self.warn(format!(
                "{}: record {} of {} reported as failed ({})",
                self.place(&range.shard_id),
                done + 1,
                range.records,
                short(lowest)
            )),
            Occurrence::Failed {
                range,
                attempt,
                failure,
            } => {
                let failure = match failure {
                    Failure::FunctionError => " failed",
                    Failure::TimedOut => " timed out",
                    Failure::UnusableResponse => ": unusable response",
                };
                self.warn(format!("{}: attempt {attempt}{failure}", self.batch(range)));
            }
            Occurrence::NotInvoked { range } => {
                self.warn(format!("{} not delivered: throttled", self.batch(range)));
            }
            Occurrence::Split { left, right } => self.warn(format!(
                "{}: {} split into {} and {}",
                self.place(&left.shard_id),
                count(left.records + right.records),
                left.records,
                right.records
            )),
            Occurrence::Retried { range, attempt, at } => self.warn(format!(
                "{} retried in {}, attempt {attempt}",
                self.batch(range),
                pause(at.since(now))
            )),
            Occurrence::Discarded {
                range,
                condition,
                invoke_count,
                reported,
            } => {
                let attempts = match invoke_count {
                    0 => String::new(),
                    1 => " after 1 attempt".into(),
                    several => format!(" after {several} attempts"),
                };
                self.fail(format!(
                    "{}: {} discarded{attempts}",
                    self.place(&range.shard_id),
                    count(range.records),
                ));
                self.fail(format!("  condition {condition:?}"));
                self.fail_in_full(range);
                if let Some(done) = done(range.records, *reported) {
                    self.fail(done);
                }
            }
            Occurrence::DiscardDelivered { range } => {
                self.warn(format!(
                    "{}: the queue was told of the discard",
                    self.place(&range.shard_id)
                ));
            }
            Occurrence::DiscardDeliveryFailed { range, retry_at } => self.warn(format!(
                "{}: the queue was not told of the discard, again in {}",
                self.place(&range.shard_id),
                pause(retry_at.since(now))
            )),
            Occurrence::DiscardLost { range } => {
                self.fail(format!(
                    "{}: the queue was never told of the discard of {}",
                    self.place(&range.shard_id),
                    count(range.records),
                ));
                self.fail_in_full(range);
            }
            Occurrence::ReadFailed { shard_id, retry_at } => self.warn(format!(
                "{}: could not be read, again in {}",
                self.place(shard_id),
                pause(retry_at.since(now))
            )),
            Occurrence::ShardFinished { shard_id } => {
                self.note(format!("{}: read to its end", self.place(shard_id)))
            }
            Occurrence::Enabled => self.note(format!("{}: enabled", self.function)),
            Occurrence::Disabled => self.note(format!("{}: disabled", self.function)),
        }
    }

    /// Shows the sequence numbers by which the records can be put back. A line has room for one of
    /// them.
    fn fail_in_full(&self, range: &Range) {
        if range.first == range.last {
            self.fail(format!("  sequence number {}", range.first));
        } else {
            self.fail(format!("  first {}", range.first));
            self.fail(format!("  last  {}", range.last));
        }
    }

    fn batch(&self, range: &Range) -> String {
        let place = self.place(&range.shard_id);
        match range.records {
            1 => format!("{place}: 1 record ({})", short(&range.first)),
            records => format!("{place}: {records} records from {}", short(&range.first)),
        }
    }

    /// The function and the shard's number. `shardId-000000000003` is shard 3. The shards of a
    /// table's change stream have no numbers, and the model has one such shard at a time.
    fn place(&self, shard: &ShardId) -> String {
        let function = &self.function;
        let number = shard.as_str().strip_prefix("shardId-");
        match number.and_then(|number| number.parse::<u64>().ok()) {
            Some(number) => format!("{function} shard {number}"),
            None => function.clone(),
        }
    }

    fn note(&self, text: String) {
        self.console.note("mapping", text);
    }

    fn warn(&self, text: String) {
        self.console.warn("mapping", text);
    }

    fn fail(&self, text: String) {
        self.console.fail("mapping", text);
    }
}

/// A pause for a person, in milliseconds below a second and otherwise in seconds.
fn pause(pause: Duration) -> String {
    if pause < Duration::from_secs(1) {
        format!("{} ms", pause.as_millis())
    } else {
        format!("{:.1} s", pause.as_secs_f64())
    }
}

/// How many of several discarded records are done all the same, because a batch is discarded as a
/// whole.
fn done(records: usize, reported: Option<usize>) -> Option<String> {
    if records == 1 {
        return None;
    }
    Some(match reported {
        None => "  Some of them may be done, because a batch is discarded as a whole.".into(),
        Some(reported) => match records.saturating_sub(reported) {
            0 => "  The function reported all of them.".into(),
            1 => format!("  The function reported {reported} of them. The other 1 is done."),
            others => {
                format!("  The function reported {reported} of them. The other {others} are done.")
            }
        },
    })
}

fn count(records: usize) -> String {
    if records == 1 {
        "1 record".to_owned()
    } else {
        format!("{records} records")
    }
}

/// The last digits of a sequence number, which tell neighbours apart. All 56 digits are in
/// `/_local/state` and in discards.
fn short(number: &SequenceNumber) -> String {
    let digits = number.to_string();
    let start = digits.len().saturating_sub(8);
    format!("…{}", &digits[start..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_source_mapping::DiscardCondition;

    const SHARD: &str = "shardId-000000000001";

    fn number(last: u32) -> SequenceNumber {
        SequenceNumber::parse(&format!(
            "4968045314282378370464294092530551558520245363{last:010}"
        ))
        .unwrap()
    }

    fn range(first: u32, last: u32) -> Range {
        let records = usize::try_from(last - first + 1).unwrap();
        Range {
            shard_id: SHARD.into(),
            first: number(first),
            last: number(last),
            records,
        }
    }

    fn lines(steps: &[(u64, &[Occurrence])]) -> Vec<String> {
        let (console, captured) = Console::captured();
        let mut log = MappingLog::new("consumer", console);
        for (millis, happened) in steps {
            log.step(Timestamp::from_millis(*millis), happened);
        }
        captured.take()
    }

    fn delivered(first: u32, last: u32) -> Occurrence {
        Occurrence::Delivered {
            range: range(first, last),
            attempt: 1,
        }
    }

    #[test]
    fn a_first_delivery_is_shown_at_once_and_further_ones_of_the_same_second_added_up() {
        let lines = lines(&[
            (0, &[delivered(1, 1)]),
            (100, &[delivered(2, 11)]),
            (200, &[delivered(12, 14)]),
            (999, &[]),
            (1_000, &[]),
            (2_000, &[]),
        ]);
        assert_eq!(
            lines,
            [
                "mapping: consumer shard 1: 1 record delivered",
                "mapping: consumer shard 1: 13 records delivered in 2 batches"
            ]
        );
    }

    #[test]
    fn what_failed_is_shown_each_time_in_short_and_what_was_given_up_in_full() {
        let lines = lines(&[(
            1_000,
            &[
                Occurrence::PartiallyFailed {
                    range: range(1, 3),
                    lowest: number(2),
                    done: 1,
                },
                Occurrence::Failed {
                    range: range(2, 3),
                    attempt: 1,
                    failure: Failure::TimedOut,
                },
                Occurrence::Split {
                    left: range(2, 2),
                    right: range(3, 3),
                },
                Occurrence::Retried {
                    range: range(2, 2),
                    attempt: 1,
                    at: Timestamp::from_millis(1_250),
                },
                Occurrence::NotInvoked { range: range(2, 2) },
                Occurrence::Discarded {
                    range: range(2, 2),
                    condition: DiscardCondition::RetryAttemptsExhausted,
                    invoke_count: 4,
                    reported: Some(1),
                },
                Occurrence::DiscardLost { range: range(2, 2) },
            ],
        )]);
        let full = number(2).to_string();
        assert_eq!(
            lines,
            [
                "mapping: consumer shard 1: record 2 of 3 reported as failed (…00000002)",
                "mapping: consumer shard 1: 2 records from …00000002: attempt 1 timed out",
                "mapping: consumer shard 1: 2 records split into 1 and 1",
                "mapping: consumer shard 1: 1 record (…00000002) retried in 250 ms, attempt 1",
                "mapping: consumer shard 1: 1 record (…00000002) not delivered: throttled",
                "mapping: consumer shard 1: 1 record discarded after 4 attempts",
                "mapping:   condition RetryAttemptsExhausted",
                &format!("mapping:   sequence number {full}"),
                "mapping: consumer shard 1: the queue was never told of the discard of 1 record",
                &format!("mapping:   sequence number {full}"),
            ]
        );
    }

    #[test]
    fn a_discard_of_several_records_says_how_many_of_them_are_done() {
        let discarded = |reported| Occurrence::Discarded {
            range: range(2, 6),
            condition: DiscardCondition::RecordAgeExceeded,
            invoke_count: 1,
            reported,
        };
        let said = |reported| {
            let lines = lines(&[(1_000, &[discarded(reported)])]);
            assert_eq!(
                lines[..4],
                [
                    "mapping: consumer shard 1: 5 records discarded after 1 attempt",
                    "mapping:   condition RecordAgeExceeded",
                    &format!("mapping:   first {}", number(2)),
                    &format!("mapping:   last  {}", number(6)),
                ]
            );
            lines[4..].join(" ")
        };
        assert_eq!(
            said(Some(1)),
            "mapping:   The function reported 1 of them. The other 4 are done."
        );
        assert_eq!(
            said(Some(4)),
            "mapping:   The function reported 4 of them. The other 1 is done."
        );
        assert_eq!(
            said(Some(5)),
            "mapping:   The function reported all of them."
        );
        assert_eq!(
            said(None),
            "mapping:   Some of them may be done, because a batch is discarded as a whole."
        );
    }

    #[test]
    fn a_discard_before_any_attempt_has_no_attempts() {
        let discarded = Occurrence::Discarded {
            range: range(2, 2),
            condition: DiscardCondition::RecordAgeExceeded,
            invoke_count: 0,
            reported: None,
        };
        let lines = lines(&[(1_000, &[discarded])]);
        assert_eq!(lines[0], "mapping: consumer shard 1: 1 record discarded");
    }

    #[test]
    fn a_line_fits_into_100_columns_with_its_time_and_subject() {
        const ROOM: usize = 100 - "05:00:00.042  mapping   ".len();
        let range = || range(2, 9_999);
        let at = Timestamp::from_millis(61_000);
        let lines = lines(&[(
            1_000,
            &[
                delivered(2, 9_999),
                Occurrence::PartiallyFailed {
                    range: range(),
                    lowest: number(9_000),
                    done: 8_998,
                },
                Occurrence::Failed {
                    range: range(),
                    attempt: 4,
                    failure: Failure::UnusableResponse,
                },
                Occurrence::NotInvoked { range: range() },
                Occurrence::Retried {
                    range: range(),
                    attempt: 4,
                    at,
                },
                Occurrence::Discarded {
                    range: range(),
                    condition: DiscardCondition::RetryAttemptsExhausted,
                    invoke_count: 10_000,
                    reported: Some(1),
                },
                Occurrence::DiscardDelivered { range: range() },
                Occurrence::DiscardDeliveryFailed {
                    range: range(),
                    retry_at: at,
                },
                Occurrence::DiscardLost { range: range() },
            ],
        )]);
        for line in lines {
            let text = line.strip_prefix("mapping: ").unwrap();
            assert!(text.chars().count() <= ROOM, "{text}");
        }
    }
}
