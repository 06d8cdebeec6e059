//! A viewer on a WebSocket, from its upgrade until it is [served](crate::viewer::life) as any other is.
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
use crate::share::revision::Revision;
use crate::viewer::channel::Channel;
use crate::viewer::code;
use crate::viewer::command::{AuthenticateInput, Command, introduce};
use crate::viewer::frame;
use crate::viewer::life::Viewers;
use crate::viewer::life::leaving::turn_away;
use crate::viewer::life::viewer::{BINARY, GARBAGE, NOT_UTF8, TOO_LONG, Viewer};
use crate::viewer::member::Members;
use crate::viewer::socket::{self, Heard, Socket, Transport};
use crate::viewer::uplink::{Defaults, Uplink};

/// What a viewer asked for with its upgrade.
#[derive(Debug)]
pub struct Asked {
    /// The id of the share.
    pub id: String,
    /// The revision that it holds; 0 if it holds nothing.
    pub cursor: Revision,
    /// How it wants to be told the new values of items.
    pub values: Values,
    /// The feed of the share; `None` if the viewer is to show a credential first.
    pub feed: Option<Feed>,
    /// Members that the inputs of its commands have.
    pub defaults: Defaults,
}

/// Admits a viewer and serves it. `received`: bytes that came with the upgrade.
pub async fn serve(
    viewers: Arc<Viewers>,
    members: Arc<Members>,
    pending: Pending,
    asked: Asked,
    socket: TcpStream,
    received: Vec<u8>,
) {
    let mut socket = Box::new(socket::socket(socket, received).await);
    let connection = match viewers.hub().connections().admit(pending).await {
        Ok(connection) => connection,
        Err(turned_away) => return turn_away(socket, &turned_away.reason).await,
    };
    let feed = match see(&viewers, &connection, asked.id, asked.cursor, asked.feed, &mut socket).await {
        Ok(feed) => feed,
        Err(Some(farewell)) => return turn_away(socket, &farewell).await,
        Err(None) => return,
    };
    let Ok(member) = members.enter(viewers.hub(), Arc::clone(connection.entry()), &feed) else {
        return turn_away(socket, &CloseReason::FAULT).await;
    };
    let channel =
        Channel::new(Arc::clone(viewers.hub()), member, feed.telling(asked.values), viewers.settings().heartbeat);
    let settings = Arc::clone(viewers.settings());
    let viewer = Viewer::new(Transport::Socket(socket), channel, asked.defaults, settings, connection);
    viewers.serve(viewer).await;
}

/// Gives the feed of the share, once it is clear that the viewer may see it.
async fn see(
    viewers: &Viewers,
    connection: &Connection,
    id: String,
    cursor: Revision,
    feed: Option<Feed>,
    socket: &mut Socket,
) -> Result<Feed, Option<CloseReason>> {
    if let Some(feed) = feed {
        return Ok(feed);
    }
    let (hub, entry) = (viewers.hub(), connection.entry());
    let within = viewers.settings().authenticate_within;
    let shown = tokio::select! {
        biased;
        () = entry.closing() => Err(None),
        // Boxed, as it is for a moment and few do it.
        shown = timeout(within, Box::pin(show(hub, entry, &id, cursor, socket))) => shown.unwrap_or(Err(Some(UNSHOWN))),
    };
    shown.map_err(|farewell| connection.close_reason().cloned().or(farewell))
}

/// Why a viewer is closed that was to show a credential and showed none that is good for this share.
const UNSHOWN: CloseReason =
    CloseReason { code: 4001, reason: "Unauthorized: share.authenticate is the first frame here, with a good token" };

/// Reads the first frame, which is to show a credential, answers it, and gives the feed of the share.
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
    let reason = "this share is not for everybody: send share.authenticate with a token as the first frame";
    let shown = match Uplink::read(sent.as_bytes(), &Defaults::new()) {
        Ok(Uplink { id: frame, command: Command::Authenticate(AuthenticateInput { token }), .. }) => {
            let introduced = async {
                let (Viewing { room, pass }, shown) = introduce(hub, entry, id, &token).await?;
                Ok((hub.rooms().follow(&room, cursor).await?.within(pass), shown))
            };
            introduced.await.map_err(|refusal| (frame.clone(), refusal)).map(|(feed, shown)| (frame, feed, shown))
        }
        Ok(Uplink { id: frame, .. }) => Err((frame, Refusal::Unauthorized { reason: reason.into() })),
        Err(refused) => Err(refused),
    };
    let (answer, feed) = match shown {
        Ok((frame, feed, shown)) => (frame::answered(&frame, &code::json(&shown)), Ok(feed)),
        Err((frame, refusal)) => (frame::refused(&frame, &refusal), Err(Some(UNSHOWN))),
    };
    entry.traffic.sent(answer.len());
    socket.send(Message::Text(answer.into())).await.map_err(|_| None)?;
    feed
}
