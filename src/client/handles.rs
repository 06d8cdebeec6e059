//! What callers hold: the client, and the objects that it gives, which outlive connections. Each file has one of them, and the
//! client's methods that give it.

pub(crate) mod admin;
pub(crate) mod client;
mod create;
pub(crate) mod listing;
mod open;
pub(crate) mod restore;
pub(crate) mod share;
pub(crate) mod view;
pub(crate) mod watch;
pub(crate) mod writer;
