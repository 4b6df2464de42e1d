//! No code: `Cargo.toml` names the features that the tests add to third-party crates.
