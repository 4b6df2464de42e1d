#![doc = include_str!("../README.md")]

mod chunk;
mod deadline;
mod dynamodb_record;
mod kinesis_record;
mod limits;
mod process;
mod record;
mod report;
mod schedule;
mod verdict;

pub use chunk::{Chunk, NO_VERDICT, Verdicts};
pub use deadline::deadline;
pub use dynamodb_record::{ChangeKind, DynamoDbEvent, DynamoDbRecord};
pub use kinesis_record::{KinesisEvent, KinesisRecord};
pub use limits::Limits;
pub use process::{MissingSequenceNumber, Report, UNREADABLE_DATA, process, process_in_chunks};
pub use record::StreamRecord;
pub use report::{Disposition, RecordReport, Summary};
pub use schedule::{work_through, work_through_in_chunks};
pub use verdict::{IntoVerdict, TIMED_OUT, Verdict};
