//! The state behind a pipe's reader, writer and control.
//!
//! All three poll the one socket, perhaps from different tasks, but a socket remembers one waker. So it is always given
//! the same one, which wakes whichever of them are waiting.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use async_tungstenite::tungstenite::{Bytes, Error as WsError};
use futures::sink::Sink;
use futures::stream::{FusedStream as _, Stream as _};
use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::framing::Framing;
use super::{PipeEnd, PipeOptions};

/// Bytes that may wait to be sent in one batch. In a busy connection the socket's own buffer grows to this and stays so. A
/// larger message goes out by itself.
pub const BATCH_BYTES_MAX: usize = 16 << 10;

/// Number of messages past which a batch is sent at once. A larger batch would spare more system calls, but the peer
/// would sit idle while it gathers: with sixteen calls in flight the two ends would work in turn and not at once.
const BATCH_MESSAGES: usize = 8;
const BATCH_BYTES: usize = 4 << 10;

/// The most that a Close frame's reason may have: a control frame's 125 bytes less the code.
const CLOSE_REASON_BYTES_MAX: usize = 123;

pub(super) struct Shared<S> {
    socket: WebSocketStream<S>,
    pub(super) options: PipeOptions,
    pub(super) wakers: Arc<Wakers>,
    waker: Waker,
    /// The part of the received message that was not read yet.
    inbox: Bytes,
    /// Whether the socket had nothing more to read when it was last asked.
    drained: bool,
    framing: Framing,
    /// The bytes that were written since the last flush: at most one message.
    outbox: Vec<u8>,
    /// Number of messages that the socket was given and not yet told to send; below, their bytes.
    unsent_messages: usize,
    unsent: usize,
    pub(super) end: Option<PipeEnd>,
    /// Whether the socket no longer parses what the peer sends, so that closing politely means to read and discard its bytes.
    deaf: bool,
    pub(super) last_heard: Instant,
    /// Since when the socket has not sent what it was given; `None` if it has.
    pub(super) stuck_since: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    pub(super) fn new(socket: WebSocketStream<S>, options: PipeOptions) -> Self {
        let wakers = Arc::<Wakers>::default();
        Self {
            socket,
            options,
            waker: wakers.clone().into(),
            wakers,
            inbox: Bytes::new(),
            drained: false,
            framing: Framing::new(options.message_bytes_max),
            outbox: Vec::new(),
            unsent_messages: 0,
            unsent: 0,
            end: None,
            deaf: false,
            last_heard: Instant::now(),
            stuck_since: None,
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.wakers.reader.register(cx.waker());
        while self.inbox.is_empty() {
            if let Some(end) = &self.end {
                return Poll::Ready(Err(end.to_io_error()));
            }
            // Woken only to send what was said, it need not ask a socket that it knows to be empty.
            let is_drained = self.drained && !self.wakers.moved.swap(false, Ordering::Acquire);
            if is_drained || self.poll_receive().is_pending() {
                // Nothing more to read, so what was said meanwhile goes out, all of it in one.
                if self.unsent > 0 {
                    let _on_its_way = self.poll_drain();
                }
                return Poll::Pending;
            }
        }
        let taken = self.inbox.split_to(self.inbox.len().min(buffer.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        if self.inbox.is_empty() {
            self.inbox = Bytes::new(); // Lets go of the whole message.
        }
        Poll::Ready(Ok(taken.len()))
    }

    /// Takes frames until there is something to read or the pipe has ended. Ready means one of the two.
    pub(super) fn poll_receive(&mut self) -> Poll<()> {
        while self.inbox.is_empty() && self.end.is_none() {
            let frame = Pin::new(&mut self.socket).poll_next(&mut Context::from_waker(&self.waker));
            self.drained = frame.is_pending();
            let frame = ready!(frame);
            self.last_heard = Instant::now();
            match frame {
                Some(Ok(Message::Binary(payload))) => match self.framing.follow(&payload) {
                    Ok(()) => self.inbox = payload,
                    Err(got) => self.end_as(PipeEnd::TooLarge { got, max: self.options.message_bytes_max as u64 }),
                },
                Some(Ok(Message::Text(_))) => self.end_as(PipeEnd::TextFrame),
                // The socket has put its pong in the queue, and sends it when it is polled next.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    self.end_as(PipeEnd::closed_by_peer(frame));
                    let _answer = self.poll_drain();
                }
                Some(Err(error)) => {
                    let end = PipeEnd::from(error);
                    self.deaf = end.farewell().is_some();
                    self.end_as(end);
                }
                None => self.end_as(PipeEnd::Cut),
            }
        }
        Poll::Ready(())
    }

    /// Takes more of a message. Of a long one all pieces at once, so that it needs one buffer of its size, and not one after the other.
    pub(super) fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.end.is_none() && self.outbox.len() + bytes > self.options.message_bytes_max {
            self.end_as(PipeEnd::TooLargeToSend { max: self.options.message_bytes_max as u64 });
        }
        self.still_open()?;
        self.outbox.reserve(bytes);
        pieces.iter().for_each(|piece| self.outbox.extend_from_slice(piece));
        Ok(bytes)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.still_open()?;
        if !self.outbox.is_empty() {
            if self.unsent + self.outbox.len() > BATCH_BYTES_MAX {
                // The messages before must have left, or the bound of the socket's own buffer would be met.
                ready!(self.poll_drain_for(cx));
                self.still_open()?;
            }
            let payload = Bytes::from(std::mem::take(&mut self.outbox));
            self.unsent_messages += 1;
            self.unsent += payload.len();
            self.send(Message::Binary(payload));
        }
        if self.unsent >= BATCH_BYTES || self.unsent_messages >= BATCH_MESSAGES {
            ready!(self.poll_drain_for(cx));
        } else if self.unsent > 0 {
            // Other tasks that have more to send go first: the reader, when it finds nothing to read, sends it all.
            self.wakers.reader.wake();
        }
        Poll::Ready(self.still_open())
    }

    /// Sends a ping, unless an earlier message is stuck.
    pub(super) fn ping(&mut self) {
        if self.stuck_since.is_none() && self.end.is_none() {
            self.send(Message::Ping(Bytes::new()));
            let _on_its_way = self.poll_drain();
        }
    }

    /// Ready when the socket has sent everything that it was given, or has failed, and the pipe with it.
    pub(super) fn poll_drain(&mut self) -> Poll<()> {
        match Pin::new(&mut self.socket).poll_flush(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => {
                if self.stuck_since.is_none() {
                    self.stuck_since = Some(Instant::now());
                    self.wakers.keeper.wake();
                }
                Poll::Pending
            }
            Poll::Ready(result) => {
                self.stuck_since = None;
                self.unsent_messages = 0;
                self.unsent = 0;
                if let Err(error) = result {
                    self.failed(error);
                }
                Poll::Ready(())
            }
        }
    }

    /// [`poll_drain`](Self::poll_drain) for the writer, which is woken when it may go on, and not for every event of the socket.
    fn poll_drain_for(&mut self, writer: &Context<'_>) -> Poll<()> {
        self.wakers.writer.register(writer.waker());
        ready!(self.poll_drain());
        drop(self.wakers.writer.take());
        Poll::Ready(())
    }

    /// Ends the pipe, unless it has ended, and sends the Close frame that belongs to this end.
    pub(super) fn end_as(&mut self, end: PipeEnd) {
        let farewell = end.farewell();
        self.end_saying(end, farewell);
    }

    /// Ends the pipe, unless it has ended, and sends this Close frame if there is one.
    pub(super) fn end_saying(&mut self, end: PipeEnd, farewell: Option<(CloseCode, String)>) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        self.inbox = Bytes::new();
        self.outbox = Vec::new();
        if let Some((code, reason)) = farewell {
            self.send(Message::Close(Some(CloseFrame { code, reason: close_reason(reason) })));
            let _on_its_way = self.poll_drain();
        }
        self.wakers.all();
    }

