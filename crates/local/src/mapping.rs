//! The way from a stream to the function behind it, with Lambda's poller and the lines that it
//! prints.

pub mod assumptions;
pub mod mapping_log;
pub mod poller;
