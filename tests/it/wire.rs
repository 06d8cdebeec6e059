//! The wire: byte streams, vats, guards and in-process pairs, each met as a peer meets it.
#![expect(clippy::unwrap_used, reason = "the helpers of scenes fail by panicking, as the scenes do")]

mod ends;
mod frames;
mod given_up;
mod guards;
mod leaks;
mod scene;
mod slow;
mod vats;
