//! `local`: the whole service on one machine.
fn main() {}
