//! The WebSocket of a connection: text frames in and out, pings, and the Close frame.
//!
//! Frames that are made at once leave at once: they are gathered until there is nothing more to read, or until a batch is full. One
//! task polls the socket, so a read and a write share its waker.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use futures::stream::{FusedStream as _, Stream as _};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, Sink as _, SinkExt as _, StreamExt as _};
use tokio::time::Instant;

use crate::wire::websocket::{BATCH_BYTES_MAX, PipeEnd, close_reason};

/// Frames that are read before what was answered meanwhile is sent.
const READS_MAX: usize = 32;

/// A connection's WebSocket.
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    /// A frame that did not fit into the batch.
    next: Option<String>,
    /// Bytes that the socket was given and has not sent.
    unsent: usize,
    /// Whether it was given something since it was last told that all is sent.
    has_news: bool,
    /// Frames that were read since it was last told to send.
    reads: usize,
    /// Whether the socket no longer parses what the peer sends.
    is_deaf: bool,
    /// When something was last heard of the peer.
    pub(super) heard_at: Instant,
    /// Since when the socket has not sent what it was given; `None` if it has.
    pub(super) stuck_since: Option<Instant>,
}

/// What was heard of the peer.
#[derive(Debug)]
pub(super) enum Heard {
    /// A text frame.
    Text(Bytes),
    /// A binary frame.
    Binary,
    /// A frame above the limit, of about so many bytes.
    TooLong(usize),
    /// Bytes that are not the WebSocket protocol, or a text that is not UTF-8.
    Garbage,
    /// Nothing, but the peer has stopped taking what it is sent.
    Stuck,
    /// Nothing, but all that there was is sent.
    Sent,
    /// Nobody is there any more, or somebody who has said goodbye.
    Gone,
}

/// Where the frames come from that are to be sent.
pub(super) trait Outgoing {
    /// The next frame.
    fn next(&mut self) -> Option<String>;
}

