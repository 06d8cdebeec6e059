//! The viewer door: following a share with JSON, in a browser or a script.
//!
//! [`frame`] is what travels (`schema/viewer.md` is its contract), [`ws`] the WebSocket that it travels on. Today the channel
//! carries the snapshot, the changes and a heartbeat down; commands up are answered that they are not served yet.

pub mod frame;
pub mod page;
pub mod render;
pub mod ws;
