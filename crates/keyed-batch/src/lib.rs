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
mod sqs_message;
mod verdict;
mod work_through;

pub use chunk::{Chunk, NO_VERDICT, Verdicts};
pub use deadline::deadline;
pub use dynamodb_record::{ChangeKind, DynamoDbEvent, DynamoDbRecord};
pub use kinesis_record::{KinesisEvent, KinesisRecord};
pub use limits::Limits;
pub use process::{MissingIdentifier, Report, UNREADABLE_DATA, process, process_in_chunks};
pub use record::BatchRecord;
pub use report::{Disposition, RecordReport, Summary};
pub use sqs_message::{SqsEvent, SqsMessage};
pub use verdict::{IntoVerdict, TIMED_OUT, Verdict};
pub use work_through::{work_through, work_through_in_chunks};
