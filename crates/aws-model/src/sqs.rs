//! SQS standard queues. A client can send, receive with a visibility timeout, and delete. The
//! limits that a client can run into apply.
//!
//! [`Sqs`] has a Rust interface for code in the same process. The operations of the wire are in
//! `operations.rs`.
//!
//! These parts of SQS are not modelled.
//! - FIFO queues
//! - Batches, except for deleting
//! - Message attributes
//! - Redrive policies
//! - Purging
//! - Encryption
//! - The limit of 120,000 messages in flight
//!
//! The model is stricter than AWS in some points.
//! - A message is never delivered twice within its visibility timeout.
//! - Messages are delivered in the sequence of sending.
//! - The counts are exact.
//! - Only a message's latest receipt handle deletes the message.
//!
//! A member that is not modelled is refused by its name. The same goes for a member that AWS itself
//! does not know and would ignore.

mod operations;
mod queue;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::failure::Failure;
use crate::random::Random;
use crate::service::{ACCOUNT, DEFAULT_REGION};
pub(crate) use operations::{Received, Wait};
use queue::Queue;

/// The largest message, in bytes, that a queue can be set to take. It is 1 MiB, which is also the
/// default.
pub const MAX_MESSAGE_BYTES: u64 = 1 << 20;

/// The reason why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqsError {
    /// There is no such queue.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// A queue of that name has other attributes.
    #[error(
        "A queue already exists with the same name and a different value for attribute {attribute}"
    )]
    QueueNameExists {
        /// The attribute that differs.
        attribute: String,
    },
    /// The text is not a receipt handle.
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    ReceiptHandleIsInvalid(String),
    /// The message holds characters that SQS does not take.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents,
    /// A queue attribute of this name does not exist.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// A queue attribute's value is out of bounds.
    #[error("Invalid value for the parameter {0}.")]
    InvalidAttributeValue(String),
    /// A parameter's value is out of bounds.
    #[error("Value {value} for parameter {parameter} is invalid. Reason: {reason}")]
    InvalidParameterValue {
        /// The value that was given.
        value: String,
        /// The parameter.
        parameter: &'static str,
        /// The reason for the refusal.
        reason: String,
    },
    /// The message is longer than the queue takes.
    #[error("One or more parameters are invalid. Reason: Message must be shorter than {0} bytes.")]
    MessageTooLong(u64),
    /// A batch without an entry.
    #[error("There should be at least one DeleteMessageBatchRequestEntry in the request.")]
    EmptyBatchRequest,
    /// A batch of more than ten entries.
    #[error("Maximum number of entries per request are 10. You have sent {sent}.")]
    TooManyEntriesInBatchRequest {
        /// The number of entries.
        sent: usize,
    },
    /// Two entries of a batch have the same id.
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    /// A required parameter is absent.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// SQS has this feature, and the model does not.
    #[error("{0} is not supported here.")]
    UnsupportedOperation(String),
    /// SQS has this member, and the model does not.
    #[error("{0}")]
    UnknownMember(String),
    /// The request is not JSON, or not of the operation's shape.
    #[error("{0}")]
    Serialization(String),
}

impl SqsError {
    /// The error code that AWS sends for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "QueueDoesNotExist",
            Self::QueueNameExists { .. } => "QueueNameExists",
            Self::ReceiptHandleIsInvalid(_) => "ReceiptHandleIsInvalid",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::InvalidAttributeName(_) => "InvalidAttributeName",
            Self::InvalidAttributeValue(_) => "InvalidAttributeValue",
            Self::InvalidParameterValue { .. } | Self::MessageTooLong(_) => {
                "InvalidParameterValueException"
            }
            Self::EmptyBatchRequest => "EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest { .. } => "TooManyEntriesInBatchRequest",
            Self::BatchEntryIdsNotDistinct(_) => "BatchEntryIdsNotDistinct",
            Self::MissingParameter(_) => "MissingRequiredParameterException",
            Self::UnsupportedOperation(_) | Self::UnknownMember(_) => "UnsupportedOperation",
            Self::Serialization(_) => "SerializationException",
        }
    }
}

impl From<SqsError> for Failure {
    fn from(error: SqsError) -> Self {
        Self::client(error.code(), error.to_string())
    }
}

/// The exact numbers of messages that a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Messages that a ReceiveMessage would find.
    pub visible: usize,
    /// Messages received and neither deleted nor visible again.
    pub in_flight: usize,
    /// Messages sent with a delay that has not passed.
    pub delayed: usize,
}

/// The queues. The handle is cheap, and its clones share one state.
#[derive(Clone)]
pub struct Sqs {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    random: Random,
    queues: Mutex<BTreeMap<String, Queue>>,
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs").finish_non_exhaustive()
    }
}

impl Sqs {
    pub(crate) fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                random: Random::seeded(seed),
                queues: Mutex::default(),
            }),
        }
    }

    /// Creates a queue with default attributes, or does nothing if there is such a queue.
    ///
    /// # Errors
    /// - `InvalidParameterValue` for a name that is not 1–80 of `a–z A–Z 0–9 - _`
    /// - `QueueNameExists` if the queue exists with other attributes
    /// - `UnsupportedOperation` for a FIFO queue's name
    pub fn create_queue(&self, queue: &str) -> Result<(), SqsError> {
        self.insert_queue(queue, &BTreeMap::new())
    }

    /// Sends a message and returns the message's id, a UUID.
    ///
    /// # Errors
    /// - `QueueDoesNotExist`
    /// - `MissingParameter` for an empty body
    /// - `MessageTooLong`
    /// - `InvalidMessageContents`
    pub fn send_message(&self, queue: &str, body: &str) -> Result<String, SqsError> {
        self.send(queue, body, None)
    }

    /// The numbers of messages that the queue holds now.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn depth(&self, queue: &str) -> Result<QueueDepth, SqsError> {
        let now = self.inner.clock.now_millis();
        self.with_queue(queue, |queue| Ok(queue.depth(now)))
    }

    /// The queue's ARN, in the region `us-east-1`. The queue need not exist.
    #[must_use]
    pub fn queue_arn(&self, queue: &str) -> String {
        queue_arn(DEFAULT_REGION, queue)
    }

    fn send(
        &self,
        queue: &str,
        body: &str,
        delay_seconds: Option<u64>,
    ) -> Result<String, SqsError> {
        let now = self.inner.clock.now_millis();
        self.with_queue(queue, |queue| {
            let id = self.inner.random.uuid();
            queue.send(now, id.clone(), body, delay_seconds)?;
            Ok(id)
        })
    }

    fn insert_queue(
        &self,
        name: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        operations::check_queue_name(name)?;
        let queue = Queue::new(self.inner.clock.now_millis(), attributes)?;
        let mut queues = self.lock();
        match queues.get(name) {
            Some(existing) => existing.same_attributes(attributes),
            None => {
                queues.insert(name.to_owned(), queue);
                Ok(())
            }
        }
    }

    /// Works on a queue after dropping the messages whose retention has ended.
    fn with_queue<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Queue) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        let now = self.inner.clock.now_millis();
        let mut queues = self.lock();
        let queue = queues.get_mut(name).ok_or(SqsError::QueueDoesNotExist)?;
        queue.trim(now);
        work(queue)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.inner
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn queue_arn(region: &str, queue: &str) -> String {
    format!("arn:aws:sqs:{region}:{ACCOUNT}:{queue}")
}
