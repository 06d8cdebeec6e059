//! The wire: byte streams, vats, guards and in-process pairs, each met as a peer meets it.

mod ends;
mod frames;
mod guards;
mod leaks;
mod scene;
mod slow;
mod vats;
