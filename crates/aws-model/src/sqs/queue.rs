//! One standard queue. It keeps its messages in the sequence of sending, and each message is
//! visible, delayed or in flight.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use md5::{Digest, Md5};

use super::{MAX_MESSAGE_BYTES, QueueDepth, SqsError};
use crate::clock::millis;

/// An attribute that can be set on a queue, with its name, bounds and default (API reference,
/// CreateQueue).
struct Setting {
    name: &'static str,
    least: u64,
    most: u64,
    default: u64,
}

const VISIBILITY_TIMEOUT: Setting = Setting {
    name: "VisibilityTimeout",
    least: 0,
    most: 43_200,
    default: 30,
};
const DELAY_SECONDS: Setting = Setting {
    name: "DelaySeconds",
    least: 0,
    most: 900,
    default: 0,
};
const MAXIMUM_MESSAGE_SIZE: Setting = Setting {
    name: "MaximumMessageSize",
    least: 1_024,
    most: MAX_MESSAGE_BYTES,
    default: MAX_MESSAGE_BYTES,
};
const RETENTION: Setting = Setting {
    name: "MessageRetentionPeriod",
    least: 60,
    most: 1_209_600,
    default: 345_600,
};
const RECEIVE_WAIT: Setting = Setting {
    name: "ReceiveMessageWaitTimeSeconds",
    least: 0,
    most: 20,
    default: 0,
};
const SETTINGS: [Setting; 5] = [
    VISIBILITY_TIMEOUT,
    DELAY_SECONDS,
    MAXIMUM_MESSAGE_SIZE,
    RETENTION,
    RECEIVE_WAIT,
];

/// The attributes that SQS knows and this model does not act on. They are refused and not ignored.
const UNSUPPORTED: [&str; 11] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "QueueArn",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
];

#[derive(Debug)]
pub(super) struct Queue {
    created_millis: u64,
    /// The values of all [`SETTINGS`], by name.
    settings: BTreeMap<&'static str, u64>,
    /// The messages by a key that grows with each message sent.
    messages: BTreeMap<u64, Message>,
    last_key: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) sent_millis: u64,
    /// The time from which a ReceiveMessage finds the message.
    visible_millis: u64,
    pub(super) received: u64,
    pub(super) first_received_millis: u64,
}

/// A message just received, with the key and count that make its receipt handle.
pub(super) struct Delivery {
    pub(super) key: u64,
    pub(super) message: Message,
}

impl Queue {
    pub(super) fn new(now: u64, attributes: &BTreeMap<String, String>) -> Result<Self, SqsError> {
        let mut settings: BTreeMap<&'static str, u64> = SETTINGS
            .iter()
            .map(|setting| (setting.name, setting.default))
            .collect();
        for (name, text) in attributes {
            let (name, value) = parse_setting(name, text)?;
            settings.insert(name, value);
        }
        Ok(Self {
            created_millis: now,
            settings,
            messages: BTreeMap::new(),
            last_key: 0,
        })
    }

    /// Refuses attributes that differ from the queue's.
    pub(super) fn same_attributes(
        &self,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        for (name, text) in attributes {
            let (known, value) = parse_setting(name, text)?;
            if self.setting(known) != value {
                return Err(SqsError::QueueNameExists {
                    attribute: name.clone(),
                });
            }
        }
        Ok(())
    }

    fn setting(&self, name: &str) -> u64 {
        self.settings.get(name).copied().unwrap_or_default()
    }

    pub(super) fn receive_wait_seconds(&self) -> u64 {
        self.setting(RECEIVE_WAIT.name)
    }

