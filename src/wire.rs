//! Connections: what carries Cap'n Proto RPC over bytes, and what keeps one connection from harming the others.
//!
//! - [`websocket`] turns a WebSocket into the byte stream that capnp-rpc reads and writes, and ends it by name.
//! - [`duplex`] is such a byte stream inside one process, for hosts that run in a test.
//! - [`vat`] runs one RPC system over either, and releases all that it holds on every way out.
//! - [`guard`] stands before every object that a peer may call, and stops a call that the peer gives up.
//!
//! The host's doors, the client and the test harness use it; it uses nothing of theirs, and every limit comes in as an
//! argument. Its only clock is tokio's, which tests may pause. One connection is built from the outside in:
//!
//! ```text
//! socket -> websocket::pipe -> (reader, writer, control)
//!           vat::serve(reader, writer, guard(root, &budget), limits) -> Vat, run beside control.keepalive(..)
//!           control.close(code, reason), because the RPC system itself never closes politely
//! ```
//!
//! Nothing here is `Send` except the ends of a [`duplex`]: capnp-rpc lives on one thread.

mod call;
pub mod duplex;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod guard;
pub mod vat;
pub mod websocket;
