#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//! | you have | read |
//! |---|---|
//! | an event of Lambda | [`process`], or [`process_in_chunks`] for work on several records at once |
//! | other work with keys | [`work_through`], or [`work_through_in_chunks`] |
//! | an error type | [`IntoVerdict`], which lets work use `?` |
//! | a question about time | [`Limits`] and [`deadline()`] |
//! | a failed batch | [`Report`], with a [`Disposition`] for each record |
//!
//! [`work_through`] says precisely what is attempted when, and [`Report::response`] which records
//! are named.

mod chunk;
mod deadline;
#[cfg(feature = "dynamodb")]
mod dynamodb_record;
#[cfg(feature = "kinesis")]
mod kinesis_record;
mod limits;
#[cfg(any(feature = "dynamodb", feature = "kinesis", feature = "sqs"))]
mod object;
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

// The types of other crates that appear here, so that a user needs no second copy of them.
#[cfg(feature = "dynamodb")]
pub use aws_lambda_events::event::streams::DynamoDbEventResponse;
#[cfg(feature = "kinesis")]
pub use aws_lambda_events::event::streams::KinesisEventResponse;
#[cfg(feature = "sqs")]
pub use aws_lambda_events::event::streams::SqsEventResponse;
#[cfg(any(feature = "dynamodb", feature = "sqs"))]
pub use serde_json::Value;
pub use tokio::time::Instant;
