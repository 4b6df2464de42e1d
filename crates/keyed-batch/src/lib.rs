#![doc = include_str!("../README.md")]

mod chunk;
mod deadline;
#[cfg(feature = "dynamodb")]
mod dynamodb_record;
#[cfg(feature = "kinesis")]
mod kinesis_record;
mod limits;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "process")]
mod record;
mod report;
mod schedule;
#[cfg(feature = "sqs")]
mod sqs_message;
#[cfg(any(feature = "dynamodb", feature = "kinesis", feature = "sqs"))]
mod text;
mod verdict;
mod work_through;

pub use chunk::{Chunk, NO_VERDICT, Verdicts};
pub use deadline::deadline;
#[cfg(feature = "dynamodb")]
pub use dynamodb_record::{ChangeKind, DynamoDbEvent, DynamoDbRecord};
#[cfg(feature = "kinesis")]
pub use kinesis_record::{KinesisEvent, KinesisRecord};
pub use limits::Limits;
#[cfg(feature = "process")]
pub use process::{MissingIdentifier, Report, UNREADABLE_DATA, process, process_in_chunks};
#[cfg(feature = "process")]
pub use record::BatchRecord;
pub use report::{Disposition, RecordReport, Summary};
#[cfg(feature = "sqs")]
pub use sqs_message::{SqsEvent, SqsMessage};
pub use verdict::{IntoVerdict, TIMED_OUT, Verdict};
pub use work_through::{work_through, work_through_in_chunks};
