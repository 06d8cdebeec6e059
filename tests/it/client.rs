//! The linked client, against a real host with a relay between them that has things go wrong: in memory on a paused clock where
//! time matters, and over real sockets where the wire does.

mod away;
mod calls;
mod face;
mod hosts;
mod moving;
mod queue;
mod reconnect;
mod relay;
mod resend;
mod snapshot;
mod threads;
mod too_large;
mod watch;
mod websocket;
