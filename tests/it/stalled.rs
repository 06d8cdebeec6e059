//! Peers that send slowly, never read, or give up what they asked for: what becomes of them, and of what they held.

mod bodies;
mod given_up;
mod readers;
mod readers_http2;
