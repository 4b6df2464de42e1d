//! What the event source mapping does, in lines for a person: every failure, retry, split and
//! discard, and what was delivered at most once a second, so that a busy stream does not flood the
//! console.

use std::collections::BTreeMap;
use std::time::Duration;

use event_source_mapping::{Occurrence, Range, SequenceNumber, ShardId, Timestamp};

use crate::console::Console;

/// Deliveries are added up for this long.
const PAUSE: Duration = Duration::from_secs(1);

/// Who writes the lines.
#[derive(Debug)]
pub struct MappingLog {
    console: Console,
    /// Delivered but not shown yet: records and batches of each shard.
    delivered: BTreeMap<ShardId, (usize, usize)>,
    /// When deliveries were shown last.
    shown: Option<Timestamp>,
}

impl MappingLog {
    /// A log that writes to `console`.
    #[must_use]
    pub fn new(console: Console) -> Self {
        Self {
            console,
            delivered: BTreeMap::new(),
            shown: None,
        }
    }

    /// Takes in what came of one step of the mapping at `now`. Call it after every step: deliveries
    /// that were held back are shown when their time has come.
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
                    short_shard(&shard),
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
                "{}: {done} of {} done, failed from {} on",
                short_shard(&range.shard_id),
                count(range.records),
                short(lowest)
            )),
            Occurrence::Failed {
                range,
                attempt,
                failure,
            } => {
                self.warn(format!(
                    "{} failed, attempt {attempt}: {failure}",
                    batch(range)
                ));
            }
            Occurrence::NotInvoked { range } => {
                self.warn(format!(
                    "{} could not be delivered, the function is throttled",
                    batch(range)
                ));
            }
            Occurrence::Split { left, right } => self.warn(format!(
                "{}: {} split into {} and {}",
                short_shard(&left.shard_id),
                count(left.records + right.records),
                left.records,
                right.records
            )),
            Occurrence::Retried { range, attempt, at } => self.warn(format!(
                "{} retried in {} ms, attempt {attempt}",
                batch(range),
                at.since(now).as_millis()
            )),
            Occurrence::Discarded {
                range,
                condition,
                invoke_count,
            } => self.fail(format!(
                "{}: {} discarded, {}–{}: {condition:?}, {invoke_count} attempts",
                short_shard(&range.shard_id),
                count(range.records),
                range.first,
                range.last
            )),
            Occurrence::DiscardDelivered { range } => {
                self.warn(format!(
                    "{}: the queue was told of the discard",
                    short_shard(&range.shard_id)
                ));
            }
            Occurrence::DiscardDeliveryFailed { range, retry_at } => self.warn(format!(
                "{}: the queue could not be told of the discard, again in {} ms",
                short_shard(&range.shard_id),
                retry_at.since(now).as_millis()
            )),
            Occurrence::DiscardLost { range } => self.fail(format!(
                "{}: the queue was never told of the discard of {}–{}",
                short_shard(&range.shard_id),
                range.first,
                range.last
            )),
            Occurrence::ReadFailed { shard_id, retry_at } => self.warn(format!(
                "{}: could not be read, again in {} ms",
                short_shard(shard_id),
                retry_at.since(now).as_millis()
            )),
            Occurrence::ShardFinished { shard_id } => {
                self.note(format!("{}: read to its end", short_shard(shard_id)))
            }
            Occurrence::Enabled => self.note("enabled".into()),
            Occurrence::Disabled => self.note("disabled".into()),
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

fn batch(range: &Range) -> String {
    let shard = short_shard(&range.shard_id);
    match range.records {
        1 => format!("{shard}: 1 record ({})", short(&range.first)),
        records => format!(
            "{shard}: {records} records ({}–{})",
            short(&range.first),
            short(&range.last)
        ),
    }
}

fn count(records: usize) -> String {
    if records == 1 {
        "1 record".to_owned()
    } else {
        format!("{records} records")
    }
}

/// `shardId-000000000003` is shard 3.
fn short_shard(shard: &ShardId) -> String {
    match shard
        .as_str()
        .rsplit('-')
        .next()
        .and_then(|number| number.parse::<u64>().ok())
    {
        Some(number) => format!("shard {number}"),
        None => shard.to_string(),
    }
}

/// The last digits of a sequence number tell neighbours apart; all 56 are in `/_local/state` and in
/// discards.
fn short(number: &SequenceNumber) -> String {
    let digits = number.to_string();
    let start = digits.len().saturating_sub(8);
    format!("…{}", &digits[start..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_source_mapping::{DiscardCondition, Failure};

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
        let mut log = MappingLog::new(console);
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
                "mapping: shard 1: 1 record delivered",
                "mapping: shard 1: 13 records delivered in 2 batches"
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
                },
                Occurrence::DiscardLost { range: range(2, 2) },
            ],
        )]);
        let full = number(2).to_string();
        assert_eq!(
            lines,
            [
                "mapping: shard 1: 1 of 3 records done, failed from …00000002 on",
                "mapping: shard 1: 2 records (…00000002–…00000003) failed, attempt 1: the function timed out",
                "mapping: shard 1: 2 records split into 1 and 1",
                "mapping: shard 1: 1 record (…00000002) retried in 250 ms, attempt 1",
                "mapping: shard 1: 1 record (…00000002) could not be delivered, the function is throttled",
                &format!(
                    "mapping: shard 1: 1 record discarded, {full}–{full}: RetryAttemptsExhausted, 4 attempts"
                ),
                &format!(
                    "mapping: shard 1: the queue was never told of the discard of {full}–{full}"
                ),
            ]
        );
    }
}
