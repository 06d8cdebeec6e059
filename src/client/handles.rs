//! Objects that callers hold beside the client: they outlive connections. Each file has one of them, and the methods of the client
//! that give it.

pub(crate) mod admin;
mod create;
pub(crate) mod listing;
mod open;
pub(crate) mod restore;
pub(crate) mod share;
pub(crate) mod view;
pub(crate) mod watch;
pub(crate) mod writer;
