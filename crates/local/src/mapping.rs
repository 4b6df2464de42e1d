//! The way from the stream to the function `consumer`, with Lambda's poller and the lines that it
//! prints.

pub mod assumptions;
pub mod mapping_log;
pub mod poller;
