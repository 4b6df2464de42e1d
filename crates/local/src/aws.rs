//! The AWS APIs on one port, who calls them, and the control of the stack beside them.

pub mod calls;
pub mod control;
pub mod port;
