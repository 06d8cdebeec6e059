//! The linked client: with it a service shares sessions, and follows shares.
//!
//! ```no_run
//! # async fn scene() -> Result<(), Box<dyn std::error::Error>> {
//! use capshare::{Client, client::Items};
//!
//! let client = Client::builder("wss://share.example.org").token("the token").build()?;
//! let share = client.create(&"ses_1".parse()?, None).await?;
//! let mut items = Items::new();
//! items.put("session", r#"{"id": "ses_1", "title": "A session"}"#)?;
//! share.queue(items).await?; // sent within a second, newest value per key, exactly once
//! println!("{}", share.url());
//! share.close().await?; // everything queued is in the bucket
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a handle: `Clone + Send + Sync`, for any runtime. Its connection lives with the driver, on a thread of its own
//! ([`Builder::build`]) or on the caller's `LocalSet` ([`Builder::build_local`]), because Cap'n Proto RPC is not `Send`. The
//! driver dials when the first call comes and keeps the connection up: it dials again after a loss, with capped and jittered
//! delays, and [`Client::state`] gives `Connected` only after the answer to `hello`. Calls wait for a connection, and those that
//! may be carried out twice without harm are made again when it is lost; others fail as [`ClientError::Disconnected`]. [`Share`]
//! queues are sent exactly once; a [`Watch`] goes on from the step that it gave last. A client may know several hosts of the same shares
//! ([`Builder::and_at`]), and learns of others from these: it is at the next at once when one is away, and waits only when all are. A share is narrowed to a [`Writer`] or a
//! [`View`], saved as a token, and [restored](Client::restore) from one; those handles outlive connections as well.
//!
//! Dropping the future of a call cancels the call on the host. Dropping a [`Watch`] ends it on the host. When the last
//! [`Client`], [`Share`], [`Writer`], [`View`], [`Watch`] and [`Listing`] is dropped, the driver sends what shares have queued if
//! it can, closes the connection with a Close frame, and ends, and its thread with it.
//!
//! A client that was built with a [`Redact`](redact::Redact) masks what that finds in every value, before the value is queued or
//! sent.
//!
//! The client itself refuses what the host would refuse: invalid items, and batches past the contract's limits.
//!
//! [`Watch`] and [`Listing`] are streams ([`futures::Stream`]), with `next` and `try_next` of their own for loops.

mod access;
mod answers;
mod builder;
mod calls;
pub mod defaults;
mod dial;
mod driver;
mod ended;
mod ending;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handles;
mod hosts;
mod items;
mod mutation;
mod options;
mod push;
mod queue;
mod random;
pub mod redact;
mod replica;
mod send;
mod session;
mod settings;
mod snapshot;
mod state;
mod token;
mod verbs;
mod websocket;

pub use self::answers::{Measured, Page, ProbeValue};
pub use self::builder::{BuildError, Builder};
pub use self::dial::{Connection, Control, Dial, DialError, DialRequest};
pub use self::driver::handle::Client;
pub use self::driver::upload::Progress;
pub use self::ended::Ended;
pub use self::error::{CallError, ClientError, Closed, Lost};
pub use self::handles::admin::Admin;
pub use self::handles::listing::Listing;
pub use self::handles::restore::Restored;
pub use self::handles::share::Share;
pub use self::handles::view::View;
pub use self::handles::watch::Watch;
pub use self::handles::writer::Writer;
pub use self::items::Items;
#[cfg(feature = "__mutations")]
#[doc(hidden)]
pub use self::mutation::Mutation;
pub use self::options::{CreateOptions, ListScope, PageRequest, WatchFrom};
pub use self::push::{Answer, Push, PushHandler};
pub use self::random::Backoff;
pub use self::replica::{Gap, Replica};
pub use self::state::{ConnectionState, Hello};
pub use self::token::Token;
#[cfg(feature = "server")]
pub(crate) use self::websocket::{Url, WebSocketWay, platform_config};

const _: () = {
    const fn is_send_and_sync<T: Clone + Send + Sync>() {}
    is_send_and_sync::<Client>();
    is_send_and_sync::<Share>();
    is_send_and_sync::<Writer>();
    is_send_and_sync::<View>();
    const fn is_send<T: Send>() {}
    is_send::<Watch>();
    is_send::<Listing>();
};
