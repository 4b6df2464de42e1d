//! A Lambda's batch of Kinesis records, worked through in order within a key and concurrently across keys, to a partial batch response.

mod backoff;
mod deadline;
mod kinesis;
mod outcome;
mod schedule;
mod settings;

pub use deadline::deadline;
pub use kinesis::{NoCheckpoint, Report, process};
pub use outcome::{Outcome, RecordReport, Summary, TIMED_OUT, Verdict};
pub use schedule::work_through;
pub use settings::Settings;