impl<F: FnMut() -> Option<String>> Outgoing for F {
    fn next(&mut self) -> Option<String> {
        self()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(stream: WebSocketStream<S>) -> Self {
        let (unsent, reads) = (0, 0);
        Self {
            stream,
            next: None,
            unsent,
            has_news: false,
            reads,
            is_deaf: false,
            heard_at: Instant::now(),
            stuck_since: None,
        }
    }

    /// Bytes that wait here to be sent.
    pub(super) fn unsent(&self) -> usize {
        self.unsent + self.next.as_ref().map_or(0, String::len)
    }

    /// Sends what there is and gives what is heard next. `listens`: frames of the peer are read. `sent` is told the bytes of each frame
    /// that goes out. Dropping the future loses nothing.
    pub(super) async fn turn(
        &mut self,
        mut outgoing: impl Outgoing,
        listens: bool,
        mut sent: impl FnMut(usize),
    ) -> Heard {
        std::future::poll_fn(|cx| self.poll_turn(cx, &mut outgoing, listens, &mut sent)).await
    }

    /// The next frame, if it is here already and what was answered meanwhile need not be sent first. What comes later is given by
    /// [`turn`](Self::turn), which has to be awaited next.
    pub(super) async fn heard_already(&mut self) -> Option<Heard> {
        if self.reads >= READS_MAX {
            return None;
        }
        match std::future::poll_fn(|cx| Poll::Ready(self.poll_hear(cx))).await {
            Poll::Ready(heard) => Some(heard),
            Poll::Pending => None,
        }
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut impl Outgoing,
        listens: bool,
        sent: &mut impl FnMut(usize),
    ) -> Poll<Heard> {
        let was_stuck = self.stuck_since.is_some();
        loop {
            let is_blocked = match self.poll_gather(cx, outgoing, sent) {
                Ok(is_blocked) => is_blocked,
                Err(_failed) => return Poll::Ready(self.last_words(cx)),
            };
            if listens
                && (self.reads < READS_MAX || is_blocked)
                && let Poll::Ready(heard) = self.poll_hear(cx)
            {
                return Poll::Ready(heard);
            }
            self.reads = 0;
            match self.poll_send(cx) {
                Poll::Ready(Ok(())) if self.next.is_none() => {
                    // Somebody may wait for the line to be free.
                    if std::mem::take(&mut self.has_news) {
                        return Poll::Ready(Heard::Sent);
                    }
                    if !listens {
                        return Poll::Pending;
                    }
                    // What comes from now on wakes this task.
                    return self.poll_hear(cx);
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_failed)) => return Poll::Ready(self.last_words(cx)),
                Poll::Pending if was_stuck => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Heard::Stuck),
            }
        }
    }

    /// Gives frames to the socket while they fit into a batch. Gives whether the socket is full.
    fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut impl Outgoing,
        sent: &mut impl FnMut(usize),
    ) -> Result<bool, WsError> {
        while let Some(frame) = self.next.take().or_else(|| outgoing.next()) {
            if self.unsent > 0 && self.unsent + frame.len() > BATCH_BYTES_MAX {
                self.next = Some(frame);
                match self.poll_send(cx) {
                    Poll::Pending => return Ok(true),
                    Poll::Ready(result) => result?,
                }
                continue;
            }
            self.unsent += frame.len();
            self.has_news = true;
            sent(frame.len());
            Pin::new(&mut self.stream).start_send(Message::text(frame))?;
        }
        Ok(false)
    }

    /// Ready when the socket has sent everything that it was given.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        match &flushed {
            Poll::Pending => {
                self.stuck_since.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => (self.stuck_since, self.unsent) = (None, 0),
        }
        flushed
    }

    /// Takes frames until there is one to be told.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.stream).poll_next(cx) else { return Poll::Pending };
            self.heard_at = Instant::now();
            let heard = match frame {
                Some(Ok(Message::Text(text))) => Heard::Text(text.into()),
                Some(Ok(Message::Binary(_))) => Heard::Binary,
                // The socket has put its pong in the queue, and sends it when it is flushed next.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => Heard::Gone,
                Some(Err(error)) => {
                    self.is_deaf = true;
                    of_error(error)
                }
            };
            self.reads += 1;
            return Poll::Ready(heard);
        }
    }

    /// A write has failed: what the peer said before it left is looked for.
    fn last_words(&mut self, cx: &mut Context<'_>) -> Heard {
        match self.poll_hear(cx) {
            Poll::Ready(heard) => heard,
            Poll::Pending => Heard::Gone,
        }
    }

    /// Sends a ping, unless an earlier message is stuck.
    pub(super) fn ping(&mut self) {
        if self.stuck_since.is_none() {
            // Fails only where the next turn fails as well.
            let _failed = Pin::new(&mut self.stream).start_send(Message::Ping(Bytes::new()));
        }
    }

    /// Sends the frames that are left and a Close frame, and waits until the peer has closed as well. Without the wait, bytes of the peer
    /// that nobody read would make the system reset the connection, and the peer lose the Close frame.
    pub(super) async fn close(&mut self, frames: Vec<String>, code: u16, reason: &str) {
        for frame in self.next.take().into_iter().chain(frames) {
            if self.stream.send(Message::text(frame)).await.is_err() {
                return;
            }
        }
        let close = CloseFrame { code: code.into(), reason: close_reason(reason.to_owned()) };
        if self.stream.send(Message::Close(Some(close))).await.is_err() {
            return;
        }
        while !self.is_deaf && !self.stream.is_terminated() {
            self.is_deaf = matches!(self.stream.next().await, Some(Err(_)));
        }
        let mut scratch = [0; 4096];
        while self.is_deaf {
            self.is_deaf = matches!(self.stream.get_mut().read(&mut scratch).await, Ok(1..));
        }
    }

    /// Answers the peer's Close frame, if it has sent one.
    pub(super) async fn leave(&mut self) {
        let _gone = self.stream.flush().await;
    }
}

fn of_error(error: WsError) -> Heard {
    match PipeEnd::from(error) {
        PipeEnd::TooLarge { got, .. } => Heard::TooLong(usize::try_from(got).unwrap_or(usize::MAX)),
        PipeEnd::Violation(_) => Heard::Garbage,
        PipeEnd::Cut
        | PipeEnd::Transport(_)
        | PipeEnd::ClosedByPeer { .. }
        | PipeEnd::ClosedHere { .. }
        | PipeEnd::TextFrame
        | PipeEnd::TooLargeToSend { .. }
        | PipeEnd::Idle
        | PipeEnd::Stalled => Heard::Gone,
    }
}

#[cfg(test)]
mod tests {
    use async_tungstenite::tungstenite::protocol::Role;
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    use super::*;

    /// What is not here does not use up what may be read before answers are sent.
    #[tokio::test]
    async fn only_frames_that_were_read_count_as_read() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut socket = Socket::new(WebSocketStream::from_raw_socket(near.compat(), Role::Server, None).await);
        let mut peer = WebSocketStream::from_raw_socket(far.compat(), Role::Client, None).await;
        for _ in 0..=READS_MAX {
            assert!(socket.heard_already().await.is_none());
        }
        for _ in 0..=READS_MAX {
            peer.send(Message::text("x")).await.unwrap();
        }
        for _ in 0..READS_MAX {
            assert!(matches!(socket.heard_already().await, Some(Heard::Text(_))));
        }
        assert!(socket.heard_already().await.is_none(), "answers are sent first");
        // A turn sends, and the frame that it gives is the first of the next ones.
        assert!(matches!(socket.turn(|| None, true, |_| ()).await, Heard::Text(_)));
        assert_eq!(socket.reads, 1);
    }
}
