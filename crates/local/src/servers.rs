//! The HTTP server of every port, and the requests that it refuses because of where they come from.

pub mod connections;
pub mod foreign;
pub mod http_server;
pub mod json_response;
pub mod loopback_port;
