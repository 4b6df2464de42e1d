//! Functions as Lambda runs them. Each execution environment is a process behind a Runtime API.

pub mod activity;
mod api_response;
pub mod execution_environment;
mod extensions_api;
pub mod function;
pub mod function_config;
pub mod function_log;
pub mod function_state;
pub mod invocation;
mod process_tree;
pub mod runtime_api;
