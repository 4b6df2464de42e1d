#![doc = include_str!("../README.md")]

mod deadline;
mod kinesis;
mod limits;
mod record;
mod report;
mod schedule;

pub use deadline::deadline;
pub use kinesis::{MissingSequenceNumber, Report, UNREADABLE_DATA, process};
pub use limits::Settings;
pub use record::{KinesisEvent, KinesisRecord};
pub use report::{Outcome, RecordReport, Summary, TIMED_OUT, Verdict};
pub use schedule::work_through;
