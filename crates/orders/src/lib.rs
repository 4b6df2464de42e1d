//! The domain: orders, intents and the order row as write-once registers. Pure: no AWS, no clock, no randomness.
