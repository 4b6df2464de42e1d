#![doc = include_str!("../README.md")]

mod deadline;
mod kinesis;
mod limits;
mod record;
mod report;
mod schedule;
mod verdict;

pub use deadline::deadline;
pub use kinesis::{MissingSequenceNumber, Report, UNREADABLE_DATA, process};
pub use limits::Limits;
pub use record::{KinesisEvent, KinesisRecord};
pub use report::{Disposition, RecordReport, Summary};
pub use schedule::work_through;
pub use verdict::{TIMED_OUT, Verdict};
