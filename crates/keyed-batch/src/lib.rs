#![doc = include_str!("../README.md")]

mod deadline;
mod kinesis;
mod outcome;
mod record;
mod schedule;
mod settings;

pub use deadline::deadline;
pub use kinesis::{MissingSequenceNumber, Report, UNREADABLE_DATA, process};
pub use outcome::{Outcome, RecordReport, Summary, TIMED_OUT, Verdict};
pub use record::{KinesisEvent, KinesisRecord};
pub use schedule::work_through;
pub use settings::Settings;
