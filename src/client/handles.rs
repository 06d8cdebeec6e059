//! What callers hold: objects that outlive connections and calls.

pub(crate) mod admin;
pub(crate) mod create;
pub(crate) mod listing;
pub(crate) mod share;
pub(crate) mod view;
pub(crate) mod writer;
