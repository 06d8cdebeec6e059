//! The linked client, against a small scripted host: in memory on a paused clock where time matters, and over real
//! sockets where the wire does.

mod away;
mod calls;
mod face;
mod host;
mod queue;
mod reconnect;
mod resend;
mod snapshot;
mod threads;
mod too_large;
mod watch;
mod websocket;
