//! The program, run as a user runs it: a process, with a home of its own.

mod admin;
mod agents;
mod away;
mod demo;
mod deployment;
mod drain;
mod export;
mod field;
mod follow;
mod hosts;
mod link;
mod own;
pub(crate) mod program;
mod serve;
mod shares;
mod store;
mod terminal;
mod token;
