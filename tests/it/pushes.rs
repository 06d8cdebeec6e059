//! The host calls its clients.

mod broadcast;
mod calls;
mod client;
mod races;
mod single;
