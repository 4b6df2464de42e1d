//! The AWS APIs on one port, the names of their callers, and the control of the stack beside them.

pub mod calls;
pub mod control;
pub mod port;
