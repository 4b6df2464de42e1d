//! The way from a client to the functions `api` and `reader` and back. HTTP becomes an event in
//! payload format 2.0, and the answer becomes HTTP.

pub mod event;
pub mod front_door;
pub mod response;
pub mod routes;