    /// After the end: gets the Close frame out and waits for the peer's, or for the end of the stream. Without the wait,
    /// bytes of the peer that nobody read would make the system reset the connection, and the peer lose the Close frame.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wakers.closer.register(cx.waker());
        ready!(self.poll_drain());
        let mut socket_cx = Context::from_waker(&self.waker);
        while !self.socket.is_terminated() {
            let _discarded = ready!(Pin::new(&mut self.socket).poll_next(&mut socket_cx));
        }
        let mut scratch = [0; 4096];
        while self.deaf {
            let read = ready!(Pin::new(self.socket.get_mut()).poll_read(&mut socket_cx, &mut scratch));
            self.deaf = matches!(read, Ok(1..));
        }
        Poll::Ready(())
    }

    /// Whether a received message waits to be read on this side, so that the peer must not be held to be silent.
    pub(super) fn is_unread(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn send(&mut self, message: Message) {
        // `start_send` without `poll_ready`: the socket's buffer has room for one message and the control frames.
        if let Err(error) = Pin::new(&mut self.socket).start_send(message) {
            self.failed(error);
        }
    }

    /// A write failed. A peer that closes may be gone before we have read why, so its Close frame is looked for first.
    fn failed(&mut self, error: WsError) {
        if self.end.is_some() {
            return;
        }
        let mut end = PipeEnd::from(error);
        let mut socket_cx = Context::from_waker(&self.waker);
        while let Poll::Ready(Some(Ok(last_words))) = Pin::new(&mut self.socket).poll_next(&mut socket_cx) {
            if let Message::Close(frame) = last_words {
                end = PipeEnd::closed_by_peer(frame);
            }
        }
        self.end = Some(end);
        self.inbox = Bytes::new();
        self.outbox = Vec::new();
        self.wakers.all();
    }

    fn still_open(&self) -> io::Result<()> {
        self.end.as_ref().map_or(Ok(()), |end| Err(end.to_io_error()))
    }
}

/// The reason of a Close frame, cut at 123 bytes.
#[must_use]
pub fn close_reason(mut reason: String) -> Utf8Bytes {
    reason.truncate(reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX));
    reason.into()
}

/// The tasks that may be waiting, at most one in each place.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
    pub(super) closer: AtomicWaker,
    /// The task that keeps the pipe alive. Woken when a write gets stuck and when the pipe ends, not by every event of the socket.
    pub(super) keeper: AtomicWaker,
    /// Whether the socket had an event since it was last found empty.
    moved: AtomicBool,
}

impl Wakers {
    fn all(&self) {
        self.socket_moved();
        self.keeper.wake();
    }

    fn socket_moved(&self) {
        self.moved.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
        self.closer.wake();
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.socket_moved();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.socket_moved();
    }
}
