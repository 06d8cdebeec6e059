//! OpenCode's own share API: over real sockets, and with the real client.

mod api;
mod bad;
mod carried;
mod doc;
mod guests;
pub(crate) mod http;
mod real;
mod replay;
mod who;
