//! A Lambda's batch of Kinesis records, worked through in order within a key and concurrently across keys, to a partial
//! batch response.
//!
//! You say what to do with one record; this crate says which record is next, tries again what may succeed later, stops in
//! time, and names what failed.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
//! use kinesis_batch::{MissingSequenceNumber, Settings, Verdict, deadline, process};
//!
//! async fn store(record: &KinesisEventRecord) -> Verdict {
//!     let Ok(text) = std::str::from_utf8(&record.kinesis.data) else {
//!         return Verdict::Reject("not-utf-8"); // poison: no retry will help
//!     };
//!     match write(text).await {
//!         Ok(()) => Verdict::Done,
//!         Err(Busy) => Verdict::Retry("database-busy"), // may succeed later
//!     }
//! }
//! # struct Busy;
//! # async fn write(text: &str) -> Result<(), Busy> {
//! #     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
//! #     if text == "hello" { Ok(()) } else { Err(Busy) }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let event: KinesisEvent = serde_json::from_str(r#"{"Records": [
//! #     {"kinesis": {"partitionKey": "a", "sequenceNumber": "101", "data": "aGVsbG8=", "approximateArrivalTimestamp": 1795323600.123}},
//! #     {"kinesis": {"partitionKey": "a", "sequenceNumber": "102", "data": "/w==", "approximateArrivalTimestamp": 1795323600.124}},
//! #     {"kinesis": {"partitionKey": "a", "sequenceNumber": "103", "data": "aGVsbG8=", "approximateArrivalTimestamp": 1795323600.125}}
//! # ]}"#)?;
//! # let now = SystemTime::now();
//! # let deadline_ms = now.duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as u64 + 3_000;
//! let until = deadline(deadline_ms, now); // deadline_ms: lambda_runtime's `event.context.deadline`
//! let report = process(&event.records, &Settings::default(), until, store).await;
//!
//! assert_eq!((report.summary.done, report.summary.rejected), (2, 1));
//! let response = report.response?; // what the handler returns
//! assert_eq!(serde_json::to_string(&response)?, r#"{"batchItemFailures":[{"itemIdentifier":"102"}]}"#);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/consumer.rs` is a whole function.
//!
//! # What it promises
//! - Records of one partition key are worked on one after the other, in sequence; different keys at once, up to a bound.
//! - Each record is attempted, except those behind a [`Retry`](Verdict::Retry) of their key and those that time did not
//!   suffice for; these are reported as failed, so nothing is lost.
//! - A poison record ([`Reject`](Verdict::Reject), or a panic) costs its neighbours nothing: those behind it, of its own key
//!   too, are worked on in the same invocation, whatever Lambda does with the batch afterwards.
//! - A [`Retry`](Verdict::Retry) is attempted again within the invocation, with exponential back-off and full jitter, until
//!   time is nearly up. So the batch rides out an outage of at least (retries + 1) × (timeout − margin) before Lambda
//!   gives up on it, not of (retries + 1) short failures.
//! - It returns before the deadline by the [`margin`](Settings::margin), if the work does not hog its thread: an invocation
//!   that times out names nothing, and all of its batch is sent again.
//! - Nothing runs on after it returns or is dropped. A detached task would be frozen with the process and thaw in a later
//!   invocation.
//!
//! [`work_through`] says precisely what is attempted when, [`Report::response`] what is named.
//!
//! # What the work must be
//! **Idempotent.** Lambda sends everything from the lowest number named on again, also what was done; and an attempt that was
//! cut off may have had its effect. **Asynchronous**: between two `await`s it cannot be interrupted.
//!
//! Lambda must be told to heed the response: without `ReportBatchItemFailures` among the event source mapping's
//! `FunctionResponseTypes`, it takes any response for success, and what failed is lost. Configure an on-failure destination
//! too: what stays failed is discarded.
//!
//! The process's panic hook prints the message of a panic before it is caught here, and a message may quote the record; a
//! function that must not log such data sets a hook of its own ([`std::panic::set_hook`]). And panics can be caught only while
//! they unwind: with `panic = "abort"` one ends the process, and the whole batch fails.
//!
//! # Beside Powertools for AWS Lambda
//! Its batch processors (Python, `aws_lambda_powertools/utilities/batch/base.py`, of 2026) either work on a stream's records one
//! by one, going on behind a failed one whatever its key, or start all of them at once, without bound or order; they try none
//! again and do not look at the deadline. If every record failed they raise an error unless told not to, where this crate names
//! them all; for that, Powertools also parses records, and serves SQS, DynamoDB Streams and Kafka.
//!
//! # When not to use it
//! - Work that depends on no order and does not mind poison: loop over the records and return an error.
//! - A tumbling window: its state and its other response are not supported.
//! - Records that the Kinesis Producer Library aggregated: here one Kinesis record is one piece of work.
//! - Work that keeps a core busy: there is one thread, and concurrency here is only that of waiting.
//! - SQS, DynamoDB Streams: [`work_through`] does the work, but you name what failed.

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
