//! This crate has no code. Its `Cargo.toml` names the features that the tests add to third-party
//! crates.
