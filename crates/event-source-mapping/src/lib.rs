//! Lambda's poller of a stream as a sans-IO state machine: batches, checkpoints, retries, bisecting, discards.
