//! The HTTP server of every port, and the requests that it refuses because of where they come from.

pub mod foreign;
pub mod http_server;
pub mod json_response;
