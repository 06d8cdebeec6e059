//! A viewer, and what is done to it in more than one state of its life.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::connections::close::CloseReason;
use crate::connections::registry::Connection;
use crate::share::error::Refusal;
use crate::viewer::ViewerSettings;
use crate::viewer::channel::{Channel, Down};
use crate::viewer::form::{Form, chunk, content_of};
use crate::viewer::packing::Packed;
use crate::viewer::socket::Transport;
use crate::viewer::streams::Place;
use crate::viewer::uplink::Defaults;

/// Why a viewer is closed that sent a binary frame.
pub(in crate::viewer) const BINARY: CloseReason =
    CloseReason { code: 1003, reason: "ProtocolMismatch: Cap'n Proto is spoken on /rpc/share" };

/// Why a viewer is closed that sent a longer frame than it may.
pub(in crate::viewer) const TOO_LONG: CloseReason =
    CloseReason { code: 1009, reason: "LimitExceeded: a frame has more than 64 KiB" };

/// Why a viewer is closed that sent what is no frame.
pub(in crate::viewer) const GARBAGE: CloseReason = CloseReason { code: 1002, reason: "not the WebSocket protocol" };

/// Why a viewer is closed whose text is not UTF-8.
pub(in crate::viewer) const NOT_UTF8: CloseReason = CloseReason { code: 1007, reason: "a text frame is not UTF-8" };

/// A viewer, and all that it has. Boxed wherever it goes.
#[derive(Debug)]
pub(in crate::viewer) struct Viewer {
    pub(super) transport: Transport,
    pub(super) channel: Channel,
    pub(super) defaults: Defaults,
    pub(super) settings: Arc<ViewerSettings>,
    /// What is left of a frame that was begun.
    pub(in crate::viewer) torn: Bytes,
    /// When a WebSocket must have been heard, if it was sent a ping.
    pub(super) pong_by: Option<Instant>,
    /// The place of a stream of events among those of its credential.
    pub(in crate::viewer) place: Option<Place>,
    /// Last, so that its place is given back when all else is.
    pub(super) connection: Connection,
}

/// Why a viewer is not served any more.
#[derive(Debug)]
pub(super) enum Ended {
    /// The host closed the connection, and the registry knows why.
    Closed,
    /// There is nothing more to tell.
    Refused(Refusal),
    /// It broke the rules of its transport.
    Broke(CloseReason),
    /// The socket is not there any more, or not worth it.
    Lost,
}

impl Viewer {
    /// A viewer that has been told nothing yet.
    pub(in crate::viewer) fn new(
        transport: Transport,
        channel: Channel,
        defaults: Defaults,
        settings: Arc<ViewerSettings>,
        connection: Connection,
    ) -> Box<Self> {
        let (torn, pong_by, place) = (Bytes::new(), None, None);
        Box::new(Self { transport, channel, defaults, settings, torn, pong_by, place, connection })
    }

    /// Begins to tell something: what the socket does not take at once is left in `torn`.
    pub(super) fn begin(&mut self, down: &Down) {
        let bytes = match self.transport.packed() {
            Some((sent, in_chunks)) => {
                let Packed { bytes, crc } = self.channel.packed(down);
                sent.add(&crc);
                if in_chunks { bytes } else { content_of(&bytes) }
            }
            None => self.channel.written(down, self.transport.form()),
        };
        self.begin_bytes(bytes);
        if matches!((down, self.transport.form()), (Down::Heartbeat, Form::Message)) {
            let limit = self.settings.pong_within;
            self.pong_by.get_or_insert_with(|| Instant::now() + limit);
        }
    }

    fn begin_bytes(&mut self, bytes: Bytes) {
        self.connection.traffic.sent(bytes.len());
        self.torn = bytes;
    }

    /// Sends a frame that only this viewer is told.
    pub(super) async fn send(&mut self, frame: &str) -> Result<(), Ended> {
        let bytes = match self.transport.packed() {
            Some((sent, in_chunks)) => {
                let bytes = sent.own(&Form::Event.of(frame, None));
                if in_chunks { chunk(&bytes) } else { bytes }
            }
            None => self.transport.form().of(frame, None),
        };
        self.begin_bytes(bytes);
        self.finish().await
    }

    /// Writes what was begun. A socket that takes no bytes for [`ViewerSettings::write_stall`] is lost.
    pub(super) async fn finish(&mut self) -> Result<(), Ended> {
        let stall = self.settings.write_stall;
        if !matches!(timeout(stall, self.transport.flush()).await, Ok(true)) {
            return Err(Ended::Lost);
        }
        loop {
            match self.transport.try_write(&mut self.torn) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => return Err(Ended::Lost),
            }
            if !matches!(timeout(stall, self.transport.writable()).await, Ok(Ok(()))) {
                return Err(Ended::Lost);
            }
        }
    }
}
