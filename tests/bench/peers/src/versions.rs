//! What is installed of peers, and at which version. The peers that are Rust libraries are pinned by `Cargo.lock`.

/// From npm: the Node side of Cap'n Web, as `NAME@VERSION`.
pub(crate) const CAPNWEB: &[&str] = &["capnweb@0.12.0", "ws@8.23.0"];
/// From npm: the runtime of Durable Objects, emulated R2, and Cap'n Web in it.
pub(crate) const MINIFLARE: &[&str] = &["miniflare@4.20260730.0", "capnweb@0.12.0"];
/// From crates.io, for `cargo install`: the program, the package, its version.
pub(crate) const S2: (&str, &str, &str) = ("s2", "s2-cli", "0.43.4");
/// From crates.io: the Rust server of Durable Streams.
pub(crate) const DURABLE_STREAMS: (&str, &str, &str) = ("durable-streams-server", "durable-streams", "0.1.5");
/// From npm.
pub(crate) const SOCKET_IO: &[&str] = &["socket.io@4.8.4"];
/// From Debian, whose release decides the version, as it has but one: nginx 1.22 and nchan 1.3.6 in Debian 12.
pub(crate) const NCHAN: &[&str] = &["nginx", "nginx-common", "libnginx-mod-nchan"];
/// Likewise: 2.9 in Debian 12.
pub(crate) const NATS: &[&str] = &["nats-server"];
