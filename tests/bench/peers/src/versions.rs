//! What is installed of peers, and at which version. The peers that are Rust libraries are pinned by `Cargo.lock`.

/// From npm: the Node side of Cap'n Web, as `NAME@VERSION`.
pub(crate) const CAPNWEB: &[&str] = &["capnweb@0.12.0", "ws@8.23.0"];
/// From npm: the runtime of Durable Objects, emulated R2, and Cap'n Web in it.
pub(crate) const MINIFLARE: &[&str] = &["miniflare@4.20260730.0", "capnweb@0.12.0"];
/// From crates.io, for `cargo install`: the program, the package, its version.
pub(crate) const S2: (&str, &str, &str) = ("s2", "s2-cli", "0.43.4");
