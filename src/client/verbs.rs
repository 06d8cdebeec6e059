//! The client's calls, by subject, each with its policy for a connection that is lost while the call is on its way. They give
//! facts; what gives an object is in [`handles`](super::handles).

mod asks;
mod grants;
mod probes;
mod pushes;
mod reads;
mod service;
mod shares;
