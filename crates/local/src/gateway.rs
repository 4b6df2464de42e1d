//! From a client to the function `api` and back: HTTP in, an event in payload format 2.0, HTTP out.

pub mod event;
pub mod front_door;
pub mod response;
