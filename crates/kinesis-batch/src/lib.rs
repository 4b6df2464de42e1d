//! A Lambda's batch of Kinesis records, worked through in order within a key and concurrently across keys, to a partial batch response.
