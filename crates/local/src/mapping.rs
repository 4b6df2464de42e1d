//! From the stream to the function `consumer`: Lambda's poller, and the lines that it prints.

pub mod assumptions;
pub mod mapping_log;
pub mod poller;
