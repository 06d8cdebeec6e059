//! A viewer on a WebSocket, from its upgrade until it is [attended](crate::viewer::life::served) to like any other.
//!
//! Called by the HTTP upgrade with a share that is there and a connection that is to be admitted. Refuses binary frames, which
//! are another door's protocol.
//!
//! A page cannot set headers, so it may come to a share that is not for everybody without a credential, and show it in its
//! first frame. Until then it is told nothing, and has no place in the audience.

use std::sync::Arc;

use async_tungstenite::tungstenite::Message;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::connections::registry::{Connection, Pending};
use crate::hub::Hub;
use crate::rooms::event::Values;
use crate::rooms::feed::Feed;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::view::Revision;
use crate::viewer::channel::Channel;
use crate::viewer::command::{AuthenticateInput, Command, introduce};
use crate::viewer::frame;
use crate::viewer::life::leaving::hang_up;
use crate::viewer::life::parked::Galleries;
use crate::viewer::life::served::{BINARY, GARBAGE, GOODBYE_WITHIN, NOT_UTF8, TOO_LONG, Viewer, attend};
use crate::viewer::member::Members;
use crate::viewer::socket::{self, Heard, Socket, Transport};
use crate::viewer::uplink::{Defaults, Uplink};

/// What a viewer came for.
#[derive(Debug)]
pub struct Asked {
    /// The id of the share.
    pub id: String,
    /// From where on.
    pub cursor: Revision,
    /// How it wants values told.
    pub values: Values,
    /// The share itself; `None`: it is to show a credential first.
    pub feed: Option<Feed>,
    /// What its commands' inputs begin with.
    pub defaults: Defaults,
}

/// Admits a viewer and attends to it. `received` came with the upgrade.
pub async fn serve(
    galleries: Arc<Galleries>,
    members: Arc<Members>,
    pending: Pending,
    asked: Asked,
    socket: TcpStream,
    received: Vec<u8>,
) {
    let mut socket = Box::new(socket::socket(socket, received).await);
    let connection = match galleries.hub().admit(pending).await {
        Ok(connection) => connection,
        Err(turned_away) => return say_goodbye(socket, Some(&turned_away.reason)).await,
    };
    let feed = match see(&galleries, &connection, asked.id, asked.cursor, asked.feed, &mut socket).await {
        Ok(feed) => feed,
        Err(farewell) => return say_goodbye(socket, farewell.as_ref()).await,
    };
    let Ok(member) = members.enter(galleries.hub(), Arc::clone(connection.entry()), &feed) else {
        return say_goodbye(socket, Some(&CloseReason::FAULT)).await;
    };
    let channel =
        Channel::new(Arc::clone(galleries.hub()), member, feed.telling(asked.values), galleries.settings().heartbeat);
    attend(Viewer::new(Transport::Socket(socket), channel, asked.defaults, galleries, connection)).await;
}

/// Closes a socket that is not attended to; `None`: it is not there any more, or not worth it.
async fn say_goodbye(socket: Box<Socket>, reason: Option<&CloseReason>) {
    let Some(reason) = reason else { return };
    let mut transport = Transport::Socket(socket);
    let goodbye = async move {
        transport.close(reason).await;
        hang_up(transport.into_tcp()).await;
    };
    // A viewer that does not take the farewell is gone all the same.
    let _ = timeout(GOODBYE_WITHIN, goodbye).await;
}

/// Gives the share, once it is clear that the viewer may see it.
async fn see(
    galleries: &Galleries,
    connection: &Connection,
    id: String,
    cursor: Revision,
    feed: Option<Feed>,
    socket: &mut Socket,
) -> Result<Feed, Option<CloseReason>> {
    if let Some(feed) = feed {
        return Ok(feed);
    }
    let (hub, entry) = (galleries.hub(), connection.entry());
    let within = galleries.settings().authenticate_within;
    let shown = tokio::select! {
        biased;
        () = entry.closing() => Err(None),
        // Boxed, as it is for a moment and few do it.
        shown = timeout(within, Box::pin(show(hub, entry, &id, cursor, socket))) => shown.unwrap_or(Err(Some(UNSHOWN))),
    };
    shown.map_err(|farewell| connection.close_reason().cloned().or(farewell))
}

/// A viewer that was to show a credential showed none that is good for this share.
const UNSHOWN: CloseReason =
    CloseReason { code: 4001, reason: "Unauthorized: share.authenticate is the first frame here, with a good token" };

/// Reads the first frame, which is to show a credential, and answers it; gives the share then.
async fn show(
    hub: &Arc<Hub>,
    entry: &Entry,
    id: &str,
    cursor: Revision,
    socket: &mut Socket,
) -> Result<Feed, Option<CloseReason>> {
    let sent = loop {
        match socket::hear(socket).await {
            Heard::Text(sent) => break sent,
            Heard::Life(_) => {}
            Heard::Binary(_) => return Err(Some(BINARY)),
            Heard::TooLong => return Err(Some(TOO_LONG)),
            Heard::Garbage => return Err(Some(GARBAGE)),
            Heard::NotUtf8 => return Err(Some(NOT_UTF8)),
            Heard::Gone => return Err(None),
        }
    };
    entry.traffic.received(sent.len());
    let reason = "this share is not for everybody: share.authenticate comes first";
    let shown = match Uplink::read(sent.as_bytes(), &Defaults::new()) {
        Ok(Uplink { id: frame, command: Command::Authenticate(AuthenticateInput { token }), .. }) => {
            let introduced = async {
                let (Viewing { room, pass }, shown) = introduce(hub, entry, id, &token).await?;
                Ok((hub.follow(&room, cursor).await?.within(pass), shown))
            };
            introduced.await.map_err(|refusal| (frame.clone(), refusal)).map(|(feed, shown)| (frame, feed, shown))
        }
        Ok(Uplink { id: frame, .. }) => Err((frame, Refusal::Unauthorized { reason: reason.into() })),
        Err(refused) => Err(refused),
    };
    let (answer, feed) = match shown {
        Ok((frame, feed, shown)) => (frame::answered(&frame, &frame::json(&shown)), Ok(feed)),
        Err((frame, refusal)) => (frame::refused(&frame, &refusal), Err(Some(UNSHOWN))),
    };
    entry.traffic.sent(answer.len());
    socket.send(Message::Text(answer.into())).await.map_err(|_| None)?;
    feed
}
