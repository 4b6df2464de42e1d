#![doc = include_str!("../README.md")]
//!
//! # The loop
//! The caller tells the machine what happened and when. The machine answers with what to do. The
//! whole protocol is this.
//!
//! ```text
//! step = mapping.handle(now, event)
//!   step.actions   to be carried out, each once, in any sequence and concurrently
//!   step.occurrences  what is worth printing or counting
//!   step.wake_at   send Event::Wake at this time, unless another event comes first
//! ```
//!
//! The caller answers an [`Action`] by consuming it. [`Fetch::succeeded`], [`Invocation::finished`]
//! or [`Discard::delivered`] turns the action into the [`Event`] to hand in next. So no action can
//! be answered twice, or with the answer of another action. An answer that has lost its meaning
//! meanwhile is counted and otherwise ignored, such as the answer to a fetch that a stop overtook.
//! An action that is dropped instead of answered blocks its shard, as a lost poller would. The
//! caller must answer it with the failure.
//!
//! # Sources
//! The machine follows the AWS documentation, and the recordings made on AWS and published in
//! LocalStack's snapshot tests. Each assumption is an option in [`Assumptions`].
//! [`MappingOptions::validate`] refuses parameters that are not modelled. The deletion of a
//! mapping's function or stream is not modelled either.

mod action;
mod assumptions;
mod checkpoint;
mod completion;
mod context;
mod derived_uuid;
mod destination;
mod discard_message;
mod discards;
mod event;
mod event_source;
mod lane;
mod ledger;
mod mapping;
mod mapping_options;
mod mapping_options_error;
mod occurrence;
mod payload;
mod read;
mod record;
mod response;
mod sequence_number;
mod shard;
mod starting_position;
mod status;
mod time;

pub use action::{Action, Discard, Fetch, Invocation, Step};
pub use assumptions::{ArrivalDecimals, Assumptions, FirstRecordFailed, NeighbouringDiscards};
pub use backoff::Backoff;
pub use checkpoint::Checkpoint;
pub use completion::Completion;
pub use destination::Destination;
pub use discard_message::{
    BatchInfo, DiscardCondition, DiscardMessage, RequestContext, ResponseContext, StreamBatchInfo,
};
pub use event::{ActionResult, Event, ShardListing};
pub use event_source::EventSource;
pub use mapping::Mapping;
pub use mapping_options::{FunctionResponseType, MappingOptions, MetricGroup};
pub use mapping_options_error::MappingOptionsError;
pub use occurrence::{Failure, Occurrence};
pub use payload::{MAX_BATCH_BYTES, payload};
pub use read::{Read, ReadFrom};
pub use record::{Batch, NotAChange, Range, Record, ShardId};
pub use response::{Interpretation, interpret};
pub use sequence_number::{NotASequenceNumber, SequenceNumber};
pub use starting_position::StartingPosition;
pub use status::{Counters, EventCounts, InFlight, ShardState, ShardStatus, State, Status};
pub use time::Timestamp;