    /// All attributes as SQS writes them, except for the ARN.
    pub(super) fn attributes(&self, now: u64) -> BTreeMap<&'static str, String> {
        let depth = self.depth(now);
        let mut attributes: BTreeMap<&'static str, String> = self
            .settings
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        attributes.insert("ApproximateNumberOfMessages", depth.visible.to_string());
        attributes.insert(
            "ApproximateNumberOfMessagesNotVisible",
            depth.in_flight.to_string(),
        );
        attributes.insert(
            "ApproximateNumberOfMessagesDelayed",
            depth.delayed.to_string(),
        );
        attributes.insert(
            "CreatedTimestamp",
            (self.created_millis / 1_000).to_string(),
        );
        attributes.insert(
            "LastModifiedTimestamp",
            (self.created_millis / 1_000).to_string(),
        );
        attributes
    }

    pub(super) fn depth(&self, now: u64) -> QueueDepth {
        let mut depth = QueueDepth::default();
        for message in self.messages.values() {
            match (message.visible_millis <= now, message.received) {
                (true, _) => depth.visible += 1,
                (false, 0) => depth.delayed += 1,
                (false, _) => depth.in_flight += 1,
            }
        }
        depth
    }

    /// Drops the messages whose retention has ended, in flight or not.
    pub(super) fn trim(&mut self, now: u64) {
        let retention = seconds(self.setting(RETENTION.name));
        while let Some(oldest) = self.messages.first_entry() {
            if oldest.get().sent_millis.saturating_add(retention) > now {
                break;
            }
            oldest.remove();
        }
    }

    pub(super) fn send(
        &mut self,
        now: u64,
        id: String,
        body: &str,
        delay_seconds: Option<u64>,
    ) -> Result<(), SqsError> {
        if body.is_empty() {
            return Err(SqsError::MissingParameter("MessageBody"));
        }
        let most = self.setting(MAXIMUM_MESSAGE_SIZE.name);
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > most {
            return Err(SqsError::MessageTooLong(most));
        }
        if !body.chars().all(is_valid) {
            return Err(SqsError::InvalidMessageContents);
        }
        let delay = delay_seconds.unwrap_or_else(|| self.setting(DELAY_SECONDS.name));
        self.last_key += 1;
        self.messages.insert(
            self.last_key,
            Message {
                id,
                body: body.to_owned(),
                sent_millis: now,
                visible_millis: now.saturating_add(seconds(delay)),
                received: 0,
                first_received_millis: 0,
            },
        );
        Ok(())
    }

    /// Takes up to `most` visible messages into flight.
    pub(super) fn receive(
        &mut self,
        now: u64,
        most: usize,
        visibility_seconds: Option<u64>,
    ) -> Vec<Delivery> {
        let visibility =
            visibility_seconds.unwrap_or_else(|| self.setting(VISIBILITY_TIMEOUT.name));
        self.messages
            .iter_mut()
            .filter(|(_, message)| message.visible_millis <= now)
            .take(most)
            .map(|(key, message)| {
                message.received += 1;
                if message.received == 1 {
                    message.first_received_millis = now;
                }
                message.visible_millis = now.saturating_add(seconds(visibility));
                Delivery {
                    key: *key,
                    message: message.clone(),
                }
            })
            .collect()
    }

    /// Deletes the message if the receipt is of its latest delivery. It is not an error if the
    /// message is gone.
    pub(super) fn delete(&mut self, key: u64, received: u64) {
        if self
            .messages
            .get(&key)
            .is_some_and(|message| message.received == received)
        {
            self.messages.remove(&key);
        }
    }

    /// Sets how long the message stays in flight from now on. False if the message does not exist
    /// any more. Nothing changes if the message is visible again, although AWS answers as if it had
    /// changed (recorded by LocalStack). The same is inferred for a message that is in flight by a
    /// later receipt.
    pub(super) fn change_visibility(
        &mut self,
        now: u64,
        key: u64,
        received: u64,
        timeout_seconds: u64,
    ) -> bool {
        let Some(message) = self.messages.get_mut(&key) else {
            return false;
        };
        if message.received == received && message.visible_millis > now {
            message.visible_millis = now.saturating_add(seconds(timeout_seconds));
        }
        true
    }
}

fn parse_setting(name: &str, text: &str) -> Result<(&'static str, u64), SqsError> {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
        return Err(if UNSUPPORTED.contains(&name) {
            SqsError::UnsupportedOperation(format!("Attribute {name}"))
        } else {
            SqsError::InvalidAttributeName(name.to_owned())
        });
    };
    text.parse()
        .ok()
        .filter(|value| (setting.least..=setting.most).contains(value))
        .map(|value| (setting.name, value))
        .ok_or_else(|| SqsError::InvalidAttributeValue(name.to_owned()))
}

fn seconds(seconds: u64) -> u64 {
    millis(Duration::from_secs(seconds))
}

/// True for a character that SQS takes, which is a character of XML 1.0 (API reference,
/// SendMessage).
fn is_valid(c: char) -> bool {
    matches!(c, '\u{9}' | '\u{A}' | '\u{D}' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The MD5 of a text in hexadecimal, as SQS reports it.
pub(super) fn md5_hex(text: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
