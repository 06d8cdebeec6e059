//! Cap'n Web, the RPC protocol of the npm package `capnweb`, as a session without a connection.
//!
//! Frames go in, and frames and events come out: no I/O, no clock, no randomness, no task. A [`Session`] is one end, and both
//! ends are alike. The owner of the connection gives each text message to [`Session::receive`], does what
//! [`Session::poll_event`] tells, and sends what [`Session::poll_frame`] gives:
//!
//! ```
//! use capshare::capnweb::{Event, Limits, Session, Target, Text};
//!
//! let mut session = Session::new(Limits::default(), Some(Target(0)));
//! session.receive(Text::from(r#"["push",["pipeline",0,["hello"],["x"]]]"#))?;
//! session.receive(Text::from(r#"["pull",1]"#))?;
//! while let Some(event) = session.poll_event() {
//!     if let Event::Call(call) = event {
//!         session.respond(call.id, Ok("hi x".into()));
//!     }
//! }
//! assert_eq!(session.poll_frame().as_deref(), Some(r#"["resolve",1,"hi x"]"#));
//! # Ok::<(), capshare::capnweb::End>(())
//! ```
//!
//! The unmodified clients 0.4.0, 0.6.1 and 0.12.0 work with it. Where it does otherwise than the official server:
//!
//! - A call is delivered when all promises in its arguments are resolved. Meanwhile it keeps its turn among the calls of its
//!   object, unless it waits for something that only the peer can do ([`Session::awaits_peer`]).
//! - A promise that was awaited and is then used as an argument fails that call; it does not end the session.
//! - Everything has a bound ([`Limits`]). A call past one fails alone, and of results that nobody fetches the oldest go.
//! - Of an array, `list[1]` can be read on a promise, though clients send `1` as a text.
//! - A release before the answer is told ([`Event::Unwanted`]), and the answer is then not sent.
//! - Streams, `map()`, and values of the web's classes (URL, Headers, Request, Response, Blob) are refused by name: the call
//!   fails, and what it gave is released. So do kinds of values that newer versions may add.
//!
//! What official peers tolerate is tolerated: further elements of a frame, answers for what is not there, half surrogates.
//! What breaks the protocol ends the session, with an `abort` that says why.

mod base64;
mod end;
mod event;
mod json;
mod limits;
mod message;
mod open;
mod read;
mod scan;
mod session;
mod text;
mod value;
mod write;

#[cfg(test)]
mod tests;

pub use self::end::End;
pub use self::event::{Call, CallId, Event};
pub use self::json::{Json, NotJson};
pub use self::limits::Limits;
pub use self::session::{NotSent, Session, Stats};
pub use self::text::Text;
pub use self::value::{Container, Fault, Import, NonFinite, Number, PathPart, Promise, Stub, Target, Value};
