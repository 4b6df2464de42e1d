#![doc = include_str!("../README.md")]

mod backoff;
mod deadline;
mod kinesis;
mod outcome;
mod schedule;
mod settings;

pub use deadline::deadline;
pub use kinesis::{MissingSequenceNumber, Report, process};
pub use outcome::{Outcome, RecordReport, Summary, TIMED_OUT, Verdict};
pub use schedule::work_through;
pub use settings::Settings;
