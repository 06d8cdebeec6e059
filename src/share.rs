//! What a share is, and how it changes.
//!
//! A share is a [`State`](state::State): items under keys, folded from the entries of a log in the order in which they
//! came. Everything here is pure. It knows no async, clock, randomness, JSON library, Cap'n Proto or object store, so that
//! each rule can be read, tested and simulated by itself: hosts that hold the same entries hold the same state.
//!
//! Ids, secrets and keys are types whose only constructor is parsing; a text that is invalid never becomes one.

pub mod admin;
pub mod ask;
pub mod change;
pub mod entry;
pub mod error;
pub mod grant;
pub mod host;
pub mod id;
pub mod item;
pub mod limits;
pub mod push;
pub mod revision;
pub mod secret;
pub mod state;
pub mod time;
pub mod view;
pub mod visibility;
