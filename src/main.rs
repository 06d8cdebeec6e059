//! The `capshare` program.
fn main() {}
