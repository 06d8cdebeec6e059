//! Who is connected to one host: from the place that a newcomer is given until the guard of its connection is dropped.

mod admin;
mod admission;
pub mod calls;
pub mod close;
pub mod comer;
pub mod entry;
pub mod hooks;
pub mod outlet;
pub mod push;
pub mod registry;
pub mod sockets;
pub mod states;
mod tokens;
pub mod traffic;
